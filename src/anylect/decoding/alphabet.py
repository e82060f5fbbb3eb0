"""What pyctcdecode calls an alphabet: a model's tokens by the names it has for them.

`alphabet.json` stands in every bundle and beside every published model that was decoded with
pyctcdecode or `transformers`. Inside anylect a `Vocabulary` says what emissions mean; this
module translates between both, and normalizes label sets by pyctcdecode's rules, because the
columns of existing emissions depend on them.
"""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anylect.errors import BundleError, VocabularyError
from anylect.text.vocabulary import Vocabulary

UNK_TOKEN = "⁇"
"""U+2047, for the unknown token."""
BPE_TOKEN = "▁"
"""U+2581, begins a word in sets of sentence pieces."""
UNK_BPE_TOKEN = f"{BPE_TOKEN}{UNK_TOKEN}{BPE_TOKEN}"
BLANK_TOKEN_PTN = re.compile(r"^[<\[]pad[>\]]$", re.IGNORECASE)
UNK_TOKEN_PTN = re.compile(r"^[<\[]unk[>\]]$", re.IGNORECASE)
_SPECIAL = re.compile(r"^[<\[].+[>\]]$")
_FOREIGN_BLANK = re.compile(r"^[<\[](blank|blk|ctc[-_]?blank|eps|epsilon|ε)[>\]]$", re.IGNORECASE)
"""Blanks of other toolkits, which pyctcdecode would spell out."""
_CONTINUES = "##"

logger = logging.getLogger(__name__)


class Alphabet:
    """Normalized labels by column: the blank is `""`, the word boundary `" "`.

    Example:
        >>> Alphabet.build_alphabet(["<pad>", "<unk>", "|", "a", "b"]).labels
        ['', '⁇', ' ', 'a', 'b']
        >>> Alphabet.build_alphabet(["<unk>", "▁", "##a", "##b", "a", "b"]).labels
        ['▁⁇▁', '▁', 'a', 'b', '▁a', '▁b', '']
    """

    def __init__(self, labels: Sequence[str], is_bpe: bool) -> None:  # noqa: FBT001
        """Take labels as they are; `build_alphabet` normalizes them.

        Raises:
            VocabularyError: When they are no texts, or there is no blank among them.
        """
        _refuse_strange(labels)
        if "" not in labels:
            raise VocabularyError(
                f'none of the {len(labels)} labels is the blank, expected `""` among them: '
                f"{_show(labels)}",
                hint="emissions of a CTC model have a column for the blank; write its label as "
                '`""`, at the place of that column',
            )
        self._labels = list(labels)
        self._is_bpe = bool(is_bpe)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Alphabet):
            return NotImplemented
        return (self._labels, self._is_bpe) == (other._labels, other._is_bpe)

    def __hash__(self) -> int:
        return hash((tuple(self._labels), self._is_bpe))

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        return f"Alphabet({self._labels!r}, is_bpe={self._is_bpe})"

    @property
    def labels(self) -> list[str]:
        """The labels by column; a copy."""
        return list(self._labels)

    @property
    def is_bpe(self) -> bool:
        """Whether words begin with `▁` rather than being parted by a space."""
        return self._is_bpe

    @classmethod
    def build_alphabet(cls, labels: Sequence[str]) -> "Alphabet":
        """Normalize labels: blank, unknown token, word boundary, pieces of words.

        - `<pad>` or `[PAD]` is the blank; else `""`; else `_`. Where there is none, as in
          label sets of NeMo, one is appended: emissions then have a column more than labels.
        - `<unk>` or `[UNK]` becomes `⁇`.
        - `|` becomes a space where there is no space.
        - Labels with `##` inside words (BERT) become those with `▁` before them (SentencePiece).

        Raises:
            VocabularyError: When they are no list of different texts; when there are both `▁`
                and spaces; when there is no blank but a label that looks like one.
        """
        _refuse_strange(labels)
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if list(labels).count(label) > 1)
            raise VocabularyError(
                f"the label {twice!r} is there twice",
                hint="every column of the emissions has a label of its own",
            )
        is_bpe = any(label.startswith((_CONTINUES, BPE_TOKEN)) for label in labels)
        if is_bpe and any(" " in label for label in labels):
            raise VocabularyError(
                f"labels have both {BPE_TOKEN!r} or {_CONTINUES!r} and spaces: {_show(labels)}",
                hint="words either begin with a mark or are parted by a space; remove the other",
            )
        if is_bpe:
            return cls(_normalize_pieces(labels), True)
        return cls(_normalize_characters(labels), False)

    @classmethod
    def from_vocabulary(cls, vocabulary: Vocabulary) -> "Alphabet":
        """Name the tokens of a vocabulary as pyctcdecode does; columns stay.

        Example:
            >>> from anylect.text.vocabulary import build_vocabulary
            >>> Alphabet.from_vocabulary(build_vocabulary(["ab"])).labels
            ['', '⁇', ' ', 'a', 'b']
        """
        is_bpe = vocabulary.boundary is None and any(
            token.startswith(BPE_TOKEN)
            for index, token in enumerate(vocabulary.tokens)
            if index not in vocabulary.special
        )
        labels = list(vocabulary.tokens)
        labels[vocabulary.blank] = ""
        if vocabulary.unknown is not None:
            labels[vocabulary.unknown] = UNK_BPE_TOKEN if is_bpe else UNK_TOKEN
        return cls(labels, is_bpe)

    def dumps(self) -> str:
        """Write JSON."""
        return json.dumps({"labels": self._labels, "is_bpe": self._is_bpe})

    @classmethod
    def loads(cls, text: str) -> "Alphabet":
        """Read JSON; labels are taken as they are.

        Raises:
            BundleError: When it is no JSON, or not of this form.
            VocabularyError: When there is no blank.
        """
        try:
            content: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise BundleError(f"alphabet:{error.lineno}: no JSON ({error.msg})", hint=_HINT) from (
                error
            )
        if not isinstance(content, dict) or set(content) != {"labels", "is_bpe"}:
            shown = sorted(content) if isinstance(content, dict) else type(content).__name__
            raise BundleError(f"alphabet has {shown}, expected `labels` and `is_bpe`", hint=_HINT)
        if not isinstance(content["labels"], list) or not isinstance(content["is_bpe"], bool):
            raise BundleError(
                "alphabet: expected `labels` to be a list and `is_bpe` true or false", hint=_HINT
            )
        return cls(content["labels"], content["is_bpe"])


