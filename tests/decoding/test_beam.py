"""The beam search against brute force on tiny worlds, and what every decoder has to keep."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.decoding.beam import Beam, BeamDecoder, BeamOptions
from anylect.decoding.greedy import GreedyDecoder
from anylect.decoding.hotwords import Hotwords
from anylect.errors import ConfigError, EmissionsError, LanguageModelError
from anylect.lm.kenlm_binary import load_model
from anylect.lm.ngram import NGramModel
from anylect.records import Emissions
from anylect.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("", " ", "a", "b"), blank=0, boundary=1)
PIECES = Vocabulary(("", "▁a", "b", "ab", "▁b"), blank=0)
LETTERS = Vocabulary(("", "a", "b"), blank=0)
EVERYTHING = BeamOptions(
    width=4000, prune_log_prob=-500.0, min_token_log_prob=-500.0, merges_states=False
)
ARPA = """\\data\\
ngram 1=6
ngram 2=5

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.3
-0.8\t</s>
-0.6\ta\t-0.2
-0.9\tb\t-0.1
-0.7\tab\t-0.4

\\2-grams:
-0.2\t<s> a
-0.9\ta b
-0.3\tb </s>
-0.4\ta ab
-0.5\tab </s>

\\end\\
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> NGramModel:
    path = tmp_path_factory.mktemp("lm") / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return load_model(path)


def log_probs_of(
    seed: int, frames: int, tokens: int, sharpness: float = 1.0
) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(size=(frames, tokens)) * sharpness
    rows = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.asarray(rows, np.float32)


def all_texts(log_probs: NDArray[np.float32], vocabulary: Vocabulary) -> dict[str, float]:
    """Sum over every path: text to natural log of its acoustic probability."""
    totals: dict[str, float] = defaultdict(float)
    for path in itertools.product(range(len(vocabulary)), repeat=len(log_probs)):
        collapsed = [token for token, _ in itertools.groupby(path) if token != vocabulary.blank]
        written = "".join(vocabulary.tokens[token] for token in collapsed)
        text = " ".join(written.replace("▁", " ").split())
        totals[text] += math.exp(sum(log_probs[t, token] for t, token in enumerate(path)))
    return {text: math.log(total) for text, total in totals.items() if total > 0}


def lm_score(model: NGramModel, text: str, options: BeamOptions) -> float:
    score, state = 0.0, model.begin
    for word, number in zip(text.split(), model.ids(text.split()), strict=True):
        log_prob, state = model.advance(state, int(number))
        unknown = options.unknown_offset * math.log(10) if number == 0 else 0.0
        score += options.alpha * (log_prob + unknown) + options.beta
        assert word
    return score + options.alpha * model.advance(state, model.end_word)[0]


def assert_same(beams: list[Beam], expected: dict[str, tuple[float, float]]) -> None:
    assert {beam.text for beam in beams} == set(expected)
    for beam in beams:
        acoustic, lm = expected[beam.text]
        assert beam.acoustic == pytest.approx(acoustic, abs=1e-4), beam.text
        assert beam.lm == pytest.approx(lm, abs=1e-4), beam.text
        assert beam.score == pytest.approx(acoustic + lm, abs=1e-4)
    assert [beam.score for beam in beams] == sorted((b.score for b in beams), reverse=True)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 5))
def test_unlimited_width_equals_the_sum_over_all_paths(seed: int, frames: int) -> None:
    log_probs = log_probs_of(seed, frames, 4)
    beams = BeamDecoder(VOCABULARY, options=EVERYTHING).decode_beams(Emissions(log_probs, 0.02))
    assert_same(beams, {t: (s, 0.0) for t, s in all_texts(log_probs, VOCABULARY).items()})


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 5),
    alpha=st.sampled_from([0.0, 0.5, 2.0]),
    beta=st.sampled_from([-1.0, 0.0, 1.5]),
    offset=st.sampled_from([0.0, -3.0]),
)
def test_with_a_language_model_as_well(
    seed: int, frames: int, alpha: float, beta: float, offset: float, model: NGramModel
) -> None:
    options = BeamOptions(
        **{**vars(EVERYTHING), "alpha": alpha, "beta": beta, "unknown_offset": offset},
    )
    log_probs = log_probs_of(seed, frames, 4)
    decoder = BeamDecoder(VOCABULARY, model, options=options).with_options(search="open")
    expected = {
        text: (acoustic, lm_score(model, text, options))
        for text, acoustic in all_texts(log_probs, VOCABULARY).items()
    }
    assert_same(decoder.decode_beams(Emissions(log_probs, 0.02)), expected)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 5))
