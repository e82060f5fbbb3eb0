"""The walk, end to end, on the tone language: what listens must learn it."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import SAMPLE_RATE, sing, tiny_config, write_tone_corpus

from anylect import Recognizer
from anylect.audio.windows import WindowOptions
from anylect.config import build_config, to_mapping
from anylect.models.checkpoints import CheckpointModel
from anylect.records import Waveform
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.train import TrainConfig, train


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone model trained until it has learnt its language."""
    folder = tmp_path_factory.mktemp("walk")
    manifest = write_tone_corpus(folder, {"train": 400, "dev": 24, "test": 64})
    schedule = {"updates": 250, "validate_every": 125, "save_every": 250}
    settings = to_mapping(tiny_config(manifest, folder / "run", schedule=schedule))
    settings["batches"]["seconds"] = 40.0
    return train(build_config(TrainConfig, settings)).bundle


@pytest.mark.slow
def test_the_tone_language_is_learnt(bundle: Path) -> None:
    manifest = bundle.parents[1] / "manifest.jsonl"
    report = evaluate(EvaluateConfig(bundle=bundle, manifest=manifest, split="test"))
    assert report.wer.rate is not None
    assert report.wer.rate < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_long_song_in_windows_reads_as_in_one_pass(bundle: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = [
        "".join(generator.choice(list("aeiou"), 3)) for _ in range(generator.integers(60, 120))
    ]
    song = sing(" ".join(words), generator)
    model = Recognizer.load(bundle, device="cpu").bundle.model
    assert isinstance(model, CheckpointModel)
    model.windows = WindowOptions(seconds=6.0, context_seconds=1.0)
    whole = model.emit(Waveform(song, SAMPLE_RATE)).log_probs
    pieces = [piece.log_probs for piece in model.emit_stream(lambda: iter([song]))]
    windows = np.concatenate(pieces)
    assert len(pieces) > 3
    # Where the two differ at all, it is by less than a hundredth of probability.
    np.testing.assert_allclose(np.exp(windows), np.exp(whole), atol=1e-2)
    assert (windows.argmax(axis=1) == whole.argmax(axis=1)).mean() > 0.999
