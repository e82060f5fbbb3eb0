"""Pushes and pulls against a stand-in of the Hub on this machine."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import huggingface_hub
import pytest
from tests.conftest import Run

from anylect.errors import BundleError, HubError
from anylect.hub.transfer import list_entries, pull

COMMIT = "1" * 40


class Hub(BaseHTTPRequestHandler):
    """One repository, `me/mine`: making, uploading, listing, downloading, tagging."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]
    made: list[dict[str, Any]]
    tags: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            self.made.append(json.loads(body))
            self.answer({"url": "https://huggingface.co/me/mine"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [each["path"] for each in json.loads(body)["files"]]
            self.answer(
                {
                    "files": [
                        {"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names
                    ]
                }
            )
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.files[value["path"]] = base64.b64decode(value["content"])
            url = f"https://huggingface.co/me/mine/commit/{COMMIT}"
            self.answer({"commitUrl": url, "commitOid": COMMIT})
        elif "/tag/" in self.path:
            self.tags.append(json.loads(body))
            self.answer({})
        elif "/paths-info/" in self.path:
            self.answer([])
        else:
            self.answer({"error": "no such page"}, status=404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        download = re.match(r"/me/mine/resolve/[^/]+/(.*)", unquote(self.path))
        if download and download[1] in self.files:
            self.send(self.files[download[1]], kind="application/octet-stream")
        elif self.path.startswith("/api/models/me/mine/tree/"):
            self.answer(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": self.mark(content)}
                    for name, content in self.files.items()
                ]
            )
        elif self.path.startswith("/api/models/me/mine"):
            names = [{"rfilename": name} for name in self.files]
            self.answer({"id": "me/mine", "sha": COMMIT, "siblings": names})
        else:
            self.answer({"error": "Repository not found"}, status=404)

    def mark(self, content: bytes) -> str:
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def answer(self, content: Any, *, status: int = 200) -> None:
        self.send(json.dumps(content).encode(), kind="application/json", status=status)

    def send(self, body: bytes, *, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{self.mark(body)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, socket_enabled: None, tmp_path: Path
) -> Iterator[type[Hub]]:
    class Own(Hub):
        files: dict[str, bytes] = {}  # noqa: RUF012  one hub a test
        made: list[dict[str, Any]] = []  # noqa: RUF012  as above
        tags: list[dict[str, Any]] = []  # noqa: RUF012  as above

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    # What HF_ENDPOINT and the like become when the library is imported.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield Own
    server.shutdown()
    server.server_close()


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
