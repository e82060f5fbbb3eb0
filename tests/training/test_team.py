"""Several processes learn what one would have learnt from the same batches."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.conftest import tiny_config, write_tone_corpus
from tests.training.test_parts import encoder  # noqa: F401  a fixture

from anylect.config import save_config
from anylect.errors import ConfigError, TrainingError
from anylect.training.feed import Batch
from anylect.training.journal import Event, read_journal
from anylect.training.loss import BatchLoss
from anylect.training.options import OptimizerOptions
from anylect.training.team import Team, join_team
from anylect.training.updates import gather_update
from anylect.workflows.train import train

STILL: dict[str, Any] = {
    "model": {
        "features": {"kind": "mel", "bins": 20, "sample_rate": 8000},
        "settings": {
            "conv_channels": [8],
            "conv_kernels": [[5, 5]],
            "conv_strides": [[2, 2]],
            "conv_paddings": [[0, 2]],
            "recurrent_layers": 2,
            "hidden_size": 24,
            "dropout": 0.0,
        },
    },
    "batches": {"seconds": 12.0, "max_utterances": 5, "accumulation": 2, "workers": 1},
    "schedule": {"updates": 6, "validate_every": 3, "save_every": 2, "log_every": 1},
}
"""Nothing is drawn while training but the augmentation, which follows from the utterance."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Batches of five utterances and of one; one recording cannot be read."""
    folder = tmp_path_factory.mktemp("shared")
    manifest = write_tone_corpus(folder, {"train": 11, "dev": 3})
    (folder / "train-4.wav").write_bytes(b"this is no recording")
    return manifest


