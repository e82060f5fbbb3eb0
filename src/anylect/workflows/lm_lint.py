"""Is a language model sound, and does it fit a recogniser?"""

from dataclasses import dataclass
from pathlib import Path

from anylect.errors import ConfigError
from anylect.lm.kenlm_binary import load_tables, save_model
from anylect.lm.kenlm_header import is_kenlm_binary
from anylect.lm.lint import Finding, lint_model
from anylect.lm.repair import repair_arpa
from anylect.text.vocabulary import load_vocabulary
from anylect.workflows.lm_text import choose_normalizer


@dataclass(frozen=True, kw_only=True)
class LmLintConfig:
    """Which model is looked at, and for which recogniser."""

    model: Path
    """An ARPA file or a KenLM binary."""
    vocabulary: Path | None = None
    """The recogniser's folder, with its `vocab.json`."""
    normalizer: Path | None = None
    """The recogniser's `normalizer.json`."""
    language: str | None = None
    """BCP 47 tag; its default normalizer is used where none is given."""
    repair: Path | None = None
    """Write a mended copy here, `.arpa` or `.bin`; the model must be an ARPA file."""


@dataclass(frozen=True, slots=True)
class LmLintReport:
    """What is wrong with a model, and what was mended."""

    model: Path
    findings: tuple[Finding, ...]
    repaired: Path | None = None
    changes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found that must be mended."""
        return not any(finding.is_error for finding in self.findings)

    def lines(self) -> list[str]:
        """Say it, a finding with its line and its hint at a time."""
        lines = []
        for finding in self.findings:
            place = f"{self.model}:{finding.line}" if finding.line else str(self.model)
            lines += [
                f"{'error' if finding.is_error else 'note'}: {place}: {finding.message}",
                f"  hint: {finding.hint}",
            ]
        if self.repaired:
            lines += [f"repaired: {change}" for change in self.changes]
            lines.append(f"written: {self.repaired}")
        elif any(finding.is_repairable for finding in self.findings):
            lines.append("`--repair FILE` writes a mended copy")
        return lines or [f"{self.model}: nothing found"]


def lint_lm(config: LmLintConfig) -> LmLintReport:
    """Look for what is wrong with a model, and mend it on request.

    Raises:
        ConfigError: If a binary is to be repaired.
        LanguageModelError: If the model cannot be read or holds nothing to mend.
    """
    normalizer = choose_normalizer(config.normalizer, config.language)
    characters = None
    if config.vocabulary is not None:
        vocabulary = load_vocabulary(config.vocabulary)
        spelled = (
            token for i, token in enumerate(vocabulary.tokens) if i not in vocabulary.special
        )
        characters = set("".join(spelled))
    findings = tuple(lint_model(config.model, characters=characters, normalize=normalizer))
    if config.repair is None:
        return LmLintReport(config.model, findings)
    if is_kenlm_binary(config.model):
        raise ConfigError(
            f"{config.model}: a binary cannot be repaired", hint="repair its ARPA file"
        )
    mended = config.repair.with_suffix(".arpa")
    repair = repair_arpa(config.model, mended)
    if config.repair != mended:
        save_model(config.repair, load_tables(mended))
        mended.unlink()
    changes = tuple(f"{count:,} {change}" for change, count in repair.changes.items())
    return LmLintReport(config.model, findings, config.repair, changes)
