"""A test set without its references, and what a submission answered.

Recordings get numbers for names, in an order of no meaning, and are written anew, since titles,
dates and other marks inside a file may say what is said. Where a program wants a text, it gets the
same word for all. What it leaves is a stranger's: read as a plain file of the scratch folder, of a
size that makes sense, and as text only.
"""

import csv
import itertools
import random
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anylect.audio.load import load_waveform, probe
from anylect.audio.save import save_wav
from anylect.challenge.submission import PREDICTIONS
from anylect.errors import AudioError, SubmissionError
from anylect.records import Utterance

SPLIT = "test"
_LONGEST = 20_000
"""Bytes an answer may have, on average; speech of an hour has more words, but that is no set."""


@dataclass(frozen=True)
class HiddenSet:
    """What was laid out: `utterances` in the order of their numbers."""

    folder: Path
    utterances: tuple[Utterance, ...]
    unreadable: tuple[tuple[str, str], ...]
    """Ids and reasons of recordings that nobody can be asked about."""


def lay_out(
    utterances: Iterable[Utterance],
    folder: Path,
    *,
    language: str,
    placeholder: str,
    order: str,
) -> HiddenSet:
    """Write a data set that `datasets` and `anylect eval` read, without any reference.

    Args:
        utterances: Of the test set.
        folder: For the data set.
        language: Names its config.
        placeholder: Stands for every reference; a word, for programs divide by their number.
        order: Whatever the order shall depend on; it is the same for the same text.

    Raises:
        AudioError: When there is no room.
    """
    place = folder / SPLIT
    place.mkdir(parents=True)
    shuffled = list(utterances)
    random.Random(order).shuffle(shuffled)
    kept: list[Utterance] = []
    unreadable: list[tuple[str, str]] = []
    with (place / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file_name", "sentence"])
        for utterance in shuffled:
            try:
                rate = probe(utterance.audio).sample_rate  # its own: resampled twice, words change
                waveform = load_waveform(utterance, sample_rate=rate)
            except AudioError as error:
                unreadable.append((utterance.id, error.message))
                continue
            name = f"{len(kept):06}.wav"
            save_wav(place / name, waveform)
            rows.writerow([name, placeholder])
            kept.append(utterance)
    (folder / "README.md").write_text(_card(language), encoding="utf-8")
    return HiddenSet(folder, tuple(kept), tuple(unreadable))


def find_predictions(folder: Path) -> Path:
    """Find the log of predictions a program left.

    Raises:
        SubmissionError: When there is none, several, or something else under such a name.
    """
    found = sorted(folder.glob(PREDICTIONS))
    if len(found) != 1:
        names = ", ".join(f"`{path.name}`" for path in found) or "none"
        raise SubmissionError(
            f"{len(found)} logs of predictions ({names}), expected one",
            hint="with `--log_outputs`, `eval.py` writes `log_…_predictions.txt` where it starts",
        )
    if not stat.S_ISREG(found[0].lstat().st_mode) or folder.is_symlink():
        raise SubmissionError(
            f"`{found[0].name}` is no plain file", hint="a link or a pipe is not read"
        )
    return found[0]


def read_predictions(path: Path, *, count: int) -> dict[int, str]:
    r"""Read a log of predictions, which holds an index and a text by turns.

    A text that has line breaks is one text all the same, as long as no line of it could be the
    next index.

    Args:
        path: A plain file, see `find_predictions`.
        count: How many recordings there are, numbered from 0.

    Raises:
        SubmissionError: When it is too large, or it is not clear what was answered.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "log_x_predictions.txt"
        >>> _ = path.write_text("0\nhej\n1\n\n2\ntvå\nrader\n")
        >>> read_predictions(path, count=3)
        {0: 'hej', 1: '', 2: 'två rader'}
    """
    size = path.stat().st_size
    if size > _LONGEST * (count + 1):
        raise SubmissionError(
            f"`{path.name}` has {size:,} bytes for {count:,} recordings",
            hint=f"at most {_LONGEST:,} bytes a recording are read",
        )
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    answers = _by_turns(lines) or _by_index(lines)
    beyond = [index for index in answers if index >= count]
    if beyond:
        raise SubmissionError(
            f"`{path.name}` answers recording {beyond[0]:,}, but there are {count:,}, from 0",
            hint="the index is that of the row in the data set",
        )
    return answers


def find_placeholder(tokens: Iterable[str]) -> str:
    """Choose a word that a submission's own normalizer keeps: its first letters.

    Example:
        >>> find_placeholder(["<pad>", "|", "'", "о", "т", "ѣ", "[UNK]"])
        'отѣ'
    """
    letters = [token for token in tokens if len(token) == 1 and token.isalpha()]
    return "".join(letters[:3]) or "a"


def _by_turns(lines: list[str]) -> dict[int, str]:
    """Take lines as index, text, index, text; empty where they are not."""
    if len(lines) % 2:
        return {}
    indices = [_index(line) for line in lines[::2]]
    known = [index for index in indices if index is not None]
    if len(known) < len(indices) or any(a >= b for a, b in itertools.pairwise(known)):
        return {}
    return dict(zip(known, lines[1::2], strict=True))


def _by_index(lines: list[str]) -> dict[int, str]:
    """Take every line that is the next index for one; refuse where two could be."""
    answers: dict[int, list[str]] = {}
    here = -1
    for line in lines:
        index = _index(line)
        if index == here + 1:
            here = index
            answers[here] = []
        elif here >= 0:
            answers[here].append(line)
        else:
            raise _unclear(f"it begins with {line[:40]!r}, not with 0")
    starts = [index for line in lines if (index := _index(line)) is not None]
    repeated = next((each for each in answers if starts.count(each) > 1), None)
    if repeated is not None:
        raise _unclear(f"{repeated} could be an index twice")
    return {index: " ".join(texts) for index, texts in answers.items()}


def _index(line: str) -> int | None:
    text = line.strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _unclear(what: str) -> SubmissionError:
    return SubmissionError(
        f"the log of predictions is unclear: {what}",
        hint="write an index and a text by turns, each on one line, in the order of the data set",
    )


def _card(language: str) -> str:
    return (
        "---\nconfigs:\n"
        f'- config_name: "{language}"\n'
        f'  data_files:\n  - split: {SPLIT}\n    path: "{SPLIT}/**"\n---\n'
    )
