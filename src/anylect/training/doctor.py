"""Is it learning? What the figures of a run mean, in plain words.

The doctor looks at what the journal says anyway: loss, blanks, gradients, what was left out. It
says one of a few verdicts, why, and what to do. It decides nothing, except where it was asked to
send a run back whose learning rate proved too high.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from statistics import median
from typing import Any

from anylect.models.checkpoints import CheckpointModel
from anylect.training.baseline import deaf_loss
from anylect.training.lessons import EMPTY, TOO_LONG, LeftOut, Lesson
from anylect.training.options import DoctorOptions

WINDOW = 20
"""Journal lines whose later half is held against the earlier."""

RECENT = 5
"""Journal lines that say how it is now; fewer say nothing."""

BAD_SHARE = 0.2
"""Of the transcripts, from which on they are the verdict."""

VERDICTS = {
    "too early": (
        "There is too little to say anything yet.",
        "Wait for a few more lines of the journal.",
    ),
    "settling": (
        "The loss is still above that of a model that does not listen. Getting down to it is what "
        "every model does first.",
        "Wait. If this takes thousands of updates, the learning rate is too low.",
    ),
    "normal plateau": (
        "The model writes hardly anything but blanks and its loss stands near that of one that "
        "does not listen. Every CTC model begins so; then the blanks give way.",
        "Wait. Warm-up and a few hundred to a few thousand updates are usual, more for a model "
        "that trains from nothing.",
    ),
    "learning": (
        "The loss is falling, or well below that of a model that does not listen.",
        "Nothing. Look at the dev WER.",
    ),
    "learning rate too high": (
        "What was learnt is lost again, or the loss grows beyond that of an untrained model, or "
        "gradients are not finite.",
        "Continue from a checkpoint before that, or begin anew, with half the "
        "`optimizer.learning_rate` or a longer warm-up; `doctor.restarts` does it by itself.",
    ),
    "stuck": (
        "The model does no better than one that does not listen, for longer than is usual.",
        "Listen to a few recordings beside their transcripts: are they of each other? Then try a "
        "learning rate twice or half as large.",
    ),
    "labels empty": (
        "Many transcripts have nothing left to learn after normalisation.",
        "Look at `left_out` in journal.jsonl. Is `text` the right column, and the language right?",
    ),
    "labels longer than audio": (
        "Many transcripts have more tokens than their recordings have frames.",
        "Look at `left_out` in journal.jsonl. Transcripts may belong to other recordings, or "
        "recordings may be cut off.",
    ),
    "overfitting": (
        "The loss still falls, while the dev WER has become worse since its best.",
        "The best weights are kept. Stop here; for more, add data, dropout or augmentation.",
    ),
}
"""What each verdict says, and what to do."""

ALARMS = ("learning rate too high", "labels empty", "labels longer than audio", "stuck")
"""Verdicts that something is wrong."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is known of a run before it begins."""

    measure: Callable[[], float]
    """Computes `deaf_loss`, which takes longer than some updates do."""
    taught: int
    """Utterances that are learnt from."""
    empty: int
    """Utterances left out since nothing is left of their transcripts."""
    too_long: int
    """Utterances left out since their transcripts are longer than their audio."""

    @cached_property
    def deaf_loss(self) -> float:
        """Of the best model that does not listen, nats per token; computed when first asked for."""
        return self.measure()


@dataclass(frozen=True)
class Line:
    """Figures of the updates up to `update`, since the line before."""

    update: int
    loss: float
    blank_rate: float
    gradient_norm: float
    updates: int
    non_finite: int
    infeasible: int
    utterances: int


@dataclass
class Memory:
    """What the doctor remembers of a run; a checkpoint keeps it."""

    lines: list[Line] = field(default_factory=list)
    """The newest."""
    first: float | None = None
    """Loss of the first line: of a model that is hardly trained."""
    lowest: float | None = None
    """Loss of the recent lines, when it was lowest."""
    sound_update: int = 0
    """When the loss last was about as low as ever."""
    validations: list[tuple[int, float, float]] = field(default_factory=list)
    """Update, dev WER and loss, of the best validation and those since."""
    verdict: str = "too early"
    history: list[tuple[int, str]] = field(default_factory=list)
    """Since which update which verdict stood."""
    non_finite_run: int = 0
    """Updates in a row whose gradients were not finite."""


