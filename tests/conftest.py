"""What many tests need: one torch thread, the shared recordings, and the tone language.

The tone language has five letters, each a sine of its own pitch, and words apart by silence: a
corpus made in memory that any model which listens must learn.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from anylect.cli.main import main
from anylect.config import build_config
from anylect.data.manifest import write_manifest
from anylect.records import Utterance
from anylect.workflows.train import TrainConfig, train

os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that starts something in the background has it ignore Ctrl-C, which is tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine must not fail a law.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SAMPLE_RATE = 8_000
LETTERS = "aeiou"
PITCHES_HZ = dict(zip(LETTERS, (300, 500, 800, 1300, 2100), strict=True))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a CUDA device where there is none, whatever `-m` says."""
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two threads on two busy cores are far slower than one, and sum in another order."""
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings, where they are at hand."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ANYLECT_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}; set ANYLECT_DATA")
    return folder


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run commands in this process as `main` does; what would be a traceback fails the test."""

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["anylect", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return Done(int(left.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def tone_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus of the tone language: 24 train, 6 dev and 6 test utterances."""
    folder = tmp_path_factory.mktemp("tones")
    return write_tone_corpus(folder, {"train": 24, "dev": 6, "test": 6})


def tiny_config(manifest: Path, output: Path, **changes: object) -> TrainConfig:
    """Settings under which a tone model trains in a second or two."""
    settings: dict[str, Any] = {
        "manifest": manifest,
        "output": output,
        "device": "cpu",
        "threads": 1,
        "model": {
            "features": {"kind": "mel", "bins": 20, "sample_rate": SAMPLE_RATE},
            "settings": {
                "conv_channels": [8],
                "conv_kernels": [[5, 5]],
                "conv_strides": [[2, 2]],
                "conv_paddings": [[0, 2]],
                "recurrent_layers": 1,
                "hidden_size": 32,
                "dropout": 0.1,
            },
        },
        "batches": {"seconds": 12.0, "workers": 1},
        "optimizer": {"learning_rate": 5e-3, "warmup_updates": 5},
        "schedule": {"updates": 12, "validate_every": 6, "save_every": 4, "log_every": 1},
        "augmentation": {
            "waveform": {"speeds": [0.95, 1.0, 1.05]},
            "features": {"time_masks": 1, "frequency_masks": 1, "frequency_mask_bins": 2},
        },
    }
    for name, value in changes.items():
        table = settings.get(name)
        settings[name] = (
            table | value if isinstance(table, dict) and isinstance(value, dict) else value
        )
    return build_config(TrainConfig, settings)


@pytest.fixture(scope="session")
def tiny_bundle(tone_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a tone model after a dozen updates: it hears little, but all files are there."""
    output = tmp_path_factory.mktemp("run")
    return train(tiny_config(tone_manifest, output)).bundle


def write_tone_corpus(folder: Path, sizes: dict[str, int], *, seed: int = 0) -> Path:
    """Write recordings and a manifest of the tone language; no sentence stands in two splits."""
    generator = np.random.default_rng(seed)
    seen: set[str] = set()
    utterances = []
    for split, count in sizes.items():
        for number in range(count):
            text = _new_sentence(generator, seen)
            path = folder / f"{split}-{number}.wav"
            samples = sing(text, generator)
            soundfile.write(path, samples, SAMPLE_RATE)
            utterances.append(
                Utterance(
                    audio=path,
                    text=text,
                    id=path.stem,
                    duration=len(samples) / SAMPLE_RATE,
                    speaker=f"{split}-{number % 3}",
                    language="und",
                    split=split,
                )
            )
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder / "manifest.jsonl"


def sing(text: str, generator: np.random.Generator) -> NDArray[np.float32]:
    """Sing a sentence: 80 ms a letter, 40 ms between letters, 120 ms between words."""
    time = np.arange(int(0.08 * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.hanning(len(time))
    pieces = [np.zeros(int(0.1 * SAMPLE_RATE))]
    for letter in text:
        if letter == " ":
            pieces.append(np.zeros(int(0.08 * SAMPLE_RATE)))
        else:
            pitch = PITCHES_HZ[letter] * generator.uniform(0.97, 1.03)
            pieces.append(0.3 * envelope * np.sin(2 * np.pi * pitch * time))
            pieces.append(np.zeros(int(0.04 * SAMPLE_RATE)))
    sung = np.concatenate([*pieces, np.zeros(int(0.1 * SAMPLE_RATE))])
    return (sung + 0.003 * generator.standard_normal(len(sung))).astype(np.float32)


def _new_sentence(generator: np.random.Generator, seen: set[str]) -> str:
    while True:
        words = [
            "".join(generator.choice(list(LETTERS), generator.integers(2, 5)))
            for _ in range(generator.integers(2, 4))
        ]
        text = " ".join(words)
        if text not in seen:
            seen.add(text)
            return text
