import shutil
from pathlib import Path

import pytest

from anylect.errors import BundleError
from anylect.hub.stock import load_any


@pytest.fixture
def stock(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A repository as others publish them: what `transformers` needs, and a card."""
    wanted = ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json")
    folder = tmp_path / "stock"
    folder.mkdir()
    for name in (*wanted, "tokenizer_config.json"):
        shutil.copy(tiny_bundle / name, folder)
    return folder


@pytest.mark.parametrize(
    ("card", "config", "normalizer"),
    [
        ("---\nlanguage: no\n---\n", None, "no-1"),
        ("---\nlanguage:\n- sv\n---\n", "tr", "sv-1"),
        ("---\nlanguage: [sv, no]\n---\n", "sv-SE", "sv-1"),
        ("# nothing", "tr", "tr-1"),
    ],
)
def test_a_stock_repository_gets_the_recipe_of_its_language(
    stock: Path, card: str, config: str | None, normalizer: str
) -> None:
    (stock / "README.md").write_text(card)
    bundle = load_any(stock, device="cpu", language=config)
    assert bundle.normalizer.name == normalizer
    assert bundle.decoder.signature == "greedy"


def test_a_repository_without_a_language_is_refused(stock: Path) -> None:
    with pytest.raises(BundleError, match="nor a language in the card") as caught:
        load_any(stock, device="cpu")
    assert "--config" in str(caught.value.hint)


def test_a_bundle_is_loaded_as_one(tiny_bundle: Path, tmp_path: Path) -> None:
    assert load_any(tiny_bundle, device="cpu").normalizer.name == "und-1"
    with pytest.raises(BundleError, match="no such folder"):
        load_any(tmp_path / "none", device="cpu")
