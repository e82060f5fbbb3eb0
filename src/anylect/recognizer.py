"""The front door: a bundle in, transcripts out.

```python
from anylect import Recognizer

recognizer = Recognizer.load("runs/ka/bundle")
print(recognizer.transcribe("talk.flac").text)
```
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.audio.load import load_waveform
from anylect.decoding.decoder import Decoder
from anylect.errors import AudioError
from anylect.hub.bundle import Bundle, load_bundle
from anylect.records import Emissions, Hypothesis


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
