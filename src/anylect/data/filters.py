"""Keep or drop, always with the reason.

Stands between a source and a manifest. An utterance is measured from its recording's header,
then held against the rules; what fails becomes a `Dropped` that says why, so that kept and
dropped always add up to what was seen.
"""

import hashlib
import itertools
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Literal

from anylect.audio.load import AudioInfo, probe
from anylect.errors import AudioError, ConfigError
from anylect.records import Utterance

_SLACK = 0.5
"""Seconds a transcript may last beyond its recording before the two contradict each other."""
_BLOCK = 16_384
_NO_SCRIPT = frozenset({"MODIFIER", "COMBINING", "SUPERSCRIPT", "SUBSCRIPT", "MATHEMATICAL"})
_ONE_SCRIPT = {
    "CJK": "HAN",
    "HIRAGANA": "HAN",
    "KATAKANA": "HAN",
    "KATAKANA-HIRAGANA": "HAN",
    "BOPOMOFO": "HAN",
    "IDEOGRAPHIC": "HAN",
}
_WIDTHS = ("FULLWIDTH ", "HALFWIDTH ")


class Reason(StrEnum):
    """Why an utterance was dropped, in the order of the report's table."""

    MALFORMED = "malformed row"
    NO_TRANSCRIPT = "no transcript"
    MISSING = "missing recording"
    UNREADABLE = "unreadable recording"
    OUTSIDE = "outside the recording"
    EMPTY = "empty transcript"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    INFEASIBLE = "more tokens than frames"
    TOO_FAST = "speech too fast"
    DUPLICATE = "duplicate recording"
    OTHER_SCRIPT = "another script"
    REPEATED = "stands on two sides"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something of a corpus that does not reach the manifest.

    `utterance` is None where not even that could be made of it; `detail` then names the place.
    """

    reason: Reason
    detail: str
    utterance: Utterance | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """An utterance with its duration, and a number equal for equal recordings."""

    utterance: Utterance
    fingerprint: int


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Which utterances a manifest may hold."""

    min_duration: float = 0.1
    """Seconds; a spoken word takes longer."""
    max_duration: float = 40.0
    """Seconds; longer ones cost memory. The longest of LibriSpeech last 35."""
    frames_per_second: float = 50.0
    """Of the model to be trained; 50 for wav2vec 2.0 and its kin."""
    max_tokens_per_second: float = 30.0
    """Characters after normalisation; faster is usually a wrong transcript."""
    duplicates: Literal["drop", "keep"] = "drop"
    """The same stretch of the same audio again; the first is kept."""
    other_script: Literal["keep", "drop"] = "keep"
    """Transcripts in another script than most; they are counted in any case."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_duration <= self.max_duration:
            raise ConfigError(
                f"`min_duration` is {self.min_duration} s, `max_duration` {self.max_duration} s",
                hint="expected 0 ≤ min_duration ≤ max_duration",
            )
        for name in ("frames_per_second", "max_tokens_per_second"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"`{name}` is {getattr(self, name)}", hint="give more than 0")


def measure(utterance: Utterance) -> Measured | Dropped:
    """Read a recording's header and settle how long the utterance lasts.

    Nothing is decoded. The fingerprint is a hash of the recording's size and of three blocks
    of 16 KiB (start, middle, end), and of the stretch: cheap, and equal by chance for no two
    recordings of speech.
    """
    path = utterance.audio
    try:
        status = path.stat()
        info, content = _look(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        return Dropped(Reason.MISSING, f"{path}: no such file", utterance)
    except OSError as error:
        return Dropped(Reason.UNREADABLE, f"{path}: {error.strerror}", utterance)
    except AudioError as error:
        return Dropped(Reason.UNREADABLE, error.message, utterance)
    rest = info.duration - utterance.start
    duration = utterance.duration if utterance.duration is not None else rest
    if duration > rest + _SLACK or (rest <= 0 and utterance.start):
        end = utterance.start + max(duration, 0.0)
        detail = f"ends at {end:.2f} s, the recording at {info.duration:.2f} s"
        return Dropped(Reason.OUTSIDE, detail, utterance)
    duration = round(min(duration, rest), 4)
    fingerprint = hash((content, round(utterance.start, 2), round(duration, 2)))
    return Measured(replace(utterance, duration=duration), fingerprint)


def check(utterance: Utterance, normalized: str, options: FilterOptions) -> Dropped | None:
    """Hold a measured utterance against the rules and return the first it breaks, if any.

    Args:
        utterance: With its duration.
        normalized: Its transcript after normalisation; one character counts as one token.
        options: The rules.
    """
    duration = utterance.duration or 0.0
    tokens = len(normalized)
    frames = int(duration * options.frames_per_second)
    if not utterance.text.strip():
        flaw = Reason.EMPTY, "nothing is written"
    elif not normalized:
        flaw = Reason.EMPTY, f"nothing of {utterance.text!r} is left after normalisation"
    elif duration < options.min_duration or not duration:
        flaw = Reason.TOO_SHORT, f"{duration:.2f} s, at least {options.min_duration:g} s expected"
    elif duration > options.max_duration:
        flaw = Reason.TOO_LONG, f"{duration:.2f} s, at most {options.max_duration:g} s expected"
    elif 2 * tokens > frames and tokens + (repeats := count_repeats(normalized)) > frames:
        flaw = (
            Reason.INFEASIBLE,
            f"{tokens} tokens and {repeats} repeats cannot be aligned to {frames} frames "
            f"({duration:.2f} s)",
        )
    elif tokens > options.max_tokens_per_second * duration:
        flaw = (
            Reason.TOO_FAST,
            f"{tokens} tokens in {duration:.2f} s are {tokens / duration:.1f} per second, "
            f"at most {options.max_tokens_per_second:g} expected",
        )
    else:
        return None
    return Dropped(*flaw, utterance)


def count_repeats(tokens: str) -> int:
    """Count neighbours that are equal: CTC needs a blank, hence a frame, between them.

    Example:
        >>> count_repeats("hello"), count_repeats("aaa")
        (1, 2)
    """
    return sum(left == right for left, right in itertools.pairwise(tokens))


def find_script(text: str) -> str | None:
    """Return the script most letters of a text are written in, by its name in Unicode.

    The scripts of Chinese and Japanese count as one, `HAN`, because sentences mix them freely.

    Returns:
        None for a text without letters; of equally frequent scripts the first.

    Example:
        >>> find_script("გამარჯობა!"), find_script("日本のカナ"), find_script("42")
        ('GEORGIAN', 'HAN', None)
    """
    counts: dict[str, int] = {}
    for character in text:
        script = _character_script(character)
        if script:
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=counts.__getitem__) if counts else None


@lru_cache(maxsize=65_536)
def _character_script(character: str) -> str | None:
    if not unicodedata.category(character).startswith("L"):
        return None
    name = unicodedata.name(character, "")
    for width in _WIDTHS:
        name = name.removeprefix(width)
    script = name.partition(" ")[0]
    return None if not script or script in _NO_SCRIPT else _ONE_SCRIPT.get(script, script)


@lru_cache(maxsize=1024)
def _look(path: Path, size: int, changed: int) -> tuple[AudioInfo, bytes]:
    """Return a recording's header and the hash of its size and of three blocks."""
    digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=8)
    with path.open("rb") as file:
        for position in (0, size // 2, size - _BLOCK) if size > 3 * _BLOCK else (0,):
            file.seek(position)
            digest.update(file.read(_BLOCK if size > 3 * _BLOCK else size))
    return probe(path), digest.digest()