def describe_patient(
    lessons: Sequence[Lesson], left_out: Sequence[LeftOut], model: CheckpointModel
) -> Patient:
    """Find out what there is to learn, and what could be reached without listening."""
    counts = Counter(each.reason for each in left_out)
    return Patient(
        measure=partial(deaf_loss, lessons, model.count_frames, blank=model.vocabulary.blank),
        taught=len(lessons),
        empty=counts[EMPTY],
        too_long=counts[TOO_LONG],
    )


class Doctor:
    """Hears the figures of a run and says what they mean."""

    def __init__(self, patient: Patient, options: DoctorOptions | None = None) -> None:
        self.patient, self.options = patient, options or DoctorOptions()
        self.memory = Memory()
        self.updates = self.warmup = 0

    def begin(self, *, updates: int, warmup: int) -> None:
        """Hear how long the run shall be, and how long its learning rate rises."""
        self.updates, self.warmup = updates, warmup

    @property
    def verdict(self) -> str:
        """What the doctor said last."""
        return self.memory.verdict

    @property
    def is_alarmed(self) -> bool:
        """Whether the verdict is that something is wrong."""
        return self.memory.verdict in ALARMS

    @property
    def gives_up(self) -> bool:
        """Whether too many updates in a row were for nothing."""
        return self.memory.non_finite_run >= self.options.patience

    def note_update(self, *, is_finite: bool) -> None:
        """Hear whether an update moved the weights."""
        self.memory.non_finite_run = 0 if is_finite else self.memory.non_finite_run + 1

    def note_validation(self, update: int, wer: float) -> None:
        """Hear what a validation found."""
        memory = self.memory
        if not memory.validations or wer <= memory.validations[0][1]:
            memory.validations = []
        memory.validations = [*memory.validations[:8], (update, wer, self._loss() or 0.0)]

    def examine(self, update: int, figures: Mapping[str, float]) -> bool:
        """Hear a line of the journal; return whether the verdict is another now."""
        memory = self.memory
        known = {name: figures[name] for name in Line.__dataclass_fields__ if name != "update"}
        memory.lines = [*memory.lines, Line(update, **known)][-WINDOW:]  # type: ignore[arg-type]  # counts are whole
        loss = self._loss()
        if memory.first is None and math.isfinite(figures["loss"]):
            memory.first = figures["loss"]
        if loss is not None:
            if memory.lowest is None or loss < memory.lowest:
                memory.lowest = loss
            if loss <= 1.1 * memory.lowest and not self._is_too_fast():
                memory.sound_update = update
        before, memory.verdict = memory.verdict, self._judge(update)
        if memory.verdict != before:
            memory.history = [*memory.history[-99:], (update, memory.verdict)]
        return memory.verdict != before

    def _judge(self, update: int) -> str:
        """Say the first verdict that holds; those on data need no updates."""
        if self._is_too_fast():
            return "learning rate too high"
        if flaw := self._data_flaw():
            return flaw
        loss = self._loss()
        if loss is None:
            return "too early"
        if self._is_overfitting(loss):
            return "overfitting"
        deaf = self.patient.deaf_loss
        # Once it has come down, a few hard batches do not count.
        is_above = loss > (1.15 if self.verdict in ("too early", "settling") else 1.4) * deaf
        writes = median(line.blank_rate for line in self.memory.lines[-RECENT:]) < 0.9
        if loss < 0.85 * deaf or (writes and not is_above and self._is_falling()):
            return "learning"
        if update > self.warmup + self.options.plateau_updates:
            return "stuck"
        return "settling" if is_above else "normal plateau"

    def _data_flaw(self) -> str | None:
        patient, lines = self.patient, self.memory.lines
        every = max(patient.taught + patient.empty + patient.too_long, 1)
        if patient.empty / every >= BAD_SHARE:
            return "labels empty"
        heard = max(sum(line.utterances for line in lines), 1)
        unfit = sum(line.infeasible for line in lines) / heard
        if max(patient.too_long / every, unfit) >= BAD_SHARE:
            return "labels longer than audio"
        return None

    def _is_too_fast(self) -> bool:
        """Tell whether what was learnt is lost again, or nothing can be learnt at this pace."""
        memory, loss = self.memory, self._loss()
        skipped = sum(line.non_finite for line in memory.lines)
        if skipped >= 5 and skipped >= 0.2 * sum(line.updates for line in memory.lines):
            return True
        if loss is None or memory.lowest is None or memory.first is None:
            return False
        deaf = self.patient.deaf_loss
        has_learnt, has_settled = memory.lowest < 0.7 * deaf, memory.lowest < 1.15 * deaf
        is_lost = has_learnt and loss > max(0.85 * deaf, 1.5 * memory.lowest)
        return is_lost or loss > 1.5 * (deaf if has_settled else max(deaf, memory.first))

    def _is_overfitting(self, loss: float) -> bool:
        best, *later = self.memory.validations or [(0, 0.0, 0.0)]
        _, wer, at_best = best
        worse = max(0.02, 0.05 * wer)
        return (
            len(later) >= 3
            and all(each[1] >= wer + worse for each in later[-3:])
            and loss < 0.9 * at_best
        )

    def _loss(self) -> float | None:
        """Median over the recent lines; None while there are too few."""
        losses = self._losses()[-RECENT:]
        return median(losses) if len(losses) == RECENT else None

    def _losses(self) -> list[float]:
        return [line.loss for line in self.memory.lines if math.isfinite(line.loss)]

    def _is_falling(self) -> bool:
        """Tell whether the later lines are clearly below the earlier; less clearly, if they were.

        Otherwise the verdict would change with every line.
        """
        losses = self._losses()
        middle = len(losses) // 2
        share = 0.99 if self.verdict == "learning" else 0.93
        return middle >= 3 and median(losses[middle:]) < share * median(losses[:middle])

    # What it says.

    def figures(self) -> dict[str, Any]:
        """Return what stands behind the verdict, for the journal."""
        lines = self.memory.lines
        updates = max(sum(line.updates for line in lines), 1)
        norms = [line.gradient_norm for line in lines if line.updates > line.non_finite]
        middle = len(norms) // 2
        trend = median(norms[middle:]) / max(median(norms[:middle]), 1e-12) if middle else 1.0
        return {
            "verdict": self.verdict,
            "loss": self._loss(),
            "deaf_loss": self.patient.deaf_loss,
            "blank_rate": median(line.blank_rate for line in lines) if lines else None,
            "non_finite_share": sum(line.non_finite for line in lines) / updates,
            "gradient_norm": median(norms) if norms else None,
            "gradient_norm_trend": trend,
            "empty": self.patient.empty,
            "too_long": self.patient.too_long,
        }

    def page(self, update: int, *, restarts: int = 0) -> str:
        """Write `doctor.md`."""
        meaning, remedy = VERDICTS[self.verdict]
        found = self.figures()
        rows = [
            ("loss, nats a token", _number(found["loss"])),
            ("the same of a model that does not listen", _number(found["deaf_loss"])),
            ("frames whose likeliest token is the blank", _percent(found["blank_rate"])),
            ("updates skipped, gradients not finite", _percent(found["non_finite_share"])),
            ("length of the gradient, median", _number(found["gradient_norm"])),
            ("the same, later against earlier", f"{found['gradient_norm_trend']:.2f} times"),
            ("utterances learnt from", f"{self.patient.taught:,}"),
            ("left out, transcript empty", f"{self.patient.empty:,}"),
            ("left out, transcript longer than audio", f"{self.patient.too_long:,}"),
            ("sent back with a lower rate", f"{restarts:,} times"),
        ]
        span = f"updates {self._first():,} to {update:,} of {self.updates:,}"
        return "\n".join(
            [
                "# Is it learning?",
                "",
                f"**{self.verdict}** ({span})",
                "",
                meaning,
                "",
                f"What to do: {remedy}",
                "",
                "| figure | |",
                "|---|---|",
                *(f"| {name} | {value} |" for name, value in rows),
                "",
                "## So far",
                "",
                *(f"- from update {since:,}: {verdict}" for since, verdict in self.memory.history),
                "",
            ]
        )

    def _first(self) -> int:
        lines = self.memory.lines
        return lines[0].update - lines[0].updates + 1 if lines else 0

    # What it remembers.

    def look_afresh(self) -> None:
        """Judge what comes by itself, after the run was sent back."""
        memory = self.memory
        memory.lines, memory.non_finite_run, memory.verdict = [], 0, "too early"

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return asdict(self.memory)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what stood when a checkpoint was written."""
        # JSON knows no tuples and no lines.
        known = dict(state) | {
            "lines": [Line(**line) for line in state["lines"]],
            "validations": [tuple(each) for each in state["validations"]],
            "history": [tuple(each) for each in state["history"]],
        }
        self.memory = Memory(**known)


def _number(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:.1%}"
