"""A report as one HTML page: what is shown of an evaluation, and how much of it.

The page loads nothing, from nowhere: style, script, pictures and sound stand inside it, and its
own content security policy forbids the rest. Everything from a corpus is escaped by the
templates in `pages/`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import SimpleNamespace
from typing import Any

import jinja2
from markupsafe import Markup

from anylect.evaluation.bootstrap import Interval
from anylect.evaluation.breakdown import Breakdown, Group
from anylect.evaluation.comparison import Comparison, Difference, p_text
from anylect.evaluation.curves import Chart, nice_steps
from anylect.evaluation.macro import Macro
from anylect.evaluation.page_examples import Block, Example, view_examples, visible
from anylect.evaluation.report import Report

MOST_GROUPS = 50
MOST_CONFUSIONS = 25
REPLICATES_OF_GROUPS = 400


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """What an evaluation's page shows besides its numbers."""

    title: str
    examples: Sequence[Example] = ()
    charts: Sequence[Chart] = ()
    macro: Macro | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Scale:
    """From values to places on a bar, in percent."""

    low: float
    high: float

    @property
    def zero(self) -> float | None:
        """Where zero is, if it is not at the edge."""
        return self.at(0.0) if self.low < 0 else None

    def at(self, value: float) -> float:
        """Place a value; what lies outside is at the edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)


def evaluation_page(
    report: Report,
    breakdown: Breakdown,
    *,
    parts: PageParts,
) -> str:
    """Lay out one evaluation."""
    return render(
        "evaluation.html",
        title=parts.title,
        kind="Evaluation",
        language=report.language or "und",
        report=_report_view(report),
        notes=[*report.notes(), *parts.notes],
        charts=parts.charts,
        macro=parts.macro,
        tables=[
            _table(kind, groups, breakdown)
            for kind, groups in breakdown.kinds().items()
            if len(groups) > 1
        ],
        confusions=_confusions(breakdown),
        examples=view_examples(parts.examples, anchor="worst", spaceless=report.spaceless),
    )


def comparison_page(
    comparison: Comparison,
    breakdowns: tuple[Breakdown, Breakdown],
    *,
    title: str,
    language: str | None = None,
    blocks: Sequence[Block] = (),
) -> str:
    """Lay out a comparison: figures, who gains, and the utterances that changed most."""
    rows = [_difference(each) for each in comparison.differences]
    ends = [abs(end) for row in rows for end in (row.interval or ())]
    return render(
        "comparison.html",
        title=title,
        kind="Comparison",
        language=language or "und",
        comparison=SimpleNamespace(
            sentence=comparison.sentence,
            names=comparison.names,
            rows=rows,
            scale=_around_zero([*ends, *(abs(row.rate or 0.0) for row in rows)]),
        ),
        notes=comparison.facts(),
        tables=list(_gains(*breakdowns)),
        examples=[
            SimpleNamespace(
                title=block.title,
                anchor=block.anchor,
                members=view_examples(
                    block.examples, anchor=block.anchor, spaceless=comparison.spaceless
                ),
            )
            for block in blocks
        ],
    )


def overview_page(reports: Sequence[tuple[str, Report]], *, title: str, macro: Macro | None) -> str:
    """Lay out several evaluations beside each other."""
    rows = [
        SimpleNamespace(
            name=name,
            language=report.language,
            measure=report.leading.name,
            rate=report.leading.rate,
            interval=report.leading.interval,
            utterances=report.ser.length,
            speakers=report.speakers or None,
        )
        for name, report in reports
    ]
    return render(
        "overview.html",
        title=title,
        kind="Evaluations",
        language="und",
        rows=rows,
        scale=scale_from_zero(rows),
        macro=macro,
        notes=[
            *(f"{name}: {report.line}" for name, report in reports),
            *(
                f"{name}: words are not written apart, so its part of the mean WER means little"
                for name, report in reports
                if macro and report.spaceless
            ),
        ],
    )


def render(template: str, **values: Any) -> str:  # noqa: ANN401  whatever a template shows
    """Fill in one of the templates in `pages/`."""
    from anylect import __version__

    return (
        _environment()
        .get_template(template)
        .render(
            **values, version=__version__, style=_asset("report.css"), script=_asset("report.js")
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("anylect.evaluation", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "points": lambda value: "–" if value is None else f"{100 * value:+.1f}",
        "interval": _interval,
        "points_interval": lambda found: _interval(found, sign="+"),
        "count": lambda value: "–" if value is None else f"{value:,}",
        "visible": visible,
        "slug": lambda text: re.sub(r"\W+", "-", text),
    }
    return environment


@cache
def _asset(name: str) -> Markup:
    # Ours, and without anything that ends a style or script element.
    text = (resources.files("anylect.evaluation") / "pages" / name).read_text(encoding="utf-8")
    return Markup(text)


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _interval(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return "no interval"
    return f"[{100 * interval[0]:{sign}.1f}, {100 * interval[1]:{sign}.1f}]"


def _report_view(report: Report) -> SimpleNamespace:
    return SimpleNamespace(
        line=report.line,
        leading=report.leading,
        measures=report.measures,
        scale=scale_from_zero(report.measures),
    )


def scale_from_zero(rows: Iterable[Any]) -> Scale:
    """Find a scale that holds all rates and intervals, to the next round percentage."""
    highest = 0.0
    for row in rows:
        highest = max(highest, row.rate or 0.0, row.interval[1] if row.interval else 0.0)
    return Scale(0.0, nice_steps(100 * min(highest, 10.0))[-1] / 100)


def _around_zero(sizes: Sequence[float]) -> Scale:
    high = nice_steps(100 * min(10.0, max(sizes, default=0.0)))[-1] / 100
    return Scale(-high, high)


def _table(kind: str, groups: Sequence[Group], breakdown: Breakdown) -> SimpleNamespace:
    rows = []
    for group in groups[:MOST_GROUPS]:
        word, character, _ = group.intervals(replicates=REPLICATES_OF_GROUPS)
        counts = breakdown.rate(group)
        rows.append(
            SimpleNamespace(
                name=group.name,
                rate=counts.rate if counts.length else None,
                interval=character if breakdown.spaceless else word,
                length=counts.length,
                utterances=group.utterances,
            )
        )
    return SimpleNamespace(
        kind=kind,
        rate="CER" if breakdown.spaceless else "WER",
        unit="characters" if breakdown.spaceless else "words",
        rows=rows,
        more=len(groups) - len(rows),
        scale=scale_from_zero(rows),
    )


def _gains(first: Breakdown, second: Breakdown) -> Iterable[SimpleNamespace]:
    for kind, groups in second.kinds().items():
        before = {group.name: first.rate(group) for group in first.kinds().get(kind, [])}
        rows = [
            SimpleNamespace(
                name=group.name,
                first=before[group.name].rate,
                second=counts.rate,
                rate=counts.rate - before[group.name].rate,
                interval=None,
                length=counts.length,
            )
            for group in groups
            if (counts := second.rate(group)).length and group.name in before
        ]
        rows = sorted(rows, key=lambda row: (-abs(row.rate), row.name))[:MOST_GROUPS]
        if len(rows) > 1:
            yield SimpleNamespace(
                kind=kind,
                unit="characters" if second.spaceless else "words",
                rows=rows,
                scale=_around_zero([abs(row.rate) for row in rows]),
            )


def _difference(difference: Difference) -> SimpleNamespace:
    paired = difference.paired
    return SimpleNamespace(
        name=difference.name,
        first=difference.first,
        second=difference.second,
        rate=paired.difference if paired else None,
        interval=paired.interval if paired else None,
        p=p_text(paired.p).removeprefix("p = ").removeprefix("p ") if paired else "–",
        smallest=paired.smallest if paired else None,
    )


def _confusions(breakdown: Breakdown) -> list[SimpleNamespace]:
    kinds = {"words": breakdown.words, "characters": breakdown.characters}
    if breakdown.spaceless:
        kinds = {"characters": breakdown.characters}
    return [
        SimpleNamespace(unit=unit, rows=rows, undercount=confusions.undercount)
        for unit, confusions in kinds.items()
        if (rows := confusions.commonest(MOST_CONFUSIONS))
    ]
