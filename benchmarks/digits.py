"""How well are digits of a speaker understood whom the model has never heard, and how soon?

Trains `recipes/digits.toml` on five of the six speakers of the Free Spoken Digit Dataset and
scores the sixth; `--speakers all` does so for each in turn.

    ANYLECT_DATA=/path/to/data python benchmarks/digits.py [--speakers theo,george|all]

Recordings numbered 0 to 4 of the five are dev, as the dataset's authors set them apart.
"""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from anylect.config import load_config
from anylect.data.manifest import read_manifest, write_manifest
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.train import TrainConfig, train

HERE = Path(__file__).resolve().parent
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def measure(held_out: str, fsdd: Path, folder: Path) -> dict[str, float | str]:
    """Train without one speaker, score that speaker."""
    manifest = hold_out(held_out, fsdd, folder)
    config = load_config(
        TrainConfig,
        HERE.parent / "recipes" / "digits.toml",
        manifest=manifest,
        output=folder / "run",
    )
    trained = train(config)
    report = evaluate(EvaluateConfig(bundle=trained.bundle, manifest=manifest, split="test"))
    assert report.wer.rate is not None
    print(report.line)
    return {
        "held_out": held_out,
        "wer": round(report.wer.rate, 4),
        "training_seconds": round(trained.seconds, 1),
        "rtf": round(report.rtf or 0.0, 4),
    }


def hold_out(speaker: str, fsdd: Path, folder: Path) -> Path:
    """Write a manifest with one speaker as test, and the other speakers' test recordings as dev."""
    utterances = []
    for utterance in read_manifest(fsdd / "manifest.jsonl"):
        held = utterance.speaker == f"fsdd_{speaker}"
        split = "test" if held else "dev" if utterance.split == "test" else "train"
        utterances.append(replace(utterance, split=split))
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder / "manifest.jsonl"


def main() -> None:
    """Measure and print a JSON line per speaker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", default="theo", help="comma-separated, or `all`")
    arguments = parser.parse_args()
    data = Path(os.environ.get("ANYLECT_DATA", HERE.parents[1] / "shared" / "data"))
    if not (data / "fsdd").is_dir():
        print(f"skipped: no recordings at {data / 'fsdd'}; set ANYLECT_DATA")
        return
    chosen = SPEAKERS if arguments.speakers == "all" else arguments.speakers.split(",")
    for speaker in chosen:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(speaker, data / "fsdd", Path(folder))), flush=True)


if __name__ == "__main__":
    main()
