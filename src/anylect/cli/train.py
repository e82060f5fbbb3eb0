"""`anylect train`."""

from pathlib import Path

import click

from anylect.config import load_config


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--manifest", type=click.Path(path_type=Path), help="What to learn from.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The run folder.")
@click.option("--language", help="BCP 47 tag, e.g. `ka`; by default what the manifest says.")
@click.option("--device", help="`cpu`, `cuda`, `cuda:1`, `mps`; the best there is by default.")
@click.option("--resume", is_flag=True, help="Continue the run in the run folder.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting, e.g. `--set optimizer.learning_rate=1e-4`.",
)
def command(
    config: Path | None,
    overrides: tuple[str, ...],
    *,
    resume: bool,
    **given: Path | str | None,
) -> None:
    """Fine-tune or train a recogniser as CONFIG, a TOML file, says.

    `--resume` alone, with the run folder as `--output`, continues with the settings kept there.
    """
    from anylect.cli.terminal import TrainingView
    from anylect.workflows.train import TrainConfig, train

    output = given["output"]
    if config is None and resume and isinstance(output, Path):
        config = output / "config.toml"
    settings = load_config(TrainConfig, config, overrides=overrides, **given)
    with TrainingView() as view:
        report = train(settings, listeners=[view], resume=resume)
    for line in report.lines():
        click.echo(line)
