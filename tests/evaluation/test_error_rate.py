"""Error counts: worked examples, laws, brute force, and what jiwer counts."""

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.evaluation.error_rate import Edit, ErrorCounts, align, count_errors

GOLDEN = json.loads(Path(__file__).with_name("golden_jiwer.json").read_text(encoding="utf-8"))

words = st.lists(st.sampled_from(["a", "b", "ab", "ä", "ക"]), max_size=8)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("a b c", "a x c", ErrorCounts(1, 0, 0, 3)),
        ("a b c", "a c", ErrorCounts(0, 1, 0, 3)),
        ("a b c", "a b b c", ErrorCounts(0, 0, 1, 3)),
        ("a b c", "", ErrorCounts(0, 3, 0, 3)),
        ("", "a b", ErrorCounts(0, 0, 2, 0)),
        ("", "", ErrorCounts(0, 0, 0, 0)),
        ("a b c d", "b c d e", ErrorCounts(0, 1, 1, 4)),
    ],
)
def test_edits_are_counted_by_kind(reference: str, hypothesis: str, counts: ErrorCounts) -> None:
    assert count_errors(reference.split(), hypothesis.split()) == counts


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        (ErrorCounts(1, 1, 1, 4), 0.75),
        (ErrorCounts(0, 0, 6, 4), 1.5),
        (ErrorCounts(), 0.0),
        (ErrorCounts(insertions=1), float("inf")),
    ],
)
def test_a_rate_is_errors_per_reference_token(counts: ErrorCounts, rate: float) -> None:
    assert counts.rate == rate


@given(words, words)
def test_swapping_sides_swaps_deletions_and_insertions(left: list[str], right: list[str]) -> None:
    there, back = count_errors(left, right), count_errors(right, left)
    assert there.errors == back.errors
    assert there.deletions - there.insertions == back.insertions - back.deletions


@given(words)
def test_a_text_has_no_errors_against_itself(text: list[str]) -> None:
    assert count_errors(text, list(text)) == ErrorCounts(length=len(text))


@given(words, words, words)
def test_errors_obey_the_triangle_inequality(a: list[str], b: list[str], c: list[str]) -> None:
    assert count_errors(a, c).errors <= count_errors(a, b).errors + count_errors(b, c).errors


@given(words, words)
def test_an_alignment_spells_both_sides_and_has_the_counted_edits(
    reference: list[str], hypothesis: list[str]
) -> None:
    edits = align(reference, hypothesis)
    assert [edit.reference for edit in edits if edit.reference is not None] == reference
    assert [edit.hypothesis for edit in edits if edit.hypothesis is not None] == hypothesis
    assert all((edit.kind == "=") == (edit.reference == edit.hypothesis) for edit in edits)
    kinds = [edit.kind for edit in edits]
    counts = ErrorCounts(kinds.count("S"), kinds.count("D"), kinds.count("I"), len(reference))
    assert counts == count_errors(reference, hypothesis)


counts = st.builds(ErrorCounts, *[st.integers(0, 9)] * 4)


@given(st.lists(counts, min_size=1))
def test_counts_add_up_field_by_field(parts: list[ErrorCounts]) -> None:
    total = sum(parts, start=ErrorCounts())
    assert total.errors == sum(part.errors for part in parts)
    assert total.length == sum(part.length for part in parts)


def distance(left: str, right: str) -> int:
    """Find the edit distance by its definition."""

    @cache
    def from_here(i: int, j: int) -> int:
        if i == len(left) or j == len(right):
            return len(left) - i + len(right) - j
        kept = from_here(i + 1, j + 1) + (left[i] != right[j])
        return min(kept, from_here(i + 1, j) + 1, from_here(i, j + 1) + 1)

    return from_here(0, 0)


def slow_alignment(reference: str, hypothesis: str) -> list[Edit]:
    """Break ties as the documentation of `align` says."""
    start = len([*itertools.takewhile(_same, zip(reference, hypothesis, strict=False))])
    left, right = reference[start:], hypothesis[start:]
    ends = zip(reversed(left), reversed(right), strict=False)
    end = len([*itertools.takewhile(_same, ends)])
    i, j = len(left) - end, len(right) - end
    middle: list[Edit] = []
    while i or j:
        cost = distance(left[:i], right[:j])
        if i and cost == distance(left[: i - 1], right[:j]) + 1:
            i -= 1
            middle.append(Edit("D", left[i], None))
        elif j and (not i or _insertion_leads(left[:i], right[: j - 1])):
            j -= 1
            middle.append(Edit("I", None, right[j]))
        else:
            i, j = i - 1, j - 1
            middle.append(Edit("=" if left[i] == right[j] else "S", left[i], right[j]))
    first = [Edit("=", token, token) for token in reference[:start]]
    last = [Edit("=", token, token) for token in reference[len(reference) - end :]]
    return first + middle[::-1] + (last if end else [])


def _insertion_leads(left: str, right: str) -> bool:
    return distance(left, right) < distance(left[:-1], right)


def _same(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


SHORT = ["".join(text) for n in range(5) for text in itertools.product("ab", repeat=n)]


def test_no_alignment_of_short_texts_is_cheaper() -> None:
    for left, right in itertools.product(SHORT, SHORT):
        assert count_errors(left, right).errors == distance(left, right)


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_ties_are_broken_as_documented(reference: str, hypothesis: str) -> None:
    assert align(reference, hypothesis) == slow_alignment(reference, hypothesis)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["hypothesis"])
def test_jiwer_counts_the_same(case: dict[str, Any]) -> None:
    reference, hypothesis = case["reference"], case["hypothesis"]
    for unit, counted in (
        ("words", count_errors(reference.split(), hypothesis.split())),
        ("characters", count_errors(reference, hypothesis)),
    ):
        expected = case[unit]
        assert counted.substitutions == expected["substitutions"]
        assert counted.deletions == expected["deletions"]
        assert counted.insertions == expected["insertions"]
        assert counted.rate == pytest.approx(expected["rate"])


def test_jiwer_pools_to_the_same_rates() -> None:
    pairs = [(case["reference"], case["hypothesis"]) for case in GOLDEN["cases"]]
    by_word = sum((count_errors(a.split(), b.split()) for a, b in pairs), start=ErrorCounts())
    by_character = sum((count_errors(a, b) for a, b in pairs), start=ErrorCounts())
    assert by_word.rate == pytest.approx(GOLDEN["pooled"]["wer"])
    assert by_character.rate == pytest.approx(GOLDEN["pooled"]["cer"])


@given(words.filter(bool), words)
def test_the_jiwer_at_hand_counts_the_same(reference: list[str], hypothesis: list[str]) -> None:
    jiwer = pytest.importorskip("jiwer")
    theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    ours = count_errors(reference, hypothesis)
    assert ours.substitutions == theirs.substitutions
    assert ours.deletions == theirs.deletions
    assert ours.insertions == theirs.insertions
