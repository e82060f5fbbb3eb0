"""Recordings of any format as blocks of samples: the border to soundfile and PyAV.

libsndfile (by soundfile) reads WAV, FLAC, Ogg, Opus, MP3 and more; what it does not know goes to
FFmpeg's libraries (by PyAV, optional): M4A, WebM, video, AMR, WMA. What a recording is follows
from its content, hardly from its name. Both libraries leave the interpreter's lock while they
decode, so threads decode side by side.
"""

import contextlib
import io
import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from anylect.audio.headers import Length, measure_mp3, measure_wav
from anylect.errors import AudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

Block = NDArray[np.float32]
"""(N, channels), full scale at ±1."""

_BLOCK_SECONDS = 10
_TOTAL_IN_HEADER = ("FLAC", "AIFF", "CAF", "W64", "RF64", "AU")
"""Formats of libsndfile whose number of samples is written, not found out."""
_MALFORMED = (3, 158)
"""libsndfile's codes for a format it knows in a recording it cannot follow."""
_RUN_UP = 1.0
"""Seconds decoded before a stretch and thrown away: frames of MP3 and AAC lean on earlier ones,
at low bit rates up to half a second back."""
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,webm,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,ogg,rm,tta,voc,w64,wav,wv"
)
"""What FFmpeg may take a recording for. Left out: playlists, which would open other files, and
formats that any text or picture passes for."""
_SEEKABLE = frozenset({"mov", "matroska"})
"""Containers whose packets have true times, so that a stretch can be found without the rest."""


class Recording(Protocol):
    """An open recording.

    `promised` is the duration in seconds that its header states, where that can be relied on:
    not an estimate, not that of another track.
    """

    name: str
    sample_rate: int
    channels: int
    promised: float | None

    def find_duration(self) -> float:
        """Find the duration in seconds without decoding; may be an estimate."""
        ...

    def blocks(self, *, start: float = 0.0, duration: float | None = None) -> Iterator[Block]:
        """Decode a stretch in order, given in seconds; by default up to the end."""
        ...


@contextlib.contextmanager
def open_recording(source: Path | bytes) -> Iterator[Recording]:
    """Open the recording at a path or in bytes.

    Raises:
        AudioError: Where it is of unknown format, has no audio or is damaged at its beginning.
    """
    name = describe_source(source)
    measured = measure(source)
    with contextlib.ExitStack() as stack:
        file = _try_soundfile(source, measured)
        if file is not None:
            stack.enter_context(file)
            yield _SoundfileRecording(file, name=name, measured=measured)
        else:
            container = stack.enter_context(_open_container(source))
            yield _AvRecording(container, name=name)


def describe_source(source: Path | bytes) -> str:
    """Return what messages call a source."""
    return str(source) if isinstance(source, Path) else f"recording of {len(source):,} bytes"


