"""Run to a target and timed: the log, the clock over kills and restarts, and exit codes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run, tiny_config
from tests.training.test_loop import KilledError, kill_at

from anylect.config import load_config, save_config
from anylect.errors import ConfigError, TrainingError
from anylect.progress import Progress, silent
from anylect.workflows.benchmark import BenchmarkReport, benchmark, prepare_benchmark
from anylect.workflows.benchmark_log import (
    BenchmarkLog,
    find,
    measure_energy,
    measure_throughput,
)
from anylect.workflows.train import TrainConfig

EASY, IMPOSSIBLE = 5.0, 0.0


def bar(title: str) -> Progress:
    assert title
    return silent


def config_of(manifest: Path, output: Path, *, target: float = EASY, **changes: Any) -> TrainConfig:
    schedule = {
        "updates": None,
        "epochs": 2.0,
        "validate_each_epoch": True,
        "target_wer": target,
        "log_every": 1,
        "save_every": 2,
    }
    settings = {"schedule": schedule, "optimizer": {"kind": "sgd"}, "tensorboard": False}
    return tiny_config(manifest, output, **(settings | changes))


def run_benchmark(config: TrainConfig, **given: Any) -> BenchmarkReport:
    return benchmark(config, name="tones", bar=bar, **given)


def log_of(output: Path) -> list[dict[str, Any]]:
    return BenchmarkLog(output / "benchmark.jsonl").read()


def test_a_run_to_its_target_leaves_a_log_and_a_result(tone_manifest: Path, tmp_path: Path) -> None:
    config = config_of(tone_manifest, tmp_path / "run")
    report = run_benchmark(config)
    entries = log_of(config.output)
    keys = [entry["key"] for entry in entries]
    assert keys[0] == "run_start"
    assert keys[-1] == "run_stop"
    order = ["run_start", "epoch_start", "epoch_stop", "eval_start", "eval_stop", "eval_wer"]
    assert [key for key in keys if key in {*order, "run_stop"}] == [*order, "run_stop"]
    times = [entry["time_ms"] for entry in entries]
    assert times == sorted(times)
    assert all(set(entry) == {"time_ms", "key", "value", "metadata"} for entry in entries)

    result = json.loads((config.output / "result.json").read_text(encoding="utf-8"))
    assert result == report.result
    assert report.has_reached_target
    assert result["status"] == "success"
    assert result["wer"] == find(entries, "eval_wer")[0]["value"] <= result["target_wer"]
    assert result["epochs"] == 1
    assert result["evaluated_utterances"] == 6
    assert result["train_utterances"] == 24
    assert result["time_to_target_seconds"] == (times[-1] - times[0]) / 1000
    assert result["clock"]["wall_seconds"] == result["clock"]["running_seconds"]
    assert result["clock"]["restarts"] == 0
    (heard,) = find(entries, "throughput")
    assert heard["metadata"]["utterances"] == 24
    assert 0 < heard["metadata"]["training_seconds"] < result["time_to_target_seconds"]
    assert (report.bundle / "model.safetensors").is_file()
    assert report.lines()[0].startswith("target WER 500.0% reached: ")


def test_a_target_that_is_not_reached_is_told_by_the_exit_code(
    tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    for target, code, status in ((EASY, 0, "success"), (IMPOSSIBLE, 1, "aborted")):
        output = tmp_path / status
        recipe = tmp_path / f"{status}.toml"
        save_config(config_of(tone_manifest, output, target=target), recipe)
        done = run("benchmark", recipe)
        assert done.code == code, done.err
        assert f"result: {output / 'result.json'}" in done.out
        result = json.loads((output / "result.json").read_text(encoding="utf-8"))
        assert result["status"] == status
        assert result["benchmark"] == status
        assert (result["time_to_target_seconds"] is None) is bool(code)
        assert log_of(output)[-1]["value"] == status


def test_the_clock_runs_on_while_a_run_is_down(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tone_manifest, tmp_path / "run", target=IMPOSSIBLE)
    with pytest.raises(KilledError):
        run_benchmark(config, listeners=[kill_at(5)])
    before = log_of(config.output)
    assert before[-1]["key"] == "interrupted"
    assert not (config.output / "result.json").exists()
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 100.0)
    report = run_benchmark(config, resume=True)
    clock = report.result["clock"]
    assert clock["restarts"] == 1
    assert clock["downtime_seconds"] == pytest.approx(100.0, abs=2.0)
    assert clock["wall_seconds"] > 100.0
    assert clock["running_seconds"] == pytest.approx(
        clock["wall_seconds"] - clock["downtime_seconds"], abs=0.002
    )
    assert 0 < clock["running_seconds"] < 30.0
    entries = log_of(config.output)
    assert entries[: len(before)] == before
    (resumed,) = find(entries, "run_resume")
    assert resumed["value"] == 1
    assert resumed["metadata"]["last_sign_ms"] == before[-1]["time_ms"]
    # Three updates an epoch: the fifth counts what was heard before the kill, too, and is left out.
    first, second = (found["metadata"]["utterances"] for found in find(entries, "throughput"))
    assert first == 24
    assert 0 < second < 12
    assert f"({clock['running_seconds']:.1f} s running, " in report.lines()[1]


def test_a_run_that_is_over_is_not_timed_again(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tone_manifest, tmp_path / "run")
    first = run_benchmark(config)
    with pytest.raises(ConfigError, match="there is a run in this folder") as caught:
        run_benchmark(config)
    assert "with its clock" in (caught.value.hint or "")
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 100.0)
    again = run_benchmark(config, resume=True)
    assert again.result == first.result


def test_what_failed_before_it_learnt_anything_leaves_no_clock(
    tone_manifest: Path, tmp_path: Path
) -> None:
    config = config_of(tone_manifest, tmp_path / "run", data={"min_duration": 99.0})
    with pytest.raises(TrainingError, match="can be learnt"):
        run_benchmark(config)
    assert [entry["key"] for entry in log_of(config.output)] == ["run_start", "interrupted"]
    run_benchmark(config_of(tone_manifest, tmp_path / "run"))
    assert [entry["key"] for entry in log_of(config.output)].count("run_start") == 1


def test_a_run_that_was_never_timed_is_not_taken_for_a_benchmark(
    tone_manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.toml").write_text("")
    with pytest.raises(ConfigError, match="was never timed"):
        run_benchmark(config_of(tone_manifest, tmp_path / "run"), resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"benchmark": {"weights": 7}},
            "the model has 19,352 weights, and `benchmark.weights` is 7",
        ),
        ({"benchmark": {"labels": 29}}, "the model has 8 labels, and `benchmark.labels` is 29"),
        ({"schedule": {"target_wer": None}}, "`schedule.target_wer` is not set"),
    ],
)
def test_another_benchmark_than_the_recipes_is_refused(
    changes: dict[str, Any], message: str, tone_manifest: Path, tmp_path: Path
) -> None:
    config = config_of(tone_manifest, tmp_path / "run", **changes)
    with pytest.raises(ConfigError) as caught:
        run_benchmark(config)
    assert caught.value.message == message
    assert caught.value.hint


def test_labels_are_those_of_the_transcripts_alone_if_asked(
    tone_manifest: Path, tmp_path: Path
) -> None:
    config = config_of(
        tone_manifest,
        tmp_path / "run",
        data={"unknown_token": False},
        benchmark={"labels": 7},  # blank, boundary, five letters
    )
    assert run_benchmark(config).result["model"]["labels"] == 7


def test_a_missing_manifest_says_what_it_could_be_made_of(tmp_path: Path) -> None:
    config = config_of(tmp_path / "none.jsonl", tmp_path / "run")
    with pytest.raises(ConfigError, match=r"none\.jsonl: no such file") as caught:
        run_benchmark(config)
    assert "`benchmark.corpus`" in (caught.value.hint or "")


def test_a_corpus_is_prepared_before_the_clock_starts(tone_manifest: Path, tmp_path: Path) -> None:
    splits = {"keep": True}
    config = config_of(
        tmp_path / "prepared" / "manifest.jsonl",
        tmp_path / "run",
        benchmark={"corpus": "folder", "source": tone_manifest, "splits": splits},
    )
    run_benchmark(config)
    keys = [entry["key"] for entry in log_of(config.output)]
    assert keys[:3] == ["init_start", "init_stop", "run_start"]
    prepare_benchmark(config, bar=bar)  # nothing left to do


def test_several_processes_do_not_prepare_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = config_of(tmp_path / "manifest.jsonl", tmp_path / "run")
    with pytest.raises(ConfigError, match="several processes were started") as caught:
        prepare_benchmark(config, bar=bar)
    assert "--prepare" in (caught.value.hint or "")


def entry(key: str, value: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"time_ms": 0, "key": key, "value": value, "metadata": metadata}


def test_throughput_is_pooled_over_evaluations() -> None:
    entries = [
        entry("throughput", training_seconds=2.0, audio_seconds=100.0, utterances=10),
        entry("throughput", training_seconds=8.0, audio_seconds=100.0, utterances=20),
    ]
    assert measure_throughput(entries) == {
        "audio_seconds_per_second": 20.0,
        "utterances_per_second": 3.0,
    }
    assert measure_throughput([]) is None


def test_energy_is_that_of_all_sittings_as_far_as_they_told() -> None:
    entries = [
        entry("energy", 5.0, joules={"package-0": 5.0}),
        entry("energy", 9.0, joules={"package-0": 9.0}),
        entry("run_resume", 1),
        entry("run_resume", 2),
        entry("energy", 3.0, joules={"package-0": 2.0, "card 0": 1.0}),
    ]
    energy = measure_energy(entries)
    assert energy["joules"] == 12.0
    assert energy["sources"] == {"package-0": 11.0, "card 0": 1.0}
    assert energy["is_complete"] is False
    assert measure_energy(entries[:2])["is_complete"] is True
    silent_machine = [entry("energy", None, reason="no counters"), entry("run_resume", 1)]
    assert measure_energy(silent_machine) == {"joules": None, "reason": "no counters"}


@pytest.mark.slow
def test_a_benchmark_killed_outright_is_resumed_and_states_its_downtime(
    tone_manifest: Path, tmp_path: Path
) -> None:
    recipe, output = tmp_path / "tones.toml", tmp_path / "run"
    schedule = {"updates": None, "epochs": 12.0, "validate_each_epoch": True, "target_wer": 0.0}
    save_config(config_of(tone_manifest, output, schedule=schedule), recipe)
    command = [sys.executable, "-m", "anylect", "benchmark", str(recipe)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(find(log_of(output), "epoch_stop")) < 3:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with (output / "benchmark.jsonl").open("a") as stream:
        stream.write('{"time_ms": 17, "key": "epo')  # a line that was cut
    time.sleep(3.0)
    done = subprocess.run(
        [sys.executable, "-m", "anylect", "benchmark", "--resume", "-o", str(output)],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr  # nobody spells without a mistake so soon
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    assert result["benchmark"] == "tones"
    assert result["epochs"] == 12
    clock = result["clock"]
    assert clock["restarts"] == 1
    assert 3.0 <= clock["downtime_seconds"] < clock["wall_seconds"]
    entries = log_of(output)
    assert (
        find(entries, "run_stop")[0]["time_ms"] - entries[0]["time_ms"]
    ) / 1000 == pytest.approx(clock["wall_seconds"])
    assert [entry["value"] for entry in find(entries, "eval_start")][-1] == result["updates"]
    assert "1 restarts" in done.stdout
    assert load_config(TrainConfig, output / "config.toml").schedule.epochs == 12.0


@pytest.mark.slow
def test_several_processes_keep_one_log(tone_manifest: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tones.toml"
    save_config(config_of(tone_manifest, tmp_path / "run"), recipe)
    port = str(random.SystemRandom().randrange(20_000, 32_000))
    launcher = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "anylect", "benchmark", recipe, "--device", "cpu"],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("target WER") == 1
    entries = log_of(tmp_path / "run")
    assert [entry["key"] for entry in entries].count("run_stop") == 1
    assert find(entries, "processes")[0]["value"] == 2
    assert find(entries, "throughput")[0]["metadata"]["utterances"] == 24
