"""`anylect transcribe`."""

import sys
from pathlib import Path
from typing import Any

import click

from anylect.cli.main import fail
from anylect.cli.options import device_option, hotwords_option, lm_option
from anylect.config import load_config
from anylect.errors import ConfigError


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
@lm_option
@hotwords_option
@device_option
@click.option(
    "--live",
    is_flag=True,
    help="Transcribe while it lasts: `-` is mono 16-bit PCM on stdin; a file is paced as spoken.",
)
@click.option("--rate", type=int, metavar="HZ", help="Of PCM on stdin; the model's by default.")
def command(
    recordings: tuple[Path, ...], form: str, *, live: bool, rate: int | None, **given: object
) -> None:
    """Write down what RECORDINGS say, with the recogniser in BUNDLE.

    Takes audio and video of any length, rate and channel count. A recording that cannot be read
    is reported; the others are transcribed, and the exit code is 1.

    With `--live`, what is being said shows on stderr, and a line on stdout after every pause.
    """
    from anylect.workflows.transcribe import TranscribeConfig, transcribe

    if live:
        _transcribe_live(recordings, form, rate=rate, **given)
        return
    if rate is not None or Path("-") in recordings:
        raise ConfigError(
            "samples on stdin and their `--rate` need `--live`",
            hint="`arecord -t raw -f S16_LE -r 16000 | anylect transcribe BUNDLE - --live "
            "--rate 16000`",
        )
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


def _transcribe_live(
    recordings: tuple[Path, ...], form: str, *, rate: int | None, **given: object
) -> None:
    """Show what is being said on stderr, and write each sentence to stdout."""
    from anylect.cli.terminal import LiveView
    from anylect.workflows.transcribe_live import LiveConfig, LiveReport, transcribe_live

    if len(recordings) > 1 or given.pop("output") is not None:
        raise ConfigError(
            "`--live` takes one recording and writes to stdout",
            hint="give one file, or `-` for samples on stdin",
        )
    settings: dict[str, Any] = {"recording": recordings[0], "form": form, "rate": rate, **given}
    config = load_config(LiveConfig, **settings)
    report: LiveReport | None = None
    with LiveView() as view:
        for event in transcribe_live(config, pcm=sys.stdin.buffer):
            if isinstance(event, LiveReport):
                report = event
            elif isinstance(event, str):
                view.show("")
                click.echo(event, nl=False)
                sys.stdout.flush()
            else:
                view.show(event.text, stable=event.stable)
    if report is not None:
        click.echo(report.line, err=True)
