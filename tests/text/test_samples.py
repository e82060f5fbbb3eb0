import re
import unicodedata
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.errors import ConfigError
from anylect.text.normalize import default_normalizer
from anylect.text.samples import (
    load_grammar,
    sample_languages,
    sample_sentences,
    split_sentences,
)

SCRIPTS = {"hi": "DEVANAGARI", "ka": "GEORGIAN", "ko": "HANGUL SYLLABLE"}
"""Of the languages that are not written in Latin letters."""

SMALL = ("en", "ko", "sw")
"""The languages that a model of a few minutes' training must learn: at most 80 words."""

EXTRA_LETTERS = {
    "de": "äöüß",
    "en": "",
    "es": "áéíóúüñ",
    "fi": "äö",
    "id": "",
    "sw": "",
    "tr": "çğıöşü",
}
"""Beyond a to z. Vietnamese has too many to list."""

every_language = pytest.mark.parametrize("language", sample_languages())
languages = st.sampled_from(sample_languages())
seeds = st.integers(0, 2**32)


def _letters(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c)[0] in "LM"]


_normalizer = cache(default_normalizer)


def _words(sentence: str, language: str) -> list[str]:
    return _normalizer(language)(sentence).split()


@cache
def _all(language: str) -> dict[str, list[str]]:
    """Every sentence with its normalised words."""
    return {s: _words(s, language) for s in load_grammar(language).sentences()}


def test_the_demo_speaks_at_least_english_korean_and_swahili() -> None:
    assert {"en", "ko", "sw"} <= set(sample_languages())
    assert list(sample_languages()) == sorted(sample_languages())


@every_language
def test_a_file_is_about_the_language_it_is_named_after(language: str) -> None:
    assert load_grammar(language).language == language


@every_language
def test_every_slot_is_used_and_every_used_slot_exists(language: str) -> None:
    grammar = load_grammar(language)
    used = {name for pattern in grammar.patterns for name in re.findall(r"\{(\w+)\}", pattern)}
    assert used == set(grammar.slots)
    for name, phrases in grammar.slots.items():
        assert len(phrases) == len(set(phrases)) > 1, name


@every_language
def test_a_language_has_three_thousand_sentences_and_a_small_vocabulary(language: str) -> None:
    texts = {tuple(words) for words in _all(language).values()}
    words = {word for text in texts for word in text}
    characters = set("".join(words))
    assert len(texts) >= 3000
    assert 60 <= len(words) <= (80 if language in SMALL else 110)
    assert 20 <= len(characters) <= (110 if language == "ko" else 60)


@every_language
def test_sentences_have_three_to_seven_words(language: str) -> None:
    # Vietnamese puts a space between syllables.
    most = 9 if language == "vi" else 7
    lengths = {len(words) for words in _all(language).values()}
    assert min(lengths) >= 3
    assert max(lengths) <= most


@every_language
def test_sentences_are_written_as_a_careful_writer_would(language: str) -> None:
    ends = ("।", "?") if language == "hi" else (".", "?")
    for sentence, words in _all(language).items():
        first = sentence.lstrip("¿")[0]
        assert first == first.title(), sentence
        assert sentence.endswith(ends), sentence
        assert sentence.startswith("¿") == (language == "es" and sentence.endswith("?")), sentence
        assert sentence == " ".join(sentence.split())
        assert unicodedata.is_normalized("NFC", sentence)
        assert all(word != following for word, following in pairwise(words)), sentence


@every_language
def test_sentences_use_only_the_letters_of_their_language(language: str) -> None:
    for character in sorted(set("".join(_all(language)))):
        if unicodedata.category(character)[0] not in "LM":
            assert character in " .?,¿।"
        elif language in EXTRA_LETTERS:
            assert character.lower() in "abcdefghijklmnopqrstuvwxyzi̇" + EXTRA_LETTERS[language]
        else:
            script = SCRIPTS.get(language, "LATIN")
            assert unicodedata.name(character).startswith(script)


