"""From scored utterances to numbers one may believe, and the signature they carry.

Last step of the walk. Utterances come one at a time and are forgotten: a `Scoreboard` keeps
pooled counts per speaker, from which `report` makes WER, CER and SER with their intervals.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.evaluation.bootstrap import Interval, intervals
from anylect.evaluation.error_rate import Edit, ErrorCounts, align, count_errors
from anylect.records import Utterance
from anylect.text.recipes import written_without_spaces

FEW_SPEAKERS = 10
"""Below this an interval by speaker is rough, and the report says so."""


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
            "words": _counts_json(self.words),
            "characters": _counts_json(self.characters),
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


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a score depends on besides the data: without it two scores cannot be compared."""

    normalizer: str
    normalizer_hash: str = ""
    decoding: str = "greedy"
    """The decoder and its settings, such as `beam 100, alpha 0.6, beta 1.2`."""


@dataclass(frozen=True)
class Measure:
    """A pooled rate; None when there is no reference token to divide by."""

    name: str
    unit: str
    errors: int
    length: int
    interval: Interval | None
    counts: ErrorCounts | None = None

    @property
    def rate(self) -> float | None:
        """Fraction of reference tokens, or of utterances."""
        return self.errors / self.length if self.length else None

    def __str__(self) -> str:
        if self.rate is None:
            return f"{self.name} undefined (no {self.unit})"
        return f"{self.name} {100 * self.rate:.1f} % {_brackets(self.interval)}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The numbers of an evaluation; `print(report.text())`, `json.dumps(report.to_json())`."""

    wer: Measure
    cer: Measure
    ser: Measure
    speakers: int
    without_speaker: int
    empty_references: int
    skipped: Mapping[str, int]
    audio_seconds: float | None
    processing_seconds: float | None
    signature: Signature
    replicates: int
    seed: int
    spaceless: bool
    """Whether the language is written without spaces, so that the CER leads."""

    @property
    def unit(self) -> str:
        """What was resampled: `speaker` or `utterance`."""
        return "speaker" if self.speakers > 1 else "utterance"

    @property
    def rtf(self) -> float | None:
        """Processing seconds per second of audio; None unless both are known."""
        if self.processing_seconds is None or not self.audio_seconds:
            return None
        return self.processing_seconds / self.audio_seconds

    @property
    def line(self) -> str:
        """The leading number with its signature, on one line."""
        leading = self.cer if self.spaceless else self.wer
        speakers = f"{self.speakers:,}" if self.speakers else "unknown"
        facts = (
            f"{leading.unit} {leading.length:,}",
            f"utterances {self.ser.length:,}",
            f"speakers {speakers}",
            f"normalizer {self.signature.normalizer}",
            self.signature.decoding,
            f"bootstrap {self.replicates} by {self.unit}, seed {self.seed}",
            f"anylect {_version()}",
        )
        return f"{leading}   {' · '.join(facts)}"

    def text(self) -> str:
        """Lay the report out for a reader."""
        order = (self.wer, self.cer, self.ser)
        if self.spaceless:
            order = (self.cer, self.wer, self.ser)
        columns = ("", "rate", "95 % interval", "errors", "of", "", "S", "D", "I")
        rows = [columns, *(_row(measure) for measure in order)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([self.line, "", *table, "", *self.notes()])

    def notes(self) -> list[str]:
        """Say what was left out and what to keep in mind."""
        scored = self.ser.length
        asked = scored + sum(self.skipped.values())
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
        notes = [f"{scored:,} of {asked:,} scored" + (f"; {reasons}" if reasons else "")]
        if self.rtf is not None:
            notes.append(
                f"RTF {self.rtf:.3g}: {self.processing_seconds:,.1f} s of processing "
                f"for {self.audio_seconds:,.1f} s of audio"
            )
        if self.empty_references:
            notes.append(
                f"{self.empty_references:,} references are empty; all that was heard there "
                "counts as insertions"
            )
        return notes + self._doubts()

    def _doubts(self) -> list[str]:
        if self.speakers == 1:
            return ["there is one speaker: the interval says nothing about others"]
        if self.speakers == 0:
            return ["no speaker is known: if any speaks twice, the interval is too narrow"]
        doubts = []
        if self.speakers < FEW_SPEAKERS:
            doubts.append(
                f"there are {self.speakers} speakers: the interval is rough, likely too narrow"
            )
        if self.without_speaker:
            doubts.append(
                f"{self.without_speaker:,} utterances of unknown speakers were resampled as if "
                "each were a speaker"
            )
        return doubts

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values; rates and intervals are fractions."""
        return {
            "signature": self.line,
            "wer": _measure_json(self.wer),
            "cer": _measure_json(self.cer),
            "ser": _measure_json(self.ser),
            "utterances": self.ser.length,
            "speakers": self.speakers,
            "utterances_without_speaker": self.without_speaker,
            "empty_references": self.empty_references,
            "skipped": dict(self.skipped),
            "audio_seconds": self.audio_seconds,
            "processing_seconds": self.processing_seconds,
            "rtf": self.rtf,
            "normalizer": {
                "name": self.signature.normalizer,
                "hash": self.signature.normalizer_hash,
            },
            "decoding": self.signature.decoding,
            "bootstrap": {"replicates": self.replicates, "unit": self.unit, "seed": self.seed},
            "anylect": _version(),
            "notes": self.notes(),
        }


def report(
    scored: Scoreboard | Iterable[ScoredUtterance],
    *,
    signature: Signature,
    language: str | None = None,
    processing_seconds: float | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Report:
    """Pool what was scored into rates with 95 % intervals.

    Args:
        scored: A scoreboard, or utterances, which are read once.
        signature: Normalizer and decoder behind the hypotheses.
        language: BCP 47 tag; in languages written without spaces the CER leads.
        processing_seconds: Time spent on recognition, for the RTF.
        replicates: How many sets the bootstrap draws.
        seed: Of the bootstrap.
    """
    if not isinstance(scored, Scoreboard):
        board = Scoreboard()
        for utterance in scored:
            board.append(utterance)
        scored = board
    blocks = scored.blocks()
    words, characters, sentences = intervals(
        blocks[:, :3], blocks[:, 3:], replicates=replicates, seed=seed
    )
    return Report(
        wer=_measure("WER", "words", scored.words, words),
        cer=_measure("CER", "characters", scored.characters, characters),
        ser=Measure("SER", "utterances", scored.wrong, scored.utterances, sentences),
        speakers=scored.speakers,
        without_speaker=scored.without_speaker,
        empty_references=scored.empty_references,
        skipped=dict(scored.skipped),
        audio_seconds=scored.audio_seconds,
        processing_seconds=processing_seconds,
        signature=signature,
        replicates=replicates,
        seed=seed,
        spaceless=written_without_spaces(language),
    )


def _block(word_errors: int, errors: int, words: int, characters: int) -> NDArray[np.int64]:
    wrong = int(word_errors > 0)
    return np.array((word_errors, errors, wrong, words, characters, 1), dtype=np.int64)


def _measure(name: str, unit: str, counts: ErrorCounts, interval: Interval | None) -> Measure:
    return Measure(name, unit, counts.errors, counts.length, interval, counts)


def _brackets(interval: Interval | None) -> str:
    if interval is None:
        return "[no interval]"
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _row(measure: Measure) -> tuple[str, ...]:
    rate = "undefined" if measure.rate is None else f"{100 * measure.rate:.1f} %"
    counts = measure.counts
    edits = ("", "", "")
    if counts is not None:
        edits = (f"{counts.substitutions:,}", f"{counts.deletions:,}", f"{counts.insertions:,}")
    facts = (f"{measure.errors:,}", f"{measure.length:,}", measure.unit)
    return (measure.name, rate, _brackets(measure.interval), *facts, *edits)


def _counts_json(counts: ErrorCounts) -> dict[str, int]:
    return {
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "length": counts.length,
    }


def _measure_json(measure: Measure) -> dict[str, Any]:
    low, high = measure.interval or (None, None)
    counts = _counts_json(measure.counts) if measure.counts else {"length": measure.length}
    return {"rate": measure.rate, "low": low, "high": high, "errors": measure.errors, **counts}


def _version() -> str:
    # Inside a function: the package's front door may import this room while it is being built.
    from anylect import __version__

    return __version__
