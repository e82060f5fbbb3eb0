"""Two language models as one."""

from dataclasses import dataclass
from pathlib import Path

from anylect.lm.kenlm_binary import check_model_name, load_tables, save_model
from anylect.lm.mixing import mix_tables
from anylect.workflows.lm_text import choose_normalizer, read_sentences


@dataclass(frozen=True, kw_only=True)
class LmMixConfig:
    """Which models are mixed, and how."""

    first: Path
    """An ARPA file or a trie binary."""
    second: Path
    """Another."""
    output: Path
    """`.arpa` for text, `.bin` for a KenLM binary."""
    weight: float | None = None
    """Of the first model, in [0, 1]; unset fits it on `dev`."""
    dev: tuple[Path, ...] = ()
    """Text like that to come, to fit the weight on."""
    normalizer: Path | None = None
    """The recogniser's `normalizer.json`, for `dev`."""
    language: str | None = None
    """BCP 47 tag; its default normalizer is used where none is given. Neither: text as it is."""


@dataclass(frozen=True, slots=True)
class LmMixReport:
    """The weight of the first model and the size of the mixture."""

    output: Path
    weight: float
    counts: tuple[int, ...]

    def lines(self) -> list[str]:
        """Say it in two lines."""
        counts = ", ".join(f"{count:,}" for count in self.counts)
        return [f"weight of the first model: {self.weight:.4f}", f"{self.output}: {counts}"]


def mix_lm(config: LmMixConfig) -> LmMixReport:
    """Mix two models by linear interpolation.

    Raises:
        ConfigError: If neither a weight nor a text to fit it on is given.
        LanguageModelError: If a model cannot be listed.
    """
    check_model_name(config.output)
    dev: list[str] = []
    if config.weight is None:
        normalizer = choose_normalizer(config.normalizer, config.language)
        dev = list(read_sentences(config.dev, normalizer))
    mixture = mix_tables(
        load_tables(config.first), load_tables(config.second), weight=config.weight, dev=dev
    )
    save_model(config.output, mixture.tables)
    return LmMixReport(config.output, mixture.weight, tuple(mixture.tables.counts))
