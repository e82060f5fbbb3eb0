"""What a manifest consists of, for the data statement of a model card.

Read while training, so that nobody has to type it: hours, speakers and sentences of every split,
who speaks as far as the corpus says, licences, and what stands on two sides.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from anylect.data.leaks import LeakFinder
from anylect.records import Utterance

TRAITS = ("gender", "age", "accent", "dialect")
_MOST = 8
"""Values of a trait that are named; the others are counted together."""


def describe_data(
    utterances: Iterable[Utterance], normalize: Callable[[str], str]
) -> dict[str, Any]:
    """Count what a manifest holds, split by split, and what of it leaks.

    Args:
        utterances: All of a manifest, read once.
        normalize: What makes sentences comparable.

    Returns:
        Plain values: `splits` by name, `leaks` with a text each, empty where there is none.
    """
    splits: dict[str, _Split] = {}
    finder = LeakFinder()
    for utterance in utterances:
        side = utterance.split or "none"
        splits.setdefault(side, _Split()).add(utterance)
        finder.add(side, speaker=utterance.speaker, sentence=normalize(utterance.text))
    leaks = [
        {
            "kind": leak.kind,
            "left": leak.left,
            "right": leak.right,
            "distinct": leak.distinct,
            "utterances": leak.utterances,
            "share": leak.share,
        }
        for leak in finder.leaks()
    ]
    facts = {
        side: split.facts(
            speakers=finder.distinct(side, "speaker"), sentences=finder.distinct(side, "sentence")
        )
        for side, split in splits.items()
    }
    return {"splits": facts, "leaks": leaks}


class _Split:
    def __init__(self) -> None:
        self.utterances = self.untimed = 0
        self.seconds = 0.0
        self.counts: dict[str, Counter[str]] = {}

    def add(self, utterance: Utterance) -> None:
        self.utterances += 1
        self.seconds += utterance.duration or 0.0
        self.untimed += utterance.duration is None
        known = {**utterance.extra, "language": utterance.language, "corpus": utterance.corpus}
        known.setdefault("accent", known.get("accents"))
        known.setdefault("license", known.get("licence"))
        for name in (*TRAITS, "language", "corpus", "license"):
            if isinstance(known.get(name), str) and known[name]:
                self.counts.setdefault(name, Counter())[known[name]] += 1

    def facts(self, *, speakers: int, sentences: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "utterances": self.utterances,
            "hours": round(self.seconds / 3600, 3),
            "speakers": speakers,
            "sentences": sentences,
        }
        if self.untimed:
            found["without_duration"] = self.untimed
        for name, counts in self.counts.items():
            named = dict(counts.most_common(_MOST))
            rest = sum(counts.values()) - sum(named.values())
            found[name] = named | ({"others": rest} if rest else {})
        return found
