"""Normalizers: what each language needs, idempotence for any text, and refused recipes."""

import json
import pickle
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.errors import BundleError, ConfigError
from anylect.text.normalize import (
    Normalizer,
    default_normalizer,
    load_normalizer,
    save_normalizer,
)
from anylect.text.steps import (
    Invisible,
    Lowercase,
    Punctuation,
    Replace,
    Unicode,
    Unspaced,
    Whitespace,
)

ZWNJ, ZWJ, DOT, ACUTE = "\u200c", "\u200d", "\u0307", "\u0301"

LANGUAGES = (
    *(None, "en", "tr", "lt", "el", "de", "ca", "he", "haw", "ha", "uz", "fa", "ar", "ur", "ml"),
    *("bn", "ro", "nl", "sr-Latn", "zh", "ja", "th", "km", "my", "ko", "chr", "kk-Latn", "no"),
)


@pytest.mark.parametrize(
    ("language", "written", "normalised"),
    [
        (None, "  Hello,\tWORLD!\n", "hello world"),
        ("en", "“Rock 'n' roll”, he said: don’t!", "rock n roll he said don't"),
        ("en", "İzmir", "izmir"),
        ("en", "A.B. and/or 3,5 %", "a b and or 3 5"),
        ("en", "re\u00adcord\ufeff one\u200btwo\u0007", "record one two"),
        ("en", f"zero{ZWJ}width", "zerowidth"),
        ("en", "I \u2764\ufe0f you 1\ufe0f\u20e3", "i you 1"),
        ("en", "well-known — yes", "well known yes"),
        ("tr", "İSTANBUL'da IŞIK, I" + DOT, "istanbul'da ışık i"),
        ("az", "QIZILIRMAQ", "qızılırmaq"),
        ("de", "GROẞE Straße", "große straße"),
        ("el", "ΟΔΟΣ, ΣΟΦΟΣ· Σ' αγαπώ", "οδος σοφος σ αγαπώ"),
        ("el", "ΌΣΟΣ" + ACUTE, "όσος" + ACUTE),
        ("lt", "i" + DOT + ACUTE, "i" + DOT + ACUTE),
        ("ca", "COL·LEGI, col•legi i coŀlegi; l’home ·", "col·legi col·legi i col·legi l'home"),
        ("fr", "L’été – «oui»", "l'été oui"),
        ("uk", "п'ять об’єктів мʼята", "п'ять об'єктів м'ята"),
        ("he", 'צה"ל ג\'ורג\' "שלום"', "צה״ל ג׳ורג׳ שלום"),
        ("haw", "‘Okina, Hawai'i", "ʻokina hawaiʻi"),
        ("uz", "O'zbek, gʻisht", "oʻzbek gʻisht"),
        ("ha", "'Yan, ʼya", "ʼyan ʼya"),
        ("fa", f"می{ZWNJ}خواهم، كتاب{ZWNJ} ي؟", f"می{ZWNJ}خواهم کتاب ی"),
        ("ar", "السّـــلامُ، عليكم؟", "السّلامُ عليكم"),
        ("ur", "یہ ہے۔", "یہ ہے"),
        ("ml", f"അവന്{ZWJ} പറഞ്ഞു.", "അവൻ പറഞ്ഞു"),
        ("si", f"ශ්{ZWJ}රී, ලංකා", f"ශ්{ZWJ}රී ලංකා"),
        ("hi", "नमस्ते। क्या", "नमस्ते क्या"),
        ("bn", f"উত্{ZWJ}সব।", "উৎসব"),
        ("bo", "བོད་ཡིག།", "བོད ཡིག"),
        ("am", "ሰላም፡ዓለም።", "ሰላም ዓለም"),
        ("hy", "Ինչո՞ւ, այո՛։", "ինչու այո"),
        ("ka", "„გამარჯობა“ ჻ Ა", "გამარჯობა ა"),
        ("ko", "안녕하세요, 세계!", "안녕하세요 세계"),
        ("zh", "今天，天气 很好。", "今天天气很好"),
        ("ja", "ｶﾞ、今日は。OK です", "ガ今日は ok です"),
        ("th", "สวัสดี ครับ!", "สวัสดีครับ"),
        ("ro", "Ţara şi", "țara și"),
        ("nl", "ĲSSEL", "ijssel"),
        ("sr-Latn", "Ǆep", "džep"),
        ("vi", "Tiê\u0301ng Việt", "tiếng việt"),
        ("chr", "ᏣᎳᎩ", "ᏣᎳᎩ"),
        ("no", "Ærlig talt!", "ærlig talt"),
    ],
)
def test_a_default_recipe_writes(language: str | None, written: str, normalised: str) -> None:
    assert default_normalizer(language)(written) == normalised


@given(st.sampled_from(LANGUAGES), st.text(max_size=40))
def test_a_normalizer_is_idempotent(language: str | None, text: str) -> None:
    normalize = default_normalizer(language)
    once = normalize(text)
    assert normalize(once) == once


