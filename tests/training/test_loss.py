import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anylect.audio.features import FeatureOptions
from anylect.models.checkpoints import CheckpointModel
from anylect.models.deepspeech2 import DeepSpeech2Config, DeepSpeech2ForCTC
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.text.vocabulary import Vocabulary
from anylect.training.feed import Batch
from anylect.training.lessons import frames_needed
from anylect.training.loss import BatchLoss, batch_loss, needed_frames
from anylect.training.options import OptimizerOptions
from anylect.training.team import Team
from anylect.training.updates import gather_update

VOCABULARY = Vocabulary(("", "a", "b"))


@pytest.fixture
def model() -> CheckpointModel:
    torch.manual_seed(0)
    config = DeepSpeech2Config(
        input_bins=6,
        conv_channels=(2,),
        conv_kernels=((3, 3),),
        conv_strides=((2, 2),),
        conv_paddings=((0, 1),),
        hidden_size=4,
        recurrent_layers=1,
        vocab_size=3,
    )
    extractor = DeepSpeech2FeatureExtractor.from_options(FeatureOptions(kind="mel", bins=6))
    model = CheckpointModel(DeepSpeech2ForCTC(config), extractor, VOCABULARY, device="cpu")
    model.module.eval()
    return model


def batch_of(lengths: list[int], labels: list[list[int]]) -> Batch:
    generator = torch.Generator().manual_seed(1)
    padded = torch.zeros(len(labels), max(map(len, labels)), dtype=torch.long)
    for row, ids in zip(padded, labels, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return Batch(
        rows=torch.randn(len(lengths), max(lengths), 6, generator=generator),
        lengths=torch.tensor(lengths),
        labels=padded,
        label_lengths=torch.tensor([len(ids) for ids in labels]),
        seconds=1.0,
    )


def collapse(path: tuple[int, ...]) -> list[int]:
    return [
        token
        for index, token in enumerate(path)
        if token and (not index or path[index - 1] != token)
    ]


def test_the_loss_is_the_sum_over_all_paths(model: CheckpointModel) -> None:
    lengths, labels = [10, 7], [[1, 2], [2]]
    batch = batch_of(lengths, labels)
    with torch.no_grad():
        loss = batch_loss(model, batch)
        logits = model.logits(batch.rows, batch.lengths)
    expected = 0.0
    for row, wanted in enumerate(labels):
        frames = int(model.frame_lengths(torch.tensor(lengths[row])))
        probabilities = torch.softmax(logits[row, :frames], dim=-1).numpy()
        total = sum(
            math.prod(probabilities[frame, token] for frame, token in enumerate(path))
            for path in itertools.product(range(3), repeat=frames)
            if collapse(path) == wanted
        )
        expected -= math.log(total)
    assert float(loss.nats) == pytest.approx(expected, rel=1e-4)
    assert loss.tokens == 3
    assert loss.infeasible == 0


def test_what_does_not_fit_adds_nothing_and_is_counted(model: CheckpointModel) -> None:
    with torch.no_grad():
        alone = batch_loss(model, batch_of([10, 4], [[1, 2], [1]]))
        both = batch_loss(model, batch_of([10, 4], [[1, 2], [1, 1]]))
    assert both.infeasible == 1
    assert 0 < float(both.nats) < float(alone.nats)


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=8), min_size=1, max_size=4))
def test_frames_needed_agree_for_one_and_for_many(labels: list[list[int]]) -> None:
    batch = batch_of([5] * len(labels), labels)
    many = needed_frames(batch.labels, batch.label_lengths)
    assert many.tolist() == [frames_needed(each) for each in labels]
    shortest = [
        next(
            frames
            for frames in range(20)
            if frames >= len(each) and _some_path_spells(each, frames)
        )
        for each in labels
    ]
    assert many.tolist() == shortest


def _some_path_spells(labels: list[int], frames: int) -> bool:
    """Greedily lay the labels on frames: a blank where two neighbours are equal."""
    path = list(
        itertools.chain.from_iterable(
            [0, label] if index and labels[index - 1] == label else [label]
            for index, label in enumerate(labels)
        )
    )
    return len(path) <= frames and collapse(tuple(path)) == labels


def test_the_blank_rate_counts_real_frames_only(model: CheckpointModel) -> None:
    batch = batch_of([10, 4], [[1], [1]])
    with torch.no_grad():
        rate = float(batch_loss(model, batch).blank_rate)
        logits = model.logits(batch.rows, batch.lengths)
    frames = model.frame_lengths(batch.lengths).tolist()
    blanks = [(logits[row, :count].argmax(-1) == 0).numpy() for row, count in enumerate(frames)]
    assert rate == pytest.approx(float(np.concatenate(blanks).mean()))


def test_the_mean_is_that_of_the_reference(model: CheckpointModel) -> None:
    batch = batch_of([12, 10], [[1, 2, 1], [2]])
    loss = batch_loss(model, batch)
    logits = model.logits(batch.rows, batch.lengths)
    log_probs = torch.nn.functional.log_softmax(logits, dim=-1).transpose(0, 1)
    for reduction, ours in (("mean", loss.mean), ("sum", loss.nats)):
        theirs = torch.nn.functional.ctc_loss(
            log_probs,
            batch.labels,
            model.frame_lengths(batch.lengths),
            batch.label_lengths,
            blank=0,
            reduction=reduction,
        )
        torch.testing.assert_close(ours, theirs)


def test_what_cannot_be_learnt_may_be_infinite(model: CheckpointModel) -> None:
    batch = batch_of([4], [[1, 1, 1, 2]])
    assert float(batch_loss(model, batch).nats.detach()) == 0.0
    assert math.isinf(float(batch_loss(model, batch, zero_infinity=False).nats.detach()))


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("tokens", 12 / 8), ("utterances", 12 / 3), ("sum", 12 / 2)],
)
def test_an_update_divides_nats_by_what_was_asked(reduction: Any, expected: float) -> None:
    batches = [batch_of([9, 9], [[1, 2], [1, 2, 1]]), batch_of([9], [[1, 2, 1]])]
    update = gather_update(batches, Team(torch.device("cpu")))
    nats = [torch.tensor(7.0), torch.tensor(5.0)]
    parts = [
        update.objective(
            BatchLoss(nats=each, mean=each, tokens=1, infeasible=0, blanks=each, frames=each),
            batch=index,
            options=OptimizerOptions(loss_reduction=reduction),
        )
        for index, each in enumerate(nats)
    ]
    assert float(sum(parts)) == pytest.approx(expected)
