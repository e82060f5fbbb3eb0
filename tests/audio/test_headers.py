import struct
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from anylect.audio.headers import Length, measure_mp3, measure_wav

# MPEG-1 layer III at 44.1 kHz, stereo: bit rate index 9 is 128 kbit/s, so 144 · 128,000 / 44,100
# = 417.96 bytes a frame: 417, or 418 with padding.
STEREO_128 = bytes([0xFF, 0xFB, 0x90, 0x00])
STEREO_128_PADDED = bytes([0xFF, 0xFB, 0x92, 0x00])
# MPEG-2 layer III at 16 kHz, mono: index 8 is 64 kbit/s, 72 · 64,000 / 16,000 = 288 bytes.
MONO_64 = bytes([0xFF, 0xF3, 0x88, 0xC0])
MONO_32 = bytes([0xFF, 0xF3, 0x48, 0xC0])  # 32 kbit/s, 144 bytes


def frame(header: bytes, size: int) -> bytes:
    return header + bytes([0x55]) * (size - 4)


def padded_frames(count: int) -> bytes:
    """Frames of 417.96 bytes as encoders lay them: padded whenever a whole byte is due."""
    ends = [int(number * 144 * 128_000 / 44_100) for number in range(count + 1)]
    sizes = [after - before for before, after in pairwise(ends)]
    return b"".join(frame(STEREO_128_PADDED if size == 418 else STEREO_128, size) for size in sizes)


@given(count=st.integers(1, 900) | st.integers(2000, 2400))
def test_a_constant_bit_rate_is_counted_exactly(count: int) -> None:
    for data, expected in (
        (padded_frames(count), Length(44_100, 2, count * 1152)),
        (frame(MONO_64, 288) * count, Length(16_000, 1, count * 576)),
    ):
        assert measure_mp3(data, walks_all=False) == expected
        assert measure_mp3(data, walks_all=True) == expected


@given(
    sizes=st.lists(st.sampled_from([MONO_64, MONO_32]), min_size=1, max_size=80),
    is_long=st.booleans(),
)
@example(sizes=[MONO_32, MONO_64, MONO_32] * 5, is_long=True)  # looked at in its own rhythm once
def test_a_varying_bit_rate_is_walked(sizes: list[bytes], *, is_long: bool) -> None:
    if is_long:  # seen in places: what is rare may be overlooked
        assume(
            sizes.count(MONO_64) in (0, len(sizes)) or 0.1 < sizes.count(MONO_64) / len(sizes) < 0.9
        )
        sizes = sizes * (4000 // len(sizes))
    data = b"".join(frame(header, 288 if header == MONO_64 else 144) for header in sizes)
    assert measure_mp3(data, walks_all=False) == Length(16_000, 1, len(sizes) * 576)


@given(count=st.integers(2, 900), missing=st.integers(4, 280), head=st.sampled_from([0, 1]))
def test_a_missing_end_is_seen(count: int, missing: int, head: int) -> None:
    data = frame(MONO_32, 144) * head + frame(MONO_64, 288) * count
    found = measure_mp3(data[:-missing], walks_all=True)
    assert found == Length(16_000, 1, (count - 1 + head) * 576, None, is_cut=True)


@pytest.mark.parametrize(
    "tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(80), bytes(700), b"LYRICSBEGIN"]
)
@pytest.mark.parametrize("head", [b"", b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)])
@pytest.mark.parametrize("count", [20, 700])
def test_tags_are_no_audio(head: bytes, tail: bytes, count: int) -> None:
    data = head + frame(MONO_64, 288) * count + tail
    assert measure_mp3(data, walks_all=False) == Length(16_000, 1, count * 576)


def counted(frames: int, size: int, *, tag: bytes = b"") -> bytes:
    """An opening frame that counts: flags 3 say that frames and bytes follow."""
    content = b"Xing" + struct.pack(">III", 3, frames, size) + tag
    return (MONO_64 + bytes(9) + content).ljust(288, b"\0")


def test_an_opening_count_is_a_promise() -> None:
    data = counted(20, 288 * 21) + frame(MONO_64, 288) * 20
    whole = Length(16_000, 1, 20 * 576, 20 * 576)
    assert measure_mp3(data, walks_all=True) == measure_mp3(data, walks_all=False) == whole
    half = measure_mp3(data[: len(data) // 2], walks_all=True)
    assert half == Length(16_000, 1, 9 * 576, 20 * 576, is_cut=True)


def test_a_count_is_held_against_the_bytes_where_the_bit_rate_varies() -> None:
    data = counted(21, 288 * 21 + 144) + frame(MONO_32, 144) + frame(MONO_64, 288) * 20
    assert measure_mp3(data, walks_all=False) == Length(16_000, 1, 21 * 576, 21 * 576)
    half = measure_mp3(data[: len(data) // 2], walks_all=False)
    assert half is not None
    assert half.is_cut
    assert half.samples == pytest.approx(21 * 576 / 2, rel=0.1)


def test_what_the_encoder_added_is_taken_off() -> None:
    # 22 bytes into the encoder's tag: delay 576 (0x240) and padding 768 (0x300), 12 bits each.
    tag = b"LAME3.100".ljust(21, b"\0") + bytes.fromhex("240300")
    data = counted(20, 288 * 21, tag=tag) + frame(MONO_64, 288) * 20
    found = measure_mp3(data, walks_all=False)
    assert found == Length(16_000, 1, 20 * 576 - 1344, 20 * 576 - 1344)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"RIFF" + bytes(60), b"hello world", b"\xff\xf1\x50\x80" + bytes(60)]
)
def test_what_is_no_mp3_has_no_length(data: bytes) -> None:
    assert measure_mp3(data, walks_all=True) is None


def test_junk_on_the_way_leaves_the_length_open() -> None:
    data = frame(MONO_64, 288) * 4 + b"junk" * 100 + frame(MONO_64, 288) * 4
    assert measure_mp3(data, walks_all=True) is None


def riff(fmt: bytes, *chunks: tuple[bytes, int, bytes]) -> bytes:
    body = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    for kind, size, content in chunks:
        body += kind + struct.pack("<I", size) + content
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


PCM = struct.pack("<HHIIHH", 1, 2, 8_000, 32_000, 4, 16)
ADPCM = struct.pack("<HHIIHH", 2, 1, 8_000, 4_096, 256, 4)


def test_a_wav_is_measured_by_its_chunks() -> None:
    data = riff(PCM, (b"LIST", 3, b"abc\0"), (b"data", 40, bytes(40)))
    assert measure_wav(data) == Length(8_000, 2, 10, 10)
    assert measure_wav(data[:-16]) == Length(8_000, 2, 6, 10, is_cut=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF1234AVI ",
        riff(PCM),
        riff(PCM, (b"data", 0xFFFF_FFFF, bytes(40))),
        riff(ADPCM, (b"data", 40, bytes(40))),
        riff(PCM[:8], (b"data", 40, bytes(40))),
    ],
)
def test_a_wav_without_a_size_to_rely_on_has_no_length(data: bytes) -> None:
    assert measure_wav(data) is None


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_measuring(data: bytes) -> None:
    for start in (b"", MONO_64, counted(3, 500)[:60], b"ID3", riff(PCM)):
        measure_mp3(start + data, walks_all=True)
        measure_mp3(start + data, walks_all=False)
        measure_wav(start + data)
