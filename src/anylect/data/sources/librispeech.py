"""LibriSpeech trees, and corpora laid out alike.

LibriSpeech has `SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`; Zeroth Korean (OpenSLR 40) turns the
folders round: `SCRIPT/SPEAKER/SPEAKER_SCRIPT.trans.txt` below `train_data_01` and `test_data_01`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.manifest import read_lines
from anylect.data.sources.recordings import Found, is_recording, walk
from anylect.records import Utterance

TRANSCRIPTS = ".trans.txt"
_PART = re.compile(r"(train|dev|test)(-.+|_data_\d+)?")


def read_librispeech(folder: Path | str) -> Iterator[Found]:
    """Read the chapters below a folder, which may be the corpus, a part of it or a chapter.

    A folder named like `train-clean-100` or `test_data_01` on the way gives the split, and is
    kept as `part` in `extra` beside `chapter`. The speaker is the folder above the chapter's, or
    the innermost where the transcripts' name says that the two are turned round.

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
    inner, outer = chapter.resolve().name, chapter.resolve().parent.name
    # Zeroth Korean: `003/104/104_003.trans.txt`, the script's folder around the speaker's.
    is_turned = path.name.removesuffix(TRANSCRIPTS) == f"{inner}_{outer}"
    speaker, text_name = (inner, outer) if is_turned else (outer, inner)
    for number, line in read_lines(path):
        name, _, text = line.strip().partition(" ")
        utterance = Utterance(
            audio=chapter / recordings.pop(name, f"{name}.flac"),
            text=text.strip(),
            id=name,
            speaker=speaker,
            split=re.split("[-_]", part)[0] if part else None,
            corpus="zeroth-korean" if is_turned else "librispeech",
            extra={"chapter": text_name} | ({"part": part} if part else {}),
        )
        if utterance.text:
            yield utterance
        else:
            yield Dropped(Reason.NO_TRANSCRIPT, f"{path}:{number}: only {name!r}", utterance)
