"""Which weights decode best: few trials, the same ones every time.

A coarse grid over alpha and beta finds the region; steps that are halved find the place in it;
then the narrowest beam is taken that costs nothing. Errors of a small set jump, so the other rate
decides between equal ones, and then the smaller alpha of the grid: a model that is needed less
misleads less. Only fewer errors move a point away from the grid, for on a plateau its edge is no
better place than its middle.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from anylect.config import refuse_below
from anylect.decoding.beam_options import BeamOptions
from anylect.errors import ConfigError


class Errors(NamedTuple):
    """What one setting got wrong; `leading` counts words, or characters where none are apart."""

    leading: int
    other: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting and its errors."""

    options: BeamOptions
    errors: Errors

    @property
    def rank(self) -> tuple[float, ...]:
        """What is smaller is better."""
        options = self.options
        return (*self.errors, options.alpha, abs(options.beta), options.width)


Measure = Callable[[BeamOptions], Errors]


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """Which settings are tried."""

    alphas: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0)
    """Of the coarse grid."""
    betas: tuple[float, ...] = (-1.0, 0.5, 2.0, 3.5)
    """Of the coarse grid."""
    refinements: int = 3
    """How often the steps around the best point are halved."""
    widths: tuple[int, ...] = (25, 50, 100, 200)
    """Beam widths; alpha and beta are looked for with the second of them."""
    width_cost: float = 0.005
    """How many more errors a narrower beam may cost, as a share."""
    searches: tuple[Literal["closed", "open"], ...] = ("closed", "open")
    """What is tried where both are possible."""
    promising: float = 1.1
    """A search whose coarse grid is this many times worse than the best one's is given up."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "refinements", "width_cost")
        refuse_below(self, 1, "promising")
        for name in ("alphas", "betas", "widths", "searches"):
            if not getattr(self, name):
                raise ConfigError(f"`{name}` is empty", hint="give at least one value to try")

    @property
    def search_width(self) -> int:
        """The beam width that alpha and beta are looked for with."""
        return sorted(self.widths)[min(1, len(self.widths) - 1)]


class Tuner:
    """Tries settings and remembers what came of each."""

    def __init__(self, measure: Measure, options: TuningOptions | None = None) -> None:
        """Tune what `measure` counts the errors of."""
        self.measure, self.options = measure, options or TuningOptions()
        self.trials: dict[BeamOptions, Trial] = {}

    def tune(self, start: BeamOptions, *, searches: Iterable[Literal["closed", "open"]]) -> Trial:
        """Find the best setting; `trials` then holds every one in the order they were tried.

        Args:
            start: What is not tuned.
            searches: Those that are possible.
        """
        start = dataclasses.replace(start, width=self.options.search_width)
        coarse = [
            self._best(
                dataclasses.replace(start, search=search, alpha=alpha, beta=beta)
                for alpha, beta in itertools.product(self.options.alphas, self.options.betas)
            )
            for search in searches
        ]
        most = self.options.promising * min(trial.errors.leading for trial in coarse)
        fine = [self._refine(trial) for trial in coarse if trial.errors.leading <= most]
        return self._choose_width(min(fine, key=lambda trial: trial.rank))

    def _refine(self, best: Trial) -> Trial:
        step_alpha, step_beta = _step(self.options.alphas), _step(self.options.betas)
        for _ in range(self.options.refinements):
            if not any(best.errors):
                break
            step_alpha, step_beta = step_alpha / 2, step_beta / 2
            around = [
                dataclasses.replace(
                    best.options,
                    alpha=round(max(0.0, best.options.alpha + step_alpha * along), 3),
                    beta=round(best.options.beta + step_beta * across, 3),
                )
                for along, across in itertools.product((-1, 0, 1), repeat=2)
            ]
            nearest = self._best(around)
            best = nearest if nearest.errors < best.errors else best
        return best

    def _choose_width(self, best: Trial) -> Trial:
        found = [
            self._try(dataclasses.replace(best.options, width=width))
            for width in sorted(self.options.widths)
        ]
        least = min(trial.errors.leading for trial in found)
        most = least * (1 + self.options.width_cost)
        return next(trial for trial in found if trial.errors.leading <= most)

    def _best(self, settings: Iterable[BeamOptions]) -> Trial:
        return min(map(self._try, settings), key=lambda trial: trial.rank)

    def _try(self, options: BeamOptions) -> Trial:
        if options not in self.trials:
            self.trials[options] = Trial(options, self.measure(options))
        return self.trials[options]


def _step(values: tuple[float, ...]) -> float:
    """Return the usual distance between neighbours of a grid."""
    ordered = sorted(values)
    gaps = sorted(right - left for left, right in itertools.pairwise(ordered))
    return gaps[len(gaps) // 2] if gaps else 0.5
