"""A run is never lost: killed, out of room, out of memory, out of range, it goes on or says why."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import tiny_config, write_tone_corpus
from tests.training.test_loop import KilledError, kill_at, weights

from anylect.audio.load import load_waveform
from anylect.config import save_config
from anylect.errors import TrainingError
from anylect.training.journal import Event, Journal, read_journal
from anylect.training.loss import BatchLoss, batch_loss
from anylect.workflows.train import train

KILLER = """
import os, random, signal, sys, time
import anylect.models.build, anylect.training.loop
from anylect.cli.main import main

def start(output, *options):
    child = os.fork()
    if child:
        return child
    log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, 1), os.dup2(log, 2)
    sys.argv = ["anylect", "train", sys.argv[1], "-o", output, "--device", "cpu", *options]
    main()

config, whole, killed, kills, seed = sys.argv[1:]
began = time.monotonic()
assert os.waitstatus_to_exitcode(os.waitpid(start(whole), 0)[1]) == 0
took = time.monotonic() - began
random.seed(int(seed))
hits = 0
for _ in range(int(kills)):
    child = start(killed, "--resume")
    time.sleep(random.uniform(0.0, 0.6 * took))
    os.kill(child, signal.SIGKILL)
    hits += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(hits)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(start(killed, "--resume"), 0)[1]))
