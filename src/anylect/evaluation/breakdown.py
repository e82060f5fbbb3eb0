"""Where the errors are: by speaker, duration, accent and more, and what is taken for what.

Beside the `Scoreboard`, fed with the same utterances. Memory follows the number of confusions
kept and of groups; where a group has one speaker or none, 24 bytes an utterance are kept too.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from anylect.evaluation.bootstrap import Interval, intervals
from anylect.evaluation.error_rate import Edit, ErrorCounts, align
from anylect.evaluation.scoreboard import TRAITS, Scoreboard, ScoredUtterance

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
    """Utterances that share something, pooled."""

    name: str
    board: Scoreboard

    @property
    def utterances(self) -> int:
        """How many there are."""
        return self.board.utterances

    @property
    def words(self) -> ErrorCounts:
        """Their word errors."""
        return self.board.words

    @property
    def characters(self) -> ErrorCounts:
        """Their character errors."""
        return self.board.characters

    def intervals(self, *, replicates: int = 1000, seed: int = 0) -> list[Interval | None]:
        """Give their WER, CER and SER 95 % intervals."""
        blocks = self.board.blocks()
        return intervals(blocks[:, :3], blocks[:, 3:], replicates=replicates, seed=seed)


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
        self,
        *,
        capacity: int = 20_000,
        duration_edges: Sequence[float] = DURATION_EDGES,
        spaceless: bool = False,
    ) -> None:
        self.words = CommonestConfusions(capacity)
        self.characters = CommonestConfusions(capacity)
        self.spaceless = spaceless
        """Whether the CER ranks the groups, for words are not written apart."""
        self._edges = tuple(duration_edges)
        self._speakers: defaultdict[str, Scoreboard] = defaultdict(Scoreboard)
        self._durations: defaultdict[int, Scoreboard] = defaultdict(Scoreboard)
        self._traits: dict[str, defaultdict[str, Scoreboard]] = {
            trait: defaultdict(Scoreboard) for trait in TRAITS
        }

    def append(self, scored: ScoredUtterance) -> None:
        """Add one utterance."""
        if scored.words.errors:
            self.words.add(scored.alignment)
            self.characters.add(align(scored.reference, scored.hypothesis))
        if scored.speaker is not None:
            self._speakers[scored.speaker].append(scored)
        if scored.duration is not None:
            self._durations[bisect_right(self._edges, scored.duration)].append(scored)
        for trait, value in scored.traits.items():
            if trait in self._traits:
                self._traits[trait][value].append(scored)

    def rate(self, group: Group) -> ErrorCounts:
        """Return the counts that rank a group: by word, or by character where that leads."""
        return group.characters if self.spaceless else group.words

    def speakers(self) -> list[Group]:
        """Return the known speakers, worst first."""
        return self._ranked(self._speakers)

    def durations(self) -> list[Group]:
        """Return the duration buckets that have utterances, shortest first."""
        return [Group(self._bucket_name(at), self._durations[at]) for at in sorted(self._durations)]

    def traits(self) -> dict[str, list[Group]]:
        """Return the groups by accent, gender and so on, worst first, where there are several."""
        return {
            trait: self._ranked(groups) for trait, groups in self._traits.items() if len(groups) > 1
        }

    def kinds(self) -> dict[str, list[Group]]:
        """Return all groups by what they share."""
        found = {"speaker": self.speakers(), "duration": self.durations(), **self.traits()}
        return {kind: groups for kind, groups in found.items() if groups}

    def _ranked(self, groups: Mapping[str, Scoreboard]) -> list[Group]:
        found = [Group(name, board) for name, board in groups.items()]
        return sorted(found, key=lambda group: (-self.rate(group).rate, group.name))

    def text(self, *, number: int = 10) -> str:
        """Lay out the worst and best speakers, the durations and the commonest confusions."""
        speakers = self.speakers()
        worst = speakers[:number]
        best = speakers[max(len(worst), len(speakers) - number) :]
        sections = [
            self._section("of the worst speakers" if best else "by speaker", worst),
            self._section("of the best speakers", best),
            self._section("by duration", self.durations()),
            *(
                self._section(f"by {trait}", groups[:number])
                for trait, groups in self.traits().items()
            ),
            _confusions("Words", self.words, number),
            _confusions("Characters", self.characters, number),
        ]
        return "\n\n".join(section for section in sections if section)

    def to_json(self, *, number: int = 100) -> dict[str, Any]:
        """Return all groups and the commonest confusions as plain values."""
        return {
            "speakers": [_group_json(group) for group in self.speakers()],
            "durations": [_group_json(group) for group in self.durations()],
            **{
                trait: [_group_json(group) for group in groups]
                for trait, groups in self.traits().items()
            },
            "words": _confusions_json(self.words, number),
            "characters": _confusions_json(self.characters, number),
        }

    def _section(self, which: str, groups: Sequence[Group]) -> str:
        if not groups:
            return ""
        width = max(len(group.name) for group in groups)
        unit = "characters" if self.spaceless else "words"
        lines = [
            f"  {group.name.ljust(width)}  {_percent(self.rate(group))}  "
            f"{self.rate(group).length:,} {unit} in {group.utterances:,} utterances"
            for group in groups
        ]
        return "\n".join([f"{'CER' if self.spaceless else 'WER'} {which}", *lines])

    def _bucket_name(self, bucket: int) -> str:
        if bucket == 0:
            return f"under {self._edges[0]:g} s" if self._edges else "any"
        if bucket == len(self._edges):
            return f"from {self._edges[-1]:g} s"
        return f"{self._edges[bucket - 1]:g} to {self._edges[bucket]:g} s"


def _sort_key(pair: tuple[str | None, str | None]) -> tuple[str, str]:
    return pair[0] or "", pair[1] or ""


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
        "cer": group.characters.rate if group.characters.length else None,
    }


def _confusions_json(confusions: CommonestConfusions, number: int) -> dict[str, Any]:
    return {
        "undercount": confusions.undercount,
        "commonest": [confusion._asdict() for confusion in confusions.commonest(number)],
    }
