"""`anylect lm`: build, measure, check and change language models."""

import re
from pathlib import Path
from typing import Any

import click

from anylect.cli.options import set_option
from anylect.config import load_config
from anylect.errors import ConfigError

_PATH = click.Path(path_type=Path)
_SET = set_option()
_NORMALIZER = click.option("--normalizer", type=_PATH, help="The recogniser's normalizer.json.")
_LANGUAGE = click.option("--language", help="BCP 47 tag; takes its default normalizer.")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Build, measure, check and change n-gram language models."""


command = group


def parse_bytes(text: str) -> int:
    """Read a size such as `500M` or `2G`, in powers of a thousand.

    Example:
        >>> parse_bytes("1.5G")
        1500000000
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if not found:
        raise ConfigError(f"--memory {text}: no size", hint="e.g. `--memory 2G`")
    return int(float(found[1]) * _UNITS[found[2]])


@group.command()
@click.argument("text", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="A .bin or .arpa file.")
@click.option("--arpa", type=_PATH, help="Write an ARPA file as well.")
@click.option("--order", type=int, help="Words of the longest n-gram, 1 to 6; 5 by default.")
@click.option("--prune", help="Counts up to which n-grams go, by order, e.g. `0 0 1`.")
@click.option("--exclude", multiple=True, type=_PATH, help="Leave its sentences out.")
@click.option("--limit", type=_PATH, help="A file of the words that may be known.")
@click.option("--memory", help="Bytes to work in, e.g. `2G`; the rest goes to disk.")
@click.option("--unit", type=click.Choice(["auto", "word", "character"]), help="Made of what.")
@click.option("--split", help="Split of manifests to learn from; `train` by default.")
@_NORMALIZER
@_LANGUAGE
@_SET
def build(overrides: tuple[str, ...], **given: object) -> None:
    """Estimate a model from TEXT: files with one sentence per line, manifests, or `-`."""
    from anylect.cli.terminal import bar
    from anylect.workflows.lm_build import LmBuildConfig, build_lm

    extra = []
    prune, memory = given.pop("prune"), given.pop("memory")
    if prune is not None:
        extra.append(f"estimation.prune=[{', '.join(str(prune).replace(',', ' ').split())}]")
    if memory is not None:
        extra.append(f"estimation.memory={parse_bytes(str(memory))}")
    if (order := given.pop("order")) is not None:
        extra.append(f"estimation.order={order}")
    config = load_config(LmBuildConfig, overrides=(*extra, *overrides), **_given(given))
    with bar("building") as progress:
        report = build_lm(config, progress=progress)
    _say(report.lines())


@group.command()
@click.argument("model", type=_PATH)
@click.argument("text", nargs=-1, required=True, type=_PATH)
@click.option("--split", help="Split of manifests; all by default.")
@_NORMALIZER
@_LANGUAGE
@_SET
def perplexity(overrides: tuple[str, ...], **given: object) -> None:
    """Measure how well MODEL predicts TEXT."""
    from anylect.workflows.lm_perplexity import LmPerplexityConfig, measure_lm

    config = load_config(LmPerplexityConfig, overrides=overrides, **_given(given))
    _say(measure_lm(config).lines())


@group.command()
@click.argument("model", type=_PATH)
@click.option("--vocabulary", type=_PATH, help="The recogniser's folder, with vocab.json.")
@click.option("--repair", type=_PATH, help="Write a mended copy here.")
@_NORMALIZER
@_LANGUAGE
@_SET
def lint(overrides: tuple[str, ...], **given: object) -> None:
    """Look for what is wrong with MODEL, and whether it fits a recogniser."""
    from anylect.workflows.lm_lint import LmLintConfig, lint_lm

    report = lint_lm(load_config(LmLintConfig, overrides=overrides, **_given(given)))
    _say(report.lines())
    if not report.is_sound and report.repaired is None:
        click.get_current_context().exit(1)


@group.command()
@click.argument("model", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="A .bin or .arpa file.")
@click.option("--threshold", type=float, help="Relative entropy below which n-grams go.")
@click.option("--order", type=int, help="The new highest order.")
@_SET
def prune(overrides: tuple[str, ...], **given: object) -> None:
    """Make MODEL smaller."""
    from anylect.workflows.lm_prune import LmPruneConfig, prune_lm

    _say(prune_lm(load_config(LmPruneConfig, overrides=overrides, **_given(given))).lines())


@group.command()
@click.argument("first", type=_PATH)
@click.argument("second", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="A .bin or .arpa file.")
@click.option("--dev", multiple=True, type=_PATH, help="Text to fit the weight on.")
@click.option("--weight", type=float, help="Of the first model, 0 to 1.")
@_NORMALIZER
@_LANGUAGE
@_SET
def mix(overrides: tuple[str, ...], **given: object) -> None:
    """Mix FIRST and SECOND by linear interpolation."""
    from anylect.workflows.lm_mix import LmMixConfig, mix_lm

    _say(mix_lm(load_config(LmMixConfig, overrides=overrides, **_given(given))).lines())


@group.command()
@click.argument("model", type=_PATH)
def info(model: Path) -> None:
    """Say what MODEL holds."""
    from anylect.workflows.lm_info import LmInfoConfig, inspect_lm

    _say(inspect_lm(LmInfoConfig(model=model)).lines())


def _given(options: dict[str, object]) -> dict[str, Any]:
    """Leave out what was not typed, so that a setting may come from `--set`."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)
