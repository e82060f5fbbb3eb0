import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from anylect.lm.arpa import write_arpa
from anylect.lm.corpus import Corpus
from anylect.lm.estimation import Estimated, EstimationOptions, estimate_model


def make_lines(seed: int, sentences: int, words: int) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(f"w{int(rng.paretovariate(0.7)) % words}" for _ in range(rng.randint(0, 12)))
        for _ in range(sentences)
    ]


def assert_same(one: Estimated, other: Estimated) -> None:
    assert one.discounts == other.discounts
    assert list(one.tables.words) == list(other.tables.words)
    assert one.tables.counts == other.tables.counts
    for a, b in zip(one.tables.orders, other.tables.orders, strict=True):
        np.testing.assert_array_equal(a.word, b.word)
        np.testing.assert_array_equal(a.log_prob, b.log_prob)
        if a.backoff is not None:
            assert b.backoff is not None
            np.testing.assert_array_equal(a.backoff, b.backoff)
            np.testing.assert_array_equal(a.children, b.children)


@pytest.mark.parametrize(
    ("seed", "order", "prune", "limit"),
    [(0, 1, (0,), 0), (1, 3, (0,), 0), (2, 5, (0, 0, 1), 0), (3, 3, (0, 1), 40), (4, 2, (1,), 9)],
)
def test_a_bound_on_memory_changes_nothing(
    seed: int, order: int, prune: tuple[int, ...], limit: int
) -> None:
    lines = make_lines(seed, 1500, 300)
    allowed = {f"w{number}" for number in range(limit)} or None
    whole = EstimationOptions(order=order, prune=prune)
    bounded = EstimationOptions(order=order, prune=prune, memory=100_000)
    assert_same(
        estimate_model(Corpus(transcripts=lines), whole, allowed=allowed),
        estimate_model(Corpus(transcripts=lines), bounded, allowed=allowed),
    )


def test_a_tenth_of_the_memory_is_enough(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(make_lines(5, 60_000, 5_000)) + "\n")

    def measure(memory: int | None) -> tuple[Estimated, int]:
        tracemalloc.start()
        options = EstimationOptions(order=4, memory=memory, folder=tmp_path)
        estimated = estimate_model(Corpus([tmp_path / "text"]), options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return estimated, peak

    measure(None)  # compiles
    whole, needed = measure(None)
    bound = needed // 10
    bounded, used = measure(bound)
    assert_same(whole, bounded)
    assert used < bound + 4_000_000  # the table of words and a block of text
    for name, estimated in (("a", whole), ("b", bounded)):
        write_arpa(tmp_path / name, estimated.tables)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nothing_is_left_on_disk(tmp_path: Path) -> None:
    options = EstimationOptions(memory=50_000, folder=tmp_path)
    estimated = estimate_model(Corpus(transcripts=["a b", "b"]), options)
    assert list(tmp_path.iterdir())
    assert estimated.scratch
    estimated.scratch.remove()
    assert not list(tmp_path.iterdir())
