"""From samples as they come to what is being said, and how long one waits for it."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from numpy.typing import NDArray

from anylect.audio.load import stream_samples
from anylect.config import refuse_not_above
from anylect.decoding.captions import CaptionOptions, Origin, write_hypothesis
from anylect.decoding.decoder import Partial
from anylect.errors import AudioError, ConfigError
from anylect.recognizer import Recognizer, RecognizerStream

STDIN = Path("-")


@dataclass(frozen=True, kw_only=True)
class LiveConfig:
    """What to listen to, with what, and when a sentence ends."""

    bundle: Path
    """A folder that `anylect train` wrote, of a model that hears in one direction."""
    recording: Path
    """A file, heard at the pace it was spoken; `-` for mono 16-bit PCM on stdin."""
    form: Literal["text", "json"] = "text"
    """What a sentence looks like, a line each; JSON times every word."""
    rate: int | None = None
    """Hertz of samples on stdin; the model's own by default."""
    pause_seconds: float | None = 1.0
    """Silence that ends a sentence; None waits for the end."""
    piece_seconds: float = 0.1
    """How much is heard at a time; shorter waits less and computes more."""
    lm: Path | None = None
    """A language model instead of the bundle's own; `none` decodes by best path."""
    hotwords: Path | None = None
    """Phrases to favour, one a line; a weight may follow behind a tab."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "pause_seconds", "piece_seconds", "rate")
        if self.rate is not None and self.recording != STDIN:
            raise ConfigError(
                f"{self.recording}: a file knows its sample rate",
                hint="`--rate` is for samples on stdin, `-`",
            )


@dataclass(frozen=True, kw_only=True)
class LiveReport:
    """How long one waited; all but `seconds` in milliseconds."""

    seconds: float
    """Heard."""
    look_ahead_ms: float
    """How far the model hears beyond a frame's beginning before it says what it is."""
    frame_ms: float
    """From a frame's end to its being known, the median over pieces of their oldest frame."""
    slowest_frame_ms: float
    piece_ms: float
    """Computing for a piece, the median."""
    slowest_piece_ms: float
    last_ms: float
    """From the end of the recording to the last sentence."""

    @property
    def line(self) -> str:
        """Say it in words."""
        return (
            f"{self.seconds:.1f} s heard · a frame is known {self.frame_ms:.0f} ms after its end "
            f"(slowest {self.slowest_frame_ms:.0f} ms), of which the model looks ahead "
            f"{self.look_ahead_ms:.0f} ms · computing {self.piece_ms:.1f} ms a piece (slowest "
            f"{self.slowest_piece_ms:.1f} ms) · last sentence {self.last_ms:.0f} ms after the end"
        )


@dataclass
class _Clock:
    """Measures one stream."""

    stream: RecognizerStream
    frame: float
    """Seconds."""
    heard: float = 0.0
    computing: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def note(self, seconds: float, *, known: float, computing: float) -> None:
        """Note a piece: how long it is, what was known before it, what it took."""
        self.heard += seconds
        self.computing.append(computing)
        if self.stream.known > known:
            self.waits.append(self.heard - (known + self.frame) + computing)

    def report(self, last: float) -> LiveReport:
        return LiveReport(
            seconds=self.heard,
            look_ahead_ms=1000 * (self.stream.delay - self.frame),
            frame_ms=1000 * statistics.median(self.waits or [0.0]),
            slowest_frame_ms=1000 * max(self.waits, default=0.0),
            piece_ms=1000 * statistics.median(self.computing or [0.0]),
            slowest_piece_ms=1000 * max(self.computing, default=0.0),
            last_ms=1000 * last,
        )


def transcribe_live(
    config: LiveConfig, *, pcm: BinaryIO | None = None
) -> Iterator[Partial | str | LiveReport]:
    """Transcribe one recording while it lasts.

    An interrupt ends the recording.

    Args:
        config: What to listen to.
        pcm: Where samples come from when the recording is `-`.

    Yields:
        A partial hypothesis after every piece; every sentence in the chosen form, as it ends; at
        last the report.

    Raises:
        AudioError: When the recording cannot be read, or holds nothing.
        BundleError: When the bundle cannot be loaded, or its model cannot hear live.
        LanguageModelError: When the language model cannot be read, or does not fit.
    """
    recognizer = Recognizer.load(
        config.bundle, device=config.device, lm=config.lm, hotwords=config.hotwords
    )
    model = recognizer.bundle.model
    rate = config.rate or model.sample_rate
    stream = recognizer.stream(sample_rate=rate, pause_seconds=config.pause_seconds)
    joiner = " " if recognizer.bundle.is_spaced else ""
    options, origin = CaptionOptions(joiner=joiner), Origin(audio=str(config.recording))
    clock = _Clock(stream, model.frame_duration)
    for piece in _until_interrupted(_pieces(config, rate=rate, pcm=pcm)):
        known, began = stream.known, time.perf_counter()
        ended = stream.feed(piece)
        partial = stream.partial()
        seconds = len(piece) / rate / (2 if isinstance(piece, bytes) else 1)
        clock.note(seconds, known=known, computing=time.perf_counter() - began)
        for sentence in ended:
            yield write_hypothesis(sentence, form=config.form, origin=origin, options=options)
        yield partial
    if not clock.heard:
        raise AudioError(
            f"{config.recording}: no samples came",
            hint="`-` reads mono, signed 16-bit little-endian PCM without any header",
        )
    began = time.perf_counter()
    last = stream.finish()
    waited = time.perf_counter() - began
    if last.text:
        yield write_hypothesis(last, form=config.form, origin=origin, options=options)
    yield clock.report(waited)


def _until_interrupted(pieces: Iterator[bytes | NDArray[Any]]) -> Iterator[bytes | NDArray[Any]]:
    """Let Ctrl-C end a recording, so that its last sentence is still written."""
    with contextlib.suppress(KeyboardInterrupt):
        yield from pieces


def _pieces(
    config: LiveConfig, *, rate: int, pcm: BinaryIO | None
) -> Iterator[bytes | NDArray[Any]]:
    if config.recording != STDIN:
        yield from _paced(config, rate=rate)
        return
    if pcm is None:
        raise ConfigError(
            "`-` and nowhere to read from", hint="pass `pcm`, e.g. `sys.stdin.buffer`"
        )
    size = max(2, 2 * round(config.piece_seconds * rate))
    # What is there is taken at once, so that no sample waits for a piece to fill up.
    read = getattr(pcm, "read1", pcm.read)
    while piece := read(size):
        yield piece


def _paced(config: LiveConfig, *, rate: int) -> Iterator[NDArray[Any]]:
    """Hand out a file's pieces when they would have been spoken."""
    heard, began = 0, time.monotonic()
    for piece in stream_samples(
        config.recording, sample_rate=rate, block_seconds=config.piece_seconds
    ):
        heard += len(piece)
        time.sleep(max(0.0, began + heard / rate - time.monotonic()))
        yield piece
