"""`anylect demo`."""

from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config


@click.command()
@click.option("--language", default="en", show_default=True, help="One with built-in text.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for corpus and run; by default runs/demo-LANGUAGE, made anew.",
)
@set_option()
def command(language: str, output: Path | None, overrides: tuple[str, ...]) -> None:
    """Speak a small language, learn it from nothing, score it, and transcribe a recording.

    The speech is synthetic (eSpeak NG): this shows that everything works, in a few minutes and
    without any download. Built-in text: de, en, es, fi, hi, id, ka, ko, sw, tr, vi.
    """
    from anylect.cli.terminal import TrainingView, console
    from anylect.workflows.demo import DemoConfig, demo

    config = load_config(
        DemoConfig,
        overrides=overrides,
        language=language,
        output=output or Path("runs") / f"demo-{language}",
    )
    console.print("the speech of this demo is synthetic: eSpeak NG speaks a built-in text")
    with TrainingView() as view:
        report = demo(config, listeners=[view], progress=view.bar("speaking"))
    for line in report.lines():
        click.echo(line)
