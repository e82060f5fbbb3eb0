import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.decoding import spelling
from anylect.decoding.spelling import Speller
from anylect.errors import AlignmentError, VocabularyError
from anylect.text.vocabulary import Vocabulary

PIECES = Vocabulary(("", "▁a", "b", "ab", "▁ab", "▁"))
LETTERS = Vocabulary(("", " ", "a", "b"), boundary=1)


def likeliest(log_probs: np.ndarray, text: str, vocabulary: Vocabulary) -> float:
    """Try every path."""
    best = -np.inf
    for path in itertools.product(range(len(vocabulary)), repeat=len(log_probs)):
        said = [token for token, _ in itertools.groupby(path) if token != vocabulary.blank]
        if "".join(vocabulary.tokens[token] for token in said) == text:
            best = max(best, sum(log_probs[t, token] for t, token in enumerate(path)))
    return float(best)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["▁ab", "▁ab▁a", "▁abb", "ab▁ab", "b"]))
def test_the_spelling_is_that_of_the_likeliest_of_all_paths(seed: int, written: str) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(6), 4)
    log_probs = np.log(probabilities).astype(np.float32)
    text = written.removeprefix("▁").replace("▁", " ")
    spelled = Speller(PIECES).spell(log_probs, text)
    said = "".join(PIECES.tokens[token] for token in spelled.tokens)
    assert said.removeprefix("▁") == written.removeprefix("▁")
    chosen = Vocabulary(("", *(f"<{i}>" for i in range(1, 6))))
    path = "".join(f"<{token}>" for token in spelled.tokens)
    spellings = (written.removeprefix("▁"), f"▁{written.removeprefix('▁')}")
    assert likeliest(log_probs, path, chosen) == pytest.approx(
        max(likeliest(log_probs, each, PIECES) for each in spellings), abs=1e-5
    )


def test_characters_know_their_tokens_and_spaces_have_none() -> None:
    log_probs = np.log(np.full((6, 6), 1 / 6, np.float32))
    spelled = Speller(PIECES).spell(log_probs, "ab ab")
    assert len(spelled.token_of) == 5
    assert spelled.token_of[2] == -1
    assert (np.diff(spelled.token_of[[0, 1, 3, 4]]) >= 0).all()


def test_single_characters_have_one_spelling() -> None:
    spelled = Speller(LETTERS).spell(np.zeros((9, 4), np.float32), "ab b")
    assert spelled.tokens.tolist() == [2, 3, 1, 3]
    assert spelled.token_of.tolist() == [0, 1, -1, 3]


def test_long_recordings_are_spelled_with_the_longest_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spelling, "LARGEST_TABLE", 10)
    spelled = Speller(PIECES).spell(np.zeros((9, 6), np.float32), "ab a")
    assert spelled.tokens.tolist() == [4, 1]


@pytest.mark.parametrize("vocabulary", [PIECES, LETTERS])
def test_what_no_tokens_spell_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(VocabularyError, match=r"no tokens of the vocabulary spell '▁?x'"):
        Speller(vocabulary).spell(np.zeros((9, len(vocabulary)), np.float32), "x")


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(AlignmentError, match="cannot have been said in 1 frames"):
        Speller(PIECES).spell(np.zeros((1, 6), np.float32), "ab ab")
