"""The set that decoding is tuned on: which utterances, what is heard, and who else knows them."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.data.leaks import LeakFinder
from anylect.data.manifest import read_manifest
from anylect.errors import AnylectError, ManifestError
from anylect.lm.corpus import STANDARD_INPUT, spell
from anylect.lm.origin import Origin
from anylect.records import Emissions, Utterance
from anylect.text.normalize import Normalizer
from anylect.workflows.lm_build import LmBuildConfig, open_corpus
from anylect.workflows.lm_text import EVERY_SPLIT

MOST_TEXT = 500_000_000
"""Bytes of a language model's text that are read again to look for sentences of the set."""


def choose_split(manifest: Path, split: str | None) -> str:
    """Return the split to tune on: `dev`, or `all` where a manifest has no splits.

    Raises:
        ManifestError: When no utterance is in it.
    """
    splits = Counter(utterance.split for utterance in read_manifest(manifest))
    if split is None:
        split = EVERY_SPLIT if set(splits) <= {None} else "dev"
    if not (splits.total() if split == EVERY_SPLIT else splits[split]):
        known = ", ".join(f"`{name}` ({number:,})" for name, number in splits.items())
        raise ManifestError(
            f"{manifest}: no utterance is in split `{split}`; there are {known or 'none at all'}",
            hint="tune on utterances that are in neither train nor test: `--split NAME`, or "
            "`--split all` for every line",
        )
    return split


def choose_utterances(manifest: Path, split: str, *, most: int) -> Iterator[Utterance]:
    """Yield the utterances of a split, evenly thinned where there are more than enough.

    Args:
        manifest: Utterances with transcripts.
        split: As `choose_split` returns it.
        most: How many utterances at most.
    """
    wanted = None if split == EVERY_SPLIT else split
    count = sum(1 for _ in read_manifest(manifest, split=wanted))
    yield from itertools.islice(read_manifest(manifest, split=wanted), 0, None, -(-count // most))


class Shelf:
    """Emissions of a set, as they are, in a temporary file: memory holds what is looked at."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="anylect-tune-")  # noqa: SIM115 (closed by close)
        self._places: list[tuple[int, int, float, float]] = []
        self._columns = 1

    def __len__(self) -> int:
        return len(self._places)

    def add(self, emissions: Emissions) -> None:
        """Put away emissions, (T, V)."""
        frames, self._columns = emissions.log_probs.shape
        rows = np.ascontiguousarray(emissions.log_probs, np.float32)
        place = self._file.tell()
        self._file.write(rows.data)
        self._places.append((place, frames, emissions.frame_duration, emissions.start))

    def close(self) -> None:
        """Forget everything; the file goes."""
        self._file.close()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def all(self) -> list[Emissions]:
        """Return what was put away; arrays are read from the file when they are looked at."""
        self._file.flush()
        return [self._emissions(*place) for place in self._places]

    def _emissions(self, place: int, frames: int, step: float, start: float) -> Emissions:
        rows: NDArray[np.float32] = np.zeros((0, self._columns), np.float32)
        if frames:
            shape = (frames, self._columns)
            rows = np.memmap(self._file, np.float32, mode="r", offset=place, shape=shape)
        return Emissions(rows, step, start)


def find_overlap(
    chosen: Sequence[Utterance], *, manifest: Path, test: Path | None, normalizer: Normalizer
) -> list[str]:
    """Say which speakers, sentences and recordings of the set stand in a test set too.

    Args:
        chosen: The set.
        manifest: Where it comes from; its own split `test` is looked at.
        test: Another manifest to be tested on: its split `test`, or all of it where it has none.
        normalizer: So that writing alone does not tell sentences apart.
    """
    finder = LeakFinder()
    recordings = {utterance.audio.resolve() for utterance in chosen}
    for utterance in chosen:
        finder.add("dev", speaker=utterance.speaker, sentence=normalizer(utterance.text))
    shared = 0
    for utterance in _tested(manifest, test):
        shared += utterance.audio.resolve() in recordings
        finder.add("test", speaker=utterance.speaker, sentence=normalizer(utterance.text))
    notes = [str(leak) for leak in finder.leaks()]
    if shared:
        notes.append(f"{shared:,} utterances of test are of recordings that are in dev")
    return [f"{note}; its score will flatter" for note in notes]


def _tested(manifest: Path, test: Path | None) -> Iterator[Utterance]:
    yield from read_manifest(manifest, split="test")
    if test is not None and test.resolve() != manifest.resolve():
        has_test = any(utterance.split == "test" for utterance in read_manifest(test))
        yield from read_manifest(test, split="test" if has_test else None)


def find_read_sentences(
    origin: Origin, sentences: Iterable[str], *, normalizer: Normalizer
) -> list[str]:
    """Say how many sentences of the set a language model has read, where that can be known.

    Args:
        origin: What the model was built from.
        sentences: Of the set, normalised.
        normalizer: The recogniser's.
    """
    wanted = set(sentences)
    if origin.unit == "character":
        wanted = {spell(sentence) for sentence in wanted}
    texts = tuple(map(Path, origin.text))
    if STANDARD_INPUT in texts or not all(path.is_file() for path in texts):
        return []
    if sum(path.stat().st_size for path in texts) > MOST_TEXT:
        return []
    config = LmBuildConfig(
        text=texts,
        output=Path("unused.arpa"),
        exclude=tuple(map(Path, origin.exclude)),
        split=origin.split,
        unit="character" if origin.unit == "character" else "word",
    )
    found: set[str] = set()
    try:
        for block in open_corpus(config, normalizer):
            found.update(wanted.intersection(block.data.decode().splitlines()))
    except AnylectError:  # moved or changed since: then it cannot be known
        return []
    if not found:
        return []
    return [
        f"the language model has read {len(found):,} of the {len(wanted):,} sentences it is tuned "
        "on: it will be trusted too much; build it with `--exclude`"
    ]
