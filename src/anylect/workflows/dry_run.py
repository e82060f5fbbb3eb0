"""What a training run would do and cost, without doing it: `anylect train … --dry-run`.

Reads the manifest, labels every utterance, plans the batches and builds the model's shapes; no
weights are loaded, and encoders in `models.encoders.SHAPES` need no download.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from anylect.records import Utterance
from anylect.text.vocabulary import build_vocabulary
from anylect.workflows.train import (
    TrainConfig,
    choose_normalizer,
    nothing_to_learn,
    read_sides,
)

if TYPE_CHECKING:
    from anylect.models.checkpoints import CheckpointModel
    from anylect.training.estimates import Cost
    from anylect.training.lessons import Lesson


@dataclass(frozen=True, kw_only=True)
class SplitSize:
    """How much one side of the data holds."""

    splits: tuple[str, ...]
    utterances: int
    hours: float
    speakers: int

    def line(self, side: str) -> str:
        """Say it in words."""
        return (
            f"{side:<8} {self.utterances:,} utterances · {self.hours:.2f} h · "
            f"{self.speakers:,} speakers   (split {', '.join(self.splits)})"
        )


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The first epoch's batches; later ones are like it."""

    batches: int
    accumulation: int
    largest: tuple[int, float]
    """Utterances, and seconds of the longest, of the batch that takes most memory."""
    padded_seconds: float
    padding: float
    """Share of the padded seconds that is padding."""
    updates: int
    epochs: float


@dataclass(frozen=True, kw_only=True)
class DryRunReport:
    """What a run would see, learn and cost; estimates are true within a third or so."""

    train: SplitSize
    dev: SplitSize
    left_out: Mapping[str, int]
    examples: Mapping[str, str]
    tokens: int
    normalizer: str
    weights: int
    learning: int
    layers: Sequence[str]
    """Of a DeepSpeech2; empty for pretrained encoders."""
    plan: BatchPlan
    cost: "Cost"
    device: str
    hours: float
    """Of training, without validation."""

    def lines(self) -> list[str]:
        """Say it in words."""
        plan, cost = self.plan, self.cost
        seconds = plan.largest[0] * plan.largest[1]
        return [
            self.train.line("train"),
            self.dev.line("dev"),
            *(
                f"left out {count:,} {reason}, e.g. {self.examples[reason]}"
                for reason, count in self.left_out.items()
            ),
            f"labels   {self.tokens:,} tokens, blank and boundary included · normalizer "
            f"{self.normalizer}",
            f"model    {self.weights / 1e6:,.1f} M weights, {self.learning / 1e6:,.1f} M learn",
            *(f"         {layer}" for layer in self.layers),
            f"batches  {plan.batches:,} an epoch, {plan.padding:.1%} padding, the largest "
            f"{plan.largest[0]} utterances of {plan.largest[1]:.1f} s ({seconds:.0f} s); "
            f"{plan.accumulation} an update",
            f"updates  {plan.updates:,} in {plan.epochs:.1f} epochs",
            f"memory   about {_gigabytes(cost.memory)}: weights {_gigabytes(cost.weights)}, "
            f"gradients {_gigabytes(cost.gradients)}, moments {_gigabytes(cost.moments)}, "
            f"activations {_gigabytes(cost.activations + cost.passing)}",
            f"time     about {_duration(self.hours)} on {self.device}, validation apart",
        ]