def load_alphabet(path: Path) -> Alphabet:
    """Read an `alphabet.json`.

    Raises:
        BundleError: When it is missing or broken.
        VocabularyError: When there is no blank.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})", hint=_HINT) from error
    try:
        return Alphabet.loads(text)
    except (BundleError, VocabularyError) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


_HINT = "restore `alphabet.json` from where it came, or write it with `Alphabet.dumps`"


def _normalize_characters(labels: Sequence[str]) -> list[str]:
    spaced = [" " if label == "|" and " " not in labels else label for label in labels]
    named = ["" if BLANK_TOKEN_PTN.match(label) else label for label in spaced]
    if "" not in named:
        named = ["" if label == "_" else label for label in named]
    named = _append_blank(named)
    if " " not in named:
        logger.warning("no label is a space or `|`: everything will be written as one word")
    return [UNK_TOKEN if UNK_TOKEN_PTN.match(label) else label for label in named]


def _normalize_pieces(labels: Sequence[str]) -> list[str]:
    pieces = list(labels)
    if any(label.startswith(_CONTINUES) for label in labels):
        pieces = [_begin_with_mark(label) for label in labels]
    named = _append_blank(["" if BLANK_TOKEN_PTN.match(label) else label for label in pieces])
    return [UNK_BPE_TOKEN if UNK_TOKEN_PTN.match(label) else label for label in named]


def _begin_with_mark(label: str) -> str:
    if label.startswith(_CONTINUES):
        return label.removeprefix(_CONTINUES)
    if label in ("", BPE_TOKEN, UNK_BPE_TOKEN) or _SPECIAL.match(label):
        return label
    return f"{BPE_TOKEN}{label}"


def _append_blank(labels: list[str]) -> list[str]:
    if "" in labels:
        return labels
    for label in labels:
        if _FOREIGN_BLANK.match(label):
            raise VocabularyError(
                f'no label is a blank (`""`, `<pad>`, `[PAD]`, `_`), but {label!r} looks like one',
                hint='write it as `""`; were it left, a second blank would be appended',
            )
    logger.info("no label is a blank: one is appended, emissions have %d columns", len(labels) + 1)
    return [*labels, ""]


def _refuse_strange(labels: Sequence[str]) -> None:
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise VocabularyError(
            f"labels are of type `{type(labels).__name__}`, expected a list of texts",
            hint="of a `vocab.json` take `sorted(vocab, key=vocab.get)`",
        )
    for index, label in enumerate(labels):
        if not isinstance(label, str):
            raise VocabularyError(
                f"label {index} is {label!r}, expected a text",
                hint="labels are in the order of the emissions' columns",
            )


def _show(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:12])
    return f"{shown}, …" if len(labels) > 12 else shown
