"""What a beam search holds while it listens, and how that grows.

Kernels cannot make room, so they work in arrays made beforehand: `beam_kernels.hear` stops before
a frame for which some array may be too small, `make_room` throws away what no beam can reach any
more, and doubles what is still too full. So a search of hours needs the memory of its transcript.

Weights and scores are probabilities, not logarithms: merging is adding, and no logarithm is taken
in the inner loop. Every frame is divided by its best score, and the logarithms of these scales
add up in `totals`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Records = NDArray[Any]
"""Of one of the kinds below; kernels read their fields as attributes."""
Record = Any
"""One of them, as kernels see it."""

BEAM = np.dtype(
    [
        ("history", np.int32),  # the words so far
        ("node", np.int32),  # the word being spelled
        ("last", np.int32),  # the token of the last frame
        ("hot", np.int32),  # state of the hotword automaton
        ("future", np.int32),  # of the history
        ("weight", np.float64),  # acoustic probability times language model, of the whole words
        ("score", np.float64),  # weight, times what is expected of the unfinished word
    ],
    align=True,
)
_MOVE = [
    ("key", np.uint64),  # history, node and last in one integer
    ("weight", np.float64),
    ("score", np.float64),
    ("hot", np.int32),
    ("future", np.int32),
]
MOVE = np.dtype(_MOVE, align=True)
CANDIDATE = np.dtype(
    [
        *_MOVE,
        ("first", np.int32),  # the first candidate that differs in nothing but its history
        ("best", np.int32),  # of a first one: the best of those that are kept, -1 before
    ],
    align=True,
)
HISTORY = np.dtype(
    [
        ("parent", np.int32),
        ("node", np.int32),  # the last word
        ("future", np.int32),  # equal where a search may treat two histories as one
        ("frame", np.int32),  # when it was first thought of
        ("log_lm", np.float64),  # of all its words: alpha · ln p + beta · words
        ("step", np.float64),  # e to the share of its last word
        ("state", np.uint64, (2,)),  # of the language model
    ],
    align=True,
)
UNKNOWN = np.dtype(
    [
        ("spelling", np.uint64),
        ("parent", np.int32),
        ("letter", np.int32),
        ("length", np.int32),
        ("word", np.int32),  # number in the language model, `UNASKED` until it is asked
        ("gain", np.float64),
    ],
    align=True,
)
OFFER = np.dtype([("token", np.int32), ("hope", np.float64)], align=True)
"""A token of a frame, and its probability, times what is expected of a word that it begins."""

UNASKED = -3
LONGEST_WORD = 512
"""Characters; the model is not asked for longer words, it does not know them."""

GROUPS = 64
"""That tokens are dealt out to, to find out how likely the likeliest ones are."""

# Places in `counts`.
BEAMS, CANDIDATES, HISTORIES, FUTURES, UNKNOWNS = range(5)
MOVES, ACTIVE, STAMP, FRAMES, ALL_BLANK = range(5, 10)
LETTERS, STARTS, TWINS = 13, 14, 15
WANTED = 10  # three: room for candidates, histories and unknown words that a frame may take
# Places in `totals`.
LOG_SCALE, BEST = range(2)


class Search(NamedTuple):
    """The arrays of one search."""

    beams: Records
    candidates: Records
    table: NDArray[np.int64]
    """Hash table of candidates: stamp and index; a new stamp empties it."""
    order: NDArray[np.uint32]
    """Numbers of candidates, and room for their scores."""
    scores: NDArray[np.float64]
    moves: Records
    histories: Records
    history_table: NDArray[np.int32]
    futures: NDArray[np.uint64]
    """(F, 2): what makes two histories one, by `HISTORY.future`."""
    future_table: NDArray[np.int32]
    unknowns: Records
    unknown_table: NDArray[np.int32]
    token_prob: NDArray[np.float64]
    """(V,): probabilities of this frame's tokens, 0 for those not looked at."""
    stay_prob: NDArray[np.float64]
    """(V,): probabilities of the blank and of what beams may repeat; others are stale."""
    stay_rare: NDArray[np.float64]
    stay_frame: NDArray[np.int64]
    """(V,): probabilities of tokens not looked at otherwise, and for which frame they hold."""
    active: NDArray[np.int32]
    letters: Records
    """Of the active tokens, those that spell on, the likeliest first."""
    starts: Records
    """Of the active tokens, those that begin words by themselves, the most hopeful first."""
    near: NDArray[np.uint8]
    """(V and up to 7 more,): whether a token may be among the likeliest; also eight at a time."""
    near_eights: NDArray[np.uint64]
    peaks: NDArray[np.float32]
    """The likeliest token of each group, and how many groups have a likelier one."""
    above: NDArray[np.float32]
    points: NDArray[np.int32]
    """Room to write a word down, as code points; `written` as UTF-8."""
    written: NDArray[np.uint8]
    counts: NDArray[np.int64]
    totals: NDArray[np.float64]


