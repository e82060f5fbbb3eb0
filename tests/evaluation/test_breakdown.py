"""Breakdowns: who and what is wrong, in bounded memory."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.evaluation.breakdown import Breakdown, CommonestConfusions, Confusion
from anylect.evaluation.error_rate import Edit, align
from anylect.evaluation.scoreboard import ScoredUtterance, score


def spoken(
    reference: str, hypothesis: str, *, speaker: str | None = None, duration: float | None = None
) -> ScoredUtterance:
    return replace(score(reference, hypothesis), speaker=speaker, duration=duration)


def test_confusions_are_ranked_by_how_often_they_occur() -> None:
    breakdown = Breakdown()
    for reference, hypothesis in [("a b", "a c"), ("b", "c"), ("b a", "b"), ("a", "a d"), ("", "")]:
        breakdown.append(spoken(reference, hypothesis))
    assert breakdown.words.commonest(9) == [
        Confusion("b", "c", 2),
        Confusion(None, "d", 1),
        Confusion("a", None, 1),
    ]
    assert breakdown.characters.commonest(1) == [Confusion("b", "c", 2)]


heard = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), max_size=120)


@given(heard, st.integers(1, 6))
def test_no_count_is_off_by_more_than_it_says(pairs: list[tuple[str, str]], capacity: int) -> None:
    confusions = CommonestConfusions(capacity)
    for pair in pairs:
        confusions.add([Edit("S", *pair)])
        assert len(confusions.commonest(1000)) <= 2 * capacity
    kept = {(c.reference, c.hypothesis): c.times for c in confusions.commonest(1000)}
    assert confusions.undercount <= len(pairs) / (capacity + 1)
    for pair, times in Counter(pairs).items():
        assert times - confusions.undercount <= kept.get(pair, 0) <= times


def test_matches_are_no_confusions() -> None:
    confusions = CommonestConfusions()
    confusions.add(align(["a", "b"], ["a", "b"]))
    assert confusions.commonest(5) == []


def test_speakers_are_pooled_and_the_worst_comes_first() -> None:
    breakdown = Breakdown()
    breakdown.append(spoken("a b c d", "a b c d", speaker="anna"))
    breakdown.append(spoken("a b", "a x", speaker="bob"))
    breakdown.append(spoken("a b", "a b", speaker="bob"))
    breakdown.append(spoken("a", "b"))
    speakers = breakdown.speakers()
    assert [(group.name, group.utterances) for group in speakers] == [("bob", 2), ("anna", 1)]
    assert speakers[0].words.rate == 0.25


@pytest.mark.parametrize(
    ("duration", "name"),
    [(0.0, "under 1 s"), (1.0, "1 to 2 s"), (9.99, "5 to 10 s"), (20.0, "from 20 s")],
)
def test_an_utterance_falls_into_the_bucket_of_its_duration(duration: float, name: str) -> None:
    breakdown = Breakdown()
    breakdown.append(spoken("a", "a", duration=duration))
    assert [group.name for group in breakdown.durations()] == [name]


def test_the_text_shows_worst_and_best_without_repeating_anyone() -> None:
    breakdown = Breakdown()
    for index in range(5):
        hypothesis = " ".join(["a"] * (5 - index) + ["b"] * index)
        breakdown.append(
            spoken("a a a a a", hypothesis, speaker=f"speaker{index}", duration=float(4 * index))
        )
    text = breakdown.text(number=3)
    assert text.index("speaker4") < text.index("WER of the best speakers") < text.index("speaker0")
    assert all(text.count(f"speaker{index}") == 1 for index in range(5))
    assert "WER by duration\n  under 1 s" in text
    assert "10 × a → b" in text


def test_what_is_missing_or_blank_can_be_seen() -> None:
    breakdown = Breakdown()
    breakdown.append(spoken("ab", "a b"))
    assert "1 × ∅ → ␣" in breakdown.text()


def test_the_text_says_by_how_much_counts_may_be_too_low() -> None:
    breakdown = Breakdown(capacity=1)
    for hypothesis in ("x y z", "x v w", "x"):
        breakdown.append(spoken("a b c", hypothesis))
    assert "(reference → hypothesis), counts up to 3 too low" in breakdown.text()


def test_nothing_scored_makes_an_empty_breakdown() -> None:
    assert Breakdown().text() == ""


def test_a_breakdown_is_valid_json() -> None:
    breakdown = Breakdown()
    breakdown.append(spoken("", "a", speaker="s", duration=1.5))
    values = breakdown.to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["speakers"][0]["wer"] is None


def test_traits_are_broken_down_where_there_are_several() -> None:
    breakdown = Breakdown()
    for accent, hypothesis in (("north", "a b"), ("south", "a x"), ("south", "x y")):
        one = spoken("a b", hypothesis)
        breakdown.append(replace(one, traits={"accent": accent, "gender": "female"}))
    assert list(breakdown.traits()) == ["accent"]
    assert [(group.name, group.words.rate) for group in breakdown.traits()["accent"]] == [
        ("south", 0.75),
        ("north", 0.0),
    ]
    assert "WER by accent\n  south   75.0 %" in breakdown.text()
    assert breakdown.to_json()["accent"][0]["name"] == "south"


def test_where_words_are_not_written_apart_characters_rank_the_groups() -> None:
    breakdown = Breakdown(spaceless=True)
    breakdown.append(spoken("日本語文字", "日本語文", speaker="a"))  # one word wrong, CER 20 %
    breakdown.append(spoken("一二", "一三", speaker="b"))
    breakdown.append(spoken("一二", "一二", speaker="b"))  # half of the words wrong, CER 25 %
    assert [group.name for group in breakdown.speakers()] == ["b", "a"]
    assert "CER by speaker\n  b   25.0 %  4 characters" in breakdown.text()


def test_groups_have_intervals_of_their_own() -> None:
    breakdown = Breakdown()
    for number in range(8):
        breakdown.append(spoken("a b c", "a b c" if number % 2 else "a b x", speaker="s"))
    (group,) = breakdown.speakers()
    interval = group.intervals()[0]
    assert interval is not None
    assert interval.low < group.words.rate < interval.high