def launch(
    config: Path, *options: str, processes: int = 2, launcher: str = "none", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `anylect train` in several processes; without a launcher, as one would start them."""
    arguments = ["train", str(config), "--device", "cpu", *options]
    settings = {"OMP_NUM_THREADS": "1"} | variables
    if launcher == "none":
        return _fork(arguments, processes, settings)
    starts = {
        "torchrun": ["torch.distributed.run", "--nproc_per_node", str(processes)],
        "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes"],
    }[launcher]
    port = ["--master_port" if launcher == "torchrun" else "--main_process_port", _free_port()]
    count = [str(processes)] if launcher == "accelerate" else []
    return subprocess.run(
        [sys.executable, "-m", *starts, *count, *port, "-m", "anylect", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings,
    )


FORK = """
import os, sys
import anylect.models.build, anylect.training.loop
from anylect.cli.main import main

started = []
for rank in range(int(os.environ["WORLD_SIZE"])):
    started.append(os.fork())
    if not started[-1]:
        os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(rank)
        main()
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in started))
"""
"""What a launcher does, but for the time to load everything once more in each process."""


def _fork(
    arguments: list[str], processes: int, settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    return subprocess.run(
        [sys.executable, "-c", FORK, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings | meeting | {"WORLD_SIZE": str(processes)},
    )


def _free_port() -> str:
    # Sockets of this process are blocked, so it cannot look; ports of this range are seldom taken.
    return str(random.SystemRandom().randrange(20_000, 32_000))


def written(manifest: Path, output: Path, **changes: object) -> Path:
    """Write a configuration beside the run folder it names."""
    path = output.with_suffix(".toml")
    save_config(tiny_config(manifest, output, **(STILL | changes)), path)
    return path


def events(output: Path, kind: str) -> list[Event]:
    return [each for each in read_journal(output / "journal.jsonl") if each["event"] == kind]


def weights(output: Path) -> dict[str, torch.Tensor]:
    newest = sorted((output / "checkpoints").glob("update-*"))[-1]
    return load_file(newest / "model.safetensors")


def assert_same_run(one: Path, other: Path) -> None:
    """Two runs learnt the same, up to the order in which numbers were added."""
    curves = [[event["loss"] for event in events(run, "update")] for run in (one, other)]
    assert len(curves[0]) == 6
    assert curves[1] == pytest.approx(curves[0], abs=1e-4)
    scores = [[event["wer"] for event in events(run, "validation")] for run in (one, other)]
    assert scores[0] == pytest.approx(scores[1], abs=0.35)  # a letter at the edge of two
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, weight in left.items():
        torch.testing.assert_close(right[name], weight, atol=2e-3, rtol=1e-2, msg=name)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(corpus: Path, tmp_path: Path) -> None:
    train(tiny_config(corpus, tmp_path / "one", **STILL))
    done = launch(written(corpus, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "one", tmp_path / "two")
    # One of them keeps the journal, and it counts for both.
    (start,) = events(tmp_path / "two", "start")
    assert start["processes"] == 2
    assert {event["id"] for event in events(tmp_path / "two", "skipped")} == {"train-4"}
    assert done.stdout.count("bundle: ") == 1
    assert (tmp_path / "two/bundle/model.safetensors").is_file()
    evidence = json.loads((tmp_path / "two/bundle/evidence/training.json").read_text())
    assert evidence["train_utterances"] == 10


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["tokens", "mean", "sum"])
def test_an_encoder_learns_the_same_through_a_launcher(
    reduction: str,
    encoder: Path,  # noqa: F811  the fixture
    corpus: Path,
    tmp_path: Path,
) -> None:
    settings = {
        "mask_time_prob": 0.0,
        "layerdrop": 0.0,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "feat_proj_dropout": 0.0,
        "final_dropout": 0.0,
    }
    changes: dict[str, object] = {
        "model": {"checkpoint": str(encoder), "settings": settings, "features": {}},
        "optimizer": {"learning_rate": 1e-3, "loss_reduction": reduction},
        "augmentation": {"waveform": {"speeds": [1.0]}},
    }
    train(tiny_config(corpus, tmp_path / "one", **(STILL | changes)))
    done = launch(written(corpus, tmp_path / "two", **changes), launcher="accelerate")
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deepspeech2", "encoder"])
def test_divided_weights_learn_the_same(
    name: str,
    encoder: Path,  # noqa: F811  the fixture
    corpus: Path,
    tmp_path: Path,
) -> None:
    changes: dict[str, object] = {}
    if name == "encoder":
        settings = {"layerdrop": 0.0, "hidden_dropout": 0.0, "attention_dropout": 0.0}
        settings |= {"activation_dropout": 0.0, "feat_proj_dropout": 0.0, "final_dropout": 0.0}
        settings |= {"mask_time_prob": 0.0}
        changes["model"] = {"checkpoint": str(encoder), "settings": settings, "features": {}}
        changes["augmentation"] = {"waveform": {"speeds": [1.0]}}
        changes["optimizer"] = {"learning_rate": 1e-3}
    train(tiny_config(corpus, tmp_path / "one", **(STILL | changes)))
    config = written(corpus, tmp_path / "two", **changes)
    done = launch(config, launcher="torchrun", ACCELERATE_USE_FSDP="true")
    assert done.returncode == 0, done.stderr
    assert_same_run(tmp_path / "one", tmp_path / "two")
    # What divided processes wrote, one process continues.
    (tmp_path / "two/checkpoints/update-000006").rename(tmp_path / "gone")
    train(tiny_config(corpus, tmp_path / "two", **(STILL | changes)), resume=True)
    assert_same_weights(tmp_path / "one", tmp_path / "two")


def assert_same_weights(one: Path, other: Path) -> None:
    left, right = weights(one), weights(other)
    for name, weight in left.items():
        torch.testing.assert_close(right[name], weight, atol=2e-3, rtol=1e-2, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(
    before: int, after: int, corpus: Path, tmp_path: Path
) -> None:
    train(tiny_config(corpus, tmp_path / "one", **STILL))
    config = written(corpus, tmp_path / "changed")
    assert launch(config, processes=before, launcher="torchrun").returncode == 0
    (tmp_path / "changed/checkpoints/update-000006").rename(tmp_path / "gone")
    done = launch(config, "--resume", processes=after, launcher="torchrun")
    assert done.returncode == 0, done.stderr
    assert [event["update"] for event in events(tmp_path / "changed", "start")] == [0, 4]
    assert_same_weights(tmp_path / "one", tmp_path / "changed")


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_which_then_resumes_to_the_same_numbers(
    corpus: Path, tmp_path: Path
) -> None:
    """With dropout: each process gets its own generators back."""
    changes = {
        "model": STILL["model"] | {"settings": STILL["model"]["settings"] | {"dropout": 0.2}}
    }
    assert launch(written(corpus, tmp_path / "whole", **changes)).returncode == 0
    config = written(corpus, tmp_path / "killed", **changes)
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port"]
    command = ["-m", "anylect", "train", str(config), "--device", "cpu"]
    begun = subprocess.Popen(
        [sys.executable, *launcher, _free_port(), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    checkpoints = tmp_path / "killed/checkpoints"
    while not (checkpoints / "update-000002").exists():
        assert begun.poll() is None
        time.sleep(0.01)
    os.kill(_children(begun.pid)[1], signal.SIGKILL)
    assert begun.wait(timeout=60) != 0
    assert launch(config, "--resume").returncode == 0
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[name], other[name]) for name in one)


def _children(parent: int) -> list[int]:
    return [
        int(pid)
        for task in Path(f"/proc/{parent}/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


# What each process counts.


class FakeTeam(Team):
    """Processes that hold what a test gives them."""

    def __init__(self, others: list[Any], rank: int) -> None:
        super().__init__(torch.device("cpu"), rank, len(others))
        object.__setattr__(self, "others", others)

    def gather(self, value: Any) -> list[Any]:
        held = list(self.others)  # type: ignore[attr-defined]  # set above
        held[self.rank] = value
        return held


def batch_of(tokens: list[int]) -> Batch:
    return Batch(
        rows=torch.zeros(len(tokens), 1),
        lengths=torch.ones(len(tokens), dtype=torch.long),
        labels=torch.zeros(len(tokens), max(tokens, default=0), dtype=torch.long),
        label_lengths=torch.tensor(tokens, dtype=torch.long),
        seconds=1.0,
        longest=float(max(tokens, default=0)),
    )


def loss_of(tokens: list[int], nats: list[float]) -> BatchLoss:
    means = [loss / count for loss, count in zip(nats, tokens, strict=True)]
    return BatchLoss(
        nats=torch.tensor(sum(nats), dtype=torch.float64),
        mean=torch.tensor(means, dtype=torch.float64).mean(),
        tokens=sum(tokens),
        infeasible=0,
        blanks=torch.tensor(0),
        frames=torch.tensor(0),
    )


@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(1, 9), st.floats(0.1, 50.0)), max_size=7),
        min_size=1,
        max_size=4,
    ).filter(any),
    size=st.integers(2, 4),
    reduction=st.sampled_from(["tokens", "utterances", "mean", "sum"]),
)
def test_the_average_over_processes_is_the_loss_of_one(
    batches: list[list[tuple[int, float]]], size: int, reduction: Any
) -> None:
    options = OptimizerOptions(loss_reduction=reduction)

    def total(rank: int, processes: int) -> float:
        held = [
            [batch_of([tokens for tokens, _ in batch[each::processes]]) for batch in batches]
            for each in range(processes)
        ]
        team = Team(torch.device("cpu"))
        if processes > 1:
            shares = [_told(group) for group in held]
            team = FakeTeam(shares, rank)
        update = gather_update(held[rank], team)
        kept = [batch[rank::processes] for batch in batches if batch]
        return sum(
            float(
                update.objective(
                    loss_of([tokens for tokens, _ in share], [nats for _, nats in share]),
                    batch=index,
                    options=options,
                )
            )
            for index, share in enumerate(kept)
            if share
        )

    average = sum(total(rank, size) for rank in range(size)) / size
    assert average == pytest.approx(total(0, 1))


def _told(group: list[Batch]) -> Any:
    """What a process tells the others: read off what it is told when it is alone."""
    told: list[Any] = []

    class Listening(Team):
        def gather(self, value: Any) -> list[Any]:
            told.append(value)
            return [value]

    gather_update(group, Listening(torch.device("cpu")))
    return told[0]


# What cannot be launched.


def test_processes_that_see_different_data_stop() -> None:
    team = FakeTeam([(10, 7), (9, 7)], rank=0)
    with pytest.raises(
        TrainingError, match=r"process 0 has \(10, 7\), process 1 has \(9, 7\)"
    ) as told:
        team.agree((10, 7), what="m.jsonl: utterances and tokens")
    assert "all machines must see the same run folder" in (told.value.hint or "")


def test_one_card_is_not_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="`device` is `cuda:1` and there are 2 processes"):
        join_team("cuda:1")


def test_a_launcher_that_starts_one_of_several_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(ConfigError, match="asked for several processes and started one") as told:
        join_team("cpu")
    assert "torchrun --nproc_per_node 2" in (told.value.hint or "")
