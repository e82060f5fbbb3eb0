"""Parity: what is safe is called safe, and what is not is replaced or refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anylect.audio.load import load_waveform
from anylect.audio.windows import WindowOptions
from anylect.data.manifest import read_manifest
from anylect.errors import BundleError, ConfigError
from anylect.hub.bundle import load_bundle
from anylect.models.checkpoints import CheckpointModel
from anylect.models.chunks import ChunkedModel, ChunkOptions
from anylect.models.parity import (
    AloneModel,
    Deviation,
    check_parity,
    choose_hearing,
    made_up_probe,
)
from anylect.records import Emissions


def test_every_family_may_be_batched_padded_and_cut(
    model: CheckpointModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "windows", WindowOptions(seconds=3.0, context_seconds=0.5))
    found = check_parity(model, chunks=ChunkOptions(length=2.0, stride=0.4))
    assert found.is_safe, found.lines()
    assert found["batched"].largest < 1e-4
    assert found["padded"].largest < 1e-4
    assert found["windows of 3 s"].frames == 0
    assert found["chunks of 2 s"].frames == 0
    has_note = any("no attention mask: padding would change" in note for note in found.notes)
    assert has_note != model.uses_mask


def test_a_real_bundle_is_checked_on_its_own_speech(tiny_bundle: Path, tone_manifest: Path) -> None:
    model = load_bundle(tiny_bundle, device="cpu").model
    probe = load_waveform(next(read_manifest(tone_manifest)), sample_rate=model.sample_rate)
    found = check_parity(model, probe)
    assert found.is_safe
    # Ours is no model of theirs: their pipeline would take one sample for a frame.
    assert any("frame step of 1 samples where 160" in note for note in found.notes), found.notes


class Disturbed:
    """A model that company changes, as group norm without a mask does where it is padded."""

    def __init__(self, model: Any, *, shift: int = 0) -> None:
        self.inner, self.shift = model, shift

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def emit_prepared(self, batch: Sequence[Any]) -> list[Emissions]:
        heard: list[Emissions] = self.inner.emit_prepared(batch)
        if len(batch) == 1:
            return heard
        return [Emissions(np.roll(e.log_probs, 3, axis=1), e.frame_duration) for e in heard]


def test_a_model_that_company_disturbs_hears_one_at_a_time(tiny_bundle: Path) -> None:
    disturbed = Disturbed(load_bundle(tiny_bundle, device="cpu").model)
    chosen, found = choose_hearing(disturbed)
    assert not found["batched"].is_safe
    assert "one at a time" in found.notes[-1]
    assert isinstance(chosen, AloneModel)
    assert check_parity(chosen)["padded"].is_safe
    with pytest.raises(BundleError, match="unsafe, largest deviation of a probability"):
        choose_hearing(disturbed, refuse=True)


class Misaligned(Disturbed):
    """A model with half the frames it says it has, as chunk arithmetic by a wrong step sees it."""

    @property
    def frame_duration(self) -> float:
        return float(self.inner.frame_duration) * 2

    def emit_prepared(self, batch: Sequence[Any]) -> list[Emissions]:
        heard: list[Emissions] = self.inner.emit_prepared(batch)
        return heard


def test_chunks_by_a_wrong_frame_step_are_replaced_or_refused(tiny_bundle: Path) -> None:
    model = Misaligned(load_bundle(tiny_bundle, device="cpu").model)
    chunks = ChunkOptions(length=2.0, stride=0.5)
    chosen, found = choose_hearing(model, chunks=chunks)
    assert found["chunks"].frames
    assert chosen is model
    assert "are used instead" in found.notes[-1]
    with pytest.raises(ConfigError, match="frames"):
        choose_hearing(model, chunks=chunks, refuse=True)


def test_safe_chunks_are_used(model: CheckpointModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "windows", WindowOptions(seconds=3.0, context_seconds=0.5))
    chosen, _ = choose_hearing(model, chunks=ChunkOptions(length=2.0, stride=0.4))
    assert isinstance(chosen, ChunkedModel)


def test_a_deviation_says_what_it_is() -> None:
    cut = Deviation(name="chunks of 5 s", largest=0.31, disturbed=0.072, frames=-2, cut=True)
    assert str(cut) == (
        "chunks of 5 s: unsafe, largest deviation of a probability 0.31, "
        "7.2 % of frames heard otherwise, -2 frames"
    )


def test_the_probe_is_the_same_every_time() -> None:
    first, second = made_up_probe(8_000), made_up_probe(8_000)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert 0.05 < np.abs(first.samples).max() < 1.0
