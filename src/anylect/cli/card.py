"""`anylect card BUNDLE` and `anylect card lint README.md`."""

from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config


class CardGroup(click.Group):
    """Takes whatever is no command of its own for a bundle."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        first = next((each for each in arguments if not each.startswith("-")), None)
        if first is not None and first not in self.commands:
            arguments = ["write", *arguments]
        return super().parse_args(context, arguments)


@click.group(cls=CardGroup)
def command() -> None:
    """Write a bundle's model card from its evidence, or look for mistakes in any card.

    `anylect card BUNDLE` writes `README.md`, the curves and `.eval_results/`;
    `--license apache-2.0` says what no measurement can say, and is kept.
    """


@command.command("write")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--license", help="Of the weights, e.g. `apache-2.0`.")
@set_option("card.name=xls-r-300m-sv")
def write(bundle: Path, license: str | None, overrides: tuple[str, ...]) -> None:
    """Write BUNDLE's card: `README.md`, curves and `.eval_results/`, from its evidence."""
    from anylect.workflows.card import CardConfig, write_card

    given = (*overrides, *([f'card.license="{license}"'] if license else []))
    written = write_card(load_config(CardConfig, overrides=given, bundle=bundle))
    for path in written.files:
        click.echo(path)
    for finding in written.findings:
        click.echo(finding, err=True)


@command.command("lint")
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path))
def lint(cards: tuple[Path, ...]) -> None:
    """Look for wrong units, missing splits, wrong languages and more in CARDS or their folders."""
    from anylect.workflows.card import lint as look

    wrong = False
    for path in cards:
        findings = look(path)
        wrong |= any(finding.level == "error" for finding in findings)
        for finding in findings:
            click.echo(f"{path}: {finding}")
        if not findings:
            click.echo(f"{path}: nothing to complain about")
    if wrong:
        raise SystemExit(1)
