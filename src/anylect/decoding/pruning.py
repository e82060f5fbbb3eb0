"""Which candidates of a frame stay, and become the beams of the next one."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, inlined, inner
from anylect.decoding.hashing import history_of, last_of, node_of
from anylect.decoding.rules import Rules
from anylect.decoding.search import ALL_BLANK, BEAMS, BEST, CANDIDATES, LOG_SCALE, TWINS, Search


@inlined
def prune(search: Search, rules: Rules) -> None:
    """Keep the best candidates as beams, the very best first, scaled to a best score of 1."""
    candidates, order = search.candidates, search.order
    least = search.totals[BEST] * rules.cut
    count: Integer = 0
    for i in range(search.counts[CANDIDATES]):
        if candidates[i].score >= least:
            order[count] = i
            count += 1
    if count > rules.width:
        _select(order, candidates, count, rules.width)
        count = rules.width
    if search.counts[TWINS] > 0:
        count = _merge_futures(search, count)
    best = 0
    for i in range(1, count):
        if candidates[order[i]].score > candidates[order[best]].score:
            best = i
    order[0], order[best] = order[best], order[0]
    scale = 1.0 / search.totals[BEST]
    search.totals[LOG_SCALE] += math.log(search.totals[BEST])
    all_blank = True
    for i in range(count):
        beam, kept = search.beams[i], candidates[order[i]]
        key = kept.key
        beam.history, beam.node, beam.last = history_of(key), node_of(key), last_of(key)
        beam.hot, beam.future = kept.hot, kept.future
        beam.weight, beam.score = kept.weight * scale, kept.score * scale
        all_blank = all_blank and beam.last == rules.blank
    search.counts[BEAMS], search.counts[ALL_BLANK] = count, all_blank


@inlined
def _merge_futures(search: Search, count: Integer) -> Integer:
    """Of candidates that differ only in what does not matter any more, keep the best."""
    candidates, order = search.candidates, search.order
    for i in range(count):
        mine = candidates[order[i]]
        first = candidates[mine.first]
        if first.best < 0 or mine.score > candidates[first.best].score:
            first.best = order[i]
    kept = 0
    for i in range(count):
        if candidates[candidates[order[i]].first].best == order[i]:
            order[kept] = order[i]
            kept += 1
    return kept


@inner
def _select(order: NDArray[np.int32], candidates: Any, count: Integer, kept: Integer) -> None:  # noqa: ANN401
    """Bring the best `kept` of `count` to the front (quickselect, Hoare 1961)."""
    low, high = 0, count
    while high - low > 1:
        x = candidates[order[low]].score
        y = candidates[order[(low + high) >> 1]].score
        z = candidates[order[high - 1]].score
        pivot = max(min(x, y), min(max(x, y), z))
        i, j = low, high - 1
        while i <= j:
            while candidates[order[i]].score > pivot:
                i += 1
            while candidates[order[j]].score < pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if kept <= j + 1:
            high = j + 1
        elif kept >= i:
            low = i
        else:
            return
