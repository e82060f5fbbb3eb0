"""Comparisons: paired, refused where they make no sense, and right as often as they say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.errors import ManifestError
from anylect.evaluation.bootstrap import _student_outside, paired_difference
from anylect.evaluation.comparison import compare, p_text
from anylect.evaluation.error_rate import align
from anylect.evaluation.matched_pairs import matched_pairs, segments
from anylect.evaluation.scoreboard import ScoredUtterance, score

Counts = NDArray[np.int64]


def heard(
    references: list[str], hypotheses: list[str], *, speakers: int | None = None
) -> list[ScoredUtterance]:
    return [
        replace(
            score(reference, hypothesis),
            id=f"u{number}",
            speaker=f"s{number % speakers}" if speakers else None,
        )
        for number, (reference, hypothesis) in enumerate(
            zip(references, hypotheses, strict=True), start=1
        )
    ]


def two_systems(
    utterances: int = 60, *, seed: int = 0
) -> tuple[list[ScoredUtterance], list[ScoredUtterance]]:
    """Ten words an utterance, twelve speakers; the first system misses 30 %, the second 15 %."""
    generator = np.random.default_rng(seed)
    references = ["a b c d e f g h i j"] * utterances
    both = []
    for rate in (0.3, 0.15):
        hypotheses = [
            " ".join("x" if generator.random() < rate else word for word in text.split())
            for text in references
        ]
        both.append(heard(references, hypotheses, speakers=12))
    return both[0], both[1]


def speakers(
    generator: np.random.Generator, number: int, *, gain: float = 0.0
) -> tuple[Counts, Counts]:
    """Draw speakers who differ, also in which of two systems suits them."""
    words = generator.integers(50, 400, number)
    first = np.clip(generator.beta(2, 8, number), 0.15, 0.85)  # room for the gain
    second = np.clip(first - gain + 0.03 * generator.standard_normal(number), 0, 1)
    errors = np.column_stack([generator.binomial(words, each) for each in (first, second)])
    return errors, words


def share_shown(number: int, *, gain: float, trials: int, seed: int) -> float:
    generator = np.random.default_rng(seed)
    shown = 0
    for trial in range(trials):
        found = paired_difference(
            *speakers(generator, number, gain=gain), replicates=199, seed=trial
        )
        assert found is not None
        shown += found.p < 0.05
    return shown / trials


@pytest.mark.parametrize("number", [4, 20])
def test_equal_systems_are_told_apart_no_more_than_once_in_twenty(number: int) -> None:
    # Two standard errors of 300 trials are 2.5 percentage points.
    assert 0.005 <= share_shown(number, gain=0.0, trials=300, seed=1) <= 0.075


def test_the_smallest_difference_is_shown_four_times_in_five() -> None:
    generator = np.random.default_rng(5)
    smallest = []
    for trial in range(40):
        found = paired_difference(*speakers(generator, 30, gain=0.03), replicates=199, seed=trial)
        assert found is not None
        smallest.append(found.smallest)
    gain = float(np.mean(smallest))
    assert 0.72 <= share_shown(30, gain=gain, trials=300, seed=2) <= 0.88


tables = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 30)), min_size=2, max_size=12
)


@given(tables, st.sampled_from([10, 19, 99, 100]))
def test_p_is_small_exactly_where_the_interval_leaves_out_zero(
    rows: list[tuple[int, int, int]], replicates: int
) -> None:
    table = np.array(rows)
    found = paired_difference(table[:, :2], table[:, 2], replicates=replicates)
    assert found is not None
    if found.standard_error and replicates > 19:
        away = max(found.interval.low, -found.interval.high)
        assert (found.p < 0.05) == (away > 1e-12)


@given(tables)
def test_swapping_two_systems_turns_the_sign_and_nothing_else(
    rows: list[tuple[int, int, int]],
) -> None:
    table = np.array(rows)
    there = paired_difference(table[:, :2], table[:, 2], replicates=50)
    back = paired_difference(table[:, 1::-1], table[:, 2], replicates=50)
    assert there is not None
    assert back is not None
    assert there.difference == -back.difference
    if there.difference:
        assert there.smallest == back.smallest


@pytest.mark.parametrize(
    ("student", "freedom", "p"),
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (3.182, 3, 0.05), (2.776, 4, 0.05), (4.604, 4, 0.01)],
)
def test_students_tails_are_those_of_the_tables(student: float, freedom: int, p: float) -> None:
    assert _student_outside(student, freedom) == pytest.approx(p, rel=1e-3)


def test_of_few_speakers_students_t_decides() -> None:
    gained, words = np.array([10, 12, 14]), np.full(3, 100)
    found = paired_difference(np.column_stack([np.zeros(3, int), gained]), words)
    assert found is not None
    error = np.std(gained, ddof=1) / np.sqrt(3) / 100
    assert found.standard_error == pytest.approx(error)
    assert found.p == pytest.approx(_student_outside(0.12 / error, 2))
    assert found.interval == pytest.approx((0.12 - 4.303 * error, 0.12 + 4.303 * error), rel=1e-3)


@pytest.mark.parametrize("errors", [[(1, 2)], []])
def test_one_block_allows_no_comparison(errors: list[tuple[int, int]]) -> None:
    assert paired_difference(np.array(errors).reshape(-1, 2), np.full(len(errors), 9)) is None


def test_a_real_gain_is_said_in_plain_words() -> None:
    found = compare(*two_systems(), names=("greedy", "with LM"))
    assert found.is_shown
    paired = found.words.paired
    assert paired is not None
    low, high = -paired.interval.high, -paired.interval.low
    assert found.sentence == (
        f"with LM is better by {-100 * paired.difference:.1f} points of WER "
        f"[{100 * low:.1f}, {100 * high:.1f}], {p_text(paired.p)}; "
        f"such a test set shows a gain of {100 * paired.smallest:.1f} points four times in five"
    )
    assert 0 < low < -paired.difference < high


def test_a_small_gain_on_a_small_set_is_not_called_one() -> None:
    first, second = two_systems(6, seed=3)
    same = [replace(each, speaker=left.speaker) for each, left in zip(first, second, strict=True)]
    same[0] = replace(second[0])
    found = compare(first, same, names=("greedy", "with LM"))
    assert not found.is_shown
    assert found.sentence.startswith("no difference is shown: with LM is ahead by")


def test_the_order_of_utterances_does_not_matter() -> None:
    first, second = two_systems()
    assert (
        compare(first, second).to_json() == compare(first[::-1], second[5:] + second[:5]).to_json()
    )


def test_two_that_hear_the_same_are_said_to() -> None:
    first, _ = two_systems(6)
    found = compare(first, first)
    assert found.sentence == "A and B say the same in all 6 utterances"
    assert found.words.paired is not None
    assert found.words.paired.p == 1.0
    assert "z +0.00, p = 1.00" in found.text()


def test_other_utterances_are_refused_with_how_many_are_missing() -> None:
    first, second = two_systems(20)
    with pytest.raises(ManifestError) as refusal:
        compare(first[2:], second[:15], names=("old", "new"))
    assert refusal.value.message == (
        "5 of 18 utterances of old are missing in new (`u16`, `u17`, `u18`, …); "
        "2 of 15 utterances of new are missing in old (`u1`, `u2`)"
    )
    assert "same manifest and split" in str(refusal.value.hint)


def test_other_references_are_refused() -> None:
    left, right = heard(["a b", "c"], ["a", "c"]), heard(["a b", "d"], ["a b", "d"])
    with pytest.raises(ManifestError, match=r"1 of 2 utterances have another reference .*`u2`"):
        compare(left, right)


def test_an_id_that_stands_twice_is_refused() -> None:
    twice = [*heard(["a"], ["a"]), *heard(["b"], ["b"])]
    with pytest.raises(ManifestError, match="1 utterances share the id of another"):
        compare(twice, twice)


def test_nothing_is_no_comparison() -> None:
    with pytest.raises(ManifestError, match="hold no scored utterance"):
        compare([], [])


def test_without_ids_the_order_pairs() -> None:
    texts = ["a b", "c d", "e f"]
    found = compare([score(each, "a b") for each in texts], [score(each, each) for each in texts])
    assert (found.words.first, found.words.second) == (4 / 6, 0.0)


@pytest.mark.parametrize(
    ("speaker", "recording", "unit", "blocks"),
    [
        (["a", "a", "b", "b"], [None] * 4, "speaker", 2),
        (["a", "b", None, None], ["r", "r", "s", "s"], "speaker", 3),
        ([None] * 4, ["r", "r", "s", "s"], "recording", 2),
        (["a"] * 4, ["r", "r", "s", "t"], "recording", 3),
        ([None] * 4, ["r", "s", "t", "u"], "utterance", 4),
        ([None] * 4, [None] * 4, "utterance", 4),
    ],
)
def test_speakers_are_drawn_and_else_recordings(
    speaker: list[str | None], recording: list[str | None], unit: str, blocks: int
) -> None:
    scored = [
        replace(each, speaker=who, recording=where)
        for each, who, where in zip(
            heard(["a b"] * 4, ["a", "a b", "b", "c"]), speaker, recording, strict=True
        )
    ]
    found = compare(scored, scored)
    assert (found.unit, found.blocks) == (unit, blocks)


def test_the_cer_leads_where_words_are_not_written_apart() -> None:
    first, second = two_systems()
    assert "points of CER" in compare(first, second, language="th").sentence
    assert compare(first, second, language="th").text().splitlines()[3].lstrip().startswith("CER")


def test_a_comparison_is_valid_json() -> None:
    for pair in (two_systems(), (heard([""], ["a"]), heard([""], [""]))):
        values = compare(*pair).to_json()
        assert json.loads(json.dumps(values, allow_nan=False)) == values


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a b c d e", "a b c d e", []),
        ("x b c d e", "a b c d y", [(1, 0), (0, 1)]),
        ("x b d e", "a b c d e", [(2, 0)]),  # one right word does not cut
        ("a b c z d e", "a b c d e f", [(1, 0), (0, 1)]),
        ("a b c d e f", "a b c d e g h", [(1, 2)]),
        ("", "a b c d e", [(5, 0)]),
    ],
)
def test_an_utterance_is_cut_where_both_are_right_twice(
    first: str, second: str, expected: list[tuple[int, int]]
) -> None:
    said = list("abcde")
    assert list(segments(align(said, first.split()), align(said, second.split()))) == expected


texts = st.lists(st.sampled_from("abc"), max_size=10)


@given(texts, texts, texts)
def test_no_error_is_lost_between_segments(
    said: list[str], first: list[str], second: list[str]
) -> None:
    left, right = align(said, first), align(said, second)
    cut = list(segments(left, right))
    assert sum(each for each, _ in cut) == sum(edit.kind != "=" for edit in left)
    assert sum(each for _, each in cut) == sum(edit.kind != "=" for edit in right)
    assert (0, 0) not in cut


def test_blocks_that_all_gain_alike_are_as_rare_as_coins_on_one_side() -> None:
    assert matched_pairs([(1, 0)] * 5) == (5, -1.0, -float("inf"), 1 / 16)
    for blocks, p in ((3, 0.25), (7, 1 / 64), (40, 1 / 1001)):
        found = paired_difference(np.array([(2, 1)] * blocks), np.full(blocks, 10))
        assert found is not None
        assert found.interval == (-0.1, -0.1)
        assert found.p == p