def test_a_closed_search_says_what_brute_force_finds_among_its_words(
    seed: int, frames: int, model: NGramModel
) -> None:
    log_probs = log_probs_of(seed, frames, 4)
    decoder = BeamDecoder(VOCABULARY, model, options=EVERYTHING)
    assert decoder.is_closed
    expected = {
        text: (acoustic, lm_score(model, text, EVERYTHING))
        for text, acoustic in all_texts(log_probs, VOCABULARY).items()
        if set(text.split()) <= {"a", "b", "ab"}
    }
    assert_same(decoder.decode_beams(Emissions(log_probs, 0.02)), expected)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 5), closed=st.booleans())
def test_pieces_of_words_are_added_up_however_a_word_is_cut(
    seed: int, frames: int, *, closed: bool, model: NGramModel
) -> None:
    log_probs = log_probs_of(seed, frames, 5)
    options = BeamOptions(
        **{**vars(EVERYTHING), "search": "closed" if closed else "open", "unknown_offset": -1.0}
    )
    decoder = BeamDecoder(PIECES, model, options=options)
    texts = brute_force_pieces(log_probs)
    expected = {
        text: (acoustic, lm_score(model, text, options))
        for text, acoustic in texts.items()
        if not closed or set(text.split()) <= {"a", "b", "ab"}
    }
    assert_same(decoder.decode_beams(Emissions(log_probs, 0.02)), expected)


def brute_force_pieces(log_probs: NDArray[np.float32]) -> dict[str, float]:
    """As `all_texts`, but a closed search has no place for a piece that continues no word."""
    totals: dict[str, float] = defaultdict(float)
    for path in itertools.product(range(len(PIECES)), repeat=len(log_probs)):
        collapsed = [token for token, _ in itertools.groupby(path) if token != 0]
        written = "".join(PIECES.tokens[token] for token in collapsed)
        text = " ".join(written.replace("▁", " ").split())
        totals[text] += math.exp(sum(log_probs[t, token] for t, token in enumerate(path)))
    return {text: math.log(total) for text, total in totals.items()}


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 6))
def test_without_spaces_every_cut_into_words_is_a_hypothesis(
    seed: int, frames: int, model: NGramModel
) -> None:
    log_probs = log_probs_of(seed, frames, 3)
    decoder = BeamDecoder(LETTERS, model, options=EVERYTHING, spaced=False)
    acoustic = all_texts(log_probs, LETTERS)
    found = decoder.decode_beams(Emissions(log_probs, 0.02))
    cuts: dict[str, list[float]] = defaultdict(list)
    for text in acoustic:
        for words in cut(text):
            cuts[text].append(acoustic[text] + lm_score(model, " ".join(words), EVERYTHING))
    best = max(cuts, key=lambda text: max(cuts[text]))
    assert found[0].text == best
    assert found[0].score == pytest.approx(max(cuts[best]), abs=1e-4)


def cut(text: str) -> list[list[str]]:
    """Every way to cut a text into the words of the tiny model."""
    if not text:
        return [[]]
    return [
        [text[:length], *rest]
        for length in (1, 2)
        if text[:length] in {"a", "b", "ab"} and len(text) >= length
        for rest in cut(text[length:])
    ]


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 60),
    width=st.integers(1, 40),
    closed=st.booleans(),
    sharpness=st.sampled_from([0.5, 2.0, 6.0]),
)
def test_any_width_gives_a_text_no_better_than_unlimited_and_never_none(
    seed: int, frames: int, width: int, *, closed: bool, sharpness: float, model: NGramModel
) -> None:
    log_probs = log_probs_of(seed, frames, 4, sharpness)
    decoder = BeamDecoder(VOCABULARY, model).with_options(
        width=width, search="closed" if closed else "open"
    )
    beams = decoder.decode_beams(Emissions(log_probs, 0.02))
    assert beams
    assert np.isfinite([beam.score for beam in beams]).all()
    if closed:
        assert all(set(beam.text.split()) <= {"a", "b", "ab"} for beam in beams)
    hypothesis = decoder.decode(Emissions(log_probs, 0.02))
    assert hypothesis.text == beams[0].text
    assert [word.text for word in hypothesis.words] == beams[0].text.split()
    assert all(0 <= word.start < word.end <= frames * 0.02 + 1e-9 for word in hypothesis.words)


