"""How many cores the arithmetic takes."""

import torch


def use_threads(count: int | None) -> None:
    """Let CPU arithmetic use so many threads; None leaves what torch chose."""
    if count is not None:
        torch.set_num_threads(count)
