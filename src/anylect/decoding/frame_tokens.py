"""Which tokens of a frame a search looks at: the likeliest ones that can still be of use.

Of thousands of tokens (Chinese, Korean syllables, word pieces) a frame uses a few dozen, so what
costs is passing over the others. They are passed over many at a time: loops without branches,
which compile to vector instructions, tell of a whole run of tokens that none is likely enough.
"""

import math

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, inlined, inner
from anylect.decoding.rules import AT_MARKER, Rules, World
from anylect.decoding.search import ACTIVE, BEAMS, FRAMES, GROUPS, LETTERS, STARTS, Records, Search

MANY_ROWS = 4
"""With fewer tokens to a group, `_low_bar` costs more than it saves."""


@inlined
def choose_tokens(search: Search, rules: Rules, log_probs: NDArray[np.float32]) -> None:
    """Write down which tokens to look at, likeliest first."""
    active, prob = search.active, search.token_prob
    for i in range(search.counts[ACTIVE]):
        prob[active[i]] = 0.0
    least = max(rules.min_token, _least_of_use(search, rules, log_probs))
    count: Integer = _gather(search, rules, log_probs, least)
    boundary = rules.boundary
    if boundary >= 0 and rules.min_token <= log_probs[boundary] < least:
        count = _insert(active, count, boundary, log_probs, rules)
    if count == 0 or log_probs[active[0]] < least:
        count = _insert(active, count, _argmax(log_probs), log_probs, rules)
    search.counts[ACTIVE] = count


@inlined
def weigh_tokens(
    search: Search, world: World, rules: Rules, log_probs: NDArray[np.float32]
) -> None:
    """Write down how likely the chosen tokens are, and staying, and which of them do what."""
    active, prob = search.active, search.token_prob
    for i in range(search.counts[ACTIVE]):
        prob[active[i]] = math.exp(log_probs[active[i]])
    _list_offers(search, world, rules)
    _weigh_staying(search, rules, log_probs)


@inlined
def _least_of_use(search: Search, rules: Rules, log_probs: NDArray[np.float32]) -> float:
    """Return a log-probability below which no letter can follow any beam.

    The best beam, whose score is 1, can stay; a letter less likely than that by more than the cut
    is dropped in any case, because no more is expected of a longer beginning. Ends of words are
    another matter: they depend on the language model.
    """
    stays = log_probs[rules.blank]
    last = search.beams[0].last
    if last >= 0:
        stays = max(stays, log_probs[last])
    if not rules.closed and stays < rules.min_token:
        return -math.inf  # there, staying has to be likely enough too
    return float(stays + math.log(rules.early_cut / rules.most_credit))


@inner
def _gather(search: Search, rules: Rules, log_probs: NDArray[np.float32], least: float) -> Integer:
    """Collect the likeliest tokens of at least `least`, as many as are wanted; return how many."""
    active, near, near_eights = search.active, search.near, search.near_eights
    bar = np.float32(least)
    if rules.max_tokens <= GROUPS and log_probs.size >= MANY_ROWS * GROUPS:
        bar = max(bar, _low_bar(search, log_probs, rules.max_tokens))
    for token in range(log_probs.size):
        near[token] = log_probs[token] >= bar
    count: Integer = 0
    for eight in range(near_eights.size):
        if near_eights[eight] == 0:
            continue
        for token in range(8 * eight, 8 * eight + 8):
            if near[token]:
                count = _insert(active, count, token, log_probs, rules)
    return count


@inlined
def _low_bar(search: Search, log_probs: NDArray[np.float32], wanted: Integer) -> np.float32:
    """Return a log-probability that at least `wanted` tokens reach, and few others.

    Tokens are dealt out to groups; if the best ones of so many groups reach it, then so many
    tokens do. Of a thousand tokens without order some 40 reach what 32 have to.
    """
    peaks, above = search.peaks, search.above
    for group in range(GROUPS):
        peaks[group], above[group] = log_probs[group], 0.0
    rows = log_probs.size // GROUPS
    for row in range(1, rows):
        first = row * GROUPS
        for group in range(GROUPS):
            peaks[group] = max(peaks[group], log_probs[first + group])
    for token in range(rows * GROUPS, log_probs.size):
        group = token - rows * GROUPS
        peaks[group] = max(peaks[group], log_probs[token])
    for other in range(GROUPS):
        peak = peaks[other]
        for group in range(GROUPS):
            above[group] += np.float32(1.0) if peak > peaks[group] else np.float32(0.0)
    bar = np.float32(np.inf)
    for group in range(GROUPS):
        bar = min(bar, peaks[group] if above[group] < wanted else bar)
    return bar


@inlined
def _argmax(log_probs: NDArray[np.float32]) -> Integer:
    best = 0
    for token in range(log_probs.size):
        if log_probs[token] > log_probs[best]:
            best = token
    return best


@inlined
def _insert(
    active: NDArray[np.int32],
    count: Integer,
    token: Integer,
    log_probs: NDArray[np.float32],
    rules: Rules,
) -> Integer:
    """Insert a token where it belongs among the likeliest; return how many there are."""
    if count == rules.max_tokens:
        if log_probs[token] <= log_probs[active[count - 1]]:
            return count
        count -= 1
    place = count
    while place > 0 and log_probs[active[place - 1]] < log_probs[token]:
        active[place] = active[place - 1]
        place -= 1
    active[place] = token
    return count + 1


@inlined
def _list_offers(search: Search, world: World, rules: Rules) -> None:
    """Part the tokens that spell on from those that begin a word by themselves."""
    letters, starts, lexicon = search.letters, search.starts, world.lexicon
    spelling, starting = 0, np.int64(0)
    for i in range(search.counts[ACTIVE]):
        token = np.int64(search.active[i])
        prob, child = search.token_prob[token], lexicon.root_child[token]
        if rules.ending == AT_MARKER and lexicon.begins_word[token]:
            if child >= 0 or not rules.closed:
                hope = prob * (world.gain[child] if child >= 0 else 1.0)
                starting = np.int64(_offer(starts, starting, token, hope))
        elif lexicon.first_character[token] < lexicon.first_character[token + 1]:
            letters[spelling].token, letters[spelling].hope = token, prob
            spelling += 1
    search.counts[LETTERS], search.counts[STARTS] = spelling, starting


@inlined
def _offer(offers: Records, count: Integer, token: Integer, hope: float) -> Integer:
    """Insert a token by its hope; return how many there are."""
    place = count
    while place > 0 and offers[place - 1].hope < hope:
        before = offers[place - 1]
        offers[place].token, offers[place].hope = before.token, before.hope
        place -= 1
    offers[place].token, offers[place].hope = token, hope
    return count + 1


@inlined
def _weigh_staying(search: Search, rules: Rules, log_probs: NDArray[np.float32]) -> None:
    """Write down the probabilities of the blank and of what beams may repeat.

    What is likely may lead to no word of a closed search, so there staying is always tried.
    """
    stay, prob = search.stay_prob, search.token_prob
    stay[rules.blank] = math.exp(log_probs[rules.blank]) if rules.closed else prob[rules.blank]
    for b in range(search.counts[BEAMS]):
        last = search.beams[b].last
        if last < 0 or last == rules.blank:
            continue
        stay[last] = prob[last]
        if rules.closed and prob[last] == 0.0:
            if search.stay_frame[last] != search.counts[FRAMES]:
                search.stay_frame[last] = search.counts[FRAMES]
                search.stay_rare[last] = math.exp(log_probs[last])
            stay[last] = search.stay_rare[last]
