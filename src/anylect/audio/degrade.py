"""What a condition does to an utterance, the same whenever and in whatever order it is asked.

Between loading and the model when `anylect robustness` measures. What is drawn for an utterance
follows from the seed, the kind of condition and the utterance's id; not from how strong the
condition is, so that 20 dB and 0 dB hear the same stretch of the same noise.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np

from anylect.audio.channels import (
    change_level,
    change_speed,
    change_tempo,
    clip,
    lose_packets,
    telephone,
)
from anylect.audio.codecs import through_codec
from anylect.audio.conditions import CLEAN, Condition, GridOptions
from anylect.audio.filtering import Samples
from anylect.audio.load import load_waveform
from anylect.audio.noise import COLOURS, add_noise, babble, coloured_noise, draw_noise, hum
from anylect.audio.rooms import ROOMS, add_room, far_field, make_response
from anylect.audio.sounds import open_sounds
from anylect.audio.synth import speak, voices
from anylect.errors import AudioError
from anylect.records import Utterance, Waveform

VERSION = 1
"""Of what the conditions do; raised whenever the same condition gives other samples."""

TALKERS = 6
"""In babble."""
_POOL = 48
"""Utterances that babble is made from; at 10 s each 30 MB."""
_LONGEST_SECONDS = 20.0

_TALK = (
    "The north wind and the sun were disputing which was the stronger, when a traveller came "
    "along wrapped in a warm cloak."
)
"""Aesop, as phoneticians tell it; babble is not to be understood."""

_Draws = np.random.Generator


class Degrader:
    """Puts utterances into conditions.

    Args:
        options: Where noise and rooms come from.
        seed: Of all that is drawn.
        pool: Utterances of which babble is made; kept are those few whose ids hash lowest, so
            their order does not matter.

    Raises:
        ConfigError: For a folder that is missing or empty.
    """

    def __init__(self, options: GridOptions, *, seed: int, pool: Iterable[Utterance] = ()) -> None:
        self.options = options
        self.seed = seed
        self._pool = _choose(pool, seed=seed)
        self._load = lru_cache(maxsize=_POOL)(self._load_talker)
        for folder in (options.noise_folder, options.rooms_folder):
            if folder is not None:
                open_sounds(folder)

    def __call__(self, condition: Condition, utterance: Utterance, waveform: Waveform) -> Waveform:
        """Hear an utterance, whose waveform this is, under a condition."""
        if condition == CLEAN or not len(waveform.samples):
            return waveform
        draws = np.random.default_rng(_number(self.seed, condition, utterance.id))
        if condition.family == "noise":
            noise = self._noise(condition, utterance, waveform, draws)
            return add_noise(waveform, noise, snr_db=_value(condition))
        if condition.family == "room":
            return add_room(waveform, self._response(condition, waveform.sample_rate, draws))
        return _CHANNELS[condition.family](condition, waveform, draws)

    def _noise(
        self, condition: Condition, utterance: Utterance, waveform: Waveform, draws: _Draws
    ) -> Samples:
        size, rate = len(waveform.samples), waveform.sample_rate
        if condition.variant == "recorded" and self.options.noise_folder is not None:
            return draw_noise(open_sounds(self.options.noise_folder), size, draws, sample_rate=rate)
        if condition.variant == "babble":
            return babble(size, self._talkers(utterance, rate, draws), draws)
        if condition.variant == "hum":
            mains_hz = dict(condition.settings)["mains_hz"]
            return hum(size, draws, sample_rate=rate, mains_hz=mains_hz)
        exponent = COLOURS[condition.variant]
        return coloured_noise(size, draws, sample_rate=rate, exponent=exponent)

    def _response(self, condition: Condition, sample_rate: int, draws: _Draws) -> Samples:
        if condition.variant == "measured" and self.options.rooms_folder is not None:
            sounds = open_sounds(self.options.rooms_folder)
            return sounds.draw_response(draws, sample_rate=sample_rate)
        return make_response(
            int(draws.integers(ROOMS)),
            sample_rate,
            distance_m=dict(condition.settings)["distance_m"],
            rt60_seconds=_value(condition),
        )

    def _talkers(self, utterance: Utterance, sample_rate: int, draws: _Draws) -> list[Waveform]:
        """Draw who babbles: others of the manifest, or where there are too few the built-in voice.

        Others are other speakers, or where those are not known, or all the same, other utterances.
        """
        pool = self._pool
        rest = [place for place, each in enumerate(pool) if each.id != utterance.id]
        others = [place for place in rest if pool[place].speaker != utterance.speaker] or rest
        loaded = (
            self._load(others[index], sample_rate) for index in draws.permutation(len(others))
        )
        heard = list(itertools.islice((each for each in loaded if each is not None), TALKERS))
        if len(heard) < TALKERS:
            heard += _built_in(sample_rate)[len(heard) :]
        return heard

    def _load_talker(self, place: int, sample_rate: int) -> Waveform | None:
        try:
            return load_waveform(self._pool[place], sample_rate=sample_rate)
        except AudioError:
            return None  # it is counted where it is scored


def _choose(pool: Iterable[Utterance], *, seed: int) -> list[Utterance]:
    """Keep the utterances of lowest hash, not the long ones."""
    kept: list[tuple[str, Utterance]] = []
    for utterance in pool:
        if (utterance.duration or 0.0) <= _LONGEST_SECONDS:
            kept.append((hashlib.sha256(f"{seed}/{utterance.id}".encode()).hexdigest(), utterance))
        if len(kept) >= 2 * _POOL:
            kept = sorted(kept, key=lambda each: each[0])[:_POOL]
    return [utterance for _, utterance in sorted(kept, key=lambda each: each[0])[:_POOL]]


@lru_cache(maxsize=4)
def _built_in(sample_rate: int) -> list[Waveform]:
    """Let the built-in voice talk in as many voices as babble has."""
    said = [speak(_TALK, voice=voice) for voice in voices("en")[:TALKERS]]
    return [
        load_waveform(each.samples, sample_rate=sample_rate, source_rate=each.sample_rate)
        for each in said
    ]


def _number(seed: int, condition: Condition, name: str) -> int:
    text = "\0".join((str(seed), condition.family, condition.variant, name))
    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest()[:16])


def _value(condition: Condition) -> float:
    return 0.0 if condition.value is None else condition.value


def _far_field(condition: Condition, waveform: Waveform, draws: _Draws) -> Waveform:
    rt60_seconds = dict(condition.settings)["rt60_seconds"]
    distance_m = _value(condition)
    return far_field(waveform, draws, distance_m=distance_m, rt60_seconds=rt60_seconds)


def _packets(condition: Condition, waveform: Waveform, draws: _Draws) -> Waveform:
    settings = dict(condition.settings)
    return lose_packets(
        waveform,
        draws,
        share=_value(condition) / 100,
        mean_burst_packets=settings["burst_packets"],
        concealment=settings["concealment"],
    )


_CHANNELS: dict[str, Callable[[Condition, Waveform, _Draws], Waveform]] = {
    "far field": _far_field,
    "telephone": lambda _, waveform, __: telephone(waveform),
    "codec": lambda condition, waveform, _: through_codec(
        waveform, codec=condition.variant, kbps=_value(condition)
    ),
    "packet loss": _packets,
    "clipping": lambda condition, waveform, _: clip(waveform, headroom_db=_value(condition)),
    "level": lambda condition, waveform, _: change_level(waveform, gain_db=_value(condition)),
    "speed": lambda condition, waveform, _: change_speed(waveform, speed=_value(condition)),
    "tempo": lambda condition, waveform, _: change_tempo(waveform, tempo=_value(condition)),
}
