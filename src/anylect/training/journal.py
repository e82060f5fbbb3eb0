"""What happened in a run: one JSON line an event, and whoever wants to watch.

The journal is the truth of a run: loss curves, validations and incidents are read from it. The
terminal and other watchers are listeners; none of them is needed.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anylect.errors import TrainingError

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Journal:
    """Appends events to `journal.jsonl` and passes them on.

    Every event has `event` (its kind), `time` (seconds since 1970) and the figures of its kind:
    `start`, `epoch`, `epoch_end`, `update`, `validating`, `validation`, `checkpoint`, `skipped`,
    `doctor`, `restart`, `finish`.
    """

    def __init__(self, path: Path | None, listeners: Sequence[Listener] = ()) -> None:
        self.path = path
        self.listeners = listeners
        if path is not None and path.exists() and path.stat().st_size:
            end_last_line(path)

    def write(self, kind: str, **figures: Any) -> None:  # noqa: ANN401  JSON values
        """Record one event.

        Raises:
            TrainingError: When there is no room, or no right, to write it.
        """
        event: Event = {"event": kind, "time": round(time.time(), 3), **figures}
        if self.path is not None:
            # Names that are not UTF-8 are kept as `\\udcff`, which JSON reads back.
            line = json.dumps(event, ensure_ascii=False) + "\n"
            try:
                with self.path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(line)
            except OSError as error:
                raise TrainingError(
                    f"{self.path}: cannot be written to ({error.strerror})",
                    hint="make room on that disk; `--resume` continues from the last checkpoint",
                ) from error
        for listener in self.listeners:
            listener(event)


def read_journal(path: Path) -> list[Event]:
    """Read all events; lines cut short by a killed run are left out."""
    events: list[Event] = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events


def end_last_line(path: Path) -> None:
    """End a line that a killed run cut short, so that what comes next has its own."""
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":
            stream.write(b"\n")
