"""How well a language model predicts a text."""

from dataclasses import dataclass
from pathlib import Path

from anylect.lm.corpus import spell
from anylect.lm.kenlm_binary import load_model
from anylect.lm.perplexity import Perplexity, measure_perplexity
from anylect.workflows.lm_text import choose_normalizer, read_sentences


@dataclass(frozen=True, kw_only=True)
class LmPerplexityConfig:
    """Which model is measured on which text."""

    model: Path
    """An ARPA file or a KenLM binary."""
    text: tuple[Path, ...]
    """Text files with one sentence per line, or manifests (`.jsonl`)."""
    normalizer: Path | None = None
    """The recogniser's `normalizer.json`."""
    language: str | None = None
    """BCP 47 tag; its default normalizer is used where none is given. Neither: text as it is."""
    split: str | None = "all"
    """Split of manifests to measure on."""
    characters: bool = False
    """Spell the text as characters, for a model of characters."""


@dataclass(frozen=True, slots=True)
class LmPerplexityReport:
    """A model's perplexity on a text."""

    model: Path
    found: Perplexity

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        found = self.found
        return [
            f"perplexity {found.perplexity:.2f} per word, `</s>` counted, unknown words not",
            f"perplexity {found.perplexity_with_unknown:.2f} with unknown words",
            f"OOV {found.unknown:,} of {found.words:,} words ({found.unknown_rate:.2%})",
            f"sentences {found.sentences:,}",
        ]


def measure_lm(config: LmPerplexityConfig) -> LmPerplexityReport:
    """Measure a model's perplexity.

    Raises:
        LanguageModelError: If the model cannot be loaded.
        ManifestError: If the text cannot be used.
    """
    normalizer = choose_normalizer(config.normalizer, config.language)
    sentences = read_sentences(config.text, normalizer, split=config.split)
    if config.characters:
        sentences = map(spell, sentences)
    return LmPerplexityReport(config.model, measure_perplexity(load_model(config.model), sentences))
