"""Manifests: JSON Lines in and out, checked line by line.

First step of the walk: a line of a manifest becomes an `Utterance`. A line looks like
`{"audio": "clips/a.mp3", "text": "…", "duration": 3.21, "speaker": "…", "split": "train"}`;
`audio` and `text` are required, paths are relative to the manifest, keys we do not know are
kept in `extra` and written back. NeMo's `audio_filepath` and `offset` are read, and `lang`.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from anylect.errors import ManifestError
from anylect.records import Utterance

_OPTIONAL_TEXTS = ("speaker", "language", "split", "corpus")
_KEYS = frozenset({"audio", "text", "id", "duration", "start", *_OPTIONAL_TEXTS})
_ALIASES = (("audio_filepath", "audio"), ("lang", "language"), ("offset", "start"))
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_STEPS_UP = 2
"""How many folders up a relative path may lead before an absolute one is clearer."""
_FOLDERS_REMEMBERED = 4096


def read_manifest(path: Path | str, *, split: str | None = None) -> Iterator[Utterance]:
    """Read a manifest line by line; memory grows by some 100 bytes per line, for the ids.

    Every line is checked, also those of other splits. An utterance without `id` gets the stem of
    its audio path, then `@start` where it does not begin at zero; where that is taken, the
    path as written without its suffix; where that is taken too, `#line` behind it. Whole numbers
    are accepted as names of speakers and utterances.

    Args:
        path: JSON Lines in UTF-8; a byte order mark, CRLF and empty lines are accepted.
        split: Yield the utterances of this split only.

    Raises:
        ManifestError: With the line's number, for a file that cannot be read, broken JSON, a
            missing or mistyped value, or an id that stands on an earlier line.
    """
    path = Path(path)
    if not path.exists():
        raise ManifestError(
            f"{path}: no such manifest",
            hint="`anylect prepare CORPUS -o FOLDER` writes FOLDER/manifest.jsonl; "
            "the first lines of a recipe say which corpus it wants",
        )
    met = _Met(path.parent)
    for number, line in read_lines(path):
        try:
            utterance = parse_utterance(_parse(line), line=number, met=met)
        except ManifestError as flaw:
            raise _placed(flaw, path, number) from flaw.__cause__
        except _TakenError as taken:
            # Ids are remembered by their hashes: look whether the id itself stands above.
            _refuse_duplicate(path, number, taken.utterance.id)
            utterance = taken.utterance
        if split is None or utterance.split == split:
            yield utterance


def write_manifest(path: Path | str, utterances: Iterable[Utterance]) -> int:
    """Write utterances beside the target, then rename, and return how many there were.

    A recording below the manifest's folder or at most two folders up gets a relative path, so
    that both may be moved together; any other path is written absolute.

    Raises:
        ManifestError: If the file cannot be written, or an utterance cannot be said in JSON.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".partial")
    encoder = Encoder(path.parent)
    count = 0
    try:
        with beside.open("wb") as file:
            for count, utterance in enumerate(utterances, start=1):  # noqa: B007  # the count is returned
                file.write(encoder.line(encoder.fields(utterance)))
        beside.replace(path)
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be written ({error.strerror})",
            hint="choose a folder that exists and that you may write to",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def manifest_checksum(path: Path | str) -> str:
    """Return the SHA-256 of a manifest's bytes in hex, for signatures and evidence."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read a text file's lines with their numbers from 1, empty lines left out.

    Raises:
        ManifestError: If the file cannot be read or a line is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if number == 1:
                    _refuse_utf16(path, raw)
                    raw = raw.removeprefix(_UTF8_MARK)
                line = _decode(path, number, raw).rstrip("\r\n")
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror})", hint="check the path and its permissions"
        ) from error


def parse_utterance(fields: dict[str, Any], *, line: int, met: "_Met") -> Utterance:
    """Turn a manifest's object into an utterance.

    Args:
        fields: The object; it is used up.
        line: Tells apart made-up ids that would otherwise be equal.
        met: What earlier lines had.

    Raises:
        ManifestError: Without a place, for a missing or mistyped value.
    """
    for alias, name in _ALIASES:
        if alias in fields and fields.get(name) is None:
            fields[name] = fields.pop(alias)
    audio = _take_text(fields, "audio")
    text = _take_text(fields, "text")
    if not audio or "\0" in audio:
        raise ManifestError(f"`audio` is {audio!r}", hint="give the path of a recording")
    start = _take_seconds(fields, "start")
    if start is not None and start < 0:
        raise ManifestError(f"`start` is {start} s", hint="a stretch starts at 0.0 s or later")
    duration = _take_seconds(fields, "duration")
    if duration is not None and duration <= 0:
        raise ManifestError(
            f"`duration` is {duration} s",
            hint="the recording has no audio: remove the line; or remove `duration` to have it "
            "measured",
        )
    given = _take_name(fields, "id")
    names = {name: _take_name(fields, name) for name in _OPTIONAL_TEXTS if name in fields}
    utterance = Utterance(
        audio=met.place(audio),
        text=text,
        id=given or met.make_up(audio, start=start or 0.0, line=line),
        duration=duration,
        start=start or 0.0,
        extra=MappingProxyType(fields),
        **names,
    )
    if not met.claim(utterance.id) and given:
        raise _TakenError(utterance)
    return utterance


class Encoder:
    """Says utterances in JSON, with audio paths as seen from one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.abspath(folder)  # noqa: PTH100  # `resolve` would follow links
        self._real_folder = os.path.realpath(folder)
        self._relative: dict[str, str] = {}

    def fields(self, utterance: Utterance) -> dict[str, Any]:
        """Return the object that stands for an utterance, empty values left out."""
        taken = _KEYS.intersection(utterance.extra)
        if taken:
            raise ManifestError(
                f"{utterance.id}: `extra` holds `{min(taken)}`, which is a field of its own",
                hint="set the field of the utterance instead",
            )
        fields: dict[str, Any] = {
            "audio": self.audio(utterance.audio),
            "text": utterance.text,
            "duration": utterance.duration,
            "start": utterance.start or None,
            "speaker": utterance.speaker,
            "language": utterance.language,
            "split": utterance.split,
            "corpus": utterance.corpus,
            "id": utterance.id,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        fields.update(utterance.extra)
        return fields

    def line(self, fields: Mapping[str, Any]) -> bytes:
        """Return one line of JSON in UTF-8.

        A file name that is not UTF-8 reaches us as lone surrogates, which UTF-8 cannot carry:
        such a line is written in ASCII, with escapes.
        """
        try:
            return (json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n").encode()
        except UnicodeEncodeError:
            return (json.dumps(fields, allow_nan=False) + "\n").encode()
        except (ValueError, TypeError) as error:
            raise ManifestError(
                f"{fields.get('id')}: cannot be written as JSON ({error})",
                hint="keep texts, finite numbers, lists and tables in an utterance",
            ) from error

    def audio(self, path: Path) -> str:
        """Return a recording's path relative to the folder if it is near, else absolute."""
        folder, name = os.path.split(path)
        if folder not in self._relative:
            if len(self._relative) >= _FOLDERS_REMEMBERED:
                self._relative.clear()
            self._relative[folder] = self._from_here(folder or ".")
        return self._relative[folder] + name

    def _from_here(self, folder: str) -> str:
        below = os.path.relpath(os.path.abspath(folder), self._folder)  # noqa: PTH100
        if not below.startswith(os.pardir):
            return "" if below == os.curdir else below + os.sep
        # Only from a real folder does `..` lead where it seems to.
        real = os.path.realpath(folder)
        near = os.path.relpath(real, self._real_folder)
        if Path(near).parts.count(os.pardir) > _STEPS_UP:
            near = real
        return near if near.endswith(os.sep) else near + os.sep


class _Met:
    """What the lines so far had: ids, by their hashes, and the folders of recordings.

    Hashes take half the memory of texts; to find a folder takes longer than all else of a line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[int] = set()
        self._places: dict[str, Path] = {}

    def place(self, audio: str) -> Path:
        """Find where a recording lies, seen from the manifest's folder."""
        folder, slash, name = audio.rpartition("/")
        if name == "..":
            return self._from_here(audio)
        folder += slash
        if folder not in self._places:
            if len(self._places) >= _FOLDERS_REMEMBERED:
                self._places.clear()
            self._places[folder] = self._from_here(folder)
        return self._places[folder] / name

    def _from_here(self, path: str) -> Path:
        if not path.startswith(".."):
            return self._folder / path
        real = os.path.realpath(self._folder)
        return Path(os.path.normpath(os.path.join(real, path)))  # noqa: PTH118

    def claim(self, name: str) -> bool:
        """Remember an id and say whether it is (all but surely) new."""
        before = len(self._seen)
        self._seen.add(hash(name))
        return len(self._seen) > before

    def make_up(self, audio: str, *, start: float, line: int) -> str:
        """Find an id for a stretch of a recording."""
        stretch = f"@{start:g}" if start else ""
        stem, _ = os.path.splitext(os.path.basename(audio))  # noqa: PTH119, PTH122  # a million times
        whole, _ = os.path.splitext(audio)  # noqa: PTH122
        for name in (stem + stretch, whole + stretch):
            if hash(name) not in self._seen:
                return name
        return f"{whole}{stretch}#{line}"


class _TakenError(Exception):
    """An explicit id whose hash has been met before."""

    def __init__(self, utterance: Utterance) -> None:
        super().__init__(utterance.id)
        self.utterance = utterance


def _parse(line: str) -> dict[str, Any]:
    try:
        fields = _DECODER.decode(line)
    except RecursionError as error:
        raise ManifestError("nested too deeply", hint="a line is one flat object") from error
    except json.JSONDecodeError as error:
        is_marked = line.startswith("\ufeff")  # behind another file, say
        reason = "unexpected byte order mark" if is_marked else error.msg.lower()
        raise ManifestError(
            f"broken JSON at character {error.pos + 1}: {reason}",
            hint='a line is one object: {"audio": "clips/a.wav", "text": "…"}',
        ) from error
    except ValueError as error:
        raise ManifestError(f"broken JSON: {error}", hint="a line is one object") from error
    if not isinstance(fields, dict):
        raise ManifestError(
            f"a {type(fields).__name__} where an object was expected",
            hint='a line is one object: {"audio": "clips/a.wav", "text": "…"}',
        )
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ManifestError(
        f"`{name}` is not a number in JSON", hint="write `null`, or leave the key out"
    )


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""One for all lines: making it takes longer than reading one."""


def _take_text(fields: dict[str, Any], name: str) -> str:
    value = fields.pop(name, None)
    if isinstance(value, str):
        return value
    if value is None:
        known = ", ".join(f"`{key}`" for key in fields) or "nothing else"
        raise ManifestError(
            f"`{name}` is missing; the line has {known}",
            hint="`audio` and `text` are required; `anylect prepare` reads tables with other names",
        )
    raise ManifestError(f"`{name}` is {value!r}, expected a text", hint=f"put `{name}` in quotes")


def _take_name(fields: dict[str, Any], name: str) -> str | None:
    value = fields.pop(name, None)
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ManifestError(f"`{name}` is {value!r}, expected a text", hint=f"put `{name}` in quotes")


def _take_seconds(fields: dict[str, Any], name: str) -> float | None:
    value = fields.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ManifestError(
            f"`{name}` is {value!r}, expected a number of seconds",
            hint=f"write it without quotes, e.g. 3.21, or leave `{name}` out",
        )
    if abs(value) > 1e12 or not math.isfinite(value):
        raise ManifestError(f"`{name}` is not a possible number of seconds", hint="check the line")
    return float(value)


def _decode(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path}:{number}: not UTF-8 at byte {error.start + 1}",
            hint="convert it, e.g. `iconv -f WINDOWS-1252 -t UTF-8`",
        ) from error


def _refuse_utf16(path: Path, raw: bytes) -> None:
    if raw.startswith(_UTF16_MARKS):
        raise ManifestError(
            f"{path}:1: UTF-16, expected UTF-8", hint="convert it: `iconv -f UTF-16 -t UTF-8`"
        )


def _placed(flaw: ManifestError, path: Path, number: int) -> ManifestError:
    return ManifestError(f"{path}:{number}: {flaw.message}", hint=flaw.hint)


def _refuse_duplicate(path: Path, number: int, name: str) -> None:
    met = _Met(path.parent)
    for earlier, line in read_lines(path):
        if earlier >= number:
            return
        try:
            utterance = parse_utterance(_parse(line), line=earlier, met=met)
        except _TakenError as taken:
            utterance = taken.utterance
        if utterance.id == name:
            raise ManifestError(
                f"{path}:{number}: `id` is {name!r}, as on line {earlier}",
                hint="every utterance needs an id of its own; leave `id` out to have one made up",
            )
