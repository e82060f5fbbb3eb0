"""Published shapes of DeepSpeech2, by name.

The MLPerf speech-recognition reference (github.com/mlcommons/training, folder
`speech_recognition`, a fork of SeanNaren's deepspeech.pytorch) describes itself four ways:

- its README's **list of layers** prints three GRUs, 672→2560→2560→2560, in one direction with
  nothing between them; `pytorch/params.py` and `pytorch/train.py` (`bidirectional = False`) of
  the same time build exactly that: `mlperf-listing`, the one whose runs were timed;
- its README's **summary** says five bidirectional GRU layers, without a size. That is what
  `params.py` (800, five layers; commit 62e6262), `train.py` (`bidirectional = True`; commit
  77a6647) and `model.py` (batch normalization before every layer but the first; commit 9b2f375)
  had before the README's "model update": `mlperf-summary`;
- its **`DeepSpeech` class**, constructed without arguments, makes five bidirectional LSTMs of
  768 without biases, and today without normalization between them: `mlperf-class`.

All share the convolutions, which pad neither time nor frequency, the sum of both directions,
and the end: batch normalization and a linear layer without bias. Without a name,
`DeepSpeech2Config` has the listing's cells and sizes, but hears both ways, normalizes between
layers and pads time, so that no frame is lost at the ends: it learns sooner and better.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from anylect.errors import ConfigError
from anylect.models.deepspeech2 import ConvolutionBlock, DeepSpeech2ForCTC, RecurrentBlock

_UNPADDED = {"conv_paddings": ((0, 0), (0, 0))}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "mlperf-listing": {
        **_UNPADDED,
        "recurrent_type": "gru",
        "recurrent_layers": 3,
        "hidden_size": 2560,
        "bidirectional": False,
        "recurrent_norm": False,
    },
    "mlperf-summary": {
        **_UNPADDED,
        "recurrent_type": "gru",
        "recurrent_layers": 5,
        "hidden_size": 800,
        "bidirectional": True,
        "recurrent_norm": True,
    },
    "mlperf-class": {
        **_UNPADDED,
        "recurrent_type": "lstm",
        "recurrent_layers": 5,
        "hidden_size": 768,
        "bidirectional": True,
        "recurrent_bias": False,
        "recurrent_norm": False,
    },
}
"""Fields of `DeepSpeech2Config` where they differ from its defaults, and what names them."""


def variant_settings(name: str) -> dict[str, Any]:
    """Return the settings of a variant.

    Raises:
        ConfigError: For a name that is not known.

    Example:
        >>> variant_settings("mlperf-listing")["hidden_size"]
        2560
        >>> variant_settings("mlperf-listings")
        Traceback (most recent call last):
        ...
        anylect.errors.ConfigError: `model.variant` is `mlperf-listings`
        <BLANKLINE>
        hint: did you mean `mlperf-listing`?
    """
    if name not in VARIANTS:
        near = difflib.get_close_matches(name, VARIANTS, n=1)
        raise ConfigError(
            f"`model.variant` is `{name}`",
            hint=f"did you mean `{near[0]}`?" if near else f"known: {', '.join(VARIANTS)}",
        )
    return dict(VARIANTS[name])


def list_layers(module: DeepSpeech2ForCTC) -> list[str]:
    """Say layer by layer what a DeepSpeech2 is made of, and how many weights each has.

    Example:
        >>> from anylect.models.deepspeech2 import DeepSpeech2Config
        >>> config = DeepSpeech2Config(
        ...     conv_paddings=((0, 0), (0, 0)), hidden_size=8, recurrent_layers=1
        ... )
        >>> for line in list_layers(DeepSpeech2ForCTC(config)):
        ...     print(line)
        conv 1→32 (41×11, step 2×2), norm, clip to 0–20: 14,496
        conv 32→32 (21×11, step 2×1), norm, clip to 0–20: 236,608
        gru 672→8, both directions summed: 32,736
        norm 8, linear 8→29: 248
    """
    return [f"{name}: {_count(*parts):,}" for name, parts in _layers(module)]


def _layers(module: DeepSpeech2ForCTC) -> Iterator[tuple[str, tuple[nn.Module, ...]]]:
    for block in module.convolutions:
        assert isinstance(block, ConvolutionBlock)  # narrows for the type checker
        conv = block.convolution
        kernel, step = (f"{high}×{wide}" for high, wide in (conv.kernel_size, conv.stride))
        padding = f", {conv.padding[1]} frames before and behind" if conv.padding[1] else ""
        sides = f"{conv.in_channels}→{conv.out_channels}"
        yield f"conv {sides} ({kernel}, step {step}{padding}), norm, clip to 0–20", (block,)
    for layer in module.recurrent:
        assert isinstance(layer, RecurrentBlock)  # as above
        cell = layer.onward
        both = ", both directions summed" if layer.returning is not None else ""
        norm = f"norm {cell.input_size}, " if layer.norm is not None else ""
        bias = "" if cell.bias else " without bias"
        sides = f"{cell.input_size}→{cell.hidden_size}"
        yield f"{norm}{cell.mode.lower()} {sides}{bias}{both}", (layer,)
    if module.lookahead is not None:
        ahead = module.lookahead
        yield f"look-ahead of {ahead.frames} frames, clip to 0–20", (ahead,)
    size, tokens = module.head.in_features, module.head.out_features
    yield f"norm {size}, linear {size}→{tokens}", (module.norm, module.head)


def _count(*parts: nn.Module) -> int:
    return sum(weight.numel() for part in parts for weight in part.parameters())
