"""The walk again, once per condition: the same utterances under noise, in rooms, over the phone.

A condition that was measured before, with the same bundle, manifest, decoder and settings, is read
from its evidence, so a run that adds one condition computes one.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylect import __version__
from anylect.audio.conditions import CLEAN, Condition, GridOptions, conditions
from anylect.audio.degrade import Degrader
from anylect.config import refuse_below, refuse_not_above, to_mapping
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.errors import AudioError, BundleError, ManifestError
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.robustness import ConditionScore, RobustnessReport, summarize
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.hub.bundle import Bundle, load_bundle
from anylect.hub.evidence import Evidence
from anylect.progress import Progress, silent
from anylect.records import Utterance
from anylect.workflows.evaluate import decode_each
from anylect.workflows.robustness_cache import Key, load_measured, make_key

if TYPE_CHECKING:
    from anylect.models.listening import Transform


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig:
    """What to measure, on what, under which conditions."""

    bundle: Path
    """A folder that `anylect train` wrote."""
    manifest: Path
    """Utterances with transcripts, recorded as cleanly as there are."""
    split: str | None = None
    """Only this split; by default every line."""
    output: Path | None = None
    """Folder for `robustness.json` and the scores; by default the bundle's `evidence`."""
    only: tuple[str, ...] = ()
    """Names of conditions or patterns such as `noise-*`; by default the whole grid."""
    grid: GridOptions = field(default_factory=GridOptions)
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""
    batch_seconds: float = 80.0
    """Audio run at once, padding included."""
    workers: int = 2
    """Threads that read and degrade recordings ahead."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of what the conditions draw, and of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "batch_seconds")
        refuse_below(self, 0, "workers", "replicates", "seed")

    @property
    def folder(self) -> Path:
        """Where the evidence goes."""
        return self.output or self.bundle / "evidence"

    @property
    def set_name(self) -> str:
        """What is measured on, as in the evidence of `evaluate`: `manifest.test`."""
        return ".".join([self.manifest.stem, *([self.split] if self.split else [])])


@dataclass(frozen=True)
class _Listener:
    """A loaded bundle and how its scores are signed."""

    config: RobustnessConfig
    bundle: Bundle

    def report(self, board: Scoreboard, *, seconds: float | None) -> Report:
        normalizer = self.bundle.normalizer
        return report(
            board,
            signature=Signature(
                normalizer=normalizer.name,
                normalizer_hash=normalizer.hash,
                decoding=self.bundle.decoder.signature,
            ),
            language=normalizer.language,
            processing_seconds=seconds,
            replicates=self.config.replicates,
            seed=self.config.seed,
        )


def robustness(config: RobustnessConfig, *, progress: Progress = silent) -> RobustnessReport:
    """Score a bundle under every condition; clean speech first, exactly as `evaluate` does.

    Leaves `robustness.json`, all numbers and curves, and for every condition its scored utterances
    and report, `robustness/<manifest>.<split>.<condition>.*`, in the output folder.

    Args:
        config: What to measure.
        progress: Told of conditions done.

    Raises:
        BundleError: When the bundle cannot be loaded, or the evidence not written.
        ConfigError: For a condition or a folder that does not exist.
        ManifestError: When there is nothing to score.
    """
    grid = conditions(config.grid, only=config.only)
    listener = _Listener(config, load_bundle(config.bundle, device=config.device))
    degrader = Degrader(config.grid, seed=config.seed, pool=_babblers(config, grid))
    key = make_key(config.bundle, listener.bundle, config.grid)
    checksum = manifest_checksum(config.manifest)
    scores = []
    for done, condition in enumerate(grid):
        progress(done, len(grid))
        found = {**key(condition, seed=config.seed), "manifest": checksum, "split": config.split}
        scores.append(_measure(listener, condition, degrader, key=found))
    progress(len(grid), len(grid))
    made = summarize(scores, replicates=config.replicates, seed=config.seed)
    _save(config, made, checksum=checksum)
    return made


def _measure(
    listener: _Listener, condition: Condition, degrader: Degrader, *, key: Key
) -> ConditionScore:
    """Read what was measured before, or hear every utterance under the condition."""
    config = listener.config
    place = config.folder / "robustness"
    name = f"{config.set_name}.{condition.name}"
    measured = load_measured(place, name, key=key, utterances=_utterances(config))
    if measured is None:
        began = time.monotonic()
        with Evidence(place, name) as evidence:
            # Should this be killed, no older report shall stand beside newer scores.
            evidence.report.unlink(missing_ok=True)
            board = _hear(listener, condition, partial(degrader, condition), evidence)
        made = listener.report(board, seconds=time.monotonic() - began)
        facts = {**made.to_json(), "condition": condition.to_json(), "key": key}
        evidence.conclude(facts)
    else:
        board, seconds = measured
        made = listener.report(board, seconds=seconds)
    return ConditionScore(
        condition=condition.to_json(), label=condition.strength, report=made, board=board
    )


def _hear(
    listener: _Listener, condition: Condition, transform: "Transform", evidence: Evidence
) -> Scoreboard:
    from anylect.models.listening import emit_each

    config, bundle = listener.config, listener.bundle
    normalize, board = bundle.normalizer, Scoreboard()
    emitted = emit_each(
        bundle.model,
        _utterances(config),
        batch_seconds=config.batch_seconds,
        workers=config.workers,
        transform=None if condition == CLEAN else transform,
    )
    for utterance, hypothesis in decode_each(bundle.decoder, emitted, workers=config.workers):
        if isinstance(hypothesis, AudioError):
            board.skip("unreadable")
            evidence.add_unreadable(utterance.id, hypothesis.message)
            continue
        result = score(normalize(utterance.text), normalize(hypothesis.text), utterance=utterance)
        board.append(result)
        evidence.add(result)
    if not board.utterances:
        which = f"split `{config.split}` of " if config.split else ""
        raise ManifestError(
            f"{which}{config.manifest}: nothing to score "
            f"({board.skipped['unreadable']:,} unreadable recordings)",
            hint="check `--split`, and the paths in the manifest: they are relative to it",
        )
    return board


def _utterances(config: RobustnessConfig) -> Iterator[Utterance]:
    return read_manifest(config.manifest, split=config.split)


def _babblers(config: RobustnessConfig, grid: list[Condition]) -> Iterator[Utterance]:
    is_needed = any(condition.variant == "babble" for condition in grid)
    return _utterances(config) if is_needed else iter(())


def _save(config: RobustnessConfig, made: RobustnessReport, *, checksum: str) -> None:
    facts: dict[str, Any] = {
        **made.to_json(),
        "manifest": config.manifest.name,
        "manifest_sha256": checksum,
        "split": config.split,
        "only": list(config.only),
        "grid": to_mapping(config.grid),
        "seed": config.seed,
        "anylect": __version__,
        "evidence": f"robustness/{config.set_name}.<condition>.utterances.jsonl",
    }
    path = config.folder / "robustness.json"
    try:
        path.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror})",
            hint="choose another folder with `--output`, or make room",
        ) from error
