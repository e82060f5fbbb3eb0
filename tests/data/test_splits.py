from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.data.splits import (
    DEV,
    NOWHERE,
    SPLITS,
    TEST,
    TRAIN,
    Roll,
    SplitOptions,
    find_split,
    join_training,
    plan_splits,
    text_key,
)
from anylect.errors import ConfigError

Said = tuple[str | None, str, float]


def _roll(said: Sequence[Said]) -> Roll:
    roll = Roll()
    for speaker, sentence, duration in said:
        roll.add(speaker=speaker, sentence=sentence, duration=duration)
    return roll


def _many(speakers: int, sentences_each: int, *, shared: bool = False) -> list[Said]:
    return [
        (f"speaker {one}", f"sentence {two if shared else (one, two)}", 2.0)
        for one in range(speakers)
        for two in range(sentences_each)
    ]


def _standing(values: Sequence[Any], sides: Sequence[int]) -> dict[Any, set[int]]:
    standing: dict[Any, set[int]] = {}
    for value, side in zip(values, sides, strict=True):
        if value is not None and side != NOWHERE:
            standing.setdefault(value, set()).add(side)
    return standing


SAID = st.lists(
    st.tuples(
        st.none() | st.sampled_from("abcdefghijkl"),
        st.integers(0, 30).map(str),
        st.floats(0.1, 20.0),
    ),
    max_size=60,
)


@given(SAID, st.integers(0, 3), st.sampled_from(["keep", "drop"]))
def test_what_the_plan_promises_holds(said: list[Said], seed: int, repeats: Any) -> None:
    plan = plan_splits(_roll(said), SplitOptions(seed=seed, repeats=repeats))
    sides = plan.sides.tolist()
    assert len(sides) == len(said)
    speakers = _standing([speaker for speaker, _, _ in said], sides).values()
    sentences = _standing([sentence for _, sentence, _ in said], sides).values()
    if "speakers" in plan.basis:
        assert all(len(standing) == 1 for standing in speakers)
    if "sentences" in plan.basis or (plan.basis == "speakers" and repeats == "drop"):
        assert all(len(standing) == 1 for standing in sentences)
    if plan.basis == "nothing":
        assert set(sides) <= {TRAIN}
    if repeats == "keep" or plan.basis != "speakers":
        assert NOWHERE not in sides


@given(SAID, st.randoms(use_true_random=False))
def test_the_order_of_utterances_does_not_matter(said: list[Said], random: Any) -> None:
    order = list(range(len(said)))
    random.shuffle(order)
    sides = plan_splits(_roll(said), SplitOptions()).sides
    again = plan_splits(_roll([said[position] for position in order]), SplitOptions()).sides
    assert again.tolist() == [sides[position] for position in order]


@given(SAID)
def test_groups_are_those_a_slow_search_finds(said: list[Said]) -> None:
    plan = plan_splits(_roll(said), SplitOptions())
    if plan.basis != "speakers and sentences":
        return
    for start in range(len(said)):
        reached, border = {start}, [start]
        while border:
            here = said[border.pop()]
            near = {
                other
                for other, there in enumerate(said)
                if there[1] == here[1] or (here[0] is not None and there[0] == here[0])
            }
            border += near - reached
            reached |= near
        assert len({int(plan.sides[position]) for position in reached}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_sides_get_their_shares(seed: int) -> None:
    said = _many(200, 5)
    plan = plan_splits(_roll(said), SplitOptions(dev_share=0.1, test_share=0.2, seed=seed))
    shares = np.bincount(plan.sides, minlength=3) / len(said)
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.02)
    assert plan.basis == "speakers and sentences"
    assert plan.notes == ()


def test_another_seed_draws_other_speakers() -> None:
    roll = _roll(_many(50, 2))
    drawn = {plan_splits(roll, SplitOptions(seed=seed)).sides.tobytes() for seed in range(6)}
    assert len(drawn) == 6


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert text_key("ka") == 7455609687766356433
    sides = plan_splits(_roll(_many(10, 1)), SplitOptions()).sides.tolist()
    assert sides == [0, 2, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("repeats", ["keep", "drop"])
def test_shared_prompts_are_split_by_speaker_and_counted(repeats: Any) -> None:
    # Everybody reads the same sentences, and one of their own.
    own: list[Said] = [(f"speaker {number}", f"own {number}", 2.0) for number in range(10)]
    said = _many(10, 4, shared=True) + own
    plan = plan_splits(_roll(said), SplitOptions(repeats=repeats))
    assert plan.basis == "speakers"
    assert "4 of 5 utterances of test (80.0 %) say a sentence" in plan.notes[2]
    assert plan.notes[2].endswith("dropped") == (repeats == "drop")
    judged = np.isin(plan.sides, [DEV, TEST])
    assert judged.sum() == (10 if repeats == "keep" else 2)
    assert (plan.sides == NOWHERE).sum() == (0 if repeats == "keep" else 8)


def test_two_speakers_are_split_by_sentence_and_told_so() -> None:
    plan = plan_splits(_roll(_many(2, 20)), SplitOptions())
    assert plan.basis == "sentences"
    assert "known voices" in plan.notes[0]


def test_unknown_speakers_are_told() -> None:
    said: list[Said] = [(None, f"sentence {number}", 1.0) for number in range(30)]
    plan = plan_splits(_roll(said), SplitOptions())
    assert plan.basis == "sentences"
    assert plan.notes[0].startswith("the speaker of 30 of 30 utterances is unknown")


@pytest.mark.parametrize("said", [[], [("a", "b", 1.0)], _many(1, 1) * 5])
def test_too_little_goes_to_train_and_is_told(said: list[Said]) -> None:
    plan = plan_splits(_roll(said), SplitOptions())
    assert (plan.basis, set(plan.sides.tolist()) - {TRAIN}) == ("nothing", set())
    assert "all utterances went to train" in plan.notes[0]


def test_a_share_of_zero_asks_for_no_side() -> None:
    plan = plan_splits(_roll(_many(30, 1)), SplitOptions(dev_share=0.0))
    assert set(plan.sides.tolist()) == {TRAIN, TEST}


def test_an_unassigned_rest_joins_train_unless_it_leaks() -> None:
    said: list[Said] = [
        ("a", "one", 1.0),
        ("b", "two", 1.0),
        ("c", "two", 1.0),
        ("b", "three", 1.0),
        ("c", "four", 1.0),
        (None, "five", 1.0),
        (None, "two", 1.0),
    ]
    given_sides = np.array([TRAIN, TEST, *[NOWHERE] * 5], dtype=np.uint8)
    plan = join_training(_roll(said), given_sides)
    assert plan.sides.tolist() == [TRAIN, TEST, NOWHERE, NOWHERE, TRAIN, TRAIN, NOWHERE]
    assert plan.notes == (
        "5 utterances without a split: 2 joined train, 3 share speaker or sentence with "
        "dev or test",
    )


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"dev_share": -0.1}, "`dev_share` is -0.1", "a tenth"),
        ({"test_share": float("nan")}, "`test_share` nan", "a tenth"),
        ({"test_share": 10.0}, "`test_share` 10.0 take more than half", "fractions"),
    ],
)
def test_impossible_shares_are_refused(options: dict[str, float], message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        SplitOptions(**options)  # type: ignore[arg-type]  # only floats here
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[(name, name) for name in SPLITS],
        *[(" Val ", "dev"), ("TRAINING", "train"), ("eval", "test")],
        *[("other", "other"), ("", None), ("  ", None), (None, None)],
    ],
)
def test_splits_are_known_by_many_names(name: str | None, split: str | None) -> None:
    assert find_split(name) == split
