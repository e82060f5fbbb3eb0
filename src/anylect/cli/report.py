"""`anylect report`."""

from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config


@click.command()
@click.argument("evidence", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page, `report.html` by default; its JSON is written beside it.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Where the recordings are, to listen to the worst utterances.",
)
@click.option("--title", help="Of the page.")
@set_option("examples=30")
def command(
    evidence: tuple[Path, ...],
    output: Path | None,
    manifest: Path | None,
    title: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Show EVIDENCE, what `anylect evaluate` left, as one page that works offline.

    One scored set makes a full report, two on the same utterances a comparison, more an overview
    with the mean over languages. A bundle stands for its only scored set.
    """
    from anylect.cli.terminal import bar, console
    from anylect.workflows.report import ReportConfig, report

    config = load_config(
        ReportConfig,
        overrides=overrides,
        evidence=evidence,
        output=output,
        manifest=manifest,
        title=title,
    )
    with bar("listening") as progress:
        written = report(config, progress=progress)
    click.echo(written.text)
    console.print(f"page  {written.page}\nJSON  {written.data}", markup=False)
