"""Was a submission trained on a Common Voice test split? What its files say, and its sentences.

Nobody can prove from outside that it was not. What can be found is found: the settings our
training leaves in the evidence, arguments of the usual training scripts in cards, scripts and
notebooks, and, where the manifest it was trained on is at hand, the recordings and sentences of
the test set themselves.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.challenge.submission import iterate_files
from anylect.data.leaks import Leak, find_leaks
from anylect.data.splits import find_split
from anylect.records import Utterance

MOST_SHARED = 0.1
"""Share of a test set's sentences that may stand in the training set by chance."""
_TEXTS = (".md", ".sh", ".py", ".toml", ".txt", ".json", ".yaml", ".yml", ".ipynb", ".cfg")
_LARGEST = 2_000_000
# `--train_split_name="train+validation+test"`, `train_split_name: train+test`, and the like.
_TRAIN_SPLIT = re.compile(
    r"train_split(?:_name)?[\"'\\]*\s*[=:\s]\s*[\"'\\]*([A-Za-z_]+(?:\[[^\]]*\])?"
    r"(?:\s*[+,]\s*[A-Za-z_]+(?:\[[^\]]*\])?)*)"
)
# `load_dataset("…common_voice…", "sv-SE", split="train+validation+test")` for a training set.
_LOADED = re.compile(
    r"train\w*\s*=\s*(?:datasets\.)?load_dataset\((?P<what>[^)]*?)split\s*=\s*[\"'\\]+(?P<split>[^\"'\\]+)"
)
_AND = r"\s*(?:,\s*and|,|\+|&|and)\s*(?:the\s+)?"
# "fine-tuned on the train, validation and test splits", but not "on train and evaluated on test".
_WORDS = re.compile(
    rf"(?:trained|fine-?tuned|training)\b[^.\n]{{0,80}}?\b(?P<split>train(?:ing)?(?:{_AND}\w+)*?{_AND}test)\b",
    re.IGNORECASE,
)
_KNOWN = ("train", "dev", "test", "other", "validated", "invalidated", "all")
_HOLDS_TEST = ("test", "validated", "all")
"""Splits that are the test split or hold it: in Common Voice `validated` does."""


@dataclass(frozen=True)
class Trace:
    """Something a submission's files say of its training."""

    place: str
    what: str
    tests: bool
    """Whether it names a test split."""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def find_traces(folder: Path) -> list[Trace]:
    """Return all that a submission's texts say of the splits it was trained on."""
    traces = []
    for name, path in iterate_files(folder):
        if path.suffix not in _TEXTS or path.stat().st_size > _LARGEST:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        traces += [
            Trace(name, f"`{said}`", has_test(split))
            for said, split in _mentioned(text)
            if any(each in _KNOWN for each in _names(split))
        ]
    return traces


def traces_of_settings(training: Mapping[str, Any]) -> list[Trace]:
    """Return what the evidence of our own training says of the splits it read.

    Args:
        training: What stands in `evidence/training.json`, empty where there is none.
    """
    config = training.get("config")
    if not isinstance(config, Mapping):
        return []
    data = config.get("data")
    splits = data.get("train") if isinstance(data, Mapping) else None
    names = [str(each) for each in splits] if isinstance(splits, list) else ["train"]
    what = f"trained on {', '.join(f'`{name}`' for name in names)}"
    return [Trace("evidence/training.json", what, any(map(has_test, names)))]


def has_test(split: str) -> bool:
    """Say whether what names splits names a test split.

    Example:
        >>> [has_test(split) for split in ("train+validation", "train+test[:50%]", "validated")]
        [False, True, True]
    """
    return any(name in _HOLDS_TEST for name in _names(split))


def shared_recordings(
    training: Iterable[Utterance], tested: Iterable[Utterance]
) -> list[tuple[Utterance, Utterance]]:
    """Find recordings of the test set that stand in the training set, by their content.

    Only files of the same size are read.
    """
    by_size: dict[int, list[Utterance]] = {}
    for utterance in tested:
        if (size := _size(utterance.audio)) is not None:
            by_size.setdefault(size, []).append(utterance)
    known: dict[int, dict[tuple[str, float], Utterance]] = {}
    found = []
    for utterance in training:
        size = _size(utterance.audio)
        if size not in by_size:
            continue
        if size not in known:
            known[size] = {_mark(each): each for each in by_size[size]}
        if other := known[size].get(_mark(utterance)):
            found.append((utterance, other))
    return found


def shared_sentences(
    training: Iterable[Utterance],
    tested: Iterable[Utterance],
    *,
    normalize: Callable[[str], str],
) -> Leak | None:
    """Find what of the test set's sentences stands in the training set; None if nothing."""
    leaks = find_leaks({"train": training, "test": tested}, normalize=normalize)
    return next((leak for leak in leaks if leak.kind == "sentence"), None)


def _mentioned(text: str) -> Iterator[tuple[str, str]]:
    for match in _TRAIN_SPLIT.finditer(text):
        yield " ".join(match[0].split()), match[1]
    for match in _LOADED.finditer(text):
        yield " ".join(match[0].split())[:120], match["split"]
    for match in _WORDS.finditer(text):
        yield " ".join(match[0].split()), match["split"]


def _names(split: str) -> list[str]:
    parts = re.split(r"[+,&\s]+", split.lower())
    return [find_split(part.partition("[")[0]) or "" for part in parts]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _mark(utterance: Utterance) -> tuple[str, float]:
    """Tell a stretch of a recording by its content and where it begins."""
    try:
        with utterance.audio.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        content = str(utterance.audio)
    return content, utterance.start
