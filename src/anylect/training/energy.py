"""How much energy a machine takes while something runs, as far as it tells.

Linux counts the joules of processor packages and sometimes of memory (RAPL, below
`/sys/class/powercap`); reading them needs rights that most systems keep to root. NVIDIA's driver
tells the power its cards draw now, which is read every few seconds and added up. Both are of the
whole machine, whoever uses it, and of nothing else in it: no fans, disks, losses of the supply.
"""

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_INTERVAL_SECONDS = 5.0
"""A package of 200 W overflows its counter of 262 kJ within 20 minutes."""
_QUERY = ("--query-gpu=index,power.draw", "--format=csv,noheader,nounits")


@dataclass
class _Counter:
    """A counter of microjoules that begins anew when it is full."""

    path: Path
    full: int
    last: int
    joules: float = 0.0

    def read(self) -> None:
        now = int((self.path / "energy_uj").read_text())
        grown = now - self.last if now >= self.last else now + self.full - self.last
        self.joules += grown / 1e6
        self.last = now


@dataclass
class _Cards:
    """Watts of every card when last looked at, and joules since."""

    command: str
    at: float = 0.0
    watts: dict[str, float] = field(default_factory=dict)
    joules: dict[str, float] = field(default_factory=dict)

    def read(self) -> None:
        now, watts = time.monotonic(), _draw(self.command)
        for card, power in watts.items():
            before = self.watts.get(card, power)
            spent = (power + before) / 2 * (now - self.at) if self.at else 0.0
            self.joules[card] = self.joules.get(card, 0.0) + spent
        self.at, self.watts = now, watts


class EnergyMeter:
    """Counts joules by source from `start` on; `silence` says why there are none."""

    def __init__(self, powercap: Path = POWERCAP, command: str = "nvidia-smi") -> None:
        self._powercap, self._command = powercap, command
        self._counters: dict[str, _Counter] = {}
        self._cards: _Cards | None = None
        self._lock, self._done = threading.Lock(), threading.Event()
        self.silence: str | None = None

    def start(self) -> None:
        """Begin to count, in a thread of its own."""
        reasons: list[str] = []
        self._counters = _open_counters(self._powercap, reasons)
        if shutil.which(self._command) and _draw(self._command):
            self._cards = _Cards(self._command)
        else:
            reasons.append(f"no card tells `{self._command}` its power")
        if not self._counters and self._cards is None:
            self.silence = "; ".join(reasons)
            return
        self.read()
        threading.Thread(target=self._watch, daemon=True).start()

    def read(self) -> dict[str, float]:
        """Return the joules of each source since `start`."""
        with self._lock:
            for counter in self._counters.values():
                with contextlib.suppress(OSError, ValueError):
                    counter.read()
            if self._cards is not None:
                self._cards.read()
            cards = self._cards.joules if self._cards is not None else {}
            return {name: counter.joules for name, counter in self._counters.items()} | cards

    def stop(self) -> None:
        """Let the thread end."""
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL_SECONDS):
            self.read()


def _open_counters(powercap: Path, reasons: list[str]) -> dict[str, _Counter]:
    """Open the counters of packages and of memory; parts of a package are in it already."""
    found = dict(_zones(powercap))
    if not found:
        reasons.append(f"no energy counters below {powercap}")
    counters: dict[str, _Counter] = {}
    for name, path in found.items():
        try:
            now = int((path / "energy_uj").read_text())
            full = int((path / "max_energy_range_uj").read_text())
        except (OSError, ValueError) as error:
            reasons.append(f"{path / 'energy_uj'} cannot be read ({error})")
            continue
        counters[name] = _Counter(path, full, now)
    return counters


def _zones(powercap: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(powercap.glob("intel-rapl:*")):
        with contextlib.suppress(OSError):
            name = (path / "name").read_text().strip()
            # `psys` is the whole board, packages included, where there is one.
            if name.startswith("package") or name == "dram":
                zone = path.name.partition(":")[2]
                yield f"{name} ({zone})", path


def _draw(command: str) -> dict[str, float]:
    """Ask the driver for the watts of every card; empty where it does not tell."""
    try:
        answer = subprocess.run(
            [command, *_QUERY], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    watts: dict[str, float] = {}
    for line in answer.splitlines():
        card, _, power = line.partition(",")
        with contextlib.suppress(ValueError):
            watts[f"card {card.strip()}"] = float(power)
    return watts
