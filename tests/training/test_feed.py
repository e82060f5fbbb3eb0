from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tests.conftest import SAMPLE_RATE, sing

from anylect.audio.augment import AugmentOptions, SpecAugmentOptions
from anylect.audio.features import FeatureOptions
from anylect.models.frontend import Frontend
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.records import Utterance
from anylect.training.feed import Batch, Feed
from anylect.training.lessons import Lesson
from anylect.training.options import AugmentationOptions, BatchOptions, JoiningOptions
from anylect.training.passages import Passage

PLAIN = AugmentationOptions()
SAMPLES = Frontend(
    sample_rate=SAMPLE_RATE, input_name="input_values", extract=lambda samples: samples,
    normalized=False,
)  # fmt: skip
BOUNDARY = 2


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    """Twenty songs; the labels of each are two of its own."""
    folder, generator = tmp_path_factory.mktemp("feed"), np.random.default_rng(0)
    made = []
    for number in range(20):
        samples = sing("".join(generator.choice(list("aeiou"), 2 + number % 5)), generator)
        path = folder / f"{number}.wav"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")
        duration = len(samples) / SAMPLE_RATE
        utterance = Utterance(audio=path, text="", id=str(number), duration=duration)
        made.append(Lesson(utterance=utterance, labels=(10 + number, 40 + number)))
    return made


def feed(lessons: list[Lesson], **changes: Any) -> Feed:
    """Joins four utterances or so, without any augmentation."""
    settings: dict[str, Any] = {
        "frontend": SAMPLES,
        "batches": BatchOptions(seconds=10.0, workers=0),
        "augmentation": PLAIN,
        "joining": JoiningOptions(probability=0.9, seconds=5.0, pause_seconds=(0.1, 0.3)),
        "boundary": BOUNDARY,
    }
    return Feed(lessons=lessons, **(settings | changes))


def passages(batches: list[Batch]) -> list[tuple[torch.Tensor, list[int]]]:
    """Return rows and labels, passage by passage."""
    return [
        (row[:length], label[:count].tolist())
        for batch in batches
        for row, length, label, count in zip(
            batch.rows, batch.lengths, batch.labels, batch.label_lengths, strict=True
        )
    ]


