"""Pushes and pulls against a stand-in of the Hub on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from tests.conftest import Run
from tests.hub.stand_in import Hub, serving

from anylect.errors import BundleError, HubError
from anylect.hub.transfer import list_entries, pull


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, socket_enabled: None, tmp_path: Path
) -> Iterator[type[Hub]]:
    with serving(monkeypatch, cache=tmp_path / "cache") as own:
        yield own


def test_a_bundle_travels_to_the_hub_and_back(
    hub: type[Hub], tiny_bundle: Path, tmp_path: Path, run: Run
) -> None:
    done = run("push", tiny_bundle, "me/mine", "--private", "--tag", "v1")
    assert done.code == 0, done.err
    # The library says `visibility` since its version 2, `private` before.
    assert hub.made[0].get("visibility", hub.made[0].get("private")) in ("private", True)
    assert hub.tags[0]["tag"] == "v1"
    assert {"model.safetensors", "README.md", "eval.py", "evidence/training.json"} <= set(hub.files)
    assert "checked: the repository holds the same files, and loads" in done.out
    assert "license: is missing" in done.err
    # As a user does it: another process, led here by HF_ENDPOINT.
    pulled = subprocess.run(
        [sys.executable, "-m", "anylect", "pull", "me/mine", "-o", str(tmp_path / "mine")],
        env={**os.environ, "HF_ENDPOINT": huggingface_hub.constants.ENDPOINT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.strip() == str(tmp_path / "mine")
    for name, content in hub.files.items():
        assert (tmp_path / "mine" / name).read_bytes() == content


def test_a_dry_run_lists_files_and_uploads_none(
    hub: type[Hub], tiny_bundle: Path, run: Run
) -> None:
    done = run("push", tiny_bundle, "me/mine", "--dry-run")
    assert done.code == 0
    assert "model.safetensors" in done.out
    assert "nothing was uploaded to me/mine: a dry run" in done.out
    assert hub.made == []
    assert hub.files == {}


def test_what_arrives_otherwise_is_an_error(
    hub: type[Hub], tiny_bundle: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = hub.send

    def spoil(self: Hub, body: bytes, *, kind: str, status: int = 200) -> None:
        if kind == "application/octet-stream":
            body = body.replace(b"vocab", b"vocax")
        send(self, body, kind=kind, status=status)

    monkeypatch.setattr(hub, "send", spoil)
    done = run("push", tiny_bundle, "me/mine")
    assert done.code == 1
    assert "me/mine: did not arrive whole: config.json is different" in done.err


def test_a_repository_that_is_not_there_is_named(hub: type[Hub], tmp_path: Path) -> None:
    with pytest.raises(HubError, match="me/other: no such folder here, and it cannot be pulled"):
        pull("me/other", to=tmp_path / "x")


def test_pickles_and_hidden_files_are_not_pushed(tmp_path: Path) -> None:
    for name in ("a.json", ".partial", ".eval_results/x.yaml", "__pycache__/a.pyc", ".cache/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [entry.name for entry in list_entries(tmp_path)] == [".eval_results/x.yaml", "a.json"]
    (tmp_path / "pytorch_model.bin").write_text("")
    with pytest.raises(BundleError, match="may run code"):
        list_entries(tmp_path)
