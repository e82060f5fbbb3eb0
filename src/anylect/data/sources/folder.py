"""Folders of recordings, each with its transcript beside it under the same name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.recordings import Found, is_recording, walk
from anylect.data.splits import SPLITS, find_split
from anylect.records import Utterance

TRANSCRIPT_SUFFIXES = (".txt", ".normalized.txt", ".lab")
"""Tried in this order, in any case."""


def read_folder(folder: Path | str, *, speaker_from_folder: bool = False) -> Iterator[Found]:
    """Read a folder, at any depth, of `a.wav` with `a.txt`.

    The transcript is the whole text file, without space around it; `a.normalized.txt` or
    `a.lab` serve where there is no `a.txt`. The first folder below is the split if it is
    called like one (`train`, `valid`, …).

    Args:
        folder: Where to look; hidden files are left out.
        speaker_from_folder: Take the name of the folder a recording lies in as its speaker.

    Yields:
        An utterance per recording with a transcript; a drop for a recording without one, for
        a transcript that is not UTF-8, and for a text without a recording.
    """
    folder = Path(folder)
    for here, files in walk(folder):
        by_name = {name.lower(): name for name in files}
        stems = {_stem(name) for name in files if is_recording(name)}
        for name in files:
            if is_recording(name):
                beside = _find_transcript(name, by_name)
                speaker = here.name if speaker_from_folder and here != folder else None
                yield _read(here / name, beside, root=folder, speaker=speaker)
        for name in files:
            if name.lower().endswith(TRANSCRIPT_SUFFIXES) and not _possible_stems(name) & stems:
                yield Dropped(Reason.MISSING, f"{here / name}: no recording of that name beside it")


def _stem(name: str) -> str:
    return name.rpartition(".")[0].lower()


def _find_transcript(name: str, by_name: dict[str, str]) -> str | None:
    candidates = (_stem(name) + suffix for suffix in TRANSCRIPT_SUFFIXES)
    return next((by_name[name] for name in candidates if name in by_name), None)


def _possible_stems(name: str) -> set[str]:
    lowered = name.lower()
    return {lowered.removesuffix(suffix) for suffix in TRANSCRIPT_SUFFIXES} - {lowered}


def _read(audio: Path, beside: str | None, *, root: Path, speaker: str | None) -> Found:
    within = audio.relative_to(root)
    split = find_split(within.parts[0]) if len(within.parts) > 1 else None
    utterance = Utterance(
        audio=audio,
        text="",
        id=within.with_suffix("").as_posix(),
        speaker=speaker,
        split=split if split in SPLITS else None,
    )
    if beside is None:
        return Dropped(Reason.NO_TRANSCRIPT, f"{audio}: no {audio.stem}.txt beside it", utterance)
    path = audio.with_name(beside)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return Dropped(Reason.NO_TRANSCRIPT, f"{path}: {error.strerror}", utterance)
    except UnicodeDecodeError as error:
        detail = f"{path}: not UTF-8 at byte {error.start + 1}"
        return Dropped(Reason.NO_TRANSCRIPT, detail, utterance)
    return replace(utterance, text=text.strip())
