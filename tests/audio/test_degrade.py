from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from anylect.audio.conditions import CLEAN, Condition, GridOptions, conditions
from anylect.audio.degrade import TALKERS, Degrader
from anylect.audio.noise import active_power
from anylect.errors import ConfigError
from anylect.records import Utterance, Waveform

RATE = 8_000


def sound(hz: float, seconds: float = 0.5) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Ten utterances, each a tone of its own, of two speakers."""
    folder = tmp_path_factory.mktemp("pool")
    made = []
    for number in range(10):
        path = folder / f"{number}.wav"
        soundfile.write(path, sound(200 + 100 * number), RATE)
        made.append(
            Utterance(audio=path, text="a", id=path.stem, duration=0.5, speaker=f"s{number % 2}")
        )
    return made


def said(pool: list[Utterance], number: int = 0) -> tuple[Utterance, Waveform]:
    return pool[number], Waveform(sound(200 + 100 * number), RATE)


def test_every_condition_gives_finite_samples_the_same_again_and_not_the_clean_ones(
    pool: list[Utterance],
) -> None:
    grid = conditions(GridOptions(rt60_seconds=(0.2,), far_field_rt60_seconds=0.2))
    first, second = (Degrader(GridOptions(), seed=1, pool=pool) for _ in range(2))
    utterance, waveform = said(pool)
    for condition in grid[1:]:
        heard, again = (each(condition, utterance, waveform) for each in (first, second))
        assert np.isfinite(heard.samples).all(), condition.name
        assert heard.samples.dtype == np.float32, condition.name
        assert np.array_equal(heard.samples, again.samples), condition.name
        # Half a second may lose no packet, and a tone does not peak 6 dB above its level.
        stays = condition.family not in ("speed", "tempo")
        if stays and condition.family not in ("packet loss", "clipping"):
            assert not np.allclose(heard.samples, waveform.samples, atol=1e-3), condition.name
        assert (heard.samples.shape == waveform.samples.shape) == stays, condition.name


def test_clean_is_untouched_and_nothing_is_done_to_nothing(pool: list[Utterance]) -> None:
    degrader = Degrader(GridOptions(), seed=0)
    utterance, waveform = said(pool)
    assert degrader(CLEAN, utterance, waveform) is waveform
    empty = Waveform(np.zeros(0, np.float32), RATE)
    for condition in conditions(GridOptions()):
        assert degrader(condition, utterance, empty) is empty


def test_what_is_drawn_follows_from_seed_kind_and_utterance_not_from_the_order(
    pool: list[Utterance],
) -> None:
    white, pink = (Condition(family="noise", variant=kind, value=0.0) for kind in ("white", "pink"))

    def noise(seed: int, condition: Condition, number: int) -> NDArray[np.float32]:
        utterance, _ = said(pool, number)
        waveform = Waveform(sound(500), RATE)
        heard = Degrader(GridOptions(), seed=seed)(condition, utterance, waveform)
        return heard.samples - waveform.samples

    one = noise(0, white, 0)
    assert np.array_equal(one, noise(0, white, 0))
    for other in (noise(1, white, 0), noise(0, pink, 0), noise(0, white, 1)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.5
    degrader = Degrader(GridOptions(), seed=0)
    degrader(white, *said(pool, 3))
    assert np.allclose(degrader(white, *said(pool, 0)).samples - sound(200), one, atol=1e-6)


def test_stronger_noise_is_the_same_noise_louder(pool: list[Utterance]) -> None:
    degrader = Degrader(GridOptions(), seed=0)
    utterance, waveform = said(pool)
    soft, loud = (
        degrader(Condition(family="noise", variant="pink", value=snr), utterance, waveform).samples
        - waveform.samples
        for snr in (20.0, 0.0)
    )
    assert loud == pytest.approx(10 * soft, abs=1e-5)


def test_babble_is_of_other_speakers_where_there_are(pool: list[Utterance]) -> None:
    babble = Condition(family="noise", variant="babble", value=0.0)
    utterance, waveform = said(pool, 0)
    many = [*pool, *pool]  # the pool knows no order and no length
    heard = Degrader(GridOptions(), seed=0, pool=many)(babble, utterance, waveform)
    spectrum = np.abs(np.fft.rfft(heard.samples - waveform.samples))[::1]
    pitches = [round((200 + 100 * number) * 0.5) for number in range(10)]
    of_others = [spectrum[pitch] for pitch in pitches[1::2]]
    assert min(of_others) > 20 * max(spectrum[pitch] for pitch in pitches[0::2])


def test_babble_is_of_other_utterances_where_speakers_are_unknown(tmp_path: Path) -> None:
    pool = []
    for number in range(8):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, sound(200 + 200 * number), RATE)
        pool.append(Utterance(audio=path, text="a", id=path.stem))
    babble = Condition(family="noise", variant="babble", value=0.0)
    silent_tone = Waveform(sound(3_500), RATE)
    heard = Degrader(GridOptions(), seed=0, pool=pool)(babble, pool[0], silent_tone)
    spectrum = np.abs(np.fft.rfft(heard.samples - silent_tone.samples))
    loud = [number for number in range(8) if spectrum[100 + 100 * number] > 100]
    assert len(loud) == TALKERS
    assert 0 not in loud


def test_without_others_the_built_in_voice_babbles(pool: list[Utterance]) -> None:
    babble = Condition(family="noise", variant="babble", value=5.0)
    utterance, waveform = said(pool)
    gone = Utterance(audio=Path("gone.wav"), text="a", id="gone")
    heard = Degrader(GridOptions(), seed=0, pool=[utterance, gone])(babble, utterance, waveform)
    noise = Waveform(heard.samples - waveform.samples, RATE)
    assert 10 * np.log10(active_power(waveform) / np.mean(noise.samples**2)) == pytest.approx(
        5, abs=0.1
    )


def test_noise_and_rooms_of_the_user_are_heard(pool: list[Utterance], tmp_path: Path) -> None:
    for name in ("noise", "rooms"):
        (tmp_path / name).mkdir()
    soundfile.write(tmp_path / "noise" / "hiss.wav", sound(3_000, 3.0), RATE)
    soundfile.write(
        tmp_path / "rooms" / "echo.wav", np.eye(1, 900, 0)[0] + np.eye(1, 900, 800)[0] / 2, RATE
    )
    options = GridOptions(noise_folder=tmp_path / "noise", rooms_folder=tmp_path / "rooms")
    degrader = Degrader(options, seed=0)
    utterance, waveform = said(pool)
    noisy = degrader(Condition(family="noise", variant="recorded", value=0.0), utterance, waveform)
    assert np.abs(np.fft.rfft(noisy.samples)).argsort()[-2:].tolist() in ([100, 1500], [1500, 100])
    click = Waveform(np.eye(1, 2_000, 100, dtype=np.float32)[0], RATE)
    echoed = degrader(Condition(family="room", variant="measured"), utterance, click)
    assert echoed.samples[900] == pytest.approx(echoed.samples[100] / 2, rel=0.01)


def test_a_folder_that_is_missing_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        Degrader(GridOptions(noise_folder=tmp_path / "gone"), seed=0)
