import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anylect.errors import LanguageModelError
from anylect.lm.arpa import read_arpa
from anylect.lm.backoffs import context_sums, renormalize, unigram_sum
from anylect.lm.kenlm_binary import build_model, load_model
from anylect.lm.mixing import mix_tables
from anylect.lm.perplexity import Perplexity, measure_perplexity
from anylect.lm.pruning import prune_tables
from anylect.lm.tables import NGramTables

Estimating = Callable[..., NGramTables]

FIRST = ["the cat sat", "the dog sat", "a cat ran", "the cat ran home"] * 3 + ["dogs run"]
SECOND = ["le chat dort", "the chat dort", "un chien dort"] * 3


def assert_sums_to_one(tables: NGramTables) -> None:
    assert unigram_sum(tables) == pytest.approx(1.0, abs=1e-6)
    for _, _, sums in context_sums(tables):
        assert sums == pytest.approx(np.ones(len(sums)), abs=1e-6)


def test_perplexity_is_that_of_the_scores(golden: Path) -> None:
    model = load_model(golden / "order3.arpa")
    sentences = ["w1 w2", "w1 new w2 w2", ""]
    found = measure_perplexity(model, sentences)
    scores = [score for sentence in sentences for score in model.score(sentence)]
    assert (found.sentences, found.words, found.unknown) == (3, 6, 1)
    assert found.perplexity_with_unknown == pytest.approx(math.exp(-sum(scores) / 9))
    assert found.log_prob_unknown == pytest.approx(model.score("w1 new")[1])
    assert found.perplexity < found.perplexity_with_unknown
    assert found.unknown_rate == pytest.approx(1 / 6)


def test_the_perplexity_of_nothing_is_infinite(golden: Path) -> None:
    found = measure_perplexity(load_model(golden / "order3.arpa"), [])
    assert found == Perplexity()
    assert found.perplexity == math.inf


def test_an_estimate_needs_no_new_backoffs(tables_of: Estimating) -> None:
    tables = tables_of(FIRST, order=4)
    before = [table.backoff.copy() for table in tables.orders[:-1] if table.backoff is not None]
    assert_sums_to_one(tables)
    renormalize(tables)
    for table, backoff in zip(tables.orders, before, strict=False):
        assert table.backoff is not None
        assert table.children is not None
        listed = np.diff(table.children) > 0
        assert table.backoff[listed] == pytest.approx(backoff[listed], abs=1e-4)


@pytest.mark.parametrize("threshold", [1e-4, 1e-3, 1e-2, 0.5])
def test_a_pruned_model_is_smaller_and_still_sums_to_one(golden: Path, threshold: float) -> None:
    tables = read_arpa(golden / "order5.arpa")
    pruned = prune_tables(tables, threshold=threshold)
    assert sum(pruned.counts) < sum(tables.counts)
    assert pruned.counts[0] == tables.counts[0]
    assert_sums_to_one(pruned)


def test_pruning_harder_costs_more(golden: Path) -> None:
    tables = read_arpa(golden / "order3.arpa")
    text = (golden / "corpus.txt").read_text().splitlines()
    costs = [
        measure_perplexity(build_model(prune_tables(tables, threshold=threshold)), text).perplexity
        for threshold in (0.0, 1e-4, 1e-3, 1e-2)
    ]
    assert costs == sorted(costs)


def test_a_lower_order_is_a_model_of_that_order(golden: Path) -> None:
    tables = prune_tables(read_arpa(golden / "order5.arpa"), order=2)
    assert tables.order == 2
    assert_sums_to_one(tables)
    with pytest.raises(LanguageModelError, match="order 9"):
        prune_tables(tables, order=9)
    with pytest.raises(LanguageModelError, match="threshold 2"):
        prune_tables(tables, threshold=2.0)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_a_mixture_sums_to_one_and_has_the_probabilities_asked_for(
    tables_of: Estimating, weight: float
) -> None:
    first, second = tables_of(FIRST, order=3), tables_of(SECOND, order=2)
    mixture = mix_tables(first, second, weight=weight)
    assert_sums_to_one(mixture.tables)
    ours = np.exp(build_model(mixture.tables).score("the"))
    ones, others = (np.exp(build_model(side).score("the")) for side in (first, second))
    assert ours[0] == pytest.approx(weight * ones[0] + (1 - weight) * others[0], rel=1e-5)


def test_the_weight_follows_the_text(tables_of: Estimating) -> None:
    first, second = tables_of(FIRST), tables_of(SECOND)
    assert mix_tables(first, second, dev=FIRST).weight > 0.9
    assert mix_tables(first, second, dev=SECOND).weight < 0.1
    both = mix_tables(first, second, dev=FIRST + SECOND)
    perplexity = {
        weight: measure_perplexity(
            build_model(mix_tables(first, second, weight=weight).tables), FIRST + SECOND
        ).perplexity
        for weight in (0.1, both.weight, 0.9)
    }
    assert min(perplexity, key=lambda weight: perplexity[weight]) == both.weight


def test_a_weight_needs_a_text_or_a_number(tables_of: Estimating) -> None:
    tables = tables_of(FIRST)
    with pytest.raises(LanguageModelError, match="no text to fit"):
        mix_tables(tables, tables)
    with pytest.raises(LanguageModelError, match="weight 2"):
        mix_tables(tables, tables, weight=2.0)
