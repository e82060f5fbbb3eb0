"""Find when the words of a transcript were said: forced alignment of text to audio."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from anylect.audio.load import probe
from anylect.decoding.annotations import Line
from anylect.decoding.captions import CaptionOptions, Origin, write_lines
from anylect.decoding.timing import TimedText, find_words, time_text
from anylect.errors import AlignmentError, ConfigError, VocabularyError
from anylect.hub.bundle import load_bundle
from anylect.models.acoustic import AcousticModel
from anylect.records import Emissions, Word
from anylect.text.vocabulary import Vocabulary, name_character
from anylect.workflows.folders import write_text
from anylect.workflows.transcript import TranscriptLine, read_transcript

DOUBTFUL = 0.1
"""A word less sure than this is probably not what was said there."""

WRONG = 2.0
"""A transcript that costs more than this, in nats a token, is one of something else: right ones
cost less than 1.6 even where the model reads no sentence without an error, nineteen in twenty wrong
ones more than 2.1 (docs/log.md, 2026-11-20)."""


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """What to align, with what, and how to write it."""

    bundle: Path
    """A folder that `anylect train` wrote."""
    recording: Path
    """An audio or video file of any length."""
    transcript: Path | None = None
    """A text file of what is said in it, one sentence a line."""
    text: str | None = None
    """The transcript itself, instead of a file."""
    form: Literal["text", "json", "srt", "vtt", "textgrid", "eaf"] = "text"
    """What the result looks like."""
    output: Path | None = None
    """File to write; by default the result is returned only."""
    characters: bool = False
    """Whether letters are timed too (JSON, TextGrid and EAF)."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""


@dataclass(frozen=True, kw_only=True)
class AlignReport:
    """An aligned transcript, and how far it may be believed."""

    lines: tuple[Line, ...]
    """Each with its words, in the spelling of the transcript."""
    cost: float
    """How much less likely it is than what the model would write itself, nats a token."""
    duration: float
    """Of the recording, seconds."""
    written: str
    """The result in the form asked for."""
    path: Path | None = None
    """Where it was written."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in order."""
        return tuple(word for line in self.lines for word in line.words)

    @property
    def confidence(self) -> float:
        """Mean over all words."""
        return sum(word.confidence for word in self.words) / len(self.words)

    @property
    def doubtful(self) -> tuple[Word, ...]:
        """The words that were probably not said where the transcript has them."""
        return tuple(word for word in self.words if word.confidence < DOUBTFUL)

    def warnings(self) -> list[str]:
        """Say what should be looked at before the times are used."""
        said: list[str] = []
        if self.cost > WRONG:
            said.append(
                "the model hears something else: is this the transcript of this recording, in "
                f"this order, in its language? (mean confidence {self.confidence:.2f}, "
                f"{self.cost:.1f} nats a token from what it would write itself)"
            )
        if self.doubtful:
            some = ", ".join(f"{word.text} ({word.start:.2f} s)" for word in self.doubtful[:5])
            more = ", …" if len(self.doubtful) > 5 else ""
            said.append(
                f"{len(self.doubtful):,} of {len(self.words):,} words below {DOUBTFUL}: "
                f"check them: {some}{more}"
            )
        return said


def align(config: AlignConfig) -> AlignReport:
    """Align a transcript to its recording.

    Memory is that of a window of the recording and of the scores of the transcript's tokens;
    emissions of a recording of any length wait in a temporary file.

    Raises:
        BundleError: When the bundle cannot be loaded.
        AudioError: When the recording cannot be read.
        ConfigError: When there is no transcript, or its file or the output cannot be used.
        AlignmentError: When the transcript says nothing, or more than fits into the recording.
        VocabularyError: When it has characters that the model does not know.
    """
    transcript, place = _read_text(config)
    _check_output(config)
    duration = probe(config.recording).duration
    bundle = load_bundle(config.bundle, device=config.device)
    lines = list(read_transcript(transcript, bundle.normalizer, spaced=bundle.is_spaced))
    if not lines:
        raise AlignmentError(
            f"{place}: has no words, expected what is said in {config.recording}",
            hint="give the text that was said, one sentence a line",
        )
    _check_characters(lines, bundle.model.vocabulary, place=place)
    joiner = " " if bundle.is_spaced else ""
    timed, cost = _listen(
        bundle.model, config.recording, joiner.join(line.spoken for line in lines)
    )
    aligned = tuple(
        _time_lines(timed, lines, gap=len(joiner), end=duration, letters=config.characters)
    )
    folder = config.output.parent if config.output else None
    written = write_lines(
        aligned,
        form=config.form,
        origin=Origin(audio=str(config.recording), duration=duration, folder=folder),
        options=CaptionOptions(joiner=joiner),
    )
    if config.output is not None:
        write_text(config.output, written)
    return AlignReport(
        lines=aligned, cost=cost, duration=duration, written=written, path=config.output
    )


