"""`anylect evaluate`."""

from pathlib import Path
from typing import Any

import click

from anylect.config import load_config


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--split", help="Score only this split, e.g. `test`; by default every line.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the report and the scored utterances; by default the bundle's `evidence`.",
)
@click.option(
    "--lm",
    type=click.Path(path_type=Path),
    metavar="PATH|none",
    help="A language model (.bin, .arpa) instead of the bundle's own; `none`: without any.",
)
@click.option(
    "--hotwords",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file of phrases to favour, one a line; a weight may follow behind a tab (10).",
)
@click.option("--device", help="`cpu`, `cuda`, `cuda:1`, `mps`; the best there is by default.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting, e.g. `--set seed=1`.",
)
def command(overrides: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401
    """Score BUNDLE on MANIFEST: WER and CER with 95 % intervals, and a signature to quote."""
    from anylect.cli.terminal import bar
    from anylect.workflows.evaluate import EvaluateConfig, evaluate

    config = load_config(EvaluateConfig, overrides=overrides, **given)
    with bar("evaluating") as progress:
        report = evaluate(config, progress=progress)
    click.echo(report.text())
