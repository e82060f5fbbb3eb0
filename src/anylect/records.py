"""The nouns of the walk: a recording becomes a number.

```
Utterance ──audio──▶ Waveform ──models──▶ Emissions ──decoding──▶ Hypothesis ──evaluation──▶ Report
```

Every room knows these and hardly any other room. They hold data and no behaviour beyond
reading themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of a recording with its transcript.

    `text` is the transcript as the corpus writes it; the normalizer is applied where it is
    learnt from or scored, never before. `duration` is that of the stretch, not of the recording.
    """

    audio: Path
    text: str
    id: str
    duration: float | None = None
    start: float = 0.0
    speaker: str | None = None
    language: str | None = None
    split: str | None = None
    corpus: str | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING_MORE)


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono audio: `samples` is (S,) float32, full scale at ±1."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Emissions:
    """What a model hears: `log_probs` is (T, V), natural logs, each row sums to one in probability.

    Frame t begins `t * frame_duration` seconds after `start`. A recording whose emissions start
    before zero was heard with silence before it, and with as much behind it.
    """

    log_probs: NDArray[np.float32]
    frame_duration: float
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a hypothesis; `start` and `end` are seconds from the recording's beginning.

    `confidence` is the mean probability of its tokens, each at its surest frame.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a decoder proposes; `score` is a natural logarithm, comparable within one decoder."""

    text: str
    words: tuple[Word, ...] = ()
    score: float = 0.0
