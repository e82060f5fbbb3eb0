"""A submission is run on a test set whose references it never sees, and scored by us."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anylect.challenge.claims import of_common_voice, weigh
from anylect.challenge.combined import ALONE
from anylect.challenge.hidden import (
    SPLIT,
    HiddenSet,
    find_placeholder,
    find_predictions,
    lay_out,
    read_predictions,
)
from anylect.challenge.sandbox import Isolation, Limits, Outcome, Sandbox
from anylect.challenge.submission import copy_submission, find_name, fingerprint
from anylect.config import refuse_below, refuse_not_above
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.errors import BundleError, ConfigError, ManifestError, SubmissionError
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import Scoreboard, score
from anylect.hub.card import README
from anylect.hub.card_claims import Claim, read_claims
from anylect.hub.evidence import Evidence
from anylect.records import Utterance
from anylect.text.normalize import Normalizer, default_normalizer, load_normalizer
from anylect.text.recipes import written_without_spaces
from anylect.workflows.eval import find_model
from anylect.workflows.folders import make_folder

SCRIPT = "eval.py"
_TAIL_LINES = 12
_OUT_OF_MEMORY = ("MemoryError", "allocate", "map segment", "bad_alloc")
"""What is printed where an address space is too small: by Python, torch, the linker, C++."""
_PACKAGE = Path(__file__).resolve().parents[1]
"""anylect itself, which the `eval.py` of a bundle needs."""


@dataclass(frozen=True, kw_only=True)
class ChallengeRunConfig:
    """What to run, on what, and what it may use."""

    repo: str
    """A submission's folder, or its repository on the Hub."""
    manifest: Path
    """The test set, with its references, which stay here."""
    role: Literal["common_voice", "real_world", "hidden"] = "hidden"
    """Which set of the challenge it is."""
    output: Path
    """Folder for what was measured, references included: for organisers only."""
    name: str | None = None
    """Of the submission; by default that of its folder or repository."""
    split: str | None = None
    """Only this split of the manifest."""
    language: str | None = None
    """BCP 47 tag; by default that of the manifest."""
    normalizer: Path | None = None
    """The organisers' `normalizer.json`; by default the recipe we ship for the language."""
    python: Path | None = None
    """Interpreter with the libraries the submission needs; by default ours."""
    device: str = "-1"
    """For `--device` of `eval.py`: -1 is the CPU."""
    chunk_length_s: float | None = None
    """For `--chunk_length_s`, if given."""
    stride_length_s: float | None = None
    """For `--stride_length_s`, if given."""
    isolation: Isolation = "required"
    """`none` runs a stranger's program with your rights, where no cell can be had."""
    limits: Limits = field(default_factory=Limits)
    """What it may use."""
    devices: tuple[Path, ...] = ()
    """Device files it may use, such as `/dev/nvidia0`."""
    missing: Literal["refuse", "empty"] = "refuse"
    """What to do about recordings without an answer; `empty` counts all their words as left out."""
    threads: int = 1
    """Of arithmetic, as `OMP_NUM_THREADS`."""
    scratch: Path | None = None
    """Where the scratch folder is made; by default where temporary files go."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_below(self, 1, "threads")
        refuse_below(self, 0, "replicates", "seed")
        for name in ("seconds", "cpu_seconds", "memory_gb", "disk_gb"):
            refuse_not_above(self.limits, 0, name)


@dataclass(frozen=True)
class Ran:
    """A submission's outcome on one set."""

    report: Report
    outcome: Outcome
    statement: list[str]
    claims: list[str]
    evidence: Path

    def text(self) -> str:
        """Lay it out for a reader."""
        used = (
            f"{self.outcome.seconds:.1f} s from start to end, "
            f"{self.outcome.most_memory_gb:.2f} GB of memory at most"
        )
        claims = [f"the card claims {claim}" for claim in self.claims]
        return "\n".join([self.report.text(), *claims, used, *self.statement])


