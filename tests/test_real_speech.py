"""The whole walk over human recordings: nothing is lost on it, in any script.

An epoch of a tiny model learns next to nothing; what is tested is all around it. How well real
speech is learnt is measured by `benchmarks/`.
"""

import importlib.util
import itertools
import json
import math
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import tiny_config

from anylect import Recognizer
from anylect.data.manifest import read_manifest, write_manifest
from anylect.evaluation.report import Report
from anylect.hub.bundle import load_bundle
from anylect.records import Utterance
from anylect.text.normalize import default_normalizer, load_normalizer
from anylect.text.vocabulary import load_vocabulary
from anylect.training.journal import read_journal
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.prepare import PrepareConfig, prepare
from anylect.workflows.prepare_report import PrepareReport
from anylect.workflows.train import TrainReport, train

pytestmark = pytest.mark.slow


def prepare_all(source: Path, output: Path) -> PrepareReport:
    """Prepare a corpus, and check that what comes out is what went in."""
    report = prepare(PrepareConfig(source=source, output=output))
    kept = list(read_manifest(output / "manifest.jsonl"))
    dropped = read_records(output / "dropped.jsonl")
    assert report.kept == len(kept) == sum(split.utterances for split in report.splits.values())
    assert Counter(line["reason"] for line in dropped) == report.dropped
    assert report.kept + len(dropped) == report.seen
    assert all(utterance.audio.is_file() and utterance.duration for utterance in kept)
    return report


def train_an_epoch(manifest: Path, output: Path) -> TrainReport:
    """Train once over the split, and check that all of it was seen."""
    config = tiny_config(
        manifest,
        output,
        model={"features": {"kind": "mel", "bins": 40, "sample_rate": 16_000}},
        batches={"seconds": 20.0},
        schedule={"updates": None, "epochs": 1.0, "validate_every": 1000, "save_every": 1000},
    )
    report = train(config)
    events = read_journal(output / "journal.jsonl")
    start, updates = events[0], [event for event in events if event["event"] == "update"]
    train_split = list(read_manifest(manifest, split="train"))
    assert start["lessons"] == len(train_split)
    assert report.left_out == {}
    assert not [event for event in events if event["event"] == "skipped"]
    assert len(updates) == report.updates
    assert all(event["infeasible"] == event["non_finite"] == 0 for event in updates)
    assert all(0 < event["loss"] < math.inf for event in updates)
    vocabulary = load_vocabulary(report.bundle)
    normalizer = load_normalizer(report.bundle / "normalizer.json")
    spelt = {character for each in train_split for character in normalizer(each.text)}
    assert spelt <= set(vocabulary.tokens)
    return report


def evaluate_all(bundle: Path, manifest: Path, *, split: str) -> Report:
    """Score a split, and check that every utterance was, against its own reference."""
    config = EvaluateConfig(bundle=bundle, manifest=manifest, split=split, device="cpu")
    report = evaluate(config)
    wanted = {each.id: each for each in read_manifest(manifest, split=split)}
    normalizer = load_normalizer(bundle / "normalizer.json")
    lines = read_records(bundle / "evidence" / f"{manifest.stem}.{split}.utterances.jsonl")
    assert [line["id"] for line in lines] == list(wanted)
    assert report.ser.length == len(wanted)
    assert f"{len(wanted)} of {len(wanted)} scored" in report.text()
    for line in lines:
        assert line["reference"] == normalizer(wanted[line["id"]].text)
        assert marks(line["reference"]) == marks(wanted[line["id"]].text)
    assert report.wer.length == sum(len(line["reference"].split()) for line in lines)
    recognizer = Recognizer.load(bundle, device="cpu")
    heard = recognizer.transcribe(wanted[lines[0]["id"]].audio)
    assert normalizer(heard.text) == lines[0]["hypothesis"]
    return report


def read_records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def marks(text: str) -> Counter[str]:
    """Count vowel signs, viramas and other combining marks.

    Malayalam once wrote its chillu letters as consonant, virama, joiner: no virama is heard there.
    """
    composed = unicodedata.normalize("NFC", text).replace("്\u200d", "")
    return Counter(mark for mark in composed if unicodedata.category(mark).startswith("M"))


def test_malayalam_goes_the_whole_way_and_its_leak_is_told(
    shared_data: Path, tmp_path: Path
) -> None:
    report = prepare_all(shared_data / "smc_malayalam", tmp_path)
    normalizer = default_normalizer("ml")
    texts = [each.text for each in read_manifest(report.manifest)]
    assert [marks(normalizer(text)) for text in texts] == [marks(text) for text in texts]
    assert (report.seen, list(report.splits)) == (1847, ["train", "dev", "test"])
    assert report.scripts == {"MALAYALAM": report.kept}
    leak = next(line for line in report.lines() if line.startswith("leak"))
    assert "sentences of train also in test" in leak

    amounts = {"train": 200, "dev": 20, "test": 40}
    some: list[Utterance] = []
    for split, amount in amounts.items():
        utterances = read_manifest(tmp_path / "manifest.jsonl", split=split)
        some += itertools.islice(utterances, amount)
    write_manifest(tmp_path / "some.jsonl", some)
    trained = train_an_epoch(tmp_path / "some.jsonl", tmp_path / "run")
    events = read_journal(tmp_path / "run/journal.jsonl")
    losses = [event["loss"] for event in events if event["event"] == "update"]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert load_bundle(trained.bundle, device="cpu").normalizer.language == "ml"
    assert {"്", "ാ", "ം"} <= set(load_vocabulary(trained.bundle).tokens)
    scored = evaluate_all(trained.bundle, tmp_path / "some.jsonl", split="test")
    assert scored.line.startswith("WER")


@pytest.mark.parametrize(
    ("locale", "script", "leads"),
    [("ta", "TAMIL", "WER"), ("ar", "ARABIC", "WER"), ("zh-CN", "HAN", "CER")],
)
def test_common_voice_goes_the_whole_way(
    shared_data: Path, tmp_path: Path, locale: str, script: str, leads: str
) -> None:
    report = prepare_all(shared_data / "common_voice_6.1_sample" / locale, tmp_path)
    assert report.layout == "common-voice"
    assert report.dropped == {}
    assert next(iter(report.scripts)) == script
    assert not [leak for leak in report.leaks if leak.kind == "speaker"]
    trained = train_an_epoch(report.manifest, tmp_path / "run")
    scored = evaluate_all(trained.bundle, report.manifest, split="test")
    assert scored.line.startswith(leads)
    assert scored.text().splitlines()[0].startswith(leads)


def test_every_speaker_of_librispeech_is_known(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "LibriSpeech_sample"
    report = prepare_all(source, tmp_path)
    speakers = {path.parent.parent.name for path in source.rglob("*.trans.txt")}
    utterances = list(read_manifest(report.manifest))
    assert len(utterances) == len(list(source.rglob("*.flac"))) == report.seen
    assert {each.speaker for each in utterances} == speakers
    assert len(speakers) > 1


def test_digits_of_a_speaker_never_heard_are_understood(shared_data: Path, tmp_path: Path) -> None:
    """The recipe of `benchmarks/digits.py`, some three minutes on one core."""
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "digits.py"
    specification = importlib.util.spec_from_file_location("digits", path)
    assert specification is not None
    assert specification.loader is not None
    digits = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(digits)
    figures = digits.measure("theo", shared_data / "fsdd", tmp_path)
    assert figures["wer"] <= 0.12
