"""Listens to a training run and writes the log of the benchmark."""

from typing import Any

from anylect.errors import ConfigError
from anylect.training.energy import EnergyMeter
from anylect.training.journal import Event
from anylect.workflows.benchmark_log import ABORTED, SUCCESS, BenchmarkLog
from anylect.workflows.benchmark_options import BenchmarkOptions


class Clock:
    """Turns the journal's events into the log's, and stops at the target.

    Args:
        log: Where to write.
        meter: Read at every validation.
        target_wer: A fraction.
        expected: What the model must be like.
    """

    def __init__(
        self,
        log: BenchmarkLog,
        meter: EnergyMeter,
        *,
        target_wer: float,
        expected: BenchmarkOptions,
    ) -> None:
        self.log, self.meter = log, meter
        self.target_wer, self.expected = target_wer, expected
        self.has_stopped = False
        self._heard = {"audio_seconds": 0.0, "utterances": 0}
        """In training, since the last validation."""
        self._training_ms = 0
        self._mark_ms: int | None = None
        """From when on what is heard is counted."""

    def __call__(self, event: Event) -> None:
        """Take note of one event of the journal."""
        note = getattr(self, f"_note_{event['event']}", None)
        if note is not None and not self.has_stopped:
            note(event, round(event["time"] * 1000))

    def _note_start(self, event: Event, now: int) -> None:
        # The first line after a resumption counts what was heard before the kill, too.
        self._mark_ms = None if event["update"] else now
        for key, name in (("weights", "parameters"), ("labels", "labels")):
            wanted = getattr(self.expected, key)
            if wanted not in (None, event[name]):
                raise ConfigError(
                    f"the model has {event[name]:,} {key}, and `benchmark.{key}` is {wanted:,}",
                    hint="this is another model, or another corpus, than the recipe's; begin anew "
                    "with the recipe's own, or with that expectation changed",
                )
            self.log.write(key, event[name], time_ms=now)
        self.log.write("train_utterances", event["lessons"], time_ms=now)
        self.log.write("processes", event["processes"], time_ms=now)
        if self.meter.silence is not None:
            self.log.write("energy", None, reason=self.meter.silence)

    def _note_epoch(self, event: Event, now: int) -> None:
        self.log.write("epoch_start", event["epoch"] + 1, time_ms=now, update=event["update"])

    def _note_epoch_end(self, event: Event, now: int) -> None:
        self.log.write("epoch_stop", event["epoch"] + 1, time_ms=now, update=event["update"])

    def _note_update(self, event: Event, now: int) -> None:
        if self._mark_ms is not None:
            self._heard["audio_seconds"] += event["audio_seconds"]
            self._heard["utterances"] += event["utterances"]
            self._training_ms += now - self._mark_ms
        self._mark_ms = now

    def _note_validating(self, event: Event, now: int) -> None:
        self.log.write("eval_start", event["update"], time_ms=now)

    def _note_validation(self, event: Event, now: int) -> None:
        update, wer = event["update"], event["wer"]
        self.log.write("eval_stop", update, time_ms=now)
        figures: dict[str, Any] = {name: event[name] for name in ("cer", "utterances")}
        self.log.write("eval_wer", wer, time_ms=now, update=update, **figures)
        if self._training_ms:
            seconds = self._training_ms / 1000
            speed = self._heard["audio_seconds"] / seconds
            heard = {"training_seconds": seconds, **self._heard}
            self.log.write("throughput", round(speed, 3), time_ms=now, **heard)
        self._write_energy()
        self._heard, self._training_ms, self._mark_ms = dict.fromkeys(self._heard, 0), 0, now
        if wer <= self.target_wer:
            self._stop(SUCCESS, now)

    def _note_finish(self, event: Event, now: int) -> None:
        # A run that was killed between its last validation and this log has reached it too.
        self._stop(SUCCESS if event["best_wer"] <= self.target_wer else ABORTED, now)

    def _stop(self, status: str, now: int) -> None:
        self.log.write("run_stop", status, time_ms=now)
        self.has_stopped = True

    def _write_energy(self) -> None:
        joules = self.meter.read()
        if joules:
            self.log.write("energy", round(sum(joules.values()), 3), joules=joules)
