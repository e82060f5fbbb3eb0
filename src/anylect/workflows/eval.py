"""The eval contract of the Robust Speech Challenge: a model, a data set, two fractions.

The same walk as `workflows/evaluate.py`, over whatever `--dataset` names, with the reference's
chunks where they are asked for, and its result files. Before the set, a probe of it is heard
whole, batched, padded and cut: settings that change what is heard are replaced, and said.
"""

import hashlib
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from anylect.audio.load import load_waveform
from anylect.config import refuse_below, refuse_not_above
from anylect.decoding.decoder import Decoder
from anylect.errors import AudioError, ConfigError, ManifestError
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.hub.bundle import Bundle
from anylect.hub.eval_files import EvalFiles, dataset_id
from anylect.hub.evidence import Evidence, circumstances
from anylect.hub.stock import load_any
from anylect.hub.transfer import dataset_revision, pull
from anylect.models.acoustic import AcousticModel
from anylect.models.chunks import ChunkedModel, ChunkOptions
from anylect.models.listening import Heard, emit_each
from anylect.models.parity import Parity, choose_hearing
from anylect.progress import Progress, silent
from anylect.records import Hypothesis, Utterance, Waveform
from anylect.workflows.eval_sets import EvalSet, open_set
from anylect.workflows.evaluate import decode_each

PROBE_UTTERANCES = 3
"""First of the set, joined: what parity is checked on."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What the contract asks for, and a few settings of ours."""

    model_id: str
    """A bundle's folder, or the name of its repository on the Hub; also any CTC repository that
    `transformers` loads, whose language gives the normalizer."""
    dataset: str
    """A data set on the Hub, a folder `datasets` wrote, a corpus (Common Voice or any layout that
    `anylect prepare` knows) or a manifest."""
    config: str | None = None
    """Of the data set, e.g. the locale for Common Voice."""
    split: str
    """Of the data set; `test[:100]` takes the first hundred."""
    chunk_length_s: float | None = None
    """Cut recordings as the reference does; by default long ones are heard in our windows."""
    stride_length_s: float | None = None
    """Overlap of the chunks at both ends; by default a sixth of a chunk."""
    log_outputs: bool = False
    """Write what was heard and what was said, too."""
    device: str = "auto"
    """-1 for the CPU, 0 for the first GPU; or `cpu`, `cuda:1`, `mps`, `auto`."""
    output: Path = Path()
    """Folder of the result files."""
    evidence: Path | None = None
    """By default the bundle's own; for bundles of the Hub, `evidence` in `output`."""
    lm: Path | None = None
    """A language model instead of the bundle's own; `none` decodes by best path."""
    revision: str | None = None
    """Commit of the data set's repository; the newest by default."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Unusual names of columns, by ours: `{text = "frase"}`."""
    parity: Literal["replace", "refuse", "off"] = "replace"
    """What to do about settings that change what is heard."""
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
        if self.stride_length_s is not None and not self.chunk_length_s:
            raise ConfigError(
                f"`stride_length_s` is {self.stride_length_s}, but there are no chunks",
                hint="give `--chunk_length_s` too, e.g. 5 and 1",
            )
        _ = self.chunks

    @property
    def chunks(self) -> ChunkOptions | None:
        """The reference's chunks, if they are asked for; 0 asks for none, as in the original."""
        if not self.chunk_length_s:
            return None
        return ChunkOptions(length=self.chunk_length_s, stride=self.stride_length_s)


@dataclass(frozen=True)
class Evaluated:
    """An evaluation by the contract."""

    report: Report
    parity: Parity | None
    results: str
    """What stands in the result file."""
    evidence: Path
    """The report as JSON."""

    def text(self) -> str:
        """Lay out report and parity for a reader."""
        lines = [self.report.text()]
        if self.report.rtf:
            lines.append(f"RTFx {1 / self.report.rtf:,.1f}: seconds of audio heard in a second")
        return "\n".join([*lines, *(self.parity.lines() if self.parity else [])])


def evaluate_contract(config: EvalConfig, *, progress: Progress = silent) -> Evaluated:
    """Score a model on a data set by the contract; memory does not grow with the set.

    Raises:
        BundleError: When the bundle cannot be loaded, or results cannot be written.
        ManifestError: When there is nothing to score.
        HubError: When a repository cannot be had.
        ConfigError: For chunks that keep nothing, or unsafe ones if `parity` says so.
    """
    folder = find_model(config.model_id)
    bundle = load_any(folder, device=read_device(config.device), language=config.config)
    decoder = bundle.decoder_with(config.lm)
    name = dataset_id(config.dataset, config.config, config.split)
    revision = config.revision
    if revision is None and not Path(config.dataset).exists():
        revision = dataset_revision(config.dataset)
    with open_set(
        config.dataset,
        config=config.config,
        split=config.split,
        revision=revision,
        columns=config.columns,
    ) as chosen:
        begin = list(itertools.islice(chosen.utterances, PROBE_UTTERANCES))
        chosen.utterances = itertools.chain(begin, chosen.utterances)
        model, parity = _choose_model(bundle.model, config, begin)
        walk = _Walk(bundle, model, decoder, config)
        return walk.score(chosen, parity, name, progress)


def find_model(model_id: str) -> Path:
    """Return a bundle's folder, pulling it if it is not here.

    Raises:
        HubError: When it is neither a folder nor a repository.
    """
    return Path(model_id) if Path(model_id).is_dir() else pull(model_id)


