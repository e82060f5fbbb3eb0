from pathlib import Path

import numpy as np
import pytest
import soundfile

from anylect import Recognizer
from anylect.audio.load import load_waveform
from anylect.data.manifest import read_manifest
from anylect.errors import AudioError


@pytest.fixture(scope="module")
def recognizer(tiny_bundle: Path) -> Recognizer:
    return Recognizer.load(tiny_bundle, device="cpu")


def test_a_path_its_bytes_and_its_samples_give_the_same(
    recognizer: Recognizer, tone_manifest: Path
) -> None:
    path = next(read_manifest(tone_manifest)).audio
    samples, sample_rate = soundfile.read(path, dtype="float32")
    expected = recognizer.transcribe(path)
    assert expected.text
    assert recognizer.transcribe(str(path)) == expected
    assert recognizer.transcribe(path.read_bytes()) == expected
    assert recognizer.transcribe(samples, sample_rate=sample_rate).text == expected.text
    stereo = np.stack([samples, samples], axis=1)
    assert recognizer.transcribe(stereo, sample_rate=sample_rate).text == expected.text


def test_word_times_are_within_the_recording(recognizer: Recognizer, tone_manifest: Path) -> None:
    for utterance in read_manifest(tone_manifest, split="test"):
        words = recognizer.transcribe(utterance.audio).words
        assert utterance.duration is not None
        assert all(0 <= word.start < word.end <= utterance.duration for word in words)


def test_an_array_needs_its_sample_rate(recognizer: Recognizer) -> None:
    with pytest.raises(AudioError, match="without its sample rate") as caught:
        recognizer.transcribe(np.zeros(100, np.float32))
    assert "sample_rate=16_000" in str(caught.value.hint)


def test_memory_does_not_grow_with_the_recording(recognizer: Recognizer, tmp_path: Path) -> None:
    import tracemalloc

    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.flac"
        generator = np.random.default_rng(0)
        with soundfile.SoundFile(path, "w", 8_000, 1) as stream:
            for _ in range(seconds // 10):
                stream.write(0.1 * generator.standard_normal(80_000))
        tracemalloc.start()
        recognizer.transcribe(path)
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    peak(60)
    short, long = peak(120), peak(600)
    assert long < short + 2_000_000


def test_loading_the_same_audio_at_another_rate_is_heard(
    recognizer: Recognizer, tone_manifest: Path, tmp_path: Path
) -> None:
    waveform = load_waveform(next(read_manifest(tone_manifest)), sample_rate=44_100)
    soundfile.write(tmp_path / "a.flac", waveform.samples, 44_100)
    assert recognizer.transcribe(tmp_path / "a.flac").text
