import builtins
import contextlib
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anylect.audio.load import AudioInfo, load_waveform, probe, stream_samples
from anylect.errors import AudioError, ConfigError
from anylect.records import Utterance

Encode = Callable[..., Path]
Read = Callable[[Path | str], Any]
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


BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing.wav": (b"", "is empty (0 bytes)", "copy or download it again"),
    "notes.wav": (
        b"hello world\n" * 50,
        "is not a recording of any known format (begins with the text `hello world`)",
        "play it to see what it is",
    ),
    "page.mp3": (
        b"<!DOCTYPE html>\n<html>404</html>" * 20,
        "(begins with the text `<!DOCTYPE html>`)",
        "play it",
    ),
    "notes.txt": (b"hello\n" * 500, "is not a recording", "play it"),
    "noise.wav": (bytes(range(256)) * 8, "is not a recording of any known format", "play it"),
    # A playlist must not make the reader open other files or addresses.
    "list.wav": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "is not a recording", "play it"),
    "a.raw": (b"\0\1" * 100, "headerless audio has no known format", "`source_rate`"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("read", [load_waveform, probe])
def test_what_is_no_recording_is_refused(name: str, read: Read, tmp_path: Path) -> None:
    content, message, hint = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_missing_recording_is_named(read: Read, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: cannot be read \(No such file") as caught:
        read(tmp_path / "gone.wav")
    assert "relative to the manifest" in (caught.value.hint or "")


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_folder_is_no_recording(read: Read, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder, expected a recording") as caught:
        read(str(tmp_path))
    assert caught.value.hint == "name a file"


@pytest.mark.parametrize("read", [load_waveform, probe])
@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_a_header_without_samples_is_refused(read: Read, name: str, encode: Encode) -> None:
    with pytest.raises(AudioError, match=r"holds no samples \(0\.00 s\)") as caught:
        read(encode(name, np.zeros(0, np.float32)))
    assert caught.value.hint == "record it again, or leave it out"


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_video_without_sound_is_refused(read: Read, encode: Encode) -> None:
    with pytest.raises(AudioError, match="holds video but no audio track") as caught:
        read(encode("a.mp4", is_video=True))
    assert "export it again with its sound" in (caught.value.hint or "")


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_truncated_mp3_names_both_durations(read: Read, encode: Encode) -> None:
    path = cut(encode("a.mp3"), 0.5)
    with pytest.raises(
        AudioError, match=r"is cut off: 3\.00 s expected, 1\.\d\d s found"
    ) as caught:
        read(path)
    assert "copy or download it again" in (caught.value.hint or "")


def without_count(path: Path) -> Path:
    """Take off the opening frame, so that nothing says how many frames follow."""
    data = path.read_bytes()
    start = data.index(b"\xff\xf3")
    bit_rate_kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128)[data[start + 2] >> 4]
    size = 72 * bit_rate_kbps * 1000 // 16_000 + (data[start + 2] >> 1 & 1)
    path.write_bytes(data[start + size :])
    return path


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_truncated_mp3_without_count_ends_amid_a_frame(read: Read, encode: Encode) -> None:
    path = without_count(encode("a.mp3"))
    intact = read(path)
    assert intact.duration == pytest.approx(3.0, abs=0.1)
    with pytest.raises(
        AudioError, match=r"is cut off in the middle of an MP3 frame, after 1\.\d\d s"
    ):
        read(cut(path, 0.47))


@pytest.mark.parametrize("read", [load_waveform, probe])
def test_a_truncated_wav_names_both_durations(read: Read, encode: Encode) -> None:
    with pytest.raises(AudioError, match=r"is cut off: 3\.00 s expected, 1\.50 s found"):
        read(cut(encode("a.wav"), 0.5))


@pytest.mark.parametrize("name", ["a.flac", "a.ogg"])
def test_a_truncated_recording_of_other_format_is_refused(name: str, encode: Encode) -> None:
    path = cut(encode(name), 0.5)
    with pytest.raises(AudioError, match=r"is damaged (at its beginning|at or after)") as caught:
        load_waveform(path)
    assert "saves what can be decoded" in (caught.value.hint or "")


def test_a_truncated_webm_names_both_durations(encode: Encode) -> None:
    path = cut(encode("a.webm", codec="libopus", sample_rate=48_000), 0.5)
    with pytest.raises(AudioError, match=r"is cut off: 3\.0\d s expected, 1\.\d\d s found"):
        load_waveform(path)


def test_a_truncated_m4a_is_refused(encode: Encode) -> None:
    with pytest.raises(AudioError, match="is not a recording of any known format"):
        load_waveform(cut(encode("a.m4a", codec="aac"), 0.5))


def test_a_wav_written_to_a_pipe_has_no_size_to_keep(encode: Encode, tone: Tone) -> None:
    path = encode("a.wav", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert load_waveform(path).duration == pytest.approx(3.0)
    assert probe(path).duration == pytest.approx(3.0)


def test_an_utterance_longer_than_its_recording_is_refused(encode: Encode) -> None:
    path = encode("a.wav")
    with pytest.raises(AudioError, match=r"5\.00 s expected from 1\.00 s on, 2\.00 s found"):
        load_waveform(utterance(path, start=1.0, duration=5.0))
    assert load_waveform(utterance(path, start=1.0, duration=2.1)).duration == 2.0  # rounding


def test_an_utterance_behind_the_end_is_refused(encode: Encode) -> None:
    with pytest.raises(AudioError, match=r"1\.00 s expected from 7\.00 s on, 0\.00 s found"):
        load_waveform(utterance(encode("a.wav"), start=7.0, duration=1.0))
    with pytest.raises(AudioError, match="holds no samples"):
        load_waveform(utterance(encode("b.wav"), start=7.0))


@pytest.mark.parametrize(("start", "duration"), [(-1.0, 1.0), (0.0, 0.0), (0.0, -2.0)])
def test_an_impossible_stretch_is_refused(start: float, duration: float, encode: Encode) -> None:
    with pytest.raises(AudioError, match="cannot take") as caught:
        load_waveform(utterance(encode("a.wav"), start=start, duration=duration))
    assert "`duration` must be positive" in (caught.value.hint or "")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_placed(value: float, encode: Encode, tone: Tone) -> None:
    tone[8_000] = value
    tone[9_000] = np.nan
    path = encode("a.wav", np.stack([np.zeros_like(tone), tone], axis=1), subtype="FLOAT")
    for read in (load_waveform, lambda path: list(stream_samples(path))):
        with pytest.raises(
            AudioError, match=rf"is {value} at 0\.5000 s, expected finite"
        ) as caught:
            read(path)
        assert "cut that place out" in (caught.value.hint or "")
    with pytest.raises(AudioError, match=rf"array: is {value} at 0\.5000 s"):
        load_waveform(tone, source_rate=16_000)


def test_huge_but_finite_samples_are_kept() -> None:
    samples = np.array([3e38, 3e38, -3e38], np.float32)
    assert np.array_equal(load_waveform(samples, source_rate=16_000).samples, samples)


@pytest.mark.parametrize("rate", [1, 500, 3_000_000])
def test_an_absurd_sample_rate_is_refused(rate: int, encode: Encode, tone: Tone) -> None:
    path = encode("a.wav", tone, sample_rate=16_000)
    data = bytearray(path.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(data)
    for read in (load_waveform, probe):
        with pytest.raises(
            AudioError, match=f"has a sample rate of {rate:,} Hz, expected"
        ) as caught:
            read(path)
        assert "export it again" in (caught.value.hint or "")


def test_a_sample_rate_of_zero_is_refused(encode: Encode) -> None:
    path = encode("a.wav")
    data = bytearray(path.read_bytes())
    data[24:28] = bytes(4)
    path.write_bytes(data)
    for read in (load_waveform, probe):
        with pytest.raises(AudioError):
            read(path)


@pytest.mark.parametrize(
    ("array", "settings", "message", "hint"),
    [
        (np.zeros(9), {}, "without its sample rate", "source_rate=44_100"),
        (np.zeros(9), {"source_rate": 0}, "`source_rate` is 0", "expected 1,000 to"),
        (np.zeros(9), {"sample_rate": -1, "source_rate": 8_000}, "`sample_rate` is -1", "expected"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    array: NDArray[Any], settings: dict[str, int], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_waveform(array, **settings)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), r"array of shape \(2, 3, 4\) and type float64 is no audio"),
        (np.array(["a"]), "is no audio"),
        (np.zeros(4, complex), "type complex128 is no audio"),
        (np.zeros(0), "array: holds no samples"),
    ],
)
def test_arrays_that_are_no_audio_are_refused(array: NDArray[Any], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        load_waveform(array, source_rate=16_000)


def test_a_block_length_must_be_positive(encode: Encode) -> None:
    with pytest.raises(ConfigError, match=r"`block_seconds` is 0\.0"):
        next(stream_samples(encode("a.wav"), block_seconds=0.0))


def test_without_pyav_the_error_says_what_to_install(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plain = encode("a.m4a", codec="aac"), encode("b.mp3")
    real = builtins.__import__

    def refuse(name: str, *rest: object, **more: object) -> ModuleType:
        if name == "av":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(AudioError, match="is no WAV, FLAC, Ogg, Opus or MP3") as caught:
        load_waveform(path)
    assert caught.value.hint is not None
    assert 'pip install "anylect[media]"' in caught.value.hint
    assert load_waveform(plain).duration == 3.0


def test_loading_imports_neither_torch_nor_pyav() -> None:
    code = "import sys, anylect.audio.load; print({'av', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("contents")
    tone = 0.1 * np.sin(np.arange(4_000) / 5)
    found = {}
    for kind in ("wav", "flac", "mp3", "ogg"):
        soundfile.write(folder / f"a.{kind}", tone, 16_000)
        found[kind] = (folder / f"a.{kind}").read_bytes()
    return found


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damage_is_an_audio_error_or_a_recording(
    data: st.DataObject, contents: dict[str, bytes]
) -> None:
    content = bytearray(contents[data.draw(st.sampled_from(sorted(contents)))])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for read in (load_waveform, probe):
        with contextlib.suppress(AudioError):
            read(bytes(content))


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
