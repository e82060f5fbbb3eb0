"""Where the errors are: by speaker, by duration, and what is taken for what.

Beside the `Scoreboard`, fed with the same utterances. Memory follows the number of speakers and
the number of confusions kept, not the number of utterances.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from anylect.evaluation.error_rate import Edit, ErrorCounts, align
from anylect.evaluation.scoreboard import ScoredUtterance

K = TypeVar("K")

DURATION_EDGES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds at which a new duration bucket begins."""


class Confusion(NamedTuple):
    """`reference` was heard as `hypothesis`; None on one side is an insertion or a deletion."""

    reference: str | None
    hypothesis: str | None
    times: int


class CommonestConfusions:
    """Counts confusions in bounded memory, so that the common ones are never lost.

    Twice `capacity` different ones are held at most; then the count of the one just beyond the
    `capacity` commonest is subtracted from all, and what falls to zero is forgotten (Misra &
    Gries 1982; in batches as by Agarwal et al. 2012). No count is ever too high; the most any
    can be too low is `undercount`, which is at most all confusions / (`capacity` + 1) and zero
    as long as nothing was forgotten.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        self.capacity = capacity
        self.undercount = 0
        self._counts: Counter[tuple[str | None, str | None]] = Counter()

    def add(self, alignment: Iterable[Edit]) -> None:
        """Count the errors of an alignment."""
        for kind, reference, hypothesis in alignment:
            if kind != "=":
                self._counts[reference, hypothesis] += 1
        if len(self._counts) > 2 * self.capacity:
            self._forget()

    def commonest(self, number: int) -> list[Confusion]:
        """Return the commonest, highest count first; equal counts in the order of their texts."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], _sort_key(item[0])))
        return [Confusion(*pair, count) for pair, count in ranked[:number]]

    def _forget(self) -> None:
        beyond = sorted(self._counts.values(), reverse=True)[self.capacity]
        kept = {pair: count - beyond for pair, count in self._counts.items() if count > beyond}
        self._counts = Counter(kept)
        self.undercount += beyond


@dataclass(frozen=True)
class Group:
    """Utterances that share something, and their word errors."""

    name: str
    utterances: int
    words: ErrorCounts


class Breakdown:
    """Collects, one utterance at a time, where the errors are.

    Example:
        >>> from anylect.evaluation.scoreboard import score
        >>> breakdown = Breakdown()
        >>> breakdown.append(score("the cat sat", "the hat sat"))
        >>> breakdown.words.commonest(1)
        [Confusion(reference='cat', hypothesis='hat', times=1)]
        >>> breakdown.characters.commonest(1)
        [Confusion(reference='c', hypothesis='h', times=1)]
    """

    def __init__(
        self, *, capacity: int = 20_000, duration_edges: Sequence[float] = DURATION_EDGES
    ) -> None:
        self.words = CommonestConfusions(capacity)
        self.characters = CommonestConfusions(capacity)
        self._edges = tuple(duration_edges)
        self._speakers: defaultdict[str, Group] = defaultdict(_empty)
        self._durations: defaultdict[int, Group] = defaultdict(_empty)

    def append(self, scored: ScoredUtterance) -> None:
        """Add one utterance."""
        if scored.words.errors:
            self.words.add(scored.alignment)
            self.characters.add(align(scored.reference, scored.hypothesis))
        if scored.speaker is not None:
            _grow(self._speakers, scored.speaker, name=scored.speaker, words=scored.words)
        if scored.duration is not None:
            bucket = bisect_right(self._edges, scored.duration)
            _grow(self._durations, bucket, name=self._bucket_name(bucket), words=scored.words)

    def speakers(self) -> list[Group]:
        """Return the known speakers, worst first."""
        return sorted(self._speakers.values(), key=lambda group: (-group.words.rate, group.name))

    def durations(self) -> list[Group]:
        """Return the duration buckets that have utterances, shortest first."""
        return [self._durations[bucket] for bucket in sorted(self._durations)]

    def text(self, *, number: int = 10) -> str:
        """Lay out the worst and best speakers, the durations and the commonest confusions."""
        speakers = self.speakers()
        worst = speakers[:number]
        best = speakers[max(len(worst), len(speakers) - number) :]
        sections = [
            _section("WER of the worst speakers" if best else "WER by speaker", worst),
            _section("WER of the best speakers", best),
            _section("WER by duration", self.durations()),
            _confusions("Words", self.words, number),
            _confusions("Characters", self.characters, number),
        ]
        return "\n\n".join(section for section in sections if section)

    def to_json(self, *, number: int = 100) -> dict[str, Any]:
        """Return all groups and the commonest confusions as plain values."""
        return {
            "speakers": [_group_json(group) for group in self.speakers()],
            "durations": [_group_json(group) for group in self.durations()],
            "words": _confusions_json(self.words, number),
            "characters": _confusions_json(self.characters, number),
        }

    def _bucket_name(self, bucket: int) -> str:
        if bucket == 0:
            return f"under {self._edges[0]:g} s" if self._edges else "any"
        if bucket == len(self._edges):
            return f"from {self._edges[-1]:g} s"
        return f"{self._edges[bucket - 1]:g} to {self._edges[bucket]:g} s"


def _empty() -> Group:
    return Group("", 0, ErrorCounts())


def _grow(groups: defaultdict[K, Group], key: K, *, name: str, words: ErrorCounts) -> None:
    group = groups[key]
    groups[key] = Group(name, group.utterances + 1, group.words + words)


def _sort_key(pair: tuple[str | None, str | None]) -> tuple[str, str]:
    return pair[0] or "", pair[1] or ""


def _section(title: str, groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    width = max(len(group.name) for group in groups)
    lines = [
        f"  {group.name.ljust(width)}  {_percent(group.words)}  "
        f"{group.words.length:,} words in {group.utterances:,} utterances"
        for group in groups
    ]
    return "\n".join([title, *lines])


def _percent(counts: ErrorCounts) -> str:
    return f"{100 * counts.rate:5.1f} %" if counts.length else "no words"


def _confusions(what: str, confusions: CommonestConfusions, number: int) -> str:
    commonest = confusions.commonest(number)
    if not commonest:
        return ""
    title = f"{what} most often confused (reference → hypothesis)"
    if confusions.undercount:
        title += f", counts up to {confusions.undercount:,} too low"
    lines = [
        f"  {confusion.times:,} × {_shown(confusion.reference)} → {_shown(confusion.hypothesis)}"
        for confusion in commonest
    ]
    return "\n".join([title, *lines])


def _shown(token: str | None) -> str:
    if token is None:
        return "∅"
    return "␣" if token == " " else token


def _group_json(group: Group) -> dict[str, Any]:
    words = group.words
    return {
        "name": group.name,
        "utterances": group.utterances,
        "words": words.length,
        "errors": words.errors,
        "wer": words.rate if words.length else None,
    }


def _confusions_json(confusions: CommonestConfusions, number: int) -> dict[str, Any]:
    return {
        "undercount": confusions.undercount,
        "commonest": [confusion._asdict() for confusion in confusions.commonest(number)],
    }
