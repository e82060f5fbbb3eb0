"""Where a beam can go in one frame: stay, end its word, spell on, or begin the next word."""

import numpy as np

from anylect.compiled import Integer, inlined, inner
from anylect.decoding.edge_table import FULL, find_edge
from anylect.decoding.hashing import pack
from anylect.decoding.histories import close_word
from anylect.decoding.hotwords import BOUNDARY, KernelHotwords, follow
from anylect.decoding.lexicon import MASK_BITS, KernelLexicon
from anylect.decoding.rules import ANYWHERE, AT_BOUNDARY, AT_MARKER, Here, Rules, World
from anylect.decoding.search import LETTERS, MOVES, STARTS, UNASKED, Records, Search
from anylect.decoding.unknown_words import unknown_node


@inlined
def list_moves(search: Search, world: World, rules: Rules, here: Here) -> None:
    """Write down where a beam can go; what scores less than `here.least` may be left out."""
    search.counts[MOVES] = 0
    stay, last, boundary = search.stay_prob, here.last, rules.boundary
    if stay[rules.blank] > 0.0:
        _stay(search, here, rules.blank, stay[rules.blank])
    if last >= 0 and last != rules.blank and stay[last] > 0.0:
        _stay(search, here, last, stay[last])
    if boundary >= 0 and boundary != last and search.token_prob[boundary] > 0.0:
        if here.node == 0:
            _stay(search, here, boundary, search.token_prob[boundary])
        elif rules.ending == AT_BOUNDARY:
            _end_word(search, world, rules, here)
    if rules.ending == AT_MARKER and here.node > 0:
        _begin_words(search, world, rules, here)
    _spell_on(search, world, rules, here)


@inlined
def _add(
    search: Search, key: np.uint64, future: Integer, weight: float, score: float, hot: Integer
) -> None:
    move = search.moves[search.counts[MOVES]]
    move.key, move.future, move.weight, move.score, move.hot = key, future, weight, score, hot
    search.counts[MOVES] += 1


@inlined
def _stay(search: Search, here: Here, token: Integer, prob: float) -> None:
    """Hear a blank, a repetition or more silence between words: the text stays as it is."""
    key = pack(here.history, here.node, token)
    _add(search, key, here.future, here.weight * prob, here.score * prob, here.hot)


@inlined
def _end_word(search: Search, world: World, rules: Rules, here: Here) -> None:
    weight, hot, credit = here.weight * search.token_prob[rules.boundary], here.hot, 1.0
    if rules.has_hotwords:
        hot = follow(world.hotwords, hot, BOUNDARY)
        weight *= world.hotwords.earned[hot]
        credit = world.hotwords.credit[hot]
    if weight * credit * _best_word(world, rules, here.node) < here.least:
        return  # no language model can make it better
    history = close_word(search, world, rules, here.history, here.node)
    if history >= 0:
        new = search.histories[history]
        weight *= new.step
        key = pack(history, 0, rules.boundary)
        _add(search, key, np.int64(new.future), weight, weight * credit, hot)


@inlined
def _spell_on(search: Search, world: World, rules: Rules, here: Here) -> None:
    """Take the edges that leave this node; in an open search, leave the lexicon too.

    No more is expected of a longer beginning than of a shorter one, so a beam that cannot afford
    the likeliest token can afford none.
    """
    if here.node == 0 and rules.ending == AT_MARKER:
        _spell_first(search, world, rules, here)
    hope = here.score * _rise(world, rules, here)
    if hope * _likeliest(search, here.last) < here.least:
        return
    offers = search.letters, search.counts[LETTERS]
    if here.node < world.gain.size and world.lexicon.edge_mask[here.node] != 0:
        lexicon = world.lexicon
        first, end = lexicon.first_edge[here.node], lexicon.first_edge[here.node + 1]
        # Of many tokens most lead nowhere: an edge or two are looked at sooner than all of them.
        if end - first > FULL or lexicon.root_child.size <= MASK_BITS:
            _spell_offers(search, world, rules, here, offers)
        else:
            _spell_edges(search, world, rules, here, (np.int64(first), np.int64(end)))
    if not rules.closed:
        _spell_unknown(search, world, rules, here, offers)


