"""A dry run must say what the run then does."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import Run, tiny_config, write_tone_corpus

from anylect.config import build_config, to_mapping
from anylect.errors import ManifestError, TrainingError
from anylect.models.build import build_model
from anylect.models.options import ModelOptions
from anylect.text.vocabulary import build_vocabulary
from anylect.training.estimates import estimate_cost, measure_speed, passes
from anylect.training.journal import read_journal
from anylect.training.options import OptimizerOptions
from anylect.workflows.dry_run import dry_run
from anylect.workflows.train import TrainConfig, train

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def test_a_run_does_what_the_dry_run_said(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 12, "dev": 3})
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    lines[0]["text"] = "?!"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = to_mapping(tiny_config(manifest, tmp_path / "run"))
    settings["schedule"] |= {"epochs": 2.0, "validate_every": 50}
    del settings["schedule"]["updates"]
    config = build_config(TrainConfig, settings)
    said = dry_run(config)
    assert not (tmp_path / "run").exists()
    report = train(config)
    start = next(
        event
        for event in read_journal(tmp_path / "run" / "journal.jsonl")
        if event["event"] == "start"
    )
    assert said.plan.updates == report.updates
    assert said.weights == start["parameters"]
    assert said.learning == start["trainable"]
    assert said.train.utterances == start["lessons"] == 11
    assert dict(said.left_out) == report.left_out == {"with an empty transcript": 1}
    assert said.dev.utterances == 3


def test_the_command_says_it_without_writing_anything(
    run: Run, tone_manifest: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'manifest = "{tone_manifest}"\noutput = "run"\ndevice = "cpu"\nthreads = 1\n'
        '[model]\ncheckpoint = "facebook/wav2vec2-xls-r-300m"\ngradient_checkpointing = true\n'
        "[batches]\nseconds = 1000.0\nmax_utterances = 8\naccumulation = 2\n"
        "[schedule]\nepochs = 10\n",
        encoding="utf-8",
    )
    done = run("train", recipe, "--dry-run")
    assert done.code == 0, done.err
    assert list(tmp_path.iterdir()) == [recipe]
    assert "train    24 utterances" in done.out
    assert "315.4 M weights, 311.2 M learn" in done.out
    assert "batches  3 an epoch" in done.out
    assert "the largest 8 utterances of" in done.out
    assert "updates  20 in 10.0 epochs" in done.out
    for word in ("dev ", "labels ", "memory ", "time "):
        assert f"\n{word}" in done.out


def test_a_dry_run_fails_where_the_run_would(tone_manifest: Path, tmp_path: Path) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run", data={"dev": ["other"]})
    with pytest.raises(ManifestError, match="no utterance has split `other`"):
        dry_run(config)
    config = tiny_config(tone_manifest, tmp_path / "run", data={"max_duration": 0.01})
    with pytest.raises(TrainingError, match="nothing of split `train` can be learnt: 24 too long"):
        dry_run(config)


def test_kept_activations_are_those_of_a_real_run() -> None:
    vocabulary = build_vocabulary(["abc"])
    options = ModelOptions(
        checkpoint="facebook/wav2vec2-xls-r-300m",
        from_config=True,
        # Without dropout, whose masks a card keeps in a byte and a processor in four.
        settings={
            **TINY,
            "mask_time_prob": 0.0,
            **dict.fromkeys(("layerdrop", "hidden_dropout", "activation_dropout"), 0.0),
            **dict.fromkeys(("attention_dropout", "feat_proj_dropout", "final_dropout"), 0.0),
        },
    )
    shapes = build_model(options, vocabulary, shapes_only=True)
    cost = estimate_cost(shapes, typical=3.0, largest=(2, 3.0), optimizer=OptimizerOptions())
    model = build_model(options, vocabulary, device="cpu")
    held = {weight.untyped_storage()._cdata for weight in model.module.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    model.module.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.module(torch.zeros(2, 48_000))
    real = sum(each.numel() * each.element_size() for key, each in kept.items() if key not in held)
    assert cost.activations == pytest.approx(real, rel=0.05)
    total = sum(weight.numel() for weight in model.module.parameters())
    assert cost.weights == 4 * total
    assert cost.memory > cost.activations + 3 * cost.gradients


def test_what_saves_memory_is_estimated_to_save_it() -> None:
    vocabulary = build_vocabulary(["abc"])

    def cost(kind: Any = "adamw", precision: Any = "fp32", **changes: Any) -> tuple[Any, float]:
        options = ModelOptions(
            checkpoint="facebook/mms-1b-all", from_config=True, settings=TINY, **changes
        )
        model = build_model(options, vocabulary, shapes_only=True)
        optimizer = OptimizerOptions(kind=kind)
        told = estimate_cost(
            model, typical=5.0, largest=(4, 5.0), optimizer=optimizer, precision=precision
        )
        return told, passes(model)

    plain, three = cost()
    assert three == pytest.approx(3.0, abs=0.1)
    again, four = cost(gradient_checkpointing=True)
    assert again.activations < plain.activations / 2
    assert four == pytest.approx(three + 1)
    assert cost("adamw-8bit")[0].moments == plain.moments // 4
    assert cost(precision="fp16")[0].activations < plain.activations
    adapter, two = cost(adapter="tur")
    assert adapter.gradients < plain.gradients / 4
    assert two < 2.3


def test_the_speed_of_this_machine_is_a_speed() -> None:
    assert 1e8 < measure_speed("cpu") < 1e14