def test_an_epoch_hears_every_utterance_once_whole_and_with_its_labels(
    lessons: list[Lesson],
) -> None:
    seen: list[int] = []
    joined = 0
    for rows, labels in passages(list(feed(lessons).epoch(0))):
        assert labels[2::3] == [BOUNDARY] * (len(labels) // 3)
        heard, position = rows.numpy(), 0
        for number in (label - 10 for label in labels[::3]):
            samples, _ = soundfile.read(lessons[number].utterance.audio, dtype="float32")
            starts = np.flatnonzero(heard[position:] == samples[0]) + position
            position = next(
                int(start)
                for start in starts
                if np.array_equal(heard[start:][: len(samples)], samples)
            ) + len(samples)
            seen.append(number)
        assert position == len(heard)
        joined += len(labels) > 2
    assert sorted(seen) == list(range(20))
    assert joined >= 3


def test_batches_are_cut_by_the_joined_durations(lessons: list[Lesson]) -> None:
    batches = list(feed(lessons).epoch(0))
    longest = []
    for batch in batches:
        padded = batch.rows.shape[1] / SAMPLE_RATE
        longest.append(padded)
        assert len(batch.lengths) == 1 or padded * len(batch.lengths) <= 10.0 + 1e-3
        assert batch.longest == pytest.approx(padded)
    alone = max(lesson.utterance.duration or 0.0 for lesson in lessons)
    assert max(longest) > 2 * alone
    spoken = sum(lesson.utterance.duration or 0.0 for lesson in lessons)
    assert sum(batch.seconds for batch in batches) == pytest.approx(spoken)


def test_languages_without_spaces_have_no_boundary(lessons: list[Lesson]) -> None:
    heard = passages(list(feed(lessons, boundary=None).epoch(0)))
    assert sorted(label for _, labels in heard for label in labels) == sorted(
        label for lesson in lessons for label in lesson.labels
    )


def test_skipping_batches_gives_those_the_whole_epoch_has(lessons: list[Lesson]) -> None:
    features = SpecAugmentOptions(time_masks=1, frequency_masks=1, frequency_mask_bins=4)
    mel = FeatureOptions(kind="mel", bins=20, sample_rate=SAMPLE_RATE)
    varied = feed(
        lessons,
        frontend=DeepSpeech2FeatureExtractor.from_options(mel).frontend(),
        augmentation=AugmentationOptions(
            waveform=AugmentOptions(speeds=(0.9, 1.1), noise_probability=0.5), features=features
        ),
    )
    whole, rest = list(varied.epoch(3)), list(varied.epoch(3, skip=2))
    assert len(rest) == len(whole) - 2 > 0
    for one, other in zip(whole[2:], rest, strict=True):
        assert torch.equal(one.rows, other.rows)
        assert torch.equal(one.labels, other.labels)


def test_an_unreadable_recording_does_not_lose_those_it_is_joined_with(
    lessons: list[Lesson], tmp_path: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"this is no recording")
    broken = [*lessons]
    for number in (0, 7, 8):
        utterance = replace(lessons[number].utterance, audio=tmp_path / "broken.wav")
        broken[number] = replace(lessons[number], utterance=utterance)
    batches = list(feed(broken).epoch(0))
    names = [name for batch in batches for name, _ in batch.unreadable]
    assert sorted(names) == ["0", "7", "8"]
    heard = [label - 10 for _, labels in passages(batches) for label in labels[::3]]
    assert sorted(heard) == [number for number in range(20) if number not in (0, 7, 8)]


def test_passages_with_too_few_frames_are_taken_apart(lessons: list[Lesson]) -> None:
    def count_frames(duration: float) -> int:
        # Up to 2.5 s there is a frame for each of the labels, and beyond that none.
        return 100 if duration <= 2.5 else 0

    plan = [
        passage for batch in feed(lessons, count_frames=count_frames).plan(0) for passage in batch
    ]
    durations = np.array([lesson.utterance.duration for lesson in lessons])
    assert sorted(index for passage in plan for index in passage.positions) == list(range(20))
    assert any(len(passage.positions) > 1 for passage in plan)
    assert all(passage.duration(durations) <= 2.5 for passage in plan if len(passage.positions) > 1)


def test_a_repeat_where_two_utterances_meet_needs_its_frame(lessons: list[Lesson]) -> None:
    same = [replace(lesson, labels=(5, 5)) for lesson in lessons[:2]]
    joining = JoiningOptions(probability=1.0, seconds=1000.0, pause_seconds=(0.0, 0.0))
    for frames, parts in ((7, 1), (6, 2)):  # 5 · 5 · 5 · 5 with blanks between
        plain = feed(same, joining=joining, boundary=None, count_frames=lambda _, n=frames: n)
        assert sum(len(batch) for batch in plain.plan(0)) == parts


def test_masks_are_laid_over_each_utterance_by_itself(lessons: list[Lesson]) -> None:
    mel = FeatureOptions(kind="mel", bins=20, sample_rate=SAMPLE_RATE)
    frontend = DeepSpeech2FeatureExtractor.from_options(mel).frontend()
    features = SpecAugmentOptions(time_masks=1, time_mask_share=0.5, time_mask_frames=10_000)
    masked = feed(lessons, frontend=frontend, augmentation=AugmentationOptions(features=features))
    clean = feed(lessons, frontend=frontend)
    shares = []
    for (rows, labels), (before, _) in zip(
        passages(list(masked.epoch(0))), passages(list(clean.epoch(0))), strict=True
    ):
        changed = (rows != before).any(dim=1).numpy()
        # No mask is longer than half of the longest utterance and a pause.
        runs = np.diff(np.flatnonzero(np.diff(np.r_[0, changed, 0])))[::2]
        longest = max(lessons[label - 10].utterance.duration or 0.0 for label in labels[::3])
        assert max(runs, default=0) <= 0.5 * (longest + 0.3) / (frontend.hop / SAMPLE_RATE) + 1
        shares.append(len(runs) / len(labels[::3]))
    assert np.mean(shares) > 0.7  # about one mask an utterance, not one a passage


def test_updates_are_counted_over_single_and_joined_epochs(lessons: list[Lesson]) -> None:
    batches = BatchOptions(seconds=10.0, accumulation=2, workers=0)
    joining = JoiningOptions(probability=1.0, seconds=9.0, pause_seconds=(1.0, 1.0), from_epoch=2)
    late = feed(lessons, batches=batches, joining=joining)
    alone, joined = (-(-len(late.plan(epoch)) // 2) for epoch in (0, 2))
    assert alone != joined
    assert late.count_updates(1.0) == alone
    assert late.count_updates(5.0) == 2 * alone + 3 * joined
    assert feed(lessons, batches=batches, joining=JoiningOptions()).count_updates(3.0) == 3 * alone


def longest(batches: list[list[Passage]], lessons: list[Lesson]) -> list[float]:
    """Seconds of the longest utterance of each batch."""
    durations = np.array([lesson.utterance.duration or 0.0 for lesson in lessons])
    return [max(passage.duration(durations) for passage in batch) for batch in batches]


@pytest.mark.parametrize("equal_lengths", [False, True])
@pytest.mark.parametrize(
    ("order", "sorted_epochs"),
    [("shuffled", []), ("sorted-first", [0]), ("sorted", [0, 1, 2])],
)
def test_epochs_go_from_short_to_long_as_asked(
    order: Any, sorted_epochs: list[int], lessons: list[Lesson], *, equal_lengths: bool
) -> None:
    batches = BatchOptions(seconds=3.0, max_utterances=2, order=order, workers=0)
    stream = feed(lessons, batches=batches, joining=JoiningOptions(), equal_lengths=equal_lengths)
    plans = [stream.plan(epoch) for epoch in range(3)]
    for plan in plans:
        positions = [index for batch in plan for passage in batch for index in passage.positions]
        assert sorted(positions) == list(range(len(lessons)))
    lengths = [longest(plan, lessons) for plan in plans]
    assert [
        epoch for epoch in range(3) if lengths[epoch] == sorted(lengths[epoch])
    ] == sorted_epochs
