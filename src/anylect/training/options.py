"""Every knob of training: its unit, its default, its reason."""

from dataclasses import dataclass, field
from typing import Literal

from anylect.audio.augment import AugmentOptions, SpecAugmentOptions
from anylect.config import refuse_below, refuse_not_above
from anylect.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What of the manifest is learnt from, and what is validated on."""

    train: tuple[str, ...] = ("train",)
    """Splits to learn from."""
    dev: tuple[str, ...] = ("dev",)
    """Splits to validate on; none of those learnt from."""
    min_duration: float = 0.0
    """Seconds; only utterances that last longer are learnt from."""
    max_duration: float | None = None
    """Seconds; only utterances that last less are learnt from; None sets no limit."""
    train_utterances: int | None = None
    """Learn from the first so many only; all by default."""
    unknown_token: bool = True
    """Keep a token for characters that no training transcript has; some published systems have
    none, and as many labels as there are."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "min_duration")
        refuse_not_above(self, self.min_duration, "max_duration")
        refuse_below(self, 1, "train_utterances")
        for name in ("train", "dev"):
            if not getattr(self, name):
                raise ConfigError(f"`{name}` names no split", hint=f'e.g. `{name} = ["{name}"]`')
        if both := set(self.train) & set(self.dev):
            raise ConfigError(
                f"split `{min(both)}` is both learnt from and validated on",
                hint="a score on what was learnt says nothing; name other splits in `data.dev`",
            )


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How utterances are grouped."""

    seconds: float = 160.0
    """Audio of one batch, padding included; memory follows it, whatever the lengths are."""
    max_utterances: int = 64
    """Upper bound for corpora of very short utterances. With `seconds` at least this many times
    the longest utterance it alone decides: the "batch size" of other tools."""
    accumulation: int = 1
    """Batches whose gradients make one update."""
    order: Literal["shuffled", "sorted-first", "sorted"] = "shuffled"
    """Of the batches. `sorted-first`: from short to long in the first epoch, shuffled from then on
    (Amodei et al. 2016, sec. 3.2); `sorted`: from short to long in every epoch."""
    workers: int = 2
    """Threads that read, augment and extract features; 0 does it in the training thread."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "seconds")
        refuse_below(self, 1, "max_utterances", "accumulation")
        refuse_below(self, 0, "workers")


