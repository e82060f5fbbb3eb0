"""The model card: what the bundle is, in facts gathered on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anylect.errors import BundleError
from anylect.hub.card_body import CURVES, write_body
from anylect.hub.card_facts import CardOptions, gather, keep_options
from anylect.hub.card_figures import draw_curves
from anylect.hub.card_metadata import build_eval_results, build_metadata
from anylect.hub.card_yaml import write_yaml
from anylect.text.normalize import Normalizer

README = "README.md"
RESULTS = ".eval_results"


def write_card(folder: Path, *, normalizer: Normalizer, evidence: Mapping[str, Any]) -> None:
    """Write the card of a bundle that was just trained; its facts stand in the folder already."""
    del normalizer, evidence
    build_card(folder)


def build_card(folder: Path, options: CardOptions | None = None) -> list[Path]:
    """Write `README.md`, the training's curves and `.eval_results/` from a bundle's evidence.

    Args:
        folder: The bundle.
        options: Licence, name and the like, which are kept for the next time; by default those
            given last.

    Returns:
        The files written.

    Raises:
        BundleError: When evidence is broken, or the files cannot be written.
    """
    facts = gather(folder, options)
    files: dict[str, str] = {}
    curves = draw_curves(facts.training.get("history") or {})
    if curves is not None:
        files[CURVES] = curves
    for name, entries in build_eval_results(facts).items():
        files[f"{RESULTS}/{name}"] = write_yaml(entries)
    head = write_yaml(build_metadata(facts))
    files[README] = f"---\n{head}---\n\n{write_body(facts, has_curves=curves is not None)}"
    if options is not None:
        keep_options(folder, options)
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
            partial.replace(path)
    except OSError as error:
        raise BundleError(
            f"{folder}: the card cannot be written ({error.strerror})",
            hint="make room, or work on a copy of the bundle that may be changed",
        ) from error
    return [folder / name for name in files]
