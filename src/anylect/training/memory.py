"""What to say when a batch is too large for the memory there is."""

import contextlib
from collections.abc import Iterator

import torch

from anylect.errors import TrainingError


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Say what to do when memory runs out, in a card or in this machine.

    Raises:
        TrainingError: Instead of what torch or Python raise then.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        reason = (str(error).strip().splitlines() or ["none is left"])[0]
        raise TrainingError(
            f"a batch does not fit into memory ({reason})",
            hint="begin anew with fewer `batches.seconds` and as much more `batches.accumulation`; "
            "the newest checkpoint is whole",
        ) from error