def read_device(name: str) -> str:
    """Turn the contract's -1, 0, 1 … into names of devices; others stay as they are.

    Example:
        >>> read_device("-1"), read_device("1"), read_device("mps")
        ('cpu', 'cuda:1', 'mps')
    """
    if name.lstrip("-").isdigit():
        return f"cuda:{name}" if int(name) >= 0 else "cpu"
    return name


def _choose_model(
    model: AcousticModel, config: EvalConfig, begin: Iterable[Utterance]
) -> tuple[AcousticModel, Parity | None]:
    if config.parity == "off":
        return (ChunkedModel(model, config.chunks) if config.chunks else model), None
    return choose_hearing(
        model,
        chunks=config.chunks,
        probe=_join(begin, sample_rate=model.sample_rate),
        refuse=config.parity == "refuse",
    )


def _join(utterances: Iterable[Utterance], *, sample_rate: int) -> Waveform | None:
    """Join what can be read of some utterances to one waveform."""
    heard = []
    for utterance in utterances:
        try:
            heard.append(load_waveform(utterance, sample_rate=sample_rate).samples)
        except AudioError:
            continue  # the walk will say so
    return Waveform(np.concatenate(heard), sample_rate) if heard else None


def _measured(item: tuple[Utterance, Heard]) -> tuple[Utterance, Heard]:
    """Give an utterance whose duration nobody stated that of its emissions."""
    utterance, heard = item
    if utterance.duration is None and not isinstance(heard, AudioError):
        seconds = round(len(heard.log_probs) * heard.frame_duration, 2)
        utterance = replace(utterance, duration=seconds)
    return utterance, heard


@dataclass
class _Walk:
    """The walk over one set."""

    bundle: Bundle
    model: AcousticModel
    decoder: Decoder
    config: EvalConfig

    def score(
        self, chosen: EvalSet, parity: Parity | None, name: str, progress: Progress
    ) -> Evaluated:
        board, began, digest = Scoreboard(), time.monotonic(), hashlib.sha256()
        folder = self._evidence_folder()
        files = EvalFiles(self.config.output, name, logs=self.config.log_outputs)
        title = self._title(name)
        with files, Evidence(folder, title) as evidence:
            for index, (utterance, hypothesis) in enumerate(self._hear(chosen)):
                chosen.forget(utterance)
                digest.update(f"{index}\t{utterance.text}\n".encode("utf-8", "surrogatepass"))
                if isinstance(hypothesis, AudioError):
                    board.skip("unreadable")
                    evidence.add_unreadable(utterance.id, hypothesis.message)
                    continue
                normalize = self.bundle.normalizer
                result = score(
                    normalize(utterance.text), normalize(hypothesis.text), utterance=utterance
                )
                board.append(result)
                evidence.add(result)
                files.add(index, prediction=result.hypothesis, target=result.reference)
                progress(board.utterances, None)
            board.skipped.update(chosen.dropped)
            self._refuse_nothing(board)
        made = self._report(board, time.monotonic() - began)
        evidence.conclude(
            {
                **made.to_json(),
                **self._facts(chosen, parity),
                "transcripts_sha256": digest.hexdigest(),
            }
        )
        results = files.conclude(wer=made.wer.rate, cer=made.cer.rate)
        return Evaluated(made, parity, results, evidence.report)

    def _hear(self, chosen: EvalSet) -> Iterator[tuple[Utterance, Hypothesis | AudioError]]:
        emitted = emit_each(
            self.model,
            chosen.utterances,
            batch_seconds=self.config.batch_seconds,
            workers=self.config.workers,
        )
        return decode_each(self.decoder, map(_measured, emitted), workers=self.config.workers)

    def _title(self, name: str) -> str:
        """Name the evidence, so that other ways to hear the same set do not replace it."""
        chunks, lm = self.config.chunks, self.config.lm
        parts = [name, *([f"lm-{lm.stem}"] if lm else [])]
        parts += [f"chunks-{chunks.length:g}-{chunks.margin:g}"] if chunks else []
        return ".".join(parts)

    def _evidence_folder(self) -> Path:
        if self.config.evidence is not None:
            return self.config.evidence
        is_local = Path(self.config.model_id).is_dir()
        return (self.bundle.folder if is_local else self.config.output) / "evidence"

    def _report(self, board: Scoreboard, seconds: float) -> Report:
        normalize = self.bundle.normalizer
        return report(
            board,
            signature=Signature(
                normalizer=normalize.name,
                normalizer_hash=normalize.hash,
                decoding=self.decoder.signature,
            ),
            language=normalize.language,
            processing_seconds=seconds,
            replicates=self.config.replicates,
            seed=self.config.seed,
        )

    def _facts(self, chosen: EvalSet, parity: Parity | None) -> dict[str, Any]:
        return {
            "split": self.config.split,
            "dataset": chosen.facts,
            **{key: chosen.facts[key] for key in ("manifest_sha256",) if key in chosen.facts},
            "lm": None if self.config.lm is None else self.config.lm.name,
            "chunk_length_s": self.config.chunk_length_s,
            "stride_length_s": self.config.stride_length_s,
            "parity": parity.lines() if parity else None,
            "circumstances": circumstances(
                self.bundle.folder, device=str(getattr(self.bundle.model, "device", "cpu"))
            ),
        }

    def _refuse_nothing(self, board: Scoreboard) -> None:
        if not board.utterances:
            reasons = ", ".join(f"{count:,} {name}" for name, count in board.skipped.items())
            raise ManifestError(
                f"{self.config.dataset}: nothing to score ({reasons or 'the split is empty'})",
                hint="check `--config`, `--split` and where the recordings are",
            )
