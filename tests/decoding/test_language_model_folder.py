import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from anylect.decoding.language_model_folder import (
    LanguageModelWeights,
    find_model,
    load_language_model,
    save_language_model,
    save_weights,
)
from anylect.errors import BundleError, LanguageModelError
from anylect.lm.arpa import read_arpa
from anylect.lm.kenlm_binary import save_binary

# Written by pyctcdecode 0.5.0:
# `build_ctcdecoder(labels, "toy.arpa", alpha=0.7, beta=1.25, unk_score_offset=-8.0).save_to_dir(…)`
THEIRS = Path(__file__).parent / "golden" / "pyctcdecode_folder" / "language_model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "language_model"
    save_language_model(target, THEIRS / "toy.arpa", words=["bunny", "bugs"])
    return target


def test_a_folder_of_pyctcdecode_is_read() -> None:
    found = load_language_model(THEIRS)
    assert found.words == ["bugs", "bunny"]
    assert found.weights == LanguageModelWeights(alpha=0.7, beta=1.25, unknown_offset=-8.0)
    assert (found.model.order, found.path.name) == (2, "toy.arpa")


def test_what_is_written_is_what_pyctcdecode_writes(tmp_path: Path) -> None:
    target = tmp_path / "language_model"
    words = ["bunny", "</s>", "bugs", "<s>", "bugs"]
    path = save_language_model(
        target, THEIRS / "toy.arpa", words=words, alpha=0.7, beta=1.25, unknown_offset=-8.0
    )
    assert path == target / "toy.arpa"
    for theirs in THEIRS.iterdir():
        assert (target / theirs.name).read_bytes() == theirs.read_bytes()
    assert len(list(target.iterdir())) == 3
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.klm", "a.bin"),
        ("a.binary", "a.binary"),
        ("model", "model.bin"),
        (".hidden.bin", "hidden.bin"),
        ("x.arpa.gz", "x.arpa"),
        ("x.lm", "x.arpa"),
    ],
)
def test_models_get_names_that_other_tools_know(tmp_path: Path, name: str, kept: str) -> None:
    source = tmp_path / name
    if kept.endswith(".arpa"):
        text = (THEIRS / "toy.arpa").read_bytes()
        source.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    else:
        save_binary(source, read_arpa(THEIRS / "toy.arpa"))
    assert save_language_model(tmp_path / "lm", source, words=["bugs"]).name == kept
    assert load_language_model(tmp_path / "lm").model.order == 2


def test_a_folder_is_replaced_also_by_its_own_model(folder: Path) -> None:
    save_language_model(folder, find_model(folder), words=[], alpha=2.0)
    found = load_language_model(folder)
    assert (found.words, found.weights.alpha) == ([], 2.0)
    assert (folder / "unigrams.txt").read_bytes() == b""


def test_weights_are_changed_in_place(folder: Path) -> None:
    weights = LanguageModelWeights(alpha=0.9, beta=-1.0, unknown_offset=-3.0, scores_ends=False)
    save_weights(folder, weights)
    assert load_language_model(folder).weights == weights
    assert len(list(folder.parent.iterdir())) == 1


def test_what_was_there_stays_when_there_is_nothing_to_put_there(folder: Path) -> None:
    with pytest.raises(LanguageModelError, match="no such file"):
        save_language_model(folder, folder / "other.bin", words=[])
    assert load_language_model(folder).words == ["bugs", "bunny"]
    assert list(folder.parent.iterdir()) == [folder]


def test_words_that_break_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match=r"the word 'a\\nb' cannot stand on a line"):
        save_language_model(tmp_path / "lm", THEIRS / "toy.arpa", words=["a\nb"])


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    with pytest.raises(LanguageModelError, match="`alpha` is nan"):
        save_weights(folder, LanguageModelWeights(alpha=float("nan")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("attrs.json", None, "attrs.json: cannot be read"),
        ("attrs.json", "{", "attrs.json:1: no JSON"),
        ("attrs.json", {"alpha": 1.0}, "expected alpha, beta, score_boundary, unk_score_offset"),
        ("unigrams.txt", None, "unigrams.txt: cannot be read"),
        ("toy.arpa", None, "expected one language model"),
        ("second.bin", "x", "has `second.bin`, `toy.arpa`, expected one language model"),
    ],
)
def test_what_is_broken_is_named(folder: Path, name: str, content: Any, message: str) -> None:
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    with pytest.raises(BundleError) as caught:
        load_language_model(folder)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("alpha", "1", "a number"),
        ("beta", True, "a number"),
        ("score_boundary", 1, "true or false"),
    ],
)
def test_weights_of_another_kind_are_refused(
    folder: Path, key: str, value: Any, expected: str
) -> None:
    path = folder / "attrs.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {key: value}), "utf-8")
    with pytest.raises(BundleError, match=f"`{key}` is .*, expected {expected}"):
        load_language_model(folder)
