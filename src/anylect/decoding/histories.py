"""Histories of whole words: each is thought of once, scored once, and then a number."""

import math

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled, inlined, inner, lean
from anylect.decoding.hashing import mix, mix_pair
from anylect.decoding.lexicon import NO_WORD
from anylect.decoding.rules import BY_STATE, BY_WINDOW, LN10, Rules, World
from anylect.decoding.search import FRAMES, FUTURES, HISTORIES, UNKNOWNS, Records, Search
from anylect.decoding.unknown_words import ask_number
from anylect.lm.ngram import advance


@inner
def close_word(
    search: Search, world: World, rules: Rules, history: Integer, node: Integer
) -> Integer:
    """Return the history with one word more; -1 where that is no word and has to be one."""
    number = np.int64(NO_WORD)
    if node < world.gain.size:
        number = np.int64(world.lexicon.word[node])
    if rules.closed and number == NO_WORD:
        return np.int64(-1)
    place = _place(search, history, node)
    if search.history_table[place] > 0:
        return np.int64(search.history_table[place] - 1)
    created = search.counts[HISTORIES]
    search.counts[HISTORIES] += 1
    search.history_table[place] = created + 1
    new = search.histories[created]
    new.parent, new.node, new.frame = history, node, search.counts[FRAMES]
    share = 0.0
    if rules.has_model:
        share = _ask_model(search, world, rules, created, number)
    new.log_lm, new.step = search.histories[history].log_lm + share, math.exp(share)
    new.future = find_future(search, rules, created)
    return np.int64(created)


@inlined
def _ask_model(
    search: Search, world: World, rules: Rules, created: Integer, number: Integer
) -> float:
    """Return the last word's share of the score; keep the model's state after it."""
    new = search.histories[created]
    old = search.histories[new.parent]
    is_known = number != 0
    if number == NO_WORD:
        number = ask_number(search, world, np.int64(new.node))
        is_known = number != 0 and not rules.has_words
    log_prob, state = advance(world.model, (old.state[0], old.state[1]), max(number, 0))
    new.state[0], new.state[1] = state
    offset = 0.0 if is_known else LN10 * rules.unknown_offset
    return float(rules.alpha * (log_prob + offset) + rules.beta)


@inlined
def find_future(search: Search, rules: Rules, history: Integer) -> Integer:
    """Return the number of what makes histories one to this search."""
    histories = search.histories
    first, second = np.uint64(history), np.uint64(0)
    if rules.merging == BY_STATE:
        first, second = histories[history].state[0], histories[history].state[1]
    elif rules.merging == BY_WINDOW:
        first, second = np.uint64(1), np.uint64(2)
        at = history
        for _ in range(rules.window):
            if at <= 0:
                break
            node = np.uint64(histories[at].node)
            first, second = mix(first + node), mix_pair(second, node)
            at = np.int64(histories[at].parent)
    place = _future_place(search, first, second)
    if search.future_table[place] == 0:
        number = search.counts[FUTURES]
        search.counts[FUTURES] += 1
        search.futures[number, 0], search.futures[number, 1] = first, second
        search.future_table[place] = number + 1
    return np.int64(search.future_table[place] - 1)


@inlined
def _future_place(search: Search, first: np.uint64, second: np.uint64) -> np.uint64:
    """Return where a future stands in its table, or where it would."""
    table, futures = search.future_table, search.futures
    mask = np.uint64(table.size - 1)
    place = mix_pair(first, second) & mask
    while table[place] > 0:
        number = table[place] - 1
        if futures[number, 0] == first and futures[number, 1] == second:
            break
        place = (place + np.uint64(1)) & mask
    return place


@inlined
def _place(search: Search, history: Integer, node: Integer) -> np.uint64:
    """Return where a history stands in its table, or where it would."""
    table = search.history_table
    mask = np.uint64(table.size - 1)
    place = mix((np.uint64(history) << np.uint64(32)) | np.uint64(node)) & mask
    while table[place] > 0:
        found = search.histories[table[place] - 1]
        if found.parent == history and found.node == node:
            break
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def list_words(histories: Records, history: Integer) -> NDArray[np.int32]:
    """Return the nodes of a history's words, the first one first."""
    words = 0
    at = history
    while at > 0:
        words += 1
        at = np.int64(histories[at].parent)
    nodes = np.empty(words, np.int32)
    while history > 0:
        words -= 1
        nodes[words] = histories[history].node
        history = np.int64(histories[history].parent)
    return nodes


@lean
def rebuild_tables(search: Search) -> None:
    """Fill empty hash tables after histories and unknown words got other numbers."""
    for number in range(1, search.counts[HISTORIES]):
        made = search.histories[number]
        place = _place(search, np.int64(made.parent), np.int64(made.node))
        search.history_table[place] = number + 1
    mask = np.uint64(search.unknown_table.size - 1)
    for number in range(search.counts[UNKNOWNS]):
        place = mix(search.unknowns[number].spelling) & mask
        while search.unknown_table[place] > 0:
            place = (place + np.uint64(1)) & mask
        search.unknown_table[place] = number + 1
    for number in range(search.counts[FUTURES]):
        place = _future_place(search, search.futures[number, 0], search.futures[number, 1])
        search.future_table[place] = number + 1
