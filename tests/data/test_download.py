"""Downloads, from a server of our own on this machine; nothing else is reached."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.data.sources.test_librispeech import _chapter

from anylect.data import download as module
from anylect.data.download import Archive, download, unpack
from anylect.data.published import LIBRISPEECH, Part, fetch_librispeech
from anylect.data.sources.librispeech import read_librispeech
from anylect.errors import ConfigError, HubError, ManifestError


class Mirror(BaseHTTPRequestHandler):
    """Serves files from memory; may cut connections short, or know nothing of ranges."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str | None]] = []
    cut_after: ClassVar[list[int]] = []
    knows_ranges: ClassVar[bool] = True

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        content = self.files.get(self.path.rpartition("/")[2])
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if not self.knows_ranges:
            start = 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        upto = self.cut_after.pop(0) if self.cut_after else len(content)
        self.wfile.write(content[start : start + upto])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    class Own(Mirror):
        files: ClassVar[dict[str, bytes]] = {}
        asked: ClassVar[list[str | None]] = []
        cut_after: ClassVar[list[int]] = []
        url: ClassVar[str] = ""

    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Own.url = f"http://127.0.0.1:{server.server_port}/12"
    yield Own
    server.shutdown()
    server.server_close()


CONTENT = bytes(range(256)) * 40


def archive_of(mirror: Any, content: bytes = CONTENT) -> Archive:
    mirror.files["a.tar.gz"] = content
    return Archive(url=f"{mirror.url}/a.tar.gz", md5=hashlib.md5(content).hexdigest())


