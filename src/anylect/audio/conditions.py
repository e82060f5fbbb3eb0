"""The conditions under which a recogniser is measured: which there are, and how they are named.

`degrade` does to a waveform what a condition says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from anylect.audio.codecs import CODECS, parse_codec
from anylect.audio.noise import COLOURS
from anylect.config import refuse_below, refuse_not_above
from anylect.errors import ConfigError

NOISES = (*COLOURS, "hum", "babble", "recorded")
"""`recorded` is that of the folder given, `babble` other utterances of the manifest."""

_SCALES = {
    "noise": "dB SNR",
    "room": "s RT60",
    "far field": "m",
    "codec": "kb/s",
    "clipping": "dB headroom",
    "level": "dB",
    "speed": "times",
    "tempo": "times",
    "packet loss": "%",
}
"""What is varied within a family, and its unit."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way of hearing every utterance.

    `value` is how strong, in `unit`; None where there is no more or less. `settings` are what
    else decides the samples.
    """

    family: str
    variant: str = ""
    value: float | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def unit(self) -> str:
        """What `value` counts."""
        return _SCALES.get(self.family, "") if self.value is not None else ""

    @property
    def name(self) -> str:
        """Short and unique, fit for files and settings: `noise-white-10`."""
        parts = [self.family, self.variant, "" if self.value is None else f"{self.value:g}"]
        return "-".join(part for part in parts if part).replace(" ", "-")

    @property
    def strength(self) -> str:
        """The value with its unit, as a reader wants it."""
        if self.value is None:
            return ""
        if self.unit == "times":
            return f"×{self.value:g}"
        return f"{self.value:g} {self.unit}"

    def to_json(self) -> dict[str, Any]:
        """Return all that decides what is heard, with the units."""
        return {
            "name": self.name,
            "family": self.family,
            "variant": self.variant or None,
            "value": self.value,
            "unit": self.unit or None,
            "settings": dict(self.settings),
        }


CLEAN = Condition(family="clean")
"""The recordings as they are."""


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Which conditions there are; an empty list leaves a family out."""

    noise_folder: Path | None = None
    """Recordings of noise; with it, `noises` are by default `recorded` and `babble`."""
    noises: tuple[str, ...] | None = None
    """Of `white`, `pink`, `brown`, `hum`, `babble`, `recorded`."""
    snr_db: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    """Active speech over noise."""
    mains_hz: float = 50.0
    """Of hum; 60 in the Americas."""
    rooms_folder: Path | None = None
    """Measured impulse responses; with it, no rooms are made by default."""
    rt60_seconds: tuple[float, ...] | None = None
    """Reverberation times of made rooms; 0.3 is a living room, 0.6 a classroom, 0.9 a hall."""
    room_distance_m: float = 1.5
    """From mouth to microphone in made rooms, the level kept."""
    far_field_m: tuple[float, ...] = (2.0, 4.0)
    """From mouth to microphone, the level falling as it does."""
    far_field_rt60_seconds: float = 0.5
    """Reverberation time of the far field's rooms."""
    telephone: bool = True
    """A fixed line: 300 to 3,400 Hz, 8 kHz, μ-law."""
    codecs: tuple[str, ...] = (
        *("gsm 13", "amr 12.2", "amr 4.75"),
        *("opus 12", "opus 6", "mp3 16", "mp3 8"),
    )
    """Names and thousand bits a second."""
    clipping_headroom_db: tuple[float, ...] = (6.0, 0.0)
    """From the speech's active level to where it is cut off."""
    level_db: tuple[float, ...] = (-30.0, -50.0)
    """Gain before 16 bits are written."""
    speeds: tuple[float, ...] = (0.8, 0.9, 1.1, 1.25)
    """Faster and higher, or slower and lower."""
    tempos: tuple[float, ...] = (0.8, 1.25)
    """Faster or slower at the same pitch."""
    packet_loss_percent: tuple[float, ...] = (5.0, 10.0, 20.0)
    """Of packets of 20 ms."""
    burst_packets: float = 2.0
    """Lost in a row on average."""
    concealment: Literal["zero", "repeat"] = "repeat"
    """What is heard in place of a lost packet."""

    def __post_init__(self) -> None:
        for name in self.noises or ():
            if name not in NOISES:
                raise ConfigError(f"there is no noise `{name}`", hint=f"known: {', '.join(NOISES)}")
        if "recorded" in (self.noises or ()) and self.noise_folder is None:
            raise ConfigError("no folder is given for `recorded` noise", hint="set `noise_folder`")
        refuse_not_above(self, 0, "mains_hz")
        refuse_below(self, 1, "burst_packets")
        for name, (low, high) in _BOUNDS.items():
            given = getattr(self, name)
            for value in given if isinstance(given, tuple) else (given,):
                if value is not None and not low <= value <= high:
                    raise ConfigError(f"`{name}` has {value}", hint=f"expected {low:g} to {high:g}")


