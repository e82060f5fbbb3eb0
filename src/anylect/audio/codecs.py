"""Speech through a codec and back, in memory: mobile phones, internet calls, small MP3s.

GSM's first codec comes with soundfile; AMR, Opus and MP3 with PyAV. Each codec delays what goes
through it by its own amount, which is measured once and taken out, so that speech stays in time.
"""

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from anylect.audio.channels import change_rate, fit
from anylect.audio.decoders import scale_samples
from anylect.audio.filtering import Samples
from anylect.errors import ConfigError
from anylect.records import Waveform

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

_PROBE_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 0.25


@dataclass(frozen=True)
class Codec:
    """A codec: its encoder and decoder in PyAV, and the sample rates it knows.

    `options` are FFmpeg's; its `compression_level` is the effort, set as for encoding in real time.
    """

    title: str
    encoder: str
    decoder: str
    sample_rates: tuple[int, ...]
    kbps: tuple[float, float]
    options: tuple[tuple[str, str], ...] = ()


CODECS = {
    "gsm": Codec("GSM full rate", "", "", (8_000,), (13.0, 13.0)),
    "amr": Codec("AMR narrowband", "libopencore_amrnb", "amrnb", (8_000,), (4.75, 12.2)),
    "opus": Codec(
        "Opus",
        "libopus",
        "libopus",
        (8_000, 12_000, 16_000, 24_000, 48_000),
        (6.0, 128.0),
        (("application", "voip"), ("compression_level", "5")),
    ),
    "mp3": Codec(
        "MP3",
        "libmp3lame",
        "mp3float",
        (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
        (8.0, 128.0),
        (("compression_level", "7"),),
    ),
}
"""By the name used in settings. AMR wideband is not among them: FFmpeg's wheels only decode it."""


def through_codec(waveform: Waveform, *, codec: str, kbps: float) -> Waveform:
    """Encode and decode; what is beyond ±1 is clipped.

    Args:
        waveform: Resampled to the rate of the codec that is nearest from above, and back.
        codec: One of `CODECS`.
        kbps: Thousand bits a second.

    Returns:
        As long as the waveform and in time with it.

    Raises:
        ConfigError: As `check_codec`.
    """
    check_codec(codec, kbps)
    rate = _rate_for(codec, waveform.sample_rate)
    sent = np.clip(change_rate(waveform, rate).samples, -1.0, 1.0)
    delay = _find_delay(codec, kbps, rate)
    room = round(_LONGEST_DELAY_SECONDS * rate)
    heard = _round_trip(np.pad(sent, (0, room)), codec, kbps, rate)[delay:]
    back = change_rate(fit(Waveform(heard, rate), len(sent)), waveform.sample_rate)
    return fit(back, len(waveform.samples))


def parse_codec(text: str) -> tuple[str, float]:
    """Read a codec and its rate as settings name them.

    Raises:
        ConfigError: For another form, and as `check_codec`.

    Example:
        >>> parse_codec("gsm 13")
        ('gsm', 13.0)
    """
    codec, _, rate = text.partition(" ")
    try:
        kbps = float(rate)
    except ValueError:
        raise ConfigError(
            f"a codec is {text!r}",
            hint="expected a name and thousand bits a second, e.g. `opus 12`",
        ) from None
    check_codec(codec, kbps)
    return codec, kbps


def check_codec(codec: str, kbps: float) -> None:
    """Raise a ConfigError for a codec or a rate that does not exist or cannot be had here."""
    if codec not in CODECS:
        raise ConfigError(f"there is no codec `{codec}`", hint=f"known: {', '.join(CODECS)}")
    known = CODECS[codec]
    low, high = known.kbps
    if not low <= kbps <= high:
        raise ConfigError(
            f"{known.title} at {kbps:g} kb/s cannot be had",
            hint=f"expected {low:g} to {high:g} kb/s" if low < high else f"it has {low:g} kb/s",
        )
    if known.encoder:
        _check_encoder(known)


@lru_cache(maxsize=len(CODECS))
def _check_encoder(codec: Codec) -> None:
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            f"{codec.title} needs `av`, which is not installed",
            hint='`pip install "anylect[media]"`, or leave this codec out',
        ) from error
    try:
        av.Codec(codec.encoder, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise ConfigError(
            f"the FFmpeg of this PyAV has no encoder `{codec.encoder}` for {codec.title}",
            hint="install PyAV's own wheel: `pip install --force-reinstall av`; or leave it out",
        ) from error


def _rate_for(codec: str, sample_rate: int) -> int:
    rates = CODECS[codec].sample_rates
    return next((rate for rate in rates if rate >= sample_rate), rates[-1])


def _round_trip(samples: Samples, codec: str, kbps: float, sample_rate: int) -> Samples:
    if codec == "gsm":
        return _through_gsm(samples, sample_rate)
    return _through_av(samples, CODECS[codec], kbps, sample_rate)


def _through_gsm(samples: Samples, sample_rate: int) -> Samples:
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="WAV", subtype="GSM610")
    file.seek(0)
    heard: Samples = soundfile.read(file, dtype="float32")[0]
    return heard


