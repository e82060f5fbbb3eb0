"""Scored utterances, and the pool they are forgotten into.

Utterances come one at a time; a `Scoreboard` keeps counts per speaker, from which `report` makes
rates and intervals. So a set of any size is scored in the memory of its speakers.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.evaluation.error_rate import Edit, ErrorCounts, align, count_errors
from anylect.records import Utterance

TRAITS = ("language", "corpus", "accent", "dialect", "gender", "age", "condition")
"""What a manifest may say of an utterance that errors are broken down by."""

_NO_TRAITS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ScoredUtterance:
    """A reference, a hypothesis and their error counts; both texts are normalised.

    `recording` tells recordings apart without naming them: utterances of an unknown speaker are
    resampled with those of the same recording. `traits` holds what is known of `TRAITS`.
    """

    id: str
    reference: str
    hypothesis: str
    words: ErrorCounts
    characters: ErrorCounts
    speaker: str | None = None
    duration: float | None = None
    recording: str | None = None
    traits: Mapping[str, str] = field(default_factory=lambda: _NO_TRAITS)

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
            **({"recording": self.recording} if self.recording and not self.speaker else {}),
            **({"traits": dict(self.traits)} if self.traits else {}),
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
        utterance: Whose transcript it is; gives the id, speaker, duration, recording and traits.

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
        recording=_recording(utterance) if utterance else None,
        traits=_traits(utterance) if utterance else _NO_TRAITS,
    )


def parse_scored(fields: Mapping[str, Any]) -> ScoredUtterance:
    """Read back what `ScoredUtterance.to_json` says; the alignment is found again when asked for.

    Raises:
        KeyError: When a value is missing.
        TypeError: When a value is of another kind.
    """
    return ScoredUtterance(
        id=str(fields["id"]),
        reference=str(fields["reference"]),
        hypothesis=str(fields["hypothesis"]),
        words=ErrorCounts(**fields["words"]),
        characters=ErrorCounts(**fields["characters"]),
        speaker=fields.get("speaker"),
        duration=fields.get("duration"),
        recording=fields.get("recording"),
        traits=MappingProxyType(dict(fields.get("traits") or {})),
    )


def _recording(utterance: Utterance) -> str:
    # A digest, for paths of one's machine do not belong into evidence that is published.
    return hashlib.blake2b(
        str(utterance.audio).encode("utf-8", "surrogateescape"), digest_size=6
    ).hexdigest()


def _traits(utterance: Utterance) -> Mapping[str, str]:
    known = {**utterance.extra, "language": utterance.language, "corpus": utterance.corpus}
    # Common Voice calls the accent `accents` since its version 7.
    known.setdefault("accent", known.get("accents"))
    found = {name: str(known[name]) for name in TRAITS if known.get(name)}
    return MappingProxyType(found) if found else _NO_TRAITS


class Scoreboard:
    """Pools scored utterances as they come.

    Memory follows the number of speakers. Only utterances of unknown speakers, and those of the
    first speaker until a second one appears, are kept singly, in 24 bytes each: where there are
    no two speakers, recordings have to be resampled.
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
        self._unknown = _Singles()
        self._first = _Singles()

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
            self._unknown.append(row, recording=scored.recording)
            return
        if scored.speaker not in self._speakers:
            self._speakers[scored.speaker] = np.zeros(6, dtype=np.int64)
        self._speakers[scored.speaker] += _block(*row)
        if len(self._speakers) == 1:
            self._first.append(row, recording=scored.recording)
        elif len(self._first):
            self._first = _Singles()

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
        return len(self._unknown)

    @property
    def unit(self) -> str:
        """What is resampled: `speaker`, or `recording` where one holds several utterances, or
        `utterance`.
        """
        if self.speakers > 1:
            return "speaker"
        return "utterance" if len(self.blocks()) == self.utterances else "recording"

    def blocks(self) -> NDArray[np.int64]:
        """Return what to resample: errors of words, characters, utterances; then their numbers.

        Speakers where at least two are known, and then every recording of an unknown speaker is
        taken for a speaker of its own; else recordings. An utterance whose recording is unknown
        is one of its own. The shape is (B, 6).
        """
        if self.speakers < 2:
            return np.vstack([self._unknown.blocks(), self._first.blocks()])
        return np.vstack([*self._speakers.values(), self._unknown.blocks()])


class _Singles:
    """Counts of utterances one by one, 16 bytes each, and 8 to know their recording."""

    def __init__(self) -> None:
        self._rows = array("I")
        self._recordings = array("q")

    def __len__(self) -> int:
        return len(self._recordings)

    def append(self, row: tuple[int, int, int, int], *, recording: str | None) -> None:
        self._rows.extend(row)
        # Odd: the hash of a recording; even: an utterance by itself.
        alone = 2 * len(self._recordings)
        self._recordings.append(alone if recording is None else hash(recording) | 1)

    def blocks(self) -> NDArray[np.int64]:
        """Pool the utterances of each recording: (B, 6)."""
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, 4)
        one = np.ones(len(rows), dtype=np.int64)
        table = np.column_stack([rows[:, :2], rows[:, 0] > 0, rows[:, 2:], one])
        recordings, which = np.unique(np.array(self._recordings, np.int64), return_inverse=True)
        pooled = np.zeros((len(recordings), 6), dtype=np.int64)
        np.add.at(pooled, which, table)
        return pooled


def _block(word_errors: int, errors: int, words: int, characters: int) -> NDArray[np.int64]:
    wrong = int(word_errors > 0)
    return np.array((word_errors, errors, wrong, words, characters, 1), dtype=np.int64)
