from pathlib import Path

import numpy as np
import pytest

from anylect.audio import codecs
from anylect.audio.channels import limit_band
from anylect.audio.codecs import CODECS, check_codec, parse_codec, through_codec
from anylect.audio.load import load_waveform
from anylect.errors import ConfigError
from anylect.records import Waveform

SETTINGS = [
    ("gsm", 13.0),
    ("amr", 4.75),
    ("amr", 12.2),
    ("opus", 6.0),
    ("opus", 24.0),
    ("mp3", 8.0),
    ("mp3", 32.0),
]


def voice(sample_rate: int, seconds: float = 1.5, seed: int = 0) -> Waveform:
    """Something like a voice: a gliding pitch with harmonics, in syllables."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * time + generator.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    harmonics = sum(np.sin(k * phase + generator.uniform(0, 6)) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time), 0, 1)
    return Waveform((0.15 * harmonics * syllables).astype(np.float32), sample_rate)


def lag_and_likeness(heard: Waveform, said: Waveform) -> tuple[int, float]:
    """Compare in the band that every codec keeps; a codec turns phases below it."""
    one, two = (limit_band(each, band_hz=(300, 3_400)).samples for each in (heard, said))
    size = 2 * len(one)
    likeness = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(two, size)), size)
    place = int(likeness.argmax())
    norm = np.sqrt(float(np.dot(one, one)) * float(np.dot(two, two)))
    return (place if place < size // 2 else place - size), float(likeness.max()) / norm


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050])
@pytest.mark.parametrize(("codec", "kbps"), SETTINGS)
def test_speech_comes_back_in_time_of_the_same_length_and_alike(
    codec: str, kbps: float, sample_rate: int
) -> None:
    said = voice(sample_rate)
    heard = through_codec(said, codec=codec, kbps=kbps)
    assert heard.samples.shape == said.samples.shape
    assert heard.samples.dtype == np.float32
    assert heard.sample_rate == sample_rate
    lag, likeness = lag_and_likeness(heard, said)
    assert abs(lag) <= 0.0005 * sample_rate  # half a millisecond, of the 20 of a frame
    assert 0.75 < likeness < 0.99999


@pytest.mark.parametrize(("codec", "kbps"), SETTINGS)
def test_silence_and_the_shortest_of_sounds_come_back_finite(codec: str, kbps: float) -> None:
    for size in (1, 160, 3_999):
        silence = through_codec(
            Waveform(np.zeros(size, np.float32), 16_000), codec=codec, kbps=kbps
        )
        assert silence.samples.shape == (size,)
        assert np.abs(silence.samples).max() < 0.002
    loud = Waveform(np.full(2_000, 7.0, np.float32), 8_000)
    assert np.isfinite(through_codec(loud, codec=codec, kbps=kbps).samples).all()


def test_nothing_stands_at_the_end_that_was_not_said_there() -> None:
    said = np.pad(voice(16_000).samples, (8_000, 0))
    for codec, kbps in SETTINGS:
        heard = through_codec(Waveform(said, 16_000), codec=codec, kbps=kbps).samples
        assert np.abs(heard[:6_000]).max() < 0.01


def test_fewer_bits_are_less_like_what_was_said() -> None:
    said = voice(16_000)
    for codec, few, many in (("opus", 6, 48), ("mp3", 8, 64), ("amr", 4.75, 12.2)):
        (_, worse), (_, better) = (
            lag_and_likeness(through_codec(said, codec=codec, kbps=kbps), said)
            for kbps in (few, many)
        )
        assert worse < better


def test_the_same_speech_gives_the_same_samples() -> None:
    said = voice(16_000)
    for codec, kbps in SETTINGS:
        one, two = (through_codec(said, codec=codec, kbps=kbps).samples for _ in range(2))
        assert np.array_equal(one, two)


def test_real_speech_stays_in_time(shared_data: Path) -> None:
    recording = sorted((shared_data / "LibriSpeech_sample").rglob("*.flac"))[3]
    said = load_waveform(recording)
    for codec, kbps in SETTINGS:
        lag, likeness = lag_and_likeness(through_codec(said, codec=codec, kbps=kbps), said)
        assert abs(lag) <= 4
        assert likeness > 0.85


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("speex 8", "there is no codec `speex`", "gsm, amr, opus, mp3"),
        ("opus", "a codec is 'opus'", "opus 12"),
        ("opus 500", "Opus at 500 kb/s cannot be had", "6 to 128"),
        ("gsm 12", "GSM full rate at 12 kb/s cannot be had", "it has 13 kb/s"),
    ],
)
def test_a_codec_that_cannot_be_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_codec(text)
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


def test_an_encoder_that_ffmpeg_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = codecs.Codec("AMR wideband", "libvo_amrwbenc_gone", "amrwb", (16_000,), (6.6, 23.85))
    monkeypatch.setitem(CODECS, "amr-wb", lacking)
    with pytest.raises(ConfigError, match="has no encoder `libvo_amrwbenc_gone`") as caught:
        check_codec("amr-wb", 12.65)
    assert "leave it out" in str(caught.value.hint)


def test_without_pyav_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    codecs._check_encoder.cache_clear()
    with pytest.raises(ConfigError, match="needs `av`") as caught:
        check_codec("opus", 12)
    assert "anylect[media]" in str(caught.value.hint)
    check_codec("gsm", 13)  # comes with soundfile
    codecs._check_encoder.cache_clear()