@inlined
def _spell_edges(
    search: Search, world: World, rules: Rules, here: Here, edges: tuple[Integer, Integer]
) -> None:
    """Take the edges from one to another whose tokens are likely enough: none may be free."""
    lexicon, prob = world.lexicon, search.token_prob
    hope = here.score * _rise(world, rules, here)
    for edge in range(edges[0], edges[1]):
        token = np.int64(lexicon.edges[edge, 0])
        if hope * prob[token] >= here.least and prob[token] > 0.0 and token != here.last:
            _spell(search, world, rules, here, token, np.int64(lexicon.edges[edge, 1]))


@inner
def _spell_first(search: Search, world: World, rules: Rules, here: Here) -> None:
    """Begin the first word of all with a token that begins words by itself."""
    offers = search.starts, search.counts[STARTS]
    _spell_offers(search, world, rules, here, offers)
    if not rules.closed:
        _spell_unknown(search, world, rules, here, offers)


@inlined
def _spell_offers(
    search: Search, world: World, rules: Rules, here: Here, offers: tuple[Records, Integer]
) -> None:
    """Take those tokens of a list that edges of this node take."""
    tokens, count = offers
    hope = here.score * _rise(world, rules, here)
    mask = world.lexicon.edge_mask[here.node]
    for i in range(count):
        if hope * tokens[i].hope < here.least:
            break  # the others are less likely still
        token = np.int64(tokens[i].token)
        if token == here.last or not _may_lead(mask, token):
            continue
        child = _find_edge(world.lexicon, here.node, token)
        if child >= 0:
            _spell(search, world, rules, here, token, child)


@inlined
def _may_lead(mask: np.uint64, token: Integer) -> bool:
    """Say whether a node with this `edge_mask` may have an edge for a token."""
    return bool(mask & _bit(token))


@inlined
def _bit(token: Integer) -> np.uint64:
    return np.uint64(1) << np.uint64(token % MASK_BITS)


@inlined
def _likeliest(search: Search, last: Integer) -> float:
    """Return the probability of the likeliest token that would be a new letter."""
    letters, count = search.letters, search.counts[LETTERS]
    place = np.int64(count > 0 and letters[0].token == last)
    return float(letters[place].hope) if place < count else 0.0


@inlined
def _find_edge(lexicon: KernelLexicon, node: Integer, token: Integer) -> Integer:
    """Return where a token leads from a node; -1 for nowhere."""
    if node == 0:
        return np.int64(lexicon.root_child[token])
    return find_edge(lexicon.first_edge, lexicon.edges, node, token)


@inlined
def _spell_unknown(
    search: Search, world: World, rules: Rules, here: Here, offers: tuple[Records, Integer]
) -> None:
    """Take those tokens of a list that no edge takes."""
    tokens, count = offers
    lexicon, known = world.lexicon, world.gain.size
    rise = world.hotwords.credit[here.hot] * _rise(world, rules, here)
    gain = rules.unknown_gain if rise <= 1.0 else 1.0  # see `_gain`
    mask = np.uint64(0)
    if here.node < known:
        mask = lexicon.edge_mask[here.node]
    elif rise <= 1.0:
        gain = min(gain, search.unknowns[here.node - known].gain)
    for i in range(count):
        token = np.int64(tokens[i].token)
        hope = here.weight * search.token_prob[token] * gain
        if hope * rise < here.least:
            return  # the others are less likely still
        if token == here.last:
            continue
        if not _may_lead(mask, token) or _find_edge(lexicon, here.node, token) < 0:
            child = unknown_node(search, world, rules, here.node, token)
            _spell(search, world, rules, here, token, child)


