"""One page that shows an evaluation, a comparison, or several evaluations beside each other.

Numbers come from the evidence that `anylect evaluate` left, sound and spectrograms from the
manifest, curves from the journal of the training. Beside the page stands the same as JSON.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anylect.config import refuse_below
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.errors import AudioError, ConfigError
from anylect.evaluation.curves import Chart, chart
from anylect.evaluation.evidence_files import StoredEvaluation, read_evaluation
from anylect.evaluation.macro import Macro, macro_average
from anylect.evaluation.page import PageParts, comparison_page, evaluation_page, overview_page
from anylect.evaluation.page_examples import Block, Example
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance
from anylect.progress import Progress, silent
from anylect.training.journal import read_journal
from anylect.workflows.compare import compare_stored, read_two, short_names
from anylect.workflows.folders import make_folder, write_text
from anylect.workflows.report_media import media_of


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What to show, and where."""

    evidence: tuple[Path, ...]
    """Scored sets: of one a full report, of two on the same utterances a comparison, of more an
    overview."""
    output: Path = Path("report.html")
    """The page; the same as JSON is written beside it, as `.json`."""
    manifest: Path | None = None
    """Where the recordings are, to listen to the worst utterances."""
    journal: Path | None = None
    """Of the training, for its curves; by default the one beside the bundle."""
    title: str | None = None
    """Of the page."""
    examples: int = 10
    """Utterances to show in full."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "examples", "seed")
        refuse_below(self, 19, "replicates")
        if not self.evidence:
            raise ConfigError("nothing to report", hint="give the path of a scored set")
        if self.output.suffix not in (".html", ".htm"):
            raise ConfigError(
                f"`output` is {self.output}, expected a name that ends in `.html`",
                hint="the JSON is written beside it",
            )


@dataclass(frozen=True)
class Written:
    """What was made of the evidence: two files, and the same for the terminal."""

    page: Path
    data: Path
    text: str


def report(config: ReportConfig, *, progress: Progress = silent) -> Written:
    """Write the page and its JSON.

    Raises:
        BundleError: When evidence cannot be read.
        ManifestError: When the manifest cannot be read, or two sets overlap but are not the same.
        ConfigError: When the page cannot be written.
    """
    if len(config.evidence) == 2:
        stored: Sequence[StoredEvaluation] = read_two(*config.evidence)
    else:
        stored = [read_evaluation(path) for path in config.evidence]
    recordings = _Recordings(config.manifest, progress)
    if len(stored) == 1:
        page, data, text = _evaluation(stored[0], config, recordings)
    elif len(stored) == 2 and _overlap(*stored):
        page, data, text = _comparison((stored[0], stored[1]), config, recordings)
    else:
        page, data, text = _overview(stored, config)
    beside = config.output.with_suffix(".json")
    make_folder(config.output.parent)
    write_text(config.output, page)
    write_text(beside, json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    return Written(config.output, beside, text)


class _Recordings:
    """Loads what is to be heard and seen of single utterances."""

    def __init__(self, manifest: Path | None, progress: Progress) -> None:
        self._manifest = manifest
        self._progress = progress

    def notes(self, stored: StoredEvaluation) -> list[str]:
        if self._manifest is None:
            return ["recordings are not on this page: no manifest was given"]
        scored = stored.facts.get("manifest_sha256")
        if scored and scored != manifest_checksum(self._manifest):
            return [f"{self._manifest.name} has changed since the evaluation"]
        return []

    def complete(self, examples: Sequence[Example]) -> list[Example]:
        """Give each example its recording, or say why there is none."""
        if self._manifest is None:
            return list(examples)
        wanted = {example.heard[0][1].id for example in examples}
        found = {each.id: each for each in read_manifest(self._manifest) if each.id in wanted}
        done = []
        for number, example in enumerate(examples, start=1):
            utterance = found.get(example.heard[0][1].id)
            try:
                if utterance is None:
                    done.append(replace(example, why_no_media="Not in the manifest."))
                else:
                    done.append(replace(example, media=media_of(utterance)))
            except AudioError as error:
                done.append(replace(example, why_no_media=f"Not heard: {error.message}."))
            self._progress(number, len(examples))
        return done


Made = tuple[str, dict[str, Any], str]
"""Page, JSON and text."""


def _evaluation(stored: StoredEvaluation, config: ReportConfig, recordings: _Recordings) -> Made:
    made = stored.report(replicates=config.replicates, seed=config.seed)
    breakdown = stored.breakdown()
    worst = _worst(stored.scored, config.examples, spaceless=made.spaceless)
    groups = breakdown.traits().get("language", [])
    macro = macro_average({group.name: group.board for group in groups}) if groups else None
    page = evaluation_page(
        made,
        breakdown,
        parts=PageParts(
            title=config.title or stored.name,
            examples=recordings.complete([Example((("", each),)) for each in worst]),
            charts=_charts(stored, config.journal),
            macro=macro,
            notes=tuple(recordings.notes(stored)),
        ),
    )
    data = {
        "evaluation": made.to_json(),
        "macro": macro.to_json() if macro else None,
        "breakdown": breakdown.to_json(),
        "worst": [each.to_json() for each in worst],
    }
    text = "\n\n".join([made.text(), *([str(macro)] if macro else []), breakdown.text()])
    return page, data, text


def _comparison(
    stored: tuple[StoredEvaluation, StoredEvaluation],
    config: ReportConfig,
    recordings: _Recordings,
) -> Made:
    first, second = stored
    found = compare_stored(first, second, replicates=config.replicates, seed=config.seed)
    blocks = _changes(stored, found.names, number=(config.examples + 1) // 2)
    if config.manifest is None:
        found = replace(found, notes=(*found.notes, *recordings.notes(first)))
    heard = recordings.complete([each for block in blocks for each in block.examples])
    cut = len(blocks[0].examples)
    blocks = [
        replace(blocks[0], examples=heard[:cut]),
        replace(blocks[1], examples=heard[cut:]),
    ]
    page = comparison_page(
        found,
        (first.breakdown(), second.breakdown()),
        title=config.title or f"{found.names[0]} and {found.names[1]}",
        language=first.language,
        blocks=blocks,
    )
    changed = {
        block.anchor: [[each.to_json() for _, each in example.heard] for example in block.examples]
        for block in blocks
    }
    return page, {"comparison": found.to_json(), **changed}, found.text()


def _overview(stored: Sequence[StoredEvaluation], config: ReportConfig) -> Made:
    names = [each.name for each in stored]
    if len(set(names)) < len(names):
        names = short_names([each.path for each in stored])
    made = [each.report(replicates=config.replicates, seed=config.seed) for each in stored]
    reports = list(zip(names, made, strict=True))
    macro = _macro(stored)
    page = overview_page(reports, title=config.title or f"{len(stored)} evaluations", macro=macro)
    data = {
        "evaluations": [{"name": name, **each.to_json()} for name, each in reports],
        "macro": macro.to_json() if macro else None,
    }
    lines = [f"{name}: {each.line}" for name, each in reports]
    return page, data, "\n".join([*lines, *(["", str(macro)] if macro else [])])


def _macro(stored: Sequence[StoredEvaluation]) -> Macro | None:
    """Average over languages, where every set is of another."""
    boards: dict[str, Scoreboard] = {}
    for each in stored:
        if each.language is None or each.language in boards:
            return None
        board = boards[each.language] = Scoreboard()
        for scored in each.scored:
            board.append(scored)
    return macro_average(boards)


def _overlap(first: StoredEvaluation, second: StoredEvaluation) -> bool:
    names = [{each.id for each in stored.scored} for stored in (first, second)]
    return first.language == second.language and bool(names[0] & names[1])


def _worst(
    scored: Iterable[ScoredUtterance], number: int, *, spaceless: bool
) -> list[ScoredUtterance]:
    """Find the utterances with most errors; of equal ones those with the highest rate."""

    def badness(each: ScoredUtterance) -> tuple[float, float, str]:
        counts = each.characters if spaceless else each.words
        return -counts.errors, -counts.rate, each.id

    return sorted((each for each in scored if each.words.errors), key=badness)[:number]


def _changes(
    stored: tuple[StoredEvaluation, StoredEvaluation], names: tuple[str, str], *, number: int
) -> list[Block]:
    """Find the utterances that gained and lost most from the first to the second."""
    before = {each.id: each for each in stored[0].scored}
    pairs = [(before[each.id], each) for each in stored[1].scored if each.id in before]

    def lost(pair: tuple[ScoredUtterance, ScoredUtterance]) -> int:
        return pair[1].words.errors - pair[0].words.errors

    by_change = sorted(pairs, key=lambda pair: (lost(pair), pair[0].id))
    better = [pair for pair in by_change[:number] if lost(pair) < 0]
    worse = [pair for pair in by_change[::-1][:number] if lost(pair) > 0]
    return [
        Block(title, anchor, [Example(tuple(zip(names, pair, strict=True))) for pair in found])
        for title, anchor, found in (
            (f"What {names[1]} hears better", "better", better),
            (f"What {names[1]} hears worse", "worse", worse),
        )
    ]


def _charts(stored: StoredEvaluation, journal: Path | None) -> list[Chart]:
    """Draw the loss and the validations of the training, where its journal is at hand."""
    path = journal or stored.path.parent.parent.parent / "journal.jsonl"
    try:
        events = read_journal(path)
    except (OSError, ValueError) as error:
        if journal is None:
            return []
        raise ConfigError(
            f"{journal}: no journal can be read there", hint="give a run's `journal.jsonl`"
        ) from error
    losses = _figures(events, "update", "loss")
    rates = {
        f"dev {name.upper()}": [(x, 100 * y) for x, y in _figures(events, "validation", name)]
        for name in ("wer", "cer")
    }
    charts = [chart("Loss", {"loss": losses}), chart("Validation", rates, unit=" %")]
    return [each for each in charts if each is not None]


def _figures(events: Iterable[dict[str, Any]], kind: str, name: str) -> list[tuple[float, float]]:
    return [
        (float(event["update"]), float(event[name]))
        for event in events
        if event.get("event") == kind and isinstance(event.get(name), (int, float))
    ]
