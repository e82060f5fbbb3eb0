"""`anylect compare`."""

import json
from contextlib import nullcontext
from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config
from anylect.progress import silent


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Evaluate the bundles A and B on this first.",
)
@click.option("--split", help="Only this split of the manifest, e.g. `test`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@set_option("device=cpu")
def command(
    first: Path,
    second: Path,
    manifest: Path | None,
    split: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Say whether B is better than A on the same utterances, and how small a gain would show.

    A and B are the `….utterances.jsonl` that `anylect evaluate` left in `evidence`, or bundles
    that hold one such set in common, or with --manifest two bundles to evaluate.
    """
    from anylect.cli.terminal import bar
    from anylect.workflows.compare import CompareConfig, compare

    config = load_config(
        CompareConfig,
        overrides=overrides,
        first=first,
        second=second,
        manifest=manifest,
        split=split,
    )
    with bar("evaluating") if manifest else nullcontext(silent) as progress:
        comparison = compare(config, progress=progress)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), ensure_ascii=False, indent=2))
    else:
        click.echo(comparison.text())
