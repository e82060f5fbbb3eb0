"""A voice of our own, so that the demo and the tests need no download.

eSpeak NG speaks a hundred languages by formant synthesis; the `espeakng-loader` wheel carries the
library and its data, driven here through ctypes. It is no human voice: a recogniser trained
on it alone knows nothing of real speech.

eSpeak keeps state between sentences (where flutter and noise stand), so a sentence would sound
differently after another one. We load the library anew for every sentence, which takes a
millisecond and makes the samples a function of text and voice only.
"""

import contextlib
import ctypes
import difflib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.errors import AudioError, ConfigError
from anylect.records import Waveform

VARIANTS = (
    *("m3", "f1", "Diogo", "paul", "linda", "m7", "Andy", "f4", "norbert", "ed", "Annie"),
    *("m4", "Hugo", "belinda", "robert", "m8", "Andrea", "antonio", "Michael", "shelby"),
    *("miguel", "quincy", "steph", "boris", "Gene", "grandma", "Denis", "travis", "anika"),
    *("john", "pablo", "m1"),
)
"""Timbres, about one woman to two men, in an order that mixes them. Left out of eSpeak's own: those
that whisper or breathe (their noise is never the same twice), robots, and near copies."""

_MARGIN = 0.05
"""Seconds of silence before and behind every sentence; eSpeak's own differ from voice to voice."""
_SILENCE = 33
"""Of 32,768; -60 dB."""

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4

_ALIASES = {"nn": "nb", "no": "nb", "iw": "he", "in": "id", "mo": "ro", "zh-hk": "yue"}
_LOCK = threading.Lock()
_SamplesCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks: one of `VARIANTS` in a language, at a rate and a pitch."""

    language: str
    """BCP 47 tag."""
    variant: str = "m3"
    """Timbre: the formants of a throat."""
    rate: int = 165
    """Words per minute, 80 to 450."""
    pitch: int = 50
    """0 to 99; 50 is the variant's own."""
    pitch_range: int = 50
    """0 is monotone, 99 lively."""

    @property
    def name(self) -> str:
        """Short and unique, fit for a manifest's `speaker`."""
        return f"{self.language}-{self.variant}-{self.rate}-{self.pitch}-{self.pitch_range}"


def voices(language: str) -> list[Voice]:
    """Return thirty-two clearly different voices, in an order that mixes women and men.

    Each has its own timbre, and pitch and rate spread around the usual, so that any slice of
    the list makes a varied group of speakers.

    Raises:
        ConfigError: For a language that eSpeak does not speak.

    Example:
        >>> voices("sw")[0].name, len(voices("sw"))
        ('sw-m3-165-50-50', 32)
    """
    _find_espeak_language(language)
    return [
        Voice(
            language=language,
            variant=variant,
            rate=(165, 145, 180, 155, 172, 150)[index % 6],
            pitch=(50, 42, 58, 46, 54)[index % 5],
            pitch_range=(50, 35, 65, 45)[index % 4],
        )
        for index, variant in enumerate(VARIANTS)
    ]


def speak(text: str, *, voice: Voice) -> Waveform:
    """Speak a sentence.

    The same text and voice give the same samples, bit by bit, whatever was spoken before. Calls
    from several threads wait for each other.

    Args:
        text: Any text; what the language cannot read is spelled out or left out by eSpeak.
        voice: Who speaks.

    Returns:
        The sentence at 22,050 Hz, with 50 ms of silence before and behind it.

    Raises:
        ConfigError: For a voice that does not exist, or without the `espeakng-loader` wheel.
        AudioError: For a text with nothing to say.
    """
    _check_voice(voice)
    name = f"{_find_espeak_language(voice.language)}+{voice.variant}"
    pieces: list[NDArray[np.int16]] = []

    def take(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int | None) -> int:
        if count:  # the last call has none
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _SamplesCallback(take)
    spoken = text.replace("\0", " ").encode() + b"\0"
    with _LOCK, _fresh_engine() as (engine, sample_rate):
        engine.espeak_SetSynthCallback(callback)
        if engine.espeak_SetVoiceByName(name.encode()):
            raise ConfigError(
                f"eSpeak NG cannot load its voice `{name}`",
                hint="reinstall its wheel: `pip install --force-reinstall espeakng-loader`",
            )
        for parameter, value in (
            (_RATE, voice.rate),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        ):
            engine.espeak_SetParameter(parameter, value, 0)
        size = ctypes.c_size_t(len(spoken))
        engine.espeak_Synth(spoken, size, 0, 0, 0, _UTF8, None, None)
        engine.espeak_Synchronize()
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return Waveform(_trim(samples, text=text, sample_rate=sample_rate), sample_rate)


