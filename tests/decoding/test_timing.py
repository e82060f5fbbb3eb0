import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.decoding.greedy import GreedyDecoder
from anylect.decoding.timing import align_tokens, find_words, frames_needed, time_text, time_words
from anylect.errors import AlignmentError, AnylectError, EmissionsError, VocabularyError
from anylect.records import Emissions
from anylect.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("", "<unk>", " ", "a", "b"), blank=0, boundary=2, unknown=1)
FRAME = 0.02


def random_log_probs(frames: int, columns: int, seed: int) -> NDArray[np.float32]:
    """Emissions that are certain here and undecided there, some of them impossible."""
    generator = np.random.default_rng(seed)
    weights = generator.gamma(generator.choice([0.05, 0.5, 5.0]), size=(frames, columns))
    weights[generator.random((frames, columns)) < 0.05] = 0.0
    weights += 1e-30 * (weights.sum(axis=1, keepdims=True) == 0)
    with np.errstate(divide="ignore"):
        log_probs = np.log(weights / weights.sum(axis=1, keepdims=True))
    return np.asarray(log_probs, np.float32)


def sure_of(path: Sequence[int], columns: int) -> NDArray[np.float32]:
    """Emissions of a model that hears one path and hardly anything else."""
    share = 0.05 / (columns - 1)
    rows = np.eye(columns, dtype=np.float32)[list(path)] * (0.95 - share) + share
    return np.asarray(np.log(rows), np.float32)


def collapse(path: Sequence[int]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != 0]


def best_score(log_probs: NDArray[np.float32], tokens: list[int]) -> float:
    """Look at every path."""
    frames, columns = log_probs.shape
    rows = log_probs.astype(np.float64).tolist()
    return max(
        math.fsum(row[token] for row, token in zip(rows, path, strict=True))
        for path in itertools.product(range(columns), repeat=frames)
        if collapse(path) == tokens
    )


def path_of(
    starts: NDArray[np.int64], ends: NDArray[np.int64], tokens: list[int], frames: int
) -> list[int]:
    path = [0] * frames
    for token, start, end in zip(tokens, starts, ends, strict=True):
        path[start:end] = [token] * (end - start)
    return path


