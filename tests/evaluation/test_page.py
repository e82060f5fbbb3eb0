"""Pages: valid, self-contained, and nothing of a corpus can become markup."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.evaluation.breakdown import Breakdown
from anylect.evaluation.comparison import compare
from anylect.evaluation.curves import chart, nice_steps, thin
from anylect.evaluation.macro import macro_average
from anylect.evaluation.page import PageParts, comparison_page, evaluation_page, overview_page
from anylect.evaluation.page_examples import MOST_EDITS, Block, Example, Media
from anylect.evaluation.report import Signature, report
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance, score

SIGNATURE = Signature(normalizer="und-1")
VOID = {"meta", "img", "br", "line", "polyline", "input", "hr", "link"}
MEDIA = Media(
    audio="data:audio/mpeg;base64,AA==",
    spectrogram="data:image/png;base64,AA==",
    seconds=1.0,
    highest_khz=8.0,
)
SCRIPT = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, every id stands once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(set(ids)) == len(ids)
        for _, attributes in self.elements:
            for name in set(attributes.get("aria-labelledby", "").split()):
                assert name in ids, f"nothing is called {name}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), f"{tag} says something twice"
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def heard(pairs: list[tuple[str, str]], *, name: str = "u") -> list[ScoredUtterance]:
    return [
        replace(
            score(*pair),
            id=f"{name}{number}",
            speaker=f"{name}{number % 3}",
            duration=float(number),
            traits={"accent": name * (1 + number % 2)},
        )
        for number, pair in enumerate(pairs, start=1)
    ]


def evaluation(
    scored: list[ScoredUtterance], *, language: str | None = None, title: str = "set"
) -> str:
    made = report(scored, signature=SIGNATURE, language=language)
    breakdown = Breakdown(spaceless=made.spaceless)
    for each in scored:
        breakdown.append(each)
    curve = chart("Loss", {"loss": [(1, 3.0), (2, 1.0)]})
    examples = [Example((("", each),), media=MEDIA) for each in scored]
    parts = PageParts(title=title, examples=examples, charts=[curve] if curve else [])
    return evaluation_page(made, breakdown, parts=parts)


def comparison(first: list[ScoredUtterance], second: list[ScoredUtterance]) -> str:
    breakdowns = []
    for scored in (first, second):
        breakdowns.append(Breakdown())
        for each in scored:
            breakdowns[-1].append(each)
    shown = [
        Example((("A", a), ("B", b)), why_no_media="Lost.")
        for a, b in zip(first, second, strict=True)
    ]
    return comparison_page(
        compare(first, second),
        (breakdowns[0], breakdowns[1]),
        title="A and B",
        blocks=[Block("Better", "better", shown), Block("Worse", "worse", [])],
    )


def overview(scored: list[ScoredUtterance]) -> str:
    board = Scoreboard()
    for each in scored:
        board.append(each)
    made = report(board, signature=SIGNATURE, language="th")
    macro = macro_average({"th": board})
    return overview_page([("one", made), ("two", made)], title="Sets", macro=macro)


PAIRS = [("a b c", "a x c"), ("a b", "a b d"), ("a b c d", "b c d"), ("", "a"), ("a", "a")]
MAKERS: list[Callable[[list[ScoredUtterance]], str]] = [
    evaluation,
    lambda scored: comparison(scored, scored),
    overview,
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_page_is_well_formed_and_loads_nothing(
    make: Callable[[list[ScoredUtterance]], str],
) -> None:
    text = make(heard(PAIRS))
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    sources = [each[name] for _, each in page.elements for name in ("src", "href") if name in each]
    assert all(source.startswith(("data:", "#")) for source in sources)
    (policy,) = (each["content"] for each in page.all("meta") if "http-equiv" in each)
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_of_a_corpus_becomes_markup(
    make: Callable[[list[ScoredUtterance]], str],
) -> None:
    nasty = heard([(f"a {SCRIPT} b", 'x"><img src=y onerror=z>'), ("a", "b")], name=SCRIPT)
    page = Page(make(nasty))
    assert len(page.all("script")) == 1
    assert not [each for _, each in page.elements if "onerror" in each]
    if make is not overview:
        assert SCRIPT in page.text


awkward = st.text(st.sampled_from("ab <>&\"'{}%\u0301שس日\u200f\u0000"), max_size=12)


@settings(max_examples=15)
@given(st.lists(st.tuples(awkward, awkward), min_size=1, max_size=4))
def test_any_text_makes_a_valid_page(pairs: list[tuple[str, str]]) -> None:
    Page(evaluation(heard(pairs)))


def test_headings_do_not_skip_a_level() -> None:
    for make in MAKERS:
        levels = [int(tag[1]) for tag, _ in Page(make(heard(PAIRS))).elements if tag in HEADINGS]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


HEADINGS = ("h1", "h2", "h3", "h4")


def test_whatever_is_heard_or_seen_has_a_name() -> None:
    page = Page(evaluation(heard(PAIRS)))
    assert all(each["alt"] for each in page.all("img"))
    assert all(each["aria-label"] for each in page.all("audio"))
    assert all(each["aria-label"] for each in page.all("svg"))
    assert all(each["scope"] for each in page.all("th"))
    scrolled = [each for each in page.all("div") if each.get("class") == "scroll"]
    assert scrolled
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in scrolled)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [("سلام دنیا", "سلام ok", "rtl"), ("", "שלום", "rtl"), ("hello", "سلام", "ltr")],
)
def test_an_alignment_runs_as_its_script_does(
    reference: str, hypothesis: str, expected: str
) -> None:
    page = Page(evaluation(heard([(reference, hypothesis)])))
    assert [each["dir"] for each in page.all("ol")] == [expected]


def test_edits_are_told_apart_without_colours() -> None:
    text = Page(evaluation(heard([("a b c", "a x c d"), ("a b", "a")]))).text
    assert "b heard as x" in text
    assert "added: d" in text
    assert "b left out" in text


def test_where_words_are_not_written_apart_characters_are_aligned() -> None:
    page = Page(evaluation(heard([("一二三", "一三"), ("一", "一")]), language="zh"))
    assert "1 error in 3 characters" in page.text
    assert "CER" in page.text[:200]


def test_a_very_long_alignment_is_cut_and_says_so() -> None:
    page = Page(evaluation(heard([("a " * (MOST_EDITS + 7), "b")])))
    assert len(page.all("li")) <= MOST_EDITS + 10
    assert "7 more words follow." in page.text


def test_a_comparison_says_its_sentence_and_shows_both() -> None:
    first = heard(PAIRS)
    second = [replace(each, hypothesis=each.reference) for each in first]
    second = [
        replace(score(each.reference, each.hypothesis), id=each.id, speaker=each.speaker)
        for each in second
    ]
    page = Page(comparison(first, second))
    assert compare(first, second).sentence in page.text
    assert "A: 1 error in 3 words" in page.text
    assert "B: 0 errors in 3 words" in page.text
    assert "Lost." in page.text
    assert "Worse" not in page.text


def test_an_overview_warns_of_word_rates_where_words_are_not_written_apart() -> None:
    assert "its part of the mean WER means little" in Page(overview(heard(PAIRS))).text


def test_a_set_without_errors_or_words_makes_a_page() -> None:
    assert "0.0 %" in Page(evaluation(heard([("a", "a")]))).text
    assert "– %" in Page(evaluation(heard([("", "")]))).text


def test_a_chart_starts_at_zero_and_holds_every_point() -> None:
    drawn = chart("WER", {"dev": [(10, 30.0), (20, float("nan")), (30, 10.0)]}, unit=" %")
    assert drawn is not None
    assert [tick.text for tick in drawn.y_ticks] == ["0 %", "10 %", "20 %", "30 %"]
    assert drawn.lines[0].points == f"{drawn.left}.0,12.0 {drawn.right}.0,145.3"
    assert drawn.label == "WER over 30 updates: dev ends at 10 %"
    assert chart("WER", {"dev": [(1, 1.0)]}) is None


@given(st.floats(1e-6, 1e6))
def test_steps_of_an_axis_are_few_and_reach_the_highest(highest: float) -> None:
    steps = nice_steps(highest)
    assert steps[0] == 0
    assert steps[-1] >= highest * (1 - 1e-6)
    assert 3 <= len(steps) <= 6


def test_a_long_curve_is_averaged() -> None:
    points = thin([(float(x), float(x % 2)) for x in range(6000)])
    assert len(points) == 600
    assert {y for _, y in points} == {0.5}
