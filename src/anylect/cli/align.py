"""`anylect align`."""

from pathlib import Path
from typing import Any

import click

from anylect.cli.options import device_option
from anylect.config import load_config

FORMS = {
    ".txt": "text",
    ".json": "json",
    ".srt": "srt",
    ".vtt": "vtt",
    ".textgrid": "textgrid",
    ".eaf": "eaf",
}


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("recording", type=click.Path(path_type=Path))
@click.argument("transcript", required=False, type=click.Path(path_type=Path))
@click.option("--text", help="What is said, instead of a TRANSCRIPT file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS.values())),
    help="What the result looks like; by default what OUTPUT's name says, else text.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, instead of stdout.",
)
@click.option("--characters", is_flag=True, help="Time letters too (json, textgrid, eaf).")
@device_option
def command(bundle: Path, form: str | None, output: Path | None, **given: object) -> None:
    """Find when the words of TRANSCRIPT are said in RECORDING, as the model in BUNDLE hears it.

    A line of TRANSCRIPT is a sentence; words come out as they are written there. Text has start
    and end of each line in seconds, JSON, TextGrid (Praat) and EAF (ELAN) those of every word.
    """
    from anylect.workflows.align import AlignConfig, align

    if form is None and output is not None:
        form = FORMS.get(output.suffix.lower())
    settings: dict[str, Any] = {"bundle": bundle, "form": form, "output": output, **given}
    report = align(load_config(AlignConfig, **settings))
    for warning in report.warnings():
        click.secho("warning: ", nl=False, err=True, fg="yellow", bold=True)
        click.echo(warning, err=True)
    if report.path is not None:
        click.echo(str(report.path))
    else:
        click.echo(report.written, nl=False)
