import builtins
import subprocess
import sys
import threading
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from anylect.audio import synth
from anylect.audio.synth import VARIANTS, Voice, languages, speak, voices
from anylect.errors import AudioError, ConfigError

SENTENCES = {
    "en": "the quick brown fox",
    "sw": "habari ya asubuhi",
    "ko": "안녕하세요 여러분",
    "ka": "გამარჯობა მეგობარო",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_heard(language: str) -> None:
    waveform = speak(SENTENCES[language], voice=Voice(language=language))
    assert waveform.sample_rate == 22_050
    assert waveform.samples.dtype == np.float32
    assert 0.5 < waveform.duration < 4.0
    assert 0.05 < np.abs(waveform.samples).max() <= 1.0


def test_the_same_sentence_sounds_the_same_whatever_was_said_before() -> None:
    cast = voices("en")[::5] + voices("ko")[3::9]
    first = [speak(SENTENCES["en"], voice=voice).samples for voice in cast]
    for voice in reversed(cast):
        speak("something else entirely, and longer!", voice=replace(voice, pitch=70))
        speak(SENTENCES["sw"], voice=Voice(language="sw", rate=300))
    again = [speak(SENTENCES["en"], voice=voice).samples for voice in reversed(cast)]
    for one, other in zip(first, reversed(again), strict=True):
        assert np.array_equal(one, other)


def test_another_process_says_the_same() -> None:
    code = (
        "import zlib; from anylect.audio.synth import *;"
        "print([zlib.crc32(speak('red boats', voice=v).samples.tobytes())"
        " for v in voices('en')[::6]])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"MALLOC_PERTURB_": perturbation},
        ).stdout
        for perturbation in ("0", "165")
    }
    assert len(said) == 1


@pytest.mark.slow
@pytest.mark.parametrize("language", SENTENCES)
def test_every_voice_repeats_itself(language: str) -> None:
    cast = voices(language)
    first = [speak(SENTENCES[language], voice=voice).samples for voice in cast]
    again = [speak(SENTENCES[language], voice=voice).samples for voice in reversed(cast)]
    for one, other in zip(first, reversed(again), strict=True):
        assert np.array_equal(one, other)


def test_threads_wait_for_each_other() -> None:
    cast = voices("en")[:6]
    alone = [speak("red boats", voice=voice).samples for voice in cast]
    together: dict[int, Any] = {}

    def say(index: int) -> None:
        together[index] = speak("red boats", voice=cast[index]).samples

    threads = [threading.Thread(target=say, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[index], together[index]) for index in range(6))


def spectrum_of(voice: Voice) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The mean log-spectrum in 24 bands, level taken off."""
    samples = speak("please call stella", voice=voice).samples
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1_024)[::512] * np.hanning(1_024)
    energy = np.square(np.abs(np.fft.rfft(frames))).mean(axis=0)[4:]
    edges = np.geomspace(1, len(energy), 25).astype(int) - 1
    bands = np.log([energy[low : max(high, low + 1)].sum() for low, high in zip(edges, edges[1:])])  # noqa: B905, RUF007
    centred: np.ndarray[Any, np.dtype[np.float64]] = bands - bands.mean()
    return centred


def test_voices_are_many_and_differ() -> None:
    cast = voices("en")
    assert len(cast) == len({voice.name for voice in cast}) == len(VARIANTS) >= 24
    spectra = np.array([spectrum_of(voice) for voice in cast])
    apart = np.sqrt(np.square(spectra[:, None] - spectra).mean(axis=2))
    np.fill_diagonal(apart, np.inf)
    # What a change of pitch alone does to one voice lies below.
    same = spectrum_of(cast[0]) - spectrum_of(replace(cast[0], rate=cast[0].rate + 5))
    assert apart.min() > 2 * np.sqrt(np.square(same).mean())


@pytest.mark.parametrize(("change", "sign"), [({"rate": 250}, -1), ({"rate": 100}, 1)])
def test_rate_changes_the_duration(change: dict[str, int], sign: int) -> None:
    usual = speak(SENTENCES["en"], voice=Voice(language="en")).duration
    other = speak(SENTENCES["en"], voice=Voice(language="en", **change)).duration  # type: ignore[arg-type]  # a rate
    assert sign * (other - usual) > 0.2


def test_silence_around_a_sentence_is_the_same_for_all() -> None:
    margin = round(0.05 * 22_050)
    for voice in voices("en")[::7]:
        samples = speak("boats", voice=voice).samples
        assert not samples[:margin].any()
        assert not samples[-margin:].any()
        assert samples[margin]
        assert samples[-margin - 1]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("en", "en"),
        ("en-US", "en-US"),
        ("en_GB", "en"),
        ("pt-BR", "pt-BR"),
        ("no", "nb"),
        ("nn", "nb"),
        ("zh", "cmn"),
        ("zh-CN", "cmn"),
        ("zh-HK", "yue"),
        ("sr-Latn", "sr"),
        ("KO", "ko"),
    ],
)
def test_language_tags_find_espeaks_names(tag: str, name: str) -> None:
    assert synth._find_espeak_language(tag) == name


@pytest.mark.slow
def test_every_language_speaks() -> None:
    for language in languages():
        assert speak("a ba na", voice=Voice(language=language)).duration > 0.1
    assert len(languages()) > 100


def test_an_unknown_language_is_refused_with_a_guess() -> None:
    with pytest.raises(ConfigError, match="does not speak `swa`") as caught:
        voices("swa")
    assert caught.value.hint == "did you mean `sw`?"
    with pytest.raises(ConfigError, match="does not speak `qqqq`") as caught:
        speak("a", voice=Voice(language="qqqq"))
    assert (caught.value.hint or "").startswith("it speaks af, am, an, ")


@pytest.mark.parametrize(
    ("voice", "message", "hint"),
    [
        (Voice(language="en", variant="m33"), "no voice variant `m33`", "did you mean `m3`?"),
        (Voice(language="en", variant="x"), "no voice variant `x`", "known: m3, f1"),
        (Voice(language="en", rate=10), "`rate` of a voice is 10", "80 to 450"),
        (Voice(language="en", pitch=100), "`pitch` of a voice is 100", "0 to 99"),
    ],
)
def test_a_voice_that_cannot_be_is_refused(voice: Voice, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        speak("hello", voice=voice)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "   ", "\0", "..."])
def test_a_text_with_nothing_to_say_is_refused(text: str) -> None:
    with pytest.raises(AudioError, match="can be spoken") as caught:
        speak(text, voice=Voice(language="en"))
    assert caught.value.hint == "give a text with words"


def test_markup_is_read_not_obeyed() -> None:
    plain = speak("hello", voice=Voice(language="en"))
    marked = speak('hello <break time="9s"/>', voice=Voice(language="en"))
    assert marked.duration < plain.duration + 8


def test_a_nul_does_not_end_the_text() -> None:
    voice = Voice(language="en")
    assert np.array_equal(
        speak("red\0boats", voice=voice).samples, speak("red boats", voice=voice).samples
    )


def test_without_the_wheel_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object, **more: object) -> ModuleType:
        if name == "espeakng_loader":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(builtins, "__import__", refuse)
    synth._data_folder.cache_clear()
    synth._voice_files.cache_clear()
    with pytest.raises(ConfigError, match="the built-in voice is not installed") as caught:
        speak("hello", voice=Voice(language="en"))
    assert caught.value.hint == '`pip install "anylect[demo]"`'
