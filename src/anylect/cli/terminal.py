"""What a person sees while something takes long. Everything here goes to stderr."""

import contextlib
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from anylect import progress

console = Console(stderr=True, highlight=False)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("·"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
    )


@contextlib.contextmanager
def bar(title: str) -> Iterator[progress.Progress]:
    """Show how far one piece of work is; silent where stderr is a log file."""
    with _bars() as bars:
        yield _task(bars, title)


def _task(bars: Progress, title: str) -> progress.Progress:
    task = bars.add_task(title, total=None, figures="")

    def show(done: int, total: int | None, /) -> None:
        bars.update(task, completed=done, total=total)

    return show


class LiveView:
    """Shows the sentence that is being spoken: what will stay, and dimmed what may change.

    Where stderr is no terminal, each new state is a line.
    """

    def __init__(self) -> None:
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._shown = ""

    def __enter__(self) -> "LiveView":
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def show(self, text: str, *, stable: str = "") -> None:
        """Show the sentence so far."""
        if text == self._shown:
            return
        self._shown = text
        if console.is_terminal:
            shown = Text.assemble(stable, (text[len(stable) :], "dim"))
            self._live.update(shown, refresh=True)
        elif text:
            click.echo(f"… {text}", err=True)


class TrainingView:
    """Listens to a journal: a bar with live loss, and a few hypotheses after each validation."""

    def __init__(self) -> None:
        self.bars = _bars()
        self.task: TaskID | None = None

    def __enter__(self) -> "TrainingView":
        self.bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.bars.stop()

    def bar(self, title: str) -> progress.Progress:
        """Show how far something besides the training is."""
        return _task(self.bars, title)

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event of the journal."""
        show = getattr(self, f"_show_{event['event']}", None)
        if show is not None:
            show(event)

    def _show_start(self, event: dict[str, Any]) -> None:
        console.print(
            f"training {event['parameters'] / 1e6:.1f} M weights on {event['lessons']:,} "
            f"utterances for {event['updates']:,} updates"
        )
        self.task = self.bars.add_task("training", total=event["updates"], figures="")
        self.bars.update(self.task, completed=event["update"])

    def _show_update(self, event: dict[str, Any]) -> None:
        if self.task is not None:
            figures = (
                f"loss {event['loss']:.3f} · blanks {event['blank_rate']:.0%} · "
                f"{event['audio_seconds_per_second']:.0f} s/s"
            )
            self.bars.update(self.task, completed=event["update"], figures=figures)
        if not console.is_terminal and event["update"] % 100 == 0:
            console.print(f"update {event['update']:,}: loss {event['loss']:.3f}")

    def _show_validation(self, event: dict[str, Any]) -> None:
        console.print(
            f"update {event['update']:,}: dev WER {event['wer']:.1%}, CER {event['cer']:.1%} "
            f"(best {event['best_wer']:.1%})"
        )
        for reference, hypothesis in event["samples"]:
            console.print(f"  said   {reference}", style="dim", markup=False)
            console.print(f"  heard  {hypothesis}", markup=False)

    def _show_skipped(self, event: dict[str, Any]) -> None:
        console.print(f"skipped {event['id']}: {event['reason']}", style="yellow", markup=False)

    def _show_doctor(self, event: dict[str, Any]) -> None:
        loss = "" if event["loss"] is None else f" (loss {event['loss']:.2f}, deaf"
        against = f"{loss} {event['deaf_loss']:.2f})" if loss else ""
        style = "bold yellow" if event["is_alarm"] else "dim"
        hint = "; see doctor.md" if event["is_alarm"] else ""
        console.print(f"update {event['update']:,}: {event['verdict']}{against}{hint}", style=style)

    def _show_restart(self, event: dict[str, Any]) -> None:
        console.print(
            f"update {event['from_update']:,}: {event['reason']}; going back to update "
            f"{event['update']:,} with a learning rate of {event['learning_rate']:.2g}",
            style="bold yellow",
        )
