"""`anylect transcribe`."""

import sys
from pathlib import Path
from typing import Any

import click

from anylect.cli.main import fail
from anylect.config import load_config


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "srt", "vtt", "textgrid", "eaf"]),
    default="text",
    show_default=True,
    help="What a transcript looks like; JSON, Praat's TextGrid and ELAN's EAF time every word.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for one file a recording, instead of stdout.",
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
def command(recordings: tuple[Path, ...], form: str, **given: object) -> None:
    """Write down what RECORDINGS say, with the recogniser in BUNDLE.

    Takes audio and video of any length, rate and channel count. A recording that cannot be read
    is reported; the others are transcribed, and the exit code is 1.
    """
    from anylect.workflows.transcribe import TranscribeConfig, transcribe

    settings: dict[str, Any] = {"recordings": recordings, "form": form, **given}
    config = load_config(TranscribeConfig, **settings)
    failed = 0
    for transcript in transcribe(config):
        if transcript.error is not None:
            failed += 1
            fail(transcript.error)
        elif transcript.path is not None:
            click.echo(str(transcript.path))
        else:
            if form == "text" and len(recordings) > 1:
                click.echo(f"{transcript.recording}\t", nl=False)
            click.echo(transcript.written, nl=False)
            sys.stdout.flush()
    if failed:
        click.echo(f"{len(recordings) - failed} of {len(recordings)} transcribed", err=True)
        sys.exit(1)
