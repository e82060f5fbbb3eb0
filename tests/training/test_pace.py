"""When a run logs, validates, saves and ends."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import tiny_config
from tests.training.test_loop import KilledError, kill_at, weights

from anylect.config import build_config
from anylect.errors import ConfigError
from anylect.training.journal import Event, read_journal
from anylect.training.options import OptimizerOptions, ScheduleOptions
from anylect.training.pace import Pace
from anylect.training.state import Standing
from anylect.workflows.train import TrainConfig, train

EPOCHS = {"updates": None, "epochs": 3.0, "validate_each_epoch": True, "log_every": 2}
SGD = {"kind": "sgd", "learning_rate": 0.05, "warmup_updates": 0, "schedule": "annealed"}


def epochs_config(manifest: Path, output: Path, **schedule: Any) -> TrainConfig:
    return tiny_config(manifest, output, schedule=EPOCHS | schedule, optimizer=SGD)


def events(output: Path, kind: str) -> list[Event]:
    return [event for event in read_journal(output / "journal.jsonl") if event["event"] == kind]


@pytest.mark.parametrize(
    ("options", "standing", "is_over"),
    [
        ({}, {"update": 99}, False),
        ({}, {"update": 100, "epoch": 1}, True),
        ({"validate_each_epoch": True, "epochs": 2}, {"update": 100, "epoch": 1}, False),
        ({"validate_each_epoch": True, "epochs": 2}, {"update": 80, "epoch": 2}, True),
        ({"validate_each_epoch": True, "updates": 100}, {"update": 100, "epoch": 1}, True),
        ({"target_wer": 0.2}, {"update": 3, "best_wer": 0.21}, False),
        ({"target_wer": 0.2}, {"update": 3, "best_wer": 0.2}, True),
        ({"target_wer": 0.2}, {"update": 3}, False),
    ],
)
def test_a_run_ends_by_updates_by_epochs_or_at_its_target(
    options: dict[str, Any], standing: dict[str, Any], *, is_over: bool
) -> None:
    pace = Pace(ScheduleOptions(**options), updates=100)
    assert pace.is_over(Standing(**standing)) is is_over


def test_whole_epochs_are_taken_and_each_is_validated_and_saved(
    tone_manifest: Path, tmp_path: Path
) -> None:
    config = epochs_config(tone_manifest, tmp_path / "run", save_every=1000)
    report = train(config)
    ends = [event["update"] for event in events(config.output, "epoch_end")]
    assert len(ends) == 3
    assert [event["epoch"] for event in events(config.output, "epoch")] == [0, 1, 2]
    assert [event["update"] for event in events(config.output, "validation")] == ends
    assert [event["update"] for event in events(config.output, "checkpoint")] == ends
    assert report.updates == ends[-1]
    # Every utterance was counted in a line of figures, those at the end of an epoch, too.
    lines = events(config.output, "update")
    assert sum(event["utterances"] for event in lines) == 3 * 24


def test_the_rate_is_divided_after_every_epoch_and_after_resuming(
    tone_manifest: Path, tmp_path: Path
) -> None:
    whole = epochs_config(tone_manifest, tmp_path / "whole", log_every=1, save_every=4)
    train(whole)
    killed = epochs_config(tone_manifest, tmp_path / "killed", log_every=1, save_every=4)
    with pytest.raises(KilledError):
        train(killed, listeners=[kill_at(6)])
    train(killed, resume=True)
    ends = [event["update"] for event in events(whole.output, "epoch_end")]
    rates = {event["update"]: event["learning_rate"] for event in events(whole.output, "update")}
    for update, rate in rates.items():
        # A line tells the rate of the update that comes next.
        epoch = sum(update > end for end in ends)
        assert rate == pytest.approx(0.05 / 1.1**epoch)
    again = {event["update"]: event["learning_rate"] for event in events(killed.output, "update")}
    assert again == rates
    left, right = weights(whole.output), weights(killed.output)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("moment", ["epoch_end", "validation"])
def test_a_run_killed_at_the_end_of_an_epoch_validates_it_once_resumed(
    moment: str, tone_manifest: Path, tmp_path: Path
) -> None:
    def kill(event: Event) -> None:
        if event["event"] == moment and event["update"] > 4:
            raise KilledError

    whole, killed = (
        epochs_config(tone_manifest, tmp_path / name, save_every=2) for name in ("whole", "killed")
    )
    train(whole)
    with pytest.raises(KilledError):
        train(killed, listeners=[kill])
    train(killed, resume=True)
    scores, again = (
        {event["update"]: event["wer"] for event in events(config.output, "validation")}
        for config in (whole, killed)
    )
    assert again == scores
    left, right = weights(whole.output), weights(killed.output)
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_stops_at_its_target_and_stays_stopped(tone_manifest: Path, tmp_path: Path) -> None:
    config = epochs_config(tone_manifest, tmp_path / "run", target_wer=5.0)
    first = train(config)
    (validation,) = events(config.output, "validation")
    assert first.updates == validation["update"]
    assert validation["wer"] <= 5.0
    again = train(config, resume=True)
    assert again.updates == first.updates
    assert len(events(config.output, "validation")) == 1


def test_a_target_counts_between_epochs_too(tone_manifest: Path, tmp_path: Path) -> None:
    schedule = {"updates": 12, "validate_every": 3, "save_every": 100, "target_wer": 5.0}
    report = train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule))
    assert report.updates == 3
    # What a resumed run begins from is there as well.
    (checkpoint,) = events(tmp_path / "run", "checkpoint")
    assert checkpoint["update"] == 3
    state = json.loads(
        (tmp_path / "run/checkpoints" / checkpoint["path"] / "state.json").read_text()
    )
    assert state["standing"]["best_update"] == 3


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        ("optimizer", {"annealing": 0.0}, "`annealing` is 0.0"),
        ("optimizer", {"momentum": 1.0}, "`momentum` is 1.0"),
        ("optimizer", {"kind": "sgd", "momentum": 0.0}, "`nesterov` is true and `momentum` 0"),
        ("optimizer", {"kind": "sdg"}, "`optimizer.kind` is 'sdg'"),
        ("schedule", {"target_wer": -0.1}, "`target_wer` is -0.1"),
        ("batches", {"order": "random"}, "`batches.order` is 'random'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    table: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(TrainConfig, {"manifest": "m", "output": "o", table: settings})
    assert caught.value.message.endswith(message)
    assert caught.value.hint


def test_sgd_without_momentum_is_allowed_if_it_does_not_look_ahead() -> None:
    options = OptimizerOptions(kind="sgd", momentum=0.0, nesterov=False)
    assert options.momentum == 0.0
