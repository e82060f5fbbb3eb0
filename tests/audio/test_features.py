import cmath
import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.features import (
    FeatureOptions,
    extract_features,
    mel_filterbank,
    mel_filters,
    mfcc,
    spectrogram,
)
from anylect.errors import ConfigError

SMALL = FeatureOptions(
    sample_rate=1_000, window_ms=30.0, hop_ms=12.0, bins=5, coefficients=3, min_hz=10.0
)


def noise(length: int) -> NDArray[np.float32]:
    return np.random.default_rng(length).standard_normal(length).astype(np.float32)


def slow_energy(samples: NDArray[np.float32], options: FeatureOptions) -> list[list[float]]:
    """Frame, taper and transform by the definitions, one number at a time."""
    window, hop, fft = options.window_samples, options.hop_samples, options.fft_samples
    edge = 0.54 if options.taper == "hamming" else 0.5
    rows = []
    for start in range(0, len(samples) - window + 1, hop):
        tapered = [
            float(samples[start + n]) * (edge - (1 - edge) * math.cos(2 * math.pi * n / window))
            for n in range(window)
        ]
        row = []
        for k in range(fft // 2 + 1):
            terms = (x * cmath.exp(-2j * math.pi * k * n / fft) for n, x in enumerate(tapered))
            magnitude = abs(sum(terms))
            row.append(magnitude if options.scale == "magnitude" else magnitude**2)
        rows.append(row)
    return rows


def slow_mel(samples: NDArray[np.float32], options: FeatureOptions) -> list[list[float]]:
    def mel(hz: float) -> float:
        return 1127.0104805 * math.log(1 + hz / 700)

    low = mel(options.min_hz)
    step = (mel(options.max_hz or options.sample_rate / 2) - low) / (options.bins + 1)
    corners = [
        700 * (math.exp((low + i * step) / 1127.0104805) - 1) for i in range(options.bins + 2)
    ]
    rows = []
    for energy in slow_energy(samples, options):
        row = []
        for left, peak, right in zip(corners, corners[1:], corners[2:], strict=False):
            total = 0.0
            for k, value in enumerate(energy):
                hz = k * options.sample_rate / options.fft_samples
                if left < hz <= peak:
                    total += value * (hz - left) / (peak - left)
                elif peak < hz < right:
                    total += value * (right - hz) / (right - peak)
            row.append(math.log(total + options.floor))
        rows.append(row)
    return rows


@pytest.mark.parametrize("taper", ["hamming", "hann"])
@pytest.mark.parametrize("scale", ["power", "magnitude"])
def test_a_spectrogram_is_what_its_definition_says(
    taper: Literal["hamming", "hann"], scale: Literal["power", "magnitude"]
) -> None:
    options = replace(SMALL, taper=taper, scale=scale)
    samples = noise(100)
    expected = np.log(np.array(slow_energy(samples, options)) + options.floor)
    found = spectrogram(samples, options)
    assert found.shape == (6, 16)
    assert found == pytest.approx(expected, abs=2e-3, rel=1e-4)


@pytest.mark.parametrize("max_hz", [None, 300.0])
def test_a_mel_filterbank_is_what_its_definition_says(max_hz: float | None) -> None:
    options = replace(SMALL, kind="mel", max_hz=max_hz)
    found = mel_filterbank(noise(100), options)
    assert found == pytest.approx(np.array(slow_mel(noise(100), options)), abs=1e-3)


def test_mfccs_are_the_cosine_transform_of_log_mels() -> None:
    options = replace(SMALL, kind="mfcc")
    mels = slow_mel(noise(100), options)
    expected = [
        [
            math.sqrt((1 if k == 0 else 2) / 5)
            * sum(x * math.cos(math.pi / 5 * (n + 0.5) * k) for n, x in enumerate(row))
            for k in range(3)
        ]
        for row in mels
    ]
    assert mfcc(noise(100), options) == pytest.approx(np.array(expected), abs=2e-3)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (FeatureOptions(), 161),
        (FeatureOptions(sample_rate=8_000), 81),
        (FeatureOptions(kind="mel"), 80),
        (FeatureOptions(kind="mel", window_ms=25.0, bins=40), 40),
        (FeatureOptions(kind="mfcc"), 13),
    ],
)
def test_shapes(options: FeatureOptions, size: int) -> None:
    second = noise(options.sample_rate)
    found = extract_features(second, options)
    assert found.dtype == np.float32
    assert found.shape == (99 if options.window_ms == 20.0 else 98, size)
    assert options.size == size


