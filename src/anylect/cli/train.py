"""`anylect train`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from anylect.cli.options import device_option, set_option
from anylect.config import load_config

if TYPE_CHECKING:
    from anylect.workflows.train import TrainConfig


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--manifest", type=click.Path(path_type=Path), help="What to learn from.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The run folder.")
@click.option("--language", help="BCP 47 tag, e.g. `ka`; by default what the manifest says.")
@device_option
@click.option("--resume", is_flag=True, help="Continue the run in the run folder.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be learnt from, how many weights, updates, how much memory and time.",
)
@click.option(
    "--from-run-sh",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a command line of run_speech_recognition_ctc.py as a recipe, to `--output`.",
)
@set_option("optimizer.learning_rate=1e-4")
def command(
    config: Path | None,
    overrides: tuple[str, ...],
    *,
    resume: bool,
    dry_run: bool,
    from_run_sh: Path | None,
    **given: Path | str | None,
) -> None:
    """Fine-tune or train a recogniser as CONFIG, a TOML file, says.

    `--resume` alone, with the run folder as `--output`, continues with the settings kept there.
    """
    from anylect.workflows.train import TrainConfig

    output = given["output"]
    if from_run_sh is not None:
        _translate(from_run_sh, output if isinstance(output, Path) else None)
        return
    if config is None and resume and isinstance(output, Path):
        config = output / "config.toml"
    settings = load_config(TrainConfig, config, overrides=overrides, **given)
    _report(settings) if dry_run else _train(settings, resume=resume)


def _train(settings: "TrainConfig", *, resume: bool) -> None:
    from anylect.cli.terminal import TrainingView
    from anylect.workflows.train import train

    with TrainingView() as view:
        report = train(settings, listeners=[view], resume=resume)
    if report.rank == 0:  # of several processes one speaks
        for line in report.lines():
            click.echo(line)


def _report(settings: "TrainConfig") -> None:
    from anylect.workflows.dry_run import dry_run

    for line in dry_run(settings).lines():
        click.echo(line)


def _translate(script: Path, recipe: Path | None) -> None:
    """Write the recipe to a file or stdout, and name on stderr what it cannot say."""
    from anylect.workflows.run_sh import translate_file

    translated = translate_file(script)
    if recipe is None:
        click.echo(translated.toml, nl=False)
    else:
        translated.save(recipe)
        click.echo(f"recipe: {recipe}", err=True)
    for name, reason in translated.unmatched:
        click.echo(f"no equivalent: {name}: {reason}", err=True)
