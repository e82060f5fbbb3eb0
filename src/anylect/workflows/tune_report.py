"""What tuning found: the best setting, what it gains, and every setting tried."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect import __version__
from anylect.decoding.tuning import Trial
from anylect.evaluation.comparison import SIGNIFICANCE, Comparison
from anylect.evaluation.report import Report


@dataclass(frozen=True, kw_only=True)
class TuneReport:
    """What was chosen and what it gains; `report.lines()` says it in words."""

    bundle: Path
    best: Trial
    trials: tuple[Trial, ...]
    greedy: Report
    beam: Report
    comparison: Comparison
    installed: bool
    unreadable: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def helps(self) -> bool:
        """Whether the language model is better than none, beyond chance."""
        return is_gain(self.comparison)

    def lines(self) -> list[str]:
        """Say it, with a table of the gain."""
        options = self.best.options
        skipped = f", {self.unreadable:,} unreadable" if self.unreadable else ""
        return [
            f"{len(self.trials):,} settings tried on {self.beam.ser.length:,} utterances{skipped}",
            f"best: {options.search} search, alpha {options.alpha:g}, beta {options.beta:g}, "
            f"width {options.width}",
            "",
            self.greedy.line,
            self.beam.line,
            "",
            *self.comparison.text().splitlines(),
            "",
            "On the set it was tuned on a gain is flattered: say what you measure on another.",
            self._verdict(),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return what stands in `decoding.json`; rates are fractions."""
        words, characters = self.beam.wer.length, self.beam.cer.length
        lengths = (characters, words) if self.beam.spaceless else (words, characters)
        names = ("cer", "wer") if self.beam.spaceless else ("wer", "cer")
        curve = [
            {
                "search": trial.options.search,
                "alpha": trial.options.alpha,
                "beta": trial.options.beta,
                "width": trial.options.width,
                **{
                    name: round(errors / length, 5) if length else None
                    for name, errors, length in zip(names, trial.errors, lengths, strict=True)
                },
            }
            for trial in self.trials
        ]
        return {
            "utterances": self.beam.ser.length,
            "unreadable": self.unreadable,
            "objective": names[0],
            "greedy": _rates(self.greedy),
            "with_language_model": _rates(self.beam),
            "comparison": self.comparison.to_json(),
            "helps": self.helps,
            "forced": self.installed and not self.helps,
            "warnings": list(self.warnings),
            "curve": curve,
            "anylect": __version__,
        }

    def _verdict(self) -> str:
        if self.installed:
            doubt = ""
            if not self.helps:
                doubt = ", as you asked; it gains nothing that one may believe"
            elif not self.comparison.is_shown:
                doubt = "; its gain is shown by matched pairs, not across so few speakers"
            return f"{self.bundle}: decodes with this language model now{doubt}"
        return (
            f"{self.bundle}: this language model gains nothing that one may believe and was not "
            "installed; `--force` installs it"
        )


def is_gain(comparison: Comparison) -> bool:
    """Say whether the second system is better than the first, beyond chance.

    Speakers are resampled where two are known, and a dev set has few; so the matched-pairs test,
    which looks at segments whoever speaks them, is believed too.
    """
    paired = comparison.leading.paired
    is_ahead = paired is not None and paired.difference < 0
    return is_ahead and (comparison.is_shown or comparison.matched.p < SIGNIFICANCE)


def _rates(made: Report) -> dict[str, Any]:
    facts = made.to_json()
    return {name: facts[name] for name in ("signature", "wer", "cer", "decoding")}