# What composes, joins, has context or changes length, so that single steps undo each other.
AWKWARD = st.text(
    "aAiIıİσςΣßẞsŀl·'’ʼʻ`´\"״׳-– \u00a0\u200b\t\u00ad\ufeff.,´·ेന്ക漢カﾞｶกีＡ€≠"
    + "\u0301\u0307\u0308\u0338\u0345\u094d\u0f72\u20e3\ufe0f\u0085"
    + ZWJ
    + ZWNJ,
    max_size=12,
)


@given(st.sampled_from(LANGUAGES), AWKWARD)
def test_a_normalizer_is_idempotent_where_steps_undo_each_other(
    language: str | None, text: str
) -> None:
    normalize = default_normalizer(language)
    once = normalize(text)
    assert normalize(once) == once


@pytest.mark.parametrize("language", ["tr", "fa", "ca"])
def test_every_character_of_unicode_is_normalised_once_and_for_all(language: str) -> None:
    normalize = default_normalizer(language)
    skipped = {"Lo", "Cn", "Co", "Cs"}  # most are unified ideographs and syllables
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) not in skipped:
            once = normalize(f"a{character}b")
            assert normalize(once) == once, f"U+{code:04X}"


@given(st.sampled_from(LANGUAGES), st.text(max_size=40))
def test_nothing_normalised_needs_its_spaces_cleaned(language: str | None, text: str) -> None:
    normalised = default_normalizer(language)(text)
    assert normalised == " ".join(normalised.split())


@given(st.text(st.characters(categories=["Mn", "Mc"]), min_size=1))
def test_combining_marks_survive(marks: str) -> None:
    normalised = default_normalizer("hi")(f"न{marks}")
    selectors = {*map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0))}
    kept = sorted(set(unicodedata.normalize("NFD", marks)) - selectors)
    assert sorted(set(unicodedata.normalize("NFD", normalised)) - {"न"}) == kept


@given(
    st.dictionaries(
        st.text("abAé'- &" + ACUTE, max_size=2), st.text("abAé'- &" + ACUTE, max_size=3), max_size=3
    ),
    st.lists(st.text("abAé'- &" + ACUTE, max_size=16), max_size=20),
)
def test_a_map_is_refused_or_keeps_the_recipe_idempotent(
    mapping: Mapping[str, str], texts: list[str]
) -> None:
    steps = (Unicode(), Lowercase(), Replace(map=mapping), Punctuation(), Whitespace())
    try:
        normalize = Normalizer("x-1", "x", steps)
    except ConfigError:
        return
    for text in texts:
        once = normalize(text)
        assert normalize(once) == once


@pytest.mark.parametrize(
    "mapping",
    [
        {"é": "e", "œ": "oe"},
        {"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae"},
        {"&": " and ", "%": " percent "},
        {"th": "t"},
        {"ab": ""},
        {"ı": "i"},
    ],
)
def test_useful_maps_are_accepted(mapping: Mapping[str, str]) -> None:
    normalize = Normalizer("x-1", "x", (Unicode(), Lowercase(), Replace(map=mapping)))
    for before, after in mapping.items():
        assert normalize(before) == after
    assert normalize("aabb" * 3) == "" if "ab" in mapping else "aabb" * 3


@pytest.mark.parametrize(
    ("mapping", "message", "hint"),
    [
        ({"a": "b", "b": "a"}, "go round in circles: 'a' → 'b' → 'a'", "remove one"),
        ({" ": "_"}, "go round in circles", "remove one"),
        ({"a": "aa"}, "replaces 'a' by 'aa', which holds all", "would be replaced again"),
        ({"a": "AB"}, "replaces 'a' by 'ab', which holds all", "small form"),
        ({"e": "é"}, "which holds all that it replaces", "accents"),
        ({"A": "b"}, "maps 'A', which earlier steps turn into 'a'", "map 'a'"),
        ({"e\u0301": "e"}, r"(e\u0301), which earlier steps turn", r"(\xe9), or move"),
        ({"": "x"}, "maps the empty text", "remove this entry"),
    ],
)
def test_a_map_that_never_settles_is_refused(
    mapping: Mapping[str, str], message: str, hint: str
) -> None:
    steps = (Unicode(), Lowercase(), Replace(map=mapping), Punctuation(), Whitespace())
    with pytest.raises(ConfigError) as caught:
        Normalizer("x-1", "x", steps)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_unicode_form_comes_first() -> None:
    with pytest.raises(ConfigError, match="not its first step") as caught:
        Normalizer("x-1", "x", (Lowercase(), Unicode()))
    assert caught.value.hint == (
        "move it to the front, and have only one; the others rely on its form"
    )


def test_the_longest_key_wins_and_all_are_replaced_at_once() -> None:
    step = Replace(map={"s": "c", "sch": "š", "c": "k"})
    assert step("schsc") == "šck"


def test_a_hyphen_can_be_kept_within_words() -> None:
    step = Punctuation(inside={"-": "-", "‑": "-"}, keep="%")
    assert step("well‑known - 5%-") == "well-known   5% "


