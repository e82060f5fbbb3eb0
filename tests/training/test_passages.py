from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.errors import ConfigError
from anylect.training.options import JoiningOptions
from anylect.training.passages import Passage, draw_passages, join_labels, join_samples

DURATIONS = st.lists(st.floats(0.0, 40.0) | st.sampled_from([0.0, 1.0, 2.5]), max_size=60)


@st.composite
def joinings(draw: st.DrawFn) -> JoiningOptions:
    shortest = draw(st.floats(0.0, 1.0))
    return JoiningOptions(
        probability=draw(st.floats(0.0, 1.0)),
        seconds=draw(st.floats(1.0, 60.0)),
        pause_seconds=(shortest, shortest + draw(st.floats(0.0, 2.0))),
        from_epoch=draw(st.integers(0, 2)),
    )


@given(DURATIONS, joinings(), st.integers(0, 3))
def test_every_utterance_stands_in_one_passage_within_bounds(
    durations: list[float], options: JoiningOptions, epoch: int
) -> None:
    passages = draw_passages(durations, options, seed=7, epoch=epoch)
    heard = [position for passage in passages for position in passage.positions]
    assert sorted(heard) == list(range(len(durations)))
    lengths = np.array(durations)
    shortest, longest = options.pause_seconds
    for passage in passages:
        assert len(passage.pauses) == len(passage.positions) - 1
        assert all(shortest <= pause <= longest for pause in passage.pauses)
        alone = len(passage.positions) == 1
        assert alone or passage.duration(lengths) <= options.seconds * (1 + 1e-9)
        assert alone or epoch >= options.from_epoch
    # Nothing is heard but the utterances and the pauses.
    spoken = sum(passage.duration(lengths) - sum(passage.pauses) for passage in passages)
    assert spoken == pytest.approx(sum(durations))


def test_seed_and_epoch_decide_the_passages() -> None:
    options = JoiningOptions(probability=0.7, seconds=20.0)
    durations = np.random.default_rng(0).uniform(1, 5, 200)
    first = draw_passages(durations, options, seed=1, epoch=4)
    assert draw_passages(durations, options, seed=1, epoch=4) == first
    assert draw_passages(durations, options, seed=1, epoch=5) != first
    assert draw_passages(durations, options, seed=2, epoch=4) != first


def test_without_joining_every_utterance_stays_alone_and_in_order() -> None:
    alone = [Passage((0,)), Passage((1,)), Passage((2,))]
    assert draw_passages([1.0, 2.0, 3.0], JoiningOptions()) == alone
    later = JoiningOptions(probability=1.0, seconds=100.0, from_epoch=3)
    assert draw_passages([1.0, 2.0, 3.0], later, epoch=2) == alone
    assert draw_passages([1.0, 2.0, 3.0], later, epoch=3) != alone


def test_all_lengths_up_to_the_longest_are_heard() -> None:
    options = JoiningOptions(probability=1.0, seconds=30.0, pause_seconds=(0.0, 0.0))
    durations = np.full(6_000, 0.5)
    lengths = [passage.duration(durations) for passage in draw_passages(durations, options)]
    shares = np.histogram(lengths, bins=6, range=(0, 30))[0] / len(lengths)
    np.testing.assert_allclose(shares, 1 / 6, atol=0.06)


@pytest.mark.parametrize("probability", [0.2, 0.8])
def test_passages_are_joined_with_the_given_probability(probability: float) -> None:
    options = JoiningOptions(probability=probability, seconds=1000.0)
    passages = draw_passages(np.ones(40_000), options)
    alone = sum(len(passage.positions) == 1 for passage in passages) / len(passages)
    assert alone == pytest.approx(1 - probability, abs=0.1)


@pytest.mark.parametrize(
    ("spelt", "boundary", "expected"),
    [
        ([[3, 4]], 2, (3, 4)),
        ([[3, 4], [5]], 2, (3, 4, 2, 5)),
        ([[3], [3], [4]], 2, (3, 2, 3, 2, 4)),
        ([[3, 4], [4]], None, (3, 4, 4)),
    ],
)
def test_labels_join_with_the_boundary_where_there_is_one(
    spelt: list[list[int]], boundary: int | None, expected: tuple[int, ...]
) -> None:
    assert join_labels(spelt, boundary) == expected


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=5),
    st.lists(st.floats(0.0, 0.5), min_size=4, max_size=4),
)
def test_waveforms_stand_unchanged_where_they_are_said_to_begin(
    sizes: list[int], pauses: list[float]
) -> None:
    generator = np.random.default_rng(0)
    parts = [generator.standard_normal(size, dtype=np.float32) for size in sizes]
    pauses = pauses[: len(parts) - 1]
    joined, starts = join_samples(parts, pauses, sample_rate=1_000, generator=generator)
    for part, start in zip(parts, starts, strict=True):
        np.testing.assert_array_equal(joined[start : start + len(part)], part)
    assert len(joined) == sum(sizes) + sum(round(1_000 * pause) for pause in pauses)


def test_a_pause_is_as_faint_as_its_neighbours_at_rest() -> None:
    generator = np.random.default_rng(0)
    loud = generator.standard_normal(8_000).astype(np.float32)
    restful = loud * np.repeat(np.array([0.01, 1.0], np.float32), 4_000)
    joined, (_, start) = join_samples(
        [restful, loud], [2.0], sample_rate=8_000, generator=generator
    )
    pause = joined[8_000:start]
    assert len(pause) == 16_000
    assert np.sqrt(np.square(pause).mean()) == pytest.approx(0.01, rel=0.2)
    silent = np.zeros(8_000, np.float32)
    joined, _ = join_samples([restful, silent], [2.0], sample_rate=8_000, generator=generator)
    assert not joined[8_000:].any()


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"probability": 1.5}, "`probability` is 1.5", "expected 0 to 1"),
        ({"seconds": 0.0}, "`seconds` is 0.0", "expected more than 0"),
        ({"from_epoch": -1}, "`from_epoch` is -1", "expected 0 or more"),
        ({"pause_seconds": (1.0, 0.5)}, "`pause_seconds` are [1.0, 0.5]", "lower bound first"),
        ({"pause_seconds": (-1.0, 0.5)}, "`pause_seconds` are [-1.0, 0.5]", "expected 0 or more"),
    ],
)
def test_settings_without_sense_are_refused(
    settings: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        JoiningOptions(**settings)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)
