"""What the kernels of a search go by: its rules, and the world of words it moves in."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer
from anylect.decoding.hotwords import KernelHotwords
from anylect.decoding.lexicon import KernelLexicon
from anylect.lm.ngram import KernelModel

LN10 = math.log(10.0)
BY_TEXT, BY_STATE, BY_WINDOW = 0, 1, 2
"""Histories are one when their text, the model's state after them, or their last words are."""
AT_BOUNDARY, AT_MARKER, ANYWHERE = 0, 1, 2
"""Where words end: at a boundary, where the next begins with a marker, wherever one can."""


class Rules(NamedTuple):
    """How to weigh and what to give up; weights are natural logs but for `unknown_offset`."""

    width: int
    max_tokens: int
    min_token: float
    cut: float
    """Scores below the best one times this are dropped."""
    early_cut: float
    """The same before merging: several small ones may still add up."""
    alpha: float
    beta: float
    unknown_offset: float
    best_word: float
    """The most that a word can gain at its end: e to beta, or 1."""
    best_unknown: float
    """The most that a word can that the model does not know."""
    unknown_gain: float
    """The most that a beginning is worth that no known word has."""
    most_credit: float
    """The most that one frame can gain by hotwords, as a factor; 1 without them."""
    blank: int
    boundary: int
    """-1 where there is none."""
    marker: int
    """The letter that begins words, -1 where there is none."""
    ending: int
    merging: int
    window: int
    """Words that matter to `BY_WINDOW`."""
    longest: int
    """Characters of the longest token."""
    closed: bool
    has_model: bool
    has_words: bool
    has_hotwords: bool
    counts_empty_end: bool
    """Score an utterance that ends at a boundary as if an unknown word followed."""


class World(NamedTuple):
    """What a search knows and does not change."""

    lexicon: KernelLexicon
    gain: NDArray[np.float32]
    """(N,): e to alpha times the look-ahead of a node; ones in the open search."""
    hotwords: KernelHotwords
    model: KernelModel
    begin: NDArray[np.uint64]
    """(3,): the model's state at the beginning, and that of the hotwords."""


class Here(NamedTuple):
    """A beam as it is looked at, and the least score that is still of use."""

    history: Integer
    node: Integer
    last: Integer
    hot: Integer
    future: Integer
    weight: float
    score: float
    least: float
