import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.decoding.alphabet import Alphabet, load_alphabet
from anylect.errors import BundleError, VocabularyError
from anylect.text.vocabulary import Vocabulary, build_vocabulary

# What pyctcdecode 0.5.0 makes of these (`Alphabet.build_alphabet(labels).labels`).
NORMALIZED = [
    ([" ", "a", "b"], [" ", "a", "b", ""], False),
    (["<pad>", "<s>", "</s>", "<unk>", "|", "A"], ["", "<s>", "</s>", "⁇", " ", "A"], False),
    (["_", "a", " "], ["", "a", " "], False),
    (["_", "", "a"], ["_", "", "a"], False),
    (["|", " ", "a", ""], ["|", " ", "a", ""], False),
    (["<pad>", "a", "[PAD]"], ["", "a", ""], False),
    (["<unk>", "▁bug", "s", "▁bunny"], ["▁⁇▁", "▁bug", "s", "▁bunny", ""], True),
    (["<unk>", "▁", "##a", "##b", "a"], ["▁⁇▁", "▁", "a", "b", "▁a", ""], True),
    (["[PAD]", "[UNK]", "[CLS]", "##a", "a"], ["", "▁⁇▁", "[CLS]", "a", "▁a"], True),
]
label_sets = st.lists(
    st.text(st.sampled_from("abc<>s▁#|_ é"), max_size=3), min_size=1, max_size=12, unique=True
)


@pytest.mark.parametrize(("labels", "expected", "is_bpe"), NORMALIZED)
def test_labels_are_normalized_as_pyctcdecode_does(
    labels: list[str], expected: list[str], *, is_bpe: bool
) -> None:
    alphabet = Alphabet.build_alphabet(labels)
    assert (alphabet.labels, alphabet.is_bpe) == (expected, is_bpe)


@given(label_sets)
def test_a_normalized_alphabet_has_a_blank_and_survives_its_file(labels: list[str]) -> None:
    is_bpe = any(label.startswith(("▁", "##")) for label in labels)
    if is_bpe and any(" " in label for label in labels):
        with pytest.raises(VocabularyError, match="have both"):
            Alphabet.build_alphabet(labels)
        return
    alphabet = Alphabet.build_alphabet(labels)
    assert alphabet.is_bpe == is_bpe
    assert "" in alphabet.labels
    assert len(labels) <= len(alphabet) <= len(labels) + 1
    assert Alphabet.loads(alphabet.dumps()) == alphabet


@given(st.lists(st.text("abcdé̀ก", min_size=1), min_size=1))
def test_the_columns_of_a_vocabulary_stay(texts: list[str]) -> None:
    vocabulary = build_vocabulary(texts)
    labels = Alphabet.from_vocabulary(vocabulary).labels
    assert labels[vocabulary.blank] == ""
    assert vocabulary.boundary is not None
    assert labels[vocabulary.boundary] == " "
    assert labels[3:] == list(vocabulary.tokens[3:])
    # Nothing is left to normalize: pyctcdecode would read the same from these labels.
    assert Alphabet.build_alphabet(labels).labels == labels


def test_the_unknown_token_of_sentence_pieces_has_a_name_of_its_own() -> None:
    alphabet = Alphabet.from_vocabulary(Vocabulary(("", "<unk>", "▁a", "b"), unknown=1))
    assert (alphabet.labels, alphabet.is_bpe) == (["", "▁⁇▁", "▁a", "b"], True)


@pytest.mark.parametrize(
    ("labels", "message", "hint"),
    [
        ({"a": 0}, "of type `dict`, expected a list", "sorted(vocab, key=vocab.get)"),
        ("abc", "of type `str`, expected a list", "sorted(vocab, key=vocab.get)"),
        (["a", 3], "label 1 is 3, expected a text", "order of the emissions' columns"),
        (["a", "b", "a"], "the label 'a' is there twice", "a label of its own"),
        (["▁a", " ", ""], "have both '▁' or '##' and spaces: '▁a', ' ', ''", "remove the other"),
        (["a", " ", "<blank>"], "but '<blank>' looks like one", 'write it as `""`'),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: Any, message: str, hint: str) -> None:
    with pytest.raises(VocabularyError) as caught:
        Alphabet.build_alphabet(labels)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_labels_without_a_blank_are_refused_where_none_is_appended() -> None:
    with pytest.raises(VocabularyError, match="none of the 2 labels is the blank") as caught:
        Alphabet(["a", " "], False)
    assert "at the place of that column" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "alphabet.json: alphabet:1: no JSON"),
        ('{"labels": [""]}', "has ['labels'], expected `labels` and `is_bpe`"),
        ("[]", "has list, expected `labels` and `is_bpe`"),
        ('{"labels": "ab", "is_bpe": false}', "expected `labels` to be a list"),
        ('{"labels": [""], "is_bpe": 0}', "`is_bpe` true or false"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "alphabet.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BundleError) as caught:
        load_alphabet(path)
    assert message in caught.value.message
    assert str(path) in caught.value.message


def test_a_file_without_a_blank_is_named(tmp_path: Path) -> None:
    path = tmp_path / "alphabet.json"
    path.write_text(json.dumps({"labels": ["a"], "is_bpe": False}), encoding="utf-8")
    with pytest.raises(VocabularyError, match=r"alphabet\.json: none of the 1 labels is the blank"):
        load_alphabet(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"alphabet\.json: cannot be read"):
        load_alphabet(tmp_path / "alphabet.json")
