import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.tuning import Errors, Tuner, TuningOptions
from anylect.errors import ConfigError


def bowl(alpha: float, beta: float, *, closed: int = 0, opened: int = 0) -> Tuner:
    """Errors that grow with the distance from a point, and in one search from the start."""

    def measure(options: BeamOptions) -> Errors:
        away = 200 * abs(options.alpha - alpha) + 40 * abs(options.beta - beta)
        extra = closed if options.search == "closed" else opened
        return Errors(round(100 + away + extra), 0)

    return Tuner(measure)


@given(st.floats(0.1, 2.0), st.floats(-1.0, 3.5))
def test_the_best_point_is_found_to_a_small_step(alpha: float, beta: float) -> None:
    tuner = bowl(alpha, beta)
    best = tuner.tune(BeamOptions(), searches=("closed",))
    assert abs(best.options.alpha - alpha) < 0.2
    assert abs(best.options.beta - beta) < 0.7
    assert best.errors == min(trial.errors for trial in tuner.trials.values())
    assert len(tuner.trials) < 60


@pytest.mark.parametrize(("closed", "opened", "expected"), [(0, 50, "closed"), (50, 0, "open")])
def test_the_better_search_is_taken(closed: int, opened: int, expected: str) -> None:
    tuner = bowl(0.7, 1.2, closed=closed, opened=opened)
    best = tuner.tune(BeamOptions(), searches=("closed", "open"))
    assert best.options.search == expected


def test_of_equal_settings_the_smaller_alpha_and_the_narrower_beam_are_taken() -> None:
    tuner = Tuner(lambda _: Errors(3, 9))
    best = tuner.tune(BeamOptions(), searches=("closed", "open")).options
    assert best.alpha == 0.25
    assert best.width == 25
    assert best.search == "closed"


def test_the_other_rate_decides_between_equal_ones() -> None:
    tuner = Tuner(lambda options: Errors(3, 10 + round(100 * abs(options.alpha - 1.0))))
    assert tuner.tune(BeamOptions(), searches=("open",)).options.alpha == 1.0


@pytest.mark.parametrize(("loss", "expected"), [(1, 25), (20, 100)])
def test_a_narrower_beam_may_cost_next_to_nothing(loss: int, expected: int) -> None:
    def measure(options: BeamOptions) -> Errors:
        return Errors(1000 + (loss if options.width < 100 else 0), 0)

    best = Tuner(measure).tune(BeamOptions(), searches=("closed",))
    assert best.options.width == expected


def test_no_setting_is_measured_twice_and_what_is_not_tuned_stays() -> None:
    seen: list[BeamOptions] = []

    def measure(options: BeamOptions) -> Errors:
        seen.append(options)
        return Errors(round(100 * abs(options.alpha - 0.8)), 0)

    Tuner(measure).tune(BeamOptions(max_tokens=7), searches=("closed", "open"))
    assert len(seen) == len(set(seen))
    assert {options.max_tokens for options in seen} == {7}


def test_empty_grids_are_refused() -> None:
    with pytest.raises(ConfigError, match="`alphas` is empty"):
        TuningOptions(alphas=())
