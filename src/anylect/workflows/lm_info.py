"""What a language model file holds."""

from dataclasses import dataclass
from pathlib import Path

from anylect.lm.kenlm_binary import load_model


@dataclass(frozen=True, kw_only=True)
class LmInfoConfig:
    """Which model is looked at."""

    model: Path
    """An ARPA file or a KenLM binary."""


@dataclass(frozen=True, slots=True)
class LmInfo:
    """Kind, size and words of a model."""

    model: Path
    kind: str
    size: int
    """Bytes of the file."""
    counts: tuple[int, ...]
    marks: tuple[str, ...]
    """Those of `<s>` and `</s>` that it knows."""
    words: tuple[str, ...]
    """A few of its words; empty for a binary made without them."""

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        lines = [
            f"{self.model}: {self.kind}, order {len(self.counts)}, {self.size:,} bytes",
            *(f"{order}-grams: {count:,}" for order, count in enumerate(self.counts, start=1)),
            f"sentence marks: {' '.join(self.marks) or 'none'}",
        ]
        return [*lines, f"words: {' '.join(self.words) or 'not listed'}"]


def inspect_lm(config: LmInfoConfig) -> LmInfo:
    """Look into a language model file.

    Raises:
        LanguageModelError: If it cannot be read.
    """
    model = load_model(config.model)
    begin, end = model.ids(["<s>", "</s>"])
    marks = tuple(mark for mark, number in (("<s>", begin), ("</s>", end)) if number)
    words: tuple[str, ...] = ()
    if model.listed_words is not None:
        words = tuple(model.listed_words[i] for i in range(min(12, len(model))))
    size = config.model.stat().st_size
    return LmInfo(config.model, model.kind, size, model.counts, marks, words)
