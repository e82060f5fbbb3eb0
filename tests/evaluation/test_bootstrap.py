"""Intervals: they cover the truth as often as they say, and the seed decides them."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.evaluation.bootstrap import Interval, intervals, student_quantile

Counts = NDArray[np.int64]


def only(found: list[Interval | None]) -> Interval:
    (interval,) = found
    assert interval is not None
    return interval


def column(*values: int) -> Counts:
    return np.array(values, dtype=np.int64).reshape(-1, 1)


def speakers(generator: np.random.Generator, number: int) -> tuple[Counts, Counts]:
    """Draw speakers who differ: each has a WER of its own, 20 % on average, and 50 to 400 words."""
    words = generator.integers(50, 400, number)
    errors = generator.binomial(words, generator.beta(2, 8, number))
    return errors.reshape(-1, 1), words.reshape(-1, 1)


@pytest.mark.parametrize("number", [12, 60])
def test_an_interval_covers_the_true_rate_about_as_often_as_it_says(number: int) -> None:
    generator = np.random.default_rng(7)
    trials = 200
    covered = 0
    for trial in range(trials):
        low, high = only(intervals(*speakers(generator, number), replicates=150, seed=trial))
        covered += low <= 0.2 <= high
    # Two standard errors of 200 trials are 3 percentage points.
    assert 0.9 <= covered / trials <= 0.98


def test_utterances_taken_one_by_one_would_give_too_narrow_an_interval() -> None:
    generator = np.random.default_rng(3)
    errors, words = speakers(generator, 20)
    by_speaker = only(intervals(errors, words))
    single = np.repeat(errors // 10, 10, axis=0), np.repeat(words // 10, 10, axis=0)
    by_utterance = only(intervals(*single))
    assert by_utterance.high - by_utterance.low < 0.5 * (by_speaker.high - by_speaker.low)


blocks = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=20)


@given(blocks, st.randoms())
def test_the_order_of_blocks_does_not_matter(
    rows: list[tuple[int, int]], source: random.Random
) -> None:
    shuffled = list(rows)
    source.shuffle(shuffled)
    first, second = np.array(rows), np.array(shuffled)
    assert intervals(first[:, :1], first[:, 1:], replicates=20) == intervals(
        second[:, :1], second[:, 1:], replicates=20
    )


@given(blocks)
def test_an_interval_lies_between_the_best_and_the_worst_block(
    rows: list[tuple[int, int]],
) -> None:
    table = np.array(rows)
    low, high = only(intervals(table[:, :1], table[:, 1:], replicates=20))
    rates = table[:, 0] / table[:, 1]
    assert rates.min() - 1e-12 <= low <= high <= rates.max() + 1e-12


def test_the_seed_decides_the_interval() -> None:
    errors, words = speakers(np.random.default_rng(1), 30)
    assert intervals(errors, words, seed=4) == intervals(errors, words, seed=4)
    assert intervals(errors, words, seed=4) != intervals(errors, words, seed=5)


def test_all_rates_come_from_the_same_resampled_sets() -> None:
    errors, words = speakers(np.random.default_rng(1), 30)
    both = intervals(np.hstack([errors, errors]), np.hstack([words, words]))
    assert both[0] == both[1]


def test_more_confidence_is_a_wider_interval() -> None:
    errors, words = speakers(np.random.default_rng(1), 30)
    narrow, wide = (only(intervals(errors, words, confidence=c)) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_blocks_that_agree_leave_no_doubt() -> None:
    assert only(intervals(column(2, 2, 2), column(10, 10, 10))) == (0.2, 0.2)


def test_one_block_has_no_interval() -> None:
    assert intervals(column(2), column(10)) == [None]
    assert intervals(np.zeros((0, 2), int), np.zeros((0, 2), int)) == [None, None]


def test_no_reference_token_has_no_interval() -> None:
    assert intervals(column(2, 1), column(0, 0)) == [None]


def test_replicates_without_a_reference_token_are_left_out() -> None:
    low, high = only(intervals(column(5, 1), column(0, 10)))
    assert np.isfinite([low, high]).all()


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [  # Student's t as tabulated
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 4, 2.776),
        (0.975, 10, 2.228),
        (0.975, 120, 1.980),
        (0.95, 5, 2.015),
        (0.995, 8, 3.355),
    ],
)
def test_students_quantiles_are_those_of_the_tables(
    probability: float, freedom: int, quantile: float
) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(quantile, rel=2e-3)
