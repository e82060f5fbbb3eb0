"""Text in: one sentence per line, from files, standard input or transcripts.

First step of estimation. Compressed files are recognised by their first bytes, whatever their
name. Every sentence passes the recogniser's normalizer, because a model that spells words
differently from the recogniser knows none of them; sentences of a test set are left out here,
because a model that has read the test makes every later number worthless.

What is not one sentence per line in UTF-8 is refused by name: a model estimated from such text
loads without complaint and is quietly wrong.
"""

import bz2
import gzip
import importlib
import io
import itertools
import lzma
import sys
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from anylect.errors import ManifestError
from anylect.progress import Progress, silent

Unit = Literal["auto", "word", "character"]
Normalize = Callable[[str], str]

STANDARD_INPUT = Path("-")
SPACE_SYMBOL = "|"
"""Stands for the space in a model of characters, as the word boundary does on disk."""

_MAX_LINE_BYTES = 1 << 20
_DETECTION_CHARACTERS = 100_000
# What separates words, as lmplz has it: a no-break space or a vertical tab is part of a word.
_SEPARATORS = str.maketrans("\0\t\n\r", "    ")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# First and last code point of the scripts that put no spaces between words (Unicode 16 blocks).
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9DF),  # Javanese
    (0xAA60, 0xAADF),  # Myanmar Extended-A, Tai Viet
    (0x20000, 0x3FFFF),  # Han, supplementary planes
)
_UNSPACED_WORD_LENGTH = 6.0
"""Characters between two spaces from which such a script counts as unsegmented."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of UTF-8 text, each ended by a newline.

    `lines` holds the line number in `place` of every line of `data`.
    """

    data: bytes
    place: str
    lines: Sequence[int]


@dataclass(slots=True)
class CorpusReport:
    """What was read and what was left out; sentences are counted as lines."""

    sentences: int = 0
    excluded: int = 0
    duplicates: int = 0
    emptied: int = 0
    """Sentences of which the normalizer left nothing."""
    unit: Literal["word", "character"] = "word"
    unit_reason: str = "chosen"


@dataclass(slots=True)
class Corpus:
    """Sentences from text files, then from transcripts; iterate over it once.

    `exclude` holds sentences to leave out, compared after normalisation. `unit` says what the
    model is made of: words between spaces, or characters for languages written without them;
    `auto` looks at the first sentences, and `report` says what was chosen and why.
    """

    paths: Sequence[Path] = ()
    transcripts: Iterable[str] = ()
    normalize: Normalize | None = None
    exclude: Iterable[str] = ()
    unit: Unit = "auto"
    deduplicate: bool = False
    progress: Progress = silent
    report: CorpusReport = field(default_factory=CorpusReport)
    block_bytes: int = 1 << 22
    """How much text is read at a time."""

    def __iter__(self) -> Iterator[Block]:
        """Yield the text in blocks of a few megabytes.

        Raises:
            ManifestError: For what cannot be read, is no UTF-8, or has no line breaks.
        """
        blocks = self._read_all()
        first = next(blocks, None)
        if first is None:
            return
        self._choose_unit(first)
        change = self._changer()
        for block in itertools.chain([first], blocks):
            changed = change(block) if change else block
            self.report.sentences += len(changed.lines)
            if changed.data:
                yield changed

    def _read_all(self) -> Iterator[Block]:
        total = sum(path.stat().st_size for path in self.paths if path.is_file())
        done = 0
        for path in self.paths:
            for block, consumed in _read_file(path, self.block_bytes):
                self.progress(done + consumed, total or None)
                yield block
            done += path.stat().st_size if path.is_file() else 0
        yield from _batch_transcripts(self.transcripts)

    def _choose_unit(self, first: Block) -> None:
        if self.unit != "auto":
            self.report.unit, self.report.unit_reason = self.unit, "chosen"
            return
        sample = first.data[: 4 * _DETECTION_CHARACTERS].decode("utf-8", errors="ignore")
        sample = sample[:_DETECTION_CHARACTERS]
        if self.normalize:
            sample = " ".join(self.normalize(line) for line in sample.splitlines())
        self.report.unit, self.report.unit_reason = detect_unit(sample)

    def _changer(self) -> Callable[[Block], Block] | None:
        """Return what has to happen to every block; None when it may pass as it is."""
        excluded = {_key(sentence, self.normalize) for sentence in self.exclude}
        if not (self.normalize or excluded or self.deduplicate or self.report.unit != "word"):
            return None
        seen: set[str] = set()

        def change(block: Block) -> Block:
            return self._change(block, excluded=excluded, seen=seen)

        return change

    def _change(self, block: Block, *, excluded: set[str], seen: set[str]) -> Block:
        kept: list[str] = []
        lines: list[int] = []
        for number, line in zip(block.lines, block.data.decode().split("\n"), strict=False):
            sentence = _key(line, self.normalize)
            if not sentence and line.strip():
                self.report.emptied += 1
            elif sentence in excluded:
                self.report.excluded += 1
            elif self.deduplicate and sentence in seen:
                self.report.duplicates += 1
            else:
                if self.deduplicate:
                    seen.add(sentence)
                kept.append(sentence if self.report.unit == "word" else spell(sentence))
                lines.append(number)
        data = "".join(f"{sentence}\n" for sentence in kept).encode()
        return Block(data, block.place, lines)


