"""Does padding, batching or cutting change what a model hears?

Emissions of one recording must not depend on its company. Here a model hears a probe alone and in
one pass, then beside a recording as long, beside a longer one, and in pieces; what differs is
measured, not believed. Settings that change more than arithmetic does are replaced by safe ones or
refused, with the largest deviation said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anylect.errors import BundleError, ConfigError
from anylect.models.acoustic import AcousticModel
from anylect.models.chunks import ChunkedModel, ChunkOptions
from anylect.models.listening import emit_recording
from anylect.records import Emissions, Waveform

SAME = 1e-2
"""Probabilities of batched emissions may deviate by so much: arithmetic in another order."""
DISTURBED = 0.1
"""A frame is heard otherwise where a probability deviates by more than this."""
MOST_DISTURBED = 0.05
"""Share of frames that cutting may disturb; more, and a setting is unsafe."""
PROBE_SECONDS = 2.4
"""Of the recordings in a batch."""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far emissions are from those of the same recording alone in one pass."""

    name: str
    """What was done: `batched`, `padded`, `windows of 30 s`, `chunks of 5 s`."""
    largest: float
    """The largest difference of a probability."""
    disturbed: float
    """Share of frames in which a probability deviates by more than 0.1."""
    frames: int = 0
    """More frames than in one pass; negative where some are missing."""
    cut: bool = False
    """Whether the recording was cut, so that some deviation is the price of bounded memory."""

    @property
    def is_safe(self) -> bool:
        """Whether such emissions may be taken for those of the whole."""
        if self.frames:
            return False
        return self.disturbed <= MOST_DISTURBED if self.cut else self.largest <= SAME

    def __str__(self) -> str:
        verdict = "safe" if self.is_safe else "unsafe"
        text = f"{self.name}: {verdict}, largest deviation of a probability {self.largest:.2g}"
        if self.cut:
            text += f", {100 * self.disturbed:.1f} % of frames heard otherwise"
        return text + (f", {self.frames:+d} frames" if self.frames else "")