def run_submission(config: ChallengeRunConfig) -> Ran:
    """Run a submission's `eval.py` without the references, and score what it answers.

    Raises:
        SubmissionError: When the submission fails, breaks a limit or does not answer.
        ManifestError: When there is nothing to score.
        ConfigError: When it cannot be run in isolation, or the language is unknown.
    """
    folder = find_model(config.repo)
    utterances = list(read_manifest(config.manifest, split=config.split))
    if not utterances:
        raise ManifestError(
            f"{config.manifest}: no utterance"
            + (f" has split `{config.split}`" if config.split else ""),
            hint="check `--split`; without it the whole manifest is the test set",
        )
    normalizer = _choose_normalizer(config, utterances)
    make_folder(config.output)  # an hour later would be a bad time to learn that it cannot be
    if not (folder / SCRIPT).is_file():
        raise SubmissionError(
            f"{folder}: no `{SCRIPT}`", hint="`anylect challenge check` says what else is missing"
        )
    with tempfile.TemporaryDirectory(
        prefix="anylect-challenge-", dir=config.scratch, ignore_cleanup_errors=True
    ) as place:
        session = _Session(config, folder, normalizer, Path(place).resolve() / "scratch")
        return session.run(utterances)


@dataclass
class _Session:
    config: ChallengeRunConfig
    folder: Path
    normalizer: Normalizer
    scratch: Path

    def run(self, utterances: Sequence[Utterance]) -> Ran:
        config, home = self.config, self.scratch / "submission"
        self.scratch.mkdir()
        box = Sandbox(
            self.scratch,
            visible=find_interpreter(self._python),
            devices=config.devices,
            isolation=config.isolation,
            limits=config.limits,
        )
        refuse_exposed(box, [config.manifest, *(each.audio for each in utterances)])
        copy_submission(self.folder, home)
        hidden = lay_out(
            utterances,
            self.scratch / "recordings",
            language=self.normalizer.language,
            placeholder=find_placeholder(_tokens(self.folder / "vocab.json")),
            order=f"{config.seed} {manifest_checksum(config.manifest)}",
        )
        if not hidden.utterances:
            raise ManifestError(
                f"{config.manifest}: nothing to score ({len(hidden.unreadable):,} unreadable)",
                hint="check `--split`, and the paths in the manifest: they are relative to it",
            )
        outcome = box.run(self._command(box, hidden), cwd=home, environment=self._environment(box))
        refuse_failure(self._name, outcome, config.limits)
        answers = read_predictions(find_predictions(home), count=len(hidden.utterances))
        return self._score(hidden, answers, outcome, box)

    @property
    def _name(self) -> str:
        return self.config.name or find_name(self.folder)

    @property
    def _python(self) -> Path:
        return self.config.python or Path(sys.executable)

    def _command(self, box: Sandbox, hidden: HiddenSet) -> list[str]:
        config = self.config
        command = [str(self._python), SCRIPT, "--model_id", "./"]
        command += ["--dataset", box.inside(hidden.folder), "--config", self.normalizer.language]
        command += ["--split", SPLIT, "--log_outputs", "--device", config.device]
        for name in ("chunk_length_s", "stride_length_s"):
            if (value := getattr(config, name)) is not None:
                command += [f"--{name}", str(value)]
        return command

    def _environment(self, box: Sandbox) -> dict[str, str]:
        home = self.scratch / "home"
        home.mkdir()
        offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
        return {
            "PATH": f"{self._python.parent}:/usr/bin:/bin",
            "HOME": box.inside(home),
            "TMPDIR": box.inside(self.scratch / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(_PACKAGE.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": str(self.config.threads),
            **dict.fromkeys(offline, "1"),
        }

    def _score(
        self, hidden: HiddenSet, answers: Mapping[int, str], outcome: Outcome, box: Sandbox
    ) -> Ran:
        config, normalize = self.config, self.normalizer
        mark = fingerprint(self.folder)
        lacking = len(hidden.utterances) - len(answers)
        if lacking and config.missing == "refuse":
            raise SubmissionError(
                f"{lacking:,} of {len(hidden.utterances):,} recordings have no answer",
                hint="every recording needs one, an empty text where nothing was heard; "
                "`--set missing=empty` takes them for empty",
            )
        board = Scoreboard()
        with Evidence(config.output, config.role) as evidence:
            for name, reason in hidden.unreadable:
                board.skip("unreadable")
                evidence.add_unreadable(name, reason)
            for index, utterance in enumerate(hidden.utterances):
                heard = normalize(answers.get(index, ""))
                result = score(normalize(utterance.text), heard, utterance=utterance)
                board.append(result)
                evidence.add(result)
        made = report(
            board,
            signature=Signature(
                normalizer=normalize.name,
                normalizer_hash=normalize.hash,
                decoding=f"{SCRIPT} of {self._name} {mark}",
            ),
            language=normalize.language,
            processing_seconds=outcome.seconds,
            replicates=config.replicates,
            seed=config.seed,
        )
        claims = [
            weigh(claim, made.leading.rate, made.leading.interval) for claim in self._claims()
        ]
        evidence.conclude(
            {
                **made.to_json(),
                "split": config.split,
                "manifest_sha256": manifest_checksum(config.manifest),
                "submission": {
                    "name": self._name,
                    "fingerprint": mark,
                },
                "claims": [claim.to_json() for claim in claims],
                "run": {
                    "isolated": box.is_isolated,
                    "statement": box.statement(),
                    "seconds": outcome.seconds,
                    "most_memory_gb": outcome.most_memory_gb,
                    "without_answer": lacking,
                },
            }
        )
        return Ran(made, outcome, box.statement(), list(map(str, claims)), evidence.report)

    def _claims(self) -> list[Claim]:
        """Read what the card says of this set, if it is Common Voice."""
        path = self.folder / README
        if self.config.role != ALONE or not path.is_file():
            return []
        try:
            claims = read_claims(path.read_text(encoding="utf-8", errors="replace"))
        except BundleError:
            return []  # `check` says what is wrong with the card
        language = self.normalizer.language
        metric = "cer" if written_without_spaces(language) else "wer"
        return of_common_voice(claims, metric=metric, language=language)


def find_interpreter(python: Path) -> tuple[Path, ...]:
    """List the folders an interpreter and its libraries need.

    Raises:
        ConfigError: When it cannot be asked.
    """
    program = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, *sys.path]))"
    try:
        asked = subprocess.run(
            [python, "-I", "-c", program], capture_output=True, check=True, timeout=60
        )
        places = [Path(place) for place in json.loads(asked.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"`{python}` is no Python interpreter",
            hint="give the `bin/python` of an environment with what the submission needs",
        ) from error
    places += [python.resolve().parents[1], _PACKAGE]
    return tuple(dict.fromkeys(place for place in places if place.is_dir()))


def refuse_exposed(box: Sandbox, paths: Sequence[Path]) -> None:
    """Refuse to run where the references or their recordings lie in what the program sees.

    Raises:
        ConfigError: Naming what lies where.
    """
    for path in dict.fromkeys(path.resolve().parent for path in paths) if box.is_isolated else ():
        if place := box.sees(path):
            raise ConfigError(
                f"{path} lies in {place}, which every submission sees",
                hint="keep hidden sets outside of system folders and of the interpreter's",
            )


def refuse_failure(name: str, outcome: Outcome, limits: Limits) -> None:
    """Refuse what did not come to its own end, and say why.

    Raises:
        SubmissionError: With the end of what was printed.
    """
    if outcome.is_well:
        return
    said = [_printable(line) for line in outcome.output.splitlines()[-_TAIL_LINES:]]
    how = (
        f"killed by signal {outcome.signal}"
        if outcome.signal is not None
        else f"left with exit code {outcome.exit_code}"
    )
    what, hint = {
        "timeout": (
            f"not done after {limits.seconds:g} s ({limits.cpu_seconds:g} s of CPU)",
            "more time: `--set limits.seconds=7200 --set limits.cpu_seconds=14400`",
        ),
        "memory": (
            f"took more than {limits.memory_gb:g} GB of memory",
            "more of it: `--set limits.memory_gb=32`",
        ),
        "disk": (
            f"wrote more than {limits.disk_gb:g} GB, or far too many files",
            "more of it: `--set limits.disk_gb=50`",
        ),
        "failed": (how, "run its `eval.py` by hand on recordings of your own"),
    }[outcome.ending]
    if outcome.ending == "failed" and any(mark in outcome.output for mark in _OUT_OF_MEMORY):
        hint = f"it may need more than {limits.memory_gb:g} GB: `--set limits.memory_gb=32`"
    raise SubmissionError(
        "\n".join([f"{name}: {what}", *(f"  | {line}" for line in said)]), hint=hint
    )


def _choose_normalizer(config: ChallengeRunConfig, utterances: Sequence[Utterance]) -> Normalizer:
    if config.normalizer is not None:
        return load_normalizer(config.normalizer)
    named = Counter(each.language for each in utterances if each.language)
    language = config.language or (named.most_common(1)[0][0] if named else None)
    if language is None:
        raise ConfigError(
            f"{config.manifest}: no utterance says its language",
            hint="give it: `--language sv`",
        )
    return default_normalizer(language)


def _tokens(path: Path) -> list[str]:
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [token for token in table if isinstance(token, str)] if isinstance(table, dict) else []


def _printable(line: str) -> str:
    # A stranger's output must not move the cursor or change colours.
    return "".join(each if each.isprintable() else "?" for each in line)[:200]
