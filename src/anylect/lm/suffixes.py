"""Adding the n-grams that a pruning program has left out in the middle.

Some programs prune `b c` and keep `a b c`. Looking a word up from the shortest n-gram to the
longest then stops too early. The missing ones are added with the very probability that backing
off gives them, so no score changes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anylect.lm.tables import NGramTables, OrderTable, build_tables, find_entries

Ints = NDArray[np.int32]
Floats = NDArray[np.floating]


def complete_suffixes(tables: NGramTables) -> NGramTables:
    """Return a model in which every n-gram's last words are n-grams too."""
    rows = [tables.rows(order, 0, len(table)) for order, table in enumerate(tables.orders, start=1)]
    added: list[Ints] = [np.empty((0, order), np.int32) for order in range(1, tables.order + 1)]
    for k in range(tables.order - 1, 1, -1):  # rows[k] is order k + 1
        suffixes = np.concatenate([rows[k][:, 1:], added[k][:, 1:]])
        missing = suffixes[find_entries(tables.orders, suffixes) < 0]
        added[k - 1] = np.unique(missing, axis=0).astype(np.int32)
    sections = []
    for k, table in enumerate(tables.orders):
        new = added[k]
        log_prob = backed_off(tables.orders, new)
        backoff = np.zeros(len(table), np.float32) if table.backoff is None else table.backoff
        sections.append(
            (
                np.concatenate([rows[k], new]),
                np.concatenate([table.log_prob, log_prob]),
                np.concatenate([backoff, np.zeros(len(new), np.float32)]),
            )
        )
    return build_tables(tables.words, sections)


def backed_off(orders: Sequence[OrderTable], rows: Ints) -> Floats:
    """Return ln p(last word | words before it) for any n-grams, (n, k), listed or not."""
    if not len(rows):
        return np.empty(0, np.float32)
    width = min(rows.shape[1], len(orders))
    rows = rows[:, rows.shape[1] - width :]
    entries = find_entries(orders, rows)
    log_prob: Floats = orders[width - 1].log_prob[np.maximum(entries, 0)].copy()
    missing = np.flatnonzero(entries < 0)
    if len(missing):
        contexts = find_entries(orders, rows[missing, :-1])
        backoffs = orders[width - 2].backoff
        assert backoffs is not None
        paid = np.where(contexts < 0, backoffs.dtype.type(0), backoffs[np.maximum(contexts, 0)])
        log_prob[missing] = paid + backed_off(orders, rows[missing, 1:])
    return log_prob
