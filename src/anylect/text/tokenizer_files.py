"""The files of a `Wav2Vec2CTCTokenizer`: names, ids and roles of tokens, as they stand on disk.

The border between `text.vocabulary` and the folders that `transformers` writes and reads. It
knows `vocab.json` (flat, or one table per language as MMS has it), `tokenizer_config.json`,
`special_tokens_map.json` and `added_tokens.json`, and the habits of published models.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.errors import BundleError

BOUNDARY = "|"
BLANK = "<pad>"
UNKNOWN = "<unk>"

# Names under which published models keep tokens that are never text.
_BLANKS = (BLANK, "[PAD]")
_UNKNOWNS = (UNKNOWN, "[UNK]")
_OTHERS = ("<s>", "</s>", "[BOS]", "[EOS]", "[CLS]", "[SEP]", "[MASK]", "<mask>")


@dataclass(frozen=True)
class TokenizerFiles:
    """Token names by id, None where an id has no token, and the ids that have a role."""

    names: tuple[str | None, ...]
    blank: int
    boundary: int | None
    unknown: int | None
    special: frozenset[int]
    lower_case: bool


def write_tokenizer(folder: Path, names: Sequence[str]) -> None:
    """Write the three files from which `Wav2Vec2CTCTokenizer.from_pretrained` reads a folder."""
    special = {
        "bos_token": "<s>" if "<s>" in names else None,
        "eos_token": "</s>" if "</s>" in names else None,
        "pad_token": BLANK,
        "unk_token": UNKNOWN if UNKNOWN in names else None,
    }
    # What is null must be written as null: left out, `transformers` adds its own `<s>`, `</s>`.
    config = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "do_lower_case": False,
        "replace_word_delimiter_char": " ",
        "word_delimiter_token": BOUNDARY,
        **special,
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "vocab.json", {name: index for index, name in enumerate(names)})
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(
        folder / "special_tokens_map.json",
        {role: name for role, name in special.items() if name is not None},
    )


def read_tokenizer(folder: Path, *, language: str | None = None) -> TokenizerFiles:
    """Read a folder that anylect or anyone else wrote for `Wav2Vec2CTCTokenizer`.

    Raises:
        BundleError: When a file is missing, broken or contradicts itself.
    """
    path = folder / "vocab.json"
    settings = _read_settings(folder)
    table = _choose_language(_read_json(path), path, language or settings.get("target_lang"))
    names = _by_id(table, _added_tokens(folder, settings), path)
    blank = _role(names, settings.get("pad_token"), _BLANKS)
    if blank is None:
        raise BundleError(
            f"{path}: no token is the blank; expected `{BLANK}` or `[PAD]`",
            hint="name it as `pad_token` in tokenizer_config.json",
        )
    others = {*_OTHERS, settings.get("bos_token"), settings.get("eos_token"), None}
    return TokenizerFiles(
        names=names,
        blank=blank,
        boundary=_role(names, settings.get("word_delimiter_token"), (BOUNDARY, " ")),
        unknown=_role(names, settings.get("unk_token"), _UNKNOWNS),
        special=frozenset(index for index, name in enumerate(names) if name in others),
        lower_case=settings.get("do_lower_case") is True,
    )


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror})",
            hint="a CTC model's folder holds `vocab.json`; was it downloaded completely?",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: not JSON: {error}", hint="download the file again") from error
    if not isinstance(value, dict):
        raise BundleError(
            f"{path}: holds a {type(value).__name__}, expected an object",
            hint="download the file again",
        )
    return value


def _read_settings(folder: Path) -> dict[str, Any]:
    """Merge what the two tokenizer files say about special tokens; the configuration wins."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            for key, value in _read_json(folder / name).items():
                # Older files write a token as an object with its text in `content`.
                settings[key] = value["content"] if _is_token(value) else value
    return settings


def _is_token(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("content"), str)


def _added_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Collect tokens that `transformers` keeps outside `vocab.json`, old and new style."""
    added: dict[str, Any] = {}
    if (folder / "added_tokens.json").is_file():
        added.update(_read_json(folder / "added_tokens.json"))
    listed = settings.get("added_tokens_decoder")
    if isinstance(listed, dict):
        for index, token in listed.items():
            if _is_token(token) and str(index).isdecimal():
                added.setdefault(token["content"], int(index))
    return added


def _choose_language(table: dict[str, Any], path: Path, language: object) -> dict[str, Any]:
    nested = {key: value for key, value in table.items() if isinstance(value, dict)}
    if not nested:
        return table
    if isinstance(language, str) and language in nested:
        return nested[language]
    near = [key for key in nested if language and key.startswith(str(language)[:2])]
    offer = near or list(nested)
    known = ", ".join(f"`{key}`" for key in offer[:8]) + (", …" if len(offer) > 8 else "")
    asked = f"none for `{language}`" if language else "none was chosen"
    raise BundleError(
        f"{path}: has a vocabulary for each of {len(nested)} languages, {asked}",
        hint=f"name the language by its ISO 639-3 code: {known}",
    )


def _by_id(
    table: Mapping[str, Any], added: Mapping[str, Any], path: Path
) -> tuple[str | None, ...]:
    """Order names by id. A token added outside the table never displaces one of it."""
    taken = _invert(table, path)
    for index, name in _invert(added, path).items():
        if name not in table:
            taken.setdefault(index, name)
    size = max(taken, default=-1) + 1
    if size > 2 * len(taken) + 1000:
        raise BundleError(
            f"{path}: {len(taken)} tokens have ids up to {size - 1}",
            hint="ids count the outputs of the model's head from 0",
        )
    return tuple(taken.get(index) for index in range(size))


def _invert(table: Mapping[str, Any], path: Path) -> dict[int, str]:
    taken: dict[int, str] = {}
    for name, index in table.items():
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise BundleError(
                f"{path}: token {name!r} has id {index!r}, expected a whole number",
                hint="`vocab.json` maps every token to its output of the model's head",
            )
        if index in taken:
            raise BundleError(
                f"{path}: {taken[index]!r} and {name!r} both have id {index}",
                hint="every token needs its own output of the model's head",
            )
        taken[index] = name
    return taken


def _role(names: Sequence[str | None], named: object, usual: Sequence[str]) -> int | None:
    """Find the id of the token a role has: as the settings name it, else under a usual name."""
    for name in (named, *usual):
        if isinstance(name, str) and name in names:
            return names.index(name)
    return None
