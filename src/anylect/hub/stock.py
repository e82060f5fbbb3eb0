"""Other people's CTC repositories, which have no normalizer of ours, as bundles.

The contract asks that `--model_id` be whatever `transformers` loads. What such a repository lacks
is how references were normalized: the default recipe of its language stands in, and the signature
of a score says so.
"""

from pathlib import Path

from anylect.errors import BundleError, ConfigError
from anylect.hub.bundle import REQUIRED, Bundle, load_bundle
from anylect.hub.card_claims import as_table
from anylect.hub.card_yaml import part_card, read_yaml
from anylect.hub.decoding import load_decoding
from anylect.text.normalize import default_normalizer
from anylect.text.recipes import canonical_tag
from anylect.text.vocabulary import load_vocabulary


def load_any(folder: Path, *, device: str = "auto", language: str | None = None) -> Bundle:
    """Load a bundle, or a stock repository as one.

    Args:
        folder: With the files of `transformers`.
        device: As for `load_bundle`.
        language: Of a stock repository; by default what its card says.

    Raises:
        BundleError: When a file is missing or broken, or nobody says the language.
    """
    is_stock = not (folder / "normalizer.json").is_file()
    if not is_stock or not all((folder / name).is_file() for name in ("config.json", REQUIRED[2])):
        return load_bundle(folder, device=device)
    known = _language(folder / "README.md") or language
    try:
        normalizer = default_normalizer(canonical_tag(known or ""))
    except ConfigError as error:
        raise BundleError(
            f"{folder}: neither `normalizer.json` nor a language in the card",
            hint="give it as `--config sv`, or write `language: sv` into its README.md",
        ) from error
    from anylect.models.checkpoints import load_model

    vocabulary = load_vocabulary(folder)
    model = load_model(folder, vocabulary, device=device)
    return Bundle(folder, model, normalizer, load_decoding(folder))


def _language(card: Path) -> str | None:
    """Return the only language a card names, if it names one."""
    if not card.is_file():
        return None
    head, _ = part_card(card.read_text(encoding="utf-8", errors="replace"))
    found = as_table(read_yaml(head, place=str(card))).get("language") if head else None
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    return found if isinstance(found, str) else None
