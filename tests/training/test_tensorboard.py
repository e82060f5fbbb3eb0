"""Event files are read by TensorBoard; what it needs of them is checked here without it."""

import json
import struct
from pathlib import Path

import pytest
from tests.conftest import tiny_config

from anylect.training.tensorboard import TensorBoard, crc32c
from anylect.workflows.train import train

# One update with a loss of 2.25 and a rate of 1e-4, as TensorBoard 2.21.0 read it back with
# `EventAccumulator(folder).Reload().Scalars("train/loss")`.
GOLDEN = (
    "3d000000000000006049f1ec09000000000000f83f10ac022a2f0a110a0a747261696e2f6c6f73731500001040"
    "0a1a0a13747261696e2f6c6561726e696e675f726174651517b7d1385c2f2f35"
)


def records(path: Path) -> list[bytes]:
    """Take an event file apart, checking lengths and checksums."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        message = content[12 : 12 + length]
        for part, checksum in (
            (content[:8], content[8:12]),
            (message, content[12 + length : 16 + length]),
        ):
            crc = crc32c(part)
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack("<I", checksum) == (masked,)
        found.append(message)
        content = content[16 + length :]
    return found


def scalars(message: bytes) -> dict[str, float]:
    """Find tags and values: a text field, then a float field."""
    found = {}
    for tag in (b"train/", b"dev/"):
        place = message.find(tag)
        while place >= 0:
            size = message[place - 1]
            name = message[place : place + size]
            assert message[place + size] == 0x15
            (value,) = struct.unpack("<f", message[place + size + 1 : place + size + 5])
            found[name.decode()] = value
            place = message.find(tag, place + size)
    return found


def test_an_update_is_written_as_tensorboard_reads_it(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    board({"event": "update", "time": 1.5, "update": 300, "loss": 2.25, "learning_rate": 1e-4})
    assert board.path.name.startswith("events.out.tfevents.")
    first, second = records(board.path)
    assert first.endswith(b"\x1a\rbrain.Event:2")
    assert scalars(second) == pytest.approx({"train/loss": 2.25, "train/learning_rate": 1e-4})
    assert GOLDEN in board.path.read_bytes().hex()


@pytest.mark.parametrize(
    ("content", "checksum"),
    # RFC 3720, appendix B.4.
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_checksums_are_those_of_the_standard(content: bytes, checksum: int) -> None:
    assert crc32c(content) == checksum


def test_a_run_draws_the_figures_of_its_journal(tone_manifest: Path, tmp_path: Path) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run", schedule={"updates": 2, "log_every": 1})
    train(config)
    (path,) = (tmp_path / "run" / "tensorboard").iterdir()
    journal = (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in journal]
    losses = [event["loss"] for event in events if event["event"] == "update"]
    drawn = [scalars(message) for message in records(path)]
    assert [each["train/loss"] for each in drawn if "train/loss" in each] == pytest.approx(losses)
    (wer,) = (event["wer"] for event in events if event["event"] == "validation")
    assert [each["dev/wer"] for each in drawn if "dev/wer" in each] == pytest.approx([wer])


def test_a_run_may_do_without(tone_manifest: Path, tmp_path: Path) -> None:
    schedule = {"updates": 1}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule, tensorboard=False))
    assert not (tmp_path / "run" / "tensorboard").exists()