@dataclass(frozen=True)
class Parity:
    """All deviations of one model, and what is worth knowing besides."""

    deviations: tuple[Deviation, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_safe(self) -> bool:
        """Whether whole, chunked, padded and batched are the same."""
        return all(each.is_safe for each in self.deviations)

    def __getitem__(self, name: str) -> Deviation:
        return next(each for each in self.deviations if each.name.startswith(name))

    def lines(self) -> list[str]:
        """Say it in words."""
        return [*map(str, self.deviations), *self.notes]


class AloneModel:
    """A model whose batches hold one recording each: for models that company disturbs."""

    def __init__(self, model: AcousticModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def emit_prepared(self, batch: Sequence[NDArray[np.float32]]) -> list[Emissions]:
        """Hear prepared waveforms one by one."""
        return [self._model.emit_prepared([rows])[0] for rows in batch]


def check_parity(
    model: AcousticModel, probe: Waveform | None = None, *, chunks: ChunkOptions | None = None
) -> Parity:
    r"""Measure what batching, padding, windows and chunks change.

    Args:
        model: Any acoustic model.
        probe: Speech of the kind to be heard; by default a made-up sound. It is repeated
            until it fills a window and a quarter.
        chunks: The reference's chunks, where they are to be used.

    Example:
        >>> print(*check_parity(model).lines(), sep="\n")            # doctest: +SKIP
        batched: safe, largest deviation of a probability 3.1e-07
        padded: safe, largest deviation of a probability 2.9e-07
        windows of 30 s: safe, largest deviation of a probability 0.0041, 0.0 % of frames …
    """
    probe = probe or made_up_probe(model.sample_rate)
    short = _fill(probe, PROBE_SECONDS)
    longer = Waveform(np.roll(_fill(probe, 2 * PROBE_SECONDS).samples, 777), probe.sample_rate)
    as_long = Waveform(longer.samples[: len(short.samples)], probe.sample_rate)
    rows, alone = model.prepare(short), model.emit(short)
    deviations = [
        _deviation("batched", alone, model.emit_prepared([rows, model.prepare(as_long)])[0]),
        _deviation("padded", alone, model.emit_prepared([rows, model.prepare(longer)])[0]),
        _cut_deviation(f"windows of {model.longest_pass:g} s", model, probe),
    ]
    if chunks is not None:
        name = f"chunks of {chunks.length:g} s with strides of {chunks.margin:g} s"
        deviations.append(_cut_deviation(name, ChunkedModel(model, chunks), probe))
    return Parity(tuple(deviations), tuple(_notes(model, short, alone)))


def choose_hearing(
    model: AcousticModel,
    *,
    chunks: ChunkOptions | None = None,
    probe: Waveform | None = None,
    refuse: bool = False,
) -> tuple[AcousticModel, Parity]:
    """Return a model that hears as asked for where that is safe, else as near to it as is.

    A model that company disturbs hears one recording at a time; unsafe chunks are replaced by
    our windows if those disturb less. `Parity.notes` says what was replaced.

    Args:
        model: As loaded.
        chunks: The reference's chunks; None takes our windows.
        probe: As for `check_parity`.
        refuse: Raise instead of replacing.

    Raises:
        ConfigError: For unsafe chunks, if `refuse` is set.
        BundleError: For a model that company disturbs, if `refuse` is set.
    """
    found = check_parity(model, probe, chunks=chunks)
    notes: list[str] = []
    chosen = model
    company = max(found["batched"], found["padded"], key=lambda each: each.largest)
    if not company.is_safe:
        if refuse:
            raise BundleError(str(company), hint='`parity = "replace"` hears one at a time')
        notes.append("recordings are heard one at a time: others beside them change the result")
        chosen = AloneModel(model)  # type: ignore[assignment]  # the rest is handed on
    if chunks is not None:
        cut, windows = found["chunks"], found["windows"]
        if cut.is_safe or (not cut.frames and cut.disturbed <= windows.disturbed):
            chosen = ChunkedModel(chosen, chunks)
        elif refuse:
            raise ConfigError(
                str(cut), hint="longer chunks and strides, or none: our windows fit the model"
            )
        else:
            notes.append(f"{cut.name} are unsafe: {windows.name} are used instead")
    return chosen, replace(found, notes=(*found.notes, *notes))


def made_up_probe(sample_rate: int, *, seconds: float = 4.0, seed: int = 0) -> Waveform:
    """Make a sound with pitch, syllables and pauses, the same every time."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    pitch = 140 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    voice = sum(np.sin(number * phase) / number for number in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time + np.sin(time)), 0, None)
    noise = 0.01 * generator.standard_normal(len(time))
    return Waveform((0.1 * voice * syllables + noise).astype(np.float32), sample_rate)


def _fill(probe: Waveform, seconds: float) -> Waveform:
    """Repeat or cut the probe to a length."""
    samples = int(seconds * probe.sample_rate)
    return Waveform(np.resize(probe.samples, samples).astype(np.float32), probe.sample_rate)


def _cut_deviation(name: str, model: AcousticModel, probe: Waveform) -> Deviation:
    recording = _fill(probe, 1.25 * model.longest_pass + 0.013)
    pieces = [each.log_probs for each in emit_recording(model, recording)]
    heard = Emissions(np.concatenate(pieces), model.frame_duration)
    return _deviation(name, model.emit(recording), heard, cut=True)


def _deviation(name: str, whole: Emissions, other: Emissions, *, cut: bool = False) -> Deviation:
    frames = min(len(whole.log_probs), len(other.log_probs))
    change = np.abs(np.exp(whole.log_probs[:frames]) - np.exp(other.log_probs[:frames]))
    per_frame = change.max(axis=1, initial=0.0)  # (T,)
    return Deviation(
        name=name,
        largest=float(per_frame.max(initial=0.0)),
        disturbed=float((per_frame > DISTURBED).mean()) if frames else 0.0,
        frames=len(other.log_probs) - len(whole.log_probs),
        cut=cut,
    )


def _notes(model: AcousticModel, short: Waveform, alone: Emissions) -> list[str]:
    """Say what goes wrong elsewhere: padding without a mask, chunks by a wrong frame step."""
    notes = []
    if not getattr(model, "uses_mask", True):
        rows = model.prepare(short)
        padding = np.zeros_like(rows[: len(rows) // 2])
        padded = model.emit_prepared([np.concatenate([rows, padding])])[0]
        cut = Emissions(padded.log_probs[: len(alone.log_probs)], alone.frame_duration)
        largest = _deviation("", alone, cut).largest
        notes.append(
            f"no attention mask: padding would change a probability by {largest:.2g}, so only "
            "equal lengths share a batch"
        )
    config = getattr(getattr(model, "module", None), "config", None)
    step = round(model.frame_duration * model.sample_rate)
    assumed = getattr(config, "inputs_to_logits_ratio", 1)
    if config is not None and assumed != step:
        notes.append(
            f"`transformers` takes a frame step of {assumed} samples where {step} were measured: "
            "its own pipeline must not cut recordings of this model"
        )
    return notes
