"""Prefix beam search, frame by frame (Hannun et al. 2014), with words from an n-gram model.

A beam is a history of whole words, the node of the word being spelled, and the token of the last
frame. Each frame, every beam takes every token that is likely enough (`moves`); beams that arrive
at the same place are added up; the best are kept (`pruning`). One kernel serves two searches:

closed   only words of the lexicon; while a word is being spelled, its likeliest completion is
         counted on (look-ahead); of histories after which the model cannot tell the future
         apart, the better one stays
open     any word; unknown ones are punished as soon as no known word begins like them; histories
         that share the model's window of words are one. These are pyctcdecode's semantics.
"""

import math

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled, inlined, inner, lean
from anylect.decoding.frame_tokens import choose_tokens, weigh_tokens
from anylect.decoding.hashing import REST_MASK, mix, pack
from anylect.decoding.histories import close_word, find_future
from anylect.decoding.hotwords import BOUNDARY, follow
from anylect.decoding.moves import list_moves
from anylect.decoding.pruning import prune
from anylect.decoding.rules import ANYWHERE, AT_BOUNDARY, LN10, Here, Rules, World
from anylect.decoding.search import (
    ACTIVE,
    ALL_BLANK,
    BEAMS,
    BEST,
    CANDIDATES,
    FRAMES,
    HISTORIES,
    LOG_SCALE,
    MOVES,
    STAMP,
    TWINS,
    UNKNOWNS,
    WANTED,
    Record,
    Search,
)
from anylect.lm.ngram import advance


@lean
def hear(
    search: Search, world: World, rules: Rules, log_probs: NDArray[np.float32], frame: Integer
) -> Integer:
    """Take in frames from `frame` on.

    Args:
        search: Changed in place.
        world: What is known.
        rules: What to go by.
        log_probs: (T, V) natural logs, rows contiguous.
        frame: The first row to take in.

    Returns:
        T, or the first row for which there may be too little room: see `search.make_room`.
    """
    counts = search.counts
    if counts[BEAMS] == 0:
        _begin(search, world, rules)
    while frame < log_probs.shape[0]:
        choose_tokens(search, rules, log_probs[frame])
        only = search.active[0]
        if counts[ACTIVE] == 1 and only == rules.blank and counts[ALL_BLANK]:
            # Every beam takes the same blank: nothing changes but a constant.
            search.totals[LOG_SCALE] += log_probs[frame, only]
        elif _has_room(search, rules):
            search.counts[STAMP] += 1
            search.counts[CANDIDATES] = search.counts[TWINS] = 0
            search.totals[BEST] = 0.0
            if counts[ACTIVE] == 1 and only == rules.blank and not rules.closed:
                _take_blank(search, math.exp(log_probs[frame, only]), rules)
            else:
                weigh_tokens(search, world, rules, log_probs[frame])
                _expand(search, world, rules)
            if counts[CANDIDATES] > 0:
                prune(search, rules)
            else:  # a closed search finds no way on: it sits this frame out
                search.totals[LOG_SCALE] += log_probs[frame, only]
        else:
            return np.int64(frame)
        counts[FRAMES] += 1
        frame += 1
    return np.int64(frame)


@inner
def _begin(search: Search, world: World, rules: Rules) -> None:
    """Start with one beam that has heard nothing."""
    search.counts[BEAMS] = search.counts[HISTORIES] = 1
    root, beam = search.histories[0], search.beams[0]
    root.parent, root.node, root.frame = -1, 0, 0
    root.log_lm, root.step = 0.0, 1.0
    root.state[0], root.state[1] = world.begin[0], world.begin[1]
    root.future = find_future(search, rules, np.int64(0))
    beam.history, beam.node, beam.last = 0, 0, -1
    beam.hot, beam.future = world.begin[2], root.future
    beam.weight = beam.score = 1.0


@inlined
def _has_room(search: Search, rules: Rules) -> bool:
    """Say whether the worst that a frame can bring fits; note what it takes."""
    beams, active = search.counts[BEAMS], search.counts[ACTIVE]
    candidates = beams * (2 + active * (2 if rules.ending == ANYWHERE else 1))
    histories = beams * (1 if rules.ending == AT_BOUNDARY else active + 1)
    unknowns = 0 if rules.closed else beams * active * rules.longest
    search.counts[WANTED] = candidates
    search.counts[WANTED + 1] = histories
    search.counts[WANTED + 2] = unknowns
    return bool(
        candidates <= search.candidates.size
        and search.counts[HISTORIES] + histories <= search.histories.size
        and search.counts[UNKNOWNS] + unknowns <= search.unknowns.size
    )


@inlined
def _expand(search: Search, world: World, rules: Rules) -> None:
    """Let every beam take every token; add up what arrives at the same place."""
    moves = search.moves
    most = rules.best_word * search.token_prob[search.active[0]]
    for b in range(search.counts[BEAMS]):
        beam, least = search.beams[b], search.totals[BEST] * rules.early_cut
        if _most(world, rules, beam) * most < least:
            continue  # no token can save it
        here = Here(
            np.int64(beam.history),
            np.int64(beam.node),
            np.int64(beam.last),
            np.int64(beam.hot),
            np.int64(beam.future),
            beam.weight,
            beam.score,
            least,
        )
        list_moves(search, world, rules, here)
        for m in range(search.counts[MOVES]):
            if moves[m].score >= search.totals[BEST] * rules.early_cut:
                _arrive(search, moves[m])