def detect_unit(sample: str) -> tuple[Literal["word", "character"], str]:
    """Tell whether a text is written with spaces between words, and why we think so.

    Example:
        >>> detect_unit("the cat sat on the mat")[0]
        'word'
        >>> detect_unit("ผมรักภาษาไทยและกรุงเทพมหานคร")[0]
        'character'
    """
    letters = [letter for letter in sample if unicodedata.category(letter)[0] in "LM"]
    unspaced = sum(_is_unspaced(letter) for letter in letters)
    share = unspaced / max(1, len(letters))
    length = len(letters) / max(1, len(sample.split()))
    facts = f"{share:.0%} of letters in scripts without spaces, {length:.1f} letters per word"
    if share > 0.5 and length > _UNSPACED_WORD_LENGTH:
        return "character", f"detected: {facts}"
    return "word", f"detected: {facts}"


def spell(sentence: str) -> str:
    """Write a sentence as characters between spaces, its own spaces as `|`.

    Example:
        >>> spell("ab c")
        'a b | c'
    """
    return " ".join(sentence.replace(" ", SPACE_SYMBOL))


def _is_unspaced(letter: str) -> bool:
    code = ord(letter)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _UNSPACED)


def _key(sentence: str, normalize: Normalize | None) -> str:
    spaced = (normalize(sentence) if normalize else sentence).translate(_SEPARATORS)
    return " ".join(word for word in spaced.split(" ") if word)


def _batch_transcripts(transcripts: Iterable[str]) -> Iterator[Block]:
    batch: list[str] = []
    number = 0
    for number, transcript in enumerate(transcripts, start=1):
        batch.append(_key(transcript, None))
        if len(batch) == 10_000:
            yield _transcript_block(batch, end=number)
            batch = []
    if batch:
        yield _transcript_block(batch, end=number)


def _transcript_block(batch: list[str], *, end: int) -> Block:
    data = "".join(f"{line}\n" for line in batch).encode("utf-8", errors="replace")
    return Block(data, "transcripts", range(end - len(batch) + 1, end + 1))


# ---------------------------------------------------------------- files


def _read_file(path: Path, size: int) -> Iterator[tuple[Block, int]]:
    """Yield whole lines and how many bytes of the file they took so far."""
    place = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        with _open_raw(path) as raw:
            yield from _read_lines(_decompress(raw, place), raw, place, size)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "ends too early"
        raise ManifestError(
            f"{place}: cannot be read ({reason})", hint="give text, gzip, bzip2, xz or zst files"
        ) from error


def _open_raw(path: Path) -> BinaryIO:
    if path == STANDARD_INPUT:
        # The process's own standard input stays open when we are done.
        return cast(BinaryIO, io.open(sys.stdin.fileno(), "rb", closefd=False))  # noqa: UP020
    return path.open("rb")


def _decompress(raw: BinaryIO, place: str) -> BinaryIO:
    head = cast(io.BufferedReader, raw).peek(6)[:6]
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if head.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if head.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _open_zstandard(raw, place)
    return raw


def _open_zstandard(raw: BinaryIO, place: str) -> BinaryIO:
    for name in ("compression.zstd", "zstandard"):  # the first comes with Python 3.14
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        return cast(BinaryIO, library.open(raw, "rb"))
    raise ManifestError(
        f"{place}: zst needs a library that is not installed",
        hint="`pip install zstandard`, or unpack with `zstd -d` and give the text",
    )


def _read_lines(
    stream: BinaryIO, raw: BinaryIO, place: str, size: int
) -> Iterator[tuple[Block, int]]:
    carry = b""
    line = 1
    beginning = True
    while piece := stream.read(size):
        if beginning:
            piece, beginning = piece.removeprefix(_BYTE_ORDER_MARK), False
        cut = piece.rfind(b"\n") + 1
        data = carry + piece[:cut] if cut else b""
        carry = piece[cut:] if cut else carry + piece
        if len(carry) > _MAX_LINE_BYTES:
            raise _too_long(place, line + data.count(b"\n"))
        if data:
            block = _checked(data, place, line)
            line += len(block.lines)
            yield block, _position(raw)
    if carry:
        yield _checked(carry + b"\n", place, line), _position(raw)


def _position(raw: BinaryIO) -> int:
    return raw.tell() if raw.seekable() else 0


def _checked(data: bytes, place: str, line: int) -> Block:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = line + data.count(b"\n", 0, error.start)
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ManifestError(
            f"{place}:{number}: invalid UTF-8: byte 0x{data[error.start]:02x} in column {column}",
            hint="convert the file, e.g. `iconv -f latin1 -t utf-8`, or delete the line",
        ) from error
    _refuse_long_lines(data, place, line)
    return Block(data, place, range(line, line + data.count(b"\n")))


def _refuse_long_lines(data: bytes, place: str, line: int) -> None:
    # A line that is too long covers one of these stretches whole; most blocks are done here.
    half = _MAX_LINE_BYTES // 2
    if all(data.find(b"\n", at, at + half) >= 0 for at in range(0, len(data) - half, half)):
        return
    for offset, content in enumerate(data.split(b"\n")):
        if len(content) > _MAX_LINE_BYTES:
            raise _too_long(place, line + offset)


def _too_long(place: str, line: int) -> ManifestError:
    return ManifestError(
        f"{place}:{line}: a line of more than {_MAX_LINE_BYTES:,} bytes; expected one sentence",
        hint="write one sentence per line: a model learns where sentences end from line ends",
    )
