"""What we know of languages: tags, and which are written without spaces."""

import pytest

from anylect.errors import ConfigError
from anylect.text.normalize import default_normalizer
from anylect.text.recipes import canonical_tag, written_without_spaces


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("tr", "tr"),
        ("TR-tr", "tr"),
        ("zh-Hant-TW", "zh-Hant"),
        ("rm-sursilv", "rm"),
        ("cmn", "zh"),
        ("ell", "el"),
        ("no", "no"),
        ("mhr", "mhr"),
        ("ca-valencia", "ca"),
    ],
)
def test_a_tag_is_reduced_to_what_spelling_depends_on(given: str, canonical: str) -> None:
    assert canonical_tag(given) == canonical


@pytest.mark.parametrize("given", ["", "english", "e", "en us", "tr\n", "1a"])
def test_what_is_no_tag_is_refused(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical_tag(given)
    assert repr(given) in caught.value.message
    assert caught.value.hint is not None
    assert "`sr-Latn`" in caught.value.hint


@pytest.mark.parametrize(
    ("language", "answer"),
    [("zh-CN", True), ("jpn", True), ("th", True), ("my", True), ("ko", False), (None, False)],
)
def test_some_languages_are_written_without_spaces(language: str | None, *, answer: bool) -> None:
    assert written_without_spaces(language) is answer


def test_a_recipe_is_named_after_its_language() -> None:
    assert default_normalizer(None).name == "und-1"
    assert default_normalizer("pa-IN").name == "pa-1"
    assert default_normalizer("sr-Latn").language == "sr-Latn"


def test_the_same_steps_serve_a_language_under_its_longer_code() -> None:
    assert default_normalizer("tur") == default_normalizer("tr")
