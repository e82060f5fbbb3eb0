from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.errors import LanguageModelError
from anylect.lm.arpa import read_arpa
from anylect.lm.corpus import Corpus
from anylect.lm.estimation import EstimationOptions, estimate_model
from anylect.lm.kenlm_binary import build_model
from anylect.lm.ngram import EMPTY, advance
from anylect.lm.tables import NGramTables

Listing = Callable[[NGramTables], dict[tuple[str, ...], tuple[float, float]]]
Estimating = Callable[..., NGramTables]


@pytest.mark.parametrize(
    ("name", "corpus", "options", "limit"),
    [
        ("order1", "corpus", EstimationOptions(order=1), None),
        ("order2", "corpus", EstimationOptions(order=2), None),
        ("order3", "corpus", EstimationOptions(order=3), None),
        ("order5", "corpus", EstimationOptions(order=5), None),
        ("order6", "corpus", EstimationOptions(order=6), None),
        ("pruned", "corpus", EstimationOptions(order=3, prune=(0, 0, 1)), None),
        ("pruned4", "corpus", EstimationOptions(order=4, prune=(0, 1, 2)), None),
        ("limited", "corpus", EstimationOptions(order=3), "limit.txt"),
        ("fallback", "tiny", EstimationOptions(order=3), None),
    ],
)
def test_estimates_are_those_of_lmplz(
    name: str,
    corpus: str,
    options: EstimationOptions,
    limit: str | None,
    golden: Path,
    listed: Listing,
) -> None:
    allowed = (golden / limit).read_text().split() if limit else None
    ours = listed(
        estimate_model(Corpus([golden / f"{corpus}.txt"]), options, allowed=allowed).tables
    )
    theirs = listed(read_arpa(golden / f"{name}.arpa"))
    assert set(ours) == set(theirs)
    for ngram, (prob, backoff) in theirs.items():
        assert ours[ngram] == pytest.approx((prob, backoff), abs=1e-5), ngram


def test_discounts_that_cannot_be_estimated_fall_back_and_say_so(golden: Path) -> None:
    estimated = estimate_model(Corpus([golden / "tiny.txt"]), EstimationOptions(order=3))
    reasons = [entry.fallback_reason for entry in estimated.discounts]
    assert reasons[2] == "no 3-gram has an adjusted count of 3"
    assert estimated.discounts[2].values == (0.5, 1.0, 1.5)


def test_a_large_enough_corpus_needs_no_fallback(golden: Path) -> None:
    estimated = estimate_model(Corpus([golden / "corpus.txt"]), EstimationOptions(order=3))
    assert [entry.fallback_reason for entry in estimated.discounts] == [None, None, None]


sentences = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "dd", "é"]), max_size=6).map(" ".join),
    min_size=1,
    max_size=12,
)


@given(sentences, st.integers(1, 4), st.sampled_from([(0,), (0, 0, 1), (0, 1)]))
@settings(deadline=None, max_examples=60)
def test_probabilities_of_every_seen_context_sum_to_one(
    tables_of: Estimating, lines: list[str], order: int, prune: tuple[int, ...]
) -> None:
    tables = tables_of(lines, order=order, prune=prune)
    model = build_model(tables)
    begin = model.ids(["<s>"])[0]
    predicted = [word for word in range(len(model)) if word != begin]
    for k in range(1, tables.order):
        for row in tables.rows(k, 0, len(tables.orders[k - 1])):
            state = model.begin if row[0] == begin else EMPTY
            for word in row[1:] if row[0] == begin else row:
                state = model.advance(state, int(word))[1]
            logs = [advance(model.kernel, state, word)[0] for word in predicted]
            assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-6)


@given(sentences)
@settings(deadline=None, max_examples=30)
def test_counts_of_unpruned_orders_are_those_of_plain_counting(
    tables_of: Estimating, listed: Listing, lines: list[str]
) -> None:
    padded = [["<s>", *line.split(), "</s>"] for line in lines]
    for order in (2, 3):
        plain = Counter(
            tuple(line[i : i + order]) for line in padded for i in range(len(line) - order + 1)
        )
        found = listed(tables_of(lines, order=3))
        assert {ngram for ngram in found if len(ngram) == order} == set(plain)


def test_thresholds_may_not_decrease(tables_of: Estimating) -> None:
    with pytest.raises(LanguageModelError, match="decrease") as caught:
        tables_of(["a b"], prune=(1, 0))
    assert "`0 0 1`" in str(caught.value.hint)


def test_an_order_beyond_six_is_refused(tables_of: Estimating) -> None:
    with pytest.raises(LanguageModelError, match="order 7"):
        tables_of(["a b"], order=7)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="no sentence"):
        estimate_model(Corpus(transcripts=[]))
