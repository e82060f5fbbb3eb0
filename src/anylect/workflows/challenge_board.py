"""The leaderboard: entries into its file, and the file as a site."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.challenge.board import Board, Entry
from anylect.challenge.combined import KINDS, Combined
from anylect.challenge.ranks import METHOD, Standing, rank
from anylect.errors import SubmissionError
from anylect.evaluation.leaderboard_page import Line, index_page, language_page
from anylect.hub.evidence import today
from anylect.workflows.challenge_score import ChallengeScoreConfig, score_submission
from anylect.workflows.folders import make_folder, write_text


@dataclass(frozen=True, kw_only=True)
class BoardAddConfig:
    """What to enter where."""

    board: Path
    """The SQLite file, made if it is not there."""
    folder: Path
    """What `anylect challenge run` left of one submission."""
    alone: bool = False
    """The language has no set besides Common Voice."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""


@dataclass(frozen=True, kw_only=True)
class BoardSiteConfig:
    """Which board to lay out, and where."""

    board: Path
    """The SQLite file."""
    output: Path
    """Folder for the site; files of the same name are replaced."""
    title: str = "Robust Speech Challenge"
    """Above every page."""
    seed: int = 0
    """Of the tests for ties."""


@dataclass(frozen=True)
class Added:
    """A new entry."""

    number: int
    combined: Combined


def add_entry(config: BoardAddConfig) -> Added:
    """Score a submission and enter it.

    Raises:
        SubmissionError: When sets are missing, or it cannot stand beside the entries before.
    """
    combined = score_submission(
        ChallengeScoreConfig(
            folder=config.folder,
            alone=config.alone,
            replicates=config.replicates,
            seed=config.seed,
        )
    )
    facts = combined.parts[0].evaluation.facts
    if not isinstance(facts.get("submission"), dict):
        raise SubmissionError(
            f"{config.folder}: was not measured by `anylect challenge run`",
            hint="the board takes what organisers measured; nothing else says whose score it is",
        )
    claims = facts.get("claims") or []
    with Board(config.board) as board:
        number = board.add(combined, date=today(), claim=claims[0] if claims else None)
    return Added(number, combined)


def build_site(config: BoardSiteConfig) -> list[Path]:
    """Write an index of languages and a page for each; return what was written.

    Raises:
        SubmissionError: When there is no such board, or nothing on it.
        ConfigError: When the folder cannot be written to.
    """
    pages: dict[str, str] = {}
    overview = []
    with Board(config.board, must_exist=True) as board:
        for language in board.languages():
            entries = board.entries(language)
            standings = rank(
                board.test_sets(language), [each.contender for each in entries], seed=config.seed
            )
            lines = sorted(
                (
                    _line(entry, standing, entries)
                    for entry, standing in zip(entries, standings, strict=True)
                ),
                key=lambda line: (line.rank, line.rate),
            )
            superseded = len(board.entries(language, history=True)) - len(entries)
            pages[f"{language}.html"] = language_page(
                lines, title=config.title, language=language, method=METHOD, superseded=superseded
            )
            overview.append((language, lines))
    if not overview:
        raise SubmissionError(
            f"{config.board}: no entries", hint="`anylect challenge board add` makes one"
        )
    pages["index.html"] = index_page(overview, title=config.title)
    make_folder(config.output)
    for name, page in pages.items():
        write_text(config.output / name, page)
    return [config.output / name for name in pages]


def _line(entry: Entry, standing: Standing, entries: list[Entry]) -> Line:
    claim: dict[str, Any] = dict(entry.claim or {})
    return Line(
        rank=standing.rank,
        name=entry.name,
        fingerprint=entry.fingerprint,
        date=entry.date,
        measure=entry.measure,
        rate=entry.score,
        interval=entry.interval,
        parts=[(KINDS[kind], each.rate, each.interval) for kind, each in entry.scores.items()],
        behind=standing.paired and standing.paired.difference,
        p=standing.p,
        leader=entries[standing.leader].name,
        claimed=claim.get("fraction"),
        claim_written=str(claim.get("written", "")),
        claim_verdict=str(claim.get("verdict", "")),
        is_isolated=all(each.is_isolated for each in entry.scores.values()),
        signature=entry.signature,
        signatures=[each.signature for each in entry.scores.values()],
    )
