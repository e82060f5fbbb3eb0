"""`anylect verify`."""

from pathlib import Path

import click

from anylect.cli.options import device_option, set_option
from anylect.config import load_config


@click.command()
@click.argument("bundle")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Where the data are that claims were made on; sets on the Hub are fetched.",
)
@click.option("--name", help="Only this evaluation of the evidence, e.g. `manifest.test`.")
@device_option
@set_option("parity=false")
def command(overrides: tuple[str, ...], **given: object) -> None:
    """Measure again what BUNDLE claims, and say whether it holds and what differs.

    Exit 0 where every claim was measured and holds, 1 otherwise.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.verify import VerifyConfig, verify

    with bar("verifying") as progress:
        found = verify(load_config(VerifyConfig, overrides=overrides, **given), progress=progress)
    for line in found.lines():
        click.echo(line)
    if not found.holds:
        raise SystemExit(1)
