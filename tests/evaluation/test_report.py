"""Reports: pooled numbers, their signature, and what they warn of."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.evaluation.error_rate import ErrorCounts
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance, score

SIGNATURE = Signature(normalizer="ka-1", normalizer_hash="0123456789ab")


def scored(
    words: int, errors: int, *, speaker: str | None = None, duration: float | None = 2.0
) -> ScoredUtterance:
    """Make an utterance with so many words, of which the last are substituted."""
    reference = " ".join(["w"] * words)
    hypothesis = " ".join(["w"] * (words - errors) + ["v"] * errors)
    counts = ErrorCounts(substitutions=errors, length=words)
    return ScoredUtterance("", reference, hypothesis, counts, counts, speaker, duration)


def evaluation() -> Iterator[ScoredUtterance]:
    generator = random.Random(5)
    for index in range(2098):
        yield scored(12, min(12, generator.randrange(4)), speaker=f"s{index % 143}")


def numbers(**options: object) -> Report:
    return report(evaluation(), signature=SIGNATURE, **options)  # type: ignore[arg-type]  # by test


def test_an_utterance_is_scored_by_word_and_by_character() -> None:
    result = score("the cat sat", "the hat")
    assert result.words == ErrorCounts(1, 1, 0, 3)
    assert result.characters == ErrorCounts(1, 4, 0, 11)


def test_spaces_around_and_between_words_count_once() -> None:
    assert score(" a  b ", "a b").characters == ErrorCounts(length=3)


def test_the_evidence_of_an_utterance_is_one_line_of_json() -> None:
    line = json.dumps(score("the cat sat", "the hat sat so").to_json())
    assert json.loads(line)["alignment"] == [
        ["=", "the", "the"],
        ["S", "cat", "hat"],
        ["=", "sat", "sat"],
        ["I", None, "so"],
    ]
    assert json.loads(line)["words"] == {
        "substitutions": 1,
        "deletions": 0,
        "insertions": 1,
        "length": 3,
    }


def test_the_signature_line_says_all_a_score_depends_on() -> None:
    from anylect import __version__

    line = numbers().line
    interval, facts = line.split("   ")
    assert interval.startswith("WER 12.")
    assert interval.endswith("]")
    assert facts == (
        "words 25,176 · utterances 2,098 · speakers 143 · normalizer ka-1 · greedy · "
        f"bootstrap 1000 by speaker, seed 0 · anylect {__version__}"
    )


def test_the_wer_of_a_set_pools_counts() -> None:
    result = report([scored(1, 1), scored(9, 0)], signature=SIGNATURE)
    assert result.wer.rate == 0.1
    assert result.ser.rate == 0.5


def test_the_interval_holds_the_rate() -> None:
    for measure in (numbers().wer, numbers().cer, numbers().ser):
        assert measure.interval is not None
        assert measure.rate is not None
        assert measure.interval.low < measure.rate < measure.interval.high


def test_the_same_seed_gives_the_same_report_in_any_order() -> None:
    board = Scoreboard()
    for utterance in sorted(evaluation(), key=lambda item: item.hypothesis):
        board.append(utterance)
    assert report(board, signature=SIGNATURE, seed=3).to_json() == numbers(seed=3).to_json()
    assert numbers(seed=4).wer.interval != numbers(seed=3).wer.interval


def test_what_was_skipped_is_counted_with_its_reason() -> None:
    board = Scoreboard()
    for utterance in evaluation():
        board.append(utterance)
    for reason in ("unreadable", "empty", "unreadable", "unreadable"):
        board.skip(reason)
    result = report(board, signature=SIGNATURE)
    assert "2,098 of 2,102 scored; 3 unreadable, 1 empty" in result.text()
    assert result.to_json()["skipped"] == {"unreadable": 3, "empty": 1}


def test_empty_references_are_never_dropped() -> None:
    result = report([score("", "a b"), score("a b", "a b")], signature=SIGNATURE)
    assert result.wer.rate == 1.0
    assert result.empty_references == 1
    assert "1 references are empty" in result.text()


def test_the_rtf_needs_every_duration() -> None:
    assert numbers(processing_seconds=419.6).rtf == pytest.approx(0.1)
    assert (
        "RTF 0.1: 419.6 s of processing for 4,196.0 s of audio"
        in numbers(processing_seconds=419.6).notes()
    )
    board = [scored(2, 1), scored(2, 1, duration=None)]
    assert report(board, signature=SIGNATURE, processing_seconds=1.0).rtf is None


@pytest.mark.parametrize(
    ("speakers", "unit", "doubt"),
    [
        (["a"], "utterance", "there is one speaker: the interval says nothing about others"),
        ([None], "utterance", "no speaker is known: if any speaks twice"),
        (["a", None], "utterance", "there is one speaker"),
        (["a", "b"], "speaker", "there are 2 speakers: the interval is rough"),
        (["a", "b", None], "speaker", "10 utterances of unknown speakers"),
    ],
)
def test_what_was_resampled_is_said(speakers: list[str | None], unit: str, doubt: str) -> None:
    board = Scoreboard()
    for index in range(10 * len(speakers)):
        board.append(scored(5, index % 4, speaker=speakers[index % len(speakers)]))
    result = report(board, signature=SIGNATURE)
    assert f"bootstrap 1000 by {unit}" in result.line
    assert doubt in result.text()
    assert result.wer.interval is not None


def test_many_speakers_raise_no_doubt() -> None:
    assert numbers().notes() == ["2,098 of 2,098 scored"]


rows = st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["a", "b", "c", None]))


@given(st.lists(rows))
def test_the_blocks_hold_all_that_was_scored(
    utterances: list[tuple[int, int, str | None]],
) -> None:
    board = Scoreboard()
    for words, errors, speaker in utterances:
        board.append(scored(words, min(words, errors), speaker=speaker))
    known = {speaker for _, _, speaker in utterances if speaker is not None}
    blocks = board.blocks()
    totals = board.words.errors, board.characters.errors, board.words.length
    assert tuple(blocks.sum(axis=0)[[0, 1, 3]]) == totals
    assert blocks[:, 5].sum() == board.utterances
    single = sum(speaker is None for _, _, speaker in utterances)
    expected = len(known) + single if len(known) > 1 else len(utterances)
    assert len(blocks) == expected
    if len(known) < 2:
        assert blocks[:, 2].sum() == board.wrong


def test_memory_follows_the_number_of_speakers() -> None:
    board = Scoreboard()
    for index in range(2000):
        board.append(scored(3, 1, speaker=f"s{index % 2}"))
    assert board.blocks().shape == (2, 6)
    assert not board._first
    assert not board._unknown


def test_an_utterance_of_an_unknown_speaker_takes_twenty_four_bytes() -> None:
    board = Scoreboard()
    for _ in range(1000):
        board.append(scored(3, 1))
    singles = board._unknown
    kept = [singles._rows, singles._recordings]
    assert sum(len(each) * each.itemsize for each in kept) == 24_000


@pytest.mark.parametrize(("language", "leading"), [("zh-TW", "CER"), ("th", "CER"), ("ko", "WER")])
def test_the_cer_leads_where_words_are_not_written_apart(language: str, leading: str) -> None:
    result = numbers(language=language)
    assert result.line.startswith(leading)
    table = result.text().splitlines()[3]
    assert table.startswith(leading)


def test_one_utterance_has_no_interval() -> None:
    assert report([scored(4, 1)], signature=SIGNATURE).line.startswith("WER 25.0 % [no interval]")


def test_nothing_scored_is_no_perfect_score() -> None:
    result = report([], signature=SIGNATURE)
    assert result.line.startswith("WER undefined (no words)")
    assert result.to_json()["wer"]["rate"] is None
    assert "0 of 0 scored" in result.text()


@pytest.mark.parametrize("utterances", [[], [scored(0, 0)], [score("", "a")], [scored(4, 1)]])
def test_a_report_is_always_valid_json(utterances: list[ScoredUtterance]) -> None:
    values = report(utterances, signature=SIGNATURE).to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_utterances_of_one_recording_are_resampled_together() -> None:
    board = Scoreboard()
    for index in range(30):
        board.append(replace(scored(5, index % 4), recording=f"r{index % 6}"))
    result = report(board, signature=SIGNATURE)
    assert len(board.blocks()) == 6
    assert "bootstrap 1000 by recording" in result.line


def test_texts_of_phones_have_a_phone_error_rate() -> None:
    signature = Signature(normalizer="none", tokens="phones")
    result = report([score("h ɛ l oʊ", "h ə l oʊ")], signature=signature, language="th")
    assert result.line.startswith("PER 25.0 % [no interval]   phones 4")
    assert result.to_json()["tokens"] == "phones"


def test_the_json_says_which_rate_leads() -> None:
    leading = [numbers(language=each).to_json()["leading"] for each in ("sv", "km", "lo", "my")]
    assert leading == ["wer", "cer", "cer", "cer"]
