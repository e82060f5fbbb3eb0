"""Are these the natural log-probabilities of this vocabulary? Checked before any search."""

import numpy as np
from numpy.typing import NDArray

from anylect.errors import EmissionsError

TOLERANCE = 0.05
"""How far the probabilities of a frame may be from adding up to one, on average; half precision
and files that keep three digits stay below it."""
LOOKED_AT = 20
"""Frames whose probabilities are added up."""


def check_log_probs(log_probs: NDArray[np.floating], tokens: int) -> NDArray[np.float32]:
    """Return (T, V) float32 with contiguous rows, or say what is wrong with them.

    Args:
        log_probs: Natural logs; a probability of zero may be -inf.
        tokens: Of the vocabulary.

    Raises:
        EmissionsError: For another shape, NaN or +inf, probabilities or logits.
    """
    shape = np.shape(log_probs)
    if len(shape) != 2 or shape[1] != tokens:
        raise EmissionsError(
            f"emissions have shape {shape}, expected (frames, {tokens})",
            hint="rows are frames, columns the tokens of the vocabulary, blank included",
        )
    rows = np.ascontiguousarray(log_probs, np.float32)
    if not len(rows):
        return rows
    highest = rows.max()
    if not highest < np.inf:
        bad = np.argwhere(~(rows < np.inf))[0]
        raise EmissionsError(
            f"emissions have {rows[tuple(bad)]} at frame {bad[0]}, token {bad[1]}",
            hint="natural log-probabilities are finite, or -inf; did the model diverge?",
        )
    some = rows[:: max(1, len(rows) // LOOKED_AT)]
    off = abs(float(np.exp(some).sum(dtype=np.float64)) / len(some) - 1.0)
    if highest > TOLERANCE or not off <= TOLERANCE:
        raise EmissionsError(_describe(rows, off), hint=_remedy(rows))
    return rows


def _describe(rows: NDArray[np.float32], off: float) -> str:
    return (
        f"emissions lie between {rows.min():.4g} and {rows.max():.4g}, and the probabilities of a "
        f"frame add up to {1 + off if off < 1e6 else np.inf:.4g}, not 1"
    )


def _remedy(rows: NDArray[np.float32]) -> str:
    if rows.min() >= 0 and abs(float(rows.sum(axis=1).mean()) - 1.0) <= TOLERANCE:
        return "these are probabilities: take their natural logarithm"
    return "these are logits, or log10: apply a log-softmax over the tokens, in natural logs"
