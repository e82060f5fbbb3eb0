"""Waveforms onto disk."""

from pathlib import Path

import soundfile

from anylect.records import Waveform


def save_wav(path: Path, waveform: Waveform) -> None:
    """Write 16-bit PCM; samples beyond full scale are clipped."""
    soundfile.write(path, waveform.samples, waveform.sample_rate, subtype="PCM_16", format="WAV")
