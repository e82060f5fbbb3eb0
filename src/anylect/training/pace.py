"""When a run logs, validates, saves and ends: by updates, or by whole epochs."""

from dataclasses import dataclass

from anylect.training.options import ScheduleOptions
from anylect.training.state import Standing


@dataclass(frozen=True)
class Pace:
    """Reads off a run's standing what is due; keeps nothing, so a resumed run decides the same."""

    options: ScheduleOptions
    updates: int
    """How many the run takes; where it takes whole epochs, about how many."""

    @property
    def counts_epochs(self) -> bool:
        """Whether the run ends with an epoch rather than with an update."""
        return self.options.validate_each_epoch and self.options.updates is None

    def is_over(self, standing: Standing) -> bool:
        """Tell whether nothing is left to learn."""
        if self.has_reached_target(standing):
            return True
        if self.counts_epochs:
            return standing.epoch >= self.options.epochs
        return standing.update >= self.updates

    def has_reached_target(self, standing: Standing) -> bool:
        """Tell whether a validation was as good as was wanted."""
        target, wer = self.options.target_wer, standing.best_wer
        return target is not None and wer is not None and wer <= target

    def wants_log(self, standing: Standing) -> bool:
        """Tell whether a line of figures is due after an update."""
        return standing.update % self.options.log_every == 0 or self.is_over(standing)

    def wants_validation(self, standing: Standing) -> bool:
        """Tell whether the dev split is to be scored after an update."""
        if self.is_over(standing):
            return True
        by_updates = not self.options.validate_each_epoch
        return by_updates and standing.update % self.options.validate_every == 0

    def wants_checkpoint(self, standing: Standing) -> bool:
        """Tell whether a checkpoint is due after an update and its validation."""
        return standing.update % self.options.save_every == 0 or self.is_over(standing)
