"""The tokens a model emits, by id, and their files as `transformers` reads them.

Stands between normalised text and a model's head: `encode` makes training targets, `decode`
turns what a decoder kept into text. Inside anylect the word boundary is a space and the blank
is the empty text; on disk they are `|` and `<pad>`. The translation happens here and nowhere
else.
"""

import contextlib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from anylect.errors import BundleError, VocabularyError
from anylect.text.tokenizer_files import (
    BLANK,
    BOUNDARY,
    UNKNOWN,
    read_tokenizer,
    write_tokenizer,
)


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id: `tokens[i]` is what output i of the model's head writes.

    The blank is `""` and the word boundary `" "`. `special` holds the ids that are never text:
    the blank, the unknown token and what a published model keeps besides (`<s>`, `</s>`); their
    names stand in `tokens` so that files can be written again, but `decode` skips them.

    Example:
        >>> vocabulary = build_vocabulary(["a cab"])
        >>> vocabulary.tokens
        ('', '<unk>', ' ', 'a', 'b', 'c')
        >>> vocabulary.decode(vocabulary.encode("cab a"))
        'cab a'
    """

    tokens: tuple[str, ...]
    blank: int = 0
    boundary: int | None = None
    unknown: int | None = None
    special: frozenset[int] = frozenset()
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _longest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        special = self.special | {self.blank}
        if self.unknown is not None:
            special |= {self.unknown}
        _check(self, special)
        ids = {token: index for index, token in enumerate(self.tokens) if index not in special}
        if len(ids) != len(self.tokens) - len(special):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise VocabularyError(
                f"{name_character(twice)} is in the vocabulary twice",
                hint="every token has one id; rebuild the vocabulary",
            )
        object.__setattr__(self, "special", frozenset(special))
        object.__setattr__(self, "_ids", ids)
        object.__setattr__(self, "_longest", max(map(len, ids), default=1))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Spell a normalised text, longest token first.

        Raises:
            VocabularyError: For a character no token spells, unless there is an unknown token.
        """
        if self._longest == 1:
            with contextlib.suppress(KeyError):  # of a character no token spells
                return list(map(self._ids.__getitem__, text))
        spelt: list[int] = []
        for piece, index in self.spell(text):
            if index is None:
                index = self.unknown
            if index is None:
                raise self._unspellable(piece, text)
            spelt.append(index)
        return spelt

    def decode(self, ids: Iterable[int]) -> str:
        """Write out ids that are collapsed already; special tokens write nothing."""
        return "".join([self.tokens[i] for i in ids if i not in self.special]).strip()

    def missing(self, text: str) -> set[str]:
        """Find the characters of a text that no token spells."""
        if self._longest == 1:
            return set(text) - self._ids.keys()
        return {piece for piece, index in self.spell(text) if index is None}

    def spell(self, text: str) -> Iterator[tuple[str, int | None]]:
        """Cut a text into tokens with their ids; a character no token spells has None."""
        ids = self._ids
        if self._longest == 1:
            yield from zip(text, map(ids.get, text), strict=True)
            return
        position = 0
        while position < len(text):
            for length in range(min(self._longest, len(text) - position), 0, -1):
                piece = text[position : position + length]
                if piece in ids or length == 1:
                    yield piece, ids.get(piece)
                    position += length
                    break

    def _unspellable(self, character: str, text: str) -> VocabularyError:
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        if any(other in self._ids for other in (character.upper(), character.lower())):
            hint = (
                "the vocabulary writes it in the other case; `lowered(vocabulary)` "
                "spells lower-case text with the same ids"
            )
        elif character == BOUNDARY or (character.isspace() and character != " "):
            hint = "apply the normalizer first; it leaves single spaces between words"
        else:
            hint = "drop it with a `replace` step of the normalizer, or train on text that has it"
        return VocabularyError(
            f"{name_character(character)} in {shown!r} is not in the vocabulary", hint=hint
        )


def build_vocabulary(texts: Iterable[str], *, unknown: bool = True) -> Vocabulary:
    """Collect the characters of normalised texts: blank, unknown, boundary, then by code point.

    Give it the training split only: a character that only the test split has cannot be learnt,
    and knowing it would be a leak. A character is one code point, so that a vowel sign or an
    accent the normalizer leaves apart is a token of its own. The boundary is there even if no
    text has two words.

    Args:
        texts: Transcripts after the normalizer; read once, never held.
        unknown: Whether to add a token that `encode` uses for characters it has not seen, so
            that transcripts of the dev split can still be written.

    Raises:
        VocabularyError: When a text has white space other than a space, or `|`, which is the
            boundary on disk: it was not normalised.
    """
    seen: set[str] = set()
    for text in texts:
        fresh = set(text) - seen
        for character in fresh:
            if character == BOUNDARY or (character.isspace() and character != " "):
                raise VocabularyError(
                    f"{name_character(character)} in {text[:60]!r} cannot be a token",
                    hint="apply the normalizer first; it leaves single spaces between words",
                )
        seen |= fresh
    first = ("", UNKNOWN, " ") if unknown else ("", " ")
    return Vocabulary(
        tokens=first + tuple(sorted(seen - {" "})),
        blank=0,
        boundary=first.index(" "),
        unknown=1 if unknown else None,
    )


def lowered(vocabulary: Vocabulary) -> Vocabulary:
    """Rename the tokens of an upper-case vocabulary to lower case; ids stay.

    `facebook/wav2vec2-base-960h` and others emit capitals, while normalizers write lower case.

    Raises:
        VocabularyError: When two tokens would become one.
    """
    tokens = tuple(
        token if index in vocabulary.special else _lower(token)
        for index, token in enumerate(vocabulary.tokens)
    )
    return replace(vocabulary, tokens=tokens)


