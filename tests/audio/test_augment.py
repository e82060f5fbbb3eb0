import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.augment import (
    ROBUST,
    AugmentOptions,
    SpecAugmentOptions,
    augment_waveform,
    check_sources,
    mask_features,
)
from anylect.config import build_config
from anylect.errors import ConfigError
from anylect.records import Waveform

EVERYTHING = AugmentOptions(
    speeds=(0.9, 1.0, 1.1),
    room_probability=1.0,
    telephone_probability=1.0,
    noise_probability=1.0,
    microphone_db=3.0,
    clipping_probability=1.0,
    packet_loss_probability=1.0,
    gain_db=(-6.0, 6.0),
)


def tone(hz: float, seconds: float = 1.0, sample_rate: int = 16_000) -> NDArray[np.float32]:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def test_nothing_happens_unasked() -> None:
    waveform = Waveform(tone(440), 16_000)
    augmented = augment_waveform(waveform, AugmentOptions(), np.random.default_rng(0))
    assert np.array_equal(augmented.samples, waveform.samples)


def test_the_same_seed_gives_the_same_samples_and_another_does_not() -> None:
    waveform = Waveform(tone(440), 16_000)
    one, same, other = (
        augment_waveform(waveform, EVERYTHING, np.random.default_rng(seed)).samples
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert len(one) != len(other) or not np.allclose(one, other)


def test_the_waveform_passed_in_stays_as_it_is() -> None:
    samples = tone(440)
    before = samples.copy()
    for seed in range(6):
        augment_waveform(Waveform(samples, 16_000), EVERYTHING, np.random.default_rng(seed))
    assert np.array_equal(samples, before)


@given(length=st.integers(0, 3_000), seed=st.integers(0, 2**32))
def test_any_length_comes_out_finite_float32(length: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(length).astype(np.float32)
    found = augment_waveform(Waveform(samples, 16_000), EVERYTHING, generator)
    assert found.samples.dtype == np.float32
    assert np.isfinite(found.samples).all()
    assert length / 1.1 - 1 <= len(found.samples) <= length / 0.9 + 1


def test_silence_stays_silence() -> None:
    silence = Waveform(np.zeros(1_600, np.float32), 16_000)
    found = augment_waveform(silence, EVERYTHING, np.random.default_rng(0)).samples
    assert not found.any()


def test_gain_is_in_decibels() -> None:
    options = AugmentOptions(gain_db=(20.0, 20.0))
    waveform = Waveform(tone(440), 16_000)
    found = augment_waveform(waveform, options, np.random.default_rng(0)).samples
    assert found == pytest.approx(waveform.samples * 10, rel=1e-6)


def test_a_new_step_that_is_off_leaves_the_draws_of_the_others_alone() -> None:
    waveform = Waveform(tone(440), 16_000)
    noisy = AugmentOptions(noise_probability=0.5)
    also = AugmentOptions(noise_probability=0.5, codec_probability=0.0, far_field_m=(2.0, 3.0))
    for seed in range(8):
        one, two = (
            augment_waveform(waveform, options, np.random.default_rng(seed)).samples
            for options in (noisy, also)
        )
        assert np.array_equal(one, two)


@pytest.mark.parametrize(
    "options",
    [
        AugmentOptions(far_field_probability=1.0, far_field_rt60_seconds=(0.2, 0.2)),
        AugmentOptions(codec_probability=1.0, codecs=("gsm 13", "opus 12")),
    ],
    ids=["far field", "codecs"],
)
def test_every_step_changes_what_is_heard_and_keeps_its_length(options: AugmentOptions) -> None:
    waveform = Waveform(tone(440), 16_000)
    changed = augment_waveform(waveform, options, np.random.default_rng(0)).samples
    assert changed.shape == waveform.samples.shape
    assert not np.allclose(changed, waveform.samples, atol=0.01)
    again = augment_waveform(waveform, options, np.random.default_rng(0)).samples
    assert np.array_equal(changed, again)


def test_a_step_happens_as_often_as_it_is_likely() -> None:
    waveform = Waveform(tone(440, seconds=0.1), 16_000)
    options = AugmentOptions(clipping_probability=0.3, clipping_headroom_db=(0.0, 0.0))
    generator = np.random.default_rng(0)
    heard = [augment_waveform(waveform, options, generator).samples.max() for _ in range(500)]
    assert np.mean(np.array(heard) < 0.29) == pytest.approx(0.3, abs=0.06)


def test_noise_and_rooms_come_from_the_folders_given(tmp_path: Path) -> None:
    for name, samples in {
        "noise": tone(3_000),
        "rooms": np.eye(1, 800, dtype=np.float32)[0],
    }.items():
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", samples, 16_000)
    options = AugmentOptions(
        noise_probability=1.0,
        noise_folder=tmp_path / "noise",
        noise_snr_db=(0.0, 0.0),
        room_probability=1.0,
        rooms_folder=tmp_path / "rooms",
    )
    check_sources(options)
    heard = augment_waveform(Waveform(tone(440), 16_000), options, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(heard.samples))
    assert spectrum[3_000] == pytest.approx(spectrum[440], rel=0.02)
    assert np.delete(spectrum, [440, 3_000]).max() < 0.05 * spectrum[440]


def test_the_robust_preset_runs_and_leaves_many_utterances_nearly_alone() -> None:
    check_sources(ROBUST)
    steps = ("room", "noise", "clipping", "telephone", "codec", "packet_loss", "far_field")
    untouched = np.prod([1 - getattr(ROBUST, f"{step}_probability") for step in steps])
    assert 0.2 < untouched < 0.5


def test_the_guide_shows_the_robust_preset() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "robustness.md"
    block = page.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    shown = tomllib.loads(block)["augmentation"]["waveform"]
    assert build_config(AugmentOptions, shown) == ROBUST


def test_a_folder_without_recordings_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"noise_folder": tmp_path / "gone"}, "gone: no such folder of recordings"),
        ({"noise_folder": tmp_path / "empty"}, "empty: holds no recordings"),
        ({"rooms_folder": tmp_path / "empty"}, "empty: holds no recordings"),
    )
    for settings, message in cases:
        options = replace(AugmentOptions(noise_probability=0.1, room_probability=0.1), **settings)
        with pytest.raises(ConfigError) as caught:
            check_sources(options)
        assert caught.value.message.endswith(message)
        assert caught.value.hint
        check_sources(replace(AugmentOptions(), **settings))  # nobody asks for it


