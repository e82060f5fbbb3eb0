"""Is B better than A, and could this test set have shown it?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anylect.config import refuse_below
from anylect.errors import ConfigError
from anylect.evaluation.comparison import Comparison
from anylect.evaluation.comparison import compare as compare_scored
from anylect.evaluation.evidence_files import (
    UTTERANCES,
    StoredEvaluation,
    evidence_names,
    read_evaluation,
)
from anylect.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Which two, on what, and how sure to be."""

    first: Path
    """Scored utterances that `anylect evaluate` left; or a bundle that holds its evidence."""
    second: Path
    """Of the same utterances."""
    manifest: Path | None = None
    """Evaluate both on this first: they are bundles."""
    split: str | None = None
    """Only this split of the manifest."""
    device: str = "auto"
    """Where bundles are evaluated: `cpu`, `cuda`, `mps`; `auto` takes the best there is."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "seed")
        refuse_below(self, 19, "replicates")
        if self.split is not None and self.manifest is None:
            raise ConfigError(
                f"`split` is `{self.split}`, but no manifest is given",
                hint="give `--manifest` to evaluate two bundles; scored sets know their split",
            )


def compare(config: CompareConfig, *, progress: Progress = silent) -> Comparison:
    """Compare two evaluations of the same utterances.

    Raises:
        BundleError: When evidence or a bundle cannot be read.
        ManifestError: When the utterances or their references are not the same.
    """
    paths = (config.first, config.second)
    if config.manifest is not None:
        first, second = (
            _evaluated(path, config.manifest, config=config, progress=progress) for path in paths
        )
    else:
        first, second = read_two(*paths)
    return compare_stored(first, second, replicates=config.replicates, seed=config.seed)


def compare_stored(
    first: StoredEvaluation, second: StoredEvaluation, *, replicates: int = 1000, seed: int = 0
) -> Comparison:
    """Compare two evaluations that were read; says where their conditions differ."""
    names = short_names([first.path, second.path])
    found = compare_scored(
        first.scored,
        second.scored,
        names=(names[0], names[1]),
        language=first.language,
        replicates=replicates,
        seed=seed,
    )
    return replace(found, notes=(*found.notes, *_differences(first, second, names=found.names)))


def read_two(first: Path, second: Path) -> tuple[StoredEvaluation, StoredEvaluation]:
    """Read two scored sets; of two bundles, the set that both have."""
    if first.is_dir() and second.is_dir():
        names = [evidence_names(folder) for folder in (first, second)]
        both = sorted(set(names[0]) & set(names[1]))
        if len(both) == 1:
            first, second = (_inside(folder) / (both[0] + UTTERANCES) for folder in (first, second))
    return read_evaluation(first), read_evaluation(second)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Name paths by what tells them apart; by letters where nothing does.

    Example:
        >>> short_names([Path("runs/a/bundle/evidence/test"), Path("runs/b/bundle/evidence/test")])
        ['a', 'b']
        >>> short_names([Path("test"), Path("test")])
        ['A', 'B']
    """
    parts = [list(path.parts) for path in paths]
    for end in (0, -1):
        while all(parts) and len({each[end] for each in parts}) == 1:
            for each in parts:
                del each[end]
    names = ["/".join(each).removesuffix(UTTERANCES) for each in parts]
    return names if all(names) else [chr(ord("A") + number) for number in range(len(paths))]


def _evaluated(
    bundle: Path, manifest: Path, *, config: CompareConfig, progress: Progress
) -> StoredEvaluation:
    from anylect.workflows.evaluate import EvaluateConfig, evaluate

    evaluate(
        EvaluateConfig(
            bundle=bundle,
            manifest=manifest,
            split=config.split,
            device=config.device,
            seed=config.seed,
        ),
        progress=progress,
    )
    name = ".".join([manifest.stem, *([config.split] if config.split else [])])
    return read_evaluation(bundle / "evidence" / (name + UTTERANCES))


def _inside(folder: Path) -> Path:
    return folder / "evidence" if (folder / "evidence").is_dir() else folder


def _differences(
    first: StoredEvaluation, second: StoredEvaluation, *, names: tuple[str, str]
) -> list[str]:
    notes = []
    left, right = first.signature, second.signature
    if left.normalizer_hash != right.normalizer_hash:
        notes.append(
            f"{names[0]} was scored under normalizer {left.normalizer} and {names[1]} under "
            f"{right.normalizer}: the references agree, but hypotheses may be counted otherwise"
        )
    if left.decoding != right.decoding:
        notes.append(f"decoding: {names[0]} {left.decoding}; {names[1]} {right.decoding}")
    if first.unreadable or second.unreadable:
        notes.append(
            f"not heard: {len(first.unreadable):,} utterances in {names[0]}, "
            f"{len(second.unreadable):,} in {names[1]}"
        )
    return notes
