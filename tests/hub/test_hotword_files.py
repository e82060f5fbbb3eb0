"""Hotwords by file: what is read, and what becomes of them in a bundle."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from anylect import Recognizer
from anylect.cli.main import commands
from anylect.data.manifest import read_manifest
from anylect.decoding.beam import BeamDecoder
from anylect.decoding.hotwords import WEIGHT, Hotwords, load_hotwords
from anylect.errors import ConfigError
from anylect.hub.bundle import load_bundle
from anylect.text.normalize import default_normalizer


def test_phrases_are_normalized_and_weighed(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("﻿New York!\n\n  Tbilisi\t8\r\nless\t-2.5\n", encoding="utf-8")
    found = load_hotwords(path, normalize=default_normalizer("en"))
    assert found.weights == {"new york": WEIGHT, "tbilisi": 8.0, "less": -2.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no phrase"),
        (b"tbilisi\n!?\n", ":2: normalized, nothing is left of '!\\?'"),
        (b"tbilisi\tmuch\n", ":1: weight 'much' is no number"),
        (b"tbilisi\tinf\n", ":1: weight inf"),
        (b"\xff\xfe\x00", r"cannot be read \(not UTF-8\)"),
    ],
)
def test_a_file_that_is_none_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_hotwords(path, normalize=default_normalizer("en"))
    assert "one phrase a line" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="No such file"):
        load_hotwords(tmp_path / "missing.txt", normalize=default_normalizer("en"))


def test_a_bundle_without_a_language_model_favours_phrases_too(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    """The tiny model hears little: worth enough, the phrase is written wherever it can be."""
    utterance = next(read_manifest(tone_manifest, split="test"))
    path = tmp_path / "names.txt"
    path.write_text("OUA\t60\n")
    recognizer = Recognizer.load(tiny_bundle, device="cpu", hotwords=path)
    decoder = recognizer.decoder
    assert isinstance(decoder, BeamDecoder)
    assert not decoder.is_closed
    assert decoder.hotwords == Hotwords({"oua": 60.0})
    assert "oua" in recognizer.transcribe(utterance.audio).text.split()
    plain = Recognizer.load(tiny_bundle, device="cpu").transcribe(utterance.audio)
    assert "oua" not in plain.text.split()


def test_commands_take_hotwords_and_say_so(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_text("oua\t60\n")
    utterance = next(read_manifest(tone_manifest, split="test"))
    said = ["transcribe", tiny_bundle, utterance.audio, "--hotwords", path]
    result = CliRunner().invoke(commands, [str(word) for word in said])
    assert result.exit_code == 0
    assert "oua" in result.output.split()
    scored = ["evaluate", tiny_bundle, tone_manifest, "--split", "test", "--hotwords", path]
    result = CliRunner().invoke(commands, [str(word) for word in (*scored, "-o", tmp_path / "e")])
    assert result.exit_code == 0
    assert "hotwords 1" in result.output
    (report,) = (tmp_path / "e").glob("*.test.json")
    assert json.loads(report.read_text())["hotwords"] == "names.txt"


def test_phrases_nobody_can_spell_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("тбилиси\n", encoding="utf-8")
    bundle = load_bundle(tiny_bundle, device="cpu")
    with pytest.raises(ConfigError, match="no token writes") as caught:
        bundle.decoder_with(None, hotwords=path)
    assert "normalizer" in str(caught.value.hint)
