"""`anylect pull`."""

from pathlib import Path

import click

from anylect.config import load_config


@click.command()
@click.argument("repository")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder; by default the cache of the Hub's own library.",
)
@click.option("--revision", help="Branch, tag or commit; the newest by default.")
def command(repository: str, output: Path | None, revision: str | None) -> None:
    """Download the bundle REPOSITORY (`someone/something`) and print where it is."""
    from anylect.workflows.pull import PullConfig, pull

    config = load_config(PullConfig, repository=repository, output=output, revision=revision)
    click.echo(pull(config))
