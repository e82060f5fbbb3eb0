"""Who or what stands on two sides, where a score would flatter.

Looks at finished splits, a corpus's own or ours, also across manifests. A leak is no error:
prompts of a crowd corpus repeat by design. It is a number to print beside the WER.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylect.data.splits import text_key
from anylect.records import Utterance

_RANK = {"train": 0, "dev": 1, "test": 2}
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """Speakers or sentences that stand on two sides; `right` is the side to be judged.

    `distinct` counts speakers or sentences, `utterances` those of the right side they touch.
    """

    kind: Literal["speaker", "sentence"]
    left: str
    right: str
    distinct: int
    utterances: int
    share: float
    examples: tuple[str, ...]

    def __str__(self) -> str:
        kind = self.kind if self.distinct == 1 else f"{self.kind}s"
        touched = "utterance" if self.utterances == 1 else "utterances"
        return (
            f"{self.distinct:,} {kind} of {self.left} also in {self.right}: "
            f"{self.utterances:,} {touched}, {100 * self.share:.1f} % of {self.right}, "
            f"e.g. {', '.join(repr(example) for example in self.examples)}"
        )


def find_leaks(
    sides: Mapping[str, Iterable[Utterance]], *, normalize: Callable[[str], str]
) -> list[Leak]:
    """Compare every pair of sides, such as the splits of one manifest or several manifests.

    Args:
        sides: Utterances by the name of their side.
        normalize: Applied to transcripts, so that writing alone does not tell sentences apart.

    Example:
        >>> from pathlib import Path
        >>> one = Utterance(audio=Path("1.wav"), text="Yes!", id="1", speaker="a")
        >>> two = Utterance(audio=Path("2.wav"), text="yes", id="2", speaker="b")
        >>> sides = {"train": [one], "test": [two]}
        >>> print(*find_leaks(sides, normalize=lambda text: text[:3].lower()))
        1 sentence of train also in test: 1 utterance, 100.0 % of test, e.g. 'yes'
    """
    finder = LeakFinder()
    for side, utterances in sides.items():
        for utterance in utterances:
            finder.add(side, speaker=utterance.speaker, sentence=normalize(utterance.text))
    return finder.leaks()


class LeakFinder:
    """Collects who says what on which side, in 16 bytes per utterance of train."""

    def __init__(self) -> None:
        self._sides: dict[str, _Side] = {}

    def add(self, side: str, *, speaker: str | None, sentence: str) -> None:
        """Enter an utterance; `sentence` is normalised."""
        here = self._sides.setdefault(side, _Side())
        # A leak always shows on the judged side: train's names need not be remembered.
        here.add(speaker, sentence, named=side != "train")

    def leaks(self) -> list[Leak]:
        """Return what stands on two sides, the least forgivable first."""
        names = sorted(self._sides, key=lambda name: _RANK.get(name, 0))
        found = [
            leak
            for left, right in combinations(names, 2)
            for kind in ("speaker", "sentence")
            if (leak := self._compare(kind, left, right))
        ]
        return sorted(found, key=lambda leak: (-_RANK.get(leak.right, 0), -leak.share))

    def distinct(self, side: str, kind: Literal["speaker", "sentence"]) -> int:
        """Count the speakers or sentences of a side, those nobody knows left out."""
        return int(np.count_nonzero(np.unique(self._sides[side].keys(kind))))

    def _compare(self, kind: Literal["speaker", "sentence"], left: str, right: str) -> Leak | None:
        there, here = self._sides[left].keys(kind), self._sides[right].keys(kind)
        shared = np.intersect1d(there[there > 0], here)
        if not len(shared):
            return None
        touched = int(np.isin(here, shared).sum())
        names = self._sides[right].names
        examples = sorted(names[key] for key in shared.tolist() if key in names)[:_EXAMPLES]
        return Leak(kind, left, right, len(shared), touched, touched / len(here), tuple(examples))


@dataclass(slots=True)
class _Side:
    speakers: "array[int]" = field(default_factory=lambda: array("Q"))
    sentences: "array[int]" = field(default_factory=lambda: array("Q"))
    names: dict[int, str] = field(default_factory=dict)

    def add(self, speaker: str | None, sentence: str, *, named: bool) -> None:
        voice, words = text_key(speaker), text_key(sentence)
        self.speakers.append(voice)
        self.sentences.append(words)
        if named:
            self.names[voice] = speaker or ""
            self.names[words] = sentence

    def keys(self, kind: str) -> NDArray[np.uint64]:
        return np.array(self.speakers if kind == "speaker" else self.sentences, dtype=np.uint64)
