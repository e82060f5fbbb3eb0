"""Settings out of range, bundles torn or mixed up: refused with a hint before work begins."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run, tiny_config

from anylect.config import load_config
from anylect.errors import AnylectError, BundleError, ConfigError
from anylect.hub.bundle import load_bundle
from anylect.workflows.evaluate import EvaluateConfig
from anylect.workflows.train import TrainConfig, train


def test_a_misspelt_key_is_told_with_the_nearest_and_the_place(tmp_path: Path, run: Run) -> None:
    config = tmp_path / "config.toml"
    config.write_text('manifest = "m.jsonl"\noutput = "run"\n[optimizer]\nlearnig_rate = 1e-4\n')
    done = run("train", config)
    assert done.code == 2
    assert f"error: {config}: unknown key `optimizer.learnig_rate`" in done.err
    assert "hint: did you mean `optimizer.learning_rate`?" in done.err
    done = run("prepare", tmp_path, "-o", tmp_path / "out", "--set", "filters.max_durtion=3")
    assert done.code == 2
    assert "hint: did you mean `filters.max_duration`?" in done.err


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("batches.seconds=0", "`seconds` is 0.0", "more than 0"),
        ("batches.max_utterances=0", "`max_utterances` is 0", "1 or more"),
        ("batches.accumulation=0", "`accumulation` is 0", "1 or more"),
        ("batches.workers=-1", "`workers` is -1", "0 or more"),
        ("optimizer.learning_rate=-1", "`learning_rate` is -1.0", "more than 0"),
        ("optimizer.learning_rate=nan", "`learning_rate` is nan", "more than 0"),
        ("optimizer.warmup_updates=-1", "`warmup_updates` is -1", "0 or more"),
        ("optimizer.betas=[0.9, 1.0]", "`betas` are [0.9, 1.0]", "less than 1"),
        ("schedule.epochs=0", "`epochs` is 0.0", "more than 0"),
        ("schedule.updates=0", "`updates` is 0", "1 or more"),
        ("schedule.validate_every=0", "`validate_every` is 0", "1 or more"),
        ("schedule.validation_utterances=0", "`validation_utterances` is 0", "1 or more"),
        ("schedule.save_every=-1", "`save_every` is -1", "1 or more"),
        ("schedule.log_every=0", "`log_every` is 0", "1 or more"),
        ("schedule.keep_checkpoints=0", "`keep_checkpoints` is 0", "1 or more"),
        ("seed=-1", "`seed` is -1", "0 or more"),
        ("seed=9223372036854775808", "`seed` is 9223372036854775808", "less than 2^63"),
        ("threads=0", "`threads` is 0", "1 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused_when_read(
    tmp_path: Path, setting: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(
            TrainConfig, overrides=[setting], manifest=tmp_path / "m.jsonl", output=tmp_path / "run"
        )
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "setting", ["replicates=-1", "seed=-1", "workers=-1", "batch_seconds=0.0", "batch_seconds=nan"]
)
def test_an_evaluation_out_of_range_is_refused_when_read(tmp_path: Path, setting: str) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(ConfigError, match=f"`{name}` is") as caught:
        load_config(EvaluateConfig, overrides=[setting], bundle=tmp_path, manifest=tmp_path)
    assert (caught.value.hint or "").startswith("expected ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be greater than zero"),
        ({"hidden_size": "wide"}, "hidden_size should be of type int"),
        ({"conv_channels": []}, "make no model"),
        ({"conv_channels": [8, 8]}, "make no model"),
        ({"conv_strides": [[0, 2]]}, "make no model"),
        ({"dropout": 7.0}, "dropout probability"),
        ({"recurrent_layers": 0}, "`recurrent_layers` is 0"),
    ],
)
def test_settings_that_make_no_model_are_named(
    tone_manifest: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    config = tiny_config(tone_manifest, tmp_path / "run")
    config.model.settings.update(settings)
    with pytest.raises(ConfigError) as caught:
        train(config)
    assert message in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["cuda:7", "meta", "", "gpu"])
def test_a_device_that_is_not_there_is_named(
    tiny_bundle: Path, tone_manifest: Path, run: Run, device: str
) -> None:
    recording = tone_manifest.parent / "test-0.wav"
    done = run("transcribe", tiny_bundle, recording, "--device", device)
    assert done.code in (1, 2)
    assert f"device `{device}` cannot be used" in done.err
    assert "hint: `auto` takes the best there is" in done.err


# Bundles.


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "vocab.json",
        "normalizer.json",
    ],
)
def test_a_bundle_with_a_missing_file_names_it(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run, name: str
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    (bundle / name).unlink()
    recording = tone_manifest.parent / "test-0.wav"
    for arguments in (["transcribe", bundle, recording], ["evaluate", bundle, tone_manifest]):
        done = run(*arguments, "--device", "cpu")
        assert done.code == 1
        assert f"error: {bundle}: `{name}` is missing" in done.err
        assert "hint: copy the whole bundle folder" in done.err
        assert done.out == ""


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'{"a":', bytes(range(128, 256))])
@pytest.mark.parametrize(
    "name", ["config.json", "vocab.json", "normalizer.json", "model.safetensors"]
)
def test_a_bundle_with_a_torn_file_is_an_error_that_names_the_folder(
    tiny_bundle: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    (bundle / name).write_bytes(content)
    with pytest.raises(AnylectError) as caught:
        load_bundle(bundle, device="cpu")
    assert str(bundle) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recurrent_layers": 2}, "lacks 12 weights that config.json asks for, e.g. `recurrent.1"),
        ({"hidden_size": 64}, "weight `head.weight` is (8, 32) in model.safetensors, (8, 64) by"),
        ({"vocab_size": 99}, "head has 99 outputs, vocab.json 8 tokens"),
        ({"model_type": "bert"}, "not a model that can be loaded"),
        ({"conv_channels": None}, "not a model that can be loaded"),
    ],
)
def test_weights_that_are_not_those_of_the_configuration_are_never_made_up(
    tiny_bundle: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    config = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle, device="cpu")
    assert message in caught.value.message
    assert caught.value.hint
