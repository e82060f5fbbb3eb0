"""Recordings small enough to stand inside a page."""

import io

import soundfile

from anylect.errors import AudioError
from anylect.records import Waveform


def encode_mp3(waveform: Waveform) -> bytes:
    """Encode as MP3, which every browser plays: some 6 kB a second at 16 kHz.

    Args:
        waveform: At 8, 11.025, 12, 16, 22.05, 24, 32, 44.1 or 48 kHz.

    Raises:
        AudioError: When there is nothing to encode, or the sample rate is another.
    """
    if not len(waveform.samples):
        raise AudioError("a waveform without samples", hint="there is nothing to listen to")
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, waveform.samples.clip(-1, 1), waveform.sample_rate, format="MP3")
    except (ValueError, soundfile.LibsndfileError) as error:
        raise AudioError(
            f"{waveform.sample_rate} Hz cannot be written as MP3 ({error})",
            hint="resample to 16,000 Hz",
        ) from error
    return buffer.getvalue()