@contextlib.contextmanager
def map_source(source: Path | bytes) -> Iterator[bytes | mmap.mmap]:
    """Give the bytes of a source without reading them all.

    Raises:
        AudioError: Where there are none: no such file, a folder, an empty file.
    """
    name = describe_source(source)
    try:
        if isinstance(source, bytes):
            size = len(source)
        else:
            size = source.stat().st_size
            if source.is_dir():
                raise AudioError(f"{name}: is a folder, expected a recording", hint="name a file")
        if not size:
            raise AudioError(
                f"{name}: is empty (0 bytes)", hint="copy or download it again, or leave it out"
            )
        if isinstance(source, bytes):
            yield source
            return
        with (
            source.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            yield data
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(
            f"{name}: cannot be read ({reason})",
            hint="check path and permissions; paths in a manifest are relative to the manifest",
        ) from error


def measure(source: Path | bytes, *, walks_all: bool = False) -> Length | None:
    """Measure an MP3 or a WAV by its headers; None for all others."""
    with map_source(source) as data:
        return measure_wav(data) if data[:4] == b"RIFF" else measure_mp3(data, walks_all=walks_all)


def is_short(found: float, expected: float) -> bool:
    """Tell whether a duration in seconds falls short of another by more than rounding.

    Headers of lossy formats count padding, and manifests round: a quarter of a second or five
    percent, whichever is more, is no sign of damage.
    """
    return expected - found > max(0.25, 0.05 * expected)


class _SoundfileRecording:
    def __init__(self, file: soundfile.SoundFile, *, name: str, measured: Length | None) -> None:
        self.name = name
        self.sample_rate: int = file.samplerate
        self.channels: int = file.channels
        self.promised: float | None = None
        if measured is not None:
            promised = measured.samples if measured.promised is None else measured.promised
            self.promised = promised / max(1, self.sample_rate)
        elif file.format in _TOTAL_IN_HEADER:
            self.promised = file.frames / max(1, self.sample_rate)
        self._run_up = round(_RUN_UP * self.sample_rate) if file.format == "MP3" else 0
        self._file = file

    def find_duration(self) -> float:
        return float(self._file.frames / max(1, self.sample_rate))

    def blocks(self, *, start: float = 0.0, duration: float | None = None) -> Iterator[Block]:
        start_at = min(round(start * self.sample_rate), self._file.frames)
        stop = None if duration is None else round((start + duration) * self.sample_rate)
        size = self.sample_rate * _BLOCK_SECONDS
        position = max(0, start_at - self._run_up)
        try:
            if position:
                self._file.seek(position)
            while stop is None or position < stop:
                wanted = size if stop is None else min(size, stop - position)
                block: Block = self._file.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    return
                skipped = max(0, start_at - position)
                position += len(block)
                if skipped < len(block):
                    yield block[skipped:]
        except soundfile.LibsndfileError as error:
            raise _damaged(
                self.name, error.error_string, after=position / self.sample_rate
            ) from error


class _AvRecording:
    """The first audio track of a container."""

    def __init__(self, container: "InputContainer", *, name: str) -> None:
        self.name = name
        self._container = container
        self._stream = stream = container.streams.audio[0]
        self.sample_rate: int = stream.rate or 0
        self.channels: int = stream.channels
        self._stated: float | None = None
        if stream.duration is not None and stream.time_base is not None:
            self._stated = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            self._stated = container.duration / 1_000_000
        formats = set(container.format.name.split(","))
        self._seeks = bool(formats & _SEEKABLE)
        # Elsewhere a duration is estimated from the bit rate, or is that of the video track.
        is_promise = "mov" in formats or ("matroska" in formats and not container.streams.video)
        self.promised = self._stated if is_promise else None

    def find_duration(self) -> float:
        import av

        if self._stated is not None:
            return self._stated
        end = 0.0  # recorders that write as they go state none: read the times of all packets
        try:
            for packet in self._container.demux(self._stream):
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.error.FFmpegError as error:
            raise _damaged(self.name, error.strerror or str(error), after=end) from error
        return end

    def blocks(self, *, start: float = 0.0, duration: float | None = None) -> Iterator[Block]:
        import av

        stop = None if duration is None else start + duration
        end = 0.0
        try:
            for at, block in self._frames(start):
                end = at + len(block) / self.sample_rate
                first = max(0, round((start - at) * self.sample_rate))
                last = None if stop is None else round((stop - at) * self.sample_rate)
                if last is not None and last <= 0:
                    return
                if first < len(block):
                    yield block[first:last]
        except av.error.FFmpegError as error:
            raise _damaged(self.name, error.strerror or str(error), after=end) from error

    def _frames(self, start: float) -> Iterator[tuple[float, Block]]:
        """Decode from at or before `start`; every block with its place in seconds."""
        stream, samples, origin = self._stream, 0, 0.0
        base = float(stream.time_base or 1)
        seeks = self._seeks and start > _RUN_UP
        if seeks:
            offset = int((start - _RUN_UP) / base) + (stream.start_time or 0)
            self._container.seek(offset, stream=stream, backward=True)
        for frame in self._container.decode(stream):
            if frame.sample_rate != self.sample_rate:
                raise AudioError(
                    f"{self.name}: changes its sample rate from {self.sample_rate} to "
                    f"{frame.sample_rate} Hz on the way",
                    hint="convert it: `ffmpeg -i IN OUT.flac`",
                )
            if seeks and not samples and frame.pts is not None:
                origin = (frame.pts - (stream.start_time or 0)) * base
            block = _as_block(frame)
            yield origin + samples / self.sample_rate, block
            samples += len(block)


def _try_soundfile(source: Path | bytes, measured: Length | None) -> soundfile.SoundFile | None:
    """Open with libsndfile; None where it does not know the format or would not read it all."""
    name = describe_source(source)
    content = io.BytesIO(source) if isinstance(source, bytes) else _name(source)
    try:
        file = soundfile.SoundFile(content)
    except soundfile.LibsndfileError as error:
        if error.code in _MALFORMED:
            raise _damaged(name, error.error_string) from error
        return None
    except TypeError as error:  # soundfile asks for the rate of what is named `.raw`
        raise AudioError(
            f"{name}: headerless audio has no known format or sample rate",
            hint="read it with `numpy.fromfile` and pass the array with `source_rate`",
        ) from error
    # It guesses the length of an MP3 without count from its first frames, and stops there.
    if file.format == "MP3" and (measured is None or file.frames < measured.samples):
        file.close()
        return None
    return file


def _name(path: Path) -> str | bytes:
    # Names that are not UTF-8 survive only as the system's own bytes.
    return str(path) if sys.platform == "win32" else os.fsencode(path)


@contextlib.contextmanager
def _open_container(source: Path | bytes) -> Iterator["InputContainer"]:
    name = describe_source(source)
    try:
        import av
    except ImportError as error:
        raise AudioError(
            f"{name}: is no WAV, FLAC, Ogg, Opus or MP3{_beginning(source)}",
            hint='for M4A, WebM, video and more: `pip install "anylect[media]"`',
        ) from error
    # The prefix keeps FFmpeg from reading `a:b.m4a` as a protocol named `a`.
    file = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}"
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        container = av.open(file, "r", options=options)
    except av.error.FFmpegError as error:
        raise AudioError(
            f"{name}: is not a recording of any known format{_beginning(source)}",
            hint="play it to see what it is; `ffmpeg -i IN OUT.flac` converts most formats",
        ) from error
    with container:
        if not container.streams.audio:
            kind = "video" if container.streams.video else "data"
            raise AudioError(
                f"{name}: holds {kind} but no audio track", hint="export it again with its sound"
            )
        yield container


