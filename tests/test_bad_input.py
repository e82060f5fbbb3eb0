"""Whatever people feed it: one clear error with place and hint, or a counted, listed drop.

Here recordings, manifests and transcripts; `test_bad_settings` and `test_bad_places` go on.
"""

import json
import shutil
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import SAMPLE_RATE, Run, sing, tiny_config

from anylect.audio.load import probe
from anylect.data.manifest import read_manifest, write_manifest
from anylect.errors import ManifestError, TrainingError
from anylect.records import Utterance
from anylect.training.journal import read_journal
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.prepare import PrepareConfig, prepare
from anylect.workflows.train import train
from anylect.workflows.transcribe import TranscribeConfig, transcribe

FLAWS = {
    "missing.wav": "cannot be read (No such file or directory)",
    "cut.mp3": "is cut off",
    "empty.wav": "holds no samples (0.00 s)",
    "nothing.wav": "is empty (0 bytes)",
    "text.wav": "is not a recording of any known format (begins with the text `I am text",
    "nan.wav": "is nan at 0.0125 s, expected finite numbers",
    "folder.wav": "is a folder, expected a recording",
}
"""Recordings nobody can use, and what the error says of each."""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `FLAWS` names."""
    folder = tmp_path_factory.mktemp("bad")
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)
    soundfile.write(folder / "cut.mp3", noise, SAMPLE_RATE, format="MP3")
    whole = (folder / "cut.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(whole[: len(whole) * 2 // 5])
    soundfile.write(folder / "empty.wav", np.zeros(0), SAMPLE_RATE)
    (folder / "nothing.wav").touch()
    (folder / "text.wav").write_text("I am text, and what a download left behind")
    noise[100] = np.nan
    soundfile.write(folder / "nan.wav", noise, SAMPLE_RATE, subtype="FLOAT")
    (folder / "folder.wav").mkdir()
    return folder


@pytest.fixture(scope="module")
def mixed(bad: Path, tone_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the tone corpus with every flaw once in each split."""
    path = tmp_path_factory.mktemp("mixed") / "manifest.jsonl"
    flawed = [
        Utterance(audio=bad / name, text="aa", id=f"{split}/{name}", split=split)
        for split in ("train", "dev", "test")
        for name in FLAWS
    ]
    write_manifest(path, [*read_manifest(tone_manifest), *flawed])
    return path


@pytest.fixture
def source(bad: Path, tmp_path: Path) -> Path:
    """A corpus as a folder, with every flaw of recordings and of transcripts."""
    folder = tmp_path / "corpus"
    shutil.copytree(bad, folder)
    generator = np.random.default_rng(1)
    for name in ("a", "b", "c", "georgian", "silent", "latin"):
        soundfile.write(folder / f"{name}.wav", sing("aei ou", generator), SAMPLE_RATE)
    write_day(folder / "day.wav")
    for path in [*folder.glob("*.*"), folder / "missing.wav"]:
        path.with_suffix(".txt").write_text("aei ou")
    (folder / "georgian.txt").write_text("ენა", encoding="utf-8")
    (folder / "silent.txt").write_text(" \n")
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    return folder


