"""What the headers of MP3 and WAV say about a recording's length, without decoding it.

An MP3 is a row of frames, each of which announces its own size. Encoders may open the row with
a frame that counts the rest (Xing, Info or VBRI header), but many recordings have none, those
of Common Voice among them; then only walking from header to header tells how long it is, and
whether its end is missing. The arithmetic of frame headers is that of ISO/IEC 11172-3, sec.
2.4.2.3, and of 13818-3 for the lower sample rates.
"""

import math
import mmap
from dataclasses import dataclass

_BITRATES_KBPS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
)
_SAMPLE_RATES = {
    3: (44_100, 48_000, 32_000, 0),
    2: (22_050, 24_000, 16_000, 0),
    0: (11_025, 12_000, 8_000, 0),
}
_FEW_FRAMES = 2000
"""Below this a recording is walked from frame to frame, which takes half a millisecond."""
_PLACES = 200
"""Where a longer one is looked at before its bit rate is taken to be constant."""
_GOLDEN = (math.sqrt(5) - 1) / 2
"""Steps of this share of the whole, wrapped around, fall into no rhythm (Weyl 1916)."""

Bytes = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Length:
    """Length of a recording by its headers, in samples of its own rate.

    `samples` counts what is there, `promised` what the header says should be; None where it
    says nothing. `is_cut` tells that the recording ends in the middle of something.
    """

    sample_rate: int
    channels: int
    samples: int
    promised: int | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """Whole frames that are there, and whether one more was begun."""

    frames: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame's size in bytes, as it is and without rounding, and what it holds."""

    size: int
    exact_size: float
    samples: int
    sample_rate: int
    channels: int
    side_info: int


@dataclass(frozen=True, slots=True)
class _Count:
    """What an opening frame says: frames behind it, bytes in all, samples the encoder added."""

    frames: int
    size: int | None
    trimmed: int


def measure_mp3(data: Bytes, *, walks_all: bool) -> Length | None:
    """Measure an MP3 by its headers.

    Args:
        data: The whole recording, best as a memory map: only headers are touched.
        walks_all: Of a varying bit rate, visit every frame, even where the opening frame
            counts them. A constant bit rate is seen from a handful of frames.

    Returns:
        None where the bytes do not start as an MP3 does, or stop being one on the way.
    """
    start = _after_tag(data)
    first = _read_frame(data, start)
    if first is None:
        return None
    count = _read_count(data, start, first)
    if count is not None:
        start += first.size
    found = _count_constant(data, start)
    if found is None and (count is None or walks_all):
        found = _walk(data, start)
        if found is None:
            return None
    if count is None:
        assert found is not None
        samples, promised, is_cut = found.frames * first.samples, None, found.is_cut
    else:
        promised = max(0, count.frames * first.samples - count.trimmed)
        if found is not None:
            samples, is_cut = min(promised, found.frames * first.samples), found.is_cut
        else:
            share = min(1.0, (len(data) - start + first.size) / (count.size or 1))
            samples, is_cut = int(promised * share), share < 1.0
    return Length(first.sample_rate, first.channels, samples, promised, is_cut)


