from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.augment import (
    AugmentOptions,
    SpecAugmentOptions,
    add_noise,
    add_room,
    augment_waveform,
    change_microphone,
    change_speed,
    coloured_noise,
    limit_band,
    mask_features,
)
from anylect.errors import ConfigError
from anylect.records import Waveform

EVERYTHING = AugmentOptions(
    speeds=(0.9, 1.0, 1.1),
    room_probability=1.0,
    telephone_probability=1.0,
    noise_probability=1.0,
    gain_db=(-6.0, 6.0),
)


def tone(hz: float, seconds: float = 1.0, sample_rate: int = 16_000) -> NDArray[np.float32]:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def power(samples: NDArray[np.float32]) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def peak_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * 16_000 / len(samples))


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


@pytest.mark.parametrize("speed", [0.9, 1.1, 1.25])
def test_speed_changes_duration_and_pitch_together(speed: float) -> None:
    faster = change_speed(tone(1_000, seconds=2.0), speed)
    assert len(faster) == pytest.approx(32_000 / speed, abs=1)
    assert peak_hz(faster) == pytest.approx(1_000 * speed, abs=1)


@given(snr_db=st.floats(-20, 60))
def test_noise_stands_as_far_below_as_asked(snr_db: float) -> None:
    samples = tone(440)
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 7
    added = add_noise(samples, noise, snr_db=snr_db).astype(np.float64) - samples
    found = 10 * np.log10(power(samples) / np.mean(np.square(added)))
    assert found == pytest.approx(snr_db, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_coloured_noise_falls_with_frequency_between_white_and_brown(seed: int) -> None:
    noise = coloured_noise(1 << 16, np.random.default_rng(seed))
    spectrum = np.square(np.abs(np.fft.rfft(noise)))[1:]
    lower, higher = spectrum[256:512].mean(), spectrum[4_096:8_192].mean()  # four octaves apart
    assert -0.5 < 10 * np.log10(lower / higher) < 4 * 6.02 + 0.5


@pytest.mark.parametrize(
    ("hz", "is_kept"), [(100, False), (400, True), (1_000, True), (3_000, True), (4_500, False)]
)
def test_a_telephone_keeps_its_band(hz: float, is_kept: bool) -> None:  # noqa: FBT001  a parameter
    both = tone(1_500) + tone(hz)
    limited = limit_band(both, 16_000, band_hz=(300.0, 3_400.0))
    spectrum = np.abs(np.fft.rfft(limited * np.hanning(16_000)))
    ratio = spectrum[round(hz) - 5 : round(hz) + 6].max() / spectrum[1_495:1_506].max()
    assert (ratio > 0.9) if is_kept else (ratio < 0.01)
    assert power(limited) == pytest.approx(power(both), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_room_rings_behind_the_sound_and_keeps_its_level(seed: int) -> None:
    click = np.zeros(16_000, np.float32)
    click[4_000] = 1.0
    found = add_room(click, 16_000, np.random.default_rng(seed))
    assert np.abs(found[:3_990]).max() < 1e-5
    assert found.argmax() == 4_000
    assert power(found[4_001:6_000]) > 10 * power(found[14_000:])
    assert power(found) == pytest.approx(power(click), rel=1e-4)


def test_gain_is_in_decibels() -> None:
    options = AugmentOptions(gain_db=(20.0, 20.0))
    waveform = Waveform(tone(440), 16_000)
    found = augment_waveform(waveform, options, np.random.default_rng(0)).samples
    assert found == pytest.approx(waveform.samples * 10, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
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


def test_another_microphone_has_a_smooth_response_of_the_spread_asked_for() -> None:
    tones_hz = np.array([250.0, 500.0, 1_000.0, 2_000.0, 4_000.0])
    time = np.arange(16_000) / 16_000
    samples = np.sin(2 * np.pi * tones_hz[:, None] * time).sum(axis=0).astype(np.float32)
    changes = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        changed = change_microphone(samples, 16_000, generator, deviation_db=4.0)
        assert np.mean(changed**2) == pytest.approx(np.mean(samples**2), rel=1e-3)
        before, after = (
            np.abs(np.fft.rfft(each)[tones_hz.astype(int)]) for each in (samples, changed)
        )
        change_db = 20 * np.log10(after / before)
        changes.append(change_db - change_db.mean())
    # The mean over the five tones is taken out by the level, and with it one part in five.
    assert np.std(changes) == pytest.approx(4.0 * np.sqrt(4 / 5), rel=0.15)
