import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decoding.golden_annotations import DURATION, GOLDEN, LINES, write_both

from anylect.decoding.annotations import Line, build_tiers, write_eaf, write_textgrid
from anylect.decoding.captions import Origin, write_hypothesis, write_lines
from anylect.records import Hypothesis, Word

SEEN: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_files_are_those_that_other_programs_have_read(form: str) -> None:
    assert write_both()[form] == SEEN[form]


def test_other_programs_read_what_was_written() -> None:
    tiers, end = build_tiers(LINES, duration=DURATION)
    assert end == 3017
    for tier in tiers:
        milliseconds = [[each.text, each.start, each.end] for each in tier.intervals]
        seconds = [[each.text, each.start / 1000, each.end / 1000] for each in tier.intervals]
        assert SEEN["seen"]["pympi-ling"][tier.name] == milliseconds
        assert SEEN["seen"]["praatio"][tier.name] == seconds
        filled = SEEN["seen"]["textgrid"][tier.name]
        assert [each for each in filled if each[0]] == seconds
        assert filled[0][1] == 0
        assert filled[-1][2] == end / 1000
        assert all(left[2] == right[1] for left, right in itertools.pairwise(filled))


@st.composite
def timed_lines(draw: st.DrawFn) -> list[Line]:
    """Lines whose words may overlap, touch, be empty or lie in the wrong order."""
    times = st.floats(0, 0.2)
    text = st.text(min_size=1, max_size=4)
    words = st.builds(
        lambda text, start, length: Word(text, start, start + length, 1.0),
        text,
        times,
        st.floats(0, 0.1),
    )
    lines = []
    for chosen in draw(st.lists(st.lists(words, min_size=1, max_size=4), max_size=5)):
        letters = tuple(tuple([word] * draw(st.integers(1, 3))) for word in chosen)
        lines.append(Line(draw(text), tuple(chosen), letters))
    if draw(st.booleans()):
        return [Line(line.text, line.words) for line in lines]
    return lines


@given(timed_lines(), st.floats(0, 0.4))
def test_intervals_of_a_tier_are_apart_and_lie_within_those_of_the_tier_above(
    lines: list[Line], duration: float
) -> None:
    tiers, end = build_tiers(lines, duration=duration)
    words = sum(len(line.words) for line in lines)
    assert [len(tier.intervals) for tier in tiers[:2]] == [len(lines), words]
    for tier in tiers:
        edges = [edge for each in tier.intervals for edge in (each.start, each.end)]
        assert edges == sorted(edges)
        assert all(0 <= each.start < each.end <= end for each in tier.intervals)
    for above, below in itertools.pairwise(tiers):
        for interval in below.intervals:
            assert any(
                each.start <= interval.start and interval.end <= each.end
                for each in above.intervals
            )


@given(timed_lines(), st.floats(0, 0.4))
def test_both_forms_are_read_back_by_their_rules(lines: list[Line], duration: float) -> None:
    tiers, end = build_tiers(lines, duration=duration)
    root = ET.fromstring(write_eaf(tiers, audio="a.wav"))
    slots = {
        each.attrib["TIME_SLOT_ID"]: int(each.attrib["TIME_VALUE"])
        for each in root.iter("TIME_SLOT")
    }
    assert list(slots.values()) == sorted(slots.values())
    grid = read_textgrid(write_textgrid(tiers, end=end))
    for tier, row in zip(tiers, root.iter("TIER"), strict=True):
        expected = [(each.text, each.start, each.end) for each in tier.intervals]
        found = [
            (
                each.findtext("ANNOTATION_VALUE") or "",
                slots[each.attrib["TIME_SLOT_REF1"]],
                slots[each.attrib["TIME_SLOT_REF2"]],
            )
            for each in row.iter("ALIGNABLE_ANNOTATION")
        ]
        assert found == expected
        edges = [(start, stop) for _, start, stop in grid[tier.name]]
        assert edges[0][0] == 0
        assert edges[-1][1] == end
        assert all(left[1] == right[0] for left, right in itertools.pairwise(edges))
        assert [each for each in expected if each not in grid[tier.name]] == []


def read_textgrid(text: str) -> dict[str, list[tuple[str, int, int]]]:
    """Read tiers of a TextGrid line by line, times in milliseconds."""
    tiers: dict[str, list[tuple[str, int, int]]] = {}
    name, start, stop = "", 0, 0
    for line in text.split("\n"):
        field, _, value = line.strip().partition(" = ")
        if field == "name":
            name = value
            tiers[name.strip('"')] = rows = []
        elif field == "xmin":
            start = round(1000 * float(value))
        elif field == "xmax":
            stop = round(1000 * float(value))
        elif field == "text":
            assert value[0] == value[-1] == '"'
            rows.append((value[1:-1].replace('""', '"'), start, stop))
    return tiers


def test_a_transcript_without_a_word_is_written_too() -> None:
    origin = Origin(audio="a.wav", duration=1.5)
    grid = write_hypothesis(Hypothesis(""), form="textgrid", origin=origin)
    assert read_textgrid(grid) == {"captions": [("", 0, 1500)], "words": [("", 0, 1500)]}
    root = ET.fromstring(write_hypothesis(Hypothesis(""), form="eaf", origin=origin))
    assert len(list(root.iter("TIER"))) == 2


def test_an_eaf_file_finds_its_recording_from_where_it_stands(tmp_path: Path) -> None:
    origin = Origin(audio=str(tmp_path / "audio" / "ä b.mp3"), folder=tmp_path / "elan")
    root = ET.fromstring(write_lines(LINES, form="eaf", origin=origin))
    media = next(root.iter("MEDIA_DESCRIPTOR")).attrib
    assert media["RELATIVE_MEDIA_URL"] == "../audio/%C3%A4%20b.mp3"
    assert media["MEDIA_URL"] == (tmp_path / "audio" / "ä b.mp3").as_uri()
    assert media["MIME_TYPE"] == "audio/mpeg"
