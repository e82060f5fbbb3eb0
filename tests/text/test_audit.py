"""What recipes destroy."""

from hypothesis import given
from hypothesis import strategies as st

from anylect.text.audit import audit, audit_pairs
from anylect.text.normalize import default_normalizer

words = st.text(alphabet="aåäeéo' -!", max_size=12)


def without_accents(text: str) -> str:
    return text.lower().translate(str.maketrans("åäé", "aae")).strip("!")


def test_merged_words_are_listed_with_how_often_they_stand() -> None:
    found = audit(without_accents, ["är ar Är", "år ar!", "båt"])
    (merge,) = found.merges
    assert (merge.written, merge.words, merge.times) == ("ar", ("ar", "är", "år"), 5)
    assert found.words == 4
    assert found.lines() == [
        "4 different words, 3 of them merged with others",
        "  ar, är, år → ar",
        "dropped or replaced characters: `◌̈` (U+0308 COMBINING DIAERESIS) 2, "
        "`◌̊` (U+030A COMBINING RING ABOVE) 2",
    ]


def test_capitals_and_punctuation_make_no_different_words() -> None:
    assert audit(str.lower, ["Hej, hej HEJ! “hej”"]).is_harmless


def test_words_that_vanish_are_no_merge() -> None:
    found = audit(lambda text: text.replace("uh", ""), ["uh yes", "uh"])
    assert (found.merges, dict(found.vanished), found.is_harmless) == ((), {"uh": 2}, False)


def test_the_trusted_recipe_decides_what_is_a_word() -> None:
    turkish = default_normalizer("tr")
    assert not audit(str.lower, ["ILIK ılık ilik Ilık"], tell_apart=turkish).is_harmless
    assert audit(turkish, ["ILIK ılık ilik Ilık"], tell_apart=turkish).is_harmless


@given(st.lists(words))
def test_a_recipe_is_harmless_to_the_words_it_tells_apart_itself(texts: list[str]) -> None:
    recipe = default_normalizer("sv")
    assert not audit(recipe, texts, tell_apart=recipe).merges


@given(st.lists(words))
def test_pairs_say_the_same_as_the_recipe(texts: list[str]) -> None:
    pairs = [(word, without_accents(word)) for text in texts for word in text.split()]
    assert audit_pairs(pairs) == audit(without_accents, texts)
