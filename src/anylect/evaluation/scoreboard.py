"""Scored utterances, and the pool they are forgotten into.

Utterances come one at a time; a `Scoreboard` keeps counts per speaker, from which `report` makes
rates and intervals. So a set of any size is scored in the memory of its speakers.
"""

from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.evaluation.error_rate import Edit, ErrorCounts, align, count_errors
from anylect.records import Utterance


@dataclass(frozen=True, slots=True)
class ScoredUtterance:
    """A reference, a hypothesis and their error counts; both texts are normalised."""

    id: str
    reference: str
    hypothesis: str
    words: ErrorCounts
    characters: ErrorCounts
    speaker: str | None = None
    duration: float | None = None

    @property
    def alignment(self) -> list[Edit]:
        """The edit alignment by word, found again each time it is asked for."""
        return align(self.reference.split(), self.hypothesis.split())

    def to_json(self) -> dict[str, Any]:
        """Return what stands in one line of the evidence, alignment included."""
        return {
            "id": self.id,
            "speaker": self.speaker,
            "duration": self.duration,
            "reference": self.reference,
            "hypothesis": self.hypothesis,
            "words": asdict(self.words),
            "characters": asdict(self.characters),
            "alignment": [list(edit) for edit in self.alignment],
        }


def score(
    reference: str, hypothesis: str, *, utterance: Utterance | None = None
) -> ScoredUtterance:
    """Count the errors of one hypothesis by word and by character.

    Args:
        reference: The transcript, normalised.
        hypothesis: What was heard, by the same normalizer.
        utterance: Whose transcript it is; gives the id, the speaker and the duration.

    Example:
        >>> scored = score("a b c", "a x c")
        >>> scored.words.rate == 1 / 3, scored.characters.rate == 1 / 5
        (True, True)
    """
    left, right = reference.split(), hypothesis.split()
    words = count_errors(left, right)
    return ScoredUtterance(
        id=utterance.id if utterance else "",
        reference=reference,
        hypothesis=hypothesis,
        words=words,
        characters=count_errors(" ".join(left), " ".join(right)),
        speaker=utterance.speaker if utterance else None,
        duration=utterance.duration if utterance else None,
    )


class Scoreboard:
    """Pools scored utterances as they come.

    Memory follows the number of speakers. Only utterances of unknown speakers, and those of the
    first speaker until a second one appears, are kept singly, in 16 bytes each: where there are
    no two speakers, utterances have to be resampled.
    """

    def __init__(self) -> None:
        self.words = ErrorCounts()
        self.characters = ErrorCounts()
        self.utterances = 0
        self.wrong = 0
        self.empty_references = 0
        self.audio_seconds: float | None = 0.0
        self.skipped: Counter[str] = Counter()
        self._speakers: dict[str, NDArray[np.int64]] = {}
        self._unknown = array("I")
        self._first = array("I")

    def append(self, scored: ScoredUtterance) -> None:
        """Add one utterance."""
        words, characters = scored.words, scored.characters
        self.words += words
        self.characters += characters
        self.utterances += 1
        self.wrong += bool(words.errors)
        self.empty_references += not words.length
        if scored.duration is None:
            self.audio_seconds = None
        elif self.audio_seconds is not None:
            self.audio_seconds += scored.duration
        row = (words.errors, characters.errors, words.length, characters.length)
        if scored.speaker is None:
            self._unknown.extend(row)
            return
        if scored.speaker not in self._speakers:
            self._speakers[scored.speaker] = np.zeros(6, dtype=np.int64)
        self._speakers[scored.speaker] += _block(*row)
        if len(self._speakers) == 1:
            self._first.extend(row)
        elif self._first:
            self._first = array("I")

    def skip(self, reason: str) -> None:
        """Count a recording that could not be scored; `reason` is a word such as `unreadable`."""
        self.skipped[reason] += 1

    @property
    def speakers(self) -> int:
        """How many speakers are known."""
        return len(self._speakers)

    @property
    def without_speaker(self) -> int:
        """How many utterances are of an unknown speaker."""
        return len(self._unknown) // 4

    def blocks(self) -> NDArray[np.int64]:
        """Return what to resample: errors of words, characters, utterances; then their numbers.

        Speakers where at least two are known, and then every utterance of an unknown speaker is
        taken for a speaker of its own; else utterances. The shape is (B, 6).
        """
        single = array("I", self._unknown)
        pooled = list(self._speakers.values())
        if self.speakers < 2:
            single.extend(self._first)
            pooled = []
        rows = np.array(single, dtype=np.int64).reshape(-1, 4)
        one = np.ones(len(rows), dtype=np.int64)
        singles = np.column_stack([rows[:, :2], rows[:, 0] > 0, rows[:, 2:], one])
        return np.vstack([*pooled, singles]).astype(np.int64)


def _block(word_errors: int, errors: int, words: int, characters: int) -> NDArray[np.int64]:
    wrong = int(word_errors > 0)
    return np.array((word_errors, errors, wrong, words, characters, 1), dtype=np.int64)
