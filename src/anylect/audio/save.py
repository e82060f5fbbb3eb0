"""Waveforms onto disk."""

from pathlib import Path

import soundfile

from anylect.errors import AudioError
from anylect.records import Waveform


def save_wav(path: Path, waveform: Waveform) -> None:
    """Write 16-bit PCM; samples beyond full scale are clipped.

    Raises:
        AudioError: When there is no room, or no right, to write it.
    """
    try:
        soundfile.write(
            path, waveform.samples, waveform.sample_rate, subtype="PCM_16", format="WAV"
        )
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(
            f"{path}: cannot be written ({error})", hint="choose another folder, or make room"
        ) from error
