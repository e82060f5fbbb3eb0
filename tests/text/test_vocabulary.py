"""Vocabularies: spelling and writing out, their files, and those of published models."""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.errors import BundleError, VocabularyError
from anylect.text.normalize import default_normalizer
from anylect.text.vocabulary import (
    Vocabulary,
    build_vocabulary,
    count_missing,
    load_vocabulary,
    lowered,
    name_character,
    save_vocabulary,
)

normalised_texts = st.lists(st.text().map(default_normalizer("en")), min_size=1)


def write(folder: Path, **files: Mapping[str, Any]) -> Path:
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


# The first tokens of facebook/wav2vec2-base-960h, with its order and names.
BASE_960H = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "E": 5, "T": 6, "A": 7, "'": 8}
BASE_960H_CONFIG = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "do_lower_case": False,
    "word_delimiter_token": "|",
}

# The shape of the XLSR fine-tunes of 2021 and 2022: specials last, two more added outside.
XLSR = {"a": 1, "ı": 2, "ş": 3, "|": 0, "[UNK]": 4, "[PAD]": 5}
XLSR_CONFIG = {
    "unk_token": "[UNK]",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "[PAD]",
    "word_delimiter_token": "|",
}
XLSR_ADDED = {"<s>": 6, "</s>": 7}

# The shape of facebook/mms-1b-all: one table per language, by ISO 639-3 code.
MMS = {
    "eng": {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "e": 5, "t": 6},
    "swe": {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "ä": 5},
    "uzb-script_cyrillic": {"<pad>": 0, "|": 1, "ў": 2},
}


def test_characters_are_ordered_by_code_point_after_the_special_tokens() -> None:
    vocabulary = build_vocabulary(["ba cé", "1b'"])
    assert vocabulary.tokens == ("", "<unk>", " ", "'", "1", "a", "b", "c", "é")
    assert (vocabulary.blank, vocabulary.unknown, vocabulary.boundary) == (0, 1, 2)
    assert vocabulary.special == {0, 1}
    assert len(vocabulary) == 9


def test_combining_marks_are_tokens_of_their_own() -> None:
    assert build_vocabulary(["കാ"]).tokens[3:] == ("ക", "ാ")


def test_the_boundary_is_there_without_any_space() -> None:
    assert build_vocabulary(["seven"], unknown=False).tokens[:2] == ("", " ")


@given(st.permutations(["a b", "ba", "ç", "a"]))
def test_the_order_of_texts_does_not_matter(texts: list[str]) -> None:
    assert build_vocabulary(texts) == build_vocabulary(["a b", "ba", "ç", "a"])


@given(normalised_texts)
def test_what_was_seen_is_spelt_and_written_out_again(texts: list[str]) -> None:
    vocabulary = build_vocabulary(texts, unknown=False)
    for text in texts:
        assert vocabulary.decode(vocabulary.encode(text)) == text
        assert not vocabulary.missing(text)


@given(normalised_texts, st.text())
def test_encoding_fails_exactly_on_what_is_missing(texts: list[str], text: str) -> None:
    vocabulary = build_vocabulary(texts, unknown=False)
    missing = vocabulary.missing(text)
    assert missing == set(text) - set("".join(texts)) - {" "}
    if missing:
        with pytest.raises(VocabularyError):
            vocabulary.encode(text)
    else:
        assert len(vocabulary.encode(text)) == len(text)


@given(normalised_texts, st.text())
def test_an_unknown_token_takes_the_place_of_what_is_missing(texts: list[str], text: str) -> None:
    vocabulary = build_vocabulary(texts)
    ids = vocabulary.encode(text)
    assert [i == vocabulary.unknown for i in ids] == [c in vocabulary.missing(text) for c in text]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sə", "`ə` (U+0259 LATIN SMALL LETTER SCHWA) in 'sə' is not", "`replace` step"),
        ("a\u0301", "`◌\u0301` (U+0301 COMBINING ACUTE ACCENT)", "`replace` step"),
        ("Sea", "`S` (U+0053 LATIN CAPITAL LETTER S)", "the other case"),
        ("a\tb", r"`\t` (U+0009 unnamed)", "apply the normalizer"),
        ("a|s", "`|` (U+007C VERTICAL LINE)", "apply the normalizer"),
    ],
)
def test_what_cannot_be_spelt_is_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(VocabularyError) as caught:
        build_vocabulary(["as be"], unknown=False).encode(text)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_long_text_is_not_repeated_whole_in_a_message() -> None:
    with pytest.raises(VocabularyError) as caught:
        build_vocabulary(["a"], unknown=False).encode("a" * 1000 + "b")
    assert len(caught.value.message) < 150


@pytest.mark.parametrize("text", ["a|b", "a\nb", "a\u00a0b"])
def test_a_text_that_was_not_normalised_builds_no_vocabulary(text: str) -> None:
    with pytest.raises(VocabularyError, match="cannot be a token") as caught:
        build_vocabulary(["fine", text])
    assert caught.value.hint == (
        "apply the normalizer first; it leaves single spaces between words"
    )


