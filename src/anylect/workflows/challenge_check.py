"""A submission against the rules, without running anything of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.challenge.normalizing import check_normalizer
from anylect.challenge.rules import (
    Ruling,
    Submission,
    check_card_and_files,
    failed,
    passed,
    unchecked,
)
from anylect.challenge.submission import find_name, fingerprint
from anylect.challenge.training import (
    MOST_SHARED,
    find_traces,
    shared_recordings,
    shared_sentences,
    traces_of_settings,
)
from anylect.errors import BundleError
from anylect.hub.card_facts import read_json
from anylect.records import Utterance
from anylect.text.normalize import default_normalizer
from anylect.workflows.eval import find_model
from anylect.workflows.eval_sets import open_set

TRAINING = "training"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ChallengeCheckConfig:
    """What to check, and with what."""

    repo: str
    """A submission's folder, or its repository on the Hub."""
    test_set: Path | None = None
    """The Common Voice test set: a manifest, or a release."""
    split: str = "test"
    """Of the test set; `all` takes all of it."""
    training: Path | None = None
    """What it was trained on: a manifest of which split `train` is looked at."""
    training_split: str = "train"
    """Of the training manifest; `all` takes all of it."""
    language: str | None = None
    """BCP 47 tag it is submitted for; by default that of its card."""


@dataclass(frozen=True)
class Checked:
    """What became of every rule."""

    name: str
    fingerprint: str
    rulings: tuple[Ruling, ...]

    @property
    def passes(self) -> bool:
        """Whether every rule could be checked and is kept."""
        return all(ruling.verdict == "passed" for ruling in self.rulings)

    def text(self) -> str:
        """Lay it out for a reader."""
        counts = {
            verdict: sum(ruling.verdict == verdict for ruling in self.rulings)
            for verdict in ("passed", "failed", "unchecked")
        }
        return "\n".join(
            [
                *map(str, self.rulings),
                f"{self.name} ({self.fingerprint}): {counts['passed']} passed, "
                f"{counts['failed']} failed, {counts['unchecked']} not checked",
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "passes": self.passes,
            "rules": [vars(ruling) for ruling in self.rulings],
        }


def check_submission(config: ChallengeCheckConfig) -> Checked:
    """Check a submission against every rule of the challenge.

    Raises:
        HubError: When it is neither a folder nor a repository.
        ManifestError: When the test set or the training set cannot be read.
        SubmissionError: When its folder holds links that lead elsewhere.
    """
    folder = find_model(config.repo)
    mark = fingerprint(folder)
    submission = Submission(folder, config.language)
    tested = _read(config.test_set, config.split)
    return Checked(
        find_name(folder),
        mark,
        (
            *check_card_and_files(submission),
            check_normalizer(folder, [each.text for each in tested], language=submission.language),
            _check_training(config, submission, tested),
        ),
    )


def _read(path: Path | None, split: str) -> list[Utterance]:
    if path is None:
        return []
    with open_set(str(path), config=None, split=split) as found:
        return list(found.utterances)


def _check_training(
    config: ChallengeCheckConfig, submission: Submission, tested: list[Utterance]
) -> Ruling:
    """Look for the test split in what the submission was trained on."""
    traces = find_traces(submission.folder) + traces_of_settings(_settings(submission.folder))
    guilty = [trace for trace in traces if trace.tests]
    if guilty:
        listed = "; ".join(map(str, guilty[:_SHOWN]))
        return failed(TRAINING, f"on a test split: {listed}", "train again without it")
    if config.training is not None and tested:
        return _compare(config, submission, tested)
    said = ", ".join(dict.fromkeys(map(str, traces)))
    if said:
        return passed(TRAINING, f"what its files say names no test split: {said}")
    return unchecked(
        TRAINING,
        "its files do not say what it was trained on",
        "give what it was trained on, and the test set: `--training MANIFEST --test-set MANIFEST`",
    )


def _compare(
    config: ChallengeCheckConfig, submission: Submission, tested: list[Utterance]
) -> Ruling:
    learnt = _read(config.training, config.training_split)
    same = shared_recordings(learnt, tested)
    if same:
        listed = ", ".join(f"`{mine.id}` is `{other.id}`" for mine, other in same[:_SHOWN])
        return failed(
            TRAINING,
            f"{len(same):,} recordings of the test set stand in the training set: {listed}",
            "train again without them",
        )
    leak = shared_sentences(learnt, tested, normalize=default_normalizer(submission.language))
    if leak is None:
        return passed(TRAINING, f"{len(learnt):,} utterances share no sentence with the test set")
    if leak.share > MOST_SHARED:
        return failed(TRAINING, str(leak), "train again without these sentences")
    return passed(TRAINING, f"no recording in common, few sentences: {leak}")


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "evidence" / "training.json")
    except BundleError:
        return {}  # broken, and says nothing
