"""A smaller model that predicts almost as well (Stolcke 1998).

An n-gram is left out when the model without it, its probability mass given back to the
backoff, differs from the model with it by less than a threshold of relative entropy. Pruning
by counts belongs to estimation, where the counts are still known.
"""

import numpy as np
from numpy.typing import NDArray

from anylect.errors import LanguageModelError
from anylect.lm.backoffs import begin_number, listed_mass, renormalize
from anylect.lm.suffixes import backed_off, complete_suffixes
from anylect.lm.tables import NGramTables, OrderTable, keep_entries, parents

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEAST = 1e-30


def prune_tables(
    tables: NGramTables, *, threshold: float = 0.0, order: int | None = None
) -> NGramTables:
    """Leave out what matters least.

    Args:
        tables: The model.
        threshold: Relative entropy, in nats per word, below which an n-gram goes; 1e-8 leaves
            out little, 1e-6 most. Zero leaves out nothing.
        order: The new highest order; None keeps it.

    Raises:
        LanguageModelError: For a threshold or an order that makes no sense.
    """
    if not 0 <= threshold < 1:
        raise LanguageModelError(f"threshold {threshold} is not in [0, 1)", hint="try 1e-7")
    if order is not None and not 1 <= order <= tables.order:
        raise LanguageModelError(
            f"order {order} is not in the model", hint=f"use 1 to {tables.order}"
        )
    if order is not None and order < tables.order:
        tables = _cut(tables, order)
    if threshold > 0 and tables.order > 1:
        tables = _prune(tables, threshold)
    return tables


def _cut(tables: NGramTables, order: int) -> NGramTables:
    last = tables.orders[order - 1]
    orders = [*tables.orders[: order - 1], OrderTable(last.word, last.log_prob)]
    return NGramTables(tables.words, orders)


def _prune(tables: NGramTables, threshold: float) -> NGramTables:
    history = _history_log_probs(tables)
    keep: list[Mask] = [np.ones(len(table), np.bool_) for table in tables.orders]
    for k in range(tables.order, 1, -1):
        mask = np.concatenate(
            [
                _matters(tables, k, (start, stop), history[k - 2]) > threshold
                for start, stop in tables.blocks(k - 1)
            ]
        )
        if k < tables.order:
            mask[parents(tables.orders[k - 1])[keep[k]]] = True
        keep[k - 1] = mask
    smaller = complete_suffixes(keep_entries(tables, keep))
    renormalize(smaller)
    return smaller


def _history_log_probs(tables: NGramTables) -> list[Doubles]:
    """Return ln p of every context's words in a row; `<s>` comes as often as `</s>` does."""
    words = list(tables.words)
    first = tables.orders[0].log_prob.astype(np.float64)
    if "</s>" in words and begin_number(tables) >= 0:
        first[begin_number(tables)] = first[words.index("</s>")]
    history = [first]
    for k in range(1, tables.order - 1):
        above = parents(tables.orders[k - 1])
        history.append(history[-1][above] + tables.orders[k].log_prob)
    return history


def _matters(tables: NGramTables, k: int, contexts: tuple[int, int], history: Doubles) -> Doubles:
    """Return by how much relative entropy each extension of some contexts would be missed."""
    start, stop = contexts
    context, table = tables.orders[k - 2], tables.orders[k - 1]
    assert context.children is not None
    assert context.backoff is not None
    first, last = int(context.children[start]), int(context.children[stop])
    above = np.repeat(np.arange(stop - start), np.diff(context.children[start : stop + 1]))
    rows = tables.rows(k, first, last)
    log_lower = backed_off(tables.orders[: k - 1], np.ascontiguousarray(rows[:, 1:]))
    log_lower = log_lower.astype(np.float64)
    own, lower = listed_mass(tables, k - 1, start, stop)
    free, free_lower = np.maximum(1 - own, _LEAST), np.maximum(1 - lower, _LEAST)
    log_prob = table.log_prob[first:last].astype(np.float64)
    prob = np.exp(log_prob)
    new_backoff = np.log(free[above] + prob) - np.log(free_lower[above] + np.exp(log_lower))
    old_backoff = context.backoff[start:stop].astype(np.float64)[above]
    change = prob * (log_lower + new_backoff - log_prob)
    change += free[above] * (new_backoff - old_backoff)
    divergence: Doubles = -np.exp(history[start:stop])[above] * change
    return divergence
