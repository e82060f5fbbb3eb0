"""Ties by significance."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.challenge.ranks import Contender, SetLayout, compare, holm, rank

SPEAKERS = 12
LAYOUT = SetLayout(np.repeat(np.arange(SPEAKERS), 4), np.full(4 * SPEAKERS, 10))


def contender(errors: np.ndarray) -> Contender:
    return Contender(float(errors.sum() / LAYOUT.lengths.sum()), {"test": errors})


def scattered(mean: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).binomial(10, mean, 4 * SPEAKERS)


def test_who_is_shown_to_be_worse_has_the_next_rank() -> None:
    good, alike, worse, worst = (
        contender(scattered(mean, seed)) for mean, seed in ((0.1, 1), (0.1, 2), (0.4, 3), (0.8, 4))
    )
    standings = rank({"test": LAYOUT}, [worst, good, worse, alike])
    assert [standing.rank for standing in standings] == [4, 1, 3, 1]
    best = min(range(4), key=lambda index: [worst, good, worse, alike][index].score)
    assert standings[best].paired is None
    assert standings[3].leader == standings[1].leader == best


def test_equal_submissions_share_the_first_rank() -> None:
    same = scattered(0.3, 0)
    assert [each.rank for each in rank({"test": LAYOUT}, [contender(same)] * 3)] == [1, 1, 1]


def test_a_small_gain_for_everybody_is_shown_although_speakers_differ() -> None:
    hard = np.repeat(np.arange(SPEAKERS) % 6, 4)
    better, worse = contender(hard), contender(hard + 1 + np.arange(4 * SPEAKERS) % 2)
    assert [each.rank for each in rank({"test": LAYOUT}, [better, worse])] == [1, 2]


def test_one_speaker_tells_nobody_apart() -> None:
    layout = SetLayout(np.zeros(4, dtype=int), np.full(4, 10))
    contenders = [Contender(rate, {"test": np.full(4, int(10 * rate))}) for rate in (0.1, 0.9)]
    standings = rank({"test": layout}, contenders)
    assert [each.rank for each in standings] == [1, 1]
    assert standings[1].paired is None


def test_sets_weigh_the_same() -> None:
    small = SetLayout(np.arange(6), np.full(6, 10))
    first = Contender(0.0, {"test": np.full(48, 1), "small": np.full(6, 5)})
    second = Contender(0.0, {"test": np.full(48, 3), "small": np.full(6, 3)})
    found = compare({"test": LAYOUT, "small": small}, first, second)
    assert found is not None
    assert found.difference == pytest.approx((0.2 - 0.2) / 2)


@settings(max_examples=12)
@given(st.lists(st.floats(0.02, 0.9), min_size=1, max_size=6), st.integers(0, 99))
def test_ranks_follow_scores_and_begin_with_one(means: list[float], seed: int) -> None:
    contenders = [contender(scattered(mean, seed + k)) for k, mean in enumerate(means)]
    standings = rank({"test": LAYOUT}, contenders)
    order = sorted(range(len(means)), key=lambda index: contenders[index].score)
    assert standings[order[0]].rank == 1
    for standing, mine in zip(standings, contenders, strict=True):
        leader = standings[standing.leader]
        assert leader.rank == standing.rank
        assert contenders[standing.leader].score <= mine.score
        ahead = sum(other.rank < standing.rank for other in standings)
        assert standing.rank == ahead + 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_p_smaller_and_keeps_the_order(values: list[float]) -> None:
    corrected = holm(values)
    for before, after in zip(values, corrected, strict=True):
        assert before <= after <= 1
    assert min(corrected) == pytest.approx(min(1.0, len(values) * min(values)))
    order = sorted(range(len(values)), key=lambda index: values[index])
    assert all(corrected[a] <= corrected[b] for a, b in itertools.pairwise(order))
