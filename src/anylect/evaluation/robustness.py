"""How much worse a recogniser hears when it is hard to hear: one score per condition, one figure.

The same utterances are scored under every condition, so what is hard for a speaker anyway cancels
out: differences are resampled in pairs, by speaker. The figure is the mean relative degradation:
errors under a condition over errors on clean speech, minus one, averaged over the conditions of
each family and then over the families, so that it does not depend on how finely a family is
sampled (in the spirit of the mean corruption error of Hendrycks & Dietterich 2019).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ManifestError
from anylect.evaluation.bootstrap import (
    Interval,
    PairedDifference,
    _expanded_tails,
    _resample,
    paired_difference,
)
from anylect.evaluation.report import Measure, Report
from anylect.evaluation.scoreboard import Scoreboard

_WORDS, _CHARACTERS = (0, 3), (1, 4)
"""Columns of a scoreboard's blocks: errors, and the length they are of."""


@dataclass(frozen=True, kw_only=True)
class ConditionScore:
    """What was heard under one condition.

    `condition` has `name`, `family`, `variant`, `value`, `unit` and `settings`; `label` says
    it for a reader, without the family and variant.
    """

    condition: Mapping[str, Any]
    label: str
    report: Report
    board: Scoreboard

    @property
    def family(self) -> str:
        """Such as `noise`."""
        return str(self.condition["family"])

    @property
    def curve(self) -> str:
        """Family and variant: what differs only in its value belongs together."""
        variant = self.condition["variant"]
        return f"{self.family}, {variant}" if variant else self.family


