"""Which model, how it begins, and what of it learns."""

from dataclasses import dataclass, field
from typing import Any

from anylect.audio.features import FeatureOptions
from anylect.config import refuse_below, refuse_not_above
from anylect.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """Learn low-rank changes of some matrices instead of the matrices (Hu et al. 2022)."""

    rank: int = 0
    """Of each change; 0 learns the weights themselves. Needs `anylect[lora]`."""
    alpha: int = 16
    """The changes are scaled by `alpha / rank`."""
    dropout: float = 0.0
    """Of what goes into the changes, while training."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Ends of the names of the linear layers changed; `linear_q`, `linear_v` in w2v-BERT."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "rank", "dropout")
        refuse_not_above(self, 0, "alpha")
        if not self.dropout < 1:
            raise ConfigError(f"`dropout` is {self.dropout}", hint="expected less than 1")
        if not self.targets:
            raise ConfigError("`lora.targets` is empty", hint='e.g. `targets = ["q_proj"]`')


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What learns."""

    checkpoint: str | None = None
    """Folder or hub name of a pretrained encoder; without it a DeepSpeech2 trains from nothing."""
    variant: str | None = None
    """A published shape of DeepSpeech2, by its name in `models.deepspeech2_variants`, e.g.
    `mlperf-listing`; `settings` change it further."""
    from_config: bool = False
    """Random weights in the checkpoint's architecture: tests, ablations. Needs no download for
    the checkpoints in `models.encoders.SHAPES`, and two small files for others."""
    freeze_feature_encoder: bool = True
    """Keep the lowest convolutions as pretrained (Baevski et al. 2020, sec. 4.2)."""
    gradient_checkpointing: bool = False
    """Compute activations again going backward instead of keeping them: far less memory for a
    third more arithmetic, the same gradients."""
    adapter: str | None = None
    """A language's code, e.g. `tur`: only fresh attention adapters and the head learn, as in MMS
    (Pratap et al. 2023, sec. 5); the bundle has them as `adapter.tur.safetensors` besides."""
    lora: LoraOptions = field(default_factory=LoraOptions)
    """Learn low-rank changes only, and the head; the bundle has them added to the weights."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of the architecture's configuration: dropouts, `layerdrop`, SpecAugment's masks
    (`mask_time_prob`, `mask_feature_length`, …), `hidden_size`, `adapter_attn_dim`."""
    features: FeatureOptions = field(default_factory=FeatureOptions)
    """What a DeepSpeech2 reads; pretrained encoders bring their own."""

    def __post_init__(self) -> None:
        if self.adapter is not None and not self.adapter.replace("-", "").isalnum():
            raise ConfigError(
                f"`model.adapter` is `{self.adapter}`", hint="expected a code such as `tur`"
            )
        if self.adapter and self.lora.rank:
            raise ConfigError(
                "`model.adapter` and `model.lora` are both given",
                hint="each freezes what the other would train; choose one",
            )
        if self.checkpoint is None:
            self._refuse_what_needs_an_encoder()
        elif self.variant is not None:
            raise ConfigError(
                "`model.variant` and `model.checkpoint` are both given",
                hint="variants are of DeepSpeech2, which trains from nothing; choose one",
            )

    def _refuse_what_needs_an_encoder(self) -> None:
        given = {
            "adapter": self.adapter,
            "lora.rank": self.lora.rank,
            "gradient_checkpointing": self.gradient_checkpointing,
        }
        for name, value in given.items():
            if value:
                raise ConfigError(
                    f"`model.{name}` is given without a `model.checkpoint`",
                    hint="a DeepSpeech2 trains from nothing, with all its weights",
                )
