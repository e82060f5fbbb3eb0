"""`anylect eval`, the same program as the `eval.py` of every bundle."""

from pathlib import Path

import click

from anylect.cli.options import lm_option, set_option
from anylect.config import load_config


@click.command()
@click.option("--model_id", "--model-id", required=True, help="A bundle, or its name on the Hub.")
@click.option(
    "--dataset",
    required=True,
    help="On the Hub; or a folder of `datasets`, a corpus such as Common Voice, a manifest.",
)
@click.option("--config", help="Of the data set, e.g. the locale for Common Voice.")
@click.option("--split", required=True, help="Of the data set, e.g. `test` or `test[:100]`.")
@click.option(
    "--chunk_length_s",
    "--chunk-length-s",
    type=float,
    help="Cut recordings as the reference does, into chunks of so many seconds; by default long "
    "recordings are heard in windows of ours.",
)
@click.option(
    "--stride_length_s",
    "--stride-length-s",
    type=float,
    help="Overlap of chunks at both ends, seconds; by default a sixth of a chunk.",
)
@click.option(
    "--log_outputs", "--log-outputs", is_flag=True, help="Write predictions and targets, too."
)
@click.option("--device", help="-1: the CPU, 0: the first GPU; or `cpu`, `cuda:1`, `mps`.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the result files; by default the one you stand in.",
)
@lm_option
@set_option("parity=refuse")
def command(overrides: tuple[str, ...], **given: object) -> None:
    """Score a model on a data set: WER and CER as fractions, in the challenge's files.

    The result goes to stdout as `WER: …` and `CER: …`; intervals, speed and what cutting changes
    go to stderr, and all of it into the bundle's `evidence`.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.eval import EvalConfig, evaluate_contract

    config = load_config(EvalConfig, overrides=overrides, **given)
    with bar("evaluating") as progress:
        found = evaluate_contract(config, progress=progress)
    click.echo(found.text(), err=True)
    click.echo(found.results)
