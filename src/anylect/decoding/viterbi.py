"""Kernels of forced alignment: the likeliest CTC path that spells given tokens.

Viterbi over the states of Graves et al. 2006 (sec. 4.1): blank, token 0, blank, token 1, …,
blank. State `2i` is the blank before token i, state `2i + 1` is token i; a path stays, goes on by
one, or from a token to the next one unless the two are equal. Scores are in double precision
and relative to the path of blanks only, so that a blank adds nothing.

A state is looked at only in frames in which it can be reached from the beginning and the end can
be reached from it. `sweep` keeps scores alone and is as fast as memory lets it; `trace` also
keeps how each state was reached, for a stretch of frames, and walks back through it. `timing`
puts the two together so that memory stays bounded.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

FLOOR = np.float32(-1e4)
"""Log-probabilities below this count as this: where every path is impossible, the one with the
fewest impossible frames is the best."""


class Scores(NamedTuple):
    """Of the best path to every state after some frame, and room for those after the next.

    `tokens[i + 1]` is that of token i, `blanks[i]` that of the blank before token i; `tokens[0]`
    is minus infinity, there is no token before the first.
    """

    tokens: Doubles
    blanks: Doubles
    next_tokens: Doubles
    next_blanks: Doubles


class Spelling(NamedTuple):
    """What a path must spell: arrays of one entry per token, (L,).

    `earliest` is the first frame that a path can be in a token; `slack`, the same for all, is
    how many frames later it must be there. `penalties` are minus infinity where a blank has to
    stand before a token, else zero.
    """

    ids: NDArray[np.uint32]
    earliest: Integers
    penalties: Doubles
    slack: int
    blank: int


class BestPath(NamedTuple):
    """Where the best path goes, filled in from its end; one entry per token but where said."""

    starts: Integers
    """First frame."""
    ends: Integers
    """One past the last frame; zero before it is known."""
    surest: NDArray[np.float32]
    """Highest log-probability; minus infinity before it is known."""
    total: Doubles
    """One number: the sum of all log-probabilities, blanks included."""
    moves: NDArray[np.uint8]
    """(frames, tokens + 1), scratch: how states were reached. The lower two bits: a token from
    itself, the blank before it or the token before; the third: a blank from the token before."""


@compiled
def find_flaw(log_probs: NDArray[np.float32]) -> int:
    """Return the first frame with a value that is no log-probability, or -1."""
    for frame in range(log_probs.shape[0]):
        for value in log_probs[frame]:
            if not value <= np.float32(0.01):  # NaN is not either
                return frame
    return -1


@compiled
def sweep(log_probs: NDArray[np.float32], frame: int, spelling: Spelling, scores: Scores) -> None:
    """Advance `scores.tokens` and `scores.blanks` over frames (T, V), the first being `frame`."""
    ids, earliest, penalties, slack, blank = spelling
    tokens, blanks, next_tokens, next_blanks = scores
    emitted = np.empty(log_probs.shape[1], np.float64)
    gathered = np.empty(len(ids), np.float64)
    low, high = _band(earliest, slack, frame)
    for row in range(log_probs.shape[0]):
        low, high = _next_band(earliest, slack, frame + row, low, high)
        _relate(log_probs[row], blank, emitted)
        _gather(emitted, ids[low:high], gathered)
        _step(
            Scores(tokens[low:], blanks[low:], next_tokens[low:], next_blanks[low:]),
            penalties[low:high],
            gathered,
        )
        next_blanks[high] = max(blanks[high], tokens[high])
        next_tokens[low] = -np.inf
        tokens, next_tokens = next_tokens, tokens
        blanks, next_blanks = next_blanks, blanks
    if log_probs.shape[0] % 2:
        next_tokens[:] = tokens
        next_blanks[:] = blanks


@compiled
def trace(
    log_probs: NDArray[np.float32],
    frame: int,
    spelling: Spelling,
    scores: Scores,
    path: BestPath,
    state: int,
) -> int:
    """Advance over frames (T, V) as `sweep`, then walk back from a state after the last of them.

    Args:
        log_probs: The frames.
        frame: Which the first of them is.
        spelling: The tokens a path can be in during these frames.
        scores: After the frame before.
        path: Filled in.
        state: Where the path is in the last frame; -1: wherever the best whole path ends.

    Returns:
        The state in the frame before the first.
    """
    ids, earliest, penalties, slack, blank = spelling
    tokens, blanks, next_tokens, next_blanks = scores
    starts, ends, surest, total, moves = path
    count = len(ids)
    emitted = np.empty(log_probs.shape[1], np.float64)
    low, high = _band(earliest, slack, frame)
    for row in range(log_probs.shape[0]):
        low, high = _next_band(earliest, slack, frame + row, low, high)
        _relate(log_probs[row], blank, emitted)
        for i in range(low, high):
            before, between, here = tokens[i], blanks[i], tokens[i + 1]
            best, move = here, 0
            if between > best:
                best, move = between, 1
            if before + penalties[i] > best:
                best, move = before + penalties[i], 2
            next_tokens[i + 1] = best + emitted[ids[i]]
            next_blanks[i] = max(between, before)
            moves[row, i] = move + 4 * (before > between)
        next_blanks[high] = max(blanks[high], tokens[high])
        moves[row, high] = 4 * (tokens[high] > blanks[high])
        next_tokens[low] = -np.inf
        tokens, next_tokens = next_tokens, tokens
        blanks, next_blanks = next_blanks, blanks
    if state < 0:
        state = 2 * count - 1 if tokens[count] >= blanks[count] else 2 * count
    for row in range(log_probs.shape[0] - 1, -1, -1):
        i = state // 2
        move = moves[row, i]
        if state % 2:
            value = log_probs[row, ids[i]]
            ends[i] = max(ends[i], frame + row + 1)
            starts[i] = frame + row
            surest[i] = max(surest[i], value)
            total[0] += value
            state -= move % 4
        else:
            total[0] += log_probs[row, blank]
            state -= move // 4
    return state


@compiled
def _band(earliest: Integers, slack: int, frame: int) -> tuple[Integer, Integer]:
    """Return the first token that matters before a frame, and one past the last."""
    low: Integer = np.searchsorted(earliest, frame - 1 - slack)
    high: Integer = np.searchsorted(earliest, frame)
    return min(low, max(len(earliest) - 1, 0)), high


@compiled
def _next_band(
    earliest: Integers, slack: int, frame: int, low: Integer, high: Integer
) -> tuple[Integer, Integer]:
    while high < len(earliest) and earliest[high] <= frame:
        high += 1
    while low < len(earliest) - 1 and earliest[low] + slack < frame:
        low += 1
    return low, high


@compiled
def _relate(row: NDArray[np.float32], blank: int, emitted: Doubles) -> None:
    base = np.float64(max(row[blank], FLOOR))
    for token in range(len(row)):
        emitted[token] = max(row[token], FLOOR) - base


# Two loops without a branch, the indices unsigned, so that both become vector code.
@compiled
def _gather(emitted: Doubles, ids: NDArray[np.uint32], gathered: Doubles) -> None:
    for i in range(len(ids)):
        gathered[i] = emitted[ids[i]]


@compiled
def _step(scores: Scores, penalties: Doubles, gathered: Doubles) -> None:
    tokens, blanks, next_tokens, next_blanks = scores
    for i in range(len(penalties)):
        before, between, here = tokens[i], blanks[i], tokens[i + 1]
        next_blanks[i] = between if between > before else before
        best = here if here > between else between
        direct = before + penalties[i]
        next_tokens[i + 1] = (best if best > direct else direct) + gathered[i]
