from pathlib import Path

import numpy as np
import soundfile

from anylect.audio.load import load_waveform
from anylect.audio.windows import WindowOptions
from anylect.data.manifest import read_manifest
from anylect.errors import AudioError
from anylect.hub.bundle import load_bundle
from anylect.models.checkpoints import CheckpointModel
from anylect.models.listening import emit_each, emit_file, emit_recording
from anylect.records import Emissions, Utterance


def test_emissions_come_in_order_and_equal_those_heard_alone(
    tiny_bundle: Path, tone_manifest: Path
) -> None:
    model = load_bundle(tiny_bundle, device="cpu").model
    utterances = list(read_manifest(tone_manifest))
    heard = list(emit_each(model, iter(utterances), batch_seconds=6.0))
    assert [utterance for utterance, _ in heard] == utterances
    for utterance, emissions in heard:
        assert isinstance(emissions, Emissions)
        alone = model.emit(load_waveform(utterance, sample_rate=model.sample_rate))
        np.testing.assert_allclose(emissions.log_probs, alone.log_probs, atol=1e-4)


def test_an_unreadable_recording_comes_back_as_its_error(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    model = load_bundle(tiny_bundle, device="cpu").model
    good = next(read_manifest(tone_manifest))
    broken = Utterance(audio=tmp_path / "missing.wav", text="a", id="broken")
    (_, first), (_, second), (_, third) = emit_each(model, [good, broken, good])
    assert isinstance(second, AudioError)
    assert "missing.wav" in second.message
    assert isinstance(first, Emissions)
    assert isinstance(third, Emissions)
    np.testing.assert_allclose(first.log_probs, third.log_probs)


def test_long_recordings_come_in_windows_from_file_and_from_memory(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    model = load_bundle(tiny_bundle, device="cpu").model
    assert isinstance(model, CheckpointModel)
    model.windows = WindowOptions(seconds=4.0, context_seconds=1.0)
    generator = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", 0.1 * generator.standard_normal(100_000), 8_000)
    waveform = load_waveform(tmp_path / "long.wav", sample_rate=8_000)
    pieces = list(emit_file(model, tmp_path / "long.wav"))
    assert len(pieces) > 1
    in_memory = np.concatenate([each.log_probs for each in emit_recording(model, waveform)])
    from_file = np.concatenate([each.log_probs for each in pieces])
    np.testing.assert_allclose(from_file, in_memory, atol=1e-5)
    assert len(from_file) == len(model.emit(waveform).log_probs)
    utterance = Utterance(audio=tmp_path / "long.wav", text="", id="long")
    ((_, heard),) = emit_each(model, [utterance])
    assert isinstance(heard, Emissions)
    np.testing.assert_allclose(heard.log_probs, in_memory, atol=1e-5)
