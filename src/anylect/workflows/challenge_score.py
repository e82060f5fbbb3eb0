"""The score of a submission, from what was measured on the sets of the challenge."""

from dataclasses import dataclass
from pathlib import Path

from anylect.challenge.combined import KINDS, Combined, combine
from anylect.config import refuse_below
from anylect.errors import SubmissionError
from anylect.evaluation.evidence_files import UTTERANCES, StoredEvaluation, read_evaluation


@dataclass(frozen=True, kw_only=True)
class ChallengeScoreConfig:
    """Where the measurements are."""

    folder: Path | None = None
    """What `anylect challenge run` left: a scored set for each kind."""
    common_voice: Path | None = None
    """Scored utterances of the Common Voice test set, instead of the folder's."""
    real_world: Path | None = None
    """Scored utterances of the real-world dev set."""
    hidden: Path | None = None
    """Scored utterances of the hidden real-world test set."""
    alone: bool = False
    """The language has no set besides Common Voice."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_below(self, 0, "replicates", "seed")


def score_submission(config: ChallengeScoreConfig) -> Combined:
    """Combine the sets: a third each, or Common Voice alone.

    Raises:
        SubmissionError: When a set is missing, or the sets do not belong together.
        BundleError: When evidence cannot be read.
    """
    evaluations = {kind: found for kind in KINDS if (found := _read(config, kind)) is not None}
    if not evaluations:
        raise SubmissionError(
            f"{config.folder or 'no folder given'}: no set of the challenge was measured there",
            hint="`anylect challenge run REPO MANIFEST --hidden -o FOLDER` measures one",
        )
    return combine(evaluations, alone=config.alone, replicates=config.replicates, seed=config.seed)


def _read(config: ChallengeScoreConfig, kind: str) -> StoredEvaluation | None:
    given: Path | None = getattr(config, kind)
    if given is not None:
        return read_evaluation(given)
    if config.folder is None:
        return None
    path = config.folder / f"{kind}{UTTERANCES}"
    return read_evaluation(path) if path.is_file() else None
