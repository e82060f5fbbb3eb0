"""The log of a benchmark: one JSON line an event, and the figures that follow from them.

A line has `time_ms` (since 1970), `key`, `value` and `metadata`, as MLPerf's logs do; keys are
theirs where they mean the same. The result is read off the log alone, so a run that was killed
and resumed, however often, is judged by what was written down while it ran.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.errors import TrainingError
from anylect.training.journal import end_last_line, read_journal

Entry = dict[str, Any]
SUCCESS, ABORTED = "success", "aborted"
"""Values of `run_stop`: the target was reached, or the epochs are over."""


class BenchmarkLog:
    """Appends to `benchmark.jsonl`; without a path it writes nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None and path.exists() and path.stat().st_size:
            end_last_line(path)

    def write(
        self,
        key: str,
        value: Any = None,  # noqa: ANN401  JSON values
        *,
        time_ms: int | None = None,
        **metadata: Any,  # noqa: ANN401  JSON values
    ) -> None:
        """Record one event, of now unless its time is given.

        Raises:
            TrainingError: When there is no room, or no right, to write it.
        """
        if self.path is None:
            return
        entry: Entry = {
            "time_ms": now_ms() if time_ms is None else time_ms,
            "key": key,
            "value": value,
            "metadata": metadata,
        }
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            raise TrainingError(
                f"{self.path}: cannot be written to ({error.strerror})",
                hint="make room on that disk; `--resume` continues, and the clock runs on",
            ) from error

    def read(self) -> list[Entry]:
        """Return what was recorded so far."""
        if self.path is None or not self.path.exists():
            return []
        return [entry for entry in read_journal(self.path) if "key" in entry]


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return round(time.time() * 1000)


def find(entries: Iterable[Entry], key: str) -> list[Entry]:
    """Return the entries of one key, in their order."""
    return [entry for entry in entries if entry["key"] == key]


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long a run took, from `run_start` to `run_stop`, in seconds."""

    wall: float
    downtime: float
    """Of it, between the last sign of a killed sitting and the start of the next."""
    restarts: int

    @property
    def running(self) -> float:
        """Without downtime; what was lost by a kill and done again is in it."""
        return self.wall - self.downtime


def measure_times(entries: Sequence[Entry]) -> Times:
    """Read off how long a finished run took.

    Example:
        >>> entries = [
        ...     {"key": "run_start", "time_ms": 1_000, "metadata": {}},
        ...     {"key": "run_resume", "time_ms": 9_000, "metadata": {"downtime_ms": 3_000}},
        ...     {"key": "run_stop", "time_ms": 11_000, "metadata": {}},
        ... ]
        >>> times = measure_times(entries)
        >>> times.wall, times.running, times.restarts
        (10.0, 7.0, 1)
    """
    (start, *_), (stop, *_) = find(entries, "run_start"), find(entries, "run_stop")
    resumed = find(entries, "run_resume")
    return Times(
        wall=(stop["time_ms"] - start["time_ms"]) / 1000,
        downtime=sum(entry["metadata"]["downtime_ms"] for entry in resumed) / 1000,
        restarts=len(resumed),
    )


def measure_throughput(entries: Sequence[Entry]) -> dict[str, float] | None:
    """Read off how much was heard in a second of training, validation and downtime apart."""
    figures = [entry["metadata"] for entry in find(entries, "throughput")]
    seconds = sum(figure["training_seconds"] for figure in figures)
    if not seconds:
        return None
    return {
        f"{what}_per_second": round(sum(figure[what] for figure in figures) / seconds, 3)
        for what in ("audio_seconds", "utterances")
    }


def measure_energy(entries: Sequence[Entry]) -> dict[str, Any]:
    """Add up the joules of all sittings, or say why there are none.

    A sitting that was killed has told its joules at its last evaluation: what it took after that
    is missing, and `is_complete` false.
    """
    joules: dict[str, float] = {}
    sitting: dict[str, float] = {}
    reasons: dict[str, None] = {}
    for entry in entries:
        if entry["key"] == "run_resume":
            joules, sitting = _added(joules, sitting), {}
        elif entry["key"] == "energy" and entry["value"] is None:
            reasons[entry["metadata"]["reason"]] = None
        elif entry["key"] == "energy":
            sitting = entry["metadata"]["joules"]
    joules = _added(joules, sitting)
    if not joules:
        return {"joules": None, "reason": "; ".join(reasons) or "nothing was measured"}
    return {
        "joules": round(sum(joules.values()), 1),
        "sources": {name: round(value, 1) for name, value in joules.items()},
        "is_complete": not find(entries, "run_resume"),
        "covers": "the whole machine's processor packages, memory and cards, as far as named",
    }


def _added(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    return {name: left.get(name, 0.0) + right.get(name, 0.0) for name in {**left, **right}}
