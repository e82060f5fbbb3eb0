import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.load import AudioInfo, load_waveform, probe, stream_samples
from anylect.records import Utterance

Encode = Callable[..., Path]
Tone = NDArray[np.float32]

FORMATS: dict[str, dict[str, Any]] = {
    "a.wav": {},
    "a.flac": {},
    "a.ogg": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {},
    "a.aiff": {},
    "a.m4a": {"codec": "aac"},
    "a.aac": {"codec": "aac"},
    "a.webm": {"codec": "libopus", "sample_rate": 48_000},
    "a.mp4": {"codec": "aac", "is_video": True},
    "a.avi": {"codec": "mp3", "is_video": True},
    "a.amr": {"codec": "libopencore_amrnb", "sample_rate": 8_000},
    "a.mka": {"codec": "pcm_s16le"},
}


def correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    length = min(len(left), len(right))
    return float(np.corrcoef(left[:length], right[:length])[0, 1])


def utterance(path: Path, *, start: float = 0.0, duration: float | None = None) -> Utterance:
    return Utterance(audio=path, text="", id="u", start=start, duration=duration)


def best_correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Correlate at the best shift: encoders delay by up to two of their frames."""
    size = 2 * max(len(left), len(right))
    spectra = np.fft.rfft(left, size) * np.conj(np.fft.rfft(right, size))
    shift = int(np.argmax(np.fft.irfft(spectra, size)[:2_200]))
    return correlation(left[shift:], right)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_tone_that_was_written(
    name: str, encode: Encode, tone: Tone
) -> None:
    path = encode(name, **FORMATS[name])
    waveform = load_waveform(path)
    assert waveform.sample_rate == 16_000
    assert waveform.samples.dtype == np.float32
    assert waveform.duration == pytest.approx(3.0, abs=0.12)
    assert best_correlation(waveform.samples, tone) > (0.95 if name == "a.amr" else 0.98)


@pytest.mark.parametrize("name", FORMATS)
def test_probe_agrees_with_what_decodes(name: str, encode: Encode) -> None:
    path = encode(name, **FORMATS[name])
    info = probe(path)
    own = load_waveform(path, sample_rate=info.sample_rate)
    assert info.duration == pytest.approx(own.duration, abs=0.05)
    assert info.channels == 1
    assert info.sample_rate == FORMATS[name].get("sample_rate", 16_000)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_load_as_their_recording_does(name: str, encode: Encode) -> None:
    path = encode(name, **FORMATS[name])
    data = path.read_bytes()
    assert np.array_equal(load_waveform(data).samples, load_waveform(path).samples)
    assert probe(data).sample_rate == probe(path).sample_rate


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample_rate", [16_000, 11_025])
def test_a_stream_joined_is_what_loading_gives(name: str, sample_rate: int, encode: Encode) -> None:
    path = encode(name, **FORMATS[name])
    blocks = list(stream_samples(path, sample_rate=sample_rate, block_seconds=0.4))
    whole = load_waveform(path, sample_rate=sample_rate).samples
    assert np.array_equal(np.concatenate(blocks), whole)  # to the bit
    assert {len(block) for block in blocks[:-1]} == {round(0.4 * sample_rate)}
    assert 0 < len(blocks[-1]) <= round(0.4 * sample_rate)


@pytest.mark.parametrize("name", FORMATS)
def test_a_stretch_is_that_part_of_the_whole(name: str, encode: Encode) -> None:
    path = encode(name, **FORMATS[name])
    rate = probe(path).sample_rate
    whole = load_waveform(path, sample_rate=rate).samples
    part = load_waveform(utterance(path, start=1.25, duration=0.5), sample_rate=rate).samples
    expected = whole[round(1.25 * rate) : round(1.25 * rate) + round(0.5 * rate)]
    assert len(part) == len(expected)
    # Times in WebM are whole milliseconds, and lossy codecs need a moment to settle.
    slack = rate // 1000 if name == "a.webm" else 0
    shifted = [correlation(part[slack:], expected[slack - by :]) for by in range(-slack, slack + 1)]
    assert max(shifted) > 0.9999


def test_a_stretch_up_to_the_end(encode: Encode, tone: Tone) -> None:
    part = load_waveform(utterance(encode("a.wav"), start=2.0)).samples
    assert len(part) == 16_000
    assert part == pytest.approx(tone[32_000:], abs=1e-4)


def test_channels_are_averaged(encode: Encode, tone: Tone) -> None:
    path = encode(
        "a.wav", np.stack([tone, np.zeros_like(tone), -tone / 2], axis=1), subtype="FLOAT"
    )
    assert probe(path) == AudioInfo(3.0, 16_000, 3)
    assert load_waveform(path).samples == pytest.approx(tone / 6, abs=1e-7)


def test_samples_beyond_full_scale_are_kept(encode: Encode, tone: Tone) -> None:
    path = encode("a.wav", tone * 10, subtype="FLOAT")
    assert np.array_equal(load_waveform(path).samples, tone * 10)


def test_silence_is_a_recording(encode: Encode) -> None:
    samples = load_waveform(encode("a.flac", np.zeros(800, np.float32))).samples
    assert len(samples) == 800
    assert not samples.any()


@pytest.mark.parametrize(
    "name", ["ბარათი.wav", "录音 (1).flac", "нота.m4a", "a:b.m4a", "%20#?.mp3"]
)
def test_any_name_will_do(name: str, encode: Encode) -> None:
    path = encode("plain" + Path(name).suffix, **FORMATS["a" + Path(name).suffix])
    renamed = path.rename(path.with_name(name))
    assert load_waveform(renamed).duration == pytest.approx(3.0, abs=0.1)
    assert load_waveform(str(renamed)).duration == pytest.approx(3.0, abs=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="names are free bytes on Linux only")
def test_a_name_that_is_no_utf_8_will_do(encode: Encode) -> None:
    path = encode("a.wav")
    renamed = path.rename(path.with_name("caf\udce9.wav"))
    assert load_waveform(renamed).duration == 3.0


def test_content_counts_not_the_name(encode: Encode) -> None:
    path = encode("a.m4a", codec="aac")
    assert load_waveform(path.rename(path.with_suffix(".wav"))).duration > 2.9


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0.0, 1.5], np.float64), [0.0, 1.5]),
        (np.array([0, -32_768, 16_384], np.int16), [0.0, -1.0, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1.0, 0.5]),
        (np.array([128, 0, 192], np.uint8), [0.0, -1.0, 0.5]),
        (np.array([[1.0, 0.0], [0.0, 0.0], [0.5, 0.5]]), [0.5, 0.0, 0.5]),
        (np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 0.5]]), [0.5, 0.0, 0.5]),
    ],
)
def test_arrays_come_to_mono_float(array: NDArray[Any], expected: list[float]) -> None:
    samples = load_waveform(array, source_rate=16_000).samples
    assert samples.dtype == np.float32
    assert samples.tolist() == expected


def test_an_array_loads_as_its_recording(encode: Encode, tone: Tone) -> None:
    path = encode("a.wav", tone, sample_rate=44_100, subtype="FLOAT")
    assert np.array_equal(
        load_waveform(path).samples, load_waveform(tone, source_rate=44_100).samples
    )


@given(
    source_rate=st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000]),
    sample_rate=st.sampled_from([8_000, 16_000, 22_050]),
    length=st.integers(1, 5_000),
)
def test_resampling_keeps_the_duration(source_rate: int, sample_rate: int, length: int) -> None:
    waveform = load_waveform(
        np.ones(length, np.float32), sample_rate=sample_rate, source_rate=source_rate
    )
    assert abs(len(waveform.samples) - length * sample_rate / source_rate) <= 1


def test_a_tone_stays_itself_at_another_rate() -> None:
    def sine(rate: int) -> NDArray[np.float32]:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    resampled = load_waveform(sine(44_100), source_rate=44_100).samples
    assert resampled[1_000:-1_000] == pytest.approx(sine(16_000)[1_000:-1_000], abs=1e-4)


def test_loading_imports_neither_torch_nor_pyav() -> None:
    code = "import sys, anylect.audio.load; print({'av', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_threads_load_what_one_thread_loads(encode: Encode) -> None:
    paths = [encode(f"{at}-{name}", **FORMATS[name]) for at in range(2) for name in FORMATS]
    alone = [load_waveform(path).samples for path in paths]
    together: dict[int, NDArray[np.float32]] = {}

    def load(first: int) -> None:
        for at in range(first, len(paths), 4):
            together[at] = load_waveform(paths[at]).samples

    threads = [threading.Thread(target=load, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[at], together[at]) for at in range(len(paths)))


def write_long_wav(path: Path, *, hours: float, sample_rate: int = 8_000) -> Path:
    """A recording of silence that takes no room on the disk: its samples are a hole."""
    size = round(hours * 3600 * sample_rate) * 2
    soundfile.write(path, np.zeros(1, np.int16), sample_rate)
    with path.open("r+b") as file:
        header = bytearray(file.read(44))
        header[4:8] = (size + 36).to_bytes(4, "little")
        header[40:44] = size.to_bytes(4, "little")
        file.seek(0)
        file.write(header)
        file.truncate(44 + size)
    return path


def stream_peak(path: Path) -> tuple[int, int]:
    """Return samples streamed and the largest memory held meanwhile, in bytes."""
    tracemalloc.start()
    try:
        streamed = sum(len(block) for block in stream_samples(path))
        return streamed, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_streaming_takes_no_more_memory_for_longer_recordings(tmp_path: Path) -> None:
    short, short_peak = stream_peak(write_long_wav(tmp_path / "a.wav", hours=0.05))
    long, long_peak = stream_peak(write_long_wav(tmp_path / "b.wav", hours=0.5))
    assert long == pytest.approx(10 * short, rel=1e-6)
    assert long_peak < 1.2 * short_peak < 20e6


@pytest.mark.slow
def test_a_day_streams_in_constant_memory(tmp_path: Path) -> None:
    path = write_long_wav(tmp_path / "a.wav", hours=24)
    assert probe(path).duration == 24 * 3600
    streamed, peak = stream_peak(path)
    assert streamed == 24 * 3600 * 16_000
    assert peak < 20e6


def test_a_stretch_of_a_day_is_found_by_seeking(tmp_path: Path) -> None:
    path = write_long_wav(tmp_path / "a.wav", hours=24)
    tracemalloc.start()
    part = load_waveform(utterance(path, start=23 * 3600, duration=2.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert part.duration == 2.0
    assert peak < 2e6


def test_probing_common_voice_agrees_with_decoding(shared_data: Path) -> None:
    clips = sorted((shared_data / "common_voice_6.1_sample").glob("*/clips/*.mp3"))[::100]
    assert clips
    for clip in clips:
        decoded = soundfile.read(clip, dtype="float32")[0]
        info = probe(clip)
        assert info.duration == len(decoded) / info.sample_rate


@pytest.mark.slow
def test_all_shared_recordings_load(shared_data: Path) -> None:
    kinds = ("*.mp3", "*.flac", "*.opus", "*.ogg", "*.wav")
    paths = sorted(path for kind in kinds for path in shared_data.rglob(kind))[::10]
    assert len(paths) > 100
    for path in paths:
        assert probe(path).duration == pytest.approx(load_waveform(path).duration, abs=0.001)
