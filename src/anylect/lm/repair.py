"""Mending an ARPA file that no program would read, or that reads and is wrong.

Goes through the file line by line and forgives what a strict reader refuses. What it changes
is told, because a repaired model is still worse than one estimated properly.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from anylect.errors import LanguageModelError
from anylect.lm.arpa import load_text

USUAL_END_LOG10 = -1.3
"""Given to `</s>` where nothing sensible stands: one word in twenty ends a sentence."""
MISSING_UNKNOWN_LOG10 = -7.0

NGram = tuple[str, ...]
Logs = tuple[float, float]


@dataclass(slots=True)
class Repair:
    """What was mended: how often, by what."""

    changes: Counter[str] = field(default_factory=Counter)


def repair_arpa(source: Path, target: Path) -> Repair:
    """Write a mended copy of an ARPA file.

    Words listed twice keep their first line, n-grams with unlisted words or contexts are left
    out, positive probabilities become zero, missing marks are added, `</s>` that is certain
    gets a usual probability, and counts are counted.

    Raises:
        LanguageModelError: If there is nothing in the file to mend.
    """
    repair = Repair()
    orders = _read(source, repair)
    if not orders or not orders[0]:
        raise LanguageModelError(
            f"{source}: no n-grams to repair", hint="this is no ARPA file; build the model anew"
        )
    _mend_marks(orders[0], repair)
    for k in range(1, len(orders)):
        _drop_orphans(orders, k, repair)
    while len(orders) > 1 and not orders[-1]:
        orders.pop()
    _write(target, orders)
    return repair


def _read(source: Path, repair: Repair) -> list[dict[NGram, Logs]]:
    orders: list[dict[NGram, Logs]] = []
    for order, line in _ngram_lines(source):
        while len(orders) < order:
            orders.append({})
        parsed = _parse(line, order)
        if parsed is None:
            repair.changes["lines that could not be read, left out"] += 1
            continue
        ngram, prob, backoff = parsed
        if prob > 0:
            repair.changes["positive log-probabilities set to zero"] += 1
            prob = 0.0
        if ngram in orders[order - 1]:
            repair.changes["n-grams listed again, left out"] += 1
        else:
            orders[order - 1][ngram] = (prob, backoff)
    return orders


def _ngram_lines(source: Path) -> Iterator[tuple[int, str]]:
    text = load_text(source).tobytes().decode("utf-8", errors="replace")
    order = 0
    for line in text.split("\n"):
        stripped = line.strip(" \t\r")
        if stripped.startswith("\\") and stripped.endswith("-grams:"):
            digits = stripped[1:-7]
            order = int(digits) if digits.isdecimal() and len(digits) < 3 else 0
        elif stripped in ("\\end\\", "\\data\\"):
            order = 0
        elif order and stripped:
            yield order, stripped


def _parse(line: str, order: int) -> tuple[NGram, float, float] | None:
    fields = line.replace("\t", " ").split(" ")
    fields = [text for text in fields if text]
    if not order + 1 <= len(fields) <= order + 2:
        return None
    try:
        prob = float(fields[0])
        backoff = float(fields[order + 1]) if len(fields) == order + 2 else 0.0
    except ValueError:
        return None
    if math.isnan(prob) or not math.isfinite(backoff):
        return None
    words = tuple("<unk>" if word == "<UNK>" else word for word in fields[1 : order + 1])
    return words, max(prob, -99.0), backoff


def _mend_marks(unigrams: dict[NGram, Logs], repair: Repair) -> None:
    if ("<unk>",) not in unigrams:
        unigrams[("<unk>",)] = (MISSING_UNKNOWN_LOG10, 0.0)
        repair.changes["`<unk>` added"] += 1
    if ("<s>",) not in unigrams:
        unigrams[("<s>",)] = (0.0, 0.0)
        repair.changes["`<s>` added"] += 1
    prob, backoff = unigrams.get(("</s>",), (0.0, 0.0))
    if prob > -1e-3:
        added = ("</s>",) not in unigrams
        unigrams[("</s>",)] = (USUAL_END_LOG10, 0.0 if added else backoff)
        repair.changes["`</s>` given a usual probability, that of other words scaled"] += 1
        _scale(unigrams)


def _scale(unigrams: dict[NGram, Logs]) -> None:
    """Make all words but `<s>` sum to one, `</s>` kept as it is."""
    fixed = {("<s>",), ("</s>",)}
    total = math.fsum(10.0**prob for word, (prob, _) in unigrams.items() if word not in fixed)
    if not total:
        return
    shift = math.log10((1.0 - 10.0**USUAL_END_LOG10) / total)
    for word, (prob, backoff) in unigrams.items():
        if word not in fixed:
            unigrams[word] = (min(0.0, prob + shift), backoff)


def _drop_orphans(orders: list[dict[NGram, Logs]], k: int, repair: Repair) -> None:
    words, contexts = orders[0], orders[k - 1]
    orphans = [
        ngram
        for ngram in orders[k]
        if ngram[:-1] not in contexts or any((word,) not in words for word in ngram)
    ]
    for ngram in orphans:
        del orders[k][ngram]
    if orphans:
        repair.changes["n-grams whose words or contexts are not listed, left out"] += len(orphans)


def _write(target: Path, orders: list[dict[NGram, Logs]]) -> None:
    beside = target.with_name(target.name + ".part")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        for k, ngrams in enumerate(orders, start=1):
            file.write(f"ngram {k}={len(ngrams)}\n")
        for k, ngrams in enumerate(orders, start=1):
            file.write(f"\n\\{k}-grams:\n")
            for ngram, (prob, backoff) in ngrams.items():
                weight = f"\t{backoff:.7g}" if k < len(orders) else ""
                file.write(f"{prob:.7g}\t{' '.join(ngram)}{weight}\n")
        file.write("\n\\end\\\n")
    beside.replace(target)
