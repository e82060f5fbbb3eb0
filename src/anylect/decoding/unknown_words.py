"""Beginnings of words that no known word has: nodes made while searching.

They stand behind those of the lexicon, and are found by a hash of their letters, so that every
way to cut a word into tokens leads to the same node.
"""

import math

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled, inlined, inner
from anylect.decoding.hashing import mix
from anylect.decoding.rules import AT_MARKER, Rules, World
from anylect.decoding.search import UNASKED, UNKNOWNS, Records, Search
from anylect.lm.memory import Bytes, murmur_hash
from anylect.lm.ngram import find_word

AVERAGE_LENGTH = 6
"""Letters from which on an unknown word is punished the more, the longer it is (pyctcdecode)."""
_MARKER = 0x2581


@inlined
def unknown_node(
    search: Search, world: World, rules: Rules, node: Integer, token: Integer
) -> Integer:
    """Return the node that a token leads to from another, where no edge does."""
    lexicon = world.lexicon
    if rules.ending == AT_MARKER and node == 0 and not lexicon.begins_word[token]:
        node = _append(search, world, rules, node, np.int64(rules.marker))
    for place in range(lexicon.first_character[token], lexicon.first_character[token + 1]):
        node = _append(search, world, rules, node, np.int64(lexicon.characters[place]))
    return node


@inlined
def _append(search: Search, world: World, rules: Rules, node: Integer, letter: Integer) -> Integer:
    known, table, unknowns = world.gain.size, search.unknown_table, search.unknowns
    spelling = world.lexicon.spelling[min(node, known - 1)]
    if node >= known:
        spelling = unknowns[node - known].spelling
    spelling = (spelling + np.uint64(letter + 1)) * np.uint64(0x9E3779B97F4A7C15)
    spelling ^= spelling >> np.uint64(29)  # as `lexicon.extend_spelling`
    mask = np.uint64(table.size - 1)
    place = mix(spelling) & mask
    while table[place] > 0:
        if unknowns[table[place] - 1].spelling == spelling:
            return np.int64(table[place] - 1 + known)
        place = (place + np.uint64(1)) & mask
    table[place] = search.counts[UNKNOWNS] + 1
    return _make(search, world, rules, node, letter, spelling)


@inner
def _make(
    search: Search,
    world: World,
    rules: Rules,
    node: Integer,
    letter: Integer,
    spelling: np.uint64,
) -> Integer:
    number = search.counts[UNKNOWNS]
    search.counts[UNKNOWNS] += 1
    new = search.unknowns[number]
    new.spelling, new.parent, new.letter, new.word = spelling, node, letter, UNASKED
    new.length = _length(search, world, node) + (world.lexicon.code_points[letter] != _MARKER)
    new.gain = 1.0
    if rules.has_model:
        new.gain = math.exp(rules.unknown_offset * max(1.0, new.length / AVERAGE_LENGTH))
    return np.int64(number + world.gain.size)


@inner
def ask_number(search: Search, world: World, node: Integer) -> Integer:
    """Return the model's number of a word that the lexicon does not list; 0 if it has none."""
    known = world.gain.size
    if node >= known and search.unknowns[node - known].word != UNASKED:
        return np.int64(search.unknowns[node - known].word)
    number = np.int64(0)
    length = _length(search, world, node)
    if length <= search.points.size:
        _write_points(search, world, node, length)
        size = _write_utf8(search, length, search.written)
        number = np.int64(find_word(world.model, murmur_hash(search.written, 0, size)))
    if node >= known:
        search.unknowns[node - known].word = number
    return number


@inlined
def _length(search: Search, world: World, node: Integer) -> Integer:
    """Count the letters of a node; the marker before a word is none."""
    known = world.gain.size
    if node >= known:
        return np.int64(search.unknowns[node - known].length)
    return np.int64(world.lexicon.length[node])


@inner
def _write_points(search: Search, world: World, node: Integer, length: Integer) -> None:
    known, lexicon = world.gain.size, world.lexicon
    while length > 0:
        length -= 1
        if node < known:
            search.points[length] = lexicon.code_points[lexicon.letter[node]]
            node = np.int64(lexicon.parent[node])
        else:
            search.points[length] = lexicon.code_points[search.unknowns[node - known].letter]
            node = np.int64(search.unknowns[node - known].parent)


@inner
def _write_utf8(search: Search, count: Integer, written: Bytes) -> Integer:
    """Write code points as UTF-8 (RFC 3629); return how many bytes it took."""
    size = 0
    for place in range(count):
        point = search.points[place]
        if point < 0x80:
            written[size] = point
            size += 1
            continue
        more = 1 + (point >= 0x800) + (point >= 0x10000)
        written[size] = ((0xF00 >> more) & 0xFF) | (point >> (6 * more))
        for i in range(more):
            written[size + 1 + i] = 0x80 | ((point >> (6 * (more - 1 - i))) & 0x3F)
        size += 1 + more
    return size


@compiled
def list_letters(
    unknowns: Records, known: Integer, node: Integer
) -> tuple[Integer, NDArray[np.int32]]:
    """Return the node of the lexicon's `known` that another goes on from, and its letters since."""
    count, at = 0, np.int64(node)
    while at >= known:
        count += 1
        at = np.int64(unknowns[at - known].parent)
    letters = np.empty(count, np.int32)
    while node >= known:
        count -= 1
        letters[count] = unknowns[node - known].letter
        node = np.int64(unknowns[node - known].parent)
    return at, letters
