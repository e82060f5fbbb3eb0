"""Python's search for cycles of garbage, put off while a training is prepared.

Libraries and a manifest of 100 hours are a million objects that stay, and Python would look through
all of them again and again while they are made: half a second of nine until the first update.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def put_off_collections() -> Iterator[Callable[[], None]]:
    """Look for no cycles until what is given is called, and then only among what is made later."""
    was_enabled = gc.isenabled()

    def settle() -> None:
        gc.freeze()
        if was_enabled:
            gc.enable()

    gc.disable()
    try:
        yield settle
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
