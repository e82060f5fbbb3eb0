"""Corpora that can be fetched: which archives they have, and how one knows that all is there."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anylect.data.download import Archive, download, unpack
from anylect.errors import ConfigError, ManifestError
from anylect.progress import Progress, silent

OPENSLR_12 = "https://www.openslr.org/resources/12"
"""Where LibriSpeech lies (Panayotov et al. 2015); mirrors have the same files."""


@dataclass(frozen=True)
class Part:
    """A part of LibriSpeech: the MD5 sum of its archive, and how many recordings are in it."""

    md5: str
    recordings: int


LIBRISPEECH = {
    "train-clean-100": Part("2a93770f6d5c6c964bc36631d331a522", 28_539),
    "train-clean-360": Part("c0e676e450a7ff2f54aeade5171606fa", 104_014),
    "train-other-500": Part("d1a0fd59409feb2c614ce4d30c387708", 148_688),
    "dev-clean": Part("42e2234ba48799c1f50f24a7926300a1", 2_703),
    "dev-other": Part("c8d0bcc9cca99d4f8b62fcc847357931", 2_864),
    "test-clean": Part("32fa31d27d2e1cad72775fee3f4849a9", 2_620),
    "test-other": Part("fb5a50374b501bb3bac4815ee91d3135", 2_939),
}
"""By the name of the part. The sums are those of `md5sum.txt` beside the archives."""


def fetch_librispeech(
    folder: Path,
    parts: Sequence[str],
    *,
    mirror: str = OPENSLR_12,
    progress: Progress = silent,
) -> Path:
    """Fetch, verify and unpack parts of LibriSpeech, those apart that are there already.

    Args:
        folder: Gets the archives, which may be removed later, and the corpus in `LibriSpeech`.
        parts: Names such as `train-clean-100`.
        mirror: Folder on the web that has the archives.
        progress: Told megabytes of each download.

    Returns:
        The folder of the corpus.

    Raises:
        ConfigError: For a part that LibriSpeech does not have.
        HubError: When something cannot be fetched, or is not what was published.
        ManifestError: When a part that is there is not complete.
    """
    for name in parts:
        if name not in LIBRISPEECH:
            raise ConfigError(
                f"LibriSpeech has no part `{name}`", hint=f"it has {', '.join(LIBRISPEECH)}"
            )
    corpus = folder / "LibriSpeech"
    for name in parts:
        if not (corpus / name).is_dir():
            archive = Archive(url=f"{mirror}/{name}.tar.gz", md5=LIBRISPEECH[name].md5)
            _unpack_into(corpus, download(archive, folder, progress=progress), name)
        _refuse_incomplete(corpus / name)
    return corpus


def _unpack_into(corpus: Path, archive: Path, name: str) -> None:
    """Unpack a part and move it to its place."""
    unpacked = archive.with_name(f"{name}.unpacked")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpack(archive, unpacked)
    corpus.mkdir(exist_ok=True)
    for path in sorted((unpacked / corpus.name).iterdir()):
        if path.is_file():  # of the corpus as a whole; every archive has them
            path.replace(corpus / path.name)
    (unpacked / corpus.name / name).replace(corpus / name)
    shutil.rmtree(unpacked)


def _refuse_incomplete(part: Path) -> None:
    """See that a part, whoever unpacked it, has the recordings that were published."""
    found, published = sum(1 for _ in part.rglob("*.flac")), LIBRISPEECH[part.name].recordings
    if found != published:
        raise ManifestError(
            f"{part}: {found:,} recordings are in it, and {published:,} were published",
            hint="remove that folder to unpack it again",
        )