def _through_av(samples: Samples, codec: Codec, kbps: float, sample_rate: int) -> Samples:
    import av

    encoder = _open_encoder(codec, kbps, sample_rate)
    decoder: AudioCodecContext = av.CodecContext.create(codec.decoder, "r")  # type: ignore[assignment]  # of audio
    decoder.sample_rate = sample_rate
    decoder.layout = "mono"
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    kind = encoder.format.name
    size = encoder.frame_size
    given = np.pad(samples, (0, -len(samples) % size)).reshape(-1, 1, size)
    if kind.startswith("s16"):
        given = np.rint(given * 32_767).astype(np.int16)
    heard = []
    for number, block in enumerate(given):
        frame = av.AudioFrame.from_ndarray(block, format=kind, layout="mono")
        frame.sample_rate = sample_rate
        frame.pts = number * size
        for packet in encoder.encode(frame):
            heard += decoder.decode(packet)
    for packet in encoder.encode(None):
        heard += decoder.decode(packet)
    heard += decoder.decode(None)
    joined = np.concatenate([scale_samples(each.to_ndarray().reshape(-1)) for each in heard])
    # Opus always comes back at 48 kHz.
    return change_rate(Waveform(joined, heard[0].sample_rate), sample_rate).samples


def _open_encoder(codec: Codec, kbps: float, sample_rate: int) -> "AudioCodecContext":
    import av

    encoder: AudioCodecContext = av.CodecContext.create(codec.encoder, "w")  # type: ignore[assignment]  # of audio
    encoder.sample_rate = sample_rate
    encoder.layout = "mono"
    names = [each.name for each in encoder.codec.audio_formats or ()]
    encoder.format = next(name for name in ("flt", "fltp", "s16", "s16p") if name in names)
    encoder.bit_rate = round(kbps * 1_000)
    encoder.options = dict(codec.options)
    encoder.open()
    return encoder


@lru_cache(maxsize=64)
def _find_delay(codec: str, kbps: float, sample_rate: int) -> int:
    """Measure a codec's delay in samples: where a rising tone is found again."""
    time = np.arange(round(_PROBE_SECONDS * sample_rate)) / sample_rate
    probe = 0.3 * np.sin(2 * np.pi * (300 * time + 1_300 * time**2)) * np.hanning(len(time))
    probe = probe.astype(np.float32)
    room = round(_LONGEST_DELAY_SECONDS * sample_rate)
    heard = _round_trip(np.pad(probe, (0, 2 * room)), codec, kbps, sample_rate)
    likeness = np.correlate(heard[: len(probe) + room], probe, mode="valid")
    return int(np.argmax(likeness))