def test_a_long_recording_needs_no_more_than_it_has_grown_to(model: NGramModel) -> None:
    """Four thousand frames make more histories than there is room for at first."""
    log_probs = log_probs_of(1, 4_000, 4, 0.3)
    decoder = BeamDecoder(VOCABULARY, model).with_options(search="open", width=30)
    search = decoder.hear(decoder.begin(), log_probs)
    whole = decoder.finish(search)[0]
    pieces = decoder.begin()
    for first in range(0, 4_000, 37):
        pieces = decoder.hear(pieces, log_probs[first : first + 37])
    assert decoder.finish(pieces)[0] == whole
    assert len(search.histories) <= 1 << 15


def test_merging_on_the_models_state_keeps_the_best_score(model: NGramModel) -> None:
    merged, apart = [], []
    for seed in range(30):
        emissions = Emissions(log_probs_of(seed, 12, 4, 8.0), 0.02)
        decoder = BeamDecoder(VOCABULARY, model)
        merged.append(decoder.decode_beams(emissions)[0].score)
        apart.append(
            decoder.with_options(merges_states=False, width=2000).decode_beams(emissions)[0].score
        )
    assert np.mean(merged) >= np.mean(apart) - 0.05


def test_without_model_or_words_a_sure_model_is_heard_as_by_best_path() -> None:
    for seed in range(10):
        emissions = Emissions(log_probs_of(seed, 40, 4, 30.0), 0.02)
        assert (
            BeamDecoder(VOCABULARY).decode(emissions).text
            == GreedyDecoder(VOCABULARY).decode(emissions).text
        )


def test_an_empty_utterance_says_nothing(model: NGramModel) -> None:
    nothing = Emissions(np.zeros((0, 4), np.float32), 0.02)
    assert BeamDecoder(VOCABULARY, model).decode(nothing).text == ""


@pytest.mark.parametrize(
    ("log_probs", "message", "hint"),
    [
        (np.zeros((3, 5)), "shape (3, 5), expected (frames, 4)", "tokens of the vocabulary"),
        (np.full((3, 4), np.nan), "nan at frame 0, token 0", "diverge"),
        (np.array([[0.0, np.inf, 0, 0]]), "inf at frame 0, token 1", "diverge"),
        (np.full((3, 4), 0.25), "add up to 5.136, not 1", "take their natural logarithm"),
        (np.full((3, 4), 3.0), "lie between 3 and 3", "log-softmax"),
        (np.full((3, 4), np.log10(0.25)), "add up to 2.191, not 1", "log10"),
    ],
)
def test_what_is_no_log_probability_is_refused(
    log_probs: NDArray[np.float64], message: str, hint: str
) -> None:
    with pytest.raises(EmissionsError) as caught:
        BeamDecoder(VOCABULARY).decode(Emissions(log_probs.astype(np.float32), 0.02))
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_words_of_another_alphabet_are_refused(model: NGramModel) -> None:
    georgian = Vocabulary(("", " ", "ა", "ბ"), blank=0, boundary=1)
    with pytest.raises(LanguageModelError) as caught:
        BeamDecoder(georgian, model)
    assert "none of the 3 words can be spelled" in caught.value.message
    assert "normalizer" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "`width` is 0"),
        ({"alpha": -1.0}, "`alpha` is -1.0"),
        ({"beta": math.nan}, "`beta` is nan"),
        ({"prune_log_prob": 2.0}, "`prune_log_prob` is 2.0"),
        ({"min_token_log_prob": math.nan}, "`min_token_log_prob` is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BeamOptions(**options)  # type: ignore[arg-type]


def test_a_closed_search_without_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="without words"):
        BeamDecoder(VOCABULARY, options=BeamOptions(search="closed"))


# ---------------------------------------------------------------- hotwords


