from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.windows import Window, WindowOptions, cut_windows
from anylect.errors import ConfigError

Samples = NDArray[np.float32]


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[Samples, list[Samples], WindowOptions, int]:
    """A recording, the same in blocks, options in whole strides, and the stride."""
    stride = draw(st.integers(1, 7))
    context = draw(st.integers(1, 4))
    strides = draw(st.integers(2 * context + 1, 2 * context + 8))
    length = draw(st.integers(0, 12 * strides * stride))
    whole = np.arange(1, length + 1, dtype=np.float32)
    cuts = draw(st.lists(st.integers(0, length), max_size=12).map(sorted))
    blocks = np.split(whole, cuts)
    options = WindowOptions(seconds=float(strides * stride), context_seconds=context * stride)
    return whole, blocks, options, stride


def cut(blocks: list[Samples], options: WindowOptions, stride: int) -> list[Window]:
    return list(cut_windows(blocks, options, sample_rate=1, stride_samples=stride))


def toy_model(samples: Samples, kernel: Samples, stride: int) -> NDArray[np.float64]:
    """Frame t is a weighted sum of samples [t * stride, t * stride + kernel)."""
    frames = max(0, (len(samples) - len(kernel)) // stride + 1)
    return np.array([samples[t * stride :][: len(kernel)] @ kernel for t in range(frames)])


@given(cutting=cuttings(), data=st.data())
def test_kept_frames_of_windows_are_the_frames_of_the_whole(
    cutting: tuple[Samples, list[Samples], WindowOptions, int], data: st.DataObject
) -> None:
    whole, blocks, options, stride = cutting
    # A frame may see as far as the context, and its own stride.
    reach = data.draw(st.integers(1, int(options.context_seconds) + stride))
    kernel = np.arange(1, reach + 1, dtype=np.float32)
    kept = [
        toy_model(window.samples, kernel, stride)[window.keep_from : window.keep_to]
        for window in cut(blocks, options, stride)
    ]
    assert np.array_equal(np.concatenate([*kept, []]), toy_model(whole, kernel, stride))


@given(cutting=cuttings())
def test_every_kept_frame_has_its_context_on_both_sides(
    cutting: tuple[Samples, list[Samples], WindowOptions, int],
) -> None:
    whole, blocks, options, stride = cutting
    windows = cut(blocks, options, stride)
    context = int(options.context_seconds)
    for window in windows:
        begin = window.start_samples
        end = begin + len(window.samples)
        if begin:
            assert window.keep_from * stride >= context
        if end < len(whole):
            assert window.keep_to is not None
            assert len(window.samples) - window.keep_to * stride >= context
        else:
            assert window.keep_to is None
            assert window is windows[-1]


@given(cutting=cuttings())
def test_windows_are_pieces_of_the_whole_and_as_long_as_asked(
    cutting: tuple[Samples, list[Samples], WindowOptions, int],
) -> None:
    whole, blocks, options, stride = cutting
    length = int(options.seconds)
    windows = cut(blocks, options, stride)
    for window in windows:
        assert window.start_samples % stride == 0
        piece = whole[window.start_samples :][: len(window.samples)]
        assert np.array_equal(window.samples, piece)
    assert [len(window.samples) for window in windows[:-1]] == [length] * (len(windows) - 1)
    if len(whole) >= length:
        assert length <= len(windows[-1].samples) < length + stride
    elif len(whole):
        assert [len(window.samples) for window in windows] == [len(whole)]
    else:
        assert windows == []


@given(cutting=cuttings())
def test_blocks_do_not_matter(
    cutting: tuple[Samples, list[Samples], WindowOptions, int],
) -> None:
    whole, blocks, options, stride = cutting
    for one, other in zip(cut(blocks, options, stride), cut([whole], options, stride), strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert (one.start_samples, one.keep_from, one.keep_to) == (
            other.start_samples,
            other.keep_from,
            other.keep_to,
        )


@pytest.mark.parametrize("window", [400, 401, 640])
def test_a_model_of_wav2vec2s_stride_hears_the_same_in_windows(window: int) -> None:
    generator = np.random.default_rng(0)
    whole = generator.standard_normal(16_000 * 9 + 123).astype(np.float32)
    kernel = generator.standard_normal(window).astype(np.float32)
    options = WindowOptions(seconds=2.0, context_seconds=0.3)
    kept = [
        toy_model(each.samples, kernel, 320)[each.keep_from : each.keep_to]
        for each in cut_windows([whole], options, sample_rate=16_000, stride_samples=320)
    ]
    assert np.array_equal(np.concatenate(kept), toy_model(whole, kernel, 320))


def test_only_a_window_and_a_block_are_held() -> None:
    asked = 0

    def blocks() -> Iterator[Samples]:
        nonlocal asked
        for _ in range(1_000):
            asked += 1_000
            yield np.zeros(1_000, np.float32)

    options = WindowOptions(seconds=4.0, context_seconds=0.5)
    for window in cut_windows(blocks(), options, sample_rate=1_000, stride_samples=20):
        if window.keep_to is not None:
            assert asked - window.start_samples <= 4_000 + 1_000


def test_the_parts_given_out_do_not_keep_the_rest_alive() -> None:
    blocks = (np.zeros(100, np.float32) for _ in range(1_000))
    options = WindowOptions(seconds=1.0, context_seconds=0.1)
    sizes = []
    for window in cut_windows(blocks, options, sample_rate=1_000, stride_samples=10):
        base = window.samples.base if window.samples.base is not None else window.samples
        assert isinstance(base, np.ndarray)
        sizes.append(base.size)
    assert max(sizes) <= 2_200


@pytest.mark.parametrize(
    ("seconds", "context"), [(1.0, 0.5), (1.0, 0.0), (1.0, 0.004), (0.0, 0.0), (0.05, 0.02)]
)
def test_windows_that_keep_nothing_are_refused(seconds: float, context: float) -> None:
    options = WindowOptions(seconds=seconds, context_seconds=context)
    with pytest.raises(ConfigError, match="cannot be cut into frames of 20 ms") as caught:
        next(cut_windows([], options, sample_rate=16_000, stride_samples=320))
    assert caught.value.hint is not None
    assert "longer than two contexts" in caught.value.hint
