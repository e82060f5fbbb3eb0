"""Other people's programs, run where they find nothing and under limits.

On Linux a program gets a cell (see `cell.py`): a root that holds the system's programs, the
interpreter and one scratch folder, no network, no foreign processes; root drops to `nobody`. Where
the system allows no cell, it is not run, unless one asks for that in so many words: then limits,
a clean environment and a process group are all there is, and the outcome says so.

Memory is limited twice: each process by its address space, all together by what they hold,
looked at ten times a second. Output goes through a pipe, of which the end is kept.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from anylect.challenge.watch import Group, Tail, is_full
from anylect.errors import ConfigError

Isolation = Literal["required", "none"]
Ending = Literal["finished", "failed", "timeout", "memory", "disk"]

SCRATCH = "/scratch"
"""What the scratch folder is called in the cell."""
NOBODY = 65534
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/passwd", "/etc/group"),
    *("/etc/nsswitch.conf", "/etc/localtime", "/etc/alternatives", "/etc/ssl/openssl.cnf"),
)
_CELL = Path(__file__).with_name("cell.py")
_GIGA = 10**9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use."""

    seconds: float = 3600.0
    """By the clock; then the program is ended."""
    cpu_seconds: float = 7200.0
    """Of arithmetic, each process."""
    memory_gb: float = 16.0
    """Gigabytes (10⁹) of address space for each process, and held by all together."""
    disk_gb: float = 20.0
    """Gigabytes written to the scratch folder."""
    processes: int = 256
    """Processes and threads at once."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a program ended."""

    ending: Ending
    seconds: float
    output: str
    """The end of what it printed."""
    exit_code: int | None = None
    signal: int | None = None
    most_memory_gb: float = 0.0
    """The most that all its processes held, as far as it was looked at."""

    @property
    def is_well(self) -> bool:
        """Whether it came to its own end, without an error."""
        return self.ending == "finished"


