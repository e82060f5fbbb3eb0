"""A stand-in of the Hub on this machine, with one repository, for pushes and pulls."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import huggingface_hub
import pytest

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


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, *, cache: Path) -> Iterator[type[Hub]]:
    """Let this process take a hub of its own for the Hub."""

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
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield Own
    server.shutdown()
    server.server_close()
