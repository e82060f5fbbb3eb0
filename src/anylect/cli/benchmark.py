"""`anylect benchmark`."""

import sys
from pathlib import Path

import click

from anylect.cli.options import device_option, set_option
from anylect.config import load_config


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("--manifest", type=click.Path(path_type=Path), help="The prepared corpus.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The run folder.")
@device_option
@click.option("--resume", is_flag=True, help="Continue the run in the run folder, and its clock.")
@click.option("--prepare", is_flag=True, help="Fetch and prepare the corpus, and train nothing.")
@set_option("benchmark.source=/data/librispeech")
def command(
    recipe: Path | None,
    overrides: tuple[str, ...],
    *,
    resume: bool,
    prepare: bool,
    **given: Path | str | None,
) -> None:
    """Train from nothing to the target error rate of RECIPE, a TOML file, and time it.

    Exits with 0 only if the target was reached. `--resume` alone, with the run folder as
    `--output`, continues with the settings kept there.
    """
    from anylect.cli.terminal import TrainingView
    from anylect.workflows.benchmark import benchmark, prepare_benchmark
    from anylect.workflows.train import TrainConfig

    output = given["output"]
    if recipe is None and resume and isinstance(output, Path):
        recipe = output / "config.toml"
    config = load_config(TrainConfig, recipe, overrides=overrides, **given)
    with TrainingView() as view:
        if prepare:
            prepare_benchmark(config, bar=view.bar)
            return
        name = recipe.stem if recipe else "benchmark"
        report = benchmark(config, name=name, bar=view.bar, listeners=[view], resume=resume)
    if report.rank:  # of several processes one speaks
        return
    for line in report.lines():
        click.echo(line)
    sys.exit(0 if report.has_reached_target else 1)