@inlined
def _take_blank(search: Search, prob: float, rules: Rules) -> None:
    """Let every beam take the blank, where nothing else is likely enough."""
    move = search.moves[0]
    for b in range(search.counts[BEAMS]):
        beam = search.beams[b]
        move.key = pack(np.int64(beam.history), np.int64(beam.node), rules.blank)
        move.weight, move.score = beam.weight * prob, beam.score * prob
        move.hot, move.future = beam.hot, beam.future
        if move.score >= search.totals[BEST] * rules.early_cut:
            _arrive(search, move)


@inlined
def _arrive(search: Search, move: Record) -> None:
    """Make a move a candidate, or add it to the one that has arrived there before.

    Those that differ in nothing but a history without consequences are told of one another.
    """
    candidates, table, key, score = search.candidates, search.table, move.key, move.score
    mask, stamp = np.uint64(table.size - 1), search.counts[STAMP] << 32
    first = count = search.counts[CANDIDATES]
    place = mix(pack(move.future, 0, 0) | (key & REST_MASK)) & mask
    while table[place] >= stamp:
        other = candidates[table[place] - stamp]
        if other.key == key:
            break
        same_future = other.future == move.future and other.hot == move.hot
        if same_future and other.key & REST_MASK == key & REST_MASK:
            first = np.int64(other.first)
        place = (place + np.uint64(1)) & mask
    if table[place] >= stamp:
        same = candidates[table[place] - stamp]
        score += same.score
        same.weight += move.weight
        same.score = score
    else:
        table[place] = stamp + count
        new = candidates[count]
        new.key, new.weight, new.score = key, move.weight, score
        new.hot, new.future, new.first, new.best = move.hot, move.future, first, -1
        search.counts[CANDIDATES] = count + 1
        search.counts[TWINS] += first != count
    search.totals[BEST] = max(search.totals[BEST], score)


@inlined
def _most(world: World, rules: Rules, beam: Record) -> float:
    """Return the most that a beam can score in a frame, but for tokens and ends of words."""
    if beam.hot == 0 and rules.ending != ANYWHERE:
        return float(beam.weight)
    rise = rules.most_credit if rules.longest > 1 else world.hotwords.rise[beam.hot]
    return float(beam.weight * world.hotwords.credit[beam.hot] * rise)


@compiled
def finish(
    search: Search, world: World, rules: Rules, end_word: Integer
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Close the last word of every beam and the sentence; the search itself may go on.

    There has to be room for as many more histories as there are beams.

    Args:
        search: Gets new histories; its beams stay as they are.
        world: What is known.
        rules: What to go by.
        end_word: Number of `</s>`; -1 not to score it.

    Returns:
        By beam: history; natural log of acoustic probability times hotwords; natural log of the
        language model's share; whether a last word that is none had to be left out.
    """
    if search.counts[BEAMS] == 0:
        _begin(search, world, rules)
    beams = search.counts[BEAMS]
    history = np.empty(beams, np.int64)
    acoustic, lm = np.empty(beams), np.empty(beams)
    cut_short = np.zeros(beams, np.bool_)
    for b in range(beams):
        beam = search.beams[b]
        history[b] = beam.history
        acoustic[b] = math.log(beam.weight) + search.totals[LOG_SCALE]
        acoustic[b] -= search.histories[history[b]].log_lm
        if beam.node != 0 and rules.ending == ANYWHERE:
            cut_short[b] = True  # if a word ends here, another beam has ended it already
        elif beam.node != 0:
            closed = close_word(search, world, rules, history[b], np.int64(beam.node))
            cut_short[b] = closed < 0
            history[b] = max(closed, history[b])
            if rules.has_hotwords:
                hot = follow(world.hotwords, np.int64(beam.hot), BOUNDARY)
                acoustic[b] += math.log(world.hotwords.earned[hot])
        lm[b] = search.histories[history[b]].log_lm
        if rules.has_model:
            empty = rules.counts_empty_end and beam.node == 0
            lm[b] += _end_sentence(search, world, rules, history[b], end_word, empty)
    return history, acoustic, lm, cut_short


@inner
def _end_sentence(
    search: Search,
    world: World,
    rules: Rules,
    history: Integer,
    end_word: Integer,
    empty: bool,  # noqa: FBT001  kernels take no keywords
) -> float:
    """Return what the end of a sentence is worth, after an empty word or none."""
    last = search.histories[history]
    state, share = (last.state[0], last.state[1]), 0.0
    if empty:
        log_prob, state = advance(world.model, state, np.int64(0))
        share += rules.alpha * (log_prob + LN10 * rules.unknown_offset) + rules.beta
    if end_word >= 0:
        share += rules.alpha * advance(world.model, state, end_word)[0]
    return float(share)