def test_missing_characters_are_counted_over_texts() -> None:
    counts = count_missing(build_vocabulary(["abc"]), ["xa x", "y", "abc"])
    assert counts.most_common() == [("x", 2), ("y", 1)]


def test_tokens_of_several_characters_are_spelt_longest_first() -> None:
    vocabulary = Vocabulary(("", "a", "ab", "bc", " "), boundary=4)
    assert vocabulary.encode("ab a") == [2, 4, 1]
    assert vocabulary.missing("abc") == {"c"}
    assert vocabulary.missing("abbc") == set()
    assert count_missing(vocabulary, ["abcbc"]) == {"c": 1}
    with pytest.raises(VocabularyError, match="`b`"):
        vocabulary.encode("ba")


def test_special_tokens_write_nothing() -> None:
    vocabulary = Vocabulary(
        ("", "<unk>", "<s>", " ", "a"), unknown=1, boundary=3, special=frozenset({2})
    )
    assert vocabulary.decode([2, 4, 0, 1, 3, 4, 2]) == "a a"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": ("a", "b")}, "must be the empty text"),
        ({"tokens": ("", "b"), "blank": 2}, "the vocabulary has 2 tokens"),
        ({"tokens": ("", "b"), "boundary": 1}, "word boundary has id 1"),
        ({"tokens": ("", "b", "b")}, "`b` (U+0062 LATIN SMALL LETTER B) is in the vocabulary"),
        ({"tokens": ("", "b", "")}, "a token is empty"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(VocabularyError) as caught:
        Vocabulary(**arguments)
    assert message in caught.value.message
    assert caught.value.hint


def test_names_of_invisible_characters_can_be_read() -> None:
    assert name_character("\u200c") == r"`\u200c` (U+200C ZERO WIDTH NON-JOINER)"


def test_a_vocabulary_travels_between_processes() -> None:
    vocabulary = build_vocabulary(["abc"])
    assert pickle.loads(pickle.dumps(vocabulary)).encode("cab") == vocabulary.encode("cab")


@pytest.mark.parametrize("unknown", [True, False])
def test_files_survive_a_round_trip(tmp_path: Path, *, unknown: bool) -> None:
    vocabulary = build_vocabulary(["l'été കാ s"], unknown=unknown)
    save_vocabulary(vocabulary, tmp_path)
    assert load_vocabulary(tmp_path) == vocabulary
    assert json.loads((tmp_path / "vocab.json").read_text())["|"] == vocabulary.boundary


def test_a_token_with_a_reserved_name_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"two tokens would be written as `\|`") as caught:
        save_vocabulary(Vocabulary(("", " ", "|"), boundary=1), tmp_path)
    assert caught.value.hint is not None
    assert "reserved on disk" in caught.value.hint


@pytest.mark.parametrize("unknown", [True, False])
def test_transformers_reads_what_we_write_and_agrees(tmp_path: Path, *, unknown: bool) -> None:
    transformers = pytest.importorskip("transformers")
    vocabulary = build_vocabulary(["l'été കാ s", "seven"], unknown=unknown)
    save_vocabulary(vocabulary, tmp_path)
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == len(vocabulary)
    assert tokenizer.pad_token_id == vocabulary.blank
    assert tokenizer.word_delimiter_token_id == vocabulary.boundary
    for text in ("été കാ", "seven  ss ll", "s", " e"):
        ids = vocabulary.encode(text)
        assert tokenizer(text).input_ids == ids
        assert_decoded_alike(tokenizer.decode, vocabulary, ids)
    assert_decoded_alike(tokenizer.decode, vocabulary, list(range(len(vocabulary))))
    tokenizer.save_pretrained(tmp_path)
    assert load_vocabulary(tmp_path) == vocabulary


def assert_decoded_alike(
    decode: Callable[..., str], vocabulary: Vocabulary, ids: list[int]
) -> None:
    assert vocabulary.decode(ids) == decode(ids, group_tokens=False, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("files", "language"),
    [
        ({"vocab": BASE_960H, "tokenizer_config": BASE_960H_CONFIG}, None),
        ({"vocab": XLSR, "tokenizer_config": XLSR_CONFIG, "added_tokens": XLSR_ADDED}, None),
        ({"vocab": MMS, "tokenizer_config": {**BASE_960H_CONFIG, "target_lang": "eng"}}, "swe"),
    ],
    ids=["base-960h", "xlsr", "mms"],
)
def test_transformers_agrees_on_published_vocabularies(
    files: dict[str, dict[str, Any]], language: str | None, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    write(tmp_path, **files)
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    if language:
        tokenizer.set_target_lang(language)
    vocabulary = load_vocabulary(tmp_path, language=language)
    ids = [i for i in range(len(vocabulary)) if i != vocabulary.unknown] * 2
    assert_decoded_alike(tokenizer.decode, vocabulary, ids)


def test_the_vocabulary_of_wav2vec2_base_960h_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=BASE_960H, special_tokens_map=BASE_960H_CONFIG)
    vocabulary = load_vocabulary(folder)
    assert vocabulary.tokens == ("", "<s>", "</s>", "<unk>", " ", "E", "T", "A", "'")
    assert vocabulary.special == {0, 1, 2, 3}
    assert vocabulary.decode([1, 6, 5, 0, 7, 4, 7, 2]) == "TEA A"
    small = lowered(vocabulary)
    assert small.encode("tea a'") == [6, 5, 7, 4, 7, 8]
    save_vocabulary(vocabulary, tmp_path / "again")
    assert load_vocabulary(tmp_path / "again") == vocabulary


