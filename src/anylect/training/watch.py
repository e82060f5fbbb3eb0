"""Who is told what happens in a run, and who says what it means."""

from dataclasses import dataclass
from pathlib import Path

from anylect.training.doctor import Doctor
from anylect.training.journal import Journal
from anylect.training.state import Standing, write_whole


@dataclass(frozen=True)
class Watch:
    """The journal, the doctor, and the page where the doctor writes."""

    journal: Journal
    doctor: Doctor
    page: Path | None = None
    """None in processes that write nothing."""

    def examine(self, standing: Standing, figures: dict[str, float]) -> None:
        """Show the doctor the figures of a journal line, and tell when the verdict changes."""
        if self.doctor.examine(standing.update, figures):
            self.journal.write(
                "doctor",
                update=standing.update,
                is_alarm=self.doctor.is_alarmed,
                **self.doctor.figures(),
            )
            self.write_page(standing)

    def write_page(self, standing: Standing) -> None:
        """Write down what the doctor thinks."""
        if self.page is not None:
            write_whole(self.page, self.doctor.page(standing.update, restarts=standing.restarts))