@every_language
def test_normalisation_keeps_every_letter(language: str) -> None:
    normalize = _normalizer(language)
    for word in {word for sentence in _all(language) for word in sentence.split()}:
        small = word.replace("İ", "i").replace("I", "ı") if language == "tr" else word
        assert _letters(normalize(word)) == _letters(small.lower())


@pytest.mark.parametrize(
    ("language", "pattern", "phrases", "sentence"),
    [
        ("en", "{tool} is {spot}.", ["a lamp", "here"], "A lamp is here."),
        ("tr", "{hour}.", ["ikide"], "İkide."),
        ("tr", "{lamp}.", ["ışık"], "Işık."),
        ("ka", "{person}.", ["დედა"], "დედა."),
        ("vi", "{travels}.", ["đến"], "Đến."),
    ],
)
def test_a_sentence_begins_with_the_capital_its_language_has(
    language: str, pattern: str, phrases: list[str], sentence: str
) -> None:
    assert load_grammar(language).fill(pattern, phrases) == sentence


@given(languages, seeds)
@settings(deadline=None, max_examples=25)
def test_a_seed_gives_the_same_distinct_sentences_and_a_longer_list_begins_with_a_shorter(
    language: str, seed: int
) -> None:
    sentences = sample_sentences(language, count=120, seed=seed)
    assert sample_sentences(language, count=50, seed=seed) == sentences[:50]
    assert len({tuple(_words(sentence, language)) for sentence in sentences}) == 120
    assert sample_sentences(language, count=50, seed=seed + 1) != sentences[:50]


@pytest.mark.parametrize("language", SMALL)
def test_all_sentences_can_be_had_and_no_more(language: str) -> None:
    total = len({tuple(words) for words in _all(language).values()})
    assert set(sample_sentences(language, count=total)) <= set(_all(language))
    with pytest.raises(ConfigError) as caught:
        sample_sentences(language, count=total + 1)
    assert caught.value.message == (
        f"`count` is {total + 1:,}, but language `{language}` has {total:,} such sentences"
    )
    assert f"use at most {total:,}" in str(caught.value.hint)


@every_language
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_seven_hundred_sentences_hold_every_word_at_least_five_times(
    language: str, seed: int
) -> None:
    splits = split_sentences(language, train=700, dev=60, test=120, seed=seed)
    counts = Counter(word for text in splits["train"] for word in _words(text, language))
    assert min(counts[word] for words in _all(language).values() for word in words) >= 5


@given(languages, seeds, st.integers(60, 150), st.integers(0, 20), st.integers(0, 20))
@settings(deadline=None, max_examples=25)
def test_splits_share_no_sentence_and_dev_and_test_have_no_new_word(
    language: str, seed: int, train: int, dev: int, test: int
) -> None:
    splits = split_sentences(language, train=train, dev=dev, test=test, seed=seed)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [train, dev, test]
    texts = {name: {tuple(_words(s, language)) for s in splits[name]} for name in splits}
    assert len(texts["train"] | texts["dev"] | texts["test"]) == train + dev + test
    known = {word for text in texts["train"] for word in text}
    assert {word for text in texts["dev"] | texts["test"] for word in text} <= known


def test_splits_that_cannot_be_filled_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        split_sentences("en", train=0, dev=0, test=1)
    assert caught.value.message == "`test` is 1, but language `en` has 0 such sentences"
    assert "more sentences to train on" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("language", "guess"),
    [
        ("en-GB", "did you mean `en`? "),
        ("KO", "did you mean `ko`? "),
        ("sw_KE", "did you mean `sw`? "),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_an_unknown_language_is_refused_with_what_is_known(language: str, guess: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sample_sentences(language, count=1)
    assert caught.value.message == f"no built-in text for language `{language}`"
    hint = str(caught.value.hint)
    assert hint.startswith(f"{guess}known: {', '.join(sample_languages())}")


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        sample_sentences("en", count=-1)
    assert caught.value.message == "`count` is -1"
    assert caught.value.hint == "expected zero or more sentences"


@every_language
def test_the_built_in_voice_speaks_the_language(language: str) -> None:
    loader = pytest.importorskip("espeakng_loader")
    assert list(Path(loader.get_data_path(), "lang").rglob(language))
