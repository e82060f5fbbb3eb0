"""Figures of the updates between two journal lines, of all processes together."""

import math
import time
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor

from anylect.training.loss import BatchLoss
from anylect.training.team import Team

NAMES = ("nats", "tokens", "infeasible", "blanks", "frames")
"""What a batch's loss says, as it is added up."""


@dataclass
class Tally:
    """What adds up; a checkpoint keeps it, so that a resumed run writes the same figures."""

    nats: float = 0.0
    tokens: float = 0.0
    infeasible: float = 0.0
    utterances: float = 0.0
    blanks: float = 0.0
    frames: float = 0.0
    seconds: float = 0.0
    updates: int = 0
    non_finite: int = 0
    """Of these updates, those whose gradients were not finite."""
    gradient_norm: float = 0.0
    """Sum over the updates that had one."""


class Meter:
    """Adds up what the batches of this process say, and reads it off for all processes."""

    def __init__(self, device: torch.device) -> None:
        self.began = time.monotonic()
        self.device = device
        self.tally = Tally()
        """Of all processes, as far as it was collected."""
        # Added up on the device: looking at a number waits for everything before it.
        self._pending: list[Tensor] = []
        self._utterances, self._seconds = 0, 0.0

    def add(self, loss: BatchLoss, *, utterances: int, seconds: float) -> None:
        """Count one batch, or this process's share of it."""
        figures = (loss.nats, loss.tokens, loss.infeasible, loss.blanks, loss.frames)
        self._pending.append(
            torch.stack(
                [
                    torch.as_tensor(figure, device=self.device).detach().to(torch.float32)
                    for figure in figures
                ]
            )
        )
        self._utterances += utterances
        self._seconds += seconds

    def note_update(self, norm: float | None) -> None:
        """Count one update by its gradient's norm; None where it was not finite."""
        self.tally.updates += 1
        if norm is None:
            self.tally.non_finite += 1
        else:
            self.tally.gradient_norm += norm

    def collect(self, team: Team) -> Tally:
        """Add up what all processes counted; every process must ask."""
        sums = [0.0] * len(NAMES)
        for each in self._pending:
            nats, tokens, *counts = each.tolist()
            # What is not finite says nothing of the others.
            heard = (nats, tokens) if math.isfinite(nats) else (0.0, 0.0)
            sums = [total + more for total, more in zip(sums, (*heard, *counts), strict=True)]
        mine = dict(zip(NAMES, sums, strict=True))
        mine |= {"utterances": float(self._utterances), "seconds": self._seconds}
        self._pending, self._utterances, self._seconds = [], 0, 0.0
        for theirs in team.gather(mine):
            for name, value in theirs.items():
                setattr(self.tally, name, getattr(self.tally, name) + value)
        return self.tally

    def read(self, team: Team) -> dict[str, float]:
        """Return the figures since the last reading and begin anew; every process must ask."""
        tally = self.collect(team)
        elapsed = max(time.monotonic() - self.began, 1e-9)
        figures = {
            "loss": tally.nats / tally.tokens if tally.tokens else math.nan,
            "blank_rate": tally.blanks / max(tally.frames, 1),
            "gradient_norm": tally.gradient_norm / max(tally.updates - tally.non_finite, 1),
            "infeasible": int(tally.infeasible),
            "utterances": int(tally.utterances),
            "non_finite": tally.non_finite,
            "updates": tally.updates,
            "audio_seconds": tally.seconds,
            "audio_seconds_per_second": tally.seconds / elapsed,
        }
        self.tally = Tally()
        self.began = time.monotonic()
        return figures

    def state(self, team: Team) -> dict[str, float]:
        """Return what was counted so far, for a checkpoint; every process must ask."""
        return asdict(self.collect(team))

    def restore(self, state: dict[str, float]) -> None:
        """Go on counting where a checkpoint stood."""
        self._pending, self._utterances, self._seconds = [], 0, 0.0
        known = {field.name for field in fields(Tally)}
        self.tally = Tally(**{name: value for name, value in state.items() if name in known})  # type: ignore[arg-type]  # numbers as they were
