"""Folders that are files, full disks, odd names, links that go round, and Ctrl-C."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import SAMPLE_RATE, Run, sing, tiny_config, write_tone_corpus

from anylect.data.manifest import read_manifest, write_manifest
from anylect.data.sources.recordings import walk
from anylect.errors import BundleError, TrainingError
from anylect.records import Utterance
from anylect.training.journal import read_journal
from anylect.workflows.train import train

NOT_UTF8 = os.fsdecode(b"\xff\xfe")
"""A name as Latin-1 systems leave behind, as Python sees it."""


def test_a_file_in_the_place_of_an_output_folder_is_told(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    recording = tone_manifest.parent / "test-0.wav"
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file/below"):
        for arguments in (
            ["prepare", tone_manifest],
            ["train", "--manifest", tone_manifest, "--device", "cpu"],
            ["evaluate", tiny_bundle, tone_manifest, "--device", "cpu"],
            ["transcribe", tiny_bundle, recording, "--device", "cpu"],
            ["demo"],
        ):
            done = run(*arguments, "-o", output)
            assert done.code in (1, 2), arguments
            assert "file" in done.err.lower()
            assert done.out == ""
    assert (tmp_path / "file").read_bytes() == b""


def test_one_transcript_that_cannot_be_written_does_not_lose_the_others(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    recordings = sorted(tone_manifest.parent.glob("test-*.wav"))[:3]
    (tmp_path / "test-1.txt").mkdir()
    done = run("transcribe", tiny_bundle, *recordings, "-o", tmp_path, "--device", "cpu")
    assert done.code == 1
    assert done.out.split() == [str(tmp_path / "test-0.txt"), str(tmp_path / "test-2.txt")]
    assert f"error: {tmp_path / 'test-1.txt'}: cannot be written (Is a directory)" in done.err
    assert "2 of 3 transcribed" in done.err


def test_a_transcript_beside_its_recording_is_never_replaced(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    shutil.copy(tone_manifest.parent / "test-0.wav", tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("by hand")
    done = run("transcribe", tiny_bundle, tmp_path / "a.wav", "-o", tmp_path, "--device", "cpu")
    assert done.code == 2
    assert f"{tmp_path / 'a.txt'}: stands beside its recording already" in done.err
    assert (tmp_path / "a.txt").read_text() == "by hand"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "test-0.txt").symlink_to("/dev/full")
    (tmp_path / ".manifest.partial").symlink_to("/dev/full")
    (tmp_path / ".measured.jsonl.partial").symlink_to("/dev/full")
    recording = tone_manifest.parent / "test-0.wav"
    for arguments in (
        ["transcribe", tiny_bundle, recording, "--device", "cpu"],
        ["evaluate", tiny_bundle, tone_manifest, "--device", "cpu"],
        ["prepare", tone_manifest],
    ):
        done = run(*arguments, "-o", tmp_path)
        assert done.code == 1
        assert "error: " in done.err
        assert str(tmp_path) in done.err
        assert "(No space left on device)" in done.err


def test_a_run_that_cannot_be_saved_says_so(tone_manifest: Path, tmp_path: Path) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 2})
    (tmp_path / "run").mkdir()
    (tmp_path / "run/checkpoints").touch()
    with pytest.raises(TrainingError, match="checkpoints: cannot be written to") as caught:
        train(config)
    assert "make room on that disk; `--resume`" in (caught.value.hint or "")
    (tmp_path / "run/checkpoints").unlink()
    (tmp_path / "run/.bundle.partial").touch()
    with pytest.raises(BundleError, match="bundle: cannot be written") as unsaved:
        train(config, resume=True)
    assert "`anylect train --resume` then saves the bundle" in (unsaved.value.hint or "")
    (tmp_path / "run/.bundle.partial").unlink()
    assert train(config, resume=True).bundle.is_dir()


def test_an_output_in_the_source_is_refused(tone_manifest: Path, run: Run) -> None:
    source = tone_manifest.parent
    for output in (source, source / "below"):
        done = run("prepare", source, "-o", output)
        assert done.code == 2
        assert f"{output}: lies in the source, which is never written to" in done.err
        assert "hint: choose an output folder elsewhere" in done.err
    assert not (source / "below").exists()


def test_neither_a_device_nor_a_recording_is_a_corpus(
    tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    done = run("prepare", "/dev/null", "-o", tmp_path)
    assert done.code == 1
    assert "/dev/null: no such file or folder" in done.err
    done = run("prepare", tone_manifest.parent / "test-0.wav", "-o", tmp_path)
    assert done.code == 1
    assert "no known layout; it holds a file that ends in .wav" in done.err
    assert "hint: known layouts: " in done.err


# Names.


@pytest.mark.parametrize("name", ["two words", "naïve 日本", "tab\tand", "-dash", NOT_UTF8])
def test_any_name_goes_the_whole_way(
    tiny_bundle: Path, tmp_path: Path, run: Run, name: str
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    try:
        soundfile.write(corpus / "plain.wav", sing("aei ou", np.random.default_rng(2)), SAMPLE_RATE)
        (corpus / "plain.wav").rename(corpus / f"{name}.wav")
        (corpus / f"{name}.txt").write_text("aei ou")
    except OSError:
        pytest.skip("this file system has no such names")
    out, evidence, written = (tmp_path / part for part in ("out", "evidence", "written"))
    done = run("prepare", corpus, "-o", out)
    assert done.code == 0, done.err
    found = next(read_manifest(out / "manifest.jsonl"))
    assert found.audio.samefile(corpus / f"{name}.wav")
    arguments = ["evaluate", tiny_bundle, out / "manifest.jsonl", "-o", evidence]
    assert run(*arguments, "--device", "cpu").code == 0
    (line,) = (evidence / "manifest.utterances.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["id"] == name
    recording = corpus / f"{name}.wav"
    arguments = ["transcribe", tiny_bundle, recording, recording, "--device", "cpu"]
    assert run(*arguments).out.count(".wav\t") == 2
    arguments = ["transcribe", tiny_bundle, recording, "--format", "json", "-o", written]
    assert run(*arguments, "--device", "cpu").code == 0
    (transcript,) = written.iterdir()
    assert json.loads(transcript.read_text(encoding="utf-8"))["audio"] == str(recording)


def test_a_recording_of_any_name_that_is_gone_is_listed(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 8, "dev": 2})
    gone = [
        Utterance(audio=tmp_path / NOT_UTF8, text="aa", id=f"{NOT_UTF8}-{split}", split=split)
        for split in ("train", "dev")
    ]
    write_manifest(manifest, [*list(read_manifest(manifest)), *gone])
    report = train(tiny_config(manifest, tmp_path / "run", schedule={"updates": 2}))
    assert report.left_out == {"unreadable": 1}
    events = read_journal(tmp_path / "run/journal.jsonl")
    assert [each["id"] for each in events if each["event"] == "left_out"] == [f"{NOT_UTF8}-train"]


def test_links_are_followed_but_never_round(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "corpus" / name).mkdir(parents=True)
        (tmp_path / "corpus" / name / f"{name}.wav").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.wav").touch()
    (tmp_path / "corpus/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus/again").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus/a/there").symlink_to(tmp_path / "corpus/b")
    (tmp_path / "corpus/b/back").symlink_to(tmp_path / "corpus/a")
    found = [(here / name) for here, names in walk(tmp_path / "corpus") for name in names]
    assert {path.name for path in found} == {"a.wav", "b.wav", "c.wav"}
    assert len(found) == len(set(found)) == 5  # `b` by way of `a`, and `a` by way of `b`


# Interruptions.


def interrupt(running: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C, and again after ten seconds: Python loses one that lands in a destructor."""
    for _ in range(3):
        running.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return running.communicate(timeout=10)
    running.kill()
    return running.communicate()


def test_ctrl_c_ends_without_a_traceback_and_keeps_the_checkpoints(
    tone_manifest: Path, tmp_path: Path
) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 2})
    train(config)
    text = (tmp_path / "run/config.toml").read_text().replace("updates = 2\n", "updates = 100000\n")
    (tmp_path / "endless.toml").write_text(text.replace(str(tmp_path / "run"), "long"))
    running = subprocess.Popen(
        [sys.executable, "-m", "anylect", "train", tmp_path / "endless.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoints = tmp_path / "long/checkpoints"
    deadline = time.monotonic() + 60
    while not list(checkpoints.glob("update-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    out, err = interrupt(running)
    assert running.returncode == 1
    assert out == ""
    assert "Aborted!" in err
    assert "Traceback" not in err
    kinds = [event["event"] for event in read_journal(tmp_path / "long/journal.jsonl")]
    assert kinds[0] == "start"
    assert "finish" not in kinds