def _as_block(frame: "AudioFrame") -> Block:
    """Bring a frame of any sample format to (N, channels) float32."""
    raw = frame.to_ndarray()
    samples = raw.T if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels)
    return scale_samples(samples)


def scale_samples(samples: NDArray[Any]) -> Block:
    """Bring integers to ±1 by their type's full scale; floats stay as they are."""
    kind = samples.dtype
    if kind == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) / np.float32(128)
    wide = samples.astype(np.float32, copy=False)
    if np.issubdtype(kind, np.signedinteger):
        return wide / np.float32(2 ** (8 * kind.itemsize - 1))
    return wide


def _beginning(source: Path | bytes) -> str:
    """Quote the beginning of what is text, such as the page of a failed download."""
    with map_source(source) as data:
        head = data[:24]
    lines = head.decode("utf-8", errors="ignore").split("\n")
    text = next((line.strip() for line in lines if line.strip()), "")
    return f" (begins with the text `{text}`)" if text and text.isprintable() else ""


def _damaged(name: str, reason: str, *, after: float | None = None) -> AudioError:
    place = "at its beginning" if after is None else f"at or after {after:.2f} s"
    return AudioError(
        f"{name}: is damaged {place} ({reason.rstrip('.')})",
        hint="copy or download it again; `ffmpeg -i IN OUT.flac` saves what can be decoded",
    )
