"""Folders of noise or impulse responses, listed once, read a stretch at a time.

A folder may be far larger than memory: what is kept is where its recordings are and how long they
last; small ones that were read lately stay at hand.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from anylect.audio.filtering import Samples
from anylect.audio.load import load_waveform, probe
from anylect.errors import ConfigError
from anylect.records import Utterance

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aif", ".aiff", ".au"}
)
"""What is taken for a recording."""

_KEPT = 64
"""Whole recordings held in memory, each of at most `_KEPT_SECONDS`: 40 MB at 16 kHz."""
_KEPT_SECONDS = 10.0
_DECAY = 1e-6
"""Of the peak's power: an impulse response ends where nothing louder follows (-60 dB)."""


@dataclass(frozen=True)
class Sounds:
    """The recordings of a folder; `durations` are in seconds."""

    folder: Path
    recordings: tuple[Path, ...]
    durations: tuple[float, ...]

    def draw(self, seconds: float, generator: np.random.Generator, *, sample_rate: int) -> Samples:
        """Draw a recording, and of a longer one a stretch of so many seconds."""
        index = int(generator.integers(len(self.recordings)))
        path, duration = self.recordings[index], self.durations[index]
        if duration <= _KEPT_SECONDS:
            return _load_short(path, sample_rate)
        if duration <= seconds:
            return load_waveform(path, sample_rate=sample_rate).samples
        start = generator.uniform(0.0, duration - seconds)
        stretch = Utterance(audio=path, text="", id=path.stem, start=start, duration=seconds)
        return load_waveform(stretch, sample_rate=sample_rate).samples

    def draw_response(self, generator: np.random.Generator, *, sample_rate: int) -> Samples:
        """Draw an impulse response: from its direct sound on, that is its peak, down to -60 dB."""
        path = self.recordings[int(generator.integers(len(self.recordings)))]
        return load_response(path, sample_rate)


@lru_cache(maxsize=16)
def open_sounds(folder: Path) -> Sounds:
    """List the recordings below a folder, in the order of their names.

    Raises:
        ConfigError: When there is no such folder, or no recording in it.
        AudioError: For a recording that cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder of recordings", hint="check the path in the settings"
        )
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    recordings = tuple(sorted(found, key=lambda path: path.relative_to(folder).as_posix()))
    if not recordings:
        raise ConfigError(
            f"{folder}: holds no recordings",
            hint=f"expected {', '.join(sorted(SUFFIXES))}, here or in folders below",
        )
    return Sounds(folder, recordings, tuple(probe(path).duration for path in recordings))


@lru_cache(maxsize=_KEPT)
def _load_short(path: Path, sample_rate: int) -> Samples:
    samples = load_waveform(path, sample_rate=sample_rate).samples
    samples.setflags(write=False)  # others are given the same samples
    return samples


@lru_cache(maxsize=_KEPT)
def load_response(path: Path, sample_rate: int) -> Samples:
    """Load an impulse response from its peak to where it has decayed by 60 dB, peak at one."""
    samples = load_waveform(path, sample_rate=sample_rate).samples
    first = int(np.abs(samples).argmax())
    peak = samples[first]
    if not peak:
        raise ConfigError(f"{path}: is silent", hint="an impulse response has a peak: remove it")
    response = samples[first:] / peak
    last = int(np.flatnonzero(np.square(response) >= _DECAY)[-1])
    kept: Samples = response[: last + 1].copy()
    kept.setflags(write=False)  # others are given the same samples
    return kept
