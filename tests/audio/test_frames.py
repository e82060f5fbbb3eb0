import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.audio.frames import (
    WAV2VEC2_LAYERS,
    frame_count,
    frame_stride,
    frame_window,
    samples_needed,
    to_frames,
    to_samples,
    to_seconds,
)

layers = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=4)


def count_by_convolving(samples: int, stack: list[tuple[int, int]]) -> int:
    """Slide every kernel over what the layer below gave."""
    for kernel, stride in stack:
        samples = len([at for at in range(0, samples, stride) if at + kernel <= samples])
    return samples


@given(samples=st.integers(0, 300), stack=layers)
def test_frames_are_counted_as_convolutions_make_them(
    samples: int, stack: list[tuple[int, int]]
) -> None:
    assert frame_count(samples, stack) == count_by_convolving(samples, stack)


@given(frames=st.integers(1, 40), stack=layers)
def test_one_sample_less_than_needed_makes_a_frame_less(
    frames: int, stack: list[tuple[int, int]]
) -> None:
    needed = samples_needed(frames, stack)
    assert frame_count(needed, stack) == frames
    assert frame_count(needed - 1, stack) == frames - 1


@given(stack=layers)
def test_a_frame_sees_its_window_and_no_more(stack: list[tuple[int, int]]) -> None:
    window, stride = frame_window(stack), frame_stride(stack)
    for frame in (0, 1, 2):
        seen = set()
        length = samples_needed(3, stack)
        for sample in range(length):
            signal = np.zeros(length)
            signal[sample] = 1.0
            for kernel, step in stack:
                signal = np.convolve(signal, np.ones(kernel), mode="valid")[::step]
            if signal[frame]:
                seen.add(sample)
        assert min(seen) == frame * stride
        assert max(seen) == frame * stride + window - 1


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16_000, 49)]
)
def test_wav2vec2_frames(samples: int, frames: int) -> None:
    assert frame_count(samples, WAV2VEC2_LAYERS) == frames


def test_no_frames_need_no_samples() -> None:
    assert samples_needed(0) == 0


@given(frame=st.integers(0, 10_000_000))
def test_frames_survive_a_trip_through_seconds(frame: int) -> None:
    assert to_frames(to_seconds(frame, 0.02), 0.02) == frame
    assert to_samples(to_seconds(frame, 0.02), 16_000) == frame * 320