_BOUNDS = {
    "snr_db": (-50.0, 100.0),
    "rt60_seconds": (0.1, 1.5),
    "room_distance_m": (0.1, 7.0),
    "far_field_m": (0.1, 7.0),
    "far_field_rt60_seconds": (0.1, 1.5),
    "clipping_headroom_db": (-20.0, 40.0),
    "level_db": (-100.0, 40.0),
    "speeds": (0.25, 4.0),
    "tempos": (0.25, 4.0),
    "packet_loss_percent": (0.0, 90.0),
}


def conditions(options: GridOptions, *, only: Sequence[str] = ()) -> list[Condition]:
    """List the conditions of a grid, the clean one first.

    Args:
        options: The grid.
        only: Names or patterns such as `noise-*`; by default all. The clean one is always there.

    Raises:
        ConfigError: For a pattern that fits none, and for codecs that cannot be had.

    Example:
        >>> grid = GridOptions(speeds=(0.9, 1.1))
        >>> [condition.name for condition in conditions(grid, only=["speed-*", "telephone"])]
        ['clean', 'telephone', 'speed-0.9', 'speed-1.1']
    """
    every = [*_sounding(options), *_sent(options), *_said(options)]
    for pattern in only:
        if not any(fnmatchcase(condition.name, pattern) for condition in (CLEAN, *every)):
            families = sorted({condition.name.split("-")[0] + "*" for condition in every})
            raise ConfigError(
                f"no condition is called `{pattern}`",
                hint=f"give names, or patterns such as {', '.join(families)}",
            )
    chosen = [
        condition
        for condition in every
        if not only or any(fnmatchcase(condition.name, pattern) for pattern in only)
    ]
    for condition in chosen:
        if condition.family == "codec":
            parse_codec(f"{condition.variant} {condition.value}")
    return [CLEAN, *dict.fromkeys(chosen)]


def _sounding(options: GridOptions) -> Iterator[Condition]:
    """What is heard besides the voice."""
    generated = ("white", "pink", "hum", "babble")
    noises = options.noises
    if noises is None:
        noises = generated if options.noise_folder is None else ("recorded", "babble")
    for noise in noises:
        settings = (("mains_hz", options.mains_hz),) if noise == "hum" else ()
        for snr_db in options.snr_db:
            yield Condition(family="noise", variant=noise, value=snr_db, settings=settings)
    times = options.rt60_seconds
    if times is None:
        times = (0.3, 0.6, 0.9) if options.rooms_folder is None else ()
    for seconds in times:
        at = (("distance_m", options.room_distance_m),)
        yield Condition(family="room", value=seconds, settings=at)
    if options.rooms_folder is not None:
        yield Condition(family="room", variant="measured")
    for metres in options.far_field_m:
        rings = (("rt60_seconds", options.far_field_rt60_seconds),)
        yield Condition(family="far field", value=metres, settings=rings)


def _sent(options: GridOptions) -> Iterator[Condition]:
    """What becomes of it on the way."""
    if options.telephone:
        yield Condition(family="telephone")
    for text in options.codecs:
        codec, _, kbps = text.partition(" ")
        if codec not in CODECS:
            parse_codec(text)
        yield Condition(family="codec", variant=codec, value=_number(text, kbps))
    for percent in options.packet_loss_percent:
        settings = (
            ("burst_packets", options.burst_packets),
            ("concealment", options.concealment),
        )
        yield Condition(family="packet loss", value=percent, settings=settings)


def _said(options: GridOptions) -> Iterator[Condition]:
    """How loud and how fast."""
    for headroom_db in options.clipping_headroom_db:
        yield Condition(family="clipping", value=headroom_db)
    for gain_db in options.level_db:
        yield Condition(family="level", value=gain_db)
    for speed in options.speeds:
        yield Condition(family="speed", value=speed)
    for tempo in options.tempos:
        yield Condition(family="tempo", value=tempo)


def _number(text: str, rate: str) -> float:
    try:
        return float(rate)
    except ValueError:
        return parse_codec(text)[1]  # which says what is wrong
