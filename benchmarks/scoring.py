"""What benchmarks of decoders measure texts by: errors, and the score a search tries to maximise.

`mean_total` scores a text as the decoders should: the probability of all its alignments
(Graves et al. 2006, sec. 4.1), `alpha ln p` of the language model, `beta` per word. Whoever finds
the higher one has searched better, whatever it reports itself.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emissions import BLANK, Alphabet

LN10 = float(np.log(10.0))


def word_error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """Pool the errors of all texts; further references are left out."""
    from anylect.evaluation.error_rate import count_errors

    found = [count_errors(r.split(), t.split()) for r, t in zip(references, texts, strict=False)]
    return sum(one.errors for one in found) / sum(one.length for one in found)


def mean_total(
    texts: Sequence[str],
    emissions: Sequence[NDArray[np.float32]],
    *,
    alphabet: Alphabet,
    model: Path,
) -> float:
    """Score texts with alpha 0.5, beta 1.5, an unknown offset of -10 in log10."""
    from anylect.lm.kenlm_binary import load_model

    known = load_model(model)
    total = 0.0
    for text, log_probs in zip(texts, emissions, strict=True):
        words = text.split()
        unknown = int((known.ids(words) == 0).sum()) if words else 0
        total += ctc_log_prob(log_probs, alphabet.spell(text))
        total += 0.5 * (sum(known.score(text)) - 10.0 * LN10 * unknown) + 1.5 * len(words)
    return total / len(texts)


def ctc_log_prob(log_probs: NDArray[np.float32], tokens: Sequence[int]) -> float:
    """Add up all alignments of tokens to frames, natural log; (T, V) in."""
    states = np.full(2 * len(tokens) + 1, BLANK)
    states[1::2] = tokens
    skips = np.zeros(len(states), dtype=bool)  # a blank may be left out between unlike tokens
    skips[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    reached = np.full(len(states) + 2, -np.inf)
    reached[2] = 0.0
    for number, row in enumerate(log_probs.astype(np.float64)):
        stay, step, skip = reached[2:], reached[1:-1], np.where(skips, reached[:-2], -np.inf)
        come = np.logaddexp(np.logaddexp(stay, step), skip) if number else stay.copy()
        if number == 0 and len(tokens):
            come[1] = 0.0
        reached[2:] = come + row[states]
    return float(np.logaddexp.reduce(reached[2:][-2:]))


def main() -> None:
    """Check the sum over alignments against all paths of a tiny world."""
    chance = np.random.default_rng(0)
    log_probs = np.log(chance.dirichlet(np.ones(3), size=5)).astype(np.float32)
    total = -np.inf
    for path in np.ndindex(*[3] * 5):
        kept = [p for n, p in enumerate(path) if p != BLANK and (n == 0 or path[n - 1] != p)]
        if kept == [1, 2, 2]:
            total = np.logaddexp(total, log_probs[range(5), path].sum())
    print(f"{ctc_log_prob(log_probs, [1, 2, 2]):.6f}, by enumeration {total:.6f}")


if __name__ == "__main__":
    main()
