"""Runs one command in a cell of its own; a program by itself, started by `sandbox`.

Nothing but the standard library, so that it starts at once. What to do comes as JSON on standard
input. In the cell there is a root of its own in memory, into which only what is named is bound;
no network, no processes but its own, no rights. The references are not hidden there: they are not
there at all.

Three processes: the first makes the namespaces and waits; the second is process 1 of the cell,
builds the root, and with it everything in the cell ends; the third gives up its rights and becomes
the command. Lines on the status descriptor say how it went: `pid`, `error`, `exit`, `signal`.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# linux/sched.h, sys/mount.h, linux/prctl.h
NEW_MOUNTS, NEW_NAMES, NEW_IPC, NEW_USER = 0x00020000, 0x04000000, 0x08000000, 0x10000000
NEW_PIDS, NEW_NETWORK = 0x20000000, 0x40000000
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE, DETACH = 32, 4096, 16384, 1 << 18, 2
DIE_WITH_PARENT, NO_NEW_RIGHTS = 1, 38

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class RefusedError(Exception):
    """The system does not allow what a cell needs."""


def main() -> None:
    """Read what to do, do it, and leave with 0 however the command ended."""
    order = json.loads(sys.stdin.read())
    status = int(order["status"])
    os.set_inheritable(status, False)
    try:
        _call("prctl", DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
        if order["isolated"]:
            _unshare()
        child = os.fork()
        if child == 0:
            _first(order, status)
        _say(status, f"pid {child}")
        os.waitpid(child, 0)
    except (RefusedError, OSError) as error:
        _say(status, f"error {error}")


def _first(order: dict[str, Any], status: int) -> None:
    """Be process 1 of the cell: build it, start the command, and end with it."""
    try:
        _call("prctl", DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
        if order["isolated"]:
            _build_root(order)
        child = os.fork()
        if child == 0:
            _become(order, status)
        _, how = os.waitpid(child, 0)
        name, value = ("signal", os.WTERMSIG(how)) if os.WIFSIGNALED(how) else ("exit", how >> 8)
        _say(status, f"{name} {value}")
    except (RefusedError, OSError) as error:
        _say(status, f"error {error}")
    finally:
        os._exit(0)


def _unshare() -> None:
    """Leave the namespaces of the machine; without rights of root, by a user namespace."""
    flags = NEW_MOUNTS | NEW_PIDS | NEW_NETWORK | NEW_IPC | NEW_NAMES
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call("unshare", flags)
        return
    _call("unshare", flags | NEW_USER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _build_root(order: dict[str, Any]) -> None:
    """Make a root in memory, bind into it what is named, and leave the old one."""
    root = Path(order["root"])
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", root, "tmpfs", NO_SETUID | NO_DEVICES, "size=16m,mode=755")
    for place, target in order["links"]:
        (root / place.lstrip("/")).symlink_to(target)
    # What is visible may lie below what is writable, as an interpreter in /tmp does: it comes last.
    for source, place in order["writable"]:
        _bind(source, root, place, NO_SETUID | NO_DEVICES)
    for source, place in order["visible"]:
        _bind(source, root, place, READ_ONLY | NO_SETUID | NO_DEVICES)
    for device in (*DEVICES, *order["devices"]):
        _bind(device, root, device, NO_SETUID | NO_PROGRAMS)
    for place, kind, options in (
        ("proc", "proc", None),
        ("dev/shm", "tmpfs", "size=256m,mode=1777"),
    ):
        (root / place).mkdir(parents=True, exist_ok=True)
        _mount(kind, root / place, kind, NO_SETUID | NO_DEVICES | NO_PROGRAMS, options)
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", DETACH)
    os.chdir("/")
    _mount("none", "/", None, REMOUNT | READ_ONLY | NO_SETUID | NO_DEVICES)


def _bind(source: str, root: Path, place: str, flags: int) -> None:
    target = root / place.lstrip("/")
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(source, target, None, BIND | RECURSIVE)
    # What the machine forbids on this mount must stay forbidden, or the change is refused.
    kept = os.statvfs(target).f_flag & (READ_ONLY | NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    if flags & NO_DEVICES == 0:
        kept &= ~NO_DEVICES
    _mount("none", target, None, REMOUNT | BIND | flags | kept)


def _become(order: dict[str, Any], status: int) -> None:
    """Give up all rights, take on the limits, and become the command."""
    try:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["cwd"])
        if order["user"] is not None:
            os.setgroups([])
            os.setresgid(order["user"], order["user"], order["user"])
            os.setresuid(order["user"], order["user"], order["user"])
        for name, value in order["limits"].items():
            _limit(getattr(resource, name), int(value))
        if sys.platform == "linux":
            _call("prctl", NO_NEW_RIGHTS, 1, 0, 0, 0)
        os.umask(0o077)
        os.execve(order["command"][0], order["command"], order["environment"])
    except (RefusedError, OSError, ValueError) as error:
        _say(status, f"error {error}")
    finally:
        os._exit(127)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # At the soft limit of CPU time comes a signal that names the reason, a second later the end.
    grace = 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
    resource.setrlimit(kind, (value, value + grace))


def _mount(
    source: str | Path, target: str | Path, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    _call("mount", *texts, flags, None if options is None else options.encode(), about=str(target))


def _call(name: str, *arguments: int | bytes | None, about: str = "") -> None:
    """Call the C library, where there is such a function."""
    if sys.platform != "linux":
        if name == "prctl":
            return
        raise RefusedError(f"{name}: only Linux has it")
    function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    unsigned = [
        ctypes.c_ulong(each) if isinstance(each, int) and name in ("mount", "prctl") else each
        for each in arguments
    ]
    if function(*unsigned) != 0:
        raise RefusedError(
            f"{name}{f' {about}' if about else ''}: {os.strerror(ctypes.get_errno())}"
        )


def _say(status: int, line: str) -> None:
    os.write(status, line.replace("\n", " ").encode() + b"\n")


if __name__ == "__main__":
    main()
