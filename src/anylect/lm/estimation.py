"""From text to a model in one call: read, count, estimate."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import compiled
from anylect.errors import LanguageModelError
from anylect.lm.corpus import Corpus, CorpusReport
from anylect.lm.counts import count_ngrams
from anylect.lm.disk import Appender, Scratch
from anylect.lm.external import estimate_on_disk
from anylect.lm.external_counts import count_on_disk
from anylect.lm.kneser_ney import MAX_ORDER, Discounts, estimate, spread_thresholds
from anylect.lm.tables import NGramTables
from anylect.lm.words import SPECIAL, Tokenizer, Words

Ints = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class EstimationOptions:
    """What is estimated from a text."""

    order: int = 5
    """Words of the longest n-gram; one to six."""
    prune: tuple[int, ...] = (0,)
    """For each order, n-grams seen this often or less are left out; the last holds for the rest."""
    skip_marks: bool = False
    """Read on where `<s>`, `</s>` or `<unk>` stand in the text; otherwise they are refused."""
    memory: int | None = None
    """Bytes to work in; the rest is sorted and merged on disk. None keeps all in memory."""
    folder: Path | None = None
    """Where to put what does not fit into `memory`; the system's temporary folder by default."""
    threads: int = 2
    """How many processors to use."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """A model, and what was read and decided on the way."""

    tables: NGramTables
    corpus: CorpusReport
    discounts: tuple[Discounts, ...]
    tokens: int
    """Words read, sentence marks not counted."""
    marks_skipped: int = 0
    scratch: Scratch | None = None
    """Where tables that did not fit into memory lie; removed with this object."""


def estimate_model(
    corpus: Corpus,
    options: EstimationOptions | None = None,
    *,
    allowed: Iterable[str] | None = None,
) -> Estimated:
    """Estimate an interpolated modified Kneser-Ney model as lmplz does.

    Args:
        corpus: The text.
        options: Order, pruning and the like.
        allowed: Words the model may know; n-grams with others are left out.

    Raises:
        ManifestError: If the text cannot be used.
        LanguageModelError: If nothing can be estimated from it.
    """
    options = options or EstimationOptions()
    check_options(options)
    if options.memory is not None:
        return _estimate_on_disk(corpus, options, allowed)
    tokenizer = Tokenizer(skip_marks=options.skip_marks)
    numbers = _concatenate([tokenizer.add(block) for block in corpus])
    require_text(len(numbers), corpus.report)
    words, rank = rank_words(tokenizer.words(), np.bincount(numbers, minlength=3))
    _renumber(numbers, rank)
    tables = count_ngrams(numbers, len(words), order=options.order, threads=options.threads)
    tokens = len(numbers) - 2 * corpus.report.sentences
    del numbers
    estimated = estimate(
        tables,
        words,
        prune=options.prune,
        allowed=mark_allowed(words, allowed),
        first_seen=np.argsort(rank).astype(np.int32),
        threads=options.threads,
    )
    return Estimated(estimated.tables, corpus.report, estimated.discounts, tokens, tokenizer.marks)


def _estimate_on_disk(
    corpus: Corpus, options: EstimationOptions, allowed: Iterable[str] | None
) -> Estimated:
    assert options.memory is not None
    corpus.block_bytes = min(corpus.block_bytes, max(1 << 16, options.memory // 32))
    scratch = Scratch(options.folder)
    folder = scratch.path
    tokenizer = Tokenizer(skip_marks=options.skip_marks)
    seen = np.zeros(len(SPECIAL), np.int64)
    with Appender(folder / "numbers", np.int32) as numbers:
        for block in corpus:
            piece = tokenizer.add(block)
            counts = np.bincount(piece, minlength=len(seen))
            counts[: len(seen)] += seen
            seen = counts
            numbers.append(piece)
    tokens = len(numbers.column)
    require_text(tokens, corpus.report)
    words, rank = rank_words(tokenizer.words(), seen)
    columns = count_on_disk(
        numbers.column, rank, order=options.order, memory=options.memory, folder=folder
    )
    estimated = estimate_on_disk(
        columns,
        words,
        prune=options.prune,
        allowed=mark_allowed(words, allowed),
        first_seen=np.argsort(rank).astype(np.int32),
        place=(folder, options.memory),
    )
    tokens -= 2 * corpus.report.sentences
    return Estimated(
        estimated.tables, corpus.report, estimated.discounts, tokens, tokenizer.marks, scratch
    )


def check_options(options: EstimationOptions) -> None:
    """Refuse what cannot be estimated before anything is read."""
    if not 1 <= options.order <= MAX_ORDER:
        raise LanguageModelError(
            f"order {options.order} cannot be estimated", hint=f"use 1 to {MAX_ORDER}"
        )
    spread_thresholds(options.prune, options.order)


def require_text(tokens: int, report: CorpusReport) -> None:
    """Refuse a corpus of which nothing is left."""
    if not tokens:
        raise LanguageModelError(
            f"no sentence to learn from ({report.excluded} excluded, {report.emptied} emptied)",
            hint="give text with one sentence per line; check the normalizer and `exclude`",
        )


def rank_words(words: Words, counts: NDArray[np.int64]) -> tuple[Words, Ints]:
    """Renumber words so that frequent ones get small numbers, which keeps them close in memory.

    Returns:
        The words, and by old number the new one.
    """
    special = np.arange(len(SPECIAL))
    others = len(SPECIAL) + np.argsort(-counts[len(SPECIAL) :], kind="stable")
    order = np.concatenate([special, others])
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return words.take(order), rank


def mark_allowed(words: Words, allowed: Iterable[str] | None) -> NDArray[np.bool_] | None:
    """Return by number whether a word may be in the model; None when all may."""
    if allowed is None:
        return None
    known = set(allowed)
    return np.fromiter((word in known for word in words), np.bool_, len(words))


def _concatenate(pieces: list[Ints]) -> Ints:
    whole = np.empty(sum(len(piece) for piece in pieces), np.int32)
    at = 0
    while pieces:
        piece = pieces.pop(0)
        whole[at : at + len(piece)] = piece
        at += len(piece)
    return whole


@compiled
def _renumber(numbers: Ints, rank: Ints) -> None:
    for i in range(numbers.size):
        numbers[i] = rank[numbers[i]]
