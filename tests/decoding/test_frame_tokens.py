"""The tokens a search looks at are the likeliest ones, however many there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.compiled import lean
from anylect.decoding.beam import BeamDecoder, BeamOptions
from anylect.decoding.frame_tokens import choose_tokens, weigh_tokens
from anylect.decoding.rules import Rules, World
from anylect.decoding.search import ACTIVE, LETTERS, STARTS, Search, new_search
from anylect.text.vocabulary import Vocabulary

LEFT_OUT = -12.0
"""What is less likely than the blank by this much cannot follow: 10 of pruning and 2 of slack."""


@lean
def _choose(search: Search, world: World, rules: Rules, log_probs: NDArray[np.float32]) -> int:
    search.beams[0].last = -1
    choose_tokens(search, rules, log_probs)
    weigh_tokens(search, world, rules, log_probs)
    return 0


def _decoder(tokens: int, *, wanted: int, marked: bool = False) -> BeamDecoder:
    """A closed search over words of one made-up letter each."""
    letters = [chr(0x4E00 + number) for number in range(tokens - 2)]
    labels = ["▁" + x if marked and n % 2 else x for n, x in enumerate(letters)]
    vocabulary = Vocabulary(
        tokens=("", " ", *labels) if not marked else ("", "<unk>", *labels),
        blank=0,
        boundary=None if marked else 1,
        unknown=1 if marked else None,
        special=frozenset((0, 1) if marked else (0,)),
    )
    options = BeamOptions(max_tokens=wanted, prune_log_prob=-10.0, search="closed")
    return BeamDecoder(vocabulary, words=letters, options=options)


def _frame(tokens: int, seed: int, spread: float) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(0, spread, tokens)
    log_probs: NDArray[np.float32] = (logits - np.log(np.exp(logits).sum())).astype(np.float32)
    return log_probs


@given(
    tokens=st.sampled_from([3, 9, 64, 255, 256, 257, 320, 700, 3001]),
    wanted=st.sampled_from([1, 4, 32, 63, 64, 65]),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.0, 0.5, 3.0, 8.0]),
)
@settings(deadline=None, max_examples=60)
def test_the_likeliest_tokens_are_chosen_in_order(
    tokens: int, wanted: int, seed: int, spread: float
) -> None:
    decoder = _decoder(tokens, wanted=wanted)
    log_probs = _frame(tokens, seed, spread)
    search = new_search(width=4, tokens=tokens)
    for _ in range(2):  # nothing of the frame before is left
        _choose(search, decoder._world, decoder._rules, log_probs)
    chosen = search.active[: search.counts[ACTIVE]]
    least = log_probs[0] + LEFT_OUT
    expected = [p for p in np.sort(log_probs)[::-1] if p >= least][:wanted]
    found = log_probs[chosen].tolist()
    if 1 in chosen and (log_probs[1] < least or len(found) > len(expected)):
        found.remove(log_probs[1])  # a boundary may be looked at however unlikely it is
        expected = expected[: len(found)]
    assert len(set(chosen.tolist())) == len(chosen)
    assert found == expected
    assert search.token_prob[chosen] == pytest.approx(np.exp(log_probs[chosen]))
    assert np.count_nonzero(search.token_prob) == len(chosen)


def test_tokens_that_begin_words_are_parted_from_those_that_spell_on() -> None:
    tokens = 400
    decoder = _decoder(tokens, wanted=32, marked=True)
    log_probs = _frame(tokens, 3, 2.0)
    search = new_search(width=4, tokens=tokens)
    _choose(search, decoder._world, decoder._rules, log_probs)
    starts = search.starts["token"][: search.counts[STARTS]].tolist()
    letters = search.letters["token"][: search.counts[LETTERS]].tolist()
    chosen = set(search.active[: search.counts[ACTIVE]].tolist()) - {0, 1}
    marked = {number for number in chosen if decoder.vocabulary.tokens[number].startswith("▁")}
    assert set(starts) == marked
    assert set(letters) == chosen - marked
    hopes = search.starts["hope"][: len(starts)]
    assert (np.diff(hopes) <= 0).all()
    assert (np.diff(log_probs[letters]) <= 0).all()
