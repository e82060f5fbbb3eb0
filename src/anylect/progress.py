"""How long work says how far it is, without knowing who listens.

The library never prints. A function that takes long accepts a `Progress`; the command line
passes one that draws a bar, tests pass none.
"""

from typing import Protocol


class Progress(Protocol):
    """Told now and then that `done` of `total` pieces are finished; `total` may be unknown."""

    def __call__(self, done: int, total: int | None, /) -> None: ...


def silent(done: int, total: int | None, /) -> None:
    """Listen to nothing."""
