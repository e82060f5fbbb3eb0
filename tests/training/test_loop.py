import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import tiny_config, write_tone_corpus

from anylect.errors import ConfigError, ManifestError, TrainingError
from anylect.training.journal import Listener, read_journal
from anylect.workflows.train import train


class KilledError(Exception):
    """Stands for a run that is killed."""


def kill_at(update: int) -> Listener:
    def listener(event: dict[str, Any]) -> None:
        if event["event"] == "update" and event["update"] == update:
            raise KilledError

    return listener


def weights(output: Path) -> dict[str, torch.Tensor]:
    newest = sorted((output / "checkpoints").glob("update-*"))[-1]
    return load_file(newest / "model.safetensors")


def test_loss_falls_and_the_run_folder_tells_the_story(tone_manifest: Path, tmp_path: Path) -> None:
    report = train(tiny_config(tone_manifest, tmp_path / "run"))
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    losses = [event["loss"] for event in events if event["event"] == "update"]
    assert len(losses) == 12
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "finish"
    assert kinds.count("validation") == 2
    assert kinds.count("checkpoint") == 3
    checkpoints = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert checkpoints == {"update-000008", "update-000012", "best.safetensors"}
    assert (tmp_path / "run" / "config.toml").is_file()
    assert report.updates == 12
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".pt", ".bin", ".pkl"}]


def test_the_same_seed_gives_the_same_weights(tone_manifest: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(tiny_config(tone_manifest, tmp_path / name, schedule={"updates": 4}))
    train(tiny_config(tone_manifest, tmp_path / "c", schedule={"updates": 4}, seed=1))
    one, same, other = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("killed", [5, 9, 10])
def test_a_resumed_run_gives_the_same_numbers_bit_for_bit(
    tone_manifest: Path, tmp_path: Path, killed: int
) -> None:
    train(tiny_config(tone_manifest, tmp_path / "whole"))
    config = tiny_config(tone_manifest, tmp_path / "killed")
    with pytest.raises(KilledError):
        train(config, listeners=[kill_at(killed)])
    torch.manual_seed(12345)  # whatever happened to the generators in between
    train(config, resume=True)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    best, again = (
        load_file(tmp_path / run / "checkpoints/best.safetensors") for run in ("whole", "killed")
    )
    assert all(torch.equal(best[name], again[name]) for name in best)


def test_a_resumed_run_joins_the_same_utterances(tone_manifest: Path, tmp_path: Path) -> None:
    joining = {"probability": 0.7, "seconds": 8.0, "from_epoch": 1}
    train(tiny_config(tone_manifest, tmp_path / "whole", joining=joining))
    config = tiny_config(tone_manifest, tmp_path / "killed", joining=joining)
    with pytest.raises(KilledError):
        train(config, listeners=[kill_at(10)])
    resumed = train(config, resume=True)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    # What was heard decides the windows, also when it was heard before the run was killed.
    expected = json.loads((tmp_path / "whole/bundle/decoding.json").read_text())
    assert json.loads((resumed.bundle / "decoding.json").read_text()) == expected
    assert 3.0 < expected["longest_heard_seconds"] <= 8.0 / 0.95


def test_a_run_folder_is_not_overwritten(tone_manifest: Path, tmp_path: Path) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 1})
    train(config)
    with pytest.raises(ConfigError, match="there is a run in this folder") as caught:
        train(config)
    assert caught.value.hint is not None
    assert "--resume" in caught.value.hint
    other = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 1}, seed=3)
    with pytest.raises(ConfigError, match="`seed` was 0 when the run began and is 3 now"):
        train(other, resume=True)


def test_a_broken_checkpoint_is_named(tone_manifest: Path, tmp_path: Path) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run")
    with pytest.raises(KilledError):
        train(config, listeners=[kill_at(9)])
    (tmp_path / "run/checkpoints/update-000008/optimizer.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="update-000008: not a checkpoint") as caught:
        train(config, resume=True)
    assert caught.value.hint == "remove that folder to resume from the one before it"


def test_an_unreadable_recording_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 6, "dev": 2})
    (tmp_path / "train-3.wav").write_bytes(b"this is no recording")
    train(
        tiny_config(manifest, tmp_path / "run", schedule={"updates": 2}, batches={"seconds": 60.0})
    )
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    skipped = [event for event in events if event["event"] == "skipped"]
    assert {event["id"] for event in skipped} == {"train-3"}
    assert "train-3.wav" in skipped[0]["reason"]


def test_what_cannot_be_learnt_is_left_out_with_the_reason(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 5, "dev": 2})
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    lines[0]["text"] = "aa" * 200
    lines[1]["text"] = "?!"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = train(tiny_config(manifest, tmp_path / "run", schedule={"updates": 1}))
    assert report.left_out == {"with more labels than frames": 1, "with an empty transcript": 1}
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    details = {event["id"]: event["detail"] for event in events if event["event"] == "left_out"}
    assert details["train-0"].startswith("400 tokens need 799 frames")


def test_a_manifest_without_dev_says_how_to_get_one(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 3})
    with pytest.raises(ManifestError, match="no utterance has split `dev`") as caught:
        train(tiny_config(manifest, tmp_path / "run"))
    assert "anylect prepare" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"hiden_size": 3}, "`model.settings.hiden_size`", "did you mean `hidden_size`?"),
        ({"conv_kernels": [[99, 3]]}, "no frequency is left of 20 bins", "smaller `conv_kernels`"),
    ],
)
def test_a_wrong_architecture_setting_is_named(
    tone_manifest: Path, tmp_path: Path, settings: dict[str, Any], message: str, hint: str
) -> None:
    tiny = {"conv_channels": [8], "conv_strides": [[2, 2]], "conv_paddings": [[0, 2]]}
    features = {"kind": "mel", "bins": 20, "sample_rate": 8000}
    model = {"settings": tiny | {"conv_kernels": [[5, 5]]} | settings, "features": features}
    with pytest.raises(ConfigError, match=message) as caught:
        train(tiny_config(tone_manifest, tmp_path / "run", model=model))
    assert hint in str(caught.value.hint)


def test_sixteen_bits_learn_too(tone_manifest: Path, tmp_path: Path) -> None:
    schedule = {"precision": "bf16", "updates": 8, "validate_every": 8}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule))
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    losses = [event["loss"] for event in events if event["event"] == "update"]
    assert losses[-1] < losses[0]
    assert all(weight.dtype == torch.float32 for weight in weights(tmp_path / "run").values())


def test_accumulated_batches_make_one_update(tone_manifest: Path, tmp_path: Path) -> None:
    still = {
        "batches": {"seconds": 8.0, "accumulation": 3},
        "augmentation": {"waveform": {"speeds": [1.0]}, "features": {"time_masks": 0}},
        "schedule": {"epochs": 2.0, "updates": None, "log_every": 1},
    }
    train(tiny_config(tone_manifest, tmp_path / "run", **still))
    start, *events = read_journal(tmp_path / "run" / "journal.jsonl")
    planned = start["updates"]
    assert sum(event["event"] == "update" for event in events) == planned
    assert planned <= -(-2 * 24 // 3)
