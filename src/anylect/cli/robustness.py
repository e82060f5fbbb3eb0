"""`anylect robustness`."""

from pathlib import Path

import click

from anylect.cli.options import device_option, set_option
from anylect.config import load_config


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--split", help="Score only this split, e.g. `test`; by default every line.")
@click.option(
    "--only",
    multiple=True,
    metavar="CONDITION",
    help="Only these, by name or pattern, e.g. `noise-*`; may be given several times.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A TOML file with settings, e.g. a `[grid]` of conditions.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for `robustness.json` and the scores; by default the bundle's `evidence`.",
)
@device_option
@set_option("grid.noise_folder=noise")
def command(
    bundle: Path,
    manifest: Path,
    config: Path | None,
    only: tuple[str, ...],
    overrides: tuple[str, ...],
    **given: Path | str | None,
) -> None:
    """Score BUNDLE on MANIFEST under noise, in rooms, over phones and codecs.

    Conditions that were measured before are not measured again. The figure at the top is the mean
    relative degradation: errors under a condition over errors on clean speech, minus one.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.robustness import RobustnessConfig, robustness

    settings = load_config(
        RobustnessConfig,
        config,
        overrides=overrides,
        bundle=bundle,
        manifest=manifest,
        only=only or None,
        **given,
    )
    with bar("conditions") as progress:
        report = robustness(settings, progress=progress)
    click.echo(report.text())
