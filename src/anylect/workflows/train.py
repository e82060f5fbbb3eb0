"""From a manifest to a bundle.

The run folder holds the resolved configuration, the journal, checkpoints to resume from and, at
the end, the bundle. Killing a run loses at most what happened since its last checkpoint.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anylect import __version__
from anylect.audio.augment import check_sources
from anylect.audio.load import probe
from anylect.config import load_config, refuse_below, save_config, to_mapping
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.data.statement import describe_data
from anylect.errors import AudioError, ConfigError, ManifestError, TrainingError
from anylect.hub.evidence import without_places
from anylect.hub.push import Pusher, PushOptions
from anylect.models.options import ModelOptions
from anylect.records import Utterance
from anylect.text.normalize import Normalizer, default_normalizer, load_normalizer
from anylect.text.recipes import written_without_spaces
from anylect.text.vocabulary import build_vocabulary
from anylect.training.history import summarize
from anylect.training.journal import Journal, Listener, read_journal
from anylect.training.options import (
    AugmentationOptions,
    BatchOptions,
    DataOptions,
    DoctorOptions,
    JoiningOptions,
    OptimizerOptions,
    ScheduleOptions,
)
from anylect.training.tensorboard import TensorBoard
from anylect.workflows.benchmark_options import BenchmarkOptions

if TYPE_CHECKING:
    from anylect.models.checkpoints import CheckpointModel
    from anylect.training.doctor import Patient
    from anylect.training.feed import Feed
    from anylect.training.lessons import LeftOut, Lesson
    from anylect.training.team import Team
    from anylect.training.watch import Watch

MAY_CHANGE = ("output", "device", "threads", "tensorboard", "push", "benchmark")
"""Settings that a resumed run may have otherwise than it began: they decide no result."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What to learn from, how, and where to put it."""

    manifest: Path
    """With splits `train` and `dev`, as `anylect prepare` writes it."""
    output: Path
    """The run folder."""
    language: str | None = None
    """BCP 47 tag; by default what the manifest says."""
    normalizer: Path | None = None
    """A `normalizer.json`; by default the recipe of the language."""
    seed: int = 0
    """Of weights, order and augmentation."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""
    threads: int | None = None
    """Of arithmetic on the CPU; by default one a core."""
    tensorboard: bool = True
    """Write the journal's figures as curves, too, into `tensorboard/` in the run folder."""
    data: DataOptions = field(default_factory=DataOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    batches: BatchOptions = field(default_factory=BatchOptions)
    joining: JoiningOptions = field(default_factory=JoiningOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    augmentation: AugmentationOptions = field(default_factory=AugmentationOptions)
    doctor: DoctorOptions = field(default_factory=DoctorOptions)
    push: PushOptions = field(default_factory=PushOptions)
    benchmark: BenchmarkOptions = field(default_factory=BenchmarkOptions)

    def __post_init__(self) -> None:
        refuse_below(self, 0, "seed")
        if self.seed >= 2**63:
            raise ConfigError(f"`seed` is {self.seed}", hint="expected less than 2^63")
        refuse_below(self, 1, "threads")


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """How a run ended; `best_wer` is of the dev split, a fraction."""

    bundle: Path
    updates: int
    best_update: int
    best_wer: float
    seconds: float
    left_out: dict[str, int]
    push_failures: tuple[str, ...] = ()
    rank: int = 0
    """Of this process, where several trained together: only 0 wrote anything."""

    def lines(self) -> list[str]:
        """Say it in words."""
        left_out = [f"left out: {count:,} {reason}" for reason, count in self.left_out.items()]
        return [
            *left_out,
            *(f"not pushed on the way: {reason}" for reason in self.push_failures),
            f"best dev WER {self.best_wer:.1%} at update {self.best_update:,} of {self.updates:,} "
            f"({self.seconds:.0f} s)",
            f"bundle: {self.bundle}",
        ]


def train(
    config: TrainConfig, *, listeners: Sequence[Listener] = (), resume: bool = False
) -> TrainReport:
    """Train a model on the manifest's `train` split, keeping what is best on `dev`.

    Args:
        config: Everything that decides the result.
        listeners: Told of every event of the journal.
        resume: Continue the run that stands in `config.output`.

    Raises:
        ConfigError: When the run folder has a run already, or resumes with other settings.
        ManifestError: When a split is missing.
        TrainingError: When nothing can be learnt, or a checkpoint is broken.
    """
    from anylect.training.garbage import put_off_collections

    with put_off_collections() as settle:
        return _train(config, listeners, resume=resume, settle=settle)


def _train(
    config: TrainConfig,
    listeners: Sequence[Listener],
    *,
    resume: bool,
    settle: Callable[[], None],
) -> TrainReport:
    from anylect.models.build import build_model
    from anylect.training.doctor import describe_patient
    from anylect.training.lessons import make_lessons
    from anylect.training.loop import Settings, Training
    from anylect.training.selection import within_limits
    from anylect.training.team import join_team
    from anylect.training.threads import use_threads
    from anylect.training.validation import Validation

    use_threads(config.threads)
    check_sources(config.augmentation.waveform)
    team = join_team(config.device)
    _refuse_pushed_shards(config, team)
    utterances, dev = read_sides(config)
    normalizer = choose_normalizer(config, utterances)
    texts = [normalizer(utterance.text) for utterance in utterances]
    vocabulary = build_vocabulary(texts, unknown=config.data.unknown_token)
    model = build_model(config.model, vocabulary, device=str(team.device), seed=config.seed)
    lessons, left_out = within_limits(*make_lessons(utterances, texts, model), config.data)
    if not lessons:
        raise nothing_to_learn(config, left_out)
    team.agree((len(lessons), len(vocabulary)), what=f"{config.manifest}: utterances and tokens")
    if team.is_main:
        _open_run(config, resume=resume)
    save = partial(_save, config, normalizer)
    pusher = _build_pusher(config, team, partial(save, model, lessons))
    journal = _open_journal(config, team, [*listeners, *([pusher] if pusher else [])])
    for each in left_out:
        journal.write("left_out", id=each.utterance.id, reason=each.reason, detail=each.detail)
    training = Training(
        model,
        _build_feed(config, lessons, model, normalizer=normalizer, team=team),
        Validation(dev, normalizer, limit=config.schedule.validation_utterances),
        settings=Settings(optimizer=config.optimizer, schedule=config.schedule),
        watch=_open_watch(config, team, journal, describe_patient(lessons, left_out, model)),
        team=team,
    )
    settle()
    outcome = training.run(config.output / "checkpoints", resume=resume)
    heard = [each for each in lessons if each.utterance.id not in training.unreadable]
    bundle = config.output / "bundle"
    if team.is_main:
        figures = {"dev_wer": outcome.best_wer, "updates": outcome.best_update}
        best = training.best_model(partial(build_model, config.model, vocabulary))
        save(best, heard, bundle, seconds=round(outcome.seconds, 1), **figures)
    if pusher is not None:
        pusher.finish(bundle)
    team.leave()
    reasons = [each.reason for each in left_out] + ["unreadable"] * (len(lessons) - len(heard))
    return TrainReport(
        bundle=bundle,
        left_out=dict(Counter(reasons)),
        push_failures=tuple(pusher.failures) if pusher else (),
        rank=team.rank,
        **vars(outcome),
    )


def _build_feed(
    config: TrainConfig,
    lessons: "Sequence[Lesson]",
    model: "CheckpointModel",
    *,
    normalizer: Normalizer,
    team: "Team",
) -> "Feed":
    from anylect.training.feed import Feed

    is_spaced = not written_without_spaces(normalizer.language)
    return Feed(
        lessons=lessons,
        frontend=model.frontend,
        batches=config.batches,
        augmentation=config.augmentation,
        joining=config.joining,
        boundary=model.vocabulary.boundary if is_spaced else None,
        count_frames=model.count_frames,
        equal_lengths=not model.uses_mask,
        seed=config.seed,
        rank=team.rank,
        processes=team.size,
    )


def _refuse_pushed_shards(config: TrainConfig, team: "Team") -> None:
    if team.shards and config.push.repository and config.push.when == "save":
        raise ConfigError(
            "`push.when` is `save` and the weights are divided among processes",
            hint='push once with `push.when = "end"`, or launch without FSDP',
        )


def _build_pusher(config: TrainConfig, team: "Team", save: Callable[[Path], Path]) -> Pusher | None:
    is_wanted = config.push.repository is not None and team.is_main
    return Pusher(config.push, config.output, save) if is_wanted else None


def _open_watch(config: TrainConfig, team: "Team", journal: Journal, patient: "Patient") -> "Watch":
    from anylect.training.doctor import Doctor
    from anylect.training.watch import Watch

    page = config.output / "doctor.md" if team.is_main else None
    return Watch(journal, Doctor(patient, config.doctor), page)


def _open_journal(config: TrainConfig, team: "Team", listeners: Sequence[Listener]) -> Journal:
    """Open the run's journal; only the main process keeps one."""
    if not team.is_main:
        return Journal(None)
    boards = [TensorBoard(config.output / "tensorboard")] if config.tensorboard else []
    return Journal(config.output / "journal.jsonl", [*listeners, *boards])


def _save(
    config: TrainConfig,
    normalizer: Normalizer,
    model: "CheckpointModel",
    lessons: "Sequence[Lesson]",
    folder: Path,
    **figures: Any,  # noqa: ANN401  JSON values
) -> Path:
    """Write a bundle with what is known of its training."""
    from anylect.hub.bundle import save_bundle  # with the kernels of language models

    evidence = {
        "anylect": __version__,
        "train_utterances": len(lessons),
        "train_hours": round(sum(each.utterance.duration or 0.0 for each in lessons) / 3600, 3),
        **figures,
        "manifest_sha256": manifest_checksum(config.manifest),
        "data": _describe(config.manifest, manifest_checksum(config.manifest), normalizer),
        "history": _history(config.output / "journal.jsonl"),
        "config": without_places(to_mapping(config)),
    }
    return save_bundle(folder, model=model, normalizer=normalizer, evidence=evidence)


@lru_cache(maxsize=1)
def _describe(manifest: Path, checksum: str, normalizer: Normalizer) -> dict[str, Any]:
    """Describe the data once, however often a run saves a bundle of it."""
    del checksum  # what the cache tells one state of the manifest from another by
    return describe_data(read_manifest(manifest), normalizer)


def _history(journal: Path) -> dict[str, Any]:
    return summarize(read_journal(journal)) if journal.is_file() else {}


def read_sides(config: TrainConfig) -> tuple[list[Utterance], list[Utterance]]:
    """Read what is to be learnt from, as many utterances as asked for, and what to validate on.

    Raises:
        ManifestError: When a split is missing or none of its recordings can be read.
    """
    splits: dict[str | None, list[Utterance]] = {
        name: [] for name in (*config.data.train, *config.data.dev)
    }
    for utterance in read_manifest(config.manifest):
        if utterance.split in splits:
            splits[utterance.split].append(utterance)
    for name, utterances in splits.items():
        _check_split(config, name, utterances)
    learnt, dev = (
        [utterance for name in side for utterance in splits[name]]
        for side in (config.data.train, config.data.dev)
    )
    return learnt[: config.data.train_utterances], dev


def _check_split(config: TrainConfig, split: str | None, utterances: Sequence[Utterance]) -> None:
    """See to it that at least one recording of a split is where the manifest says."""
    if not utterances:
        raise ManifestError(
            f"{config.manifest}: no utterance has split `{split}`",
            hint="`anylect prepare` with `--set splits.keep=false` divides any corpus, so that "
            "the sides share neither speakers nor sentences",
        )
    flaw = ""
    for utterance in utterances:
        try:
            probe(utterance.audio)
        except AudioError as error:
            flaw = flaw or error.message
        else:
            return
    raise ManifestError(
        f"{config.manifest}: none of the {len(utterances):,} recordings of split `{split}` can be "
        f"read, e.g. {flaw}",
        hint="paths in a manifest are relative to it: put it back beside its recordings",
    )


def nothing_to_learn(config: TrainConfig, left_out: "Sequence[LeftOut]") -> TrainingError:
    """Build the error for a split of which no utterance can be learnt."""
    counts = Counter(each.reason for each in left_out)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return TrainingError(
        f"{config.manifest}: nothing of split `train` can be learnt: {reasons}, "
        f"e.g. {left_out[0].utterance.id}: {left_out[0].detail}",
        hint="check transcripts and durations; models with a finer frame step need fewer seconds",
    )


def choose_normalizer(config: TrainConfig, utterances: Sequence[Utterance]) -> Normalizer:
    """Return the normalizer asked for, or that of the language most utterances have."""
    if config.normalizer is not None:
        return load_normalizer(config.normalizer)
    if config.language is not None:
        return default_normalizer(config.language)
    counts = Counter(utterance.language for utterance in utterances)
    return default_normalizer(counts.most_common(1)[0][0])


def _open_run(config: TrainConfig, *, resume: bool) -> None:
    """Make the run folder, or check that it holds the run to be resumed."""
    path = config.output / "config.toml"
    if path.exists():
        if not resume:
            raise ConfigError(
                f"{config.output}: there is a run in this folder",
                hint="`--resume` continues it; another `--output` begins a new one",
            )
        _refuse_other_settings(load_config(TrainConfig, path), config)
        return
    try:
        config.output.mkdir(parents=True, exist_ok=True)
        # Half a configuration would pass for a run.
        partial_path = config.output / ".config.toml.partial"
        save_config(config, partial_path)
        partial_path.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{config.output}: cannot be written to ({error.strerror})",
            hint="choose another folder with `--output`",
        ) from error


def _refuse_other_settings(before: TrainConfig, now: TrainConfig) -> None:
    old, new = to_mapping(before), to_mapping(now)
    for name in sorted(old.keys() | new.keys()):
        if name not in MAY_CHANGE and old.get(name) != new.get(name):
            raise ConfigError(
                f"`{name}` was {old.get(name)} when the run began and is {new.get(name)} now",
                hint="resume with the same settings, or begin a new run with another `--output`",
            )
