"""What a model can be taught: utterances with their labels, and those left out with the reason.

CTC writes at most one label a frame and needs a blank between equal neighbours; an utterance
with more labels than that can never be learnt, and would only add infinities to the loss.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anylect.audio.load import probe
from anylect.errors import AudioError
from anylect.models.checkpoints import CheckpointModel
from anylect.records import Utterance

EMPTY = "with an empty transcript"
TOO_LONG = "with more labels than frames"
"""Reasons for leaving an utterance out."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """An utterance and what the model shall write for it; `duration` is always known."""

    utterance: Utterance
    labels: tuple[int, ...]


@dataclass(frozen=True)
class LeftOut:
    """An utterance that cannot be taught, and why."""

    utterance: Utterance
    reason: str
    detail: str


def make_lessons(
    utterances: Sequence[Utterance], texts: Sequence[str], model: CheckpointModel
) -> tuple[list[Lesson], list[LeftOut]]:
    """Label every utterance that can be taught, given its normalised text; say why for others."""
    encode = model.vocabulary.encode
    made = [
        _make(utterance, tuple(encode(text)))
        for utterance, text in zip(utterances, texts, strict=True)
    ]
    lessons = [each for each in made if isinstance(each, Lesson)]
    frames = model.count_frames_each([each.utterance.duration or 0.0 for each in lessons])
    counts = iter(frames)
    judged = [_judge(each, next(counts)) if isinstance(each, Lesson) else each for each in made]
    return (
        [each for each in judged if isinstance(each, Lesson)],
        [each for each in judged if isinstance(each, LeftOut)],
    )


def frames_needed(labels: Sequence[int]) -> int:
    """Count the frames CTC needs: one a label, and a blank between equal neighbours.

    Example:
        >>> frames_needed([1, 1, 2])
        4
    """
    repeats: int = sum(map(operator.eq, labels, labels[1:]))
    return len(labels) + repeats


def _make(utterance: Utterance, labels: tuple[int, ...]) -> Lesson | LeftOut:
    if not labels:
        return LeftOut(utterance, EMPTY, repr(utterance.text))
    if utterance.duration is None:
        try:
            known = probe(utterance.audio).duration - utterance.start
        except AudioError as error:
            return LeftOut(utterance, "unreadable", error.message)
        utterance = replace(utterance, duration=known)
    return Lesson(utterance=utterance, labels=labels)


def _judge(lesson: Lesson, frames: int) -> Lesson | LeftOut:
    """Leave a lesson out that CTC cannot write in so many frames."""
    if 2 * len(lesson.labels) <= frames:  # whatever they are
        return lesson
    needed = frames_needed(lesson.labels)
    if needed <= frames:
        return lesson
    return LeftOut(
        lesson.utterance,
        TOO_LONG,
        f"{len(lesson.labels)} tokens need {needed} frames, "
        f"{lesson.utterance.duration:.2f} s makes {frames}",
    )
