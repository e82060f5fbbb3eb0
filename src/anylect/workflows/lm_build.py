"""From text to a language model file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from anylect.errors import ConfigError
from anylect.lm.corpus import STANDARD_INPUT, Corpus
from anylect.lm.estimation import Estimated, EstimationOptions, estimate_model
from anylect.lm.kenlm_binary import check_model_name, save_model
from anylect.lm.origin import Origin, save_origin
from anylect.progress import Progress, silent
from anylect.text.normalize import Normalizer
from anylect.workflows.lm_text import (
    EVERY_SPLIT,
    choose_normalizer,
    is_manifest,
    read_transcripts,
)


@dataclass(frozen=True, kw_only=True)
class LmBuildConfig:
    """Which text becomes which model."""

    text: tuple[Path, ...]
    """Text files with one sentence per line, plain or packed; manifests (`.jsonl`); `-` reads
    standard input."""
    output: Path
    """`.arpa` for text, `.bin` for a KenLM binary."""
    arpa: Path | None = None
    """Write the model here as ARPA as well."""
    normalizer: Path | None = None
    """The recogniser's `normalizer.json`."""
    language: str | None = None
    """BCP 47 tag; its default normalizer is used where none is given. Neither: text as it is."""
    split: str | None = None
    """Split of manifests to learn from; `all` for every one. Unset: `train` and what has none."""
    exclude: tuple[Path, ...] = ()
    """Texts or manifests whose sentences are left out, such as the test set; of a manifest that
    is learnt from, too, those of its other splits."""
    limit: Path | None = None
    """Words the model may know, separated by white space; all by default."""
    unit: Literal["auto", "word", "character"] = "auto"
    """What the model is made of; `auto` looks whether the text has spaces between words."""
    deduplicate: bool = False
    """Read every sentence once."""
    estimation: EstimationOptions = field(default_factory=EstimationOptions)
    """Order, pruning, memory."""


@dataclass(frozen=True, slots=True)
class LmBuildReport:
    """What was built from what."""

    output: Path
    normalizer: str | None
    estimated: Estimated

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        corpus, tables = self.estimated.corpus, self.estimated.tables
        lines = [
            f"{self.output}: {tables.order}-gram of {corpus.unit}s, "
            + ", ".join(f"{count:,}" for count in tables.counts),
            f"from {corpus.sentences:,} sentences, {self.estimated.tokens:,} {corpus.unit}s",
            f"unit: {corpus.unit} ({corpus.unit_reason})",
            f"normalizer: {self.normalizer or 'none, text as it is'}",
        ]
        left_out = {
            "excluded": corpus.excluded,
            "repeated": corpus.duplicates,
            "emptied by the normalizer": corpus.emptied,
        }
        lines += [f"left out: {count:,} {why}" for why, count in left_out.items() if count]
        if self.estimated.marks_skipped:
            lines.append(f"skipped: {self.estimated.marks_skipped:,} marks such as `<s>`")
        lines += [
            f"discounts of order {entry.order} fell back to {entry.values}: {entry.fallback_reason}"
            for entry in self.estimated.discounts
            if entry.fallback_reason
        ]
        return lines


def build_lm(config: LmBuildConfig, *, progress: Progress = silent) -> LmBuildReport:
    """Estimate a language model and write it.

    Args:
        config: Text, output and options.
        progress: Told how many bytes of the text have been read, then how many n-grams written.

    Raises:
        ConfigError: For settings that cannot be used.
        ManifestError: For text that cannot be used.
        LanguageModelError: If nothing can be estimated from it.
    """
    check_model_name(config.output)
    if config.arpa is not None and config.arpa.suffix != ".arpa":
        raise ConfigError(f"{config.arpa}: an ARPA file's name ends in `.arpa`")
    normalizer = choose_normalizer(config.normalizer, config.language)
    corpus = open_corpus(config, normalizer, progress=progress)
    allowed = None
    if config.limit is not None:
        allowed = _read_words(config.limit)
    estimated = estimate_model(corpus, config.estimation, allowed=allowed)
    for path in filter(None, (config.output, config.arpa)):
        save_model(path, estimated.tables, progress=progress)
        save_origin(path, _origin(config, path, estimated, normalizer))
    named = f"{normalizer.name} ({normalizer.hash})" if normalizer else None
    return LmBuildReport(config.output, named, estimated)


def open_corpus(
    config: LmBuildConfig, normalizer: Normalizer | None, *, progress: Progress = silent
) -> Corpus:
    """Put together the sentences that a model is built from, what is excluded left out."""
    return Corpus(
        [path for path in config.text if not is_manifest(path)],
        transcripts=_transcripts(config),
        normalize=normalizer,
        exclude=list(_excluded(config)),
        unit=config.unit,
        deduplicate=config.deduplicate,
        progress=progress,
    )


def _origin(
    config: LmBuildConfig, path: Path, estimated: Estimated, normalizer: Normalizer | None
) -> Origin:
    return Origin(
        bytes=path.stat().st_size,
        unit=estimated.corpus.unit,
        sentences=estimated.corpus.sentences,
        normalizer=normalizer.name if normalizer else None,
        normalizer_hash=normalizer.hash if normalizer else None,
        text=tuple(map(_place, config.text)),
        exclude=tuple(map(_place, config.exclude)),
        split=config.split,
    )


def _place(path: Path) -> str:
    return str(path if path == STANDARD_INPUT else path.resolve())


def _transcripts(config: LmBuildConfig) -> Iterator[str]:
    for path in config.text:
        if is_manifest(path):
            yield from read_transcripts(path, split=config.split)


def _excluded(config: LmBuildConfig) -> Iterator[str]:
    learnt = set(map(_place, config.text))
    for path in config.exclude:
        if is_manifest(path) and _place(path) in learnt:
            yield from read_transcripts(path, split=config.split, others=True)
        elif is_manifest(path):
            yield from read_transcripts(path, split=EVERY_SPLIT)
        else:
            for block in Corpus([path], unit="word"):
                yield from block.data.decode().splitlines()


def _read_words(path: Path) -> list[str]:
    if path == STANDARD_INPUT:
        raise ConfigError("`limit` cannot be read from standard input", hint="give a file")
    return [word for block in Corpus([path], unit="word") for word in block.data.decode().split()]
