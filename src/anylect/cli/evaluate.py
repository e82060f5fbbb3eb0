"""`anylect evaluate`."""

from pathlib import Path

import click

from anylect.cli.options import device_option, hotwords_option, lm_option, set_option
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
@lm_option
@hotwords_option
@device_option
@set_option("seed=1")
def command(overrides: tuple[str, ...], **given: object) -> None:
    """Score BUNDLE on MANIFEST: WER and CER with 95 % intervals, and a signature to quote."""
    from anylect.cli.terminal import bar
    from anylect.workflows.evaluate import EvaluateConfig, evaluate

    config = load_config(EvaluateConfig, overrides=overrides, **given)
    with bar("evaluating") as progress:
        report = evaluate(config, progress=progress)
    click.echo(report.text())
