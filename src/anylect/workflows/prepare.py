"""Any corpus into a manifest: read, measure, filter, divide, and say what was dropped and why.

The first verb. The corpus is read twice over: once to measure and filter it into a passing
manifest, then, when everybody who speaks is known, to divide it. Only some hundred bytes per
utterance stay in memory, and the source is never written to.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylect.data.filters import (
    Dropped,
    FilterOptions,
    Measured,
    Reason,
    check,
    find_script,
    measure,
)
from anylect.data.leaks import LeakFinder
from anylect.data.manifest import Encoder, manifest_checksum, read_manifest, write_manifest
from anylect.data.prefetch import prefetch
from anylect.data.sources.detect import Layout, SourceOptions, open_corpus
from anylect.data.sources.recordings import Found
from anylect.data.splits import (
    NOWHERE,
    SPLITS,
    Roll,
    SplitOptions,
    SplitPlan,
    find_split,
    join_training,
    plan_splits,
)
from anylect.errors import ConfigError, ManifestError
from anylect.progress import Progress, silent
from anylect.records import Utterance
from anylect.text.normalize import Normalizer, default_normalizer, load_normalizer
from anylect.workflows.folders import make_folder
from anylect.workflows.prepare_report import PrepareReport, SplitSummary

MANIFEST = "manifest.jsonl"
DROPPED = "dropped.jsonl"
_MEASURED = ".measured.jsonl"
_ELSEWHERE = len(SPLITS) + 1
"""The side of utterances whose own split is none of ours, such as `other`."""
_REPORT_EVERY = 64


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """From a corpus to a manifest."""

    source: Path
    """A folder, a table or a manifest; never written to."""
    output: Path
    """A folder for `manifest.jsonl` and `dropped.jsonl`, outside the source."""
    language: str | None = None
    """BCP 47 tag of all utterances; unset keeps what the corpus says."""
    corpus: str | None = None
    """A name to remember the utterances' origin by; unset keeps what the layout says."""
    normalizer: Path | None = None
    """A `normalizer.json`; unset takes the default of each utterance's language."""
    layout: Literal[Layout, "auto"] = "auto"
    """How the source is laid out; `auto` looks at its files."""
    reading: SourceOptions = field(default_factory=SourceOptions)
    """What single layouts need to know."""
    filters: FilterOptions = field(default_factory=FilterOptions)
    """Which utterances may stay."""
    splits: SplitOptions = field(default_factory=SplitOptions)
    """How they are divided."""
    workers: int = 4
    """Threads that read headers; 0 for none."""
    overwrite: bool = False
    """Replace a manifest that stands in the output already."""


def prepare(config: PrepareConfig, *, progress: Progress = silent) -> PrepareReport:
    """Turn a corpus into a manifest and a list of what was dropped.

    Durations come from headers, read in threads; nothing is decoded. Splits the corpus has are
    kept, others are drawn such that neither speaker nor sentence stands on two sides.

    Args:
        config: What to read, where to write, and by which rules.
        progress: Told how many utterances have been looked at.

    Raises:
        ConfigError: If the output lies in the source or holds a manifest already.
        ManifestError: If the source has no layout we know, is broken, or holds no utterance.
    """
    _check_output(config)
    corpus = open_corpus(config.source, config.reading, layout=config.layout)
    make_folder(config.output)
    measured, manifest = config.output / _MEASURED, config.output / MANIFEST
    try:
        with _DropList(config.output / DROPPED) as drops:
            intake = _Intake(config, drops)
            write_manifest(measured, intake.take(corpus.found, progress))
            if not intake.seen:
                raise ManifestError(
                    f"{config.source}: no utterance in it (read as {corpus.layout})",
                    hint="give another `layout`, or check the source",
                )
            plan = intake.plan()
            outlet = _Outlet(intake, plan)
            kept = write_manifest(manifest, outlet.assign(read_manifest(measured)))
    finally:
        measured.unlink(missing_ok=True)
    return PrepareReport(
        source=config.source,
        layout=corpus.layout,
        manifest=manifest,
        checksum=manifest_checksum(manifest),
        normalizers=intake.texts.names(),
        seen=intake.seen,
        kept=kept,
        dropped={reason: drops.counts[reason] for reason in Reason if drops.counts[reason]},
        examples=drops.examples,
        splits=outlet.summaries(),
        leaks=tuple(leak for leak in outlet.leaks.leaks() if leak.left in SPLITS),
        scripts=dict(outlet.scripts.most_common()),
        strays=outlet.strays,
        characters=dict(sorted(outlet.characters.items(), key=lambda item: (-item[1], item[0]))),
        notes=(*plan.notes, *outlet.notes()),
    )


