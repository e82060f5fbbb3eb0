from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.filtering import mean_power
from anylect.audio.noise import (
    COLOURS,
    active_power,
    add_noise,
    babble,
    coloured_noise,
    draw_noise,
    hum,
    loop,
)
from anylect.audio.sounds import open_sounds
from anylect.errors import AudioError, ConfigError
from anylect.records import Waveform

RATE = 16_000


def tone(hz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


@settings(max_examples=40)
@given(
    snr_db=st.floats(-20, 60),
    pause=st.floats(0, 3),
    colour=st.sampled_from(sorted(COLOURS)),
    seed=st.integers(0, 99),
)
def test_speech_while_it_is_active_stands_as_far_above_noise_as_asked(
    snr_db: float, pause: float, colour: str, seed: int
) -> None:
    spoken = Waveform(np.pad(tone(440), (round(pause * RATE), 0)), RATE)
    noise = 7 * coloured_noise(
        len(spoken.samples),
        np.random.default_rng(seed),
        sample_rate=RATE,
        exponent=COLOURS[colour],
    )
    added = add_noise(spoken, noise, snr_db=snr_db).samples.astype(np.float64) - spoken.samples
    # The tone is what is active, whatever silence stands before it.
    found = decibels(0.3**2 / 2 / float(np.mean(np.square(added))))
    assert found == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(
    ("before", "active", "after", "expected_db"),
    [
        (0.0, 1.0, 0.0, 0.0),
        (2.0, 1.0, 0.0, 0.0),
        (0.0, 1.0, 2.0, decibels(1.0 / 1.2)),  # P.56's hangover: 0.2 s more count as active
        (0.0, 0.5, 0.1, decibels(0.5 / 0.6)),
    ],
)
def test_pauses_do_not_lower_the_active_level(
    before: float, active: float, after: float, expected_db: float
) -> None:
    sung = np.pad(tone(400, active), (round(before * RATE), round(after * RATE)))
    assert decibels(active_power(Waveform(sung, RATE)) / 0.045) == pytest.approx(
        expected_db, abs=0.05
    )


def test_what_is_far_below_the_speech_counts_as_pause() -> None:
    loud, faint = tone(400), 0.05 * tone(400, 3.0)  # 26 dB below
    assert decibels(active_power(Waveform(np.concatenate([faint, loud]), RATE)) / 0.045) == (
        pytest.approx(0.0, abs=0.1)
    )


@given(gain_db=st.floats(-60, 20), seed=st.integers(0, 20))
def test_the_active_level_follows_the_gain(gain_db: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(12_345) * np.repeat(generator.random(5), 2_469)
    quiet = samples * 10 ** (gain_db / 20)
    one, two = (active_power(Waveform(each.astype(np.float32), RATE)) for each in (samples, quiet))
    assert decibels(two / one) == pytest.approx(gain_db, abs=0.01)


@given(size=st.integers(0, 2_000))
def test_silence_and_silent_noise_change_nothing(size: int) -> None:
    silence = Waveform(np.zeros(size, np.float32), RATE)
    assert not add_noise(silence, np.ones(size, np.float32), snr_db=0).samples.any()
    spoken = Waveform(np.ones(size, np.float32), RATE)
    assert add_noise(spoken, np.zeros(size, np.float32), snr_db=0) is spoken
    assert active_power(silence) == 0


@pytest.mark.parametrize(("colour", "fall_db"), [("white", 0.0), ("pink", 12.0), ("brown", 24.1)])
def test_colours_fall_with_frequency_as_their_names_say(colour: str, fall_db: float) -> None:
    noise = coloured_noise(
        1 << 17, np.random.default_rng(0), sample_rate=RATE, exponent=COLOURS[colour]
    )
    spectrum = np.square(np.abs(np.fft.rfft(noise)))
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)

    def around(centre: float) -> float:
        return float(spectrum[(hz > centre / 1.2) & (hz < centre * 1.2)].mean())

    assert decibels(around(300) / around(4_800)) == pytest.approx(fall_db, abs=0.7)


def test_brown_noise_can_be_heard_and_is_no_mere_rumble() -> None:
    noise = coloured_noise(10 * RATE, np.random.default_rng(0), sample_rate=RATE, exponent=2.0)
    spectrum = np.square(np.abs(np.fft.rfft(noise)))
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    assert spectrum[hz > 50].sum() > 0.3 * spectrum.sum()


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_hum_at_their_frequency_and_its_multiples(mains_hz: float) -> None:
    made = hum(2 * RATE, np.random.default_rng(0), sample_rate=RATE, mains_hz=mains_hz)
    spectrum = np.abs(np.fft.rfft(made)) / RATE
    for harmonic in (1, 2, 3):
        assert spectrum[round(2 * mains_hz * harmonic)] == pytest.approx(
            10 ** (-6 * (harmonic - 1) / 20), rel=0.01
        )
    assert spectrum[round(2.5 * mains_hz * 2)] < 0.01


def test_babble_holds_every_voice_at_the_same_level_however_loud_it_was() -> None:
    voices = [Waveform(gain * tone(hz), RATE) for gain, hz in ((1, 400), (0.01, 700), (3, 1_100))]
    made = babble(3 * RATE, voices, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(made))[::3]
    assert spectrum[[400, 700, 1_100]] == pytest.approx(spectrum[400], rel=0.01)


def test_babble_of_nobody_is_silence() -> None:
    assert not babble(
        100, [Waveform(np.zeros(9, np.float32), RATE)], np.random.default_rng(0)
    ).any()


@given(length=st.integers(1, 50), size=st.integers(0, 120), seed=st.integers(0, 99))
def test_a_loop_goes_on_where_it_ends(length: int, size: int, seed: int) -> None:
    made = loop(np.arange(length, dtype=np.float32), size, np.random.default_rng(seed))
    assert len(made) == size
    steps = np.diff(made)
    assert np.isin(steps, [1, 1 - length]).all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "street").mkdir()
    soundfile.write(tmp_path / "street" / "short.wav", tone(1_000, 0.5), RATE)
    ramp = np.linspace(0, 0.9, 20 * 8_000)
    soundfile.write(tmp_path / "long.flac", ramp, 8_000)
    (tmp_path / "licence.txt").write_text("CC0")
    return tmp_path