@dataclass(frozen=True)
class Figure:
    """A mean over conditions, a fraction, with its interval by speaker; None where undefined."""

    value: float | None
    interval: Interval | None

    def to_json(self) -> dict[str, float | None]:
        """Return plain values."""
        low, high = self.interval or (None, None)
        return {"value": self.value, "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class RobustnessReport:
    """The numbers of all conditions; `scores[0]` is clean speech.

    `relative` and `points` are the mean degradation: as a share of the clean rate, and as a
    difference of rates; `families` hold the relative one of each family alone.
    """

    scores: tuple[ConditionScore, ...]
    changes: tuple[PairedDifference | None, ...]
    relative: Figure
    points: Figure
    families: Mapping[str, Figure]
    replicates: int
    seed: int

    @property
    def clean(self) -> Report:
        """The report of the recordings as they are, the same as that of `evaluate`."""
        return self.scores[0].report

    @property
    def rate_name(self) -> str:
        """`WER`, or `CER` for languages written without spaces."""
        return leading(self.clean).name

    def curves(self) -> list[dict[str, Any]]:
        """Return every family and variant that has a strength: points in the order of it."""
        found: dict[str, list[ConditionScore]] = defaultdict(list)
        for score in self.scores:
            if score.condition["value"] is not None:
                found[score.curve].append(score)
        return [_curve(name, scores) for name, scores in found.items()]

    def text(self) -> str:
        """Lay the numbers out for a terminal."""
        header = ("condition", self.rate_name, "95 % interval", "change, points", "× clean")
        rows = [header, *_table_rows(self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([_headline(self), "", *lines, "", *self.clean.notes()])

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values; rates and changes are fractions."""
        return {
            "kind": "robustness",
            "rate": self.rate_name,
            "mean_relative_degradation": self.relative.to_json(),
            "mean_degradation": self.points.to_json(),
            "families": {name: figure.to_json() for name, figure in self.families.items()},
            "conditions": [
                {
                    **score.condition,
                    "label": score.label,
                    "signature": score.report.line,
                    "wer": score.report.to_json()["wer"],
                    "cer": score.report.to_json()["cer"],
                    "change": _change_json(change),
                }
                for score, change in zip(self.scores, self.changes, strict=True)
            ],
            "curves": self.curves(),
            "utterances": self.clean.ser.length,
            "speakers": self.clean.speakers,
            "bootstrap": {
                "replicates": self.replicates,
                "unit": self.clean.unit,
                "seed": self.seed,
            },
            "notes": self.clean.notes(),
        }


def summarize(
    scores: Sequence[ConditionScore], *, replicates: int = 1000, seed: int = 0
) -> RobustnessReport:
    """Compare every condition with the first, which is clean speech.

    Args:
        scores: All of the same utterances.
        replicates: How many sets the bootstrap draws.
        seed: Of the bootstrap.

    Raises:
        ManifestError: When the conditions were not heard by the same utterances.
    """
    errors, lengths = _table(scores)
    changes = [
        paired_difference(errors[:, [0, column]], lengths, replicates=replicates, seed=seed)
        if column
        else None
        for column in range(len(scores))
    ]
    weights = {"": _weights(scores)} | {
        family: _weights(scores, family=family)
        for family in dict.fromkeys(score.family for score in scores[1:])
    }
    columns = np.column_stack([errors[:, 0], lengths, errors[:, 1:]])
    resampled = None
    if len(columns) > 1:
        resampled = _resample(columns, replicates=replicates, seed=seed)
    whole = columns.sum(axis=0)[None].astype(np.float64)
    relative = {
        family: _figure(whole, resampled, weight, over=0, blocks=len(columns))
        for family, weight in weights.items()
    }
    return RobustnessReport(
        scores=tuple(scores),
        changes=tuple(changes),
        relative=relative.pop(""),
        points=_figure(whole, resampled, weights[""], over=1, blocks=len(columns)),
        families=relative,
        replicates=replicates,
        seed=seed,
    )


def leading(report: Report) -> Measure:
    """Return the rate that leads: the CER in languages written without spaces, else the WER."""
    return report.cer if report.spaceless else report.wer


def _table(
    scores: Sequence[ConditionScore],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return errors (B, C) by block and condition, and lengths (B,)."""
    at, of = _CHARACTERS if scores[0].report.spaceless else _WORDS
    blocks = [score.board.blocks() for score in scores]
    first = blocks[0]
    for score, each in zip(scores, blocks, strict=True):
        if each.shape != first.shape or not np.array_equal(each[:, of], first[:, of]):
            raise ManifestError(
                f"{score.condition['name']}: was not heard by the same utterances as clean speech",
                hint="remove its files from the evidence, and measure it again",
            )
    return np.column_stack([each[:, at] for each in blocks]), first[:, of]


def _weights(scores: Sequence[ConditionScore], *, family: str | None = None) -> NDArray[np.float64]:
    """Weigh the conditions so that each family counts the same, and each within it: (C - 1,)."""
    families = [score.family for score in scores[1:]]
    kinds = len(set(families)) if family is None else 1
    return np.array(
        [1 / (kinds * families.count(each)) if family in (None, each) else 0.0 for each in families]
    )


def _figure(
    whole: NDArray[np.float64],
    resampled: NDArray[np.float64] | None,
    weights: NDArray[np.float64],
    *,
    over: int,
    blocks: int,
) -> Figure:
    """Average the conditions' additional errors over column `over`: clean errors, or length."""
    if not len(weights) or not whole[0, over]:
        return Figure(None, None)
    value = float(_means(whole, weights, over=over)[0])
    if resampled is None:
        return Figure(value, None)
    # A set drawn without any error on clean speech has no relative degradation.
    known = resampled[resampled[:, over] > 0]
    if not len(known):
        return Figure(value, None)
    tails = _expanded_tails(blocks, 0.95)
    low, high = np.quantile(_means(known, weights, over=over), tails)
    return Figure(value, Interval(float(low), float(high)))


def _means(
    sums: NDArray[np.float64], weights: NDArray[np.float64], *, over: int
) -> NDArray[np.float64]:
    return np.asarray((sums[:, 2:] @ weights - sums[:, 0]) / sums[:, over])


def _curve(name: str, scores: Sequence[ConditionScore]) -> dict[str, Any]:
    ordered = sorted(scores, key=lambda score: float(score.condition["value"]))
    return {
        "name": name,
        "family": ordered[0].family,
        "variant": ordered[0].condition["variant"],
        "unit": ordered[0].condition["unit"],
        "points": [
            {
                "value": score.condition["value"],
                "rate": leading(score.report).rate,
                "low": (leading(score.report).interval or (None,))[0],
                "high": (leading(score.report).interval or (None, None))[1],
            }
            for score in ordered
        ],
    }


def _change_json(change: PairedDifference | None) -> dict[str, float] | None:
    if change is None:
        return None
    low, high = change.interval
    return {"difference": change.difference, "low": low, "high": high, "p": change.p}


def _table_rows(report: RobustnessReport) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the terminal's table: condition, rate, interval, change, times clean."""
    clean = leading(report.clean)
    curve = ""
    for score, change in zip(report.scores, report.changes, strict=True):
        shares_its_curve = sum(each.curve == score.curve for each in report.scores) > 1
        if shares_its_curve and score.curve != curve:
            yield (score.curve, "", "", "", "")
        curve = score.curve
        label = f"  {score.label}" if shares_its_curve else f"{score.curve} {score.label}".rstrip()
        rate = leading(score.report)
        yield (label, *_cells(rate, clean=clean, change=change))


def _cells(
    rate: Measure, *, clean: Measure, change: PairedDifference | None
) -> tuple[str, str, str, str]:
    if rate.rate is None:
        return ("undefined", "", "", "")
    interval = "" if rate.interval is None else _range(*rate.interval, sign="")
    moved = times = ""
    if change is not None:
        moved = f"{100 * change.difference:+.1f} {_range(*change.interval, sign='+')}"
        times = f"{rate.errors / clean.errors:.2f}" if clean.errors else ""
    return (f"{100 * rate.rate:.1f} %", interval, moved, times)


def _range(low: float, high: float, *, sign: str) -> str:
    return f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def _headline(report: RobustnessReport) -> str:
    relative, points = report.relative, report.points
    facts = (
        f"{len(report.scores) - 1} conditions in {len(report.families)} families",
        f"clean {leading(report.clean)}",
        f"utterances {report.clean.ser.length:,}",
        f"speakers {report.clean.speakers:,}" if report.clean.speakers else "speakers unknown",
        f"bootstrap {report.replicates} by {report.clean.unit}, seed {report.seed}",
    )
    if points.value is None:
        return f"no degradation measured   {' · '.join(facts)}"
    if relative.value is None:
        moved = "" if points.interval is None else _range(*points.interval, sign="+")
        leads = (
            f"mean degradation {100 * points.value:+.1f} points {moved} (nothing wrong on clean)"
        )
    else:
        spread = "[no interval]"
        if relative.interval is not None:
            low, high = relative.interval
            spread = f"[{100 * low:+.0f}, {100 * high:+.0f}]"
        leads = f"mean relative degradation {100 * relative.value:+.0f} % {spread}"
    return f"{leads}   {' · '.join(facts)}"
