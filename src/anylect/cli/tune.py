"""`anylect tune`."""

from pathlib import Path

import click

from anylect.cli.options import device_option, set_option
from anylect.config import load_config


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--lm",
    type=click.Path(path_type=Path),
    help="The language model to install (.bin, .arpa); by default the bundle's own is tuned.",
)
@click.option("--split", help="Tune on this split; `dev` by default, `all` for every line.")
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="A manifest to be tested on later: says what stands in both.",
)
@click.option("--force", is_flag=True, default=None, help="Install it even if it gains nothing.")
@device_option
@set_option("threads=8")
def command(overrides: tuple[str, ...], **given: object) -> None:
    """Find how much BUNDLE shall trust a language model, on the dev utterances of MANIFEST.

    Tries weights and beam widths, keeps the best in the bundle, and says what they gain over none.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.tune import TuneConfig, tune

    config = load_config(TuneConfig, overrides=overrides, **given)
    with bar("tuning") as progress:
        report = tune(config, progress=progress)
    for warning in report.warnings:
        click.secho("warning: ", nl=False, err=True, fg="yellow", bold=True)
        click.echo(warning, err=True)
    for line in report.lines():
        click.echo(line)
