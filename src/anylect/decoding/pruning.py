"""Which candidates of a frame stay, and become the beams of the next one."""

import math

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
        count = _keep_best(search, count, rules.width)
    if search.counts[TWINS] > 0:
        count = _merge_futures(search, count)
    best = 0
    while candidates[order[best]].score < search.totals[BEST]:
        best += 1
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
def _keep_best(search: Search, count: Integer, wanted: Integer) -> Integer:
    """Keep the best `wanted` of `count` candidates, in the order they have; return how many."""
    candidates, order, scores = search.candidates, search.order, search.scores
    for i in range(count):
        scores[i] = candidates[order[i]].score
    least = _select(scores, count, wanted)
    ties = wanted
    for i in range(wanted):
        ties -= scores[i] > least
    kept = 0
    for i in range(count):
        score = candidates[order[i]].score
        if score > least or (score == least and ties > 0):
            ties -= score == least
            order[kept] = order[i]
            kept += 1
    return np.int64(kept)


@inlined
def _select(scores: NDArray[np.float64], count: Integer, wanted: Integer) -> float:
    """Return the `wanted`-th largest of `count` scores; they are put into another order.

    Quickselect (Hoare 1961), parted without a branch, whose outcome no processor could foretell.
    """
    low: Integer = 0
    high: Integer = count
    while high - low > 1:
        x, y, z = scores[low], scores[(low + high) >> 1], scores[high - 1]
        pivot = max(min(x, y), min(max(x, y), z))
        larger = _part(scores, low, high, pivot)
        if wanted <= larger:
            high = larger
        elif larger > low:
            low = larger
        else:  # none is larger than the pivot: the next smaller number parts those like it
            larger = _part(scores, low, high, np.nextafter(pivot, -np.inf))
            if wanted <= larger:
                return float(pivot)
            low = larger
    return float(scores[wanted - 1])


@inlined
def _part(scores: NDArray[np.float64], low: Integer, high: Integer, bound: float) -> Integer:
    """Bring the scores larger than a bound to the front; return where the others begin."""
    larger: Integer = low
    for i in range(low, high):
        score = scores[i]
        scores[i] = scores[larger]
        scores[larger] = score
        larger += np.int64(score > bound)
    return larger