@dataclass(frozen=True)
class Sandbox:
    """A scratch folder, and what a program started in it may see besides.

    Args:
        scratch: A folder for the program alone; all it leaves is there.
        visible: Files and folders it may read.
        devices: Devices it may use besides the harmless ones, such as `/dev/nvidia0`.
        isolation: `required` or `none`.
        limits: What it may use.
    """

    scratch: Path
    visible: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    isolation: Isolation = "required"
    limits: Limits = field(default_factory=Limits)

    @property
    def is_isolated(self) -> bool:
        """Whether programs run in a cell."""
        return self.isolation == "required"

    def inside(self, path: Path) -> str:
        """Name a path of the scratch folder as the program sees it."""
        if not self.is_isolated:
            return str(path)
        return str(Path(SCRATCH) / path.relative_to(self.scratch))

    def sees(self, path: Path) -> Path | None:
        """Return what of the visible holds a path, if anything does."""
        real = path.resolve()
        for place in (*map(Path, SYSTEM), *self.visible):
            if real.is_relative_to(place.resolve()):
                return place
        return None

    def statement(self) -> list[str]:
        """Say honestly what holds."""
        limits = self.limits
        lines = [
            f"limits: {limits.seconds:g} s by the clock, {limits.cpu_seconds:g} s of CPU a "
            "process, "
            f"{limits.memory_gb:g} GB of memory, {limits.disk_gb:g} GB of disk, "
            f"{limits.processes} processes",
        ]
        if not self.is_isolated:
            return [
                "NOT isolated: the submission ran with the rights of whoever ran it; it could read "
                "that user's files, the references too, use the network, and leave processes",
                *lines,
            ]
        who = "as nobody" if os.getuid() == 0 else "as the same user in a user namespace"
        return [
            "isolated: a root of its own that holds the system's programs, the interpreter, the "
            "submission and its recordings, nothing else; no network; no processes but its own; "
            f"{who}, without rights",
            "not covered: flaws of the kernel; a submission that learnt these recordings elsewhere",
            *lines,
        ]

    def run(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Outcome:
        """Run a program to its end, or to the end of its limits.

        Args:
            command: Program and arguments, paths as the program sees them.
            cwd: Where it starts, in the scratch folder.
            environment: All there is of it.

        Raises:
            ConfigError: When no cell can be made, or the program cannot be started.
        """
        root = self.scratch.with_name(f".{self.scratch.name}.root")
        root.mkdir(exist_ok=True)
        reading, writing = os.pipe()
        order = {
            "isolated": self.is_isolated,
            "status": writing,
            "root": str(root),
            "links": [
                (name, str(Path(name).readlink())) for name in SYSTEM if Path(name).is_symlink()
            ],
            "visible": [(str(path), str(path)) for path in self._seen()],
            "writable": [(str(self.scratch), SCRATCH), (str(self._temporary()), "/tmp")],
            "devices": [str(device) for device in self.devices],
            "cwd": self.inside(cwd),
            "user": NOBODY if self.is_isolated and os.getuid() == 0 else None,
            "command": list(command),
            "environment": dict(environment),
            "limits": self._limits(),
        }
        if order["user"] is not None:
            _give(self.scratch, NOBODY)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CELL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            env={},
            start_new_session=True,
        )
        os.close(writing)
        try:
            with os.fdopen(reading, encoding="utf-8", errors="replace") as status:
                return self._watch(process, order, status, began)
        finally:
            _end(process)
            root.rmdir()

    def _seen(self) -> list[Path]:
        """List what is bound, folders before what is in them, and nothing twice."""
        candidates = [Path(name) for name in (*SYSTEM, *SETTINGS) if Path(name).exists()]
        kept: list[Path] = []
        for path in [each for each in candidates if not each.is_symlink()] + sorted(self.visible):
            if not any(path.is_relative_to(other) for other in kept):
                kept.append(path)
        return kept

    def _temporary(self) -> Path:
        path = self.scratch / "tmp"
        path.mkdir(exist_ok=True)
        return path

    def _limits(self) -> dict[str, int]:
        limits = self.limits
        found = {
            "RLIMIT_AS": int(limits.memory_gb * _GIGA),
            "RLIMIT_CPU": max(1, int(limits.cpu_seconds)),
            "RLIMIT_FSIZE": int(limits.disk_gb * _GIGA),
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 4096,
        }
        if self.is_isolated:  # elsewhere it would count all processes of the same user
            found["RLIMIT_NPROC"] = limits.processes
        return found

    def _watch(
        self,
        process: "subprocess.Popen[bytes]",
        order: Mapping[str, object],
        status: IO[str],
        began: float,
    ) -> Outcome:
        assert process.stdin is not None
        assert process.stdout is not None
        tail = Tail(process.stdout)
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(order).encode())
        first = status.readline().split()
        group = Group(
            int(first[1]) if first[:1] == ["pid"] else None, by_namespace=self.is_isolated
        )
        ending, most = self._wait(process, group, began)
        _end(process)
        seconds = time.monotonic() - began
        said = [" ".join(first), *(line.strip() for line in status)]
        tail.finish()
        self._refuse(said)
        words = dict(line.split(maxsplit=1) for line in said if " " in line)
        code, killed = words.get("exit"), words.get("signal")
        if ending is None:
            ending = "finished" if code == "0" else "failed"
            ending = "timeout" if killed == str(int(signal.SIGXCPU)) else ending
            ending = "disk" if killed == str(int(signal.SIGXFSZ)) else ending
        return Outcome(
            ending=ending,
            seconds=seconds,
            output=tail.text(),
            exit_code=None if code is None else int(code),
            signal=None if killed is None else int(killed),
            most_memory_gb=most / _GIGA,
        )

    def _wait(
        self, process: "subprocess.Popen[bytes]", group: Group, began: float
    ) -> tuple[Ending | None, int]:
        """Wait for the end, and return why it was brought about, None if by itself."""
        limits, most, looks = self.limits, 0, 0
        while process.poll() is None:
            if time.monotonic() - began > limits.seconds:
                return "timeout", most
            most = max(most, group.memory())
            if most > limits.memory_gb * _GIGA:
                return "memory", most
            if looks % 10 == 9 and is_full(self.scratch, int(limits.disk_gb * _GIGA)):
                return "disk", most
            looks += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        return None, most

    def _refuse(self, said: Sequence[str]) -> None:
        for line in said:
            if line.startswith("error "):
                where = "in a cell" if self.is_isolated else "here"
                raise ConfigError(
                    f"the submission cannot be run {where}: {line.removeprefix('error ')}",
                    hint="run as root, or where unprivileged user namespaces are allowed "
                    "(`kernel.unprivileged_userns_clone = 1`); `--set isolation=none` runs it "
                    "with your own rights, and the references within its reach"
                    if self.is_isolated
                    else "check the interpreter and the limits",
                )


def _give(folder: Path, user: int) -> None:
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place) / name for name in names)):
            os.chown(path, user, user, follow_symlinks=False)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program and all its processes; with process 1 of a cell, everything in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