def favouring(
    hotwords: Hotwords, model: NGramModel | None = None, search: str = "open"
) -> BeamDecoder:
    options = BeamOptions(**{**vars(EVERYTHING), "search": search})
    return BeamDecoder(VOCABULARY, model, options=options, hotwords=hotwords)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 5),
    weight=st.sampled_from([-2.0, 1.0, 4.0]),
)
def test_hotwords_add_their_weight_for_every_time_they_are_said_and_nothing_else(
    seed: int, frames: int, weight: float
) -> None:
    log_probs = log_probs_of(seed, frames, 4)
    hotwords = Hotwords({"ab": weight, "a b": 2 * weight, "bb": weight / 2})
    beams = BeamDecoder(VOCABULARY, options=EVERYTHING, hotwords=hotwords).decode_beams(
        Emissions(log_probs, 0.02)
    )
    acoustic = all_texts(log_probs, VOCABULARY)
    assert {beam.text for beam in beams} == set(acoustic)
    for beam in beams:
        padded = f" {beam.text} "
        said = sum(
            hotwords.weights[phrase]
            * sum(padded.startswith(f" {phrase} ", at) for at in range(len(padded)))
            for phrase in hotwords.weights
        )
        assert beam.score == pytest.approx(acoustic[beam.text] + said, abs=1e-4), beam.text
        assert beam.acoustic == pytest.approx(acoustic[beam.text], abs=1e-4)


def test_a_hotword_that_the_words_lack_can_be_said(model: NGramModel) -> None:
    rows = np.full((4, 4), 0.02, np.float32)
    for frame, token in enumerate([3, 0, 3, 2]):  # b b a
        rows[frame, token] = 0.94
    emissions = Emissions(np.log(rows), 0.02)
    plain = BeamDecoder(VOCABULARY, model)
    assert plain.decode(emissions).text != "bba"
    favoured = plain.with_hotwords(Hotwords(["bba"], weight=6.0)).decode_beams(emissions)[0]
    assert favoured.text == "bba"
    assert favoured.hotwords == ("bba",)
    assert plain.with_hotwords(None).decode(emissions).text == plain.decode(emissions).text


@pytest.mark.parametrize(
    ("phrases", "message"),
    [(["x"], "no token writes 'x'"), ([" "], "hotword ' '"), ({"a": math.nan}, "weight nan")],
)
def test_hotwords_that_cannot_be_are_refused(
    phrases: list[str] | dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        BeamDecoder(VOCABULARY, hotwords=Hotwords(phrases))


# ---------------------------------------------------------------- streams


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    closed=st.booleans(),
    sharpness=st.sampled_from([1.0, 4.0]),
)
def test_a_stream_ends_as_one_call_and_what_is_stable_stays(
    seed: int, cuts: list[int], *, closed: bool, sharpness: float, model: NGramModel
) -> None:
    log_probs = log_probs_of(seed, 80, 4, sharpness)
    decoder = BeamDecoder(VOCABULARY, model).with_options(search="closed" if closed else "open")
    stream, stable = decoder.stream(), ""
    for first, last in itertools.pairwise([0, *sorted(cuts), 80]):
        stream.feed(Emissions(log_probs[first:last], 0.02, first * 0.02))
        partial = stream.partial()
        assert partial.stable.startswith(stable)
        assert partial.text.startswith(partial.stable)
        stable = partial.stable
    whole = decoder.decode(Emissions(log_probs, 0.02))
    finished = stream.finish()
    assert finished.text == whole.text
    assert finished.text.startswith(stable)
    assert finished.score == pytest.approx(whole.score, abs=1e-9)
    assert finished.words == whole.words


def test_words_of_a_long_stream_are_timed_piece_by_piece_as_in_one(model: NGramModel) -> None:
    pattern = [2, 0, 0, 1, 0, 3, 0, 0, 1, 0, 2, 3, 0, 1] + [0] * 36
    rows = np.full((100 * len(pattern), 4), 0.01, np.float32)
    rows[np.arange(len(rows)), pattern * 100] = 0.97
    log_probs = np.log(rows)
    decoder = BeamDecoder(VOCABULARY, model)
    stream = decoder.stream()
    for first in range(0, len(rows), 50):
        stream.feed(Emissions(log_probs[first : first + 50], 0.02, first * 0.02))
        assert stream._held_frames <= 3_100
    heard, whole = stream.finish(), decoder.decode(Emissions(log_probs, 0.02))
    assert heard.text == whole.text == " ".join(["a b ab"] * 100)
    for ours, theirs in zip(heard.words, whole.words, strict=True):
        assert ours.start == pytest.approx(theirs.start, abs=0.021)
        assert ours.end == pytest.approx(theirs.end, abs=0.021)


def test_frames_of_another_length_are_refused() -> None:
    stream = BeamDecoder(VOCABULARY).stream()
    stream.feed(Emissions(log_probs_of(0, 3, 4), 0.02))
    with pytest.raises(EmissionsError, match=r"frames last 0.04 s now"):
        stream.feed(Emissions(log_probs_of(0, 3, 4), 0.04, 0.06))