@pytest.mark.parametrize("kind", ["spectrogram", "mel", "mfcc"])
@pytest.mark.parametrize("length", [0, 1, 319])
def test_too_few_samples_make_no_frame(
    kind: Literal["spectrogram", "mel", "mfcc"], length: int
) -> None:
    options = FeatureOptions(kind=kind)
    assert extract_features(noise(length), options).shape == (0, options.size)
    assert extract_features(noise(320), options).shape == (1, options.size)


@given(length=st.integers(320, 60_000), data=st.data())
def test_features_of_pieces_are_rows_of_the_whole(length: int, data: st.DataObject) -> None:
    options = FeatureOptions()
    samples = noise(length)
    whole = extract_features(samples, options)
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first, len(whole) - 1))
    piece = samples[first * 160 : last * 160 + 320]
    assert np.array_equal(extract_features(piece, options), whole[first : last + 1])


@pytest.mark.parametrize("kind", ["mel", "mfcc"])
def test_mel_features_of_pieces_are_rows_of_the_whole(kind: Literal["mel", "mfcc"]) -> None:
    # Up to the order in which the products of a filter are added up.
    options = FeatureOptions(kind=kind)
    samples = noise(50_000)
    whole = extract_features(samples, options)
    for first, last in ((0, 1), (7, 8), (100, 300), (130, 311)):
        piece = extract_features(samples[first * 160 : (last - 1) * 160 + 320], options)
        assert piece == pytest.approx(whole[first:last], abs=2e-5)


@pytest.mark.parametrize("hz", [500.0, 1_000.0, 3_000.0])
def test_a_tone_stands_in_its_bin(hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
    assert (spectrogram(tone, FeatureOptions()).argmax(axis=1) == hz / 50).all()


def test_silence_is_the_logarithm_of_the_floor() -> None:
    found = spectrogram(np.zeros(1_000, np.float32), FeatureOptions(floor=1e-6))
    assert found == pytest.approx(np.full_like(found, math.log(1e-6)))


def test_neighbouring_filters_add_up_to_one() -> None:
    options = FeatureOptions(kind="mel", bins=20)
    filters = mel_filters(options)
    total = filters.sum(axis=1)
    inside = slice(filters[:, 0].argmax() + 1, filters[:, -1].argmax())
    assert total[inside] == pytest.approx(np.ones_like(total[inside]), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"window_ms": 0.0}, "`features.window_ms` is 0.0", "two samples or more"),
        ({"hop_ms": 0.01}, "`features.hop_ms` is 0.01", "a sample or more"),
        ({"floor": 0.0}, "`features.floor` is 0.0", "a positive number"),
        ({"bins": 0}, "`features.bins` is 0", "one or more"),
        ({"min_hz": 9_000.0}, "`features.min_hz` is 9000.0", "0 to 8000"),
        ({"max_hz": 9_000.0}, "`features.max_hz` is 9000.0", "half the sample rate"),
        ({"min_hz": 50.0, "max_hz": 40.0}, "`features.max_hz` is 40.0", "above `min_hz`"),
        ({"kind": "mfcc", "coefficients": 81}, "`features.coefficients` is 81", "1 to `bins`"),
    ],
)
def test_options_that_cannot_be_are_refused(
    settings: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        FeatureOptions(**settings)
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")


def test_filters_too_narrow_for_the_spectrum_are_refused() -> None:
    options = FeatureOptions(kind="mel", window_ms=10.0, bins=128)
    with pytest.raises(ConfigError, match="lies between two bins") as caught:
        extract_features(noise(1_000), options)
    assert "choose fewer bins" in (caught.value.hint or "")
