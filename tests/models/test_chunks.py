"""Chunks, against the pipeline of `transformers` itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import AutoFeatureExtractor
from transformers.pipelines.automatic_speech_recognition import chunk_iter, rescale_stride

from anylect.errors import ConfigError
from anylect.models.checkpoints import CheckpointModel
from anylect.models.chunks import ChunkedModel, ChunkOptions, cut_chunks
from anylect.models.listening import emit_recording
from anylect.records import Waveform


@given(st.integers(1, 400), st.integers(3, 20), st.integers(0, 6), st.integers(1, 5))
def test_the_frames_kept_join_to_all_frames(
    samples: int, length: int, margin: int, stride_samples: int
) -> None:
    if length <= 2 * margin:
        return
    options = ChunkOptions(length=length * stride_samples, stride=margin * stride_samples)
    kept: list[int] = []
    for chunk in cut_chunks(samples, options, sample_rate=1, stride_samples=stride_samples):
        first = chunk.start // stride_samples
        frames = list(range(first, first + (chunk.stop - chunk.start) // stride_samples))
        kept += frames[chunk.keep_from : chunk.keep_to]
    assert kept == list(range(samples // stride_samples))


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.33, 3.7])
def test_chunks_are_those_of_the_reference(
    model: CheckpointModel, checkpoint: Path, seconds: float
) -> None:
    samples = (0.1 * np.random.default_rng(0).standard_normal(int(seconds * 16_000))).astype("f")
    chunked = ChunkedModel(model, ChunkOptions(length=1.0, stride=0.2))
    ours = np.concatenate(
        [each.log_probs for each in emit_recording(chunked, Waveform(samples, 16_000))]
    )
    theirs = reference(model, checkpoint, samples)
    # The extractor of w2v-BERT pads an odd last row to a frame that hears half of nothing.
    assert len(theirs) - len(ours) in ((0, 1) if model.frontend.stack > 1 else (0,))
    np.testing.assert_allclose(ours, theirs[: len(ours)], atol=1e-4)


def reference(
    model: CheckpointModel, checkpoint: Path, samples: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Chunk, hear and cut as `AutomaticSpeechRecognitionPipeline` does."""
    extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    ratio = model.module.config.inputs_to_logits_ratio
    pieces = []
    for item in chunk_iter(samples, extractor, 16_000, 3_200, 3_200):
        name = model.frontend.input_name
        masks = {"attention_mask": item["attention_mask"]} if model.uses_mask else {}
        inputs = {name: item[name], **masks}
        with torch.inference_mode():
            logits = model.module(**inputs).logits
        total, left, right = rescale_stride([item["stride"]], 1 / ratio)[0]
        pieces.append(torch.log_softmax(logits, -1)[0, left : total - right].numpy())
    return np.concatenate(pieces)


@pytest.mark.parametrize(("length", "stride"), [(0.0, None), (5.0, 2.5), (5.0, -1.0)])
def test_chunks_that_keep_nothing_are_refused(length: float, stride: float | None) -> None:
    with pytest.raises(ConfigError) as caught:
        ChunkOptions(length=length, stride=stride)
    assert caught.value.hint


def test_the_stride_is_a_sixth_of_the_chunk_unless_given() -> None:
    assert ChunkOptions(length=6.0).margin == 1.0
    assert ChunkOptions(length=6.0, stride=0.0).margin == 0.0