def count_missing(vocabulary: Vocabulary, texts: Iterable[str]) -> Counter[str]:
    """Count the characters that the vocabulary cannot spell, over many normalised texts.

    Example:
        >>> count_missing(build_vocabulary(["ab"]), ["abba", "cab", "cd"])
        Counter({'c': 2, 'd': 1})
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, index in vocabulary.spell(text) if index is None)
    return counts


def name_character(character: str) -> str:
    """Name a character so that a reader can find it, whatever the font shows.

    Example:
        >>> name_character("ə")
        '`ə` (U+0259 LATIN SMALL LETTER SCHWA)'
        >>> name_character(chr(0x301))
        '`◌́` (U+0301 COMBINING ACUTE ACCENT)'
    """
    if len(character) != 1:
        return f"`{character}`"
    shown = character
    if unicodedata.category(character).startswith("M"):
        shown = f"◌{character}"
    elif not character.isprintable():
        shown = ascii(character)[1:-1]
    name = unicodedata.name(character, "unnamed")
    return f"`{shown}` (U+{ord(character):04X} {name})"


def save_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the files from which `Wav2Vec2CTCTokenizer.from_pretrained` reads a folder.

    Raises:
        VocabularyError: When a token has the name of the blank, boundary or unknown token.
    """
    names = [_name_on_disk(vocabulary, index) for index in range(len(vocabulary))]
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise VocabularyError(
            f"two tokens would be written as `{twice}`",
            hint=f"`{BOUNDARY}`, `{BLANK}` and `{UNKNOWN}` are reserved on disk; "
            "remove them from the transcripts with the normalizer",
        )
    write_tokenizer(folder, names)


def load_vocabulary(
    folder: Path, *, language: str | None = None, size: int | None = None
) -> Vocabulary:
    """Read a vocabulary that anylect or anyone else wrote for `Wav2Vec2CTCTokenizer`.

    Args:
        folder: Holds `vocab.json` and, where they exist, `tokenizer_config.json`,
            `special_tokens_map.json` and `added_tokens.json`.
        language: Key of a file with a vocabulary per language (MMS: ISO 639-3, such as `swe`);
            by default the one `tokenizer_config.json` names as `target_lang`.
        size: Number of outputs of the model's head. Published tokenizers append `<s>` and
            `</s>` which the head may lack, or lack tokens the head has: the head decides.

    Raises:
        BundleError: When a file is missing, broken, or contradicts itself or the head.
    """
    files = read_tokenizer(folder, language=language)
    tokens: list[str] = []
    special = set(files.special)
    for index, name in enumerate(files.names):
        if index in (files.blank, files.unknown, files.boundary):
            special.discard(index)
            tokens.append({files.blank: "", files.boundary: " "}.get(index, UNKNOWN))
        elif name is None:
            tokens.append(f"<unused{index}>")
        else:
            lower = files.lower_case and index not in special
            tokens.append(_lower(name) if lower else name)
    unknown = files.unknown
    if size is not None:
        droppable = special if unknown is None else special | {unknown}
        _check_cut(files.names, droppable, size=size, path=folder / "vocab.json")
        tokens = tokens[:size] + [f"<unused{index}>" for index in range(len(tokens), size)]
        special = {i for i in special if i < size} | set(range(len(files.names), size))
        unknown = unknown if unknown is not None and unknown < size else None
    return Vocabulary(
        tuple(tokens),
        blank=files.blank,
        boundary=files.boundary,
        unknown=unknown,
        special=frozenset(special),
    )


def _check(vocabulary: Vocabulary, special: frozenset[int]) -> None:
    size = len(vocabulary.tokens)
    boundary = vocabulary.boundary
    if any(not 0 <= index < size for index in special) or vocabulary.tokens[vocabulary.blank]:
        raise VocabularyError(
            f"special ids are {sorted(special)}, the vocabulary has {size} tokens and its blank "
            f"`{vocabulary.blank}` must be the empty text",
            hint="rebuild the vocabulary with `build_vocabulary`",
        )
    if boundary is not None and not (0 <= boundary < size and vocabulary.tokens[boundary] == " "):
        raise VocabularyError(
            f"the word boundary has id {boundary}, whose token is not a space",
            hint="inside anylect the boundary is a space; only on disk it is `|`",
        )
    if any(not token and index not in special for index, token in enumerate(vocabulary.tokens)):
        raise VocabularyError("a token is empty", hint="only the blank is the empty text")


def _lower(token: str) -> str:
    # A capital whose lower case is two code points (U+0130) is no token a model could share.
    small = token.lower()
    return small if len(small) == len(token) else token


def _name_on_disk(vocabulary: Vocabulary, index: int) -> str:
    if index == vocabulary.blank:
        return BLANK
    if index == vocabulary.unknown:
        return UNKNOWN
    if index == vocabulary.boundary:
        return BOUNDARY
    return vocabulary.tokens[index]


def _check_cut(
    names: Sequence[str | None], droppable: Collection[int], *, size: int, path: Path
) -> None:
    """Refuse a head that has no output for a token of text or for the blank."""
    cut = [names[index] for index in range(size, len(names)) if index not in droppable]
    if cut:
        raise BundleError(
            f"{path}: has {len(names)} tokens, the model's head has {size} outputs",
            hint=f"`{cut[0]}` would have no output; is this the vocabulary of that model?",
        )
