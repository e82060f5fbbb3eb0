"""Folders of strangers."""

import os
from pathlib import Path

import pytest
from tests.challenge.conftest import write_submission

from anylect.challenge.submission import copy_submission, find_name, fingerprint, iterate_files
from anylect.errors import SubmissionError


def test_a_fingerprint_is_of_what_decides_and_of_nothing_else(tmp_path: Path) -> None:
    one = write_submission(tmp_path / "one")
    two = write_submission(tmp_path / "two")
    assert fingerprint(one) == fingerprint(two)
    (two / "evidence").mkdir()
    (two / "evidence" / "test.json").write_text("{}")
    (two / ".cache").mkdir()
    (two / ".cache" / "x").write_text("x")
    (two / "log_set_predictions.txt").write_text("0\nx\n")
    assert fingerprint(one) == fingerprint(two)
    (two / "eval.py").write_text("print()")
    assert fingerprint(one) != fingerprint(two)
    (one / "eval.py").rename(one / "other.py")
    (two / "eval.py").write_text((one / "other.py").read_text())
    assert fingerprint(one) != fingerprint(two)


def test_a_copy_holds_what_runs_but_no_logs_of_before(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    (folder / "log_x_predictions.txt").write_text("0\nold\n")
    (folder / "src").mkdir()
    (folder / "src" / "net.py").write_text("pass")
    copy_submission(folder, tmp_path / "copy")
    names = {name for name, _ in iterate_files(tmp_path / "copy")}
    assert {"src/net.py", "eval.py", "model.safetensors"} <= names
    assert not list((tmp_path / "copy").glob("*.txt"))


@pytest.mark.parametrize("kind", ["file", "folder", "beside"])
def test_links_that_lead_out_are_refused(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "references.jsonl").write_text("{}")
    folder = write_submission(tmp_path / "mine")
    target = {"file": secret / "references.jsonl", "folder": secret, "beside": Path("../secret")}
    (folder / "data").symlink_to(target[kind])
    with pytest.raises(SubmissionError, match="a link that leads out of the submission"):
        copy_submission(folder, tmp_path / "copy")
    assert not list((tmp_path / "copy").rglob("references.jsonl"))


def test_links_inside_and_of_the_cache_of_the_hub_are_followed(tmp_path: Path) -> None:
    repository = tmp_path / "models--some--one"
    snapshot = write_submission(repository / "snapshots" / "abc")
    (repository / "blobs").mkdir()
    (snapshot / "config.json").rename(repository / "blobs" / "0123")
    (snapshot / "config.json").symlink_to("../../blobs/0123")
    (snapshot / "again.py").symlink_to("eval.py")
    copy_submission(snapshot, tmp_path / "copy")
    assert not (tmp_path / "copy" / "config.json").is_symlink()
    assert (tmp_path / "copy" / "again.py").read_text() == (snapshot / "eval.py").read_text()
    assert find_name(snapshot) == "some/one"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    os.mkfifo(folder / "pipe")
    with pytest.raises(SubmissionError, match="neither a file nor a folder"):
        fingerprint(folder)


def test_names_come_from_folders(tmp_path: Path) -> None:
    assert find_name(tmp_path / "runs" / "sv" / "bundle") == "sv"
    assert find_name(tmp_path / "xls-r") == "xls-r"
