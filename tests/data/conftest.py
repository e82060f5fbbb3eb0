import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WriteWav = Callable[..., Path]


@pytest.fixture
def write_wav() -> WriteWav:
    """Write noise of so many seconds; another seed gives another recording."""

    def write(path: Path, seconds: float = 1.0, *, seed: int = 0, sample_rate: int = 8000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(-9999, 9999, round(seconds * sample_rate))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(noise.astype("<i2").tobytes())
        return path

    return write
