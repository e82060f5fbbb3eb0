"""Audio that comes piece by piece, from a microphone or a pipe, as mono samples at one rate."""

from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from anylect.audio.decoders import scale_samples
from anylect.audio.load import check_rate
from anylect.errors import AudioError

Samples = NDArray[np.float32]
"""(S,), mono."""


class PieceReader:
    """Samples in any pieces to mono float32 at one rate; the cutting changes no bit.

    A piece is an array, (S,) or (S, channels), integers by their type's full scale; or bytes of
    signed 16-bit PCM, little-endian, mono, cut anywhere.

    Example:
        >>> reader = PieceReader(16_000, 16_000)
        >>> reader.feed(bytes([0, 64, 0])), reader.feed(bytes([192]))
        (array([0.5], dtype=float32), array([-0.5], dtype=float32))
    """

    def __init__(self, source_rate: int, sample_rate: int) -> None:
        check_rate(source_rate, name="sample_rate")
        self._resampler = (
            soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32")
            if source_rate != sample_rate
            else None
        )
        self._half = b""

    def feed(self, piece: bytes | NDArray[Any]) -> Samples:
        """Take in a piece; return the samples it completes.

        Raises:
            AudioError: For samples that are not numbers.
        """
        samples = self._decode(piece) if isinstance(piece, bytes) else _mono(piece)
        return samples if self._resampler is None else self._resampler.resample_chunk(samples)

    def finish(self) -> Samples:
        """Return what the resampler held back."""
        nothing = np.zeros(0, np.float32)
        if self._resampler is None:
            return nothing
        rest: Samples = self._resampler.resample_chunk(nothing, last=True)
        return rest

    def _decode(self, piece: bytes) -> Samples:
        piece = self._half + piece
        whole = len(piece) // 2 * 2
        self._half = piece[whole:]
        return np.frombuffer(piece[:whole], "<i2").astype(np.float32) / np.float32(32_768)


def _mono(piece: NDArray[Any]) -> Samples:
    is_number = np.issubdtype(piece.dtype, np.number) and not np.iscomplexobj(piece)
    if piece.ndim not in (1, 2) or not is_number:
        raise AudioError(
            f"piece of shape {piece.shape} and type {piece.dtype} is no audio",
            hint="pass numbers of shape (S,) or (S, channels), or bytes of 16-bit PCM",
        )
    scaled = scale_samples(piece if piece.ndim == 2 else piece[:, np.newaxis])
    samples: Samples = np.ascontiguousarray(scaled.mean(axis=1), dtype=np.float32)
    if not np.isfinite(samples).all():
        raise AudioError(
            "a piece holds samples that are not finite numbers",
            hint="whatever recorded it divided by zero",
        )
    return samples
