"""What a search proposes: its texts with their scores, best first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import compiled

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Beam:
    """One of several hypotheses; `score = acoustic + lm + hotword_score`, natural logs."""

    text: str
    score: float
    acoustic: float
    """Log-probability of the text by the acoustic model alone, over all its alignments kept."""
    lm: float
    """`alpha · ln p + beta · words`, sentence end included."""
    hotwords: tuple[str, ...] = ()
    """The phrases that fired, as often as they did."""
    hotword_score: float = 0.0


@compiled
def rank_texts(
    score: Floats, history: NDArray[np.int64], acoustic: Floats, lm: Floats, cut_short: Flags
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Add up beams of one text, best first; those whose last word is none only without others.

    Args:
        score: By beam; of beams of one text the one with the least says what the model's share is.
        history: Numbers of the texts.
        acoustic: Natural logs of what was heard.
        lm: The language model's share.
        cut_short: Whether a last word that is none had to be left out.

    Returns:
        By text: its number, what was heard, and the language model's share.

    Example:
        >>> heard, nothing = np.log([0.25, 0.25, 0.4]), np.zeros(3)
        >>> text, heard, _ = rank_texts(heard, np.array([7, 7, 3]), heard, nothing, nothing > 0)
        >>> text.tolist(), np.exp(heard).round(3).tolist()
        ([7, 3], [0.5, 0.4])
    """
    count, only_short = 0, cut_short.all()
    order = _descending(score)
    text = np.empty(len(order), np.int64)
    heard, share = np.empty(len(order)), np.empty(len(order))
    for beam in order:
        if cut_short[beam] and not only_short:
            continue
        place = 0
        while place < count and text[place] != history[beam]:
            place += 1
        if place == count:
            text[place], heard[place] = history[beam], -np.inf
            count += 1
        heard[place] = np.logaddexp(heard[place], acoustic[beam])
        share[place] = lm[beam]
    ranks = _descending(heard[:count] + share[:count])
    return text[ranks], heard[ranks], share[ranks]


@compiled
def _descending(values: Floats) -> NDArray[np.int64]:
    """Return what sorts values, largest first, equal ones as they stand (insertion sort)."""
    order = np.empty(len(values), np.int64)
    for number in range(len(values)):
        place = number
        while place > 0 and values[order[place - 1]] < values[number]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = number
    return order
