"""What a card claims beside what was measured, whatever unit the card writes in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anylect.errors import ConfigError
from anylect.evaluation.bootstrap import Interval
from anylect.hub.card_claims import Claim, Unit
from anylect.text.recipes import canonical_tag

Verdict = Literal["holds", "too good", "modest", "unit unclear", "not tested"]


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A claim, its reading as a fraction, and whether what was measured bears it out."""

    metric: str
    written: str
    unit: Unit
    fraction: float | None
    verdict: Verdict

    @property
    def holds(self) -> bool:
        """Whether nobody is misled by it."""
        return self.verdict in ("holds", "modest")

    def __str__(self) -> str:
        if self.fraction is None:
            return f"{self.metric.upper()} {self.written!r}: no number"
        read = f"{self.metric.upper()} {100 * self.fraction:.1f} %"
        shown = f" (written {self.written}, {self.unit})" if self.unit != "percent" else ""
        words = {
            "holds": "holds",
            "too good": "does NOT hold: less than was measured",
            "modest": "more than was measured",
            "unit unclear": "does NOT hold, unless the unit is another",
            "not tested": "no interval to hold it against",
        }
        return f"{read}{shown}: {words[self.verdict]}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            "written": self.written,
            "unit": self.unit,
            "fraction": self.fraction,
            "verdict": self.verdict,
        }


def is_common_voice(name: str) -> bool:
    """Say whether a data set's name means Common Voice.

    Example:
        >>> [is_common_voice(name) for name in ("mozilla-foundation/common_voice_7_0", "FLEURS")]
        [True, False]
    """
    return re.search(r"common[\W_]*voice", name, re.IGNORECASE) is not None


def of_common_voice(claims: Sequence[Claim], *, metric: str, language: str | None) -> list[Claim]:
    """Choose the claims about the Common Voice test set of a language, the boldest first.

    A claim that names no config or split is taken to mean the one in question.
    """
    found = [
        claim
        for claim in claims
        if claim.metric == metric
        and is_common_voice(claim.dataset)
        and _is_test(claim.split)
        and _is_of(claim.config, language)
    ]
    return sorted(found, key=lambda claim: (claim.fraction is None, claim.fraction or 0.0))


def weigh(claim: Claim, rate: float | None, interval: Interval | None) -> Weighed:
    """Hold a claim against a measured rate: it holds from the interval's lower end on.

    Where the unit is unclear, the worse reading has to hold; if only the better one does, that is
    said.
    """
    found = claim.fraction
    verdict: Verdict = "not tested"
    if found is not None and rate is not None and interval is not None:
        low, high = interval
        # A card rounds to a tenth of a percent, or two.
        verdict = "holds" if found >= low - 5e-4 else "too good"
        verdict = "modest" if found > high + 5e-4 else verdict
        if claim.unit == "unclear" and verdict != "holds":
            verdict = "unit unclear"
    return Weighed(
        metric=claim.metric,
        written=claim.written,
        unit=claim.unit,
        fraction=found,
        verdict=verdict,
    )


def _is_test(split: str | None) -> bool:
    return split is None or split.partition("[")[0].strip().lower() == "test"


def _is_of(config: str | None, language: str | None) -> bool:
    if not config or language is None:
        return True
    try:
        return canonical_tag(config).partition("-")[0] == language.partition("-")[0]
    except ConfigError:
        return True  # `default`, or arguments as text: nothing says that it is another
