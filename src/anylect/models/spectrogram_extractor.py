"""What a DeepSpeech2 reads, as a feature extractor of `transformers`.

The features themselves are computed by `audio.features`; this class keeps their options in
`preprocessor_config.json`, so that a bundle says how its model hears. One mean and one standard
deviation over all features, and over a whole utterance or what came before, take out level and
recording gain, and leave the shape of the spectrum.
"""

from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
from transformers import AutoFeatureExtractor, BatchFeature, SequenceFeatureExtractor

from anylect.audio.features import FeatureOptions, extract_features
from anylect.config import build_config
from anylect.data.batches import pad
from anylect.models.deepspeech2 import DeepSpeech2Config
from anylect.models.frontend import Frontend


class DeepSpeech2FeatureExtractor(SequenceFeatureExtractor):
    """Options of `FeatureOptions` under their own names, as `transformers` saves and loads them."""

    model_input_names = ("input_features", "attention_mask")

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  what a JSON file holds
        known = {field.name for field in fields(FeatureOptions)}
        self.options = build_config(
            FeatureOptions, {name: value for name, value in settings.items() if name in known}
        )
        settings.pop("normalized", None)  # of bundles from before `normalization`
        rest = {"feature_size", "sampling_rate", "padding_value"}
        super().__init__(
            feature_size=self.options.size,
            sampling_rate=self.options.sample_rate,
            padding_value=0.0,
            **{name: value for name, value in settings.items() if name not in known | rest},
        )

    @classmethod
    def from_options(cls, options: FeatureOptions) -> "DeepSpeech2FeatureExtractor":
        """Build an extractor that computes what `options` describe."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(options)})

    def to_dict(self) -> dict[str, Any]:
        """Return what `preprocessor_config.json` holds."""
        plain: dict[str, Any] = super().to_dict()
        options = plain.pop("options")
        return plain | {field.name: getattr(options, field.name) for field in fields(options)}

    def frontend(self) -> Frontend:
        """Return the arithmetic without the file format."""
        memory = self.options.memory_seconds * self.options.sample_rate / self.options.hop_samples
        return Frontend(
            sample_rate=self.options.sample_rate,
            input_name="input_features",
            extract=partial(extract_features, options=self.options),
            window=self.options.window_samples,
            hop=self.options.hop_samples,
            edge=round(self.options.edge_ms * self.options.sample_rate / 1000),
            normalized=self.options.normalization == "utterance",
            over_features=True,
            memory=memory if self.options.normalization == "running" else None,
        )

    def __call__(
        self,
        raw_speech: Any,  # noqa: ANN401  one waveform or several, in any sequence type
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **ignored: Any,  # noqa: ANN401  whatever `transformers` passes along
    ) -> BatchFeature:
        """Compute padded features (B, T, F) and their mask, as `transformers` calls extractors."""
        if sampling_rate is not None and sampling_rate != self.options.sample_rate:
            raise ValueError(
                f"sampling_rate is {sampling_rate}, expected {self.options.sample_rate}"
            )
        single = np.ndim(raw_speech[0]) == 0
        frontend = self.frontend()
        rows = [
            frontend.prepare(np.asarray(each, np.float32))
            for each in ([raw_speech] if single else raw_speech)
        ]
        padded, lengths = pad(rows)
        mask = (np.arange(padded.shape[1]) < lengths[:, None]).astype(np.int64)
        features = BatchFeature({"input_features": padded, "attention_mask": mask})
        if return_tensors is not None:
            features.convert_to_tensors(return_tensors)
        return features


AutoFeatureExtractor.register(DeepSpeech2Config, DeepSpeech2FeatureExtractor, exist_ok=True)
