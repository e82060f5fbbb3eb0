"""Options that several commands have, in the same words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

device_option = click.option(
    "--device", help="`cpu`, `cuda`, `cuda:1`, `mps`; the best there is by default."
)
lm_option = click.option(
    "--lm",
    type=click.Path(path_type=Path),
    metavar="PATH|none",
    help="A language model (.bin, .arpa) instead of the bundle's own; `none`: without any.",
)
hotwords_option = click.option(
    "--hotwords",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file of phrases to favour, one a line; a weight may follow behind a tab (10).",
)


def set_option(example: str = "") -> Decorator:
    """Return the option `--set`, with a setting of this command as an example."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Any setting, e.g. `--set {example}`." if example else "Any setting.",
    )
