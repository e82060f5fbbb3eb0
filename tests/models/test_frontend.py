import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from anylect.errors import BundleError
from anylect.models.frontend import Moments, build_frontend


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(samples) + 0.05).astype(np.float32)


@pytest.mark.parametrize("normalized", [True, False])
def test_samples_are_what_transformers_makes_of_them(*, normalized: bool) -> None:
    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalized)
    samples = noise(5_000)
    expected = extractor(samples, sampling_rate=16_000)["input_values"][0]
    np.testing.assert_allclose(build_frontend(extractor).prepare(samples), expected, atol=1e-5)


@pytest.mark.parametrize("length", [8_000, 8_160, 5_001])
def test_filterbanks_are_what_transformers_makes_of_them(length: int) -> None:
    extractor = SeamlessM4TFeatureExtractor()
    samples = noise(length)
    expected = extractor(samples, sampling_rate=16_000, return_tensors="np")
    real = int(expected["attention_mask"].sum())
    prepared = build_frontend(extractor).prepare(samples)
    assert len(prepared) == real == build_frontend(extractor).count_rows(length)
    np.testing.assert_allclose(prepared, expected["input_features"][0][:real], atol=2e-4)


@settings(max_examples=20, deadline=None)
@given(blocks=st.lists(st.integers(0, 3000), min_size=1, max_size=6))
def test_moments_of_blocks_are_moments_of_the_whole(blocks: list[int]) -> None:
    frontend = build_frontend(SeamlessM4TFeatureExtractor())
    samples = noise(sum(blocks))
    edges = np.cumsum([0, *blocks])
    pieces = [samples[a:b] for a, b in itertools.pairwise(edges)]
    whole = Moments()
    whole.add(frontend.extract(samples))
    gathered = frontend.moments(pieces)
    assert gathered.count == whole.count
    if whole.count:
        np.testing.assert_allclose(gathered.total, whole.total, rtol=1e-6)
        np.testing.assert_allclose(gathered.squares, whole.squares, rtol=1e-6)


def test_an_unknown_extractor_is_named() -> None:
    with pytest.raises(BundleError, match="`WhisperFeatureExtractor` is not known") as caught:
        build_frontend(WhisperFeatureExtractor())
    assert caught.value.hint is not None
    assert "Wav2Vec2FeatureExtractor" in caught.value.hint