def measure_wav(data: Bytes) -> Length | None:
    """Measure a WAV of plain samples (PCM or float) by its chunks.

    Returns:
        None for everything else, and where the size was never filled in, as in recordings that
        were written to a pipe.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    position, fmt = 12, b""
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8
        if kind == b"fmt ":
            fmt = data[position : position + min(size, 16)]
        elif kind == b"data":
            return _wav_length(fmt, size, there=len(data) - position)
        position += size + size % 2
    return None


def _wav_length(fmt: bytes, size: int, *, there: int) -> Length | None:
    is_unknown = size >= 0x7FFF_0000
    is_plain = int.from_bytes(fmt[:2], "little") in (1, 3, 0xFFFE)
    sample_size = int.from_bytes(fmt[12:14], "little")
    if len(fmt) < 16 or is_unknown or not is_plain or not sample_size:
        return None
    return Length(
        sample_rate=int.from_bytes(fmt[4:8], "little"),
        channels=int.from_bytes(fmt[2:4], "little"),
        samples=min(size, there) // sample_size,
        promised=size // sample_size,
        is_cut=there < size,
    )


def _count_constant(data: Bytes, start: int) -> _Found | None:
    """Count the frames of a long recording of constant bit rate; None where it may vary.

    Such frames stand at multiples of their exact size, give or take a byte of padding; enough
    to look at some places along the recording and at its end. They lie in no rhythm, for bit
    rates may; a handful of other frames among thousands may be overlooked.
    """
    first = _read_frame(data, start)
    if first is None:
        return None

    def is_frame(number: int) -> bool:
        nominal = start + int(number * first.exact_size)
        near = (_read_frame(data, nominal + off) for off in (0, 1, -1))
        return any(frame is not None and frame.exact_size == first.exact_size for frame in near)

    frames = int((len(data) - start + 1) / first.exact_size)
    if frames < _FEW_FRAMES:
        return None
    places = (int(frames * (place * _GOLDEN % 1.0)) for place in range(_PLACES))
    if not all(map(is_frame, (*places, frames - 1))):
        return None
    end = start + round(frames * first.exact_size)
    is_cut = is_frame(frames)
    return _Found(frames, is_cut) if is_cut or _is_tail(data, end) else None


def _walk(data: Bytes, position: int) -> _Found | None:
    """Count whole frames from a position on by going from header to header."""
    sizes: dict[bytes, int] = {}
    end, frames = len(data), 0
    while position + 4 <= end:
        key = data[position : position + 3]
        size = sizes.get(key)
        if size is None:
            frame = _read_frame(data, position)
            if frame is None:
                return _Found(frames, is_cut=False) if _is_tail(data, position) else None
            size = sizes[key] = frame.size
        if position + size > end:
            return _Found(frames, is_cut=True)
        position += size
        frames += 1
    return _Found(frames, is_cut=False)


def _is_tail(data: Bytes, position: int) -> bool:
    """Tell whether the frames end here, before a tag or before padding."""
    rest = data[position : position + 8]  # empty at the end
    return rest.startswith((b"TAG", b"APETAGEX", b"LYRICS")) or not any(rest)


def _read_frame(data: Bytes, position: int) -> _Frame | None:
    raw = data[position : position + 4]
    # Eleven bits of sync, then two of version, two of layer (01 is III), one of protection.
    if len(raw) < 4 or raw[0] != 0xFF or raw[1] & 0xE6 != 0xE2:
        return None
    version = raw[1] >> 3 & 3
    is_first = version == 3
    bitrate = _BITRATES_KBPS[is_first][raw[2] >> 4]
    sample_rate = _SAMPLE_RATES.get(version, (0, 0, 0, 0))[raw[2] >> 2 & 3]
    if not bitrate or not sample_rate:
        return None
    samples = 1152 if is_first else 576
    is_mono = raw[3] >> 6 == 3
    bits = samples // 8 * bitrate * 1000
    return _Frame(
        size=bits // sample_rate + (raw[2] >> 1 & 1),
        exact_size=bits / sample_rate,
        samples=samples,
        sample_rate=sample_rate,
        channels=1 if is_mono else 2,
        side_info=(17 if is_mono else 32) if is_first else (9 if is_mono else 17),
    )


def _read_count(data: Bytes, position: int, first: _Frame) -> _Count | None:
    xing = position + 4 + first.side_info
    if data[xing : xing + 4] in (b"Xing", b"Info") and data[xing + 7] & 1:
        flags = data[xing + 7]
        frames = int.from_bytes(data[xing + 8 : xing + 12], "big")
        size = int.from_bytes(data[xing + 12 : xing + 16], "big") if flags & 2 else None
        return _Count(frames, size, _read_trimmed(data, xing, flags=flags))
    vbri = position + 36
    if data[vbri : vbri + 4] == b"VBRI":
        size = int.from_bytes(data[vbri + 10 : vbri + 14], "big")
        return _Count(int.from_bytes(data[vbri + 14 : vbri + 18], "big"), size, 0)
    return None


def _read_trimmed(data: Bytes, xing: int, *, flags: int) -> int:
    # Optional fields: frames, bytes, table of contents, quality; then the encoder's own tag,
    # whose 22nd to 24th byte hold delay and padding, twelve bits each.
    tag = xing + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1)
    tag += 4 * (flags >> 3 & 1)
    if data[tag : tag + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return 0
    both = int.from_bytes(data[tag + 21 : tag + 24], "big")
    return (both >> 12) + (both & 0xFFF)


def _after_tag(data: Bytes) -> int:
    """Find where the frames begin: behind an ID3v2 tag, whose size has seven bits per byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
