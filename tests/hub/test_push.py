"""Pushes, against a hub of our own on this machine, and against one that is not there."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from tests.conftest import tiny_config

from anylect.errors import HubError
from anylect.hub.push import LAST, Pusher, PushOptions, create_repository, push_folder
from anylect.workflows.train import train


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's interface as an upload of small files takes."""

    files: dict[str, bytes]
    made: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            self.made.append(json.loads(body))
            self.answer({"url": "https://huggingface.co/me/mine"})
        elif self.path.startswith("/api/models/me/mine/preupload"):
            names = [each["path"] for each in json.loads(body)["files"]]
            modes = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            self.answer({"files": modes})
        elif self.path.startswith("/api/models/me/mine/commit"):
            self.commit([json.loads(line) for line in body.splitlines()])
            self.answer({"commitUrl": "https://huggingface.co/me/mine/commit/1", "commitOid": "1"})
        else:
            self.answer({"error": "no such repository"}, status=404)

    def do_GET(self) -> None:
        self.answer([] if "/tree/" in self.path else {"id": "me/mine", "siblings": []})

    def commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])

    def answer(self, content: Any, *, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> Iterator[type[Hub]]:
    class Own(Hub):
        files: dict[str, bytes] = {}  # noqa: RUF012  one hub a test
        made: list[dict[str, Any]] = []  # noqa: RUF012  as above

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    original = huggingface_hub.HfApi

    def local(**given: Any) -> huggingface_hub.HfApi:
        return original(endpoint=endpoint, token="hf_test", **given)

    monkeypatch.setattr(huggingface_hub, "HfApi", local)
    yield Own
    server.shutdown()
    server.server_close()


def test_a_folder_is_uploaded_as_it_is(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "evidence" / "training.json").write_text('{"a": 1}')
    create_repository("me/mine", private=True)
    push_folder(tmp_path, "me/mine", message="update 5")
    assert hub.made[0]["name"] == "mine"
    assert hub.made[0]["organization"] == "me"
    assert hub.files == {"vocab.json": b"{}", "evidence/training.json": b'{"a": 1}'}


@pytest.mark.parametrize(
    ("checkpoints", "folders"),
    [("none", set()), ("last", {LAST}), ("all", {"checkpoints/update-000001"})],
)
def test_a_checkpoint_is_followed_by_a_push(
    hub: type[Hub], tmp_path: Path, checkpoints: Any, folders: set[str]
) -> None:
    saved = tmp_path / "checkpoints" / "update-000001"
    saved.mkdir(parents=True)
    (saved / "state.json").write_text("{}")

    def save(folder: Path) -> Path:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        return folder

    options = PushOptions(repository="me/mine", checkpoints=checkpoints)
    pusher = Pusher(options, tmp_path, save)
    pusher({"event": "update", "update": 1})
    assert not (tmp_path / ".pushed").exists()
    pusher({"event": "checkpoint", "update": 1, "path": "update-000001"})
    pusher.finish(tmp_path / ".pushed")
    assert set(hub.files) == {"config.json", *(f"{folder}/state.json" for folder in folders)}
    assert pusher.failures == []


class Pushes:
    """Stands at the border to the library: remembers uploads, and fails when told to."""

    def __init__(self) -> None:
        self.uploads: list[tuple[str, str, set[str]]] = []
        self.fails: set[str] = set()

    def __call__(self) -> "Pushes":
        return self

    def create_repo(self, repository: str, **_: Any) -> None:
        if "create" in self.fails:
            raise OSError("401 Client Error: Unauthorized\nmore")

    def upload_folder(self, *, folder_path: Path, commit_message: str, **given: Any) -> None:
        if commit_message in self.fails:
            raise OSError("connection reset")
        names = {path.name for path in folder_path.iterdir()}
        self.uploads.append((commit_message, given["path_in_repo"] or "", names))


@pytest.fixture
def pushes(monkeypatch: pytest.MonkeyPatch) -> Pushes:
    recorder = Pushes()
    monkeypatch.setattr(huggingface_hub, "HfApi", recorder)
    return recorder


def push_run(manifest: Path, output: Path, **changes: Any) -> Any:
    push = {"repository": "me/mine", **changes}
    schedule = {"updates": 2, "save_every": 1, "validate_every": 1}
    return train(tiny_config(manifest, output, push=push, schedule=schedule))


def test_a_run_pushes_whole_bundles(pushes: Pushes, tone_manifest: Path, tmp_path: Path) -> None:
    push_run(tone_manifest, tmp_path / "run")
    assert pushes.uploads[-1][0] == "the finished bundle"
    assert pushes.uploads[0][0] == "update 1"
    assert all("model.safetensors" in names for _, _, names in pushes.uploads)
    assert all("README.md" in names for _, _, names in pushes.uploads)


def test_a_run_may_push_at_the_end_alone(
    pushes: Pushes, tone_manifest: Path, tmp_path: Path
) -> None:
    push_run(tone_manifest, tmp_path / "run", when="end")
    assert [message for message, _, _ in pushes.uploads] == ["the finished bundle"]
    assert not (tmp_path / "run" / ".pushed").exists()


def test_a_push_that_fails_on_the_way_does_not_stop_the_run(
    pushes: Pushes, tone_manifest: Path, tmp_path: Path
) -> None:
    pushes.fails = {"update 1", "update 2"}
    report = push_run(tone_manifest, tmp_path / "run")
    assert report.push_failures
    assert "me/mine: cannot be pushed to (connection reset)" in report.push_failures[0]
    assert any(line.startswith("not pushed on the way: me/mine") for line in report.lines())
    assert [message for message, _, _ in pushes.uploads] == ["the finished bundle"]


def test_missing_rights_are_told_before_the_training(
    pushes: Pushes, tone_manifest: Path, tmp_path: Path
) -> None:
    pushes.fails = {"create"}
    with pytest.raises(HubError) as caught:
        push_run(tone_manifest, tmp_path / "run")
    expected = "me/mine: cannot be pushed to (401 Client Error: Unauthorized)"
    assert caught.value.message == expected
    assert "hf auth login" in (caught.value.hint or "")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_last_push_that_fails_leaves_the_bundle(
    pushes: Pushes, tone_manifest: Path, tmp_path: Path
) -> None:
    pushes.fails = {"the finished bundle"}
    with pytest.raises(HubError, match="connection reset"):
        push_run(tone_manifest, tmp_path / "run")
    assert (tmp_path / "run" / "bundle" / "model.safetensors").is_file()
