"""MLPerf's DeepSpeech2 on a tiny LibriSpeech of our own, and its two twins to their target."""

import hashlib
import json
import math
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import Run, sing

from anylect.config import load_config
from anylect.data.manifest import read_manifest
from anylect.data.published import LIBRISPEECH, Part
from anylect.models.build import build_model
from anylect.models.spectrogram_extractor import DeepSpeech2FeatureExtractor
from anylect.progress import silent
from anylect.text.vocabulary import build_vocabulary
from anylect.training.journal import read_journal
from anylect.workflows.benchmark import prepare_benchmark
from anylect.workflows.benchmark_log import BenchmarkLog, find
from anylect.workflows.dry_run import dry_run
from anylect.workflows.train import TrainConfig

RECIPES = Path(__file__).parents[2] / "recipes"
MLPERF = RECIPES / "mlperf-deepspeech2.toml"
LABELS = build_vocabulary(["abcdefghijklmnopqrstuvwxyz '"], unknown=False)
MFCC = [
    "model.features.kind=mfcc",
    "model.features.bins=40",
    "model.features.coefficients=13",
    "model.features.scale=power",
    "model.features.floor=1e-6",
    "model.settings.conv_kernels=[[5, 11], [3, 11]]",
    "model.settings.conv_strides=[[1, 2], [1, 1]]",
    "model.settings.conv_paddings=[[2, 0], [1, 0]]",
]
"""What the guide gives for the features of the reference's text."""
SMALL = [
    "model.settings.hidden_size=24",
    "model.settings.recurrent_layers=1",
    "model.settings.conv_channels=[4, 4]",
    "benchmark.weights=14180",
    "threads=1",
    "device=cpu",
    "batches.workers=0",
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A mirror of a tiny LibriSpeech, sung, with its own checksums, as if they were published."""
    folder = tmp_path / "mirror"
    for name in list(LIBRISPEECH):
        monkeypatch.delitem(LIBRISPEECH, name)
    for name, count in (("train-clean-100", 10), ("dev-clean", 2), ("dev-other", 1)):
        tree = folder / "LibriSpeech" / name
        sing_chapter(tree / f"{19 + count}" / "198", count)
        monkeypatch.setitem(LIBRISPEECH, name, publish(folder, name, tree))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sing_chapter(chapter: Path, count: int) -> None:
    """Write a chapter whose transcripts have every letter, and the apostrophe."""
    generator = np.random.default_rng(count)
    chapter.mkdir(parents=True)
    name = f"{chapter.parent.name}-{chapter.name}"
    lines = []
    for number in range(count):
        samples = sing("".join(generator.choice(list("aeiou "), 60)), generator)
        soundfile.write(chapter / f"{name}-{number:04d}.flac", np.repeat(samples, 2), 16_000)
        lines.append(f"{name}-{number:04d} THE QUICK BROWN FOX'S JUMPS OVER A LAZY DOG\n")
    (chapter / f"{name}.trans.txt").write_text("".join(lines))


def publish(folder: Path, name: str, tree: Path) -> Part:
    """Pack a tree as a part of LibriSpeech."""
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(tree, f"LibriSpeech/{name}")
    digest = hashlib.md5((folder / f"{name}.tar.gz").read_bytes()).hexdigest()
    return Part(digest, sum(1 for _ in tree.rglob("*.flac")))


def stand_in(tmp_path: Path, mirror: str, *overrides: str) -> list[str]:
    """Arguments that run the recipe on the tiny LibriSpeech, far smaller."""
    parts = ", ".join(f'"{name}"' for name in LIBRISPEECH)
    settings = [
        *SMALL,
        f"benchmark.source={tmp_path / 'data'}",
        f"benchmark.mirror={mirror}",
        f"benchmark.parts=[{parts}]",
        *overrides,
    ]
    places = ["--manifest", str(tmp_path / "data/manifest.jsonl"), "-o", str(tmp_path / "run")]
    return [str(MLPERF), *places, *(word for each in settings for word in ("--set", each))]


def test_the_recipe_fetches_prepares_trains_and_judges(
    mirror: str, tmp_path: Path, run: Run
) -> None:
    done = run("benchmark", *stand_in(tmp_path, mirror, "schedule.epochs=2"))
    assert done.code == 1, done.err
    assert "target WER 23.0% NOT reached" in done.out
    splits = [each.split for each in read_manifest(tmp_path / "data/manifest.jsonl")]
    assert (splits.count("train"), splits.count("dev")) == (10, 3)
    result = json.loads((tmp_path / "run/result.json").read_text(encoding="utf-8"))
    assert result["model"] == {"weights": 14180, "labels": 29}
    assert result["evaluated_utterances"] == 3
    assert result["epochs"] == 2
    events = read_journal(tmp_path / "run/journal.jsonl")
    # Eight to a batch: two updates an epoch, the rate divided once in between.
    assert [event["update"] for event in events if event["event"] == "epoch_end"] == [2, 4]
    rates = [event["learning_rate"] for event in events if event["event"] == "update"]
    assert rates[-1] == pytest.approx(1e-4 / 1.1**2)
    # All is there: nothing is fetched or prepared again.
    keys = [entry["key"] for entry in BenchmarkLog(tmp_path / "run/benchmark.jsonl").read()]
    assert keys[:3] == ["init_start", "init_stop", "run_start"]
    again = run("benchmark", *stand_in(tmp_path, "http://127.0.0.1:9"), "--prepare")
    assert again.code == 0, again.err


def test_the_recipe_may_be_looked_at_and_trained_like_any_other(
    mirror: str, tmp_path: Path, run: Run
) -> None:
    assert run("benchmark", *stand_in(tmp_path, mirror), "--prepare").code == 0
    assert not (tmp_path / "run").exists()
    config = load_config(
        TrainConfig, MLPERF, manifest=tmp_path / "data/manifest.jsonl", output=tmp_path / "run"
    )
    report = dry_run(config)
    assert (report.weights, report.tokens) == (config.benchmark.weights, 29)
    assert report.plan.largest[0] == 8
    assert report.plan.epochs == 10
    assert report.cost.moments == 4 * report.weights


def test_real_recordings_arrive_whole(
    mirror: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = shared_data / "LibriSpeech_sample" / "test-mixed"
    part = publish(tmp_path / "mirror", "dev-clean", sample)
    monkeypatch.setitem(LIBRISPEECH, "dev-clean", part)
    corpus = tmp_path / "data"
    config = load_config(
        TrainConfig,
        MLPERF,
        overrides=[
            f"benchmark.source={corpus}",
            f"benchmark.mirror={mirror}",
            'benchmark.parts=["dev-clean"]',
        ],
        manifest=corpus / "manifest.jsonl",
        output=tmp_path / "run",
    )
    prepare_benchmark(config, bar=lambda _: silent)
    utterances = list(read_manifest(config.manifest))
    assert len(utterances) == part.recordings > 100
    assert {each.split for each in utterances} == {"dev"}
    for utterance in utterances:
        (original,) = sample.rglob(utterance.audio.name)
        assert utterance.audio.read_bytes() == original.read_bytes()


@pytest.mark.parametrize(("overrides", "features", "recurrent"), [([], 161, 672), (MFCC, 13, 416)])
def test_spectrograms_and_cepstra_both_fit_the_convolutions(
    overrides: list[str], features: int, recurrent: int
) -> None:
    config = load_config(TrainConfig, MLPERF, overrides=overrides)
    model = build_model(config.model, LABELS, shapes_only=True)
    assert model.module.config.input_bins == features
    assert model.module.config.recurrent_input_size == recurrent
    weights = sum(weight.numel() for weight in model.module.parameters())
    assert (weights == config.benchmark.weights) is (not overrides)


def test_the_recipe_is_the_reference_where_the_guide_says_so() -> None:
    config = load_config(TrainConfig, MLPERF)
    optimizer, schedule = config.optimizer, config.schedule
    assert (optimizer.kind, optimizer.momentum, optimizer.nesterov) == ("sgd", 0.9, True)
    assert (optimizer.learning_rate, optimizer.annealing, optimizer.clip_norm) == (1e-4, 1.1, 400)
    assert (schedule.epochs, schedule.target_wer) == (10, 0.23)
    assert config.augmentation.waveform.tempo == (0.85, 1.15)
    assert config.augmentation.waveform.gain_db == (-6.0, 8.0)
    assert config.benchmark.parts == (
        "train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other",
    )  # fmt: skip


def test_features_are_those_of_the_reference() -> None:
    """ln(1 + magnitude) of 320 samples under a Hamming window, a frame each 160, one more than fit.

    The frames at both edges apart, where the reference mirrors the recording and we hear silence.
    """
    config = load_config(TrainConfig, MLPERF)
    frontend = DeepSpeech2FeatureExtractor.from_options(config.model.features).frontend()
    samples = 0.3 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    rows = frontend.prepare(samples)
    assert rows.shape == (101, 161)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(320) / 320)
    centred = np.pad(samples.astype(np.float64), 160)
    expected = np.stack(
        [
            np.log1p(np.abs(np.fft.rfft(window * centred[160 * frame :][:320])))
            for frame in range(101)
        ]
    )
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(rows, expected, atol=1e-3)
    # So gain is heard, although every utterance is normalized.
    louder = frontend.prepare(samples * np.float32(10 ** (8 / 20)))
    assert np.abs(rows - louder).max() > 0.1


def assert_reached(folder: Path, done: Any, *, target: float) -> dict[str, Any]:
    """Check log and result of a run that came to its target."""
    assert done.code == 0, done.out + done.err
    result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "success"
    assert result["wer"] <= result["target_wer"] == target
    entries = BenchmarkLog(folder / "benchmark.jsonl").read()
    scores = [entry["value"] for entry in find(entries, "eval_wer")]
    assert all(score > target for score in scores[:-1])
    assert scores[-1] == result["wer"]
    assert len(find(entries, "epoch_stop")) == result["epochs"] == len(scores)
    start, stop = find(entries, "run_start")[0], find(entries, "run_stop")[0]
    seconds = (stop["time_ms"] - start["time_ms"]) / 1000
    assert math.isclose(seconds, result["time_to_target_seconds"])
    assert result["throughput"]["audio_seconds_per_second"] > 1
    return result


@pytest.mark.slow
def test_digits_of_a_speaker_never_heard_come_to_the_target(
    shared_data: Path, tmp_path: Path, run: Run
) -> None:
    done = run(
        "benchmark", RECIPES / "benchmark-digits.toml",
        "--manifest", tmp_path / "corpus/manifest.jsonl", "-o", tmp_path / "run",
        "--set", f"benchmark.source={shared_data / 'fsdd'}",
    )  # fmt: skip
    result = assert_reached(tmp_path / "run", done, target=0.12)
    dev = list(read_manifest(tmp_path / "corpus/manifest.jsonl", split="dev"))
    assert {each.speaker for each in dev} == {"fsdd_theo"}
    assert result["evaluated_utterances"] == len(dev) == 500


@pytest.mark.slow
def test_built_in_speech_comes_to_the_target(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("espeakng_loader")
    done = run(
        "benchmark", RECIPES / "benchmark-spoken.toml",
        "--manifest", tmp_path / "corpus/manifest.jsonl", "-o", tmp_path / "run",
    )  # fmt: skip
    assert_reached(tmp_path / "run", done, target=0.2)
