"""The file behind the leaderboard."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.challenge.conftest import measured, spoken

from anylect.challenge.board import Board
from anylect.challenge.combined import Combined, combine
from anylect.errors import SubmissionError
from anylect.evaluation.evidence_files import UTTERANCES, read_evaluation

WRONG = [1, 3, 0, 2, 5, 1, 2, 2]


def scored(folder: Path, wrong: list[int] = WRONG, **facts: Any) -> Combined:
    measured(folder, "common_voice", spoken(wrong), **facts)
    return combine(
        {"common_voice": read_evaluation(folder / f"common_voice{UTTERANCES}")}, alone=True
    )


def test_what_was_entered_is_read_back(tmp_path: Path) -> None:
    combined = scored(tmp_path / "a")
    with Board(tmp_path / "board.sqlite") as board:
        board.add(combined, date="2022-02-07", claim={"written": "27", "verdict": "holds"})
    with Board(tmp_path / "board.sqlite", must_exist=True) as board:
        (entry,) = board.entries("sv")
        layout = board.test_sets("sv")["common_voice"]
        assert board.languages() == ["sv"]
    assert (entry.name, entry.date, entry.score) == ("keen", "2022-02-07", combined.rate)
    assert entry.interval == combined.interval
    assert entry.claim == {"written": "27", "verdict": "holds"}
    assert entry.scores["common_voice"].is_isolated
    assert int(entry.scores["common_voice"].errors.sum()) == sum(WRONG)
    assert layout.lengths.tolist() == [10] * len(WRONG)
    assert len(np.unique(layout.blocks)) == 6


def test_neither_texts_nor_speakers_stand_in_the_file(tmp_path: Path) -> None:
    with Board(tmp_path / "board.sqlite") as board:
        board.add(scored(tmp_path / "a"), date="2022-02-07")
    content = (tmp_path / "board.sqlite").read_bytes()
    for mark in (b"w1 w2", b"w9", b"u0", b"s1 "):
        assert mark not in content


def test_entries_are_only_added(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    with Board(path) as board:
        board.add(scored(tmp_path / "a"), date="2022-02-07")
    database = sqlite3.connect(path)
    for table in ("entries", "scores", "sets"):
        for deed in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = rowid"):
            with pytest.raises(sqlite3.Error, match="entries are only added"):
                database.execute(deed)
    database.close()


def test_the_newest_of_a_name_counts_and_the_older_stays(tmp_path: Path) -> None:
    with Board(tmp_path / "board.sqlite") as board:
        for name, mark, wrong in (("a", "1", WRONG), ("b", "2", [2] * 8), ("a", "3", [0] * 8)):
            combined = scored(
                tmp_path / mark, wrong, submission={"name": name, "fingerprint": mark}
            )
            board.add(combined, date="2022-02-07")
        assert [each.fingerprint for each in board.entries("sv")] == ["3", "2"]
        assert len(board.entries("sv", history=True)) == 3


def test_the_same_submission_is_refused_and_nothing_half_remains(tmp_path: Path) -> None:
    with Board(tmp_path / "board.sqlite") as board:
        combined = scored(tmp_path / "a")
        board.add(combined, date="2022-02-07")
        with pytest.raises(SubmissionError, match="stands on the board since 2022-02-07"):
            board.add(combined, date="2022-02-08")
        assert len(board.entries("sv", history=True)) == 1


def test_scores_on_other_utterances_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.sqlite"
    with Board(path) as board:
        board.add(scored(tmp_path / "a"), date="2022-02-07")
        other = scored(tmp_path / "b", WRONG[:-1], name="b")
        with pytest.raises(SubmissionError, match=r"another common_voice set \(`utterances`"):
            board.add(other, date="2022-02-07")
        assert [each.name for each in board.entries("sv")] == ["keen"]
        three = scored(tmp_path / "c", name="c", manifest_sha256="other")
        with pytest.raises(SubmissionError, match=r"`checksum` differs"):
            board.add(three, date="2022-02-07")


def test_what_is_no_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="no such board"):
        Board(tmp_path / "none.sqlite", must_exist=True)
    (tmp_path / "text.sqlite").write_text("hello, this is no database at all" * 9)
    with pytest.raises(SubmissionError, match="not a database"):
        Board(tmp_path / "text.sqlite")
    database = sqlite3.connect(tmp_path / "other.sqlite")
    database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(SubmissionError, match="no board of this version"):
        Board(tmp_path / "other.sqlite")
