"""What we know of single languages: the steps of the recipe each gets by default.

A rule stands here when the spelling needs it (the Turkish i), when corpora write one letter in
several ways (Persian yeh), or when a mark of punctuation is part of words (Catalan `l·l`).
Opinions do not: stress marks, ё and digits stay as the corpus has them. Whoever changes a
recipe raises `VERSION`, for scores under two recipes cannot be compared.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from anylect.errors import ConfigError
from anylect.text.steps import (
    APOSTROPHES,
    Invisible,
    Lowercase,
    Punctuation,
    Replace,
    Step,
    Unicode,
    Unspaced,
    Whitespace,
)

VERSION = 1

# ISO 639-3 codes, as MMS and others have them, of languages that have rules below.
_SHORT = MappingProxyType(
    {
        **{"ara": "ar", "arb": "ar", "asm": "as", "aze": "az", "azj": "az", "ben": "bn"},
        **{"bos": "bs", "cat": "ca", "cmn": "zh", "deu": "de", "ell": "el", "fas": "fa"},
        **{"hau": "ha", "heb": "he", "hrv": "hr", "jpn": "ja", "kas": "ks", "khm": "km"},
        **{"lao": "lo", "lit": "lt", "mal": "ml", "mya": "my", "nav": "nv", "nld": "nl"},
        **{"pes": "fa", "pus": "ps", "ron": "ro", "smo": "sm", "snd": "sd", "srp": "sr"},
        **{"tah": "ty", "tha": "th", "ton": "to", "tur": "tr", "uig": "ug", "urd": "ur"},
        **{"uzb": "uz", "uzn": "uz", "ydd": "yi", "yid": "yi", "zho": "zh", "eng": "en"},
    }
)

_ARABIC_SCRIPT = frozenset(
    [
        "ar",
        "fa",
        "ur",
        "ps",
        "ckb",
        "ug",
        "sd",
        "ks",
        "pnb",
        "skr",
        "bal",
        "glk",
        "mzn",
        "arz",
        "ary",
        "apc",
    ]
)

_HAN = ("Han", "Hiragana", "Katakana", "Bopomofo")
_UNSPACED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("zh", "yue", "wuu", "ja"), _HAN),
        **{"th": ("Thai",), "lo": ("Lao",), "km": ("Khmer",), "my": ("Myanmar",)},
    }
)

_CASE: Mapping[str, Lowercase] = MappingProxyType(
    {
        **dict.fromkeys(("tr", "az", "crh", "gag"), Lowercase(rules="turkic")),
        **dict.fromkeys(("tt-Latn", "kk-Latn", "ba-Latn"), Lowercase(rules="turkic")),
        **dict.fromkeys(("el", "grc"), Lowercase(rules="greek")),
        "lt": Lowercase(rules="lithuanian"),
    }
)

_DIGRAPHS = {"ǆ": "dž", "ǉ": "lj", "ǌ": "nj"}
_YEH_AND_KAF = {"ي": "ی", "ك": "ک"}
_KHANDA_TA = {"ত্\u200d": "ৎ"}
_REPLACE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ca": {"ŀ": "l·"},
        "nl": {"ĳ": "ij"},
        "ro": {"ş": "ș", "ţ": "ț"},  # cedilla for comma, from before Unicode 3.0
        **dict.fromkeys(("bs", "hr", "sr"), _DIGRAPHS),
        "fa": {**_YEH_AND_KAF, "ى": "ی"},
        **dict.fromkeys(("ckb", "ur"), _YEH_AND_KAF),
        **dict.fromkeys(("as", "bn"), _KHANDA_TA),
        # Chillus as they were written before Unicode 5.1: letter, virama, joiner.
        "ml": {
            **{"ണ്\u200d": "ൺ", "ന്\u200d": "ൻ", "ര്\u200d": "ർ"},
            **{"ല്\u200d": "ൽ", "ള്\u200d": "ൾ", "ക്\u200d": "ൿ"},
        },
    }
)

_OKINA = Punctuation(inside=dict.fromkeys(APOSTROPHES + "ʻ", "ʻ"), initial="ʻ")
_GLOTTAL = Punctuation(inside=dict.fromkeys(APOSTROPHES, "ʼ"), initial="ʼ")
_GERESH = Punctuation(
    inside={**dict.fromkeys(APOSTROPHES + "׳", "׳"), **dict.fromkeys('"״”“', "״")}, final="׳"
)
_PUNCTUATION: Mapping[str, Punctuation] = MappingProxyType(
    {
        **dict.fromkeys(("haw", "sm", "to", "ty"), _OKINA),
        "uz": Punctuation(inside=dict.fromkeys(APOSTROPHES + "ʻ", "ʻ")),
        **dict.fromkeys(("ha", "nv"), _GLOTTAL),
        **dict.fromkeys(("he", "yi"), _GERESH),
        "ca": Punctuation(inside={**dict.fromkeys(APOSTROPHES, "'"), **dict.fromkeys("·‧•∙", "·")}),
    }
)


def canonical_tag(language: str) -> str:
    """Reduce a BCP 47 tag to what spelling depends on: language and, if given, script.

    Raises:
        ConfigError: When it is not a tag.

    Example:
        >>> canonical_tag("pt_BR"), canonical_tag("SR-latn-rs"), canonical_tag("tur")
        ('pt', 'sr-Latn', 'tr')
    """
    match = re.fullmatch(
        r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_][a-z0-9]{1,8})*", language, re.IGNORECASE
    )
    if match is None:
        raise ConfigError(
            f"language is {language!r}, expected a BCP 47 tag",
            hint="give a code such as `sv`, `sr-Latn` or `zh-TW`; `und` when it is unknown",
        )
    primary = match[1].lower()
    primary = _SHORT.get(primary, primary)
    return f"{primary}-{match[2].title()}" if match[2] else primary


def written_without_spaces(language: str | None) -> bool:
    """Say whether words are not separated in writing, so that only the CER means something."""
    return language is not None and canonical_tag(language).split("-")[0] in _UNSPACED


def default_steps(tag: str) -> tuple[Step, ...]:
    """Put together the default recipe for a canonical tag."""
    language, _, script = tag.partition("-")
    arabic = script == "Arab" or (language in _ARABIC_SCRIPT and not script)
    # Compatibility forms are another way of typing in these scripts: full-width Latin letters,
    # half-width Katakana, Arabic letters by their shape. Elsewhere they carry meaning.
    compatible = arabic or _UNSPACED.get(language) == _HAN
    replace = dict(_REPLACE.get(tag, _REPLACE.get(language, {})))
    if arabic:
        replace["ـ"] = ""  # tatweel stretches a line and is no letter
    steps: list[Step] = [Unicode(form="NFKC" if compatible else "NFC")]
    if language != "chr":  # Cherokee is written in what Unicode later called capitals
        steps.append(_CASE.get(tag, _CASE.get(language, Lowercase())))
    if replace:
        steps.append(Replace(map=replace))
    steps += [Invisible(), _PUNCTUATION.get(language, Punctuation()), Whitespace()]
    if language in _UNSPACED:
        steps.append(Unspaced(scripts=_UNSPACED[language]))
    return tuple(steps)
