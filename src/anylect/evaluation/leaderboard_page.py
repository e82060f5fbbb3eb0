"""A leaderboard as static pages: an index of languages, and one page for each.

Like the other pages they load nothing, and say all they have to say without their script, which
only sorts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from anylect.evaluation.bootstrap import Interval
from anylect.evaluation.comparison import p_text
from anylect.evaluation.page import render, scale_from_zero


@dataclass(frozen=True, kw_only=True)
class Line:
    """One submission; rates are fractions."""

    rank: int
    name: str
    fingerprint: str
    date: str
    measure: str
    rate: float
    interval: Interval | None
    parts: Sequence[tuple[str, float, Interval | None]]
    """Of each test set: its name, rate and interval."""
    behind: float | None
    """Points behind the one that leads the rank; None for that one itself, and untested."""
    p: float | None
    leader: str
    claimed: float | None
    """What the card says of Common Voice, None where it says nothing."""
    claim_written: str
    claim_verdict: str
    is_isolated: bool
    signature: str
    signatures: Sequence[str]


def language_page(
    lines: Sequence[Line], *, title: str, language: str, method: str, superseded: int = 0
) -> str:
    """Lay out the submissions of one language, best first.

    Args:
        lines: In the order to be shown.
        title: Of the challenge.
        language: BCP 47 tag.
        method: How ties were found.
        superseded: Older entries of the same names, which are not shown.
    """
    ranks = [line.rank for line in lines]
    best = [line for line in lines if line.rank == 1]
    notes = [
        method,
        "The score is the mean of the sets' rates, each with the same weight; a whisker is its "
        "95 % interval. Intervals that overlap say nothing of a difference: the paired test does.",
        "Claims are those of the submission's card about the Common Voice test set, read in "
        "percent or as a fraction, whichever is meant.",
    ]
    if superseded:
        notes.append(f"{superseded:,} older entries of the same names are kept but not shown.")
    return render(
        "leaderboard.html",
        title=f"{title}: {language}",
        kind="Leaderboard",
        language=language,
        measure=lines[0].measure,
        verdict=_verdict(best),
        sets=[name for name, _, _ in lines[0].parts],
        rows=[_row(line, shares=ranks.count(line.rank) > 1) for line in lines],
        scale=scale_from_zero(lines),
        notes=notes,
    )


def index_page(languages: Sequence[tuple[str, Sequence[Line]]], *, title: str) -> str:
    """Lay out the languages of a challenge, each with its best submissions."""
    rows = []
    for language, lines in languages:
        best = [line for line in lines if line.rank == 1]
        rows.append(
            SimpleNamespace(
                language=language,
                best=best[0].name,
                ties=len(best) - 1,
                measure=best[0].measure,
                rate=best[0].rate,
                interval=best[0].interval,
                submissions=len(lines),
                sets=len(best[0].parts),
            )
        )
    return render(
        "leaderboards.html",
        title=title,
        kind="Leaderboards",
        language="und",
        rows=rows,
        scale=scale_from_zero(rows),
        notes=[
            "Scores of different languages do not compare: the languages and their sets are not "
            "equally hard.",
        ],
    )


def _verdict(best: Sequence[Line]) -> str:
    first = best[0]
    if len(best) == 1:
        return f"{first.name} leads"
    others = "another submission" if len(best) == 2 else f"{len(best) - 1:,} others"
    return f"{first.name} is ahead, but not told apart from {others}"


def _row(line: Line, *, shares: bool) -> SimpleNamespace:
    against: tuple[str, ...] = ()
    if line.behind is not None and line.p is not None:
        against = (f"{100 * line.behind:+.1f}", p_text(line.p))
    elif shares and line.leader != line.name:
        against = ("not tested",)
    return SimpleNamespace(
        line=line,
        rate=line.rate,
        interval=line.interval,
        rank=f"{line.rank}{'=' if shares else ''}",
        against=against,
        signatures=[
            (name, signature)
            for (name, _, _), signature in zip(line.parts, line.signatures, strict=True)
        ],
        misleads=line.claim_verdict in ("too good", "unit unclear"),
    )
