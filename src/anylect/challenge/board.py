"""The leaderboard's memory: one SQLite file, to which entries are only ever added.

What stands in it is enough to rank anew at any time: errors of every utterance, its length, and
with whom it is resampled. References, hypotheses and names of speakers are not in it; utterances
are known by a digest. The schema is documented in `docs/files.md`.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylect.challenge.combined import KINDS, Combined, Part
from anylect.challenge.ranks import Contender, SetLayout
from anylect.errors import SubmissionError
from anylect.evaluation.bootstrap import Interval
from anylect.evaluation.comparison import block_labels
from anylect.evaluation.error_rate import ErrorCounts
from anylect.evaluation.scoreboard import ScoredUtterance

APPLICATION = 0x616E796C
"""`anyl`: the application id of our files."""
VERSION = 1

_SCHEMA = """
CREATE TABLE sets (
  id INTEGER PRIMARY KEY, language TEXT NOT NULL, kind TEXT NOT NULL, checksum TEXT NOT NULL,
  normalizer TEXT NOT NULL, measure TEXT NOT NULL, utterances BLOB NOT NULL, blocks BLOB NOT NULL,
  lengths BLOB NOT NULL, UNIQUE (language, kind)
);
CREATE TABLE entries (
  id INTEGER PRIMARY KEY, date TEXT NOT NULL, language TEXT NOT NULL, name TEXT NOT NULL,
  fingerprint TEXT NOT NULL, measure TEXT NOT NULL, score REAL NOT NULL, low REAL, high REAL,
  signature TEXT NOT NULL, claim TEXT, UNIQUE (language, name, fingerprint)
);
CREATE TABLE scores (
  entry INTEGER NOT NULL REFERENCES entries, test_set INTEGER NOT NULL REFERENCES sets,
  rate REAL NOT NULL, low REAL, high REAL, errors BLOB NOT NULL, signature TEXT NOT NULL,
  isolated INTEGER NOT NULL, PRIMARY KEY (entry, test_set)
);
"""
_TABLES = ("sets", "entries", "scores")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One set's part of an entry."""

    rate: float
    interval: Interval | None
    signature: str
    is_isolated: bool
    errors: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the board; rates are fractions."""

    id: int
    date: str
    language: str
    name: str
    fingerprint: str
    measure: str
    score: float
    interval: Interval | None
    signature: str
    claim: Mapping[str, Any] | None
    scores: Mapping[str, Score]

    @property
    def contender(self) -> Contender:
        """What ranks need of it."""
        return Contender(self.score, {kind: each.errors for kind, each in self.scores.items()})


class Board:
    """An open board; use it as a context.

    Args:
        path: The file, made if it is not there unless `must_exist`.
        must_exist: Refuse a path where nothing is.

    Raises:
        SubmissionError: When it is no board, or cannot be written.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        if must_exist and not path.is_file():
            raise SubmissionError(
                f"{path}: no such board", hint="`anylect challenge board add` begins one"
            )
        with self._explained():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA foreign_keys = ON")
            self._open()

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *raised: object) -> None:
        self._database.close()

    def add(self, combined: Combined, *, date: str, claim: Mapping[str, Any] | None = None) -> int:
        """Add a submission's score, and return its number.

        Args:
            combined: With the evidence of every set.
            date: As ISO 8601 writes it.
            claim: What its card claims of Common Voice, as `Weighed.to_json` says.

        Raises:
            SubmissionError: When it was measured on other sets than the entries before, or stands
                on the board already.
        """
        language = combined.language or "und"
        with self._explained(), self._whole():
            known = self._sets(language)
            if known and set(known) != {part.kind for part in combined.parts}:
                raise self._other(language, "other sets", f"there: {', '.join(known)}")
            identity = self._insert_entry(combined, language, date=date, claim=claim)
            for part in combined.parts:
                self._insert_score(identity, part, language, is_new=not known)
        return identity

    def languages(self) -> list[str]:
        """List the languages that have entries."""
        with self._explained():
            rows = self._database.execute("SELECT DISTINCT language FROM entries ORDER BY language")
            return [row[0] for row in rows]

    def entries(self, language: str, *, history: bool = False) -> list[Entry]:
        """Return a language's entries by score, of each name the newest unless `history`."""
        with self._explained():
            rows = self._database.execute(
                "SELECT id, date, language, name, fingerprint, measure, score, low, high, "
                "signature, claim FROM entries WHERE language = ? ORDER BY id",
                (language,),
            ).fetchall()
            entries = [self._entry(row) for row in rows]
        newest = {each.name: each for each in entries}
        return sorted(entries if history else newest.values(), key=lambda each: each.score)

    def test_sets(self, language: str) -> dict[str, SetLayout]:
        """Return what the sets of a language are made of, by kind."""
        with self._explained():
            return {kind: each for kind, (_, each) in self._sets(language).items()}

    def _sets(self, language: str) -> dict[str, tuple[int, SetLayout]]:
        rows = self._database.execute(
            "SELECT kind, id, blocks, lengths FROM sets WHERE language = ?", (language,)
        )
        found = {
            kind: (identity, SetLayout(_numbers(blocks), _numbers(lengths)))
            for kind, identity, blocks, lengths in rows
        }
        return {kind: found[kind] for kind in KINDS if kind in found}

    def _open(self) -> None:
        """Make the tables of a new file; refuse one that is something else."""
        marks = [
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        ]
        if marks == [APPLICATION, VERSION]:
            return
        count = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if marks != [0, 0] or count:
            raise SubmissionError(
                f"{self.path}: no board of this version ({VERSION})",
                hint="give another file, or read it with the anylect that wrote it",
            )
        with self._whole():
            for statement in (*_SCHEMA.split(";")[:-1], *_append_only()):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA application_id = {APPLICATION}")
            self._database.execute(f"PRAGMA user_version = {VERSION}")

    def _insert_entry(
        self, combined: Combined, language: str, *, date: str, claim: Mapping[str, Any] | None
    ) -> int:
        submission = combined.parts[0].evaluation.facts.get("submission") or {}
        name, mark = str(submission.get("name", "unnamed")), str(submission.get("fingerprint", ""))
        there = self._database.execute(
            "SELECT date FROM entries WHERE language = ? AND name = ? AND fingerprint = ?",
            (language, name, mark),
        ).fetchone()
        if there:
            raise SubmissionError(
                f"{name} ({mark}) stands on the board since {there[0]}",
                hint="entries are never changed; a changed submission has another fingerprint",
            )
        low, high = combined.interval or (None, None)
        values = (date, language, name, mark, combined.measure, combined.rate, low, high)
        added = self._database.execute(
            "INSERT INTO entries (date, language, name, fingerprint, measure, score, low, high, "
            "signature, claim) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, combined.line, None if claim is None else json.dumps(claim)),
        )
        return int(added.lastrowid or 0)

    def _insert_score(self, entry: int, part: Part, language: str, *, is_new: bool) -> None:
        scored = sorted(part.evaluation.scored, key=lambda each: _digest(each.id))
        identity = self._find_set(part, scored, language, is_new=is_new)
        errors = [_counts(each, part).errors for each in scored]
        low, high = part.measure.interval or (None, None)
        run = part.evaluation.facts.get("run") or {}
        values = (entry, identity, part.measure.rate, low, high, _blob(errors))
        self._database.execute(
            "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, part.report.line, int(bool(run.get("isolated")))),
        )

    def _find_set(
        self, part: Part, scored: Sequence[ScoredUtterance], language: str, *, is_new: bool
    ) -> int:
        """Return the number of a test set; enter it with the first submission measured on it."""
        labels, _ = block_labels(scored)
        names = sorted(set(labels))
        row = {
            "checksum": str(part.evaluation.facts.get("manifest_sha256", "")),
            "normalizer": part.evaluation.signature.normalizer_hash,
            "measure": part.measure.name,
            "utterances": b"".join(_digest(each.id) for each in scored),
            "blocks": _blob([names.index(label) for label in labels]),
            "lengths": _blob([_counts(each, part).length for each in scored]),
        }
        if is_new:
            added = self._database.execute(
                "INSERT INTO sets (language, kind, checksum, normalizer, measure, utterances, "
                "blocks, lengths) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (language, part.kind, *row.values()),
            )
            return int(added.lastrowid or 0)
        there = self._database.execute(
            f"SELECT id, {', '.join(row)} FROM sets WHERE language = ? AND kind = ?",
            (language, part.kind),
        ).fetchone()
        for name, old in zip(row, there[1:], strict=True):
            if row[name] != old:
                raise self._other(language, f"another {part.kind} set", f"`{name}` differs")
        return int(there[0])

    def _entry(self, row: Sequence[Any]) -> Entry:
        identity, date, language, name, fingerprint, measure, score, low, high, *rest = row
        parts = self._database.execute(
            "SELECT kind, rate, scores.low, scores.high, errors, signature, isolated FROM scores "
            "JOIN sets ON sets.id = test_set WHERE entry = ?",
            (identity,),
        )
        scores = {
            kind: Score(
                rate=rate,
                interval=None if below is None else Interval(below, above),
                signature=signature,
                is_isolated=bool(isolated),
                errors=_numbers(errors),
            )
            for kind, rate, below, above, errors, signature, isolated in parts
        }
        return Entry(
            id=identity,
            date=date,
            language=language,
            name=name,
            fingerprint=fingerprint,
            measure=measure,
            score=score,
            interval=None if low is None else Interval(low, high),
            signature=rest[0],
            claim=None if rest[1] is None else json.loads(rest[1]),
            scores={kind: scores[kind] for kind in KINDS if kind in scores},
        )

    def _other(self, language: str, what: str, detail: str) -> SubmissionError:
        return SubmissionError(
            f"the board's entries of `{language}` were measured on {what} ({detail})",
            hint="only scores on the same utterances stand side by side; begin another board",
        )

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Write all of it or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SubmissionError(
                f"{self.path}: {error}", hint="check that it is a board, and may be written to"
            ) from error


def _append_only() -> Iterator[str]:
    for table in _TABLES:
        for deed in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'entries are only added'); END"
            )


def _counts(scored: ScoredUtterance, part: Part) -> ErrorCounts:
    return scored.characters if part.report.spaceless else scored.words


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _blob(numbers: Sequence[int]) -> bytes:
    return np.asarray(numbers, dtype="<i4").tobytes()


def _numbers(blob: bytes) -> NDArray[np.int32]:
    return np.frombuffer(blob, dtype="<i4").astype(np.int32)
