"""What every decoder keeps, so that whoever transcribes need not know which one it has.

`Emissions ──decoding──▶ Hypothesis`: `greedy.GreedyDecoder` and `beam.BeamDecoder` are such.
"""

from dataclasses import dataclass
from typing import Protocol

from anylect.records import Emissions, Hypothesis


@dataclass(frozen=True, slots=True)
class Partial:
    """What a stream has heard so far; `text` begins with `stable`, which will not change."""

    text: str
    stable: str


class DecoderStream(Protocol):
    """One recording being decoded; feed it emissions in order, then finish."""

    def feed(self, emissions: Emissions) -> None:
        """Take in the next piece of emissions, (T, V)."""

    def partial(self) -> Partial:
        """Return the best hypothesis so far, and how much of it will stay."""

    def finish(self) -> Hypothesis:
        """Return everything heard."""


class Decoder(Protocol):
    """What turns emissions into text; may be used by several threads at once."""

    @property
    def signature(self) -> str:
        """How scores name it, with everything its text depends on."""

    def decode(self, emissions: Emissions) -> Hypothesis:
        """Decode a whole utterance; word times are seconds from the recording's beginning."""

    def stream(self) -> DecoderStream:
        """Begin a recording that comes in pieces."""
