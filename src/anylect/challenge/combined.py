"""The score of a submission: a third each for three test sets, or Common Voice alone.

The mean of rates, not a pool: a large set weighs no more than a small one. Where a language is
written without spaces, characters are counted instead of words.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from anylect.errors import ConfigError, SubmissionError
from anylect.evaluation.bootstrap import Interval, mean_interval
from anylect.evaluation.evidence_files import StoredEvaluation
from anylect.evaluation.report import Measure, Report

KINDS: Mapping[str, str] = MappingProxyType(
    {"common_voice": "Common Voice", "real_world": "real-world dev", "hidden": "hidden real-world"}
)
"""The sets of the challenge, in their order."""
ALONE = "common_voice"
"""What decides by itself where a language has no other set."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One set's contribution."""

    kind: str
    evaluation: StoredEvaluation
    report: Report

    @property
    def measure(self) -> Measure:
        """The rate that counts."""
        return self.report.leading

    def __str__(self) -> str:
        return f"{KINDS[self.kind]:<18} {self.report.line}"


@dataclass(frozen=True, kw_only=True)
class Combined:
    """The score: `rate` is a fraction; `print(combined.text())`."""

    measure: str
    language: str | None
    parts: tuple[Part, ...]
    rate: float
    interval: Interval | None
    replicates: int
    seed: int

    @property
    def line(self) -> str:
        """Return the score with what it is made of, on one line."""
        bounds = self.interval
        shown = "no interval" if bounds is None else f"{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}"
        sets = " + ".join(f"1/{len(self.parts)} {KINDS[part.kind]}" for part in self.parts)
        return (
            f"{self.measure} {100 * self.rate:.1f} % [{shown}]   "
            f"{sets if len(self.parts) > 1 else KINDS[ALONE] + ' alone'} · "
            f"bootstrap {self.replicates} by speaker within each set, seed {self.seed}"
            f"{self._doubt()}"
        )

    def _doubt(self) -> str:
        """Say where the sets are not as independent as they are taken to be."""
        speakers = Counter(
            speaker
            for part in self.parts
            for speaker in {each.speaker for each in part.evaluation.scored} - {None}
        )
        shared = sum(count > 1 for count in speakers.values())
        return f" · {shared:,} speakers in several sets: too narrow" if shared else ""

    def text(self) -> str:
        """Lay score and parts out for a reader."""
        return "\n".join([self.line, "", *map(str, self.parts)])

    def to_json(self) -> dict[str, Any]:
        """Return plain values; rates are fractions."""
        low, high = self.interval or (None, None)
        return {
            "measure": self.measure.lower(),
            "language": self.language,
            "score": self.rate,
            "low": low,
            "high": high,
            "bootstrap": {"replicates": self.replicates, "seed": self.seed},
            "parts": {part.kind: part.report.to_json() for part in self.parts},
        }


def combine(
    evaluations: Mapping[str, StoredEvaluation],
    *,
    alone: bool = False,
    replicates: int = 1000,
    seed: int = 0,
) -> Combined:
    """Combine what was measured on the sets of the challenge.

    Args:
        evaluations: By kind, see `KINDS`.
        alone: The language has no other set than Common Voice.
        replicates: Sets the bootstrap draws.
        seed: Of the bootstrap.

    Raises:
        SubmissionError: When a set is missing, or the sets do not belong together.
        ConfigError: When there is more than Common Voice, but it is said to be alone.
    """
    _refuse_missing(evaluations, alone=alone)
    parts = tuple(
        Part(
            kind=kind,
            evaluation=evaluations[kind],
            report=evaluations[kind].report(replicates=replicates, seed=seed),
        )
        for kind in KINDS
        if kind in evaluations
    )
    _refuse_strangers(parts)
    rates = [part.measure.rate for part in parts]
    known = [rate for rate in rates if rate is not None]
    return Combined(
        measure=parts[0].measure.name,
        language=parts[0].report.language,
        parts=parts,
        rate=sum(known) / len(known),
        interval=mean_interval([_blocks(part) for part in parts], replicates=replicates, seed=seed),
        replicates=replicates,
        seed=seed,
    )


def _blocks(part: Part) -> tuple[Any, Any]:
    column = 1 if part.report.spaceless else 0
    blocks = part.evaluation.scoreboard().blocks()
    return blocks[:, column], blocks[:, 3 + column]


def _refuse_missing(evaluations: Mapping[str, StoredEvaluation], *, alone: bool) -> None:
    others = [kind for kind in KINDS if kind in evaluations and kind != ALONE]
    if alone and others:
        raise ConfigError(
            f"Common Voice is said to be alone, but there is `{others[0]}` too",
            hint="leave out `--alone`: each set counts a third",
        )
    missing = [kind for kind in KINDS if kind not in evaluations and (not alone or kind == ALONE)]
    if missing:
        listed = ", ".join(f"`{kind}` ({KINDS[kind]})" for kind in missing)
        raise SubmissionError(
            f"{len(missing)} of {1 if alone else len(KINDS)} sets not measured: {listed}",
            hint="`anylect challenge run` measures them; where the language has none but Common "
            "Voice, say `--alone`",
        )


def _refuse_strangers(parts: tuple[Part, ...]) -> None:
    for what, values in (
        ("languages", {part.report.language for part in parts}),
        ("normalizers", {part.evaluation.signature.normalizer_hash for part in parts}),
        ("submissions", {str(_submission(part).get("fingerprint")) for part in parts}),
    ):
        if len(values) > 1:
            listed = ", ".join(sorted(str(value) for value in values))
            raise SubmissionError(
                f"the sets were measured with {len(values)} {what} ({listed}), expected one",
                hint="run the same submission on all sets, with the same language and normalizer",
            )
    for part in parts:
        if part.measure.rate is None:
            raise SubmissionError(
                f"{KINDS[part.kind]}: no reference {part.measure.unit}, so there is no rate",
                hint="check the transcripts of this set",
            )


def _submission(part: Part) -> Mapping[str, Any]:
    found = part.evaluation.facts.get("submission")
    return found if isinstance(found, Mapping) else {}
