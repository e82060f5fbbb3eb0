"""Recordings for a report's page: something to listen to, and a spectrogram to look at."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from anylect.audio.clips import encode_mp3
from anylect.audio.features import FeatureOptions, mel_filterbank
from anylect.audio.load import load_waveform
from anylect.evaluation.page_examples import Media
from anylect.records import Utterance, Waveform

SAMPLE_RATE = 16_000
LONGEST = 20.0
"""Seconds of a recording that are kept: 130 kB of the page."""
_RANGE = 12.0
"""Natural logarithms of power from the loudest to black; 52 dB."""
_WIDEST = 1200

# A few colours of increasing lightness, from dark to light: black, blue, red, yellow, white.
_STOPS = np.array(
    [[0, 0, 0], [34, 16, 84], [122, 28, 109], [207, 68, 70], [246, 150, 40], [252, 255, 190]]
)


def media_of(utterance: Utterance) -> Media:
    """Load an utterance as sound and picture.

    Raises:
        AudioError: When the recording cannot be read.
    """
    waveform = load_waveform(utterance, sample_rate=SAMPLE_RATE)
    kept = Waveform(waveform.samples[: int(LONGEST * SAMPLE_RATE)], SAMPLE_RATE)
    return Media(
        audio=_data_uri("audio/mpeg", encode_mp3(kept)),
        spectrogram=_data_uri("image/png", spectrogram_png(kept)),
        seconds=kept.duration,
        highest_khz=SAMPLE_RATE / 2000,
        cut=len(kept.samples) < len(waveform.samples),
    )


def spectrogram_png(waveform: Waveform) -> bytes:
    """Draw a mel spectrogram, low tones at the bottom, as a PNG of 64 rows."""
    options = FeatureOptions(
        kind="mel", bins=64, sample_rate=waveform.sample_rate, window_ms=25.0, hop_ms=10.0
    )
    padded = np.pad(waveform.samples, (0, options.window_samples))
    levels = mel_filterbank(padded, options)  # (T, F)
    step = -(-len(levels) // _WIDEST)
    levels = levels[::step]
    shade = np.clip((levels - levels.max()) / _RANGE + 1, 0, 1)
    return png((shade.T[::-1] * 255).astype(np.uint8), palette=_palette())


def png(pixels: NDArray[np.uint8], *, palette: NDArray[np.uint8]) -> bytes:
    """Write a PNG with a palette (ISO/IEC 15948).

    Args:
        pixels: (rows, columns), places in the palette.
        palette: (256, 3), red, green and blue.
    """
    rows, columns = pixels.shape
    lines = np.hstack([np.zeros((rows, 1), np.uint8), pixels])  # filter 0 before each row
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    written = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def _palette() -> NDArray[np.uint8]:
    places = np.linspace(0, len(_STOPS) - 1, 256)
    known = np.arange(len(_STOPS))
    channels = [np.interp(places, known, _STOPS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
