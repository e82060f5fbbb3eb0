"""`anylect challenge`: rules, runs on hidden sets, scores and the leaderboard."""

import json
from pathlib import Path

import click

from anylect.cli.options import set_option
from anylect.config import load_config

_PATH = click.Path(path_type=Path)
_SET = set_option()
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_ALONE = click.option(
    "--alone", is_flag=True, default=None, help="The language has no set but Common Voice."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Hold a challenge: check submissions, run them on hidden sets, score and rank them."""


@command.command()
@click.argument("repo")
@click.option("--test-set", type=_PATH, help="Manifest or corpus whose words must stay apart.")
@click.option("--split", help="Split of the test set; `test` by default.")
@click.option("--training", type=_PATH, help="Manifest of what it was trained on, if you have it.")
@click.option("--language", help="BCP 47 tag the submission is for; by default that of its card.")
@_JSON
@_SET
def check(overrides: tuple[str, ...], *, as_json: bool, **given: object) -> None:
    """Check REPO against the rules, without running anything of it.

    Exit 0 only where every rule could be checked and is kept.
    """
    from anylect.workflows.challenge_check import ChallengeCheckConfig, check_submission

    checked = check_submission(load_config(ChallengeCheckConfig, overrides=overrides, **given))
    if as_json:
        click.echo(json.dumps(checked.to_json(), ensure_ascii=False, indent=2))
    else:
        click.echo(checked.text())
    if not checked.passes:
        raise SystemExit(1)


@command.command(short_help="Run REPO on a set without references, and score it.")
@click.argument("repo")
@click.argument("manifest", type=_PATH)
@click.option("--hidden", "role", flag_value="hidden", help="It is the hidden set; the default.")
@click.option("--real-world", "role", flag_value="real_world", help="It is the real-world dev set.")
@click.option(
    "--common-voice", "role", flag_value="common_voice", help="It is the Common Voice test set."
)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for what is measured.")
@click.option("--name", help="Of the submission; by default that of its folder or repository.")
@click.option("--split", help="Only this split of the manifest.")
@click.option("--language", help="BCP 47 tag; by default that of the manifest.")
@click.option("--normalizer", type=_PATH, help="The organisers' normalizer.json.")
@click.option("--python", type=_PATH, help="Interpreter with what the submission needs.")
@_SET
def run(overrides: tuple[str, ...], **given: object) -> None:
    """Run REPO on MANIFEST in a cell that holds no references, and score what it answers.

    The submission gets recordings under neutral names, no network, and limits of time, memory and
    disk (`--set limits.seconds=600`). What it heard is scored with the organisers' normalizer.
    """
    from anylect.workflows.challenge_run import ChallengeRunConfig, run_submission

    config = load_config(ChallengeRunConfig, overrides=overrides, **given)
    click.echo(run_submission(config).text())


@command.command(short_help="Combine the scores of up to three sets.")
@click.argument("folder", required=False, type=_PATH)
@click.option("--common-voice", type=_PATH, help="Scored utterances, if not in FOLDER.")
@click.option("--real-world", type=_PATH, help="Scored utterances, if not in FOLDER.")
@click.option("--hidden", type=_PATH, help="Scored utterances, if not in FOLDER.")
@_ALONE
@_JSON
@_SET
def score(overrides: tuple[str, ...], *, as_json: bool, **given: object) -> None:
    """Combine what `run` left in FOLDER: a third for each set, or Common Voice alone."""
    from anylect.workflows.challenge_score import ChallengeScoreConfig, score_submission

    combined = score_submission(load_config(ChallengeScoreConfig, overrides=overrides, **given))
    if as_json:
        click.echo(json.dumps(combined.to_json(), ensure_ascii=False, indent=2))
    else:
        click.echo(combined.text())


@command.group()
def board() -> None:
    """Keep a leaderboard in one SQLite file, and lay it out as a site."""


@board.command()
@click.argument("board", type=_PATH)
@click.argument("folder", type=_PATH)
@_ALONE
@_SET
def add(overrides: tuple[str, ...], **given: object) -> None:
    """Enter what `run` left in FOLDER into BOARD, which is made if it is not there."""
    from anylect.workflows.challenge_board import BoardAddConfig, add_entry

    added = add_entry(load_config(BoardAddConfig, overrides=overrides, **given))
    click.echo(f"entry {added.number}: {added.combined.line}")


@board.command()
@click.argument("board", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder for the pages.")
@click.option("--title", help="Above every page.")
@_SET
def site(overrides: tuple[str, ...], **given: object) -> None:
    """Lay BOARD out as static pages: an index, and a page for each language."""
    from anylect.workflows.challenge_board import BoardSiteConfig, build_site

    for path in build_site(load_config(BoardSiteConfig, overrides=overrides, **given)):
        click.echo(path)
