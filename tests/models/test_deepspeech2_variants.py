"""Named shapes of DeepSpeech2 are those their sources describe, counted by hand."""

import pytest
from tests.models.conftest import VOCABULARY

from anylect.errors import ConfigError
from anylect.models.build import build_model
from anylect.models.checkpoints import CheckpointModel
from anylect.models.deepspeech2_variants import VARIANTS, list_layers
from anylect.models.options import ModelOptions
from anylect.text.vocabulary import build_vocabulary
from anylect.training.estimates import count_weights

LETTERS = build_vocabulary(["abcdefghijklmnopqrstuvwxyz"])  # with blank, unknown and space: 29

FIRST = 1 * 32 * 41 * 11 + 2 * 32  # weights; gain and shift of the normalization
SECOND = 32 * 32 * 21 * 11 + 2 * 32


def cell(gates: int, inputs: int, size: int, *, biases: bool = True) -> int:
    return gates * size * (inputs + size + 2 * biases)


def end(size: int) -> int:
    return 2 * size + size * 29


COUNTS = {
    "mlperf-listing": FIRST
    + SECOND
    + cell(3, 672, 2560)
    + 2 * cell(3, 2560, 2560)
    + end(2560),  # 104 M
    "mlperf-summary": FIRST
    + SECOND
    + 2 * cell(3, 672, 800)
    + 4 * (2 * 800 + 2 * cell(3, 800, 800))
    + end(800),
    "mlperf-class": FIRST
    + SECOND
    + 2 * cell(4, 672, 768, biases=False)
    + 4 * 2 * cell(4, 768, 768, biases=False)
    + end(768),
}


def shaped(**options: object) -> CheckpointModel:
    return build_model(ModelOptions(**options), LETTERS, shapes_only=True)  # type: ignore[arg-type]  # named above


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_has_as_many_weights_as_its_source(name: str) -> None:
    model = shaped(variant=name)
    assert len(LETTERS) == 29
    assert count_weights(model) == (COUNTS[name], COUNTS[name])


def test_the_listing_is_listed() -> None:
    assert list_layers(shaped(variant="mlperf-listing").module) == [
        "conv 1→32 (41×11, step 2×2), norm, clip to 0–20: 14,496",
        "conv 32→32 (21×11, step 2×1), norm, clip to 0–20: 236,608",
        "gru 672→2560: 24,837,120",
        "gru 2560→2560: 39,336,960",
        "gru 2560→2560: 39,336,960",
        "norm 2560, linear 2560→29: 79,360",
    ]


def test_other_variants_say_what_is_different() -> None:
    summary = list_layers(shaped(variant="mlperf-summary").module)
    assert summary[2] == "gru 672→800, both directions summed: 7,075,200"
    assert summary[3] == "norm 800, gru 800→800, both directions summed: 7,691,200"
    of_class = list_layers(shaped(variant="mlperf-class").module)
    assert of_class[3] == "lstm 768→768 without bias, both directions summed: 9,437,184"
    ahead = list_layers(shaped(settings={"lookahead_frames": 20, "hidden_size": 4}).module)
    assert ahead[0].startswith("conv 1→32 (41×11, step 2×2, 5 frames before and behind)")
    assert ahead[-2] == "look-ahead of 20 frames, clip to 0–20: 84"


def test_settings_change_a_variant() -> None:
    config = shaped(variant="mlperf-listing", settings={"hidden_size": 64}).module.config
    assert (config.hidden_size, config.bidirectional, config.recurrent_layers) == (64, False, 3)


def test_an_unknown_variant_is_refused() -> None:
    options = ModelOptions(variant="mlperf-sumary")
    with pytest.raises(ConfigError, match=r"`model\.variant` is `mlperf-sumary`") as caught:
        build_model(options, VOCABULARY, shapes_only=True)
    assert caught.value.hint == "did you mean `mlperf-summary`?"


def test_a_variant_and_a_checkpoint_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="both given") as caught:
        ModelOptions(variant="mlperf-listing", checkpoint="facebook/wav2vec2-xls-r-300m")
    assert caught.value.hint is not None
    assert "choose one" in caught.value.hint
