"""`anylect push`."""

from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("repository")
@click.option("--private", is_flag=True, default=None, help="A new one is seen by its owners only.")
@click.option("--dry-run", is_flag=True, default=None, help="Only list what would be uploaded.")
@click.option("--tag", help="Name this state, e.g. `v1`.")
@set_option("check=false")
def command(overrides: tuple[str, ...], **given: object) -> None:
    """Upload BUNDLE to REPOSITORY (`someone/something`), then pull and load it as a check.

    The card is written anew from the evidence first. HF_ENDPOINT leads to another hub than
    Hugging Face's, `hf auth login` or HF_TOKEN gives the right to write.
    """
    from anylect.workflows.push import PushConfig, push

    report = push(load_config(PushConfig, overrides=overrides, **given))
    for line in report.lines():
        click.echo(line)
    for finding in report.findings:
        click.echo(finding, err=True)