class _Texts:
    """The normalizers of the languages met."""

    def __init__(self, config: PrepareConfig) -> None:
        self._fixed = load_normalizer(config.normalizer) if config.normalizer else None
        self._by_language: dict[str | None, Normalizer] = {}

    def normalize(self, utterance: Utterance) -> str:
        language = utterance.language
        if language not in self._by_language:
            self._by_language[language] = self._fixed or default_normalizer(language)
        return self._by_language[language](utterance.text)

    def names(self) -> tuple[str, ...]:
        recipes = {recipe.name: recipe.hash for recipe in self._by_language.values()}
        return tuple(f"{name} ({recipes[name]})" for name in sorted(recipes))


class _DropList:
    """Writes `dropped.jsonl` beside its place, and renames it when all went well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(path.name + ".partial")
        self._encoder = Encoder(path.parent)
        self.counts: Counter[Reason] = Counter()
        self.examples: dict[Reason, str] = {}

    def __enter__(self) -> "_DropList":
        try:
            self._file = self._beside.open("wb")
        except OSError as error:
            raise ConfigError(
                f"{self._path}: cannot be written ({error.strerror})",
                hint="choose an output folder that you may write to",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None:
            self._beside.replace(self._path)
        else:
            self._beside.unlink(missing_ok=True)

    def add(self, dropped: Dropped) -> None:
        self.counts[dropped.reason] += 1
        self.examples.setdefault(dropped.reason, _place(dropped))
        fields = self._encoder.fields(dropped.utterance) if dropped.utterance else {}
        fields |= {"reason": dropped.reason.value, "detail": dropped.detail}
        self._file.write(self._encoder.line(fields))


class _Intake:
    """First pass: what is measured and passes the filters, and who says what in it."""

    def __init__(self, config: PrepareConfig, drops: _DropList) -> None:
        self.config = config
        self.drops = drops
        self.texts = _Texts(config)
        self.seen = 0
        self._ids: set[int] = set()
        self._recordings: dict[int, str] = {}
        self._roll = Roll()
        self._sides = array("B")
        # The (language, script) pairs met, and each utterance's position among them.
        self._writings: dict[tuple[str | None, str | None], int] = {}
        self._written = array("H")

    def take(self, found: Iterable[Found], progress: Progress) -> Iterator[Utterance]:
        """Yield what may stay; list the rest."""
        workers = self.config.workers
        for item in prefetch(self._measure, found, workers=workers, ahead=8 * workers + 1):
            self.seen += 1
            kept = self._examine(item) if isinstance(item, Measured) else item
            if isinstance(kept, Dropped):
                self.drops.add(kept)
            else:
                yield kept
            if self.seen % _REPORT_EVERY == 0:
                progress(self.seen, None)
        progress(self.seen, self.seen)

    def plan(self) -> SplitPlan:
        """Divide what was kept, or keep the corpus's own division."""
        if self.keeps_splits:
            return join_training(self._roll, np.array(self._sides, dtype=np.uint8))
        return plan_splits(self._roll, self.config.splits)

    @property
    def keeps_splits(self) -> bool:
        """Whether the corpus has a division of its own, and that is kept."""
        return self.config.splits.keep and any(side < NOWHERE for side in self._sides)

    def is_stray(self, position: int) -> bool:
        """Say whether an utterance is written otherwise than most of its language."""
        return self._strays[self._written[position]]

    def script(self, position: int) -> str | None:
        """Return the script of an utterance by its position in the first pass."""
        return self._scripts[self._written[position]]

    def settle_scripts(self) -> None:
        """Find the majority's script of every language, now that all are counted."""
        counts = Counter(self._written)
        most: dict[str | None, tuple[int, str]] = {}
        for (language, script), number in self._writings.items():
            if script and counts[number] > most.get(language, (0, ""))[0]:
                most[language] = (counts[number], script)
        self._scripts = [script for _, script in self._writings]
        self._strays = [
            script is not None and script != most[language][1]
            for language, script in self._writings
        ]

    def _measure(self, item: Found) -> Measured | Dropped:
        if isinstance(item, Dropped):
            return item
        language = self.config.language or item.language
        named = replace(item, language=language, corpus=self.config.corpus or item.corpus)
        return measure(named)

    def _examine(self, measured: Measured) -> Utterance | Dropped:
        utterance = measured.utterance
        normalized = self.texts.normalize(utterance)
        flaw = check(utterance, normalized, self.config.filters)
        if flaw is not None:
            return flaw
        utterance = replace(utterance, id=self._make_unique(utterance.id))
        first = self._recordings.setdefault(measured.fingerprint, utterance.id)
        if first != utterance.id and self.config.filters.duplicates == "drop":
            return Dropped(Reason.DUPLICATE, f"the same audio as {first}", utterance)
        self._enter(utterance, normalized)
        return utterance

    def _enter(self, utterance: Utterance, normalized: str) -> None:
        self._roll.add(
            speaker=utterance.speaker,
            sentence=normalized,
            duration=utterance.duration or 0.0,
        )
        split = find_split(utterance.split)
        if split is None:
            self._sides.append(NOWHERE)
        else:
            self._sides.append(SPLITS.index(split) if split in SPLITS else _ELSEWHERE)
        writing = utterance.language, find_script(normalized)
        self._written.append(self._writings.setdefault(writing, len(self._writings)))

    def _make_unique(self, name: str) -> str:
        unique = name
        while hash(unique) in self._ids:
            unique = f"{unique}#{self.seen}"
        self._ids.add(hash(unique))
        return unique


