"""What was measured before, and whether it may stand: everything a score depends on, as a key.

Kept in the report beside each condition's scored utterances. A key is compared part by part, so
that it can be read by a person who asks why something was measured anew.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from anylect.audio.conditions import CLEAN, Condition, GridOptions
from anylect.audio.degrade import VERSION
from anylect.audio.sounds import open_sounds
from anylect.evaluation.scoreboard import Scoreboard, parse_scored, score
from anylect.hub.bundle import Bundle
from anylect.records import Utterance

Key = dict[str, Any]

_NO_PART = ("evidence", "README.md")
"""Of a bundle: what does not change what is heard."""


def make_key(folder: Path, bundle: Bundle, grid: GridOptions) -> Callable[..., Key]:
    """Prepare what gives each condition its key; weights and folders are hashed once.

    Returns:
        A function of a condition and the keyword `seed`.
    """
    shared = {
        "bundle": hash_bundle(folder),
        "normalizer": bundle.normalizer.hash,
        "decoding": bundle.decoder.signature,
    }
    sounds = {
        "recorded": grid.noise_folder and hash_sounds(grid.noise_folder),
        "measured": grid.rooms_folder and hash_sounds(grid.rooms_folder),
    }

    def key(condition: Condition, *, seed: int) -> Key:
        facts: Key = {**shared, "condition": condition.to_json()}
        if condition != CLEAN:
            facts |= {"seed": seed, "version": VERSION}
        if condition.variant in sounds:
            facts["sounds"] = sounds[condition.variant]
        return facts

    return key


def hash_bundle(folder: Path) -> str:
    """Hash names and contents of a bundle's files, without evidence and card."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in _NO_PART or name.parts[0].startswith(".") or not path.is_file():
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name.as_posix()}\0{digest}\0".encode(errors="backslashreplace"))
    return whole.hexdigest()


def hash_sounds(folder: Path) -> str:
    """Hash names, sizes and durations of a folder's recordings; contents may be many gigabytes."""
    sounds = open_sounds(folder)
    facts = [
        [path.relative_to(folder).as_posix(), path.stat().st_size, round(duration, 6)]
        for path, duration in zip(sounds.recordings, sounds.durations, strict=True)
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def load_measured(
    folder: Path, name: str, *, key: Key, utterances: Iterable[Utterance]
) -> tuple[Scoreboard, float | None] | None:
    """Read the scores of a condition back; None where there are none, or others.

    Evidence does not say all that a score knows of its utterance, so that is taken from the
    manifest again: what is resampled must be the same, and in the same order, as when it was heard.

    Returns:
        What was scored, and the seconds it took.
    """
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if facts["key"] != json.loads(json.dumps(key)):
            return None
        with (folder / f"{name}.utterances.jsonl").open(encoding="utf-8") as lines:
            board = _read_board(lines, utterances)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing, half-written or edited: it is measured anew
    return board, facts.get("processing_seconds")


def _read_board(lines: Iterable[str], utterances: Iterable[Utterance]) -> Scoreboard:
    """Pool the lines of an evidence, one for each utterance; else raise a ValueError."""
    board = Scoreboard()
    for line, utterance in zip(lines, utterances, strict=True):
        record = json.loads(line)
        if record["id"] != utterance.id:
            raise ValueError(utterance.id)
        if "unreadable" in record:
            board.skip("unreadable")
            continue
        known = score("", "", utterance=utterance)
        kept = parse_scored(record)
        board.append(replace(kept, speaker=known.speaker, recording=known.recording))
    return board