@dataclass(frozen=True, kw_only=True)
class JoiningOptions:
    """Utterances joined at random to longer ones, for models that shall hear long recordings.

    A recurrent model that learnt from single sentences fails in longer recordings.
    """

    probability: float = 0.0
    """That an utterance begins a joined passage rather than one of its own; 0 joins nothing."""
    seconds: float = 30.0
    """Longest joined passage, pauses included; windows of long recordings get as long."""
    pause_seconds: tuple[float, float] = (0.0, 1.5)
    """Shortest and longest between two utterances; short ones are drawn more often, by the square
    of an even draw, since they are what a model hears least in single utterances."""
    from_epoch: int = 0
    """Epochs before it hear every utterance by itself: a model that trains from nothing finds
    what sounds like what sooner in short ones (Amodei et al. 2016, sec. 3.2)."""

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"`probability` is {self.probability}", hint="expected 0 to 1")
        refuse_not_above(self, 0, "seconds")
        refuse_below(self, 0, "from_epoch")
        shortest, longest = self.pause_seconds
        if not 0 <= shortest <= longest:
            raise ConfigError(
                f"`pause_seconds` are [{shortest}, {longest}]",
                hint="expected 0 or more, the lower bound first",
            )


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How weights move: AdamW (Loshchilov & Hutter 2019) or SGD, warm-up, decay."""

    learning_rate: float = 3e-4
    """Peak, reached after warm-up."""
    warmup_updates: int = 500
    """Linear ramp from zero to the peak."""
    warmup_share: float | None = None
    """The ramp as a share of all updates; overrides `warmup_updates`."""
    schedule: Literal["linear", "cosine", "constant", "annealed"] = "linear"
    """From the peak to `final_fraction` of it at the last update; `annealed` divides it by
    `annealing` after every epoch instead, wherever that ends."""
    annealing: float = 1.1
    """What `annealed` divides by; 1.1 is that of deepspeech.pytorch and MLPerf's reference."""
    final_fraction: float = 0.0
    """Where the schedule ends, as a share of the peak."""
    kind: Literal["adamw", "adamw-8bit", "sgd"] = "adamw"
    """`adamw-8bit` keeps its moments in a byte each: needs a CUDA card and `anylect[8bit]`. `sgd`
    takes `momentum` and `nesterov` and no `betas`, and wants another `learning_rate`."""
    momentum: float = 0.9
    """Of `sgd`: which share of the step before is taken again."""
    nesterov: bool = True
    """Of `sgd`: look ahead along the momentum (Sutskever et al. 2013, sec. 2)."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the running mean and of the running square of gradients."""
    epsilon: float = 1e-8
    """Added to the root of the running square."""
    weight_decay: float = 0.01
    """Of matrices; biases and normalization weights have none."""
    clip_norm: float = 5.0
    """Gradients longer than this are shortened to it; `inf` shortens none."""
    loss_reduction: Literal["tokens", "utterances", "mean", "sum"] = "tokens"
    """What an update descends. `tokens`: nats per token, pooled over all batches of the update;
    `utterances`: nats per utterance, pooled likewise, so that long ones count for more.
    `mean` and `sum` are those of `ctc_loss_reduction` in transformers: each utterance's nats per
    token averaged over its batch, or the nats of a batch summed; batches are averaged."""
    zero_infinity: bool = True
    """Utterances with more labels than frames add nothing, instead of spoiling their update."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "learning_rate", "epsilon", "clip_norm", "annealing")
        refuse_below(self, 0, "warmup_updates", "warmup_share", "final_fraction", "weight_decay")
        if self.warmup_share is not None and not self.warmup_share <= 1:
            raise ConfigError(f"`warmup_share` is {self.warmup_share}", hint="expected 0 to 1")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"`momentum` is {self.momentum}", hint="expected 0 to below 1")
        if self.kind == "sgd" and self.nesterov and not self.momentum:
            raise ConfigError(
                "`nesterov` is true and `momentum` 0", hint="give `momentum`, or `nesterov = false`"
            )
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(
                f"`betas` are {list(self.betas)}", hint="expected 0 or more, but less than 1"
            )


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How long to train, how often to look, what to keep."""

    epochs: float = 30.0
    """Passes over the training split; `updates` overrides it."""
    updates: int | None = None
    """Optimiser steps."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the arithmetic; weights and their moments stay fp32."""
    log_every: int = 10
    """Updates between two journal lines."""
    validate_every: int = 500
    """Updates between two validations; the last update is always followed by one."""
    validate_each_epoch: bool = False
    """Validate and save after each epoch instead of every `validate_every` updates; without
    `updates` the run then takes whole epochs, however many updates each has."""
    target_wer: float | None = None
    """Stop at the first validation whose WER, a fraction, is no higher."""
    validation_utterances: int | None = None
    """Score only so many of the dev split, evenly spread; all by default."""
    save_every: int = 500
    """Updates between two checkpoints to resume from; the last update always saves one."""
    keep_checkpoints: int = 2
    """Newest checkpoints kept; the best weights are kept besides."""
    ship: Literal["best", "last"] = "best"
    """Which weights the bundle gets: those best on `dev`, or those of the last update. Weights
    chosen by a split have a score on that split that flatters them."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "epochs")
        refuse_below(self, 0, "target_wer")
        refuse_below(
            self,
            1,
            "updates",
            "log_every",
            "validate_every",
            "validation_utterances",
            "save_every",
            "keep_checkpoints",
        )


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions:
    """What the recordings go through before each epoch, drawn anew by seed, epoch and utterance."""

    waveform: AugmentOptions = field(default_factory=AugmentOptions)
    """Speed, gain, noise."""
    features: SpecAugmentOptions = field(default_factory=SpecAugmentOptions)
    """Masks in time and frequency; only where the model reads features."""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """When a run is in trouble, and what is done about it."""

    plateau_updates: int = 3000
    """After warm-up, a model may write nothing but blanks for so long; beyond it is stuck."""
    patience: int = 50
    """Updates in a row whose gradients are not finite, after which the run stops or goes back."""
    restarts: int = 0
    """How often a run whose learning rate proves too high goes back to a checkpoint from before
    the trouble and continues with a lower rate; 0 leaves that to you."""
    restart_factor: float = 0.5
    """What the learning rate is multiplied by at each restart."""

    def __post_init__(self) -> None:
        refuse_below(self, 1, "patience")
        refuse_below(self, 0, "plateau_updates", "restarts")
        refuse_not_above(self, 0, "restart_factor")
        if not self.restart_factor < 1:
            raise ConfigError(
                f"`restart_factor` is {self.restart_factor}", hint="expected more than 0, below 1"
            )
