"""The protocol every acoustic model keeps: waveforms in, emissions out.

Third noun of the walk: `Waveform ──models──▶ Emissions`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anylect.records import Emissions, Waveform
from anylect.text.vocabulary import Vocabulary

Blocks = Callable[[], Iterator[NDArray[np.float32]]]
"""Opens a recording and yields its samples block by block; may be called more than once."""


class AcousticModel(Protocol):
    """What turns waveforms into emissions."""

    @property
    def vocabulary(self) -> Vocabulary:
        """What the columns of the emissions mean."""

    @property
    def sample_rate(self) -> int:
        """Hertz that every waveform must have."""

    @property
    def frame_duration(self) -> float:
        """Seconds from one frame to the next, measured."""

    @property
    def longest_pass(self) -> float:
        """Seconds up to which a recording is heard in one pass; longer ones come in windows."""

    def emit(self, waveform: Waveform) -> Emissions:
        """Hear one waveform in one pass."""

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        """Compute what the model reads, (N,) or (N, F); other threads may do this ahead."""

    def emit_prepared(self, batch: Sequence[NDArray[np.float32]]) -> list[Emissions]:
        """Hear several prepared waveforms; each as if it were alone."""

    def emit_stream(self, blocks: Blocks) -> Iterator[Emissions]:
        """Hear a recording of any length in bounded memory, piece after piece."""