def write_day(path: Path, *, hours: float = 24.0) -> None:
    """Write hours of silence, 8 bits at 8 kHz, that take no room on a disk."""
    size = round(hours * 3600 * 8000)
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + header)
        file.write(struct.pack("<4sI", b"data", size) + b"\x80")
        file.truncate(44 + size)


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def read_records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def change_lines(manifest: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Copy a manifest with every line changed, its audio paths made absolute."""
    changed = [
        change({**line, "audio": str(manifest.parent / line["audio"])})
        for line in read_records(manifest)
    ]
    text = "".join(json.dumps(line) + "\n" for line in changed)
    target.write_text(text, encoding="utf-8")
    return target


# Recordings nobody can use.


def test_prepare_lists_every_flaw_with_its_reason(source: Path, tmp_path: Path, run: Run) -> None:
    before = snapshot(source)
    done = run("prepare", source, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    dropped = read_records(tmp_path / "out/dropped.jsonl")
    reasons = {line["id"]: line["reason"] for line in dropped if "id" in line}
    assert reasons == {
        "cut": "unreadable recording",
        "empty": "unreadable recording",
        "nothing": "unreadable recording",
        "text": "unreadable recording",
        "silent": "empty transcript",
        "latin": "no transcript",
        "day": "too long",
    }
    orphans = [line["detail"] for line in dropped if "id" not in line]
    assert {Path(detail.split(":")[0]).name for detail in orphans} == {"missing.txt", "folder.txt"}
    assert all("no recording of that name beside it" in detail for detail in orphans)
    # Headers are read and nothing else, so the NaN is met by whoever decodes.
    kept = {utterance.id for utterance in read_manifest(tmp_path / "out/manifest.jsonl")}
    assert kept == {"a", "b", "c", "georgian", "nan"}
    assert "kept        5 of 14 utterances" in done.out
    assert "dropped     9, listed in" in done.out
    assert "transcripts in another script than most: 1" in done.out
    assert snapshot(source) == before


def test_a_day_of_audio_is_too_long_by_its_header(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_day(folder / "day.wav")
    (folder / "day.txt").write_text("one two")
    began = time.monotonic()
    assert probe(folder / "day.wav").duration == 86_400.0
    report = prepare(PrepareConfig(source=folder, output=tmp_path / "out"))
    assert time.monotonic() - began < 1.0
    assert dict(report.dropped) == {"too long": 1}
    assert report.examples == {"too long": "day: 86400.00 s, at most 40 s expected"}


def test_memory_does_not_grow_with_what_is_transcribed(tiny_bundle: Path, tmp_path: Path) -> None:
    peaks = []
    for minutes in (2, 8):
        write_day(tmp_path / "long.wav", hours=minutes / 60)
        config = TranscribeConfig(
            bundle=tiny_bundle, recordings=(tmp_path / "long.wav",), device="cpu"
        )
        tracemalloc.start()
        assert [each.error for each in transcribe(config)] == [None]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    decoded = 8 * 60 * SAMPLE_RATE * 4
    assert peaks[1] < decoded / 2
    assert peaks[1] < peaks[0] + decoded / 20


def test_transcribe_reports_each_flaw_and_loses_nothing(
    tiny_bundle: Path, tone_manifest: Path, bad: Path, run: Run
) -> None:
    good = sorted(tone_manifest.parent.glob("test-*.wav"))[:3]
    flawed = [bad / name for name in FLAWS]
    recordings = [good[0], *flawed[:4], good[1], *flawed[4:], good[2]]
    done = run("transcribe", tiny_bundle, *recordings, "--device", "cpu")
    assert done.code == 1
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [str(path) for path in good]
    errors = done.err.split("error: ")[1:]
    assert len(errors) == len(FLAWS)
    for error, (name, flaw) in zip(errors, FLAWS.items(), strict=True):
        assert error.startswith(f"{bad / name}: {flaw}")
        assert "\nhint: " in error
    assert "3 of 10 transcribed" in done.err


def test_evaluate_counts_and_lists_each_flaw(
    tiny_bundle: Path, mixed: Path, tmp_path: Path, run: Run
) -> None:
    arguments = ["--split", "test", "--device", "cpu", "-o", tmp_path]
    done = run("evaluate", tiny_bundle, mixed, *arguments)
    assert done.code == 0, done.err
    assert "6 of 13 scored; 7 unreadable" in done.out
    lines = read_records(tmp_path / "manifest.test.utterances.jsonl")
    assert len(lines) == 13
    told = {line["id"]: line["unreadable"] for line in lines if "unreadable" in line}
    assert told.keys() == {f"test/{name}" for name in FLAWS}
    for name, flaw in FLAWS.items():
        assert flaw in told[f"test/{name}"]


@pytest.mark.parametrize("workers", [0, 2])
def test_train_counts_each_flaw_and_goes_on(mixed: Path, tmp_path: Path, workers: int) -> None:
    batches = {"workers": workers}
    report = train(tiny_config(mixed, tmp_path / "run", batches=batches, schedule={"updates": 6}))
    assert report.updates == 6
    assert report.left_out == {"unreadable": len(FLAWS)}
    assert "left out: 7 unreadable" in report.lines()
    events = read_journal(tmp_path / "run/journal.jsonl")
    # Headers tell of most before the first update, the samples of the rest.
    told = {event["id"]: event for event in events if event["event"] in ("left_out", "skipped")}
    assert told.keys() == {f"train/{name}" for name in FLAWS}
    assert told["train/nan.wav"]["event"] == "skipped"
    assert "is nan at 0.0125 s" in told["train/nan.wav"]["reason"]
    assert FLAWS["cut.mp3"] in told["train/cut.mp3"]["detail"]
    validation = next(event for event in events if event["event"] == "validation")
    assert (validation["utterances"], validation["unreadable"]) == (6, 7)
    evidence = json.loads((report.bundle / "evidence/training.json").read_text())
    assert evidence["train_utterances"] == 24


# Manifests and transcripts.


def test_broken_json_is_told_by_its_line_everywhere(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    broken = tmp_path / "broken.jsonl"
    shutil.copy(tone_manifest, broken)
    with broken.open("a") as file:
        file.write('{"audio": "a.wav", "text": "aa"}\n{"audio": "b.wav", "te\n')
    place = f"error: {broken}:38: broken JSON at character 20"
    for arguments in (
        ["prepare", broken, "-o", tmp_path / "out"],
        ["train", "--manifest", broken, "-o", tmp_path / "run", "--device", "cpu"],
        ["evaluate", tiny_bundle, broken, "--device", "cpu", "-o", tmp_path / "evidence"],
    ):
        done = run(*arguments)
        assert done.code == 1
        assert place in done.err
        assert 'hint: a line is one object: {"audio": "clips/a.wav"' in done.err
    assert not list(tmp_path.glob("**/manifest*")) + list(tmp_path.glob("**/.*"))


def test_a_manifest_without_its_recordings_is_told_at_once(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    moved = tmp_path / "moved/manifest.jsonl"
    moved.parent.mkdir()
    shutil.copy(tone_manifest, moved)
    done = run("train", "--manifest", moved, "-o", tmp_path / "run", "--device", "cpu")
    assert done.code == 1
    assert "none of the 24 recordings of split `train` can be read, e.g." in done.err
    assert "paths in a manifest are relative to it" in done.err
    assert not (tmp_path / "run").exists()
    done = run("evaluate", tiny_bundle, moved, "--device", "cpu", "-o", tmp_path / "evidence")
    assert done.code == 1
    assert "nothing to score (36 unreadable recordings)" in done.err
    assert not any((tmp_path / "evidence").iterdir())
    done = run("prepare", moved, "-o", tmp_path / "out")
    assert "36   missing recording" in done.out


def test_train_wants_something_it_can_read_in_either_split(
    tone_manifest: Path, tmp_path: Path
) -> None:
    def spoil(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "duration": 3 * line["duration"]} if line["split"] == "train" else line

    # By its header each recording is fine, but none is as long as its utterance.
    manifest = change_lines(tone_manifest, tmp_path / "long.jsonl", spoil)
    with pytest.raises(TrainingError, match="none of the 24 training recordings can be read") as no:
        train(tiny_config(manifest, tmp_path / "run"))
    assert "is cut off: " in no.value.message
    assert no.value.hint == "`journal.jsonl` says why of each"

    def forget(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "audio": "gone.wav"} if line["split"] == "dev" else line

    manifest = change_lines(tone_manifest, tmp_path / "gone.jsonl", forget)
    with pytest.raises(ManifestError, match="none of the 6 recordings of split `dev` can be read"):
        train(tiny_config(manifest, tmp_path / "other"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("…!", r"nothing of split `train` can be learnt: 24 with an empty transcript, e\.g\. "),
        ("a" * 200, r"can be learnt: 24 with more labels than frames, e\.g\. train-0: 200 tokens"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_an_error_and_no_endless_run(
    tone_manifest: Path, tmp_path: Path, text: str, message: str
) -> None:
    manifest = change_lines(
        tone_manifest,
        tmp_path / "manifest.jsonl",
        lambda line: {**line, "text": text if line["split"] == "train" else "ae"},
    )
    with pytest.raises(TrainingError, match=message):
        train(tiny_config(manifest, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_references_that_cannot_be_spelt_or_are_empty_are_scored_as_they_are(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    texts = iter(["", "ენა ენა", "!?", "aa", "ee", "ii"])
    utterances = [
        Utterance(audio=each.audio, text=next(texts), id=each.id, speaker=each.speaker)
        for each in read_manifest(tone_manifest, split="test")
    ]
    write_manifest(tmp_path / "manifest.jsonl", utterances)
    report = evaluate(
        EvaluateConfig(
            bundle=tiny_bundle,
            manifest=tmp_path / "manifest.jsonl",
            output=tmp_path / "evidence",
            device="cpu",
            workers=0,
        )
    )
    assert "6 of 6 scored" in report.text()
    assert "2 references are empty" in report.text()
    assert report.wer.length == 5


@pytest.mark.parametrize(
    ("lines", "split", "message"),
    [
        ("", None, "nothing to score (0 unreadable recordings)"),
        ('{"audio": "a.wav", "text": "a", "split": "dev"}\n', "tset", "split `tset` of "),
        ('{"audio": "a.wav", "text": "a", "split": "dev"}\n', "te/st", "split `te/st` of "),
    ],
)
def test_a_set_without_utterances_is_an_error(
    tiny_bundle: Path, tmp_path: Path, lines: str, split: str | None, message: str
) -> None:
    (tmp_path / "m.jsonl").write_text(lines)
    evidence = tmp_path / "evidence"
    config = EvaluateConfig(
        bundle=tiny_bundle,
        manifest=tmp_path / "m.jsonl",
        split=split,
        output=evidence,
        device="cpu",
    )
    with pytest.raises(ManifestError) as caught:
        evaluate(config)
    assert message in caught.value.message
    assert "check `--split`" in (caught.value.hint or "")
    assert list(evidence.iterdir()) == []