def dry_run(config: TrainConfig) -> DryRunReport:
    """Find out what `train(config)` would do and cost; nothing is written.

    Raises:
        ConfigError: For settings the architecture does not have.
        HubError: When the configuration of an encoder that is not known cannot be had.
        ManifestError: When a split is missing.
        TrainingError: When nothing can be learnt.
    """
    from anylect.models.build import build_model
    from anylect.models.deepspeech2_variants import list_layers
    from anylect.training.estimates import count_weights, name_device
    from anylect.training.lessons import make_lessons
    from anylect.training.selection import within_limits
    from anylect.training.threads import use_threads

    use_threads(config.threads)
    utterances, dev = read_sides(config)
    normalizer = choose_normalizer(config, utterances)
    texts = [normalizer(utterance.text) for utterance in utterances]
    vocabulary = build_vocabulary(texts, unknown=config.data.unknown_token)
    options = replace(config.model, from_config=config.model.checkpoint is not None)
    model = build_model(options, vocabulary, seed=config.seed, shapes_only=True)
    lessons, left_out = within_limits(*make_lessons(utterances, texts, model), config.data)
    if not lessons:
        raise nothing_to_learn(config, left_out)
    plan = _plan(config, lessons, model)
    weights, learning = count_weights(model)
    cost, hours = _estimate(config, model, plan, typical=fmean(_durations(lessons)))
    return DryRunReport(
        train=_size(config.data.train, [lesson.utterance for lesson in lessons]),
        dev=_size(config.data.dev, dev),
        left_out=Counter(each.reason for each in left_out),
        examples={each.reason: f"{each.utterance.id}: {each.detail}" for each in left_out[::-1]},
        tokens=len(vocabulary),
        normalizer=normalizer.name,
        weights=weights,
        learning=learning,
        layers=list_layers(model.module) if config.model.checkpoint is None else (),
        plan=plan,
        cost=cost,
        device=name_device(config.device),
        hours=hours,
    )


def _size(splits: Sequence[str], utterances: Sequence[Utterance]) -> SplitSize:
    return SplitSize(
        splits=tuple(splits),
        utterances=len(utterances),
        hours=sum(utterance.duration or 0.0 for utterance in utterances) / 3600,
        speakers=len({utterance.speaker for utterance in utterances if utterance.speaker}),
    )


def _durations(lessons: "Sequence[Lesson]") -> list[float]:
    return [lesson.utterance.duration or 0.0 for lesson in lessons]


def _plan(config: TrainConfig, lessons: "Sequence[Lesson]", model: "CheckpointModel") -> BatchPlan:
    """Plan the first epoch as the run itself would."""
    from anylect.training.feed import Feed

    feed = Feed(
        lessons=lessons,
        frontend=model.frontend,
        batches=config.batches,
        augmentation=config.augmentation,
        joining=config.joining,
        boundary=model.vocabulary.boundary,
        count_frames=model.count_frames,
        equal_lengths=not model.uses_mask,
        seed=config.seed,
    )
    durations = np.array(_durations(lessons))
    lengths = [[passage.duration(durations) for passage in batch] for batch in feed.plan(0)]
    padded = sum(len(batch) * max(batch) for batch in lengths)
    largest = max(lengths, key=lambda batch: len(batch) * max(batch))
    an_epoch = -(-len(lengths) // config.batches.accumulation)
    updates = config.schedule.updates or feed.count_updates(config.schedule.epochs)
    return BatchPlan(
        batches=len(lengths),
        accumulation=config.batches.accumulation,
        largest=(len(largest), max(largest)),
        padded_seconds=padded,
        padding=1.0 - sum(map(sum, lengths)) / padded,
        updates=updates,
        epochs=updates / an_epoch,
    )


def _estimate(
    config: TrainConfig, model: "CheckpointModel", plan: BatchPlan, *, typical: float
) -> tuple["Cost", float]:
    """Return what the run costs, and its hours on the device it is to run on."""
    from anylect.training.estimates import estimate_cost, measure_speed, passes, utilisation

    precision = config.schedule.precision
    cost = estimate_cost(
        model,
        typical=typical,
        largest=plan.largest,
        optimizer=config.optimizer,
        precision=precision,
    )
    operations = cost.operations_per_second * plan.padded_seconds * plan.epochs * passes(model)
    speed = measure_speed(config.device, precision=precision) * utilisation(config.device)
    return cost, operations / speed / 3600


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _duration(hours: float) -> str:
    """Say hours in the unit that fits.

    Example:
        >>> _duration(0.001), _duration(0.5), _duration(7.25), _duration(100.0)
        ('4 s', '30 min', '7.2 h', '4.2 days')
    """
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