class _Outlet:
    """Second pass: every utterance to its side, and what the sides amount to."""

    def __init__(self, intake: _Intake, plan: SplitPlan) -> None:
        self._intake = intake
        self._sides: NDArray[np.uint8] = plan.sides
        self._counts: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.leaks = LeakFinder()
        self.scripts: Counter[str] = Counter()
        self.characters: Counter[str] = Counter()
        self.strays = 0
        intake.settle_scripts()

    def assign(self, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
        """Yield what reaches the manifest, with its split; list the rest."""
        for position, utterance in enumerate(utterances):
            side = int(self._sides[position])
            if side < NOWHERE:
                utterance = replace(utterance, split=SPLITS[side])
            dropped = self._object(utterance, side, stray=self._intake.is_stray(position))
            if dropped:
                self._intake.drops.add(dropped)
                continue
            self._count(utterance, self._intake.script(position))
            yield utterance

    def summaries(self) -> dict[str, SplitSummary]:
        """Return what each split holds, ours first."""
        names = sorted(self._counts, key=lambda name: (name not in SPLITS, _rank(name), name))
        return {
            name: SplitSummary(
                utterances=self._counts[name],
                hours=self._seconds[name] / 3600,
                speakers=self.leaks.distinct(name, "speaker"),
                sentences=self.leaks.distinct(name, "sentence"),
            )
            for name in names
        }

    def notes(self) -> list[str]:
        """Say what a user should know who goes on from here."""
        empty = [name for name in SPLITS if not self._counts[name]]
        if len(empty) == len(SPLITS):
            return ["nothing was kept"]
        advice = "; `--set splits.keep=false` divides the corpus anew"
        note = f"no utterance in {' and '.join(empty)}"
        return [note + advice * self._intake.keeps_splits] if empty else []

    def _object(self, utterance: Utterance, side: int, *, stray: bool) -> Dropped | None:
        if side == NOWHERE:
            detail = "its speaker or sentence stands on another side already"
            return Dropped(Reason.REPEATED, detail, utterance)
        if not stray:
            return None
        if self._intake.config.filters.other_script == "keep":
            self.strays += 1
            return None
        script = (find_script(utterance.text) or "no script").lower()
        return Dropped(Reason.OTHER_SCRIPT, f"{script}, unlike most", utterance)

    def _count(self, utterance: Utterance, script: str | None) -> None:
        normalized = self._intake.texts.normalize(utterance)
        split = utterance.split or "none"
        self._counts[split] += 1
        self._seconds[split] += utterance.duration or 0.0
        self.scripts.update([script] if script else [])
        self.leaks.add(split, speaker=utterance.speaker, sentence=normalized)
        self.characters.update(set(normalized) - {" "})


def _check_output(config: PrepareConfig) -> None:
    source, output = config.source.resolve(), config.output.resolve()
    inside = output.is_relative_to(source) if source.is_dir() else output == source.parent
    if inside:
        raise ConfigError(
            f"{config.output}: lies in the source, which is never written to",
            hint="choose an output folder elsewhere",
        )
    taken = [name for name in (MANIFEST, DROPPED) if (config.output / name).exists()]
    if taken and not config.overwrite:
        raise ConfigError(
            f"{config.output / taken[0]}: exists already",
            hint="choose another output folder, or set `overwrite = true` to replace it",
        )


def _rank(name: str) -> int:
    return SPLITS.index(name) if name in SPLITS else len(SPLITS)


def _place(dropped: Dropped) -> str:
    if dropped.utterance is None or str(dropped.utterance.audio) in dropped.detail:
        return dropped.detail
    return f"{dropped.utterance.id}: {dropped.detail}"
