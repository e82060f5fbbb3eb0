"""Small worlds for tests of language models; functions handed out as fixtures."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from anylect.lm.corpus import Corpus
from anylect.lm.estimation import EstimationOptions, estimate_model
from anylect.lm.tables import NGramTables

Listed = dict[tuple[str, ...], tuple[float, float]]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of golden files; `make_golden.py` there says how they were made."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def tables_of() -> Callable[..., NGramTables]:
    """Estimate a model from a few sentences."""

    def estimate(lines: list[str], order: int = 3, prune: tuple[int, ...] = (0,)) -> NGramTables:
        options = EstimationOptions(order=order, prune=prune)
        return estimate_model(Corpus(transcripts=lines, unit="word"), options).tables

    return estimate


@pytest.fixture(scope="session")
def listed() -> Callable[[NGramTables], Listed]:
    """List a model's n-grams with log10 probability and backoff."""

    def list_ngrams(tables: NGramTables) -> Listed:
        words = list(tables.words)
        found = {}
        for order, table in enumerate(tables.orders, start=1):
            for entry, row in enumerate(tables.rows(order, 0, len(table))):
                backoff = 0.0 if table.backoff is None else float(table.backoff[entry])
                logs = (float(table.log_prob[entry]) / math.log(10), backoff / math.log(10))
                found[tuple(words[word] for word in row)] = logs
        return found

    return list_ngrams
