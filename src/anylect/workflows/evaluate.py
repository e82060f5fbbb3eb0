"""The walk: a recording becomes a number.

`Utterance → Waveform → Emissions → Hypothesis → Report`. Reading ahead, batching and windows hide
inside `emit_each` and `decode_each`; what is left is the sentence the whole package serves.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anylect.config import refuse_below, refuse_not_above
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.data.prefetch import prefetch
from anylect.decoding.decoder import Decoder
from anylect.errors import AudioError, ManifestError
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.hub.bundle import load_bundle
from anylect.hub.evidence import Evidence, circumstances
from anylect.progress import Progress, silent
from anylect.records import Emissions, Hypothesis, Utterance


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to score, on what, and how sure to be."""

    bundle: Path
    """A folder that `anylect train` wrote."""
    manifest: Path
    """Utterances with transcripts."""
    split: str | None = None
    """Only this split; by default every line."""
    output: Path | None = None
    """Folder for report and scored utterances; by default the bundle's `evidence`."""
    lm: Path | None = None
    """A language model instead of the bundle's own; `none` decodes by best path."""
    hotwords: Path | None = None
    """Phrases to favour, one a line; a weight may follow behind a tab."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""
    batch_seconds: float = 80.0
    """Audio run at once, padding included."""
    workers: int = 2
    """Threads that read recordings ahead, and as many that decode."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "batch_seconds")
        refuse_below(self, 0, "workers", "replicates", "seed")


def evaluate(config: EvaluateConfig, *, progress: Progress = silent) -> Report:
    """Score a bundle on a manifest; memory does not grow with the manifest.

    Leaves `<manifest>.<split>.json`, the report, and `<manifest>.<split>.utterances.jsonl`, every
    utterance with its alignment, in the output folder.

    Raises:
        BundleError: When the bundle cannot be loaded.
        LanguageModelError: When the language model cannot be read, or does not fit.
        ManifestError: When there is nothing to score.
    """
    from anylect.models.listening import emit_each

    bundle = load_bundle(config.bundle, device=config.device)
    decoder = bundle.decoder_with(config.lm, hotwords=config.hotwords)
    normalize = bundle.normalizer
    name = ".".join([config.manifest.stem, *([config.split] if config.split else [])])
    scored, began = Scoreboard(), time.monotonic()
    with Evidence(config.output or config.bundle / "evidence", name) as evidence:
        emitted = emit_each(
            bundle.model,
            read_manifest(config.manifest, split=config.split),
            batch_seconds=config.batch_seconds,
            workers=config.workers,
        )
        for utterance, hypothesis in decode_each(decoder, emitted, workers=config.workers):
            if isinstance(hypothesis, AudioError):
                scored.skip("unreadable")
                evidence.add_unreadable(utterance.id, hypothesis.message)
                continue
            result = score(
                normalize(utterance.text), normalize(hypothesis.text), utterance=utterance
            )
            scored.append(result)
            evidence.add(result)
            progress(scored.utterances, None)
        _refuse_nothing(scored, config)
    made = report(
        scored,
        signature=Signature(
            normalizer=normalize.name, normalizer_hash=normalize.hash, decoding=decoder.signature
        ),
        language=normalize.language,
        processing_seconds=time.monotonic() - began,
        replicates=config.replicates,
        seed=config.seed,
    )
    checksum = manifest_checksum(config.manifest)
    device = str(getattr(bundle.model, "device", "cpu"))
    evidence.conclude(
        {
            **made.to_json(),
            "split": config.split,
            "manifest_sha256": checksum,
            "lm": config.lm and config.lm.name,
            "hotwords": config.hotwords and config.hotwords.name,
            "circumstances": circumstances(config.bundle, device=device),
        }
    )
    return made


def decode_each(
    decoder: Decoder,
    emitted: Iterable[tuple[Utterance, Emissions | AudioError]],
    *,
    workers: int,
) -> Iterator[tuple[Utterance, Hypothesis | AudioError]]:
    """Decode in threads, in the order given; an unreadable recording stays its error.

    Beam search leaves the interpreter to others while it works. A few utterances for each thread
    wait in memory, no more.
    """

    def decode(
        item: tuple[Utterance, Emissions | AudioError],
    ) -> tuple[Utterance, Hypothesis | AudioError]:
        utterance, emissions = item
        if isinstance(emissions, AudioError):
            return utterance, emissions
        return utterance, decoder.decode(emissions)

    return prefetch(decode, emitted, workers=workers, ahead=4 * max(workers, 1))


def _refuse_nothing(scored: Scoreboard, config: EvaluateConfig) -> None:
    if not scored.utterances:
        which = f"split `{config.split}` of " if config.split else ""
        unreadable = scored.skipped["unreadable"]
        raise ManifestError(
            f"{which}{config.manifest}: nothing to score ({unreadable:,} unreadable recordings)",
            hint="check `--split`, and the paths in the manifest: they are relative to it",
        )