def languages() -> tuple[str, ...]:
    """Return the tags of all languages that eSpeak speaks, sorted."""
    return tuple(sorted(_voice_files()))


@cache
def _voice_files() -> dict[str, str]:
    """Map language tags to the names of eSpeak's voice files, which is how it finds them.

    A file names the languages it serves, each with a priority (5 where unsaid, lower is
    better); languages whose dictionary the wheel lacks are left out.
    """
    best: dict[str, tuple[int, str]] = {}
    for path in sorted((_data_folder() / "lang").rglob("*")):
        if not path.is_file():
            continue
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        entries = [words[1:] for words in lines if words[:1] == ["language"]]
        dictionary = next((words[1] for words in lines if words[:1] == ["dictionary"]), None)
        dictionary = dictionary or path.name.split("-")[0]
        if not (_data_folder() / f"{dictionary}_dict").exists():
            continue
        entries.append([path.name, "0"])
        for tag, *priority in entries:
            claim = (int(priority[0]) if priority else 5, path.name)
            best[tag.lower()] = min(claim, best.get(tag.lower(), claim))
    return {tag: name for tag, (_, name) in best.items()}


def _find_espeak_language(tag: str) -> str:
    """Find eSpeak's name of a BCP 47 tag: the tag itself, a synonym, or the tag without its end."""
    known = _voice_files()
    parts = tag.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        shorter = "-".join(parts[:length])
        for candidate in (shorter, _ALIASES.get(shorter, shorter)):
            if candidate in known:
                return known[candidate]
    near = difflib.get_close_matches(tag.lower(), known, n=3, cutoff=0.6)
    spoken = ", ".join(name for name in languages() if "-" not in name)
    raise ConfigError(
        f"the built-in voice does not speak `{tag}`",
        hint=f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
        if near
        else f"it speaks {spoken}",
    )


def _check_voice(voice: Voice) -> None:
    if voice.variant not in VARIANTS:
        near = difflib.get_close_matches(voice.variant, VARIANTS, n=1)
        raise ConfigError(
            f"there is no voice variant `{voice.variant}`",
            hint=f"did you mean `{near[0]}`?" if near else f"known: {', '.join(VARIANTS)}",
        )
    for name, low, high in (("rate", 80, 450), ("pitch", 0, 99), ("pitch_range", 0, 99)):
        value = getattr(voice, name)
        if not low <= value <= high:
            raise ConfigError(
                f"`{name}` of a voice is {value}", hint=f"expected {low} to {high}, whole"
            )


def _trim(samples: NDArray[np.int16], *, text: str, sample_rate: int) -> NDArray[np.float32]:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENCE)
    if not len(loud):
        raise AudioError(f"nothing in {text!r} can be spoken", hint="give a text with words")
    speech = samples[loud[0] : loud[-1] + 1].astype(np.float32) / np.float32(32_768)
    return np.pad(speech, round(_MARGIN * sample_rate))


@contextlib.contextmanager
def _fresh_engine() -> Iterator[tuple[ctypes.CDLL, int]]:
    """Load the library with nothing said yet, and unload it."""
    folder = _data_folder()
    engine = ctypes.CDLL(_library_path())
    try:
        # Negative where its data cannot be read.
        rate = engine.espeak_Initialize(_SYNCHRONOUS, 0, str(folder).encode(), _DONT_EXIT)
        if rate <= 0:
            raise ConfigError(
                f"eSpeak NG cannot read its data in {folder}",
                hint="reinstall its wheel: `pip install --force-reinstall espeakng-loader`",
            )
        yield engine, rate
        engine.espeak_Terminate()
    finally:
        _unload(engine)


def _unload(library: ctypes.CDLL) -> None:
    handle = ctypes.c_void_p(library._handle)
    if sys.platform == "win32":
        ctypes.windll.kernel32.FreeLibrary(handle)
    else:
        ctypes.CDLL(None).dlclose(handle)


def _library_path() -> str:
    with _explained():
        import espeakng_loader

        return str(espeakng_loader.get_library_path())


@cache
def _data_folder() -> Path:
    with _explained():
        import espeakng_loader

        return Path(espeakng_loader.get_data_path())


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            "the built-in voice is not installed", hint='`pip install "anylect[demo]"`'
        ) from error
