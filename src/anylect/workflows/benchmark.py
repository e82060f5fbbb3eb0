"""Train from nothing to a target error rate, and time it: MLPerf's "run and time".

The corpus is fetched and prepared first. The clock starts before training touches the manifest,
and stops with the validation that reaches the target: reading the manifest, building the model,
every epoch, every validation and every checkpoint are in it; fetching, unpacking, preparing and
writing the bundle are not. MLPerf's rules let the clock run from the first touch of the data set
on, and do not let it be paused ("Run Results" in mlcommons/training_policies, training_rules.adoc).
So it runs on while a killed run is down; how much of it that was is told besides.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anylect.data.manifest import manifest_checksum
from anylect.errors import ConfigError
from anylect.hub.evidence import versions
from anylect.training.energy import EnergyMeter
from anylect.training.journal import Listener, read_journal
from anylect.training.state import write_whole
from anylect.workflows.benchmark_clock import Clock
from anylect.workflows.benchmark_corpus import Bar, prepare_corpus
from anylect.workflows.benchmark_log import (
    SUCCESS,
    BenchmarkLog,
    Entry,
    find,
    measure_energy,
    measure_throughput,
    measure_times,
    now_ms,
)
from anylect.workflows.folders import make_folder
from anylect.workflows.train import TrainConfig, TrainReport, train

LOG = "benchmark.jsonl"
RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """How it ended; `result` is what `result.json` holds."""

    result: dict[str, Any]
    path: Path
    bundle: Path
    rank: int = 0
    """Of this process, where several trained together: only 0 wrote anything."""

    @property
    def has_reached_target(self) -> bool:
        """Whether the error rate came down to the target."""
        return bool(self.result["status"] == SUCCESS)

    def lines(self) -> list[str]:
        """Say it in words."""
        result, clock = self.result, self.result["clock"]
        verdict = "reached" if self.has_reached_target else "NOT reached"
        down = (
            f" ({clock['running_seconds']:.1f} s running, {clock['downtime_seconds']:.1f} s down, "
            f"{clock['restarts']} restarts)"
            if clock["restarts"]
            else ""
        )
        speed, energy = result["throughput"], result["energy"]
        return [
            f"target WER {result['target_wer']:.1%} {verdict}: {result['wer']:.1%} after "
            f"{result['epochs']} epochs, {result['updates']:,} updates",
            f"time {clock['wall_seconds']:.1f} s{down}",
            *([f"heard {speed['audio_seconds_per_second']:.1f} s/s"] if speed else []),
            f"energy {energy['joules']:,.0f} J"
            if energy["joules"] is not None
            else f"energy unknown: {energy['reason']}",
            f"result: {self.path}",
            f"bundle: {self.bundle}",
        ]


def benchmark(
    config: TrainConfig,
    *,
    name: str,
    bar: Bar,
    listeners: Sequence[Listener] = (),
    resume: bool = False,
) -> BenchmarkReport:
    """Prepare the corpus, train to the target, and write log and result into the run folder.

    Args:
        config: A recipe, with a `schedule.target_wer`.
        name: Of the recipe, to tell results apart.
        bar: Shows how far the preparation is.
        listeners: Told of every event of the training.
        resume: Continue the run that stands in `config.output`; its clock has not stopped.

    Raises:
        ConfigError: For a recipe without a target, a folder that has a run, or a model that is
            not what the recipe says.
        HubError: When the corpus cannot be fetched.
        ManifestError: When it cannot be read.
        TrainingError: When nothing can be learnt, or a checkpoint is broken.
    """
    if config.schedule.target_wer is None:
        raise ConfigError(
            "`schedule.target_wer` is not set",
            hint="a benchmark runs to a target, e.g. `target_wer = 0.23`",
        )
    is_main = int(os.environ.get("RANK", "0")) == 0  # as launchers count
    log = _open_log(config, resume=resume) if is_main else BenchmarkLog(None)
    prepare_benchmark(config, bar=bar, log=log)
    if find(log.read(), "run_stop"):  # there may only be a bundle to write
        trained = train(config, listeners=listeners, resume=True)
    else:
        trained = _run(config, log, name=name, listeners=listeners)
    path = config.output / RESULT
    result = _judge(config, log.read()) if is_main else {}
    if is_main:
        write_whole(path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return BenchmarkReport(result=result, path=path, bundle=trained.bundle, rank=trained.rank)


def prepare_benchmark(config: TrainConfig, *, bar: Bar, log: BenchmarkLog | None = None) -> None:
    """Fetch and prepare the corpus of a recipe, unless its manifest is there.

    Raises:
        ConfigError: When several processes would do so at once.
        HubError: When it cannot be fetched.
        ManifestError: When it cannot be read.
    """
    if config.manifest.exists():
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"{config.manifest}: no such file, and several processes were started",
            hint="`anylect benchmark … --prepare` makes it; start them afterwards",
        )
    if log is not None:
        log.write("init_start")
    prepare_corpus(config, bar)
    if log is not None:
        log.write("init_stop")


def _open_log(config: TrainConfig, *, resume: bool) -> BenchmarkLog:
    """Open the log of a run that goes on, or of one that begins."""
    make_folder(config.output)
    path = config.output / LOG
    has_begun = (config.output / "config.toml").exists()
    if has_begun and not resume:
        raise ConfigError(
            f"{config.output}: there is a run in this folder",
            hint="`--resume` continues it, with its clock; another `--output` begins a new one",
        )
    if has_begun and not path.exists():
        raise ConfigError(
            f"{config.output}: the run in this folder was never timed",
            hint="`anylect train --resume` continues it; another `--output` begins a benchmark",
        )
    if not has_begun:
        path.unlink(missing_ok=True)  # of one that failed before it learnt anything
    return BenchmarkLog(path)


def _run(
    config: TrainConfig, log: BenchmarkLog, *, name: str, listeners: Sequence[Listener]
) -> TrainReport:
    """Train with the clock running."""
    target = config.schedule.target_wer
    assert target is not None  # narrows for the type checker
    meter = EnergyMeter()
    meter.start()
    entries = log.read()
    if find(entries, "run_start"):
        log.write("run_resume", 1 + len(find(entries, "run_resume")), **_downtime(config, entries))
    else:
        log.write("run_start", name, target_wer=target, seed=config.seed)
    clock = Clock(log, meter, target_wer=target, expected=config.benchmark)
    try:
        return train(config, listeners=[clock, *listeners], resume=True)
    except BaseException as error:
        log.write("interrupted", f"{type(error).__name__}: {error}")
        raise
    finally:
        meter.stop()


def _downtime(config: TrainConfig, entries: Sequence[Entry]) -> dict[str, int]:
    """Find the last sign of the sitting before, and how long ago it was."""
    journal = config.output / "journal.jsonl"
    events = read_journal(journal) if journal.exists() else []
    signs = [entry["time_ms"] for entry in entries]
    signs += [round(event["time"] * 1000) for event in events if "time" in event]
    return {"last_sign_ms": max(signs), "downtime_ms": now_ms() - max(signs)}


def _judge(config: TrainConfig, entries: Sequence[Entry]) -> dict[str, Any]:
    """Put the result together from the log."""
    from anylect.training.estimates import name_device

    (start, *_), (stop, *_) = find(entries, "run_start"), find(entries, "run_stop")
    evaluations, times = find(entries, "eval_wer"), measure_times(entries)
    best = min(evaluations, key=lambda entry: float(entry["value"]))
    reached = stop["value"] == SUCCESS
    return {
        "benchmark": start["value"],
        "status": stop["value"],
        "target_wer": config.schedule.target_wer,
        "wer": best["value"],
        "evaluated_utterances": best["metadata"]["utterances"],
        "epochs": len({entry["value"] for entry in find(entries, "epoch_start")}),
        "updates": evaluations[-1]["metadata"]["update"],
        "time_to_target_seconds": round(times.wall, 3) if reached else None,
        "clock": {
            "start": _date(start),
            "stop": _date(stop),
            "wall_seconds": round(times.wall, 3),
            "running_seconds": round(times.running, 3),
            "downtime_seconds": round(times.downtime, 3),
            "restarts": times.restarts,
            "includes": "manifest, model, every epoch, evaluation and checkpoint, downtime",
            "excludes": "fetching, unpacking and preparing the corpus; writing the bundle",
        },
        "throughput": measure_throughput(entries),
        "energy": measure_energy(entries),
        "model": {key: find(entries, key)[-1]["value"] for key in ("weights", "labels")},
        "train_utterances": find(entries, "train_utterances")[-1]["value"],
        "manifest_sha256": manifest_checksum(config.manifest),
        "seed": config.seed,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "device": name_device(config.device),
            "processes": find(entries, "processes")[-1]["value"],
        },
        "versions": versions(),
    }


def _date(entry: Entry) -> str:
    return datetime.fromtimestamp(entry["time_ms"] / 1000, UTC).isoformat(timespec="milliseconds")
