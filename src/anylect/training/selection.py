"""Which lessons are learnt from: those whose duration lies within the limits asked for."""

from collections.abc import Sequence

from anylect.training.lessons import LeftOut, Lesson
from anylect.training.options import DataOptions


def within_limits(
    lessons: Sequence[Lesson], left_out: Sequence[LeftOut], options: DataOptions
) -> tuple[list[Lesson], list[LeftOut]]:
    """Move lessons that are too short or too long to those left out, with the reason."""
    kept: list[Lesson] = []
    dropped = list(left_out)
    longest = options.max_duration
    for lesson in lessons:
        duration = lesson.utterance.duration or 0.0
        if duration <= options.min_duration:
            detail = f"{duration:.2f} s, more than {options.min_duration:g} s expected"
            dropped.append(LeftOut(lesson.utterance, "too short", detail))
        elif longest is not None and duration >= longest:
            detail = f"{duration:.2f} s, less than {longest:g} s expected"
            dropped.append(LeftOut(lesson.utterance, "too long", detail))
        else:
            kept.append(lesson)
    return kept, dropped