def test_the_vocabulary_of_an_xlsr_fine_tune_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=XLSR, tokenizer_config=XLSR_CONFIG, added_tokens=XLSR_ADDED)
    vocabulary = load_vocabulary(folder)
    assert vocabulary.tokens == (" ", "a", "ı", "ş", "<unk>", "", "<s>", "</s>")
    assert (vocabulary.boundary, vocabulary.unknown, vocabulary.blank) == (0, 4, 5)
    assert vocabulary.decode([6, 3, 1, 5, 4, 0, 2, 7]) == "şa ı"


def test_tokens_added_in_the_newer_style_are_read(tmp_path: Path) -> None:
    listed = {
        "6": {"content": "<s>", "special": True},
        "7": {"content": "</s>", "special": True},
        "5": {"content": "[PAD]", "special": True},
    }
    config = {**XLSR_CONFIG, "pad_token": {"content": "[PAD]"}, "added_tokens_decoder": listed}
    vocabulary = load_vocabulary(write(tmp_path, vocab=XLSR, tokenizer_config=config))
    assert vocabulary.tokens[5:] == ("", "<s>", "</s>")


@pytest.mark.parametrize(
    ("size", "last"), [(6, ("<unk>", "")), (8, ("<s>", "</s>")), (9, ("</s>", "<unused8>"))]
)
def test_the_head_decides_how_many_tokens_there_are(
    size: int, last: tuple[str, str], tmp_path: Path
) -> None:
    folder = write(tmp_path, vocab=XLSR, tokenizer_config=XLSR_CONFIG, added_tokens=XLSR_ADDED)
    vocabulary = load_vocabulary(folder, size=size)
    assert len(vocabulary) == size
    assert vocabulary.tokens[-2:] == last
    assert vocabulary.decode(range(size)) == "aış"


def test_a_head_without_room_for_a_letter_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=BASE_960H, tokenizer_config=BASE_960H_CONFIG)
    with pytest.raises(BundleError, match="has 9 tokens, the model's head has 7 outputs") as caught:
        load_vocabulary(folder, size=7)
    assert caught.value.hint is not None
    assert "`A` would have no output" in caught.value.hint


def test_one_language_of_mms_is_chosen(tmp_path: Path) -> None:
    config = {**BASE_960H_CONFIG, "target_lang": "eng"}
    folder = write(tmp_path, vocab=MMS, tokenizer_config=config)
    assert load_vocabulary(folder).tokens[5:] == ("e", "t")
    assert load_vocabulary(folder, language="swe").tokens[5:] == ("ä",)


@pytest.mark.parametrize(
    ("language", "message", "hint"),
    [
        ("sv", "3 languages, none for `sv`", "`swe`"),
        ("uzb", "none for `uzb`", "`uzb-script_cyrillic`"),
        (None, "none was chosen", "`eng`, `swe`"),
    ],
)
def test_a_language_mms_does_not_know_is_refused(
    language: str | None, message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(BundleError) as caught:
        load_vocabulary(write(tmp_path, vocab=MMS), language=language)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_tokenizer_that_lowers_case_has_small_tokens(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=BASE_960H, tokenizer_config={"do_lower_case": True})
    assert load_vocabulary(folder).decode([6, 5, 7]) == "tea"


def test_lowering_refuses_two_tokens_for_one_letter() -> None:
    with pytest.raises(VocabularyError, match="twice"):
        lowered(Vocabulary(("", "a", "A")))


def test_ids_without_a_token_are_never_text(tmp_path: Path) -> None:
    vocabulary = load_vocabulary(write(tmp_path, vocab={"<pad>": 0, "a": 3}))
    assert vocabulary.decode([0, 1, 2, 3]) == "a"
    assert vocabulary.boundary is None


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (None, "cannot be read (No such file or directory)", "`vocab.json`"),
        ("{", "not JSON", "download the file again"),
        ("[]", "holds a list", "download the file again"),
        ('{"a": 0}', "no token is the blank", "`pad_token`"),
        ('{"<pad>": "0"}', "token '<pad>' has id '0'", "its output of the model's head"),
        ('{"<pad>": 0, "a": 0}', "'<pad>' and 'a' both have id 0", "its own output"),
        ('{"<pad>": 0, "a": 99999999}', "ids up to 99999999", "from 0"),
    ],
)
def test_broken_files_are_refused_with_their_place(
    content: str | None, message: str, hint: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(BundleError) as caught:
        load_vocabulary(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'vocab.json'}: ")
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint
