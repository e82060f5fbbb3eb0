"""Train, dev and test such that no speaker and no sentence stands on two sides.

Stands between filters and manifest. Speakers and sentences form groups: whoever reads the same
sentence belongs together, and whatever the same speaker reads. Whole groups go to one side.
Where everybody reads the same prompts, all is one group; then speakers are kept apart, since
a recogniser that knows the voice is the worse illusion, and the repeated sentences are counted.
"""

import hashlib
from array import array
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ConfigError

SPLITS = ("train", "dev", "test")
TRAIN, DEV, TEST, NOWHERE = range(4)
_NAMES = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_ROOM = 1.25
"""A side may outgrow its share by this factor, so that groups of different sizes fit."""


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How a corpus is divided."""

    keep: bool = True
    """Keep the corpus's own splits where it has any."""
    dev_share: float = 0.1
    """Of all speech, in seconds; 0 for none."""
    test_share: float = 0.1
    """Of all speech, in seconds; 0 for none."""
    repeats: Literal["keep", "drop"] = "keep"
    """Dev and test utterances whose sentence stands in train, too, where that cannot be helped."""
    seed: int = 0
    """Another one draws other speakers."""

    def __post_init__(self) -> None:
        if not (self.dev_share >= 0 and self.test_share >= 0):
            raise ConfigError(
                f"`dev_share` is {self.dev_share}, `test_share` {self.test_share}",
                hint="give 0.0 or more, e.g. 0.1 for a tenth",
            )
        if self.dev_share + self.test_share > 0.5:
            raise ConfigError(
                f"`dev_share` {self.dev_share} and `test_share` {self.test_share} take more than "
                "half of the speech",
                hint="shares are fractions, e.g. 0.1 for a tenth; leave half for training",
            )


def find_split(name: str | None) -> str | None:
    """Return `train`, `dev` or `test` for what corpora call so; other names stay as they are.

    Example:
        >>> find_split("Validation"), find_split("eval"), find_split("other"), find_split("")
        ('dev', 'test', 'other', None)
    """
    return _NAMES.get(name.strip().lower(), name) if name and name.strip() else None


def text_key(text: str | None) -> int:
    """Return a number equal for equal texts, the same on every machine; 0 for None or empty."""
    if not text:
        return 0
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


class Roll:
    """Who says what for how long, in 24 bytes per utterance: splits look at nothing else."""

    def __init__(self) -> None:
        self._speakers = array("Q")
        self._sentences = array("Q")
        self._durations = array("d")

    def add(self, *, speaker: str | None, sentence: str, duration: float) -> None:
        """Enter an utterance; `sentence` is normalised, None is a speaker nobody knows."""
        self._speakers.append(text_key(speaker))
        self._sentences.append(text_key(sentence))
        self._durations.append(duration)

    def __len__(self) -> int:
        return len(self._speakers)

    @property
    def speakers(self) -> NDArray[np.uint64]:
        """(N,) keys; 0 where the speaker is unknown."""
        return np.array(self._speakers, dtype=np.uint64)

    @property
    def sentences(self) -> NDArray[np.uint64]:
        """(N,) keys."""
        return np.array(self._sentences, dtype=np.uint64)

    @property
    def durations(self) -> NDArray[np.float64]:
        """(N,) seconds."""
        return np.array(self._durations, dtype=np.float64)


@dataclass(frozen=True)
class SplitPlan:
    """Which side every utterance stands on.

    `sides` is (N,): `TRAIN`, `DEV`, `TEST`, or `NOWHERE` for what must be dropped to keep the
    promise. `basis` says which promise that is; `notes` say it in words, with numbers.
    """

    sides: NDArray[np.uint8]
    basis: Literal["speakers and sentences", "speakers", "sentences", "nothing"]
    notes: tuple[str, ...] = ()


def plan_splits(roll: Roll, options: SplitOptions) -> SplitPlan:
    """Divide a corpus; the order of the utterances does not matter.

    Groups are drawn in an order that follows from the seed and their members' names, until a
    side has its share of the seconds. If groups are too large for that, speakers are drawn
    (from three on), else sentences.

    Example:
        >>> roll = Roll()
        >>> for speaker in "abcdefghij":
        ...     roll.add(speaker=speaker, sentence=f"sentence of {speaker}", duration=2.0)
        >>> plan = plan_splits(roll, SplitOptions())
        >>> plan.basis, sorted(plan.sides.tolist())
        ('speakers and sentences', [0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
    """
    speakers, sentences, durations = roll.speakers, roll.sentences, roll.durations
    by_group = _draw(_groups(speakers, sentences), durations, options)
    if by_group is not None:
        notes = () if speakers.all() else _unknown_speakers(speakers)
        return SplitPlan(
            by_group, "speakers and sentences" if speakers.any() else "sentences", notes
        )
    # An utterance of a speaker nobody knows stands with others of the same sentence only.
    voices = np.where(speakers > 0, speakers, sentences)
    if len(np.unique(speakers[speakers > 0])) >= 3:
        sides = _draw(voices, durations, options, strict=False)
        if sides is not None:
            return _admit_repeats(sides, sentences, options)
    sides = _draw(sentences, durations, options, strict=False)
    if sides is not None:
        note = (
            "split by sentence only: with fewer than three speakers none can be kept apart, "
            "so scores are for known voices"
        )
        return SplitPlan(sides, "sentences", (note,))
    note = "all utterances went to train: speakers and sentences are too few to split"
    return SplitPlan(np.zeros(len(roll), np.uint8), "nothing", (note,))


