"""However a recording is cut into pieces, its samples are those of loading it whole."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.load import load_waveform
from anylect.audio.pieces import PieceReader
from anylect.errors import AudioError, ConfigError


@given(
    samples=st.integers(1, 3_000),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    data=st.data(),
    as_bytes=st.booleans(),
)
def test_the_cutting_changes_no_bit(
    *, samples: int, rate: int, data: st.DataObject, as_bytes: bool
) -> None:
    recorded = np.random.default_rng(samples).integers(-32_768, 32_767, samples, dtype=np.int16)
    whole = load_waveform(recorded, sample_rate=16_000, source_rate=rate).samples
    given = recorded.astype("<i2").tobytes() if as_bytes else recorded
    cuts = sorted(data.draw(st.lists(st.integers(0, len(given)), max_size=6)))
    reader = PieceReader(rate, 16_000)
    pieces = [
        reader.feed(given[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(given)], strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate([*pieces, reader.finish()]), whole)


def test_channels_are_averaged() -> None:
    stereo = np.array([[0.5, 0.0], [1.0, -1.0]], np.float32)
    np.testing.assert_array_equal(PieceReader(8_000, 8_000).feed(stereo), [0.25, 0.0])


@pytest.mark.parametrize("piece", [np.zeros((2, 2, 2)), np.array(["a"])])
def test_what_is_no_audio_is_refused(piece: NDArray[Any]) -> None:
    with pytest.raises(AudioError, match="is no audio") as caught:
        PieceReader(8_000, 8_000).feed(piece)
    assert "16-bit PCM" in str(caught.value.hint)


def test_samples_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(AudioError, match="not finite"):
        PieceReader(8_000, 8_000).feed(np.array([0.0, np.nan]))


def test_a_rate_that_no_microphone_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="`sample_rate` is 16"):
        PieceReader(16, 8_000)
