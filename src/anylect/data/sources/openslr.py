"""The crowd-sourced corpora of OpenSLR: a folder of recordings and one index without a header.

Two layouts are in use. `line_index.tsv` (SLR 42, 63 to 80 and others) has the recording's name
and the transcript, now and then with a column between them that says nothing; the recordings lie
beside it or in `wavs/`. `utt_spk_text.tsv` (SLR 35, 36, 52 to 54) has the speaker between the
two, and the recordings lie in `data/` by the first two letters of their names. A download may
hold several such folders, one for women and one for men.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.manifest import read_lines
from anylect.data.sources.recordings import Found, Locator, walk
from anylect.records import Utterance

INDEX = re.compile(r"line_index\w*\.tsv|utt_spk_text\.tsv")
"""Names of the files that say which recording says what."""

_SPEAKER = re.compile(r"([a-z]{2,5}_\d+)_\d+")
"""`khm_0308_0011865648`: a language (and sex), a speaker, a line."""


def read_openslr(folder: Path | str) -> Iterator[Found]:
    """Read every index below a folder.

    The speaker is the index's, or what the recording's name says before its last number.

    Yields:
        An utterance per line; a drop for a line that is not two or three columns, and for one
        without a transcript.
    """
    for here, files in walk(Path(folder)):
        for name in files:
            if INDEX.fullmatch(name):
                yield from _read_index(here / name)


def _read_index(path: Path) -> Iterator[Found]:
    locator = Locator(path.parent)
    has_speakers = path.name.startswith("utt_spk_text")
    for number, line in read_lines(path):
        cells = [cell.strip() for cell in line.split("\t")]
        if not 2 <= len(cells) <= 3 or not cells[0] or "\0" in cells[0]:
            detail = f"{path}:{number}: {len(cells)} cells where 2 or 3 were expected"
            yield Dropped(Reason.MALFORMED, detail)
            continue
        name, text = cells[0], cells[-1]
        named = _SPEAKER.fullmatch(name)
        given = cells[1] if has_speakers and len(cells) == 3 else None
        utterance = Utterance(
            audio=_find(name, locator, path.parent),
            text=text,
            id=name,
            speaker=given or (named[1] if named else None),
            corpus="openslr",
        )
        if text:
            yield utterance
        else:
            yield Dropped(Reason.NO_TRANSCRIPT, f"{path}:{number}: only {name!r}", utterance)


def _find(name: str, locator: Locator, folder: Path) -> Path:
    beside = folder / "data" / name[:2] / f"{name}.flac"
    return beside if beside.is_file() else locator.find(name)
