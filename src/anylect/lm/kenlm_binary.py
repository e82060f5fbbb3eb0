"""KenLM's binary files, read and written without KenLM; log10 stays inside them.

`load_model` opens any language model, whatever its kind. A binary is mapped into memory and
asked as it lies there, so it is ready at once and shared between processes. Files are written
in the probing format, which the `kenlm` package and every tool built on it can load.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylect.errors import ConfigError, LanguageModelError
from anylect.lm import kenlm_probing as probing
from anylect.lm import kenlm_trie as trie
from anylect.lm import layout as at
from anylect.lm.arpa import LN10, read_arpa, write_arpa
from anylect.lm.kenlm_header import (
    KINDS,
    TRIE,
    Header,
    damaged,
    is_kenlm_binary,
    pack_words,
    read_header,
    read_words,
)
from anylect.lm.layout import KernelModel
from anylect.lm.ngram import NGramModel, finish_layout
from anylect.lm.suffixes import complete_suffixes
from anylect.lm.tables import MissingContextError, NGramTables, build_tables
from anylect.progress import Progress, silent

_SMALLEST_LOG10 = -1000.0
_BINARY_SUFFIXES = (".bin", ".binary", ".klm", ".kenlm", ".mmap", ".probing")


def load_model(path: Path) -> NGramModel:
    """Load a language model to ask: an ARPA file, or a KenLM binary of any kind.

    Raises:
        LanguageModelError: If the file is missing, damaged or of another kind.
    """
    _require_file(path)
    if not is_kenlm_binary(path):
        return build_model(read_arpa(path), kind="arpa")
    header, kernel, end = _map(path)
    words = None
    if header.has_words:
        words = read_words(path, kernel.image, end, header.counts[0])
    finish_layout(kernel)
    return NGramModel(kernel, header.counts, KINDS[header.kind], words)


def build_model(tables: NGramTables, *, kind: str = "estimated") -> NGramModel:
    """Build a model to ask from tables."""
    tables, _, kernel = _image(tables)
    finish_layout(kernel)
    return NGramModel(kernel, tuple(tables.counts), kind, tables.words)


def save_binary(path: Path, tables: NGramTables) -> None:
    """Write a model as a KenLM binary in the probing format.

    Needs memory for the whole file, about 24 bytes per n-gram.

    Raises:
        LanguageModelError: For a model that lacks `<s>` or `</s>`: KenLM refuses these.
    """
    tables, _, kernel = _image(tables)
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(kernel.image.data)
        file.write(pack_words(tables.words))
    beside.replace(path)


def save_model(path: Path, tables: NGramTables, *, progress: Progress = silent) -> None:
    """Write a model in the format that its name asks for: `.arpa`, or `.bin` and the like.

    Raises:
        ConfigError: For a name of neither kind.
    """
    check_model_name(path)
    if path.suffix == ".arpa":
        write_arpa(path, tables, progress=progress)
    else:
        save_binary(path, tables)


def check_model_name(path: Path) -> None:
    """Refuse a name that does not tell the format of the model to be written."""
    if path.suffix not in (".arpa", *_BINARY_SUFFIXES):
        raise ConfigError(
            f"{path}: no format is known for `{path.suffix}`",
            hint="end the name in `.arpa` for text, in `.bin` for a KenLM binary",
        )


def load_tables(path: Path) -> NGramTables:
    """Load a language model as tables, to list, change or write it.

    Raises:
        LanguageModelError: For a probing binary, whose n-grams are known by their hashes only.
    """
    _require_file(path)
    if not is_kenlm_binary(path):
        return read_arpa(path)
    header, kernel, end = _map(path)
    if header.kind < TRIE:
        raise LanguageModelError(
            f"{path}: a probing binary keeps hashes of its n-grams, so they cannot be listed",
            hint="use the ARPA file it was built from, or a trie binary",
        )
    if not header.has_words:
        raise damaged(path, "it was built without its words, so they cannot be listed")
    words = read_words(path, kernel.image, end, header.counts[0])
    rows: NDArray[np.int32] = np.arange(header.counts[0], dtype=np.int32)[:, None]
    prob, backoff = trie.list_unigrams(kernel.image, kernel.layout)
    sections = [(rows, prob * np.float64(LN10), backoff * np.float64(LN10))]
    entries = np.arange(len(rows))
    for order in range(2, header.order + 1):
        rows, prob, backoff, entries = trie.list_order(
            kernel.image, kernel.layout, order, (rows, entries)
        )
        if not (np.isfinite(prob).all() and np.isfinite(backoff).all()):
            raise damaged(path, f"probabilities of its {order}-grams are no numbers")
        sections.append((rows, prob * np.float64(LN10), backoff * np.float64(LN10)))
    try:
        return build_tables(words, sections)
    except MissingContextError as error:
        raise damaged(path, "an n-gram extends one that is not there") from error


def _image(tables: NGramTables) -> tuple[NGramTables, Header, KernelModel]:
    try:
        header, kernel = probing.build_image(tables)
    except probing.MissingSuffixError:
        tables = complete_suffixes(tables)
        header, kernel = probing.build_image(tables)
    return tables, header, kernel


def _require_file(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise LanguageModelError(
            f"{path}: cannot be read ({error.strerror})",
            hint="give an ARPA file or a KenLM binary",
        ) from error


def _map(path: Path) -> tuple[Header, KernelModel, int]:
    """Map a binary into memory; return where its words begin as well."""
    # Copy on write, so that the array has the same type as one we have built ourselves.
    image = np.asarray(np.memmap(path, np.uint8, "c"))
    header = read_header(path, image)
    if header.kind < TRIE:
        layout, end = probing.plan(path, header)
    else:
        layout, end = trie.plan(path, header, image)
    if end > len(image):
        raise damaged(path, f"it has {len(image):,} bytes and should have {end:,}")
    kernel = KernelModel(image, layout)
    prob, backoff = trie.list_unigrams(image, layout)
    if not (np.isfinite(backoff).all() and (prob > _SMALLEST_LOG10).all()):
        raise damaged(path, "the probabilities of its words are no numbers")
    if header.kind < TRIE and layout[at.LOOKUP_SIZE] <= header.counts[0] - 1:
        raise damaged(path, "its table of words is too small")
    return header, kernel, end
