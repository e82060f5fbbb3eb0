import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.decoding.greedy import GreedyDecoder
from anylect.records import Emissions
from anylect.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("", "<unk>", " ", "a", "b"), blank=0, boundary=2, unknown=1)
BY_NAME = {"_": 0, "?": 1, " ": 2, "a": 3, "b": 4}
FRAME = 0.02


def emissions_of(path: list[int], *, seed: int = 0, start: float = 0.0) -> Emissions:
    """Emissions whose best path is `path`."""
    generator = np.random.default_rng(seed)
    logits = generator.uniform(0, 1, (len(path), len(VOCABULARY))).astype(np.float32)
    logits[np.arange(len(path)), path] = 2.0
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return Emissions(log_probs.astype(np.float32), FRAME, start)


def slow_collapse(path: list[int]) -> str:
    """The definition: drop repeats, then blanks and unknowns; a boundary is a space."""
    kept = [
        VOCABULARY.tokens[token]
        for index, token in enumerate(path)
        if (index == 0 or path[index - 1] != token) and token not in (0, 1)
    ]
    return " ".join("".join(kept).split())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", ""),
        ("____", ""),
        ("aaaa", "a"),
        ("a_a", "aa"),
        ("aab_b a", "abb a"),
        ("  a  b  ", "a b"),
        ("a?a", "aa"),
        ("a _ b", "a b"),
    ],
)
def test_repeats_collapse_and_blanks_vanish(path: str, text: str) -> None:
    hypothesis = GreedyDecoder(VOCABULARY).decode(emissions_of([BY_NAME[name] for name in path]))
    assert hypothesis.text == text
    assert [word.text for word in hypothesis.words] == text.split()


paths = st.lists(st.integers(0, 4), max_size=40)


@given(paths)
def test_the_text_is_the_collapsed_best_path(path: list[int]) -> None:
    assert GreedyDecoder(VOCABULARY).decode(emissions_of(path)).text == slow_collapse(path)


@given(paths, st.lists(st.integers(0, 40), max_size=4))
def test_pieces_give_what_one_call_gives(path: list[int], cuts: list[int]) -> None:
    whole = emissions_of(path)
    edges = sorted({0, len(path), *(min(cut, len(path)) for cut in cuts)})
    stream = GreedyDecoder(VOCABULARY).stream()
    for first, last in itertools.pairwise(edges):
        stream.feed(Emissions(whole.log_probs[first:last], FRAME, first * FRAME))
    pieces, at_once = stream.finish(), GreedyDecoder(VOCABULARY).decode(whole)
    assert pieces.text == at_once.text
    assert pieces.score == pytest.approx(at_once.score, abs=1e-4)
    for left, right in zip(pieces.words, at_once.words, strict=True):
        assert left.text == right.text
        assert (left.start, left.end) == pytest.approx((right.start, right.end))
        assert left.confidence == pytest.approx(right.confidence, abs=1e-6)


@given(paths)
def test_word_times_are_ordered_and_within_the_audio(path: list[int]) -> None:
    words = GreedyDecoder(VOCABULARY).decode(emissions_of(path, start=1.0)).words
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(1.0 <= time <= 1.0 + len(path) * FRAME + 1e-9 for time in times)
    assert all(0.0 < word.confidence <= 1.0 for word in words)


def test_the_score_is_the_best_paths_log_probability() -> None:
    emissions = emissions_of([3, 3, 0, 4])
    best: NDArray[np.float32] = emissions.log_probs.max(axis=1)
    assert GreedyDecoder(VOCABULARY).decode(emissions).score == pytest.approx(float(best.sum()))


def test_without_spaces_every_letter_has_its_time_and_keeps_its_marks() -> None:
    thai = Vocabulary(("", "<unk>", " ", "ก", "น", "\u0e31"), blank=0, boundary=2, unknown=1)
    path = [3, 3, 5, 0, 4, 2, 3]  # กัน ก
    probabilities = np.eye(6, dtype=np.float32)[path] * 0.9 + 0.01
    emissions = Emissions(np.log(probabilities), FRAME)
    hypothesis = GreedyDecoder(thai, spaced=False).decode(emissions)
    assert hypothesis.text == "กัน ก"
    assert [word.text for word in hypothesis.words] == ["กั", "น", "ก"]


@given(paths, st.integers(0, 6))
def test_letters_heard_in_the_silence_around_are_placed_within_the_recording(
    path: list[int], lead: int
) -> None:
    words = GreedyDecoder(VOCABULARY).decode(emissions_of(path, start=-lead * FRAME)).words
    duration = max(len(path) - 2 * lead, 1) * FRAME
    for word in words:
        assert -1e-9 <= word.start < word.end <= duration + 1e-9
