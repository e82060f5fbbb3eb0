"""Bad input: every one gives a clear error with place and hint."""

import builtins
import contextlib
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

from anylect.audio.load import load_waveform, probe, stream_samples
from anylect.errors import AudioError, ConfigError
from anylect.records import Utterance

Encode = Callable[..., Path]
Read = Callable[[Path | str], Any]
Tone = NDArray[np.float32]


def utterance(path: Path, *, start: float = 0.0, duration: float | None = None) -> Utterance:
    return Utterance(audio=path, text="", id="u", start=start, duration=duration)


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