def test_a_codec_that_cannot_be_had_is_found_before_training() -> None:
    options = AugmentOptions(codec_probability=0.1, codecs=("opus 12", "amr 64"))
    with pytest.raises(ConfigError, match="AMR narrowband at 64 kb/s") as caught:
        check_sources(options)
    assert caught.value.hint == "expected 4.75 to 12.2 kb/s"


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"far_field_m": (1.0, 9.0)}, "`far_field_m` is [1.0, 9.0]", "expected 0.2 to 7"),
        ({"codecs": (), "codec_probability": 0.1}, "`codecs` is empty", "opus 12"),
        ({"microphone_db": -1.0}, "`microphone_db` is -1.0", "expected 0 or more"),
        ({"speeds": (0.0,)}, "a speed is 0.0", "0.25 to 4.0"),
        ({"speeds": ()}, "`speeds` is empty", "leaves them as they are"),
        ({"noise_probability": 1.5}, "`noise_probability` is 1.5", "expected 0 to 1"),
        ({"gain_db": (3.0, -3.0)}, "`gain_db` is [3.0, -3.0]", "lower bound comes first"),
    ],
)
def test_augmentation_that_cannot_be_is_refused(
    settings: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        AugmentOptions(**settings)
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")


masks = st.builds(
    SpecAugmentOptions,
    time_masks=st.integers(0, 3),
    time_mask_frames=st.integers(0, 200),
    time_mask_share=st.floats(0, 1),
    frequency_masks=st.integers(0, 3),
    frequency_mask_bins=st.integers(0, 200),
)


@given(
    frames=st.integers(1, 60), bins=st.integers(1, 40), options=masks, seed=st.integers(0, 9_999)
)
def test_masks_fit_any_features(
    frames: int, bins: int, options: SpecAugmentOptions, seed: int
) -> None:
    rows = np.random.default_rng(0).standard_normal((frames, bins)).astype(np.float32)
    before = rows.copy()
    masked = mask_features(rows, options, np.random.default_rng(seed))
    assert np.array_equal(rows, before)
    assert masked.shape == rows.shape
    changed = masked != rows
    means = np.broadcast_to(rows.mean(axis=0), rows.shape)
    assert np.array_equal(masked[changed], means[changed])
    longest = min(options.time_mask_frames, int(options.time_mask_share * frames))
    whole_frames = changed.all(axis=1).sum() if options.frequency_masks == 0 else 0
    assert whole_frames <= options.time_masks * longest
    whole_bins = changed.all(axis=0).sum() if options.time_masks == 0 else 0
    assert whole_bins <= options.frequency_masks * options.frequency_mask_bins


def test_features_without_frames_have_nothing_to_mask() -> None:
    options = SpecAugmentOptions(time_masks=2, frequency_masks=2)
    rows = np.zeros((0, 8), np.float32)
    assert mask_features(rows, options, np.random.default_rng(0)).shape == (0, 8)


def test_masks_come_in_every_length_up_to_the_longest_and_everywhere() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    options = SpecAugmentOptions(time_masks=1, time_mask_frames=5)
    generator = np.random.default_rng(0)
    hit = np.zeros(50, int)
    lengths = set()
    for _ in range(1_000):
        changed = (mask_features(rows, options, generator) != rows).all(axis=1)
        hit += changed
        lengths.add(int(changed.sum()))
    assert lengths == {0, 1, 2, 3, 4, 5}
    assert hit.all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_masks": -1}, "`time_masks` is -1"),
        ({"time_mask_share": 1.1}, "`time_mask_share` is 1.1"),
    ],
)
def test_masks_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        SpecAugmentOptions(**settings)
    assert (caught.value.hint or "").startswith("expected 0")


