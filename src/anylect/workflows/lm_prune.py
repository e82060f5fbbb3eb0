"""A smaller language model that predicts almost as well."""

from dataclasses import dataclass
from pathlib import Path

from anylect.errors import ConfigError
from anylect.lm.kenlm_binary import check_model_name, load_tables, save_model
from anylect.lm.pruning import prune_tables


@dataclass(frozen=True, kw_only=True)
class LmPruneConfig:
    """What is left out of which model."""

    model: Path
    """An ARPA file or a trie binary."""
    output: Path
    """`.arpa` for text, `.bin` for a KenLM binary."""
    threshold: float = 0.0
    """Relative entropy, in nats per word, below which an n-gram goes (Stolcke 1998)."""
    order: int | None = None
    """The new highest order."""


@dataclass(frozen=True, slots=True)
class LmPruneReport:
    """How many n-grams of each order there were and are."""

    output: Path
    before: tuple[int, ...]
    after: tuple[int, ...]

    def lines(self) -> list[str]:
        """Say it, an order a line."""
        kept = (*self.after, *[0] * (len(self.before) - len(self.after)))
        return [
            f"{order}-grams: {after:,} of {before:,}"
            for order, (before, after) in enumerate(zip(self.before, kept, strict=True), start=1)
        ] + [f"written: {self.output}"]


def prune_lm(config: LmPruneConfig) -> LmPruneReport:
    """Prune a model.

    Raises:
        ConfigError: If nothing is asked for.
        LanguageModelError: If the model cannot be listed, or an option makes no sense.
    """
    check_model_name(config.output)
    if not config.threshold and config.order is None:
        raise ConfigError("nothing to prune by", hint="give `--threshold 1e-7` or `--order 3`")
    tables = load_tables(config.model)
    pruned = prune_tables(tables, threshold=config.threshold, order=config.order)
    save_model(config.output, pruned)
    return LmPruneReport(config.output, tuple(tables.counts), tuple(pruned.counts))
