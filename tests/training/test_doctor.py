"""Each verdict on a run that was broken on purpose, and none on a healthy one."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.conftest import tiny_config, write_tone_corpus
from tests.training.test_loop import KilledError, kill_at
from tests.training.test_parts import encoder  # noqa: F401  a fixture

from anylect.errors import ConfigError, TrainingError
from anylect.records import Utterance
from anylect.training.baseline import deaf_loss
from anylect.training.doctor import ALARMS, VERDICTS, Doctor, Patient
from anylect.training.journal import Event, read_journal
from anylect.training.lessons import Lesson
from anylect.training.options import DoctorOptions
from anylect.workflows.train import train

# What can be reached without listening.


def lesson(labels: list[int], frames: int) -> Lesson:
    utterance = Utterance(audio=Path("a.wav"), text="", id="a", duration=float(frames))
    return Lesson(utterance=utterance, labels=tuple(labels))


def collapse(path: tuple[int, ...]) -> list[int]:
    merged = [token for token, _ in itertools.groupby(path)]
    return [token for token in merged if token]


def log_likelihood(labels: list[int], frames: int, probabilities: list[float]) -> float:
    return math.log(
        sum(
            math.prod(probabilities[token] for token in path)
            for path in itertools.product(range(len(probabilities)), repeat=frames)
            if collapse(path) == labels
        )
    )


def test_the_loss_without_listening_is_the_least_of_all_constant_distributions() -> None:
    told = [([1, 2], 4), ([1], 3), ([2, 2], 5)]
    lessons = [lesson(labels, frames) for labels, frames in told]
    found = deaf_loss(lessons, int, blank=0)
    grid = [
        (blank / 60, first / 60, 1 - (blank + first) / 60)
        for blank in range(1, 59)
        for first in range(1, 60 - blank)
    ]
    losses = [
        -sum(log_likelihood(labels, frames, list(each)) for labels, frames in told) / 5
        for each in grid[::3]
    ]
    assert found <= min(losses) + 1e-6
    assert found == pytest.approx(min(losses), abs=0.02)


@given(st.permutations(range(4)), st.integers(6, 30))
def test_it_does_not_depend_on_the_numbers_of_the_tokens(order: list[int], frames: int) -> None:
    told = [[1, 2, 1], [3, 3], [2]]
    plain = deaf_loss([lesson(labels, frames) for labels in told], int, blank=0)
    moved = [lesson([order[label] for label in labels], frames) for labels in told]
    assert deaf_loss(moved, int, blank=order[0]) == pytest.approx(plain, rel=1e-5)


def test_where_frames_are_many_it_is_about_the_entropy_of_the_tokens() -> None:
    labels = np.random.default_rng(0).choice([1, 2, 3, 4], 60, p=[0.4, 0.3, 0.2, 0.1]).tolist()
    shares = np.bincount(labels)[1:] / len(labels)
    entropy = -float((shares * np.log(shares)).sum())
    assert deaf_loss([lesson(labels, 3000)], int, blank=0) == pytest.approx(entropy, abs=0.15)


# What is said of which figures.


def hear(
    losses: list[float],
    *,
    blank_rate: float = 0.5,
    every: int = 10,
    patient: Patient | None = None,
    **changes: float,
) -> Doctor:
    """Let a doctor hear a curve; a model that does not listen has a loss of 3."""
    known = Patient(measure=lambda: 3.0, taught=100, empty=0, too_long=0)
    doctor = Doctor(patient or known)
    doctor.begin(updates=100_000, warmup=500)
    for number, loss in enumerate(losses, start=1):
        figures = {"loss": loss, "blank_rate": blank_rate, "gradient_norm": 1.0, "updates": every}
        figures |= {"non_finite": 0, "infeasible": 0, "utterances": 8 * every}
        doctor.examine(number * every, figures | changes)
    return doctor


def falling(start: float, end: float, lines: int) -> list[float]:
    return [float(loss) for loss in np.geomspace(start, end, lines)]


PLATEAU = [*falling(12.0, 3.0, 30), *[3.0, 2.95, 3.02] * 20]
LEARNT = [*PLATEAU, *falling(2.9, 0.3, 100)]


@pytest.mark.parametrize(
    ("verdict", "heard"),
    [
        ("too early", lambda: hear([9.0] * 4)),
        ("settling", lambda: hear(falling(12.0, 4.0, 20))),
        ("normal plateau", lambda: hear(PLATEAU, blank_rate=0.99)),
        ("stuck", lambda: hear(PLATEAU + [3.0] * 400, blank_rate=0.99)),
        ("learning", lambda: hear(LEARNT)),
        ("learning", lambda: hear([*PLATEAU, *falling(2.9, 2.4, 20)])),
        ("learning", lambda: hear([*LEARNT, 2.8, 0.3, 0.31, 2.9, 0.3])),  # two hard batches
        ("learning rate too high", lambda: hear([*LEARNT, *[2.9] * 5], blank_rate=1.0)),
        ("learning rate too high", lambda: hear([*PLATEAU, *[8.0] * 5])),
        ("learning rate too high", lambda: hear([9.0, *[30.0] * 9])),
        ("learning rate too high", lambda: hear(LEARNT, non_finite=3)),
        ("learning rate too high", lambda: hear([math.nan] * 5, non_finite=10)),
        (
            "labels empty",
            lambda: hear([], patient=Patient(measure=lambda: 3.0, taught=70, empty=30, too_long=0)),
        ),
        (
            "labels longer than audio",
            lambda: hear(
                LEARNT, patient=Patient(measure=lambda: 3.0, taught=7, empty=0, too_long=3)
            ),
        ),
        ("labels longer than audio", lambda: hear(LEARNT, infeasible=20)),
    ],
)
def test_curves_get_their_verdict(verdict: str, heard: Callable[[], Doctor]) -> None:
    doctor = heard()
    if not doctor.memory.lines:
        doctor.examine(1, dict.fromkeys(LINE, 1.0) | {"non_finite": 0, "infeasible": 0})
    assert doctor.verdict == verdict


LINE = ("loss", "blank_rate", "gradient_norm", "updates", "utterances")


def test_the_loss_without_listening_is_computed_once_and_not_before_it_matters() -> None:
    asked: list[float] = []

    def measure() -> float:
        asked.append(3.0)
        return 3.0

    patient = Patient(measure=measure, taught=100, empty=0, too_long=0)
    hear([9.0] * 4, patient=patient)
    assert not asked
    assert hear(LEARNT, patient=patient).verdict == "learning"
    assert len(asked) == 1


def test_a_dev_set_that_is_read_worse_and_worse_means_overfitting() -> None:
    doctor = hear(falling(3.0, 0.5, 40))
    for number, wer in enumerate([0.30, 0.29, 0.33, 0.34, 0.36]):
        figures = dict.fromkeys(LINE, 8.0) | {"non_finite": 0, "infeasible": 0}
        for step in range(5):
            doctor.examine(400 + 5 * number + step, figures | {"loss": 0.4 - 0.07 * number})
        doctor.note_validation(405 + 5 * number, wer)
        assert (doctor.verdict == "overfitting") is False
    doctor.examine(500, figures | {"loss": 0.1})
    assert doctor.verdict == "overfitting"
    # A new best takes it back.
    doctor.note_validation(510, 0.2)
    doctor.examine(511, figures | {"loss": 0.1})
    assert doctor.verdict == "learning"


@given(st.lists(st.floats(0.8, 1.25), min_size=200, max_size=200))
def test_noise_on_a_healthy_curve_raises_no_alarm(noise: list[float]) -> None:
    doctor = hear([])
    for number, (loss, factor) in enumerate(zip(LEARNT, noise, strict=False), start=1):
        figures = dict.fromkeys(LINE, 1.0) | {"non_finite": 0, "infeasible": 0}
        doctor.examine(number * 10, figures | {"loss": loss * factor})
        assert not doctor.is_alarmed, number


@given(st.lists(st.floats(0.01, 40.0), min_size=1, max_size=60), st.integers(1, 59))
def test_a_doctor_who_remembers_says_what_one_who_was_there_says(
    losses: list[float], cut: int
) -> None:
    there = hear(losses)
    early = hear(losses[:cut])
    again = Doctor(early.patient)
    again.begin(updates=100_000, warmup=500)
    again.restore(json.loads(json.dumps(early.state())))
    for number, loss in enumerate(losses[cut:], start=min(cut, len(losses)) + 1):
        figures = {"loss": loss, "blank_rate": 0.5, "gradient_norm": 1.0, "updates": 10}
        figures |= {"non_finite": 0, "infeasible": 0, "utterances": 80}
        again.examine(number * 10, figures)
    assert again.state() == there.state()


# Runs that were broken on purpose.


def verdicts(output: Path) -> list[str]:
    return [event["verdict"] for event in events(output, "doctor")]


def events(output: Path, kind: str) -> list[Event]:
    return [each for each in read_journal(output / "journal.jsonl") if each["event"] == kind]


def spoilt(folder: Path, spoil: Callable[[list[str]], list[str]]) -> Path:
    """Write a corpus whose transcripts to learn from are others than what is sung."""
    manifest = write_tone_corpus(folder, {"train": 24, "dev": 4})
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    taught = [line for line in lines if line["split"] == "train"]
    for line, text in zip(taught, spoil([line["text"] for line in taught]), strict=True):
        line["text"] = text
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return manifest


SHORT = {"updates": 8, "validate_every": 8, "save_every": 8}


@pytest.mark.parametrize(
    ("verdict", "spoil"),
    [
        ("labels empty", lambda texts: ["?!"] * 8 + texts[8:]),
        ("labels longer than audio", lambda texts: ["ae" * 300] * 8 + texts[8:]),
    ],
)
def test_transcripts_without_sense_are_the_verdict(
    verdict: str, spoil: Callable[[list[str]], list[str]], tmp_path: Path
) -> None:
    train(tiny_config(spoilt(tmp_path, spoil), tmp_path / "run", schedule=SHORT))
    assert verdicts(tmp_path / "run") == [verdict]
    page = (tmp_path / "run/doctor.md").read_text()
    assert f"**{verdict}**" in page
    assert VERDICTS[verdict][1] in page


def test_transcripts_of_other_recordings_get_stuck(tmp_path: Path) -> None:
    manifest = spoilt(tmp_path, lambda texts: texts[7:] + texts[:7])
    train(
        tiny_config(
            manifest,
            tmp_path / "run",
            schedule={"updates": 48, "validate_every": 48, "save_every": 48},
            optimizer={"learning_rate": 0.03},
            doctor={"plateau_updates": 20},
        )
    )
    assert "stuck" in verdicts(tmp_path / "run")


def test_a_learning_rate_too_high_is_told(tone_manifest: Path, tmp_path: Path) -> None:
    hot = {"learning_rate": 3.0}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=SHORT, optimizer=hot))
    assert verdicts(tmp_path / "run")[-1] == "learning rate too high"
    (told,) = [each for each in events(tmp_path / "run", "doctor") if each["is_alarm"]]
    assert told["loss"] > 1.5 * told["deaf_loss"]


def test_a_healthy_run_raises_no_alarm(tone_manifest: Path, tmp_path: Path) -> None:
    schedule = {"updates": 36, "validate_every": 36, "save_every": 36}
    warm = {"learning_rate": 0.02}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule, optimizer=warm))
    found = verdicts(tmp_path / "run")
    assert not set(found) & set(ALARMS)
    assert found[-1] == "learning"
    page = (tmp_path / "run/doctor.md").read_text()
    assert "**learning** (updates 17 to 36 of 36)" in page


@pytest.mark.slow
def test_the_plateau_of_blanks_is_normal(
    encoder: Path,  # noqa: F811  the fixture
    tone_manifest: Path,
    tmp_path: Path,
) -> None:
    """An encoder that starts from nothing writes blanks, with the loss of one that is deaf."""
    train(
        tiny_config(
            tone_manifest,
            tmp_path / "run",
            model={"checkpoint": str(encoder), "settings": {}, "features": {}},
            optimizer={"learning_rate": 3e-3},
            schedule={"updates": 40, "validate_every": 40, "save_every": 40},
            augmentation={"waveform": {}},
        )
    )
    assert verdicts(tmp_path / "run") == ["settling", "normal plateau"]
    told = events(tmp_path / "run", "doctor")[-1]
    assert told["blank_rate"] > 0.99
    last = events(tmp_path / "run", "update")[-1]
    assert last["loss"] == pytest.approx(told["deaf_loss"], rel=0.12)


# Going back.

HOT: dict[str, Any] = {
    "schedule": {"updates": 24, "validate_every": 8, "save_every": 4, "keep_checkpoints": 1},
    "optimizer": {"learning_rate": 3.0},
    "doctor": {"restarts": 2, "restart_factor": 0.02},
}


def weights(output: Path) -> dict[str, torch.Tensor]:
    newest = sorted((output / "checkpoints").glob("update-*"))[-1]
    return load_file(newest / "model.safetensors")


def test_a_run_that_collapsed_goes_back_and_learns_at_a_lower_rate(
    tone_manifest: Path, tmp_path: Path
) -> None:
    report = train(tiny_config(tone_manifest, tmp_path / "run", **HOT))
    assert report.updates == 24
    went = events(tmp_path / "run", "restart")
    assert 1 <= len(went) <= 2
    assert went[0]["reason"] == "learning rate too high"
    assert went[0]["update"] < went[0]["from_update"]
    assert went[0]["rate_scale"] == 0.02
    rates = [event["learning_rate"] for event in events(tmp_path / "run", "update")]
    assert max(rates) == 3.0
    assert rates[-1] <= 3.0 * went[-1]["rate_scale"]
    losses = [event["loss"] for event in events(tmp_path / "run", "update")]
    assert losses[-1] < 0.5 * losses[0]
    assert f"sent back with a lower rate | {len(went)} times" in (
        tmp_path / "run/doctor.md"
    ).read_text(encoding="utf-8")
    # Killed before and after going back, it comes to the same numbers.
    config = tiny_config(tone_manifest, tmp_path / "killed", **HOT)
    with pytest.raises(KilledError):
        train(config, listeners=[kill_at(went[0]["from_update"] - 1)])

    def kill_afterwards(event: Event) -> None:
        if event["event"] == "restart":
            raise KilledError

    with pytest.raises(KilledError):
        train(config, resume=True, listeners=[kill_afterwards])
    with pytest.raises(KilledError):
        train(config, resume=True, listeners=[kill_at(went[0]["from_update"] + 2)])
    train(config, resume=True)
    whole, killed = weights(tmp_path / "run"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_a_run_that_gives_up_says_why(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anylect.training.loop.Training._clip", lambda _: None)
    config = tiny_config(tone_manifest, tmp_path / "run", doctor={"patience": 5})
    with pytest.raises(TrainingError, match="gradients of the last 5 updates were not fin") as told:
        train(config)
    assert "lower `optimizer.learning_rate`" in (told.value.hint or "")
    assert all(torch.isfinite(weight).all() for weight in weights(tmp_path / "run").values())


@pytest.mark.parametrize(
    "options",
    [{"restart_factor": 1.0}, {"restart_factor": 0.0}, {"restarts": -1}, {"patience": 0}],
)
def test_settings_without_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"`{next(iter(options))}` is"):
        DoctorOptions(**options)