def join_training(roll: Roll, given: NDArray[np.uint8]) -> SplitPlan:
    """Put what a corpus left unassigned into train, unless dev or test already knows it.

    Args:
        roll: All utterances.
        given: (N,) sides, `NOWHERE` for the unassigned.
    """
    free = given == NOWHERE
    judged = (given == DEV) | (given == TEST)
    speakers, sentences = roll.speakers, roll.sentences
    known = np.isin(sentences, sentences[judged])
    known |= (speakers > 0) & np.isin(speakers, speakers[judged])
    sides = given.copy()
    sides[free & ~known] = TRAIN
    note = (
        f"{int(free.sum()):,} utterances without a split: {int((free & ~known).sum()):,} joined "
        f"train, {int((free & known).sum()):,} share speaker or sentence with dev or test"
    )
    return SplitPlan(sides, "nothing", (note,) if free.any() else ())


def _groups(speakers: NDArray[np.uint64], sentences: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return (N,) keys, equal for utterances linked by speakers and sentences.

    Union-find (Galler & Fischer 1964) over speakers and sentences as nodes.
    """
    keys, sentence_nodes = np.unique(sentences, return_inverse=True)
    voices, speaker_nodes = np.unique(speakers, return_inverse=True)
    parents = list(range(len(keys) + len(voices)))

    def find(node: int) -> int:
        while parents[node] != node:
            parents[node] = node = parents[parents[node]]
        return node

    known = speakers > 0
    pairs = np.unique(
        np.stack([sentence_nodes[known], speaker_nodes[known] + len(keys)]), axis=1
    )  # (2, edges)
    for left, right in zip(*pairs.tolist(), strict=True):
        parents[find(left)] = find(right)
    roots = np.array([find(node) for node in range(len(keys))], dtype=np.intp)[sentence_nodes]
    # A group is named by its smallest sentence key, which does not depend on any order.
    names = np.full(len(parents), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, roots, sentences)
    return names[roots]


def _draw(
    units: NDArray[np.uint64],
    durations: NDArray[np.float64],
    options: SplitOptions,
    *,
    strict: bool = True,
) -> NDArray[np.uint8] | None:
    """Draw units for test, then dev; None if a side stays empty, or far too small if strict."""
    keys, members = np.unique(units, return_inverse=True)
    # Floating-point sums depend on their order: sorted, the order of utterances does not matter.
    sorter = np.lexsort((durations, members))
    sizes = np.bincount(members[sorter], weights=durations[sorter]).astype(np.float64)
    total = float(sizes.sum())
    order = np.argsort(_mix(keys, options.seed), kind="stable")
    sides = np.zeros(len(keys), dtype=np.uint8)
    for side, share in ((TEST, options.test_share), (DEV, options.dev_share)):
        if share == 0:
            continue
        chosen = _fill(order[sides[order] == TRAIN], sizes, share * total)
        if not chosen or (strict and sizes[chosen].sum() < share * total / 2):
            return None
        sides[chosen] = side
    trained = sizes[sides == TRAIN].sum()
    wanted = (1 - options.dev_share - options.test_share) * total
    return sides[members] if trained >= wanted / 2 and trained > 0 else None


def _fill(order: NDArray[np.intp], sizes: NDArray[np.float64], target: float) -> list[int]:
    chosen: list[int] = []
    filled = 0.0
    for unit in order.tolist():
        if filled >= target:
            break
        if filled + sizes[unit] <= target * _ROOM:
            chosen.append(unit)
            filled += sizes[unit]
    if not chosen and len(order) > 1:
        return [int(order[np.argmin(sizes[order])])]
    return chosen


def _mix(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Scramble keys by a seed: the finaliser of SplitMix64 (Steele et al. 2014)."""
    mixed = keys + np.uint64((seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _admit_repeats(
    sides: NDArray[np.uint8], sentences: NDArray[np.uint64], options: SplitOptions
) -> SplitPlan:
    """Say how many sentences repeat where only speakers could be kept apart, or drop them."""
    notes = ["split by speaker only: speakers share too many sentences to keep both apart"]
    repeated = np.zeros(len(sides), dtype=bool)
    for side, others in ((DEV, (TRAIN,)), (TEST, (TRAIN, DEV))):
        here = sides == side
        again = here & np.isin(sentences, sentences[np.isin(sides, others)])
        if here.any():
            share = 100 * again.sum() / here.sum()
            notes.append(
                f"{int(again.sum()):,} of {int(here.sum()):,} utterances of {SPLITS[side]} "
                f"({share:.1f} %) say a sentence that stands on another side"
                + (": dropped" if options.repeats == "drop" else "")
            )
        repeated |= again
    if options.repeats == "drop":
        sides = np.where(repeated, np.uint8(NOWHERE), sides)
    return SplitPlan(sides, "speakers", tuple(notes))


def _unknown_speakers(speakers: NDArray[np.uint64]) -> tuple[str, ...]:
    unknown = int((speakers == 0).sum())
    return (
        f"the speaker of {unknown:,} of {len(speakers):,} utterances is unknown: "
        "a voice may stand on two sides",
    )