def _listen(model: AcousticModel, recording: Path, text: str) -> tuple[TimedText, float]:
    """Align a text to what the model hears; say what it costs, nats a token.

    Of the emissions only the tokens that occur in the text are kept.
    """
    from anylect.models.listening import emit_file

    vocabulary = model.vocabulary
    used = sorted({token for _, token in vocabulary.spell(text) if token is not None})
    columns = [vocabulary.blank, *used]
    few = Vocabulary(
        tuple(vocabulary.tokens[column] for column in columns),
        blank=0,
        boundary=columns.index(vocabulary.boundary) if vocabulary.boundary in used else None,
    )
    start: float | None = None
    frames, best = 0, 0.0
    with tempfile.TemporaryFile() as file:
        for piece in emit_file(model, recording):
            start = piece.start if start is None else start
            frames += len(piece.log_probs)
            best += float(piece.log_probs.max(axis=1).sum(dtype=np.float64))
            file.write(np.ascontiguousarray(piece.log_probs[:, columns], np.float32).tobytes())
        file.flush()
        shape = (frames, len(columns))
        log_probs = np.memmap(file, np.float32, "r+", shape=shape) if frames else np.zeros(shape)
        emissions = Emissions(np.asarray(log_probs, np.float32), model.frame_duration, start or 0.0)
        timed = time_text(emissions, text, few)
    return timed, (best - timed.spans.score) / len(timed.spans.starts)


def _time_lines(
    timed: TimedText, lines: Sequence[TranscriptLine], *, gap: int, end: float, letters: bool
) -> Iterator[Line]:
    """Read off the words of every line, whose texts stand `gap` characters apart."""
    position = 0
    for line in lines:
        pieces = [(position + first, position + last) for first, last in line.pieces]
        words = [
            replace(_ended(word, end), text=text)
            for word, text in zip(timed.words(pieces), line.words, strict=True)
        ]
        spelt = [_time_letters(timed, piece, end=end) for piece in pieces] if letters else []
        yield Line(line.text, tuple(words), tuple(spelt))
        position += len(line.spoken) + gap


def _time_letters(timed: TimedText, piece: tuple[int, int], *, end: float) -> tuple[Word, ...]:
    first, last = piece
    places = find_words(timed.text[first:last], spaced=False)
    heard = timed.words((first + begins, first + ends) for begins, ends in places)
    return tuple(_ended(letter, end) for letter in heard)


def _ended(word: Word, end: float) -> Word:
    """Let no word outlast the recording: the last frame may reach some milliseconds further."""
    return replace(word, start=min(word.start, end), end=min(word.end, end))


def _read_text(config: AlignConfig) -> tuple[str, str]:
    """Return the transcript and what to call it."""
    if (config.transcript is None) == (config.text is None):
        raise ConfigError(
            "expected one transcript, as a file or as text",
            hint="`anylect align BUNDLE talk.wav talk.txt`, or `--text 'what is said'`",
        )
    if config.transcript is None:
        return config.text or "", "text"
    try:
        return config.transcript.read_text(encoding="utf-8-sig"), str(config.transcript)
    except OSError as error:
        raise ConfigError(
            f"{config.transcript}: cannot be read ({error.strerror})",
            hint="give the path of a text file with what is said",
        ) from error
    except UnicodeDecodeError as error:
        raise AlignmentError(
            f"{config.transcript}: is not UTF-8 (byte {error.start})",
            hint="save it as plain text in UTF-8",
        ) from error


def _check_output(config: AlignConfig) -> None:
    if config.output is None:
        return
    for source in (config.recording, config.transcript):
        if source is not None and config.output.resolve() == source.resolve():
            raise ConfigError(
                f"{config.output}: would be replaced by its own alignment",
                hint="choose another output file",
            )


def _check_characters(
    lines: Sequence[TranscriptLine], vocabulary: Vocabulary, *, place: str
) -> None:
    lacking: Counter[str] = Counter()
    first = 0
    for line in lines:
        missing = vocabulary.missing(line.spoken) - {" "}
        first = first or (line.number if missing else 0)
        lacking.update(missing)
    if not lacking:
        return
    often = sorted(lacking.items(), key=lambda item: (-item[1], item[0]))[:5]
    names = [f"{name_character(each)} in {count:,}" for each, count in often]
    raise VocabularyError(
        f"{place}:{first}: the model does not know {len(lacking)} of the transcript's characters; "
        f"lines that have them: {', '.join(names)}{', …' if len(lacking) > 5 else ''}",
        hint="write out what is said, numbers and abbreviations in words, in the model's letters",
    )
