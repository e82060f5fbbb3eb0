from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.data.batches import (
    bucketed_batches,
    equal_length_batches,
    pad,
    padding_share,
)
from anylect.errors import ConfigError

DURATIONS = st.lists(st.floats(0.0, 30.0) | st.sampled_from([0.0, 1.0, 2.5]), max_size=60)
Grouping = Callable[..., list[list[int]]]
GROUPINGS = pytest.mark.parametrize("group", [bucketed_batches, equal_length_batches])


@GROUPINGS
@given(DURATIONS, st.floats(1.0, 60.0), st.integers(1, 9) | st.none(), st.integers(0, 3))
def test_every_utterance_stands_in_one_batch_within_bounds(
    group: Grouping, durations: list[float], seconds: float, limit: int | None, epoch: int
) -> None:
    batches = group(durations, seconds=seconds, max_utterances=limit, epoch=epoch)
    assert sorted(position for batch in batches for position in batch) == list(
        range(len(durations))
    )
    for batch in batches:
        longest = max(durations[position] for position in batch)
        assert len(batch) == 1 or longest * len(batch) <= seconds
        assert len(batch) <= (limit or len(batch))


@given(DURATIONS, st.sampled_from([0.0, 0.02, 0.5]))
def test_equal_lengths_differ_by_less_than_the_tolerance(
    durations: list[float], tolerance: float
) -> None:
    for batch in equal_length_batches(durations, seconds=60, tolerance=tolerance):
        lengths = [durations[position] for position in batch]
        assert max(lengths) - min(lengths) <= tolerance * (1 + 1e-9)


@GROUPINGS
def test_seed_and_epoch_decide_the_batches(group: Grouping) -> None:
    durations = np.random.default_rng(0).choice([1.0, 2.0, 3.0], 200)
    first = group(durations, seconds=20, seed=1, epoch=0)
    assert group(durations, seconds=20, seed=1, epoch=0) == first
    assert group(durations, seconds=20, seed=1, epoch=1) != first
    assert group(durations, seconds=20, seed=2, epoch=0) != first


def test_batches_are_mixed_anew_every_epoch() -> None:
    durations = np.random.default_rng(0).uniform(1, 15, 2000)
    first, second = (
        {frozenset(batch) for batch in bucketed_batches(durations, seconds=60, epoch=epoch)}
        for epoch in (0, 1)
    )
    assert len(first & second) < 0.2 * len(first)


def test_unshuffled_batches_go_from_short_to_long() -> None:
    durations = [5.0, 1.0, 3.0, 2.0, 4.0]
    batches = bucketed_batches(durations, seconds=6, shuffle=False)
    assert batches == [[1, 3], [2], [4], [0]]


@pytest.mark.parametrize(
    "durations",
    [
        np.random.default_rng(0).lognormal(1.5, 0.4, 5000),
        np.random.default_rng(0).uniform(1, 20, 5000),
        np.random.default_rng(0).gamma(2.0, 3.0, 5000) + 0.5,
    ],
    ids=["lognormal", "uniform", "gamma"],
)
def test_little_is_padding(durations: np.ndarray) -> None:
    batches = bucketed_batches(durations, seconds=120)
    assert padding_share(batches, durations) < 0.06
    unsorted = [list(range(start, start + 20)) for start in range(0, 5000, 20)]
    assert padding_share(unsorted, durations) > 0.3


def test_padding_is_counted_by_hand() -> None:
    assert padding_share([[0, 1], [2]], [1.0, 3.0, 2.0]) == pytest.approx(1 - 6 / 8)
    assert padding_share([], []) == 0.0


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"seconds": 0}, "`seconds` is 0", "needs room"),
        ({"seconds": float("nan")}, "`seconds` is nan", "needs room"),
        ({"seconds": 1, "max_utterances": 0}, "`max_utterances` is 0", "1 or more"),
        ({"seconds": 1, "seed": -1}, "seed -1", "from 0"),
    ],
)
@GROUPINGS
def test_impossible_settings_are_refused(
    group: Grouping, options: dict[str, float], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        group([1.0], **options)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("bad", [float("nan"), -1.0, float("inf")])
def test_an_impossible_duration_is_named(bad: float) -> None:
    with pytest.raises(ConfigError, match=f"the duration of utterance 1 is {bad} s") as caught:
        bucketed_batches([1.0, bad], seconds=10)
    assert "anylect prepare" in (caught.value.hint or "")


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ConfigError, match="`tolerance` is -1"):
        equal_length_batches([1.0], seconds=1, tolerance=-1)


def test_padding_puts_zeros_behind() -> None:
    padded, lengths = pad([np.array([1, 2], np.float32), np.array([3], np.float32)])
    assert padded.tolist() == [[1, 2], [3, 0]]
    assert lengths.tolist() == [2, 1]
    assert padded.dtype == np.float32
    assert pad([])[0].shape == (0, 0)


def test_features_are_padded_with_their_width() -> None:
    padded, lengths = pad([np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)])
    assert padded.shape == (2, 4, 3)
    assert lengths.tolist() == [2, 4]
    assert padded.sum() == 18
    assert padded[0, 2:].sum() == 0
