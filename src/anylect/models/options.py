"""Which model, and how it begins."""

from dataclasses import dataclass, field
from typing import Any

from anylect.audio.features import FeatureOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What learns."""

    checkpoint: str | None = None
    """Folder or hub name of a pretrained encoder; without it a DeepSpeech2 trains from nothing."""
    from_config: bool = False
    """Random weights in the checkpoint's architecture: dry runs, tests, ablations."""
    freeze_feature_encoder: bool = True
    """Keep the lowest convolutions as pretrained (Baevski et al. 2020, sec. 4.2)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of the architecture's configuration, e.g. `layerdrop` or `hidden_size`."""
    features: FeatureOptions = field(default_factory=FeatureOptions)
    """What a DeepSpeech2 reads; pretrained encoders bring their own."""
