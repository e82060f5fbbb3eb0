"""Sentences for language models, from text files and manifests, through one normalizer."""

from collections.abc import Iterator
from pathlib import Path

from anylect.data.manifest import read_manifest
from anylect.errors import ConfigError
from anylect.lm.corpus import Corpus
from anylect.text.normalize import Normalizer, default_normalizer, load_normalizer

EVERY_SPLIT = "all"


def choose_normalizer(path: Path | None, language: str | None) -> Normalizer | None:
    """Return the normalizer of a file or of a language; None where neither is given."""
    if path is not None:
        return load_normalizer(path)
    return default_normalizer(language) if language else None


def is_manifest(path: Path) -> bool:
    """Tell a manifest from a text by its name."""
    return path.suffix == ".jsonl"


def read_transcripts(path: Path, *, split: str | None, others: bool = False) -> Iterator[str]:
    """Yield transcripts of a manifest as the corpus writes them.

    Args:
        path: A manifest.
        split: Of this split only; `all` for every one; None for `train`, and for utterances
            that belong to no split.
        others: Those of all other splits instead.
    """
    for utterance in read_manifest(path):
        is_wanted = split in (EVERY_SPLIT, utterance.split) or (
            split is None and utterance.split in (None, "train")
        )
        if is_wanted is not others:
            yield utterance.text


def read_sentences(
    paths: tuple[Path, ...], normalizer: Normalizer | None, *, split: str | None = EVERY_SPLIT
) -> Iterator[str]:
    """Yield the normalised sentences of texts and manifests.

    Raises:
        ConfigError: If no path is given.
    """
    if not paths:
        raise ConfigError("no text is given", hint="give text files or manifests (`.jsonl`)")
    corpus = Corpus(
        [path for path in paths if not is_manifest(path)],
        transcripts=(
            text
            for path in paths
            if is_manifest(path)
            for text in read_transcripts(path, split=split)
        ),
        normalize=normalizer,
        unit="word",
    )
    for block in corpus:
        yield from block.data.decode().splitlines()