@given(st.lists(st.integers(1, 2), max_size=4), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_the_path_is_the_best_of_all(tokens: list[int], frames: int, seed: int) -> None:
    assume(frames >= frames_needed(tokens))
    log_probs = random_log_probs(frames, 3, seed)
    spans = align_tokens(log_probs, tokens, blank=0)
    expected = best_score(log_probs, tokens)
    assert spans.score == expected or spans.score == pytest.approx(expected, abs=1e-9)
    path = path_of(spans.starts, spans.ends, tokens, frames)
    assert collapse(path) == tokens
    if math.isfinite(expected):
        assert log_probs[range(frames), path].sum(dtype=np.float64) == pytest.approx(expected)


@given(
    st.lists(st.integers(1, 3), max_size=30),
    st.integers(0, 60),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_spans_are_ordered_disjoint_and_the_same_for_blocks_of_any_length(
    tokens: list[int], spare: int, block: int, seed: int
) -> None:
    frames = frames_needed(tokens) + spare
    log_probs = random_log_probs(frames, 4, seed)
    plain = align_tokens(log_probs, tokens, blank=0, block=max(frames, 1))
    blocks = align_tokens(log_probs, tokens, blank=0, block=block)
    np.testing.assert_array_equal(plain.starts, blocks.starts)
    np.testing.assert_array_equal(plain.ends, blocks.ends)
    np.testing.assert_array_equal(plain.log_probs, blocks.log_probs)
    assert plain.score == pytest.approx(blocks.score)
    edges = np.stack([plain.starts, plain.ends], axis=1).ravel()
    assert (np.diff(edges) >= 0).all()
    assert (plain.starts < plain.ends).all()
    assert edges.size == 0 or (edges[0] >= 0 and edges[-1] <= frames)
    for token, start, end, surest in zip(
        tokens, plain.starts, plain.ends, plain.log_probs, strict=True
    ):
        assert surest == log_probs[start:end, token].max()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_a_path_the_model_is_sure_of_is_found_again(path: list[int]) -> None:
    tokens = collapse(path)
    spans = align_tokens(sure_of(path, 4), tokens, blank=0)
    assert path_of(spans.starts, spans.ends, tokens, len(path)) == path


def test_where_every_path_is_impossible_the_least_impossible_is_taken() -> None:
    log_probs = np.full((4, 3), -np.inf, np.float32)
    log_probs[[0, 1, 3], [0, 1, 0]] = 0.0  # frame 2 can be nothing at all
    spans = align_tokens(log_probs, [1], blank=0)
    assert spans.starts.tolist() == [1]
    assert spans.score == -np.inf


def test_a_recording_past_the_whole_table_is_aligned_in_blocks() -> None:
    generator = np.random.default_rng(0)
    path = np.repeat(generator.integers(0, 6, 4_000), 3)
    log_probs, tokens = sure_of(path.tolist(), 6), collapse(path.tolist())
    assert len(path) * len(tokens) > 1 << 24
    spans = align_tokens(log_probs, tokens, blank=0)
    assert path_of(spans.starts, spans.ends, tokens, len(path)) == path.tolist()


def emissions_of(path: str, *, start: float = 0.0) -> Emissions:
    ids = {"_": 0, "?": 1, " ": 2, "a": 3, "b": 4}
    return Emissions(sure_of([ids[each] for each in path], 5), FRAME, start)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("_aa_b_", "ab", [("ab", 1, 5)]),
        ("aa_ab  a_a", "aab aa", [("aab", 0, 5), ("aa", 7, 10)]),
        ("a_b_", "a b", [("a", 0, 1), ("b", 2, 3)]),  # no boundary heard, the blank must do
    ],
)
def test_words_span_their_letters_and_no_silence(
    path: str, text: str, expected: list[tuple[str, int, int]]
) -> None:
    words = time_words(emissions_of(path), text, VOCABULARY)
    frames = [(word.text, round(word.start / FRAME), round(word.end / FRAME)) for word in words]
    assert frames == expected


texts = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4).map(" ".join)


@given(texts, st.integers(0, 30), st.integers(0, 8), st.integers(0, 2**32 - 1))
def test_every_word_is_timed_in_order_and_within_the_recording(
    text: str, spare: int, lead: int, seed: int
) -> None:
    frames = frames_needed(VOCABULARY.encode(text)) + spare + 2 * lead
    emissions = Emissions(random_log_probs(frames, 5, seed), FRAME, -lead * FRAME)
    words = time_words(emissions, text, VOCABULARY)
    assert " ".join(word.text for word in words) == text
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    duration = (frames - 2 * lead) * FRAME
    for word in words:
        assert -1e-9 <= word.start < word.end <= duration + 1e-9
        assert 0.0 <= word.confidence <= 1.0


heard_words = st.text("ab_", min_size=1, max_size=8).filter(lambda word: word.strip("_"))


@given(st.lists(heard_words, min_size=1, max_size=5).map(" ".join), st.integers(0, 5))
def test_what_the_greedy_decoder_heard_is_timed_and_trusted_as_it_does(
    path: str, lead: int
) -> None:
    emissions = emissions_of(path, start=-lead * FRAME)
    heard = GreedyDecoder(VOCABULARY).decode(emissions)
    timed = time_words(emissions, heard.text, VOCABULARY)
    for word, expected in zip(timed, heard.words, strict=True):
        assert word.text == expected.text
        assert (word.start, word.end) == pytest.approx((expected.start, expected.end))
        assert word.confidence == pytest.approx(expected.confidence, abs=1e-6)


def test_a_stretch_of_a_recording_is_timed_from_the_recordings_beginning() -> None:
    whole = emissions_of("a_b bb__a", start=-2 * FRAME)
    stretch = Emissions(whole.log_probs[4:], FRAME, whole.start + 4 * FRAME)
    timed = time_words(whole, "ab ba", VOCABULARY, is_whole=False)
    (second,) = time_words(stretch, "ba", VOCABULARY, is_whole=False)
    assert (second.start, second.end) == pytest.approx((timed[1].start, timed[1].end))
    assert timed[0].start == pytest.approx(-2 * FRAME)


