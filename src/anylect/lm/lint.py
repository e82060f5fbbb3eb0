"""Is this language model sound, and does it fit this recogniser?

A broken model loads without complaint and quietly costs words. The commonest damage comes from
a tutorial: text on one long line leaves `</s>` out, and it is patched in with probability one,
so that every word may end a sentence for free. Each finding says what is wrong, on which line
where the file has lines, and what to do; `repair` mends what can be mended.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anylect.errors import LanguageModelError
from anylect.lm.arpa import load_text
from anylect.lm.backoffs import context_sums, unigram_sum
from anylect.lm.kenlm_binary import load_model, load_tables
from anylect.lm.kenlm_header import is_kenlm_binary
from anylect.lm.ngram import NGramModel, unigram_log_prob
from anylect.lm.tables import NGramTables
from anylect.lm.words import SPECIAL

_TOLERANCE = 1e-3
_CERTAIN = -1e-3
"""A natural log-probability above this is as good as certainty."""
_EXAMPLES = 5
_OTHER_NORMALIZER = 0.01
"""Share of words a normalizer may change before the model counts as built with another."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a language model."""

    code: str
    message: str
    hint: str
    line: int | None = None
    is_repairable: bool = False
    is_error: bool = True
    """False for what may be meant: a word that the recogniser can never spell does no harm."""


def lint_model(
    path: Path,
    *,
    characters: Collection[str] | None = None,
    normalize: Callable[[str], str] | None = None,
) -> list[Finding]:
    """Look for what is wrong with a model.

    Args:
        path: An ARPA file or a KenLM binary.
        characters: What the recogniser can spell, the space not among them.
        normalize: The recogniser's normalizer.

    Returns:
        Findings, the gravest first; none for a sound model.
    """
    lines = {} if is_kenlm_binary(path) else _unigram_lines(path)
    findings = _doubled_marks(lines)
    try:
        model = load_model(path)
    except LanguageModelError as error:
        return [*findings, _unreadable(error, has_lines=bool(lines))]
    first = {word: places[0] for word, places in lines.items()}
    findings += _missing_marks(model, first)
    findings += _certain_end(model, first.get("</s>"))
    findings += _wrong_sums(path, model)
    if model.listed_words is not None:
        words = [word for word in model.listed_words if word not in (*SPECIAL, "<UNK>")]
        findings += lint_words(words, lines=first, characters=characters, normalize=normalize)
    return sorted(findings, key=lambda finding: not finding.is_error)


def lint_words(
    words: list[str],
    *,
    lines: Mapping[str, int] | None = None,
    characters: Collection[str] | None = None,
    normalize: Callable[[str], str] | None = None,
) -> list[Finding]:
    """Look for words of a model that the recogniser can never say.

    Args:
        words: Without sentence marks.
        lines: Where each stands, for what is said of them.
        characters: What the recogniser can spell, the space not among them.
        normalize: The recogniser's normalizer.
    """
    findings = []
    if characters is not None:
        findings += _unspellable(words, lines or {}, set(characters))
    if normalize is not None:
        findings += _other_normalizer(words, lines or {}, normalize)
    return findings


def _unigram_lines(path: Path) -> dict[str, list[int]]:
    """Return on which lines an ARPA file lists each word."""
    text = load_text(path).tobytes()
    start = text.find(b"\\1-grams:")
    if start < 0:
        return {}
    stop = re.compile(rb"^\\(2-grams:|end\\)", re.MULTILINE).search(text, start)
    section = text[start : stop.start() if stop else len(text)].decode(errors="replace")
    number = text.count(b"\n", 0, start)
    found: dict[str, list[int]] = {}
    for line in section.split("\n"):
        number += 1
        fields = line.split()
        if len(fields) > 1:
            found.setdefault(fields[1], []).append(number)
    return found


def _unreadable(error: LanguageModelError, *, has_lines: bool) -> Finding:
    line = re.search(r":(\d+): ", error.message)
    return Finding(
        "unreadable",
        error.message,
        error.hint or "build the model anew",
        line=int(line[1]) if line else None,
        is_repairable=has_lines,
    )


def _doubled_marks(lines: dict[str, list[int]]) -> list[Finding]:
    return [
        Finding(
            "doubled-word",
            f"`{word}` is listed {len(places)} times among the unigrams",
            "`--repair` keeps the first",
            line=places[1],
            is_repairable=True,
        )
        for word, places in lines.items()
        if len(places) > 1
    ]


