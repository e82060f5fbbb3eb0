"""Is B better than A? Two systems on the same utterances.

What is hard is hard for both, so the difference is known better than either rate: the sets that
are resampled are the same for both (Bisani & Ney 2004). `bootstrap` gives the difference its
interval, `matched_pairs` the test NIST made customary, and this module says in words what they
mean, and how small a difference the test set could have shown at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ManifestError
from anylect.evaluation.bootstrap import Interval, PairedDifference, paired_difference
from anylect.evaluation.matched_pairs import MatchedPairs, matched_pairs, segments
from anylect.evaluation.scoreboard import ScoredUtterance
from anylect.text.recipes import written_without_spaces

SIGNIFICANCE = 0.05
"""A difference is called shown when chance makes one as large less often than this."""
SHOWN_IDS = 3


@dataclass(frozen=True)
class Difference:
    """One pooled rate of two systems; `paired` is None where it cannot be tested."""

    name: str
    unit: str
    first: float | None
    second: float | None
    paired: PairedDifference | None

    @property
    def is_shown(self) -> bool:
        """Whether the difference is more than chance."""
        return self.paired is not None and self.paired.p < SIGNIFICANCE

    def to_json(self) -> dict[str, Any]:
        """Return plain values; rates and differences are fractions."""
        paired = self.paired
        interval: Interval | tuple[None, None] = paired.interval if paired else (None, None)
        return {
            "first": self.first,
            "second": self.second,
            "difference": paired.difference if paired else None,
            "low": interval[0],
            "high": interval[1],
            "p": paired.p if paired else None,
            "standard_error": paired.standard_error if paired else None,
            "smallest": paired.smallest if paired else None,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two systems did with the same utterances; `print(comparison.text())`."""

    names: tuple[str, str]
    words: Difference
    characters: Difference
    sentences: Difference
    matched: MatchedPairs
    utterances: int
    differing: int
    """Utterances in which the two hypotheses are not the same."""
    speakers: int
    blocks: int
    unit: str
    """What was resampled: `speaker`, `recording` or `utterance`."""
    replicates: int
    seed: int
    spaceless: bool
    notes: tuple[str, ...] = ()

    @property
    def leading(self) -> Difference:
        """The difference in WER; in CER where words are not written apart."""
        return self.characters if self.spaceless else self.words

    @property
    def differences(self) -> tuple[Difference, Difference, Difference]:
        """Return all of them, the leading one first."""
        if self.spaceless:
            return self.characters, self.words, self.sentences
        return self.words, self.characters, self.sentences

    @property
    def is_shown(self) -> bool:
        """Whether the leading difference is more than chance."""
        return self.leading.is_shown

    @property
    def sentence(self) -> str:
        """Say in plain words which is better, how sure that is, and what could have been seen."""
        first, second = self.names
        paired = self.leading.paired
        if not self.differing:
            return f"{first} and {second} say the same in all {self.utterances:,} utterances"
        if paired is None:
            return f"{first} and {second} cannot be compared: {self._why_not()}"
        ahead = second if paired.difference < 0 else first
        low, high = paired.interval
        if paired.difference < 0:
            low, high = -high, -low
        measured = (
            f"{100 * abs(paired.difference):.1f} points of {self.leading.name} "
            f"[{100 * low:.1f}, {100 * high:.1f}], {p_text(paired.p)}"
        )
        smallest = f"{100 * paired.smallest:.1f} points four times in five"
        if self.is_shown:
            return f"{ahead} is better by {measured}; such a test set shows a gain of {smallest}"
        return (
            f"no difference is shown: {ahead} is ahead by {measured}; such a test set would show "
            f"a gain of {smallest}"
        )

    def _why_not(self) -> str:
        return f"one {self.unit} gives no interval" if self.blocks < 2 else "no reference words"

    def text(self) -> str:
        """Lay the comparison out for a reader."""
        head = ("", *self.names, "difference", "95 % interval", "p", "can show")
        rows = [head, *(_row(each) for each in self.differences)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([self.sentence, "", *table, "", *self.facts()])

    def facts(self) -> list[str]:
        """Say what was compared and how."""
        facts = [
            f"{self.utterances:,} utterances, {self.differing:,} heard differently; "
            f"bootstrap {self.replicates} by {self.unit} ({self.blocks:,}), seed {self.seed}",
            f"matched pairs (MAPSSWE): {self.matched.segments:,} segments, "
            f"z {self.matched.z:+.2f}, {p_text(self.matched.p)}",
        ]
        return [*facts, *self._doubts(), *self.notes]

    def _doubts(self) -> list[str]:
        if self.speakers == 1:
            return ["there is one speaker: this says nothing about others"]
        if self.speakers == 0:
            return ["no speaker is known: if any speaks twice, this is surer than it should be"]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values; rates and differences are fractions."""
        return {
            "sentence": self.sentence,
            "names": list(self.names),
            "leading": self.leading.name.lower(),
            "is_shown": self.is_shown,
            "wer": self.words.to_json(),
            "cer": self.characters.to_json(),
            "ser": self.sentences.to_json(),
            "matched_pairs": {
                name: value if abs(value) != float("inf") else None
                for name, value in self.matched._asdict().items()
            },
            "utterances": self.utterances,
            "differing": self.differing,
            "speakers": self.speakers,
            "blocks": self.blocks,
            "bootstrap": {"replicates": self.replicates, "unit": self.unit, "seed": self.seed},
            "notes": self.facts()[2:],
        }


def compare(
    first: Iterable[ScoredUtterance],
    second: Iterable[ScoredUtterance],
    *,
    names: tuple[str, str] = ("A", "B"),
    language: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two systems on the same utterances, paired by their ids.

    Args:
        first: What the first system made of the test set.
        second: What the second made of the same; the order does not matter. Where no utterance
            has an id, the order pairs them.
        names: What to call the two.
        language: BCP 47 tag; in languages written without spaces the CER leads.
        replicates: How many sets the bootstrap draws.
        seed: Of the bootstrap.

    Raises:
        ManifestError: When the utterances or their references are not the same, or there are none.

    Example:
        >>> from anylect.evaluation.scoreboard import score
        >>> said = ["one two", "three four five", "six"]
        >>> a = [score(text, "one two") for text in said]
        >>> b = [score(text, text) for text in said]
        >>> found = compare(a, b, names=("deaf", "keen"))
        >>> f"{found.words.first:.0%} {found.words.second:.0%} p = {found.words.paired.p:.2f}"
        '83% 0% p = 0.19'
    """
    pairs = pair(list(first), list(second), names=names)
    labels, unit = block_labels([left for left, _ in pairs])
    table = _pool(pairs, labels)
    words, characters, sentences = (
        _difference(name, counted, table[:, 3 * column : 3 * column + 3], seed, replicates)
        for column, (name, counted) in enumerate(_RATES)
    )
    cut = (each for left, right in pairs for each in segments(left.alignment, right.alignment))
    return Comparison(
        names=names,
        words=words,
        characters=characters,
        sentences=sentences,
        matched=matched_pairs(cut),
        utterances=len(pairs),
        differing=sum(left.hypothesis != right.hypothesis for left, right in pairs),
        speakers=len({left.speaker for left, _ in pairs} - {None}),
        blocks=len(table),
        unit=unit,
        replicates=replicates,
        seed=seed,
        spaceless=written_without_spaces(language),
    )


def pair(
    first: Sequence[ScoredUtterance],
    second: Sequence[ScoredUtterance],
    *,
    names: tuple[str, str] = ("A", "B"),
) -> list[tuple[ScoredUtterance, ScoredUtterance]]:
    """Put together what both systems made of the same utterance, in the order of the first.

    Raises:
        ManifestError: When the utterances or their references are not the same, or there are none.
    """
    if not any(each.id for each in (*first, *second)):
        first, second = _numbered(first), _numbered(second)
    left, right = _by_id(first, name=names[0]), _by_id(second, name=names[1])
    _refuse_missing(left, right, names=names)
    pairs = [(each, right[each.id]) for each in first]
    changed = [a.id for a, b in pairs if a.reference.split() != b.reference.split()]
    if changed:
        raise ManifestError(
            f"{len(changed):,} of {len(pairs):,} utterances have another reference in "
            f"{names[1]} than in {names[0]} ({_shown(changed)})",
            hint="evaluate both on the same manifest, with the same normalizer",
        )
    if not pairs:
        raise ManifestError(
            f"{names[0]} and {names[1]} hold no scored utterance",
            hint="compare evaluations in which something was heard",
        )
    return pairs


def block_labels(scored: Sequence[ScoredUtterance]) -> tuple[list[str], str]:
    """Name the block each utterance is resampled with, and what blocks are.

    Speakers where at least two are known; utterances of unknown speakers go by recording, and
    by themselves where that is unknown too. With one speaker or none, recordings are drawn.
    """
    speakers = {each.speaker for each in scored} - {None}
    by_speaker = len(speakers) > 1
    labels = [
        f"speaker {each.speaker}"
        if by_speaker and each.speaker is not None
        else f"recording {each.recording}"
        if each.recording is not None
        else f"utterance {number}"
        for number, each in enumerate(scored)
    ]
    if by_speaker:
        return labels, "speaker"
    return labels, "utterance" if len(set(labels)) == len(labels) else "recording"


def p_text(p: float) -> str:
    """Say a p-value with as many digits as one may believe.

    Example:
        >>> p_text(0.2345), p_text(0.0123), p_text(0.0002)
        ('p = 0.23', 'p = 0.012', 'p < 0.002')
    """
    if p < 0.002:
        return "p < 0.002"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


_RATES = (("WER", "words"), ("CER", "characters"), ("SER", "utterances"))


def _pool(
    pairs: Sequence[tuple[ScoredUtterance, ScoredUtterance]], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Sum up each block: errors of the first and the second and the length, for three rates."""
    blocks: dict[str, NDArray[np.int64]] = {}
    for (left, right), label in zip(pairs, labels, strict=True):
        row = np.array(
            (
                *(left.words.errors, right.words.errors, left.words.length),
                *(left.characters.errors, right.characters.errors, left.characters.length),
                *(left.words.errors > 0, right.words.errors > 0, 1),
            ),
            dtype=np.int64,
        )
        blocks[label] = blocks[label] + row if label in blocks else row
    return np.array(list(blocks.values()))


def _difference(
    name: str, unit: str, table: NDArray[np.int64], seed: int, replicates: int
) -> Difference:
    first, second, length = (int(total) for total in table.sum(axis=0))
    return Difference(
        name,
        unit,
        first / length if length else None,
        second / length if length else None,
        paired_difference(table[:, :2], table[:, 2], replicates=replicates, seed=seed),
    )


def _numbered(scored: Sequence[ScoredUtterance]) -> list[ScoredUtterance]:
    return [replace(each, id=f"#{number}") for number, each in enumerate(scored, start=1)]


def _by_id(scored: Sequence[ScoredUtterance], *, name: str) -> dict[str, ScoredUtterance]:
    found = {each.id: each for each in scored}
    if len(found) < len(scored):
        repeated = [each.id for each in scored if found[each.id] is not each]
        raise ManifestError(
            f"{name}: {len(repeated):,} utterances share the id of another ({_shown(repeated)})",
            hint="every utterance needs an id of its own; evaluate again",
        )
    return found


def _refuse_missing(
    left: Mapping[str, ScoredUtterance],
    right: Mapping[str, ScoredUtterance],
    *,
    names: tuple[str, str],
) -> None:
    lacks = [
        f"{len(missing):,} of {len(there):,} utterances of {has} are missing in {lacking} "
        f"({_shown(missing)})"
        for there, here, has, lacking in (
            (left, right, names[0], names[1]),
            (right, left, names[1], names[0]),
        )
        if (missing := [name for name in there if name not in here])
    ]
    if lacks:
        raise ManifestError(
            "; ".join(lacks),
            hint="evaluate both on the same manifest and split; what was unreadable counts as "
            "missing",
        )


def _shown(ids: Sequence[str]) -> str:
    shown = ", ".join(f"`{each}`" for each in ids[:SHOWN_IDS])
    return f"{shown}, …" if len(ids) > SHOWN_IDS else shown


def _row(difference: Difference) -> tuple[str, ...]:
    rates = [
        "undefined" if rate is None else f"{100 * rate:.1f} %"
        for rate in (difference.first, difference.second)
    ]
    paired = difference.paired
    if paired is None:
        return (difference.name, *rates, "", "[no interval]", "", "")
    low, high = paired.interval
    return (
        difference.name,
        *rates,
        f"{100 * paired.difference:+.1f}",
        f"[{100 * low:+.1f}, {100 * high:+.1f}]",
        p_text(paired.p),
        f"{100 * paired.smallest:.1f}",
    )
