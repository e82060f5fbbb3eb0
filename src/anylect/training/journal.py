"""What happened in a run: one JSON line an event, and whoever wants to watch.

The journal is the truth of a run: loss curves, validations and incidents are read from it. The
terminal and other watchers are listeners; none of them is needed.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Journal:
    """Appends events to `journal.jsonl` and passes them on.

    Every event has `event` (its kind), `time` (seconds since 1970) and the figures of its kind:
    `start`, `update`, `validation`, `checkpoint`, `skipped`, `finish`.
    """

    def __init__(self, path: Path | None, listeners: Sequence[Listener] = ()) -> None:
        self.path = path
        self.listeners = listeners

    def write(self, kind: str, **figures: Any) -> None:  # noqa: ANN401  JSON values
        """Record one event."""
        event: Event = {"event": kind, "time": round(time.time(), 3), **figures}
        if self.path is not None:
            # Names that are not UTF-8 are kept as `\\udcff`, which JSON reads back.
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(json.dumps(event, ensure_ascii=False) + "\n")
        for listener in self.listeners:
            listener(event)


def read_journal(path: Path) -> list[Event]:
    """Read all events; a last line cut short by a killed run is left out."""
    events: list[Event] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return events