def test_tempo_changes_how_long_it_lasts_and_not_how_high_it_is() -> None:
    waveform = Waveform(tone(440, seconds=2.0), 16_000)
    options = AugmentOptions(tempo=(0.85, 1.15))
    lengths = set()
    for seed in range(6):
        spoken = augment_waveform(waveform, options, np.random.default_rng(seed)).samples
        lengths.add(len(spoken))
        assert 2.0 / 1.15 - 0.001 <= len(spoken) / 16_000 <= 2.0 / 0.85 + 0.001
        spectrum = np.abs(np.fft.rfft(spoken * np.hanning(len(spoken))))
        assert spectrum.argmax() * 16_000 / len(spoken) == pytest.approx(440, abs=5)
    assert len(lengths) == 6


def test_what_is_drawn_otherwise_stays_the_same_without_tempo() -> None:
    waveform = Waveform(tone(440), 16_000)
    gain = AugmentOptions(gain_db=(-6.0, 8.0))
    both = replace(gain, tempo=(1.0, 1.0))
    one, other = (
        augment_waveform(waveform, options, np.random.default_rng(3)).samples
        for options in (gain, both)
    )
    assert np.array_equal(one, other)


@pytest.mark.parametrize("tempo", [(1.2, 0.8), (0.0, 1.0), (1.0, 3.0)])
def test_a_tempo_nobody_speaks_at_is_refused(tempo: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="`tempo` is"):
        AugmentOptions(tempo=tempo)