def _missing_marks(model: NGramModel, lines: dict[str, int]) -> list[Finding]:
    begin, end = model.ids(["<s>", "</s>"])
    missing = [mark for mark, number in (("<s>", begin), ("</s>", end)) if not number]
    if lines and not {"<unk>", "<UNK>"} & set(lines):
        missing.append("<unk>")
    return [
        Finding(
            "missing-mark",
            f"`{mark}` is not in the model",
            "estimate it from text with one sentence per line, or add the mark with `--repair`",
            is_repairable=bool(lines),
        )
        for mark in missing
    ]


def _certain_end(model: NGramModel, line: int | None) -> list[Finding]:
    if not model.end_word or unigram_log_prob(model.kernel, model.end_word) < _CERTAIN:
        return []
    return [
        Finding(
            "certain-end",
            "P(</s>) is 1: a sentence may end anywhere for free",
            "it was patched in by hand; build the model from text with one sentence per line, "
            "or let `--repair` give it a usual probability",
            line=line,
            is_repairable=line is not None,
        )
    ]


def _wrong_sums(path: Path, model: NGramModel) -> list[Finding]:
    try:
        tables = load_tables(path)
    except LanguageModelError:
        total = sum(np.exp(unigram_log_prob(model.kernel, word)) for word in range(len(model)))
        begin = int(model.ids(["<s>"])[0])
        total -= np.exp(unigram_log_prob(model.kernel, begin)) if begin else 0.0
        return _sum_finding(1, 1, float(total), "") if abs(total - 1) > _TOLERANCE else []
    total = unigram_sum(tables)
    if abs(total - 1) > _TOLERANCE:
        return _sum_finding(1, 1, total, "")
    wrong, seen, example = 0, 0, ""
    worst = 1.0
    for order, start, sums in context_sums(tables):
        off = np.flatnonzero(~(np.abs(sums - 1) <= _TOLERANCE))
        wrong, seen = wrong + len(off), seen + len(sums)
        if len(off) and not example:
            example = _spell(tables, order, start + int(off[0]))
            worst = float(sums[off[0]])
    return _sum_finding(wrong, seen, worst, example) if wrong else []


def _spell(tables: NGramTables, order: int, entry: int) -> str:
    row = tables.rows(order, entry, entry + 1)[0]
    return " ".join(tables.words[int(word)] for word in row)


def _sum_finding(wrong: int, seen: int, total: float, example: str) -> list[Finding]:
    place = f"after `{example}`" if example else "of single words"
    return [
        Finding(
            "wrong-sum",
            f"probabilities {place} sum to {total:.4f}, not 1 ({wrong:,} of {seen:,} contexts)",
            "build the model anew; it was pruned, mixed or edited by something that left "
            "backoffs as they were",
        )
    ]


def _unspellable(words: list[str], lines: Mapping[str, int], characters: set[str]) -> list[Finding]:
    stray = [word for word in words if not set(word) <= characters]
    if not stray:
        return []
    cased = [w for w in stray if set(w.lower()) <= characters or set(w.upper()) <= characters]
    findings = []
    if cased:
        findings.append(
            Finding(
                "casing",
                f"{_count(cased, words)} could be spelled in the other case: {_show(cased)}",
                "build the model with the recogniser's normalizer",
                line=lines.get(cased[0]),
            )
        )
    strange = Counter(letter for word in stray for letter in set(word) - characters)
    letters = " ".join(f"`{letter}`" for letter, _ in strange.most_common(10))
    findings.append(
        Finding(
            "unspellable",
            f"{_count(stray, words)} cannot be spelled by the recogniser: {_show(stray)} "
            f"(no token for {letters})",
            "harmless when they are few; otherwise the normalizer or the vocabulary is another",
            line=lines.get(stray[0]),
            is_error=len(stray) > 0.5 * len(words),
        )
    )
    return findings


def _other_normalizer(
    words: list[str], lines: Mapping[str, int], normalize: Callable[[str], str]
) -> list[Finding]:
    changed = [word for word in words if normalize(word) != word]
    if len(changed) <= _OTHER_NORMALIZER * len(words):
        return []
    return [
        Finding(
            "normalizer",
            f"{_count(changed, words)} change under the recogniser's normalizer: {_show(changed)}",
            "build the model anew with `--normalizer`; words it spells otherwise are never found",
            line=lines.get(changed[0]),
        )
    ]


def _count(some: list[str], words: list[str]) -> str:
    return f"{len(some):,} of {len(words):,} words"


def _show(words: list[str]) -> str:
    more = ", …" if len(words) > _EXAMPLES else ""
    return ", ".join(f"`{word}`" for word in words[:_EXAMPLES]) + more
