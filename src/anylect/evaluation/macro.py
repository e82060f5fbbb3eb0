"""One number for several languages: the unweighted mean of their pooled rates.

Pooling languages would let the largest test set decide. Each language is one voice here, and its
speakers say how sure we are of it; the languages themselves are taken as given.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from anylect.evaluation.bootstrap import Interval, ratio_error, student_quantile
from anylect.evaluation.scoreboard import Scoreboard


@dataclass(frozen=True)
class MacroRate:
    """A mean over languages; None where a language has no reference to divide by."""

    name: str
    rate: float | None
    interval: Interval | None

    def __str__(self) -> str:
        if self.rate is None:
            return f"{self.name} undefined"
        if self.interval is None:
            return f"{self.name} {100 * self.rate:.1f} % [no interval]"
        low, high = self.interval
        return f"{self.name} {100 * self.rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True)
class Macro:
    """Means over languages; `print(macro)`."""

    languages: tuple[str, ...]
    wer: MacroRate
    cer: MacroRate
    ser: MacroRate

    def __str__(self) -> str:
        return (
            f"{self.wer} · {self.cer} · {self.ser}   "
            f"unweighted mean of {len(self.languages)} languages: {', '.join(self.languages)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; rates and intervals are fractions."""
        rates = {}
        for rate in (self.wer, self.cer, self.ser):
            low, high = rate.interval or (None, None)
            rates[rate.name.lower()] = {"rate": rate.rate, "low": low, "high": high}
        return {"languages": list(self.languages), **rates}


def macro_average(boards: Mapping[str, Scoreboard], *, confidence: float = 0.95) -> Macro:
    """Average the pooled rates of several languages, each with the same weight.

    The variance of the mean is that of its parts over their squared number; its degrees of
    freedom are those of Satterthwaite (1946), from the speakers of each language. There is no
    interval where a language has but one speaker and one recording.

    Args:
        boards: What was scored in each language.
        confidence: Of the intervals.

    Example:
        >>> from anylect.evaluation.scoreboard import score
        >>> boards = {"fi": Scoreboard(), "sv": Scoreboard()}
        >>> for language, heard in (("fi", "a b"), ("fi", "a b"), ("sv", "a x"), ("sv", "a b")):
        ...     boards[language].append(score("a b", heard))
        >>> print(macro_average(boards).wer)
        WER 12.5 % [0.0, 171.3]
    """
    blocks = [board.blocks() for board in boards.values()]
    rates = [
        _mean(name, [(each[:, k], each[:, 3 + k]) for each in blocks], confidence)
        for k, name in enumerate(("WER", "CER", "SER"))
    ]
    return Macro(tuple(boards), *rates)


def _mean(
    name: str, languages: list[tuple[np.ndarray, np.ndarray]], confidence: float
) -> MacroRate:
    if not languages or any(lengths.sum() == 0 for _, lengths in languages):
        return MacroRate(name, None, None)
    mean = sum(errors.sum() / lengths.sum() for errors, lengths in languages) / len(languages)
    if any(len(errors) < 2 for errors, _ in languages):
        return MacroRate(name, float(mean), None)
    variances = [ratio_error(errors, lengths) ** 2 for errors, lengths in languages]
    total = sum(variances)
    freedom = 1.0
    if total:
        parts = zip(variances, languages, strict=True)
        freedom = total**2 / sum(each**2 / (len(errors) - 1) for each, (errors, _) in parts)
    reach = student_quantile((1 + confidence) / 2, freedom) * math.sqrt(total) / len(languages)
    return MacroRate(
        name, float(mean), Interval(max(0.0, float(mean) - reach), float(mean) + reach)
    )
