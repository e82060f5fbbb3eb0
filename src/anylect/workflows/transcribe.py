"""From recordings to transcripts, one result each, whatever becomes of the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anylect.audio.load import probe
from anylect.decoding.captions import SUFFIXES, CaptionOptions, Origin, write_hypothesis
from anylect.errors import AnylectError, AudioError, ConfigError
from anylect.recognizer import Recognizer
from anylect.workflows.folders import make_folder, write_text


@dataclass(frozen=True, kw_only=True)
class TranscribeConfig:
    """What to write down, with what, and how."""

    bundle: Path
    """A folder that `anylect train` wrote."""
    recordings: tuple[Path, ...]
    """Audio or video files of any length."""
    form: Literal["text", "json", "srt", "vtt", "textgrid", "eaf"] = "text"
    """What a transcript looks like."""
    output: Path | None = None
    """Folder for one file a recording; by default everything is returned only."""
    lm: Path | None = None
    """A language model instead of the bundle's own; `none` decodes by best path."""
    hotwords: Path | None = None
    """Phrases to favour, one a line; a weight may follow behind a tab."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What became of one recording: its text in the chosen form, or the error."""

    recording: Path
    written: str = ""
    path: Path | None = None
    error: AnylectError | None = None


def transcribe(config: TranscribeConfig) -> Iterator[Transcript]:
    """Transcribe recordings one after the other; one that cannot be read does not stop the rest.

    Raises:
        BundleError: When the bundle cannot be loaded.
        LanguageModelError: When the language model cannot be read, or does not fit.
        ConfigError: When two recordings would be written to the same file, the output is no
            folder, or a file that may be somebody's own transcript would be replaced.
    """
    paths = _output_paths(config)
    recognizer = Recognizer.load(
        config.bundle, device=config.device, lm=config.lm, hotwords=config.hotwords
    )
    captions = CaptionOptions(joiner=" " if recognizer.bundle.is_spaced else "")
    for recording, path in zip(config.recordings, paths, strict=True):
        try:
            hypothesis = recognizer.transcribe(recording)
        except AudioError as error:
            yield Transcript(recording=recording, error=error)
            continue
        timed = config.form in ("textgrid", "eaf")
        origin = Origin(
            audio=str(recording),
            duration=probe(recording).duration if timed else None,
            folder=config.output,
        )
        written = write_hypothesis(hypothesis, form=config.form, origin=origin, options=captions)
        yield Transcript(
            recording=recording,
            written=written,
            path=path,
            error=_save(written, path) if path is not None else None,
        )


def _output_paths(config: TranscribeConfig) -> list[Path | None]:
    if config.output is None:
        return [None] * len(config.recordings)
    make_folder(config.output)
    paths: list[Path | None] = []
    for recording in config.recordings:
        path = config.output / f"{recording.stem}{SUFFIXES[config.form]}"
        if path in paths:
            raise ConfigError(
                f"{recording}: another recording is written to {path.name} already",
                hint="transcribe recordings of the same name into different folders",
            )
        if path.exists() and path.parent.resolve() == recording.parent.resolve():
            raise ConfigError(
                f"{path}: stands beside its recording already, and may be its transcript",
                hint="choose another output folder, or move that file",
            )
        paths.append(path)
    return paths


def _save(written: str, path: Path) -> AnylectError | None:
    """Write a transcript; an error of one is no reason to lose the next."""
    try:
        write_text(path, written)
    except ConfigError as error:
        return error
    return None