def test_without_spaces_every_letter_is_timed_and_keeps_its_marks() -> None:
    thai = Vocabulary(("", "ก", "น", "\u0e31"), blank=0)
    emissions = Emissions(sure_of([1, 1, 3, 0, 2, 0, 1], 4), FRAME)
    words = time_words(emissions, "กัน ก", thai, spaced=False)  # the vocabulary has no boundary
    assert [word.text for word in words] == ["กั", "น", "ก"]
    assert [round(word.start / FRAME) for word in words] == [0, 4, 6]
    assert [round(word.end / FRAME) for word in words] == [3, 5, 7]


def test_tokens_of_several_letters_are_timed_where_words_share_them() -> None:
    pieces = Vocabulary(("", " ", "ab", "c", " d"), blank=0, boundary=1)
    emissions = Emissions(sure_of([2, 3, 0, 4, 4, 2], 5), FRAME)
    words = time_words(emissions, "abc dab", pieces)
    assert [(word.text, round(word.start / FRAME), round(word.end / FRAME)) for word in words] == [
        ("abc", 0, 2),
        ("dab", 3, 6),
    ]


def test_a_piece_of_a_text_may_hold_several_words() -> None:
    timed = time_text(emissions_of("a_b aa"), "ab a", VOCABULARY)
    (both,) = timed.words([(0, 4)])
    assert both.text == "ab a"
    assert (both.start, both.end) == pytest.approx((0.0, 6 * FRAME))


@pytest.mark.parametrize(
    ("text", "spaced", "expected"),
    [
        ("", True, []),
        (" ab  c ", True, ["ab", "c"]),
        (" ab  c ", False, ["a", "b", "c"]),
        ("e\u0301a", False, ["e\u0301", "a"]),
        ("\u0301a", False, ["\u0301", "a"]),  # a mark with no letter to stay with
    ],
)
def test_words_and_letters_are_found(text: str, spaced: bool, expected: list[str]) -> None:  # noqa: FBT001
    assert [text[first:last] for first, last in find_words(text, spaced=spaced)] == expected


def broken(value: float) -> Emissions:
    emissions = emissions_of("aab_b")
    emissions.log_probs[3, 4] = value
    return emissions


@pytest.mark.parametrize(
    ("emissions", "text", "error", "message", "hint"),
    [
        (
            emissions_of("aaa"),
            "aab b",
            AlignmentError,
            "5 tokens cannot .* 3 frames .* need 6",
            "wrong transcript",
        ),
        (emissions_of(""), "a", AlignmentError, r"0 frames \(0.00 s\)", "wrong transcript"),
        (emissions_of("aaa"), "", AlignmentError, "nothing to align", "the text that was said"),
        (emissions_of("aaa"), "  ", AlignmentError, "nothing to align", "the text that was said"),
        (emissions_of("aaa"), "aç", VocabularyError, "lacks: `ç` .U.00E7", "trained on"),
        (broken(np.nan), "ab", EmissionsError, "frame 3 .* nan for token 4", "weights are broken"),
        (broken(np.inf), "ab", EmissionsError, "frame 3 .* inf", "log-softmax"),
        (broken(0.5), "ab", EmissionsError, "frame 3 .* 0.5", "a logarithm"),
        (Emissions(sure_of([1], 4), FRAME), "a", EmissionsError, r"\(frames, 5\)", "same model"),
    ],
)
def test_what_cannot_be_aligned_is_an_error_that_names_the_reason(
    emissions: Emissions, text: str, error: type[AnylectError], message: str, hint: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        time_words(emissions, text, VOCABULARY)
    assert hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("tokens", "message"),
    [([1, 7], "token 7 is no column"), ([1, 0], "token 1 is the blank"), ([1, 1], "need 3 frames")],
)
def test_tokens_that_cannot_be_aligned_are_refused(tokens: list[int], message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        align_tokens(sure_of([1, 1], 3), tokens, blank=0)
