"""Mutated files: a clear error or a model that can be asked, never a crash."""

import contextlib
import random
import resource
from pathlib import Path

import numpy as np
import pytest

from anylect.errors import LanguageModelError
from anylect.lm.kenlm_binary import load_model, load_tables
from anylect.lm.ngram import score_words

NAMES = (
    "order3.arpa",
    "order5.arpa",
    "order5_probing.bin",
    "order5_trie.bin",
    "order5_trie_array.bin",
    "order5_trie_quantised.bin",
    "order5_trie_quantised_array.bin",
)


def mutate(data: bytes, rng: random.Random, *, head: int) -> bytes:
    """Change, cut, double or insert a few bytes, half of the time near the beginning."""
    mutated = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(min(head, len(mutated)) if rng.random() < 0.5 else len(mutated))
        kind = rng.random()
        if kind < 0.6:
            mutated[at] = rng.choice(
                [0, 1, 0x7F, 0x80, 0xFF, 9, 10, 32, 45, 57, rng.randrange(256)]
            )
        elif kind < 0.7:
            mutated[at : at + 8] = rng.randbytes(8)
        elif kind < 0.8:
            del mutated[at : at + rng.randint(1, 40)]
        elif kind < 0.9:
            mutated[at:at] = mutated[at : at + rng.randint(1, 40)]
        else:
            del mutated[max(at, 16) :]
        if len(mutated) < 16:
            break
    return bytes(mutated)


def ask(path: Path) -> bool:
    """Load and ask a model; say whether it could be loaded."""
    try:
        model = load_model(path)
    except LanguageModelError:
        return False
    numbers = np.arange(200, dtype=np.int32) * 7 % len(model)
    assert len(score_words(model.kernel, model.begin, numbers)) == 200
    model.ids(["w1", "w2", "nothing"])
    with contextlib.suppress(LanguageModelError):
        load_tables(path)
    return True


def fuzz(golden: Path, folder: Path, *, rounds: int, seed: int) -> list[bool]:
    rng = random.Random(seed)
    originals = {name: (golden / name).read_bytes() for name in NAMES}
    path = folder / "mutated"
    outcomes = []
    for number in range(rounds):
        name = NAMES[number % len(NAMES)]
        path.write_bytes(mutate(originals[name], rng, head=400))
        outcomes.append(ask(path))
    return outcomes


def test_mutated_files_give_an_error_or_a_model(golden: Path, tmp_path: Path) -> None:
    outcomes = fuzz(golden, tmp_path, rounds=300, seed=0)
    assert any(outcomes)
    assert not all(outcomes)


@pytest.mark.slow
def test_ten_thousand_mutated_files_give_an_error_or_a_model(golden: Path, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = fuzz(golden, tmp_path, rounds=10_000, seed=1)
    assert len(outcomes) == 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB
