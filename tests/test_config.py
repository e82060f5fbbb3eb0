from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from anylect.config import build_config, load_config, save_config
from anylect.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["linear", "cosine"] = "linear"


@dataclass(frozen=True, kw_only=True)
class Outer:
    manifest: Path
    language: str | None = None
    shuffle: bool = True
    layers: tuple[int, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    optimizer: Inner = field(default_factory=Inner)


def test_a_file_then_overrides_then_arguments_decide(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text('manifest = "a.jsonl"\nlanguage = "no"\n[optimizer]\nlearning_rate = 1\n')
    config = load_config(
        Outer, path, overrides=["optimizer.schedule=cosine", "layers=[1, 2]"], shuffle=False
    )
    assert config.manifest == tmp_path / "a.jsonl"
    assert config.language == "no"
    assert config.optimizer == Inner(learning_rate=1.0, schedule="cosine")
    assert config.layers == (1, 2)
    assert not config.shuffle


def test_a_saved_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = Outer(manifest=tmp_path / "m.jsonl", weights={"ka": 0.5}, layers=(3,))
    save_config(config, tmp_path / "config.toml")
    assert load_config(Outer, tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"manifest": "m", "shufle": 1}, "unknown key `shufle`", "did you mean `shuffle`?"),
        (
            {"manifest": "m", "optimizer": {"learnig_rate": 1.0}},
            "unknown key `optimizer.learnig_rate`",
            "did you mean `optimizer.learning_rate`?",
        ),
        ({"manifest": "m", "shuffle": "yes"}, "`shuffle` is 'yes'", "expected true or false"),
        (
            {"manifest": "m", "optimizer": {"schedule": "step"}},
            "`optimizer.schedule` is 'step'",
            "expected one of `linear`, `cosine`",
        ),
        (
            {"manifest": "m", "optimizer": {"betas": [0.9]}},
            "`optimizer.betas` is [0.9]",
            "expected a list of a number and a number",
        ),
        ({"manifest": "m", "layers": [1.5]}, "`layers[0]` is 1.5", "expected a whole number"),
        ({"manifest": "m", "layers": [True]}, "`layers[0]` is True", "expected a whole number"),
        ({"manifest": "m", "weights": {"a": "x"}}, "`weights.a` is 'x'", "expected a number"),
        ({}, "`manifest` is not set", "add `manifest = …` or give it with `--set manifest=…`"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    values: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(Outer, values)
    assert caught.value.message == message
    assert caught.value.hint == hint


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"broken\.toml: not TOML"):
        load_config(Outer, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Outer, tmp_path / "missing.toml")


def test_an_override_without_equals_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected `key=value`"):
        load_config(Outer, overrides=["shuffle"])
