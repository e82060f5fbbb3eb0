import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.decoding.annotations import Line
from anylect.decoding.captions import (
    CaptionOptions,
    Origin,
    group_words,
    write_hypothesis,
    write_lines,
)
from anylect.records import Hypothesis, Word

WORDS = (
    Word("mambo", 0.5, 0.9, 0.99),
    Word("vipi", 1.0, 1.25, 0.5),
    Word("leo", 3661.5, 3662.0, 0.75),
)
HYPOTHESIS = Hypothesis("mambo vipi leo", WORDS, -3.0)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "mambo vipi leo\n"),
        (
            "srt",
            "1\n00:00:00,500 --> 00:00:01,250\nmambo vipi\n\n"
            "2\n01:01:01,500 --> 01:01:02,000\nleo\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nmambo vipi\n\n"
            "01:01:01.500 --> 01:01:02.000\nleo\n",
        ),
    ],
)
def test_each_form_is_written_by_its_rules(form: str, expected: str) -> None:
    assert write_hypothesis(HYPOTHESIS, form=form) == expected


def test_json_keeps_every_word_with_its_time() -> None:
    record = json.loads(write_hypothesis(HYPOTHESIS, form="json", origin=Origin(audio="a.wav")))
    assert record["audio"] == "a.wav"
    assert record["text"] == HYPOTHESIS.text
    assert record["words"][1] == {"text": "vipi", "start": 1.0, "end": 1.25, "confidence": 0.5}


def test_nothing_heard_is_written_too() -> None:
    nothing = Hypothesis("")
    assert write_hypothesis(nothing, form="srt") == ""
    assert write_hypothesis(nothing, form="vtt") == "WEBVTT\n"
    assert json.loads(write_hypothesis(nothing, form="json"))["words"] == []


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.floats(0.01, 3), st.floats(0, 2))))
def test_every_word_stands_in_one_caption_within_the_limits(
    spans: list[tuple[str, float, float]],
) -> None:
    words, time = [], 0.0
    for text, length, gap in spans:
        words.append(Word(text, time + gap, time + gap + length, 1.0))
        time += gap + length
    options = CaptionOptions()
    captions = list(group_words(tuple(words), options))
    assert [w for c in captions for w in c.text.split()] == [word.text for word in words]
    for caption in captions:
        single = " " not in caption.text
        assert single or len(caption.text) <= options.characters
        assert single or caption.end - caption.start <= options.duration + 1e-9


def test_a_language_without_spaces_is_joined_without_them() -> None:
    words = (Word("你", 0.0, 0.2, 1.0), Word("好", 0.3, 0.5, 1.0))
    (caption,) = group_words(words, CaptionOptions(joiner=""))
    assert caption.text == "你好"


LINES = (
    Line("Mambo vipi?", (Word("Mambo", 0.5, 0.9, 1.0), Word("vipi?", 1.0, 1.25, 0.5))),
    Line("<Leo> & kesho", (Word("<Leo>", 1.3, 2.0, 1.0), Word("& kesho", 4.0, 5.0, 1.0))),
)


def test_a_caption_is_a_line_of_the_transcript_with_its_own_pauses() -> None:
    assert write_lines(LINES, form="srt") == (
        "1\n00:00:00,500 --> 00:00:01,250\nMambo vipi?\n\n"
        "2\n00:00:01,300 --> 00:00:05,000\n<Leo> & kesho\n"
    )


def test_a_line_too_long_for_a_caption_is_cut_between_words() -> None:
    words = tuple(Word("word", float(n), n + 0.9, 1.0) for n in range(10))
    captions = write_lines([Line("word " * 10, words)], form="srt").split("\n\n")
    assert len(captions) == 2
    assert captions[1].startswith("2\n00:00:06,000 --> 00:00:09,900")


def test_what_is_markup_in_webvtt_is_escaped_there() -> None:
    assert "&lt;Leo&gt; &amp; kesho" in write_lines(LINES, form="vtt")


def test_json_of_lines_keeps_words_and_letters_with_their_line() -> None:
    letters = (tuple(Word(letter, 0.5, 0.6, 1.0) for letter in "mambo"), (Word("v", 1, 1.1, 0.5),))
    line = Line(LINES[0].text, LINES[0].words, letters)
    origin = Origin(audio="a.wav", duration=6.0)
    record = json.loads(write_lines([line, LINES[1]], form="json", origin=origin))
    assert record["text"] == "Mambo vipi?\n<Leo> & kesho"
    assert record["duration"] == 6.0
    first, second = record["lines"]
    assert (first["start"], first["end"]) == (0.5, 1.25)
    assert [len(word["characters"]) for word in first["words"]] == [5, 1]
    assert second["words"][0] == {"text": "<Leo>", "start": 1.3, "end": 2.0, "confidence": 1.0}
