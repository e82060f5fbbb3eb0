"""What tests of a challenge need: submissions that need nothing but Python, and cells."""

import json
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anylect.challenge.sandbox import Limits, Sandbox
from anylect.errors import ConfigError
from anylect.evaluation.report import Signature, report
from anylect.evaluation.scoreboard import ScoredUtterance, score
from anylect.hub.evidence import Evidence
from anylect.workflows.challenge_run import find_interpreter

EVAL = """
import argparse, csv, os, pathlib, sys

parser = argparse.ArgumentParser()
for name in ("model_id", "dataset", "config", "split", "device"):
    parser.add_argument("--" + name)
parser.add_argument("--model_id_", "--chunk_length_s")
parser.add_argument("--stride_length_s")
parser.add_argument("--log_outputs", action="store_true")
args = parser.parse_args()
place = pathlib.Path(args.dataset) / args.split
rows = list(csv.DictReader(open(place / "metadata.csv")))


def log(answers, name="log_set_predictions.txt"):
    with open(name, "w") as stream:
        for index, answer in enumerate(answers):
            stream.write(f"{index}\\n{answer}\\n")


"""
"""The beginning of an `eval.py`: reads the set into `rows`, and writes what it is told to."""

FLAGS = """
import argparse

parser = argparse.ArgumentParser()
for_each = parser.add_argument
for_each("--model_id"), for_each("--dataset"), for_each("--config"), for_each("--split")
for_each("--chunk_length_s"), for_each("--stride_length_s"), for_each("--log_outputs")
for_each("--device")
"""

CARD = """---
language: sv
license: mit
tags: [automatic-speech-recognition, robust-speech-event]
datasets: [mozilla-foundation/common_voice_7_0]
model-index:
- name: model
  results:
  - task: {name: Speech Recognition, type: automatic-speech-recognition}
    dataset:
      {name: Common Voice 7, type: mozilla-foundation/common_voice_7_0, split: test, config: sv-SE}
    metrics:
    - {name: Test WER, type: wer, value: 27.0}
    - {name: Test CER, type: cer, value: 9.0}
---
Trained with `--train_split_name="train+validation"`.
"""

Submit = Callable[..., Path]
Confine = Callable[..., Sandbox]


def write_submission(folder: Path, *, script: str = FLAGS, card: str = CARD) -> Path:
    """Write a submission that keeps every rule."""
    folder.mkdir(parents=True)
    for name, content in (
        ("config.json", {"model_type": "wav2vec2"}),
        ("preprocessor_config.json", {"sampling_rate": 16_000}),
        ("vocab.json", {"<pad>": 0, "|": 1, "a": 2, "b": 3, "å": 4}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(tensors(12))
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "eval.py").write_text(script, encoding="utf-8")
    results = folder / "mozilla-foundation_common_voice_7_0_sv-SE_test_eval_results.txt"
    results.write_text("WER: 0.27\nCER: 0.09", encoding="utf-8")
    return folder


def tensors(count: int) -> bytes:
    """Return a safetensors file of so many bytes of weights."""
    header = json.dumps(
        {"__metadata__": {}, "w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(count)


@pytest.fixture
def confine(tmp_path: Path) -> Confine:
    """Make a sandbox; skip where the system allows no cell."""

    def make(isolation: str = "required", **limits: float) -> Sandbox:
        folder = tmp_path / f"cell-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        box = Sandbox(
            folder,
            visible=find_interpreter(Path(sys.executable)),
            isolation="none" if isolation == "none" else "required",
            limits=Limits(**{"seconds": 20.0, "memory_gb": 2.0, **limits}),  # type: ignore[arg-type]
        )
        if box.is_isolated:
            try:
                box.run(["/bin/true"], cwd=folder, environment={})
            except ConfigError as error:
                pytest.skip(error.message)
        return box

    return make


def measured(
    folder: Path,
    role: str,
    scored: Sequence[ScoredUtterance],
    *,
    name: str = "keen",
    language: str = "sv",
    **facts: Any,
) -> Path:
    """Leave what `anylect challenge run` leaves of one set."""
    with Evidence(folder, role) as evidence:
        for each in scored:
            evidence.add(each)
    made = report(
        scored,
        signature=Signature(normalizer=f"{language}-1", normalizer_hash="1", decoding="eval.py"),
        language=language,
    )
    evidence.conclude(
        {
            **made.to_json(),
            "manifest_sha256": role,
            "submission": {"name": name, "fingerprint": f"f-{name}"},
            "run": {"isolated": True},
            **facts,
        }
    )
    return folder


def spoken(wrong: Sequence[int], *, speakers: int = 6) -> list[ScoredUtterance]:
    """Ten words an utterance; so many of each are misheard."""
    said = [f"w{number}" for number in range(10)]
    return [
        replace(
            score(" ".join(said), " ".join(["x"] * errors + said[errors:])),
            id=f"u{number}",
            speaker=f"s{number % speakers}",
        )
        for number, errors in enumerate(wrong)
    ]
