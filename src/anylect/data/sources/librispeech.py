"""LibriSpeech trees, and corpora laid out alike: `SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`."""

import re
from collections.abc import Iterator
from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.manifest import read_lines
from anylect.data.sources.recordings import Found, is_recording, walk
from anylect.records import Utterance

TRANSCRIPTS = ".trans.txt"
_PART = re.compile(r"(train|dev|test)(-.+)?")


def read_librispeech(folder: Path | str) -> Iterator[Found]:
    """Read the chapters below a folder, which may be the corpus, a part of it or a chapter.

    A folder named like `train-clean-100` on the way gives the split, and is kept as `part` in
    `extra` beside `chapter`. The speaker is the folder above the chapter's.

    Yields:
        An utterance per line of a chapter's transcripts; a drop for a line without transcript
        and for a recording without a line.

    Raises:
        ManifestError: If a file of transcripts cannot be read.
    """
    folder = Path(folder)
    for here, files in walk(folder):
        transcripts = [name for name in files if name.endswith(TRANSCRIPTS)]
        if transcripts:
            recordings = {Path(name).stem: name for name in files if is_recording(name)}
            for name in transcripts:
                yield from _read_chapter(here / name, recordings, root=folder)
            for name in recordings.values():
                yield Dropped(
                    Reason.NO_TRANSCRIPT,
                    f"{here / name}: not in {', '.join(transcripts)}",
                    Utterance(audio=here / name, text="", id=Path(name).stem),
                )


def _read_chapter(path: Path, recordings: dict[str, str], *, root: Path) -> Iterator[Found]:
    chapter = path.parent
    on_the_way = (root.resolve().name, *chapter.relative_to(root).parts)
    part = next((name for name in on_the_way if _PART.fullmatch(name)), None)
    for number, line in read_lines(path):
        name, _, text = line.strip().partition(" ")
        utterance = Utterance(
            audio=chapter / recordings.pop(name, f"{name}.flac"),
            text=text.strip(),
            id=name,
            speaker=chapter.resolve().parent.name,
            split=part.partition("-")[0] if part else None,
            corpus="librispeech",
            extra={"chapter": chapter.name} | ({"part": part} if part else {}),
        )
        if utterance.text:
            yield utterance
        else:
            yield Dropped(Reason.NO_TRANSCRIPT, f"{path}:{number}: only {name!r}", utterance)