def test_a_file_is_fetched_once(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    path = download(archive, tmp_path)
    assert path == tmp_path / "a.tar.gz"
    assert path.read_bytes() == CONTENT
    assert download(archive, tmp_path) == path
    assert mirror.asked == [None]
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_download_goes_on_where_it_stopped(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    (tmp_path / "a.tar.gz.partial").write_bytes(CONTENT[:1000])
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == ["bytes=1000-"]


def test_a_connection_that_breaks_is_taken_up_again(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    mirror.cut_after[:] = [500, 700, 900, 11]  # more often than there are pauses
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [None, "bytes=500-", "bytes=1200-", "bytes=2100-", "bytes=2111-"]


def test_a_server_without_ranges_begins_anew(
    mirror: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(mirror)
    monkeypatch.setattr(mirror, "knows_ranges", False)
    (tmp_path / "a.tar.gz.partial").write_bytes(b"x" * 1000)
    assert download(archive, tmp_path).read_bytes() == CONTENT


def test_what_was_whole_already_is_only_verified(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    (tmp_path / "a.tar.gz.partial").write_bytes(CONTENT)
    assert download(archive, tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [f"bytes={len(CONTENT)}-"]


def test_what_has_another_checksum_is_refused_and_removed(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    mirror.files["a.tar.gz"] = CONTENT[::-1]
    with pytest.raises(HubError, match=f"and {archive.md5} was published") as caught:
        download(archive, tmp_path)
    assert caught.value.hint == "what came is removed; try again, or another mirror"
    assert not list(tmp_path.iterdir())


def test_a_file_of_ones_own_with_another_checksum_is_left_alone(
    mirror: Any, tmp_path: Path
) -> None:
    archive = archive_of(mirror)
    (tmp_path / "a.tar.gz").write_bytes(b"mine")
    with pytest.raises(HubError, match="its MD5 sum is") as caught:
        download(archive, tmp_path)
    assert caught.value.hint == "remove it to fetch it again"
    assert (tmp_path / "a.tar.gz").read_bytes() == b"mine"


def test_what_is_not_there_is_told_at_once(mirror: Any, tmp_path: Path) -> None:
    archive = Archive(url=f"{mirror.url}/none.tar.gz", md5="0")
    with pytest.raises(HubError, match=r"none.tar.gz: cannot be fetched .*404") as caught:
        download(archive, tmp_path)
    assert "put none.tar.gz into" in (caught.value.hint or "")
    assert mirror.asked == [None]


def test_a_server_that_is_down_is_told_after_some_tries(mirror: Any, tmp_path: Path) -> None:
    archive = archive_of(mirror)
    mirror.cut_after[:] = [0] * 3
    with pytest.raises(HubError, match="cannot be fetched"):
        download(archive, tmp_path)
    assert len(mirror.asked) == 3


def test_a_small_disk_is_told_before(
    mirror: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(HubError, match=r"has room for 0.0 GB") as caught:
        download(archive_of(mirror), tmp_path)
    assert "another disk" in (caught.value.hint or "")


def tar_of(*members: tuple[str, bytes | str | None]) -> bytes:
    """Build a tar archive: bytes are a file, a text is where a link leads, None is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE
                info.linkname = content or ""
                archive.addfile(info)
    return buffer.getvalue()


def test_an_archive_is_unpacked_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(tar_of(("x", None), ("x/1", b"one"), ("x/y/2", b"two")))
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/x/1").read_bytes() == b"one"
    assert (tmp_path / "out/x/y/2").read_bytes() == b"two"
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz", "out"}


@pytest.mark.parametrize(
    "member",
    [
        ("../evil", b"!"),
        ("x/../../evil", b"!"),
        ("/evil", b"!"),
        ("..\\evil", b"!"),
        ("link", "/etc/passwd"),
        ("link", "x/1"),
    ],
)
def test_no_member_leaves_the_folder(member: tuple[str, bytes | str], tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "a.tar.gz").write_bytes(tar_of(("x/1", b"one"), member))
    with pytest.raises(HubError, match="is no file inside the archive"):
        unpack(folder / "a.tar.gz", folder / "out")
    assert [path.name for path in folder.iterdir()] == ["a.tar.gz"]
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"no tar"])
def test_a_broken_archive_leaves_nothing(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    whole = tar_of(*((f"x/{number}", bytes([number]) * 5000) for number in range(20)))
    (tmp_path / "a.tar.gz").write_bytes(damage(whole))
    with pytest.raises(HubError, match="cannot be unpacked") as caught:
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert "remove the archive" in (caught.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.fixture
def small_librispeech(
    mirror: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Part]:
    """A LibriSpeech of three recordings, laid out as the true one."""
    parts = {}
    for name, count in (("train-clean-100", 2), ("dev-clean", 1)):
        tree = tmp_path / "origin" / "LibriSpeech" / name / "19" / "198"
        names = [f"19-198-{number:04d}" for number in range(count)]
        _chapter(
            tree, "".join(f"{each} SAID\n" for each in names), *(f"{each}.flac" for each in names)
        )
        members = [("LibriSpeech/README.TXT", b"read me")]
        for path in sorted(tree.iterdir()):
            members.append((str(path.relative_to(tmp_path / "origin")), path.read_bytes()))
        content = tar_of(*members)
        mirror.files[f"{name}.tar.gz"] = content
        parts[name] = Part(hashlib.md5(content).hexdigest(), count)
    for name in list(LIBRISPEECH):
        monkeypatch.delitem(LIBRISPEECH, name)
    for name, part in parts.items():
        monkeypatch.setitem(LIBRISPEECH, name, part)
    (tmp_path / "data").mkdir()
    return parts


def test_librispeech_is_fetched_unpacked_and_read(
    mirror: Any, small_librispeech: dict[str, Part], tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    parts = list(small_librispeech)
    corpus = fetch_librispeech(
        tmp_path / "data",
        parts,
        mirror=mirror.url,
        progress=lambda done, total: told.append((done, total)),
    )
    found: list[Any] = list(read_librispeech(corpus))
    assert sorted((each.id, each.split) for each in found) == [
        ("19-198-0000", "dev"),
        ("19-198-0000", "train"),
        ("19-198-0001", "train"),
    ]
    assert (corpus / "README.TXT").read_bytes() == b"read me"
    assert told
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        "LibriSpeech", "train-clean-100.tar.gz", "dev-clean.tar.gz",
    }  # fmt: skip
    for archive in (tmp_path / "data").glob("*.tar.gz"):
        archive.unlink()
    asked = len(mirror.asked)
    assert fetch_librispeech(tmp_path / "data", parts, mirror=mirror.url) == corpus
    assert len(mirror.asked) == asked


def test_a_part_somebody_unpacked_by_half_is_named(
    mirror: Any, small_librispeech: dict[str, Part], tmp_path: Path
) -> None:
    half = tmp_path / "data" / "LibriSpeech" / "train-clean-100"
    half.mkdir(parents=True)
    with pytest.raises(ManifestError, match="0 recordings are in it, and 2 were published"):
        fetch_librispeech(tmp_path / "data", list(small_librispeech), mirror=mirror.url)


def test_a_part_that_librispeech_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no part `train-clean-500`") as caught:
        fetch_librispeech(tmp_path, ["train-clean-500"])
    assert "train-clean-360" in (caught.value.hint or "")


def test_the_published_parts_are_a_thousand_hours_in_five_files_and_two() -> None:
    train = sum(part.recordings for name, part in LIBRISPEECH.items() if name.startswith("train"))
    assert train == 281_241  # Panayotov et al. 2015; the count every loader reports
    assert len({part.md5 for part in LIBRISPEECH.values()}) == 7
    assert all(len(part.md5) == 32 for part in LIBRISPEECH.values())
