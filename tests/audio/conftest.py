"""Small recordings of many formats, made on the spot."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

SECONDS = 3.0
Encode = Callable[..., Path]


def sweep(sample_rate: int = 16_000, seconds: float = SECONDS) -> NDArray[np.float32]:
    """A tone rising from 200 to 1,700 Hz: no stretch of it equals another."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * (200 * time + 250 * time**2)
    return (0.3 * np.sin(phase)).astype(np.float32)


@pytest.fixture
def tone() -> NDArray[np.float32]:
    return sweep()


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write a recording with soundfile, or with PyAV where a codec is named."""

    def write(
        name: str,
        samples: NDArray[np.float32] | None = None,
        *,
        sample_rate: int = 16_000,
        codec: str | None = None,
        is_video: bool = False,
        **settings: str,
    ) -> Path:
        path = tmp_path / name
        samples = sweep(sample_rate) if samples is None else samples
        if codec is None and not is_video:
            soundfile.write(path, samples, sample_rate, **settings)
        else:
            _mux(path, samples, sample_rate, codec=codec, is_video=is_video)
        return path

    return write


def _mux(
    path: Path,
    samples: NDArray[np.float32],
    sample_rate: int,
    *,
    codec: str | None,
    is_video: bool,
) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10) if is_video else None
        audio = container.add_stream(codec, rate=sample_rate) if codec else None
        if isinstance(audio, av.AudioStream):
            audio.layout = "mono"
        if isinstance(video, av.VideoStream):
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
            black = np.zeros((32, 32, 3), np.uint8)
            for _ in range(round(10 * len(samples) / sample_rate)):
                container.mux(video.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
            container.mux(video.encode())
        if isinstance(audio, av.AudioStream):
            whole = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            whole.sample_rate = sample_rate
            resampler = av.AudioResampler(
                format=audio.format,
                layout="mono",
                rate=sample_rate,
                frame_size=audio.codec_context.frame_size or None,
            )
            for frame in [*resampler.resample(whole), *resampler.resample(None)]:
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
