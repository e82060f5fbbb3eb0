"""Large archives from the web: resumed where they stopped, verified, unpacked without surprises.

A download stands beside its place as `….partial` until its checksum is right. What is unpacked is
renamed to its place as a whole. So whatever has its final name is complete, and nothing is
fetched or unpacked twice.
"""

import gzip
import hashlib
import http.client
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anylect.errors import HubError
from anylect.progress import Progress, silent

_BLOCK = 1 << 20
_PATIENCE_SECONDS = 60.0
"""Without a byte, after which a connection counts as broken."""
_PAUSES = (1.0, 5.0, 20.0)
"""Seconds before each further try; a try that brought something begins the row anew."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file on the web that is known to be complete by its MD5 sum."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.url.rpartition("/")[2]


def download(archive: Archive, folder: Path, *, progress: Progress = silent) -> Path:
    """Fetch an archive into a folder, unless it is there; return its path.

    Args:
        archive: What to fetch.
        folder: Where to; must exist.
        progress: Told megabytes, done and in all.

    Raises:
        HubError: When it cannot be fetched, the disk is too small, or the checksum is wrong.
    """
    path = folder / archive.name
    if path.exists():
        _verify(archive, path, hint="remove it to fetch it again")
        return path
    partial = path.with_name(f"{path.name}.partial")
    pauses = iter(_PAUSES)
    while True:
        before = _size(partial)
        try:
            _fetch(archive, partial, progress)
            break
        except (OSError, http.client.HTTPException) as error:
            if _size(partial) > before:
                pauses = iter(_PAUSES)
            pause = None if _is_final(error) else next(pauses, None)
            if pause is None:
                done = f", it goes on from {_size(partial) / 1e6:,.0f} MB" if before else ""
                raise HubError(
                    f"{archive.url}: cannot be fetched ({error})",
                    hint=f"try again{done}; or put {archive.name} into {folder} yourself",
                ) from error
            time.sleep(pause)
    try:
        _verify(archive, partial, hint="what came is removed; try again, or another mirror")
    except HubError:
        partial.unlink()
        raise
    return partial.replace(path)


def _is_final(error: Exception) -> bool:
    """Tell whether trying again is of no use: the server said no, or the disk did."""
    if isinstance(error, urllib.error.HTTPError):
        return 400 <= error.code < 500 and error.code not in (408, 429)
    return isinstance(error, OSError) and error.filename is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(archive: Archive, partial: Path, progress: Progress) -> None:
    """Fetch what is missing of a file; a server that cannot go on begins anew."""
    done = _size(partial)
    request = urllib.request.Request(archive.url, headers={"User-Agent": "anylect"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there; the checksum decides
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        _refuse_small_disk(archive, partial.parent, needed=(total or done) - done)
        with partial.open("ab" if done else "wb") as stream:
            while block := response.read(_BLOCK):
                stream.write(block)
                done += len(block)
                progress(done >> 20, total >> 20 if total else None)
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _refuse_small_disk(archive: Archive, folder: Path, *, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f"{archive.name}: {needed / 1e9:.1f} GB are to come, and {folder} has room for "
            f"{free / 1e9:.1f} GB",
            hint="unpacked it takes as much again; choose a folder on another disk",
        )


def _verify(archive: Archive, path: Path, *, hint: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != archive.md5:
        raise HubError(
            f"{path}: its MD5 sum is {digest.hexdigest()}, and {archive.md5} was published",
            hint=hint,
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a `.tar.gz` archive into a new folder, which gets its name when all is there.

    Only files and folders are taken. A member that would lie elsewhere, or that is a link or a
    device, is refused and nothing is left of the rest.

    Raises:
        HubError: For such a member, or an archive that is broken.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                _take(members, member, partial)
        partial.replace(folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise HubError(
            f"{archive}: cannot be unpacked ({error})",
            hint="make room on that disk, or remove the archive to fetch it again",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    is_inside = not name.is_absolute() and ".." not in name.parts and "\\" not in member.name
    if not is_inside or not (member.isfile() or member.isdir()):
        raise tarfile.TarError(f"`{member.name}` is no file inside the archive")
    path = folder / name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content: Any = members.extractfile(member)
    with path.open("xb") as stream:
        shutil.copyfileobj(content, stream, _BLOCK)
