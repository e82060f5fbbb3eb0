"""From scored utterances to numbers one may believe, and the signature they carry.

Last step of the walk. Utterances come one at a time and are forgotten: a `Scoreboard` keeps
pooled counts per speaker, from which `report` makes WER, CER and SER with their intervals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anylect.evaluation.bootstrap import Interval, intervals
from anylect.evaluation.error_rate import ErrorCounts
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance
from anylect.text.recipes import written_without_spaces

FEW_SPEAKERS = 10
"""Below this an interval by speaker is rough, and the report says so."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a score depends on besides the data: without it two scores cannot be compared."""

    normalizer: str
    normalizer_hash: str = ""
    decoding: str = "greedy"
    """The decoder and its settings, such as `beam 100, alpha 0.6, beta 1.2`."""
    tokens: str = "words"
    """What spaces set apart in the texts: `words`; `phones`, and the WER is called PER."""


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
    unit: str
    """What was resampled: `speaker`, `recording` or `utterance`."""
    empty_references: int
    skipped: Mapping[str, int]
    audio_seconds: float | None
    processing_seconds: float | None
    signature: Signature
    replicates: int
    seed: int
    language: str | None = None
    """BCP 47 tag."""

    @property
    def spaceless(self) -> bool:
        """Whether the language is written without spaces, so that the CER leads."""
        return self.signature.tokens == "words" and written_without_spaces(self.language)

    @property
    def leading(self) -> Measure:
        """The rate to quote."""
        return self.cer if self.spaceless else self.wer

    @property
    def measures(self) -> tuple[Measure, Measure, Measure]:
        """All rates, the leading one first."""
        if self.spaceless:
            return self.cer, self.wer, self.ser
        return self.wer, self.cer, self.ser

    @property
    def rtf(self) -> float | None:
        """Processing seconds per second of audio; None unless both are known."""
        if self.processing_seconds is None or not self.audio_seconds:
            return None
        return self.processing_seconds / self.audio_seconds

    @property
    def line(self) -> str:
        """The leading number with its signature, on one line."""
        leading = self.leading
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
        columns = ("", "rate", "95 % interval", "errors", "of", "", "S", "D", "I")
        rows = [columns, *(_row(measure) for measure in self.measures)]
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
                "each recording were a speaker"
            )
        return doubts

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values; rates and intervals are fractions."""
        return {
            "signature": self.line,
            "leading": "cer" if self.spaceless else "wer",
            "language": self.language,
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
            "tokens": self.signature.tokens,
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
        wer=_measure(
            "PER" if signature.tokens == "phones" else "WER",
            signature.tokens,
            scored.words,
            words,
        ),
        cer=_measure("CER", "characters", scored.characters, characters),
        ser=Measure("SER", "utterances", scored.wrong, scored.utterances, sentences),
        speakers=scored.speakers,
        without_speaker=scored.without_speaker,
        unit=scored.unit,
        empty_references=scored.empty_references,
        skipped=dict(scored.skipped),
        audio_seconds=scored.audio_seconds,
        processing_seconds=processing_seconds,
        signature=signature,
        replicates=replicates,
        seed=seed,
        language=language,
    )


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


def _measure_json(measure: Measure) -> dict[str, Any]:
    low, high = measure.interval or (None, None)
    counts = asdict(measure.counts) if measure.counts else {"length": measure.length}
    return {"rate": measure.rate, "low": low, "high": high, "errors": measure.errors, **counts}


def _version() -> str:
    # Inside a function: the package's front door may import this room while it is being built.
    from anylect import __version__

    return __version__