def test_a_folder_of_noise_is_listed_with_its_durations(folder: Path) -> None:
    sounds = open_sounds(folder)
    names = [path.relative_to(folder).as_posix() for path in sounds.recordings]
    assert names == ["long.flac", "street/short.wav"]
    assert sounds.durations == (20.0, 0.5)


def test_noise_is_drawn_from_every_recording_and_every_place(folder: Path) -> None:
    generator = np.random.default_rng(0)
    levels = []
    for _ in range(60):
        drawn = draw_noise(open_sounds(folder), RATE, generator, sample_rate=RATE)
        assert drawn.shape == (RATE,)
        levels.append(float(drawn.mean()))
    from_long = np.array([level for level in levels if level > 0.005])
    assert 20 < len(from_long) < 40
    assert from_long.min() < 0.25
    assert from_long.max() > 0.65


def test_noise_shorter_than_the_speech_is_looped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(1_000, 0.5), RATE)
    drawn = draw_noise(open_sounds(tmp_path), 2 * RATE, np.random.default_rng(1), sample_rate=RATE)
    assert drawn[: RATE // 2] == pytest.approx(drawn[RATE : 3 * RATE // 2])
    assert np.abs(np.fft.rfft(drawn)).argmax() == 2_000


def test_a_folder_of_silence_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match="were all silent") as caught:
        draw_noise(open_sounds(tmp_path), RATE, np.random.default_rng(0), sample_rate=RATE)
    assert "remove" in str(caught.value.hint)


def test_a_folder_with_a_broken_recording_names_it(tmp_path: Path) -> None:
    (tmp_path / "page.wav").write_text("<html>not found</html>")
    with pytest.raises(AudioError, match=r"page\.wav"):
        open_sounds(tmp_path)


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        open_sounds(tmp_path / "gone")
    with pytest.raises(ConfigError, match="holds no recordings") as caught:
        open_sounds(tmp_path)
    assert ".flac" in str(caught.value.hint)


def test_real_noise_is_drawn_at_any_rate(shared_data: Path) -> None:
    sounds = open_sounds(shared_data / "noise_rir" / "noise")
    generator = np.random.default_rng(0)
    for rate in (8_000, 16_000, 44_100):
        drawn = draw_noise(sounds, rate, generator, sample_rate=rate)
        assert drawn.shape == (rate,)
        assert mean_power(drawn) > 0
