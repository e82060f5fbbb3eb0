"""The front door: a bundle in, transcripts out.

```python
from anylect import Recognizer

recognizer = Recognizer.load("runs/ka/bundle")
print(recognizer.transcribe("talk.flac").text)
```

or, with a model that hears in one direction, while somebody speaks:

```python
stream = recognizer.stream(sample_rate=48_000)
for samples in microphone:
    stream.feed(samples)
    print(stream.partial().text)
print(stream.finish().text)
```
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.audio.load import load_waveform
from anylect.audio.pieces import PieceReader
from anylect.decoding.decoder import Decoder, Partial
from anylect.errors import AudioError, ConfigError
from anylect.hub.bundle import Bundle, load_bundle
from anylect.records import Emissions, Hypothesis
from anylect.text.vocabulary import Vocabulary


class Recognizer:
    """A model, its decoder and its normalizer, ready to transcribe."""

    def __init__(self, bundle: Bundle, *, decoder: Decoder | None = None) -> None:
        self.bundle = bundle
        self.decoder = decoder or bundle.decoder

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        device: str = "auto",
        lm: Path | str | None = None,
        hotwords: Path | str | None = None,
    ) -> "Recognizer":
        """Load a bundle.

        Args:
            folder: What `anylect train` left in `bundle/`.
            device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
            lm: A language model instead of the bundle's own; `none` for best path.
            hotwords: A file of phrases to favour, one a line, as `decoding.hotwords` reads it.

        Raises:
            BundleError: When a file is missing or contradicts another.
            LanguageModelError: When the language model does not fit the recogniser.
            ConfigError: When the hotwords cannot be read or spelled.
        """
        bundle = load_bundle(Path(folder), device=device)
        phrases = None if hotwords is None else Path(hotwords)
        return cls(bundle, decoder=bundle.decoder_with(lm, hotwords=phrases))

    @property
    def language(self) -> str | None:
        """BCP 47 tag of what it understands."""
        return self.bundle.normalizer.language

    def transcribe(
        self, source: Path | str | bytes | NDArray[np.floating], *, sample_rate: int | None = None
    ) -> Hypothesis:
        """Transcribe a recording of any length, rate and channel count.

        Audio and emissions are held for one window at a time, so memory does not grow with the
        recording; only the transcript does.

        Args:
            source: A path, the bytes of an audio file, or samples (S,) or (S, channels).
            sample_rate: Hertz of an array of samples; needed there and only there.

        Returns:
            The text, with the seconds each word spans.
        """
        stream = self.decoder.stream()
        for emissions in self._emissions(source, sample_rate):
            stream.feed(emissions)
        return stream.finish()

    def stream(
        self, *, sample_rate: int | None = None, pause_seconds: float | None = None
    ) -> "RecognizerStream":
        """Begin to transcribe a recording while it lasts.

        Args:
            sample_rate: Hertz of the samples that will come; the model's own by default.
            pause_seconds: Silence that ends a sentence; by default only the end does.

        Raises:
            BundleError: When the model has to hear a whole recording first.
        """
        return RecognizerStream(self, sample_rate=sample_rate, pause_seconds=pause_seconds)

    def _emissions(
        self, source: Path | str | bytes | NDArray[np.floating], sample_rate: int | None
    ) -> Iterator[Emissions]:
        from anylect.models.listening import emit_file, emit_recording

        model = self.bundle.model
        if not isinstance(source, np.ndarray):
            yield from emit_file(model, Path(source) if isinstance(source, str) else source)
            return
        if sample_rate is None:
            raise AudioError(
                f"an array of {len(source)} samples without its sample rate",
                hint="`transcribe(samples, sample_rate=16_000)`",
            )
        waveform = load_waveform(source, sample_rate=model.sample_rate, source_rate=sample_rate)
        yield from emit_recording(model, waveform)


class RecognizerStream:
    """One recording transcribed while it lasts; feed it samples in order, then finish."""

    def __init__(
        self, recognizer: Recognizer, *, sample_rate: int | None, pause_seconds: float | None
    ) -> None:
        from anylect.models.live import LiveEmitter

        model = recognizer.bundle.model
        if pause_seconds is not None and not pause_seconds > 0:
            raise ConfigError(
                f"`pause_seconds` is {pause_seconds}", hint="expected a positive number, e.g. 1.0"
            )
        self._emitter = LiveEmitter(model)
        self._reader = PieceReader(sample_rate or model.sample_rate, model.sample_rate)
        self._begin = recognizer.decoder.stream
        self._sentence = self._begin()
        self._pause = (
            None
            if pause_seconds is None
            else _Pause(model.vocabulary, round(pause_seconds / model.frame_duration))
        )

    @property
    def delay(self) -> float:
        """Seconds of audio the model hears, from a frame's beginning on, before it emits it."""
        return self._emitter.delay

    @property
    def known(self) -> float:
        """Seconds of the recording whose frames are out."""
        model = self._emitter.model
        return model.start + self._emitter.frames * model.frame_duration

    def feed(self, samples: bytes | NDArray[Any]) -> list[Hypothesis]:
        """Take in the next samples, of any number.

        Args:
            samples: (S,) or (S, channels), or bytes of mono 16-bit PCM.

        Returns:
            The sentences that ended in a pause; their words have the seconds they span.

        Raises:
            AudioError: For samples that are not finite numbers.
        """
        emissions = self._emitter.feed(self._reader.feed(samples))
        ended: list[Hypothesis] = []
        while self._pause is not None and (frame := self._pause.find(emissions)):
            head, emissions = _split(emissions, frame)
            self._hear(head)
            ended.append(self._sentence.finish())
            self._sentence = self._begin()
        self._hear(emissions)
        return [sentence for sentence in ended if sentence.text]

    def partial(self) -> Partial:
        """Return the sentence so far, and how much of it will not change."""
        return self._sentence.partial()

    def finish(self) -> Hypothesis:
        """Return what was said since the last pause; the recording has ended."""
        self._hear(self._emitter.feed(self._reader.finish()))
        self._hear(self._emitter.finish())
        return self._sentence.finish()

    def _hear(self, emissions: Emissions) -> None:
        if len(emissions.log_probs):
            self._sentence.feed(emissions)


class _Pause:
    """Finds where so many frames in a row say nothing, after something was said."""

    def __init__(self, vocabulary: Vocabulary, frames: int) -> None:
        self._silent = sorted(vocabulary.special)
        if vocabulary.boundary is not None:
            self._silent.append(vocabulary.boundary)
        self._frames = max(1, frames)
        self._quiet, self._has_spoken = 0, False

    def find(self, emissions: Emissions) -> int | None:
        """Return how many frames lie before the end of the first pause, if one ends here."""
        silent = np.isin(emissions.log_probs.argmax(axis=1), self._silent).tolist()
        for frame, is_silent in enumerate(silent, start=1):
            self._quiet = self._quiet + 1 if is_silent else 0
            self._has_spoken = self._has_spoken or not is_silent
            if self._has_spoken and self._quiet >= self._frames:
                self._quiet, self._has_spoken = 0, False
                return frame
        return None


def _split(emissions: Emissions, frame: int) -> tuple[Emissions, Emissions]:
    log_probs, step = emissions.log_probs, emissions.frame_duration
    rest = Emissions(log_probs[frame:], step, emissions.start + frame * step)
    return Emissions(log_probs[:frame], step, emissions.start), rest