def test_what_is_dropped_does_not_bring_letters_to_an_apostrophe() -> None:
    assert Punctuation(drop="*")("a*'b") == "a b"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"ک{ZWNJ}ن", f"ک{ZWNJ}ن"),
        (f"ک{ZWNJ}{ZWNJ}ن", f"ک{ZWNJ}ن"),
        (f"ک{ZWNJ} ن", "ک ن"),
        (f"{ZWJ}ک", "ک"),
        (f"क्{ZWJ}ष", f"क्{ZWJ}ष"),
        (f"a{ZWNJ}b", "ab"),
        ("ᠨ\u180eᠠ", "ᠨ\u180eᠠ"),
    ],
)
def test_joiners_stay_only_within_words_of_joining_scripts(text: str, kept: str) -> None:
    assert Invisible()(text) == kept


def test_no_joiner_stays_where_no_script_joins() -> None:
    assert Invisible(joining=())(f"ک{ZWNJ}ن") == "کن"


def test_spaces_stay_between_scripts() -> None:
    assert Unspaced(scripts=("Thai",))("ก ข abc def ก") == "กข abc def ก"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recipe_survives_a_round_trip(language: str | None, tmp_path: Path) -> None:
    normalizer = default_normalizer(language)
    save_normalizer(normalizer, tmp_path / "normalizer.json")
    again = load_normalizer(tmp_path / "normalizer.json")
    assert again == normalizer
    assert again.hash == normalizer.hash
    assert again("İ, a'b") == normalizer("İ, a'b")


def test_a_normalizer_travels_between_processes() -> None:
    normalizer = default_normalizer("tr")
    normalizer("İ, a'b")
    assert pickle.loads(pickle.dumps(normalizer))("I’ı") == "ı'ı"


def test_normalizers_can_be_kept_in_a_set() -> None:
    assert len({default_normalizer("fa"), default_normalizer("pes"), default_normalizer("ur")}) == 2


def test_the_hash_follows_every_option_and_nothing_else() -> None:
    def hash_of(*steps: Punctuation | Lowercase, name: str = "x-1") -> str:
        return Normalizer(name, "x", steps).hash

    hashes = [
        hash_of(Lowercase()),
        hash_of(Lowercase(rules="greek")),
        hash_of(Lowercase(), Punctuation()),
        hash_of(Punctuation(), Lowercase()),
        hash_of(Lowercase(), name="x-2"),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_of(Lowercase()) == hash_of(Lowercase(rules="plain"))
    assert all(len(digits) == 12 and int(digits, 16) >= 0 for digits in hashes)


def test_a_recipe_written_by_hand_needs_no_hash_and_no_defaults(tmp_path: Path) -> None:
    path = tmp_path / "normalizer.json"
    steps = [{"step": "lowercase"}, {"step": "replace", "map": {"ё": "е"}}]
    path.write_text(json.dumps({"name": "ru-mine", "language": "ru", "steps": steps}))
    assert load_normalizer(path)("ЁЛКА") == "елка"


@pytest.mark.parametrize(
    ("change", "kind", "message", "hint"),
    [
        (
            {"steps": [{"step": "lowercas"}]},
            ConfigError,
            "`steps[0]`: unknown step `lowercas`",
            "did you mean `lowercase`?",
        ),
        (
            {"steps": [{"step": "zzz"}]},
            ConfigError,
            "unknown step `zzz`",
            "known steps: `unicode`, `lowercase`",
        ),
        (
            {"steps": [{"step": "unicode", "from": "NFC"}]},
            ConfigError,
            "`steps[0]`: unknown key `from`",
            "did you mean `form`?",
        ),
        (
            {"steps": [{"step": "unicode", "form": "NFX"}]},
            ConfigError,
            "`form` is 'NFX'",
            "one of `NFC`",
        ),
        ({"steps": [{"step": "replace"}]}, ConfigError, "`map` is not set", "add `map"),
        (
            {"steps": [{"step": "replace", "map": {"a": "aa"}}]},
            ConfigError,
            "replaces 'a' by 'aa'",
            "replaced again",
        ),
        ({"stepz": []}, ConfigError, "unknown key `stepz`", "did you mean `steps`?"),
        ({"hash": "000000000000"}, BundleError, "its hash is `000000000000`", "restore it"),
    ],
)
def test_a_broken_recipe_is_refused_with_its_place(
    change: dict[str, object], kind: type[Exception], message: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "normalizer.json"
    good: dict[str, object] = {"name": "x-1", "language": "x", "steps": [{"step": "whitespace"}]}
    path.write_text(json.dumps({**good, **change}))
    with pytest.raises(kind) as caught:
        load_normalizer(path)
    place, _, rest = str(caught.value).partition(": ")
    assert place == str(path)
    assert message in rest
    assert hint in rest


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (None, "cannot be read (No such file or directory)", "a bundle holds `normalizer.json`"),
        (b"{", "not JSON", "restore the file"),
        (b"\xff", "not JSON", "restore the file"),
        (b"[]", "holds no object", "restore the file"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(
    content: bytes | None, message: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "normalizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        load_normalizer(path)
    assert message in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint
