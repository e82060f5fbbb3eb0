"""`anylect prepare`."""

import sys
from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for manifest.jsonl and dropped.jsonl.",
)
@click.option("--language", help="BCP 47 tag of the speech, e.g. `ka`, `sr-Latn`, `no`.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run wrote there.")
@set_option("filters.max_seconds=20")
def command(
    source: Path,
    output: Path,
    language: str | None,
    overrides: tuple[str, ...],
    *,
    overwrite: bool,
) -> None:
    """Turn the corpus SOURCE into a manifest, and list what cannot be used and why.

    SOURCE is a folder of recordings with same-named .txt files, a CSV, TSV or JSON Lines table,
    a Common Voice release, a LibriSpeech tree, or a folder of OpenSLR. It is only read, never
    changed.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.prepare import PrepareConfig, prepare

    config = load_config(
        PrepareConfig,
        overrides=overrides,
        source=source,
        output=output,
        language=language,
        overwrite=overwrite or None,
    )
    with bar("reading") as progress:
        report = prepare(config, progress=progress)
    for line in report.lines():
        click.echo(line)
    if not report.kept:
        sys.exit(1)
