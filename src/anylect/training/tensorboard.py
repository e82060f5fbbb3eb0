"""What TensorBoard shows, written without TensorBoard: event files of scalars.

A listener of the journal. An event file is a sequence of records, each a protocol buffer framed
by its length and two checksums (tensorflow/core/lib/io/record_writer.h, core/util/event.proto);
scalars need five fields of it, which is less than the lightest library that writes them.
"""

import os
import struct
import time
from functools import lru_cache
from pathlib import Path

from anylect.training.journal import Event

PREFIXES = {"update": "train", "validation": "dev"}
"""Events that have curves, and the names these are grouped under."""

_DOUBLE, _TEXT, _FLOAT = 1, 2, 5
"""Wire types of protocol buffers: eight bytes, a length and so many bytes, four bytes."""


class TensorBoard:
    """Writes the figures of updates and validations as scalars into a folder.

    Every process writes a file of its own, so a resumed run continues in another one; where the
    two overlap TensorBoard shows the later.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        self.path = folder / f"events.out.tfevents.{int(now * 1000):013d}.{os.getpid()}"
        version = _field(3, _TEXT, b"brain.Event:2")
        self._append(_field(1, _DOUBLE, struct.pack("<d", now)) + version)

    def __call__(self, event: Event) -> None:
        """Write one event's figures, if it has curves."""
        prefix = PREFIXES.get(event["event"])
        if prefix is None:
            return
        values = b"".join(
            _field(1, _TEXT, _scalar(f"{prefix}/{name}", float(value)))
            for name, value in event.items()
            if isinstance(value, (int, float)) and name not in ("time", "update")
        )
        when = _field(1, _DOUBLE, struct.pack("<d", float(event["time"])))
        step = _key(2, 0) + _varint(int(event["update"]))
        self._append(when + step + _field(5, _TEXT, values))

    def _append(self, message: bytes) -> None:
        length = struct.pack("<Q", len(message))
        with self.path.open("ab") as stream:
            stream.write(length + _checksum(length) + message + _checksum(message))


def _scalar(tag: str, value: float) -> bytes:
    return _field(1, _TEXT, tag.encode("utf-8")) + _field(2, _FLOAT, struct.pack("<f", value))


def _field(number: int, kind: int, content: bytes) -> bytes:
    size = _varint(len(content)) if kind == _TEXT else b""
    return _key(number, kind) + size + content


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    """Write a number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _checksum(content: bytes) -> bytes:
    """Return the masked CRC-32C of a record's part."""
    crc = crc32c(content)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """Compute the Castagnoli checksum (RFC 3720, appendix B.4).

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    table, crc = _table(), 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x82F63B78 if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)