def new_search(*, width: int, tokens: int) -> Search:
    """Make the arrays of a search that has not heard anything.

    Args:
        width: Beams kept.
        tokens: Of the vocabulary.
    """
    near = np.zeros(-(-tokens // 8) * 8, np.uint8)
    room = 12 * width  # most frames need less; others make the search grow once
    return Search(
        beams=_records(width, BEAM),
        candidates=_records(room, CANDIDATE),
        table=np.zeros(_table_size(room), np.int64),
        order=np.empty(room, np.uint32),
        scores=np.empty(room, np.float64),
        moves=_records(2 * tokens + 4, MOVE),
        histories=_records(1 << 12, HISTORY),
        history_table=np.zeros(1 << 13, np.int32),
        futures=np.zeros((1 << 12, 2), np.uint64),
        future_table=np.zeros(1 << 13, np.int32),
        unknowns=_records(1 << 6, UNKNOWN),
        unknown_table=np.zeros(1 << 7, np.int32),
        token_prob=np.zeros(tokens, np.float64),
        stay_prob=np.zeros(tokens, np.float64),
        stay_rare=np.zeros(tokens, np.float64),
        stay_frame=np.full(tokens, -1, np.int64),
        active=np.zeros(tokens, np.int32),
        letters=_records(tokens, OFFER),
        starts=_records(tokens, OFFER),
        near=near,
        near_eights=near.view(np.uint64),
        peaks=np.empty(GROUPS, np.float32),
        above=np.empty(GROUPS, np.float32),
        points=np.empty(LONGEST_WORD, np.int32),
        written=np.empty(4 * LONGEST_WORD, np.uint8),
        counts=np.zeros(16, np.int64),
        totals=np.zeros(4, np.float64),
    )


def clear(search: Search) -> None:
    """Let a search be used again, with all the room that it has grown to."""
    search.history_table[:] = search.future_table[:] = search.unknown_table[:] = 0
    stamp = search.counts[STAMP]
    search.token_prob[:] = 0.0
    search.stay_frame[:] = -1
    search.counts[:], search.totals[:] = 0, 0.0
    search.counts[STAMP] = stamp


def make_room(search: Search, *, nodes: int) -> Search:
    """Forget what no beam can reach, then enlarge what is still too small for the next frame.

    The hash tables come back empty: see `histories.rebuild_tables`.

    Args:
        search: One that `hear` returned before it had heard everything.
        nodes: Of the lexicon; larger ones are unknown words.
    """
    _forget(search, nodes=nodes)
    wanted = search.counts[WANTED : WANTED + 3]  # candidates, histories, unknowns
    candidates, table = search.candidates, search.table
    if wanted[0] > len(candidates):
        candidates = _records(2 * int(wanted[0]), CANDIDATE)
        search.counts[STAMP] = 0
        table = np.zeros(_table_size(len(candidates)), np.int64)
    histories = _longer(search.histories, search.counts[HISTORIES], wanted[1])
    unknowns = _longer(search.unknowns, search.counts[UNKNOWNS], wanted[2])
    futures = np.zeros((len(histories), 2), np.uint64)
    futures[: search.counts[FUTURES]] = search.futures[: search.counts[FUTURES]]
    return search._replace(
        candidates=candidates,
        order=np.empty(len(candidates), np.uint32),
        scores=np.empty(len(candidates), np.float64),
        table=table,
        histories=histories,
        unknowns=unknowns,
        futures=futures,
        history_table=np.zeros(_table_size(len(histories)), np.int32),
        future_table=np.zeros(_table_size(len(histories)), np.int32),
        unknown_table=np.zeros(_table_size(len(unknowns)), np.int32),
    )


def _forget(search: Search, *, nodes: int) -> None:
    """Keep the histories and unknown words that beams lead to, under new numbers."""
    beams = search.beams[: search.counts[BEAMS]]
    count, unknown_count = int(search.counts[HISTORIES]), int(search.counts[UNKNOWNS])
    kept = _ancestors(search.histories["parent"][:count], beams["history"])
    histories = search.histories[kept]
    words = np.concatenate([histories["node"], beams["node"]]) - nodes
    parents = search.unknowns["parent"][:unknown_count] - nodes
    kept_unknown = _ancestors(parents, words[words >= 0])
    unknowns = search.unknowns[kept_unknown]
    kept_futures = np.unique(histories["future"])
    history, unknown = _numbering(kept, count), _numbering(kept_unknown, unknown_count)
    future = _numbering(kept_futures, int(search.counts[FUTURES]))
    histories["parent"][1:] = history[histories["parent"][1:]]
    histories["future"] = future[histories["future"]]
    beams["history"] = history[beams["history"]]
    beams["future"] = future[beams["future"]]
    for node in (histories["node"], unknowns["parent"], beams["node"]):
        strange = node >= nodes
        node[strange] = unknown[node[strange] - nodes] + nodes
    search.histories[: len(kept)] = histories
    search.unknowns[: len(kept_unknown)] = unknowns
    search.futures[: len(kept_futures)] = search.futures[kept_futures]
    search.counts[[HISTORIES, FUTURES, UNKNOWNS]] = len(kept), len(kept_futures), len(unknowns)


def _ancestors(parent: NDArray[np.int32], start: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return, sorted, the numbers from which a start descends; parents below 0 are none."""
    reached = np.zeros(len(parent), bool)
    level = np.unique(start)
    while len(level):
        reached[level] = True
        level = np.unique(parent[level])
        level = level[level >= 0]
        level = level[~reached[level]]
    return np.flatnonzero(reached)


def _numbering(kept: NDArray[np.integer], count: int) -> NDArray[np.int32]:
    numbers = np.full(count, -1, np.int32)
    numbers[kept] = np.arange(len(kept))
    return numbers


def _longer(records: Records, used: int, wanted: int) -> Records:
    """Return records with room for `used + wanted` more, twice as many where there is too little.

    At least half of them stay free, so that forgetting is not tried again at once.
    """
    size = len(records)
    while size < 2 * (used + wanted):
        size *= 2
    if size == len(records):
        return records
    longer = _records(size, records.dtype)
    longer[:used] = records[:used]
    return longer


def _records(count: int, kind: np.dtype[np.void]) -> Records:
    return np.empty(count, kind)


def _table_size(entries: int) -> int:
    return 1 << (2 * entries - 1).bit_length()