"""
"""Trains once undisturbed; then kills the same run again and again before it may finish."""


@pytest.fixture(scope="module")
def whole(tone_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    output = tmp_path_factory.mktemp("whole") / "run"
    train(tiny_config(tone_manifest, output))
    return output


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(
    tone_manifest: Path, tmp_path: Path
) -> None:
    kills, updates = 20, 60
    # Logged, validated and saved out of step, so that it is killed between any two of them.
    schedule = {"updates": updates, "log_every": 3, "validate_every": 5, "save_every": 2}
    doctor = {"restarts": 1}  # which keeps more checkpoints
    config = tmp_path / "config.toml"
    save_config(
        tiny_config(tone_manifest, tmp_path / "x", schedule=schedule, doctor=doctor), config
    )
    runs = [str(tmp_path / name) for name in ("whole", "killed")]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(config), *runs, str(kills), "0"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= kills // 2
    for name in ("checkpoints/best.safetensors", "bundle/model.safetensors"):
        one, other = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    left, right = (
        {event["update"]: event["loss"] for event in _updates(tmp_path / run)}
        for run in ("whole", "killed")
    )
    assert left == right
    assert read_journal(tmp_path / "killed/journal.jsonl")[-1]["event"] == "finish"
    assert not list((tmp_path / "killed/checkpoints").glob(".*"))


def _updates(output: Path) -> list[Event]:
    return [event for event in read_journal(output / "journal.jsonl") if event["event"] == "update"]


@pytest.mark.parametrize("moment", ["partial", "gone", "best"])
def test_what_a_killed_save_leaves_behind_does_no_harm(
    moment: str, whole: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = tiny_config(tone_manifest, tmp_path / "killed")
    with pytest.raises(KilledError):
        train(config, listeners=[kill_at(9)])
    checkpoints = tmp_path / "killed/checkpoints"
    if moment == "best":
        (checkpoints / ".best.partial.safetensors").write_bytes(b"torn")
    else:
        half = checkpoints / (".update-000012.partial" if moment == "partial" else ".update-4.gone")
        half.mkdir()
        (half / "model.safetensors").write_bytes(b"torn")
    with (tmp_path / "killed/journal.jsonl").open("a") as stream:
        stream.write('{"event": "update", "upd')
    train(config, resume=True)
    assert_same_weights(whole, tmp_path / "killed")
    events = read_journal(tmp_path / "killed/journal.jsonl")
    assert events[-1]["event"] == "finish"
    assert [event["event"] for event in events].count("start") == 2


def test_a_journal_whose_last_line_was_cut_goes_on_in_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).write("update", update=1)
    with path.open("ab") as stream:
        stream.write('{"event": "skipped", "id": "é'.encode()[:-1])
    Journal(path).write("update", update=2)
    assert [event["update"] for event in read_journal(path)] == [1, 2]


def test_a_disk_that_fills_up_leaves_the_last_checkpoint_whole(
    whole: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = tiny_config(tone_manifest, tmp_path / "full")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event: Event) -> None:
        if event["event"] == "update" and event["update"] == 6:
            resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, hard))

    try:
        with pytest.raises(TrainingError, match="cannot be written to") as told:
            train(config, listeners=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "make room on that disk; `--resume`" in (told.value.hint or "")
    checkpoints = tmp_path / "full/checkpoints"
    assert {path.name for path in checkpoints.iterdir()} <= {"update-000004", "best.safetensors"}
    train(config, resume=True)
    assert_same_weights(whole, tmp_path / "full")


def test_a_journal_that_cannot_be_written_stops_the_run_with_a_remedy(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, calls = Path.open, iter(range(1000))

    def full(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "journal.jsonl" and next(calls) > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return opened(path, *arguments, **named)

    config = tiny_config(tone_manifest, tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(TrainingError, match=r"journal.jsonl: cannot be .* .No space") as told:
            train(config)
    assert "make room on that disk" in (told.value.hint or "")
    assert train(config, resume=True).updates == 12


def test_a_recording_that_breaks_in_the_middle_of_an_epoch_is_skipped(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 12, "dev": 2})

    def spoil(event: Event) -> None:
        if event["event"] == "update" and event["update"] == 2:
            (tmp_path / "train-3.wav").write_bytes(b"this is no recording any more")
            (tmp_path / "train-5.wav").unlink()

    config = tiny_config(manifest, tmp_path / "run", batches={"seconds": 4.0, "workers": 0})
    report = train(config, listeners=[spoil])
    assert report.updates == 12
    skipped = [
        event
        for event in read_journal(tmp_path / "run/journal.jsonl")
        if event["event"] == "skipped"
    ]
    assert {event["id"] for event in skipped} == {"train-3", "train-5"}
    assert report.left_out == {"unreadable": 2}


def test_an_update_that_is_not_finite_changes_nothing_and_the_run_goes_on(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1000))

    def sometimes_infinite(*arguments: Any, **named: Any) -> BatchLoss:
        loss = batch_loss(*arguments, **named)
        if next(calls) == 4:
            loss.nats.mul_(float("inf"))
        return loss

    monkeypatch.setattr("anylect.training.loop.batch_loss", sometimes_infinite)
    schedule = {"updates": 5, "save_every": 1, "keep_checkpoints": 9}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule))
    events = _updates(tmp_path / "run")
    assert [event["non_finite"] for event in events] == [0, 0, 0, 0, 1]
    before, after = (
        load_file(tmp_path / f"run/checkpoints/update-00000{update}/model.safetensors")
        for update in (4, 5)
    )
    learnt = [name for name in before if "running" not in name]
    assert all(torch.equal(before[name], after[name]) for name in learnt)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_a_recording_that_overflows_does_not_spoil_the_statistics(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running means of batch normalization are no weights: no optimizer guards them."""

    def overflow(*arguments: Any, **named: Any) -> BatchLoss:
        model, batch = arguments
        batch.rows.fill_(float("nan"))
        return batch_loss(model, batch, **named)

    monkeypatch.setattr("anylect.training.loop.batch_loss", overflow)
    schedule = {"updates": 2, "save_every": 1, "validate_every": 2}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule))
    assert [event["non_finite"] for event in _updates(tmp_path / "run")] == [1, 1]
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "run").values())


def test_a_worker_without_memory_stops_the_run_with_a_remedy(
    whole: Path, tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10_000))

    def exhausted(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 60:
            raise MemoryError
        return load_waveform(*arguments, **named)

    config = tiny_config(tone_manifest, tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr("anylect.training.feed.load_waveform", exhausted)
        with pytest.raises(TrainingError, match="a batch does not fit into memory") as told:
            train(config)
    assert "fewer `batches.seconds`" in (told.value.hint or "")
    assert (tmp_path / "run/checkpoints").is_dir()
    train(config, resume=True)
    assert_same_weights(whole, tmp_path / "run")


def test_a_configuration_is_whole_or_not_there(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run killed while it writes its settings begins anew, instead of reading half of them."""

    def torn(_: object, path: Path) -> None:
        path.write_text("manifest = ")
        os.kill(os.getpid(), signal.SIGINT)

    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 1})
    with monkeypatch.context() as patched:
        patched.setattr("anylect.workflows.train.save_config", torn)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert train(config, resume=True).updates == 1
    state = tmp_path / "run/checkpoints/update-000001/state.json"
    assert json.loads(state.read_text())["standing"]["update"] == 1