@inlined
def _spell(
    search: Search, world: World, rules: Rules, here: Here, token: Integer, child: Integer
) -> None:
    """Append a token to the word being spelled; where words end anywhere, end it as well."""
    weight, hot, credit = here.weight * search.token_prob[token], here.hot, 1.0
    if hot != 0 or (rules.has_hotwords and rules.ending == ANYWHERE):
        # Between spaces, what has failed to be a phrase stays in state 0 until its end.
        hot, earned = _follow_token(world.hotwords, world.lexicon, rules.marker, hot, token)
        weight *= earned
        credit = world.hotwords.credit[hot]
    score = weight * credit * _gain(search, world, child, credit)
    if score >= here.least and (rules.ending != ANYWHERE or _goes_on(world, child)):
        _add(search, pack(here.history, child, token), here.future, weight, score, hot)
    if rules.ending == ANYWHERE and weight * credit * rules.best_word >= here.least:
        history = close_word(search, world, rules, here.history, child)
        if history >= 0:
            new = search.histories[history]
            weight *= new.step
            key = pack(history, 0, token)
            _add(search, key, np.int64(new.future), weight, weight * credit, hot)


@inlined
def _follow_token(
    hotwords: KernelHotwords,
    lexicon: KernelLexicon,
    marker: Integer,
    hot: Integer,
    token: Integer,
) -> tuple[Integer, float]:
    """Return the state of the hotwords after a token, and what it has earned."""
    earned = 1.0
    for place in range(lexicon.first_character[token], lexicon.first_character[token + 1]):
        letter = np.int64(lexicon.characters[place])
        if letter != marker:  # which stands for a boundary
            hot = follow(hotwords, hot, letter)
            earned *= hotwords.earned[hot]
    return hot, earned


@inlined
def _rise(world: World, rules: Rules, here: Here) -> float:
    """Return the most that one frame can gain by hotwords, as a factor."""
    if here.hot == 0 and rules.ending != ANYWHERE:
        return 1.0
    return rules.most_credit if rules.longest > 1 else float(world.hotwords.rise[here.hot])


@inlined
def _goes_on(world: World, node: Integer) -> bool:
    first_edge = world.lexicon.first_edge
    return bool(first_edge[node] < first_edge[node + 1])


@inner
def _begin_words(search: Search, world: World, rules: Rules, here: Here) -> None:
    """End the word being spelled with each token that begins another by itself."""
    weight = here.weight * _best_word(world, rules, here.node)
    hope = weight * world.hotwords.credit[here.hot] * _rise(world, rules, here)
    history: Integer = np.int64(UNASKED)
    step = 0.0
    for i in range(search.counts[STARTS]):
        if hope * search.starts[i].hope < here.least:
            return  # the others have less hope still
        token = np.int64(search.starts[i].token)
        if token == here.last:
            continue
        if history == UNASKED:
            history = close_word(search, world, rules, here.history, here.node)
            if history < 0:
                return
            step = here.weight * search.histories[history].step
        child = np.int64(world.lexicon.root_child[token])
        _begin_word(
            search, world, rules, here, (history, token, child, step * search.token_prob[token])
        )


@inlined
def _begin_word(
    search: Search,
    world: World,
    rules: Rules,
    here: Here,
    begun: tuple[Integer, Integer, Integer, float],
) -> None:
    """Begin a word with a token, given the history, where it leads and the weight there."""
    history, token, child, weight = begun
    hot, credit = here.hot, 1.0
    if rules.has_hotwords:
        hot = follow(world.hotwords, hot, BOUNDARY)
        weight *= world.hotwords.earned[hot]
        hot, earned = _follow_token(world.hotwords, world.lexicon, rules.marker, hot, token)
        weight *= earned
        credit = world.hotwords.credit[hot]
    if child < 0:
        child = unknown_node(search, world, rules, np.int64(0), token)
    score = weight * credit * _gain(search, world, child, credit)
    if score >= here.least:
        future = np.int64(search.histories[history].future)
        _add(search, pack(history, child, token), future, weight, score, hot)


@inlined
def _best_word(world: World, rules: Rules, node: Integer) -> float:
    """Return the most that a word can gain at its end, as a factor."""
    if rules.closed or not rules.has_words:
        return rules.best_word
    is_listed = node < world.gain.size and world.lexicon.word[node] > 0
    return rules.best_word if is_listed else rules.best_unknown


@inlined
def _gain(search: Search, world: World, node: Integer, credit: float) -> float:
    """Return what is expected of an unfinished word, as a factor."""
    if node < world.gain.size:
        return float(world.gain[node])
    if credit > 1.0:
        return 1.0  # a hotword in the making is not punished for being unknown
    return float(search.unknowns[node - world.gain.size].gain)
