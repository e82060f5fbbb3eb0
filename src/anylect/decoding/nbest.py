"""What a search proposes: its texts with their scores, best first."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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


def rank_texts(
    histories: NDArray[Any],
    acoustic: NDArray[Any],
    lm: NDArray[Any],
    cut_short: NDArray[Any],
) -> list[tuple[int, float, float]]:
    """Add up beams of one text, best first; those whose last word is none only without others.

    Args:
        histories: By beam, the number of its text; the best beam first.
        acoustic: Natural logs of what was heard.
        lm: The language model's share; the last beam of a text decides.
        cut_short: Whether a last word that is none had to be left out.

    Returns:
        By text: its number, what was heard, and the language model's share.

    Example:
        >>> half = np.log([0.25, 0.25, 0.4])
        >>> ranked = rank_texts(np.array([7, 7, 3]), half, np.zeros(3), np.zeros(3, bool))
        >>> [(text, round(float(np.exp(heard)), 3)) for text, heard, _ in ranked]
        [(7, 0.5), (3, 0.4)]
    """
    kept = np.flatnonzero(~cut_short) if not cut_short.all() else np.arange(len(cut_short))
    kept = kept[np.argsort(histories[kept], kind="stable")]
    texts = histories[kept]
    first = np.flatnonzero(np.concatenate([[True], texts[1:] != texts[:-1]]))
    last = np.append(first[1:], len(kept)) - 1
    heard = np.logaddexp.reduceat(acoustic[kept], first)
    share = lm[kept[last]]
    order = np.lexsort((kept[first], -(heard + share)))
    return list(
        zip(texts[first][order].tolist(), heard[order].tolist(), share[order].tolist(), strict=True)
    )
