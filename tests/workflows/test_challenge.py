"""A challenge from rules to leaderboard, by the command line."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.challenge.conftest import CARD, EVAL, measured, spoken, write_submission
from tests.conftest import Done, Run

from anylect.data.manifest import read_manifest, write_manifest
from anylect.errors import ConfigError, ManifestError, SubmissionError
from anylect.evaluation.evidence_files import read_evaluation
from anylect.workflows.challenge_board import (
    BoardAddConfig,
    BoardSiteConfig,
    add_entry,
    build_site,
)
from anylect.workflows.challenge_run import ChallengeRunConfig, find_interpreter, run_submission
from anylect.workflows.challenge_score import ChallengeScoreConfig, score_submission

RunChallenge = Callable[..., Done]


@pytest.fixture
def hidden(tone_manifest: Path, tmp_path: Path) -> Path:
    """A hidden set of six utterances."""
    path = tmp_path / "organisers" / "hidden.jsonl"
    path.parent.mkdir()
    write_manifest(path, read_manifest(tone_manifest, split="test"))
    return path


@pytest.fixture
def run_challenge(run: Run, hidden: Path, tmp_path: Path) -> RunChallenge:
    """Run a submission whose `eval.py` goes on as given; skip where there is no cell."""

    def call(script: str, *arguments: str, card: str = CARD) -> Done:
        folder = tmp_path / "submission"
        shutil.rmtree(folder, ignore_errors=True)
        write_submission(folder, script=EVAL + script, card=card)
        place = ["--language", "sv", "-o", tmp_path / "out", "--set", "limits.seconds=20"]
        done = run("challenge", "run", folder, hidden, *place, *arguments)
        if "cannot be run in a cell" in done.err:
            pytest.skip(done.err)
        return done

    return call


def test_answers_are_scored_against_references_nobody_saw(
    run_challenge: RunChallenge, hidden: Path, tmp_path: Path
) -> None:
    script = """
print(rows)
log(f"{row['file_name']} {row['sentence']}" for row in rows)
print(sorted(os.listdir(args.dataset + "/test"))[:2], sys.argv[1:])
"""
    done = run_challenge(script, "--hidden")
    assert done.code == 0, done.err
    assert "isolated: a root of its own" in done.out
    found = read_evaluation(tmp_path / "out" / "hidden.utterances.jsonl")
    said = {each.id: each.text for each in read_manifest(hidden)}
    assert {each.id: each.reference for each in found.scored} == said
    heard = sorted(each.hypothesis for each in found.scored)
    assert heard == [f"{number:06} wav abå" for number in range(6)]
    assert found.facts["submission"]["name"] == "submission"
    assert found.facts["run"]["isolated"]


@pytest.mark.parametrize(
    ("script", "arguments", "message", "hint"),
    [
        ("sys.exit(3)", (), "left with exit code 3", "by hand"),
        ("raise ValueError('no model')", (), "| ValueError: no model", "by hand"),
        ("while True: pass", ("--set", "limits.seconds=1"), "not done after 1 s", "more time"),
        ("x = bytearray(10**10)", ("--set", "limits.memory_gb=1"), "MemoryError", "1 GB"),
        ("sys.exit('failed to map segment')", (), "exit code 1", "memory_gb=32"),
        ("pass", (), "0 logs of predictions (none), expected one", "--log_outputs"),
        ("log(['x'])", (), "5 of 6 recordings have no answer", "missing=empty"),
        ("log(['x'] * 7)", (), "answers recording 6, but there are 6", "index"),
        ("open('log_a_predictions.txt', 'w').write('hello')", (), "begins with 'hello'", "turns"),
        ("print('\\x1b[2J\\x07'); sys.exit(1)", (), "| ?[2J?", "by hand"),
        ("os.symlink('/etc/passwd', 'log_a_predictions.txt')", (), "no plain file", "link"),
    ],
)
def test_what_goes_wrong_is_said(
    run_challenge: RunChallenge,
    tmp_path: Path,
    script: str,
    arguments: tuple[str, ...],
    message: str,
    hint: str,
) -> None:
    done = run_challenge(script, *arguments)
    assert done.code == 1
    assert message in done.err
    assert hint in done.err.partition("hint:")[2]
    assert not list(tmp_path.glob("out/*.json*"))


def test_missing_answers_may_count_as_empty(run_challenge: RunChallenge) -> None:
    done = run_challenge("log(['x'])", "--set", "missing=empty")
    assert done.code == 0, done.err
    assert "WER 100.0 %" in done.out


def test_a_thief_finds_no_references(
    run_challenge: RunChallenge, hidden: Path, tmp_path: Path
) -> None:
    words = next(read_manifest(hidden)).text
    script = f"""
found = []
for top in ("/scratch", "/proc", "/tmp", "/dev", "/etc", "/work", "/root", "/home", "/var"):
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            if name.endswith("jsonl") or name in ("environ", "cmdline"):
                try:
                    text = open(path, errors="replace").read(10_000)
                except OSError:
                    continue
                if {words!r} in text or "hidden.jsonl" in text or {hidden.parent.name!r} in text:
                    found.append(path)
log([str(found)] * len(rows))
"""
    done = run_challenge(script)
    assert done.code == 0, done.err
    scored = read_evaluation(tmp_path / "out" / "hidden.utterances.jsonl").scored
    assert {each.hypothesis for each in scored} == {""}  # `[]`, of which punctuation goes


def test_what_claims_say_stands_beside_what_was_measured(
    run_challenge: RunChallenge, tmp_path: Path
) -> None:
    card = CARD.replace("27.0", "0.27").replace("9.0", "0.09")
    done = run_challenge("log(['x'] * 6)", "--common-voice", card=card)
    assert "WER 27.0 % (written 0.27, fraction): does NOT hold" in done.out
    (claim,) = read_evaluation(tmp_path / "out" / "common_voice.utterances.jsonl").facts["claims"]
    assert (claim["fraction"], claim["verdict"]) == (0.27, "too good")


def test_without_isolation_it_runs_only_on_request_and_says_so(
    run_challenge: RunChallenge, tmp_path: Path
) -> None:
    done = run_challenge("log(['x'] * 6)", "--set", "isolation=none")
    assert done.code == 0, done.err
    assert "NOT isolated" in done.out
    facts = read_evaluation(tmp_path / "out" / "hidden.utterances.jsonl").facts
    assert not facts["run"]["isolated"]


def test_references_within_reach_are_refused(tmp_path: Path, tone_manifest: Path) -> None:
    folder = write_submission(tmp_path / "mine", script=EVAL)
    (visible, *_) = find_interpreter(Path(shutil.which("python3") or "python3"))
    beside = next(visible.rglob("*.py"))
    manifest = tmp_path / "hidden.jsonl"
    write_manifest(manifest, [replace(each, audio=beside) for each in read_manifest(tone_manifest)])
    config = ChallengeRunConfig(
        repo=str(folder), manifest=manifest, output=tmp_path / "out", language="sv"
    )
    with pytest.raises(ConfigError, match="which every submission sees"):
        run_submission(config)


def test_what_can_be_known_before_is_refused_before(tmp_path: Path, hidden: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    given = {"repo": str(folder), "manifest": hidden, "output": tmp_path / "out"}
    (folder / "eval.py").unlink()
    with pytest.raises(SubmissionError, match=r"no `eval\.py`"):
        run_submission(ChallengeRunConfig(**given, language="sv"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no Python interpreter"):
        find_interpreter(Path("/bin/true"))
    with pytest.raises(ManifestError, match="no utterance has split `dev`"):
        run_submission(ChallengeRunConfig(**given, split="dev"))  # type: ignore[arg-type]
    plain = tmp_path / "plain.jsonl"
    write_manifest(plain, [replace(each, language=None) for each in read_manifest(hidden)])
    with pytest.raises(ConfigError, match="no utterance says its language"):
        run_submission(ChallengeRunConfig(**given | {"manifest": plain}))  # type: ignore[arg-type]


def test_check_lists_every_rule_and_passes_only_as_a_whole(
    run: Run, tmp_path: Path, tone_manifest: Path, hidden: Path
) -> None:
    folder = write_submission(tmp_path / "mine")
    done = run("challenge", "check", folder)
    assert done.code == 1
    assert "mine (" in done.out
    assert "10 passed, 0 failed, 1 not checked" in done.out
    log = "".join(f"{n}\n{each.text}\n" for n, each in enumerate(read_manifest(hidden)))
    (folder / "log_set_targets.txt").write_text(log)
    settled = ["--test-set", hidden, "--training", tone_manifest]
    done = run("challenge", "check", folder, *settled, "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["passes"]) == (0, True), done.out
    assert {each["verdict"] for each in facts["rules"]} == {"passed"}
    done = run("challenge", "check", folder, *settled, "--set", "training_split=all")
    assert done.code == 1
    assert "6 recordings of the test set stand in the training set" in done.out


def test_sentences_alone_are_found_too(
    run: Run, tmp_path: Path, tone_manifest: Path, hidden: Path
) -> None:
    folder = write_submission(tmp_path / "mine")
    train = list(read_manifest(tone_manifest, split="train"))
    said = [each.text for each in read_manifest(hidden)]
    read = [replace(each, text=text) for each, text in zip(train, said, strict=False)]
    write_manifest(tmp_path / "train.jsonl", read)
    done = run(
        *("challenge", "check", folder, "--test-set", hidden),
        *("--training", tmp_path / "train.jsonl"),
    )
    assert "FAILED       training: 6 sentences of train also in test" in done.out


def test_score_and_board_and_site(run: Run, tmp_path: Path) -> None:
    kinds = ("common_voice", "real_world", "hidden")
    for name, wrong in (("keen", 1), ("also", 1), ("deaf", 7)):
        claim = {"metric": "wer", "written": "0.05", "unit": "fraction", "fraction": 0.05}
        for role in kinds:
            scored = spoken([wrong + number % 3 for number in range(24)], speakers=8)
            measured(tmp_path / name, role, scored, name=name, claims=[claim | {"verdict": "x"}])
    done = run("challenge", "score", tmp_path / "keen")
    assert done.out.startswith("WER 20.0 % [")
    assert json.loads(run("challenge", "score", tmp_path / "keen", "--json").out)[
        "score"
    ] == pytest.approx(0.2)
    board = tmp_path / "board.sqlite"
    for number, name in enumerate(("deaf", "keen", "also"), start=1):
        done = run("challenge", "board", "add", board, tmp_path / name)
        assert done.out.startswith(f"entry {number}: WER ")
    assert run("challenge", "board", "add", board, tmp_path / "keen").code == 1
    done = run("challenge", "board", "site", board, "-o", tmp_path / "site", "--title", "Ours")
    assert done.code == 0
    page = (tmp_path / "site" / "sv.html").read_text(encoding="utf-8")
    rows = re.findall(r'data-value="(\d)">(\d=?)</td><th scope="row".*?>(\w+)</a>', page)
    assert rows == [("1", "1=", "keen"), ("1", "1=", "also"), ("3", "3", "deaf")]
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert '<a href="sv.html">sv</a>' in index
    assert "and 1 not told apart" in index
    for text in (page, index):
        assert not re.search(r'(src|href)="(https?:)?//', text)


def test_scores_that_miss_a_set_are_refused(tmp_path: Path, run: Run) -> None:
    measured(tmp_path / "a", "common_voice", spoken([1] * 6))
    done = run("challenge", "score", tmp_path / "a")
    assert (done.code, "2 of 3 sets not measured" in done.err) == (1, True)
    assert run("challenge", "score", tmp_path / "a", "--alone").code == 0
    with pytest.raises(SubmissionError, match="no set of the challenge was measured there"):
        score_submission(ChallengeScoreConfig(folder=tmp_path / "b"))


def test_a_board_takes_only_what_organisers_measured(tmp_path: Path) -> None:
    measured(tmp_path / "a", "common_voice", spoken([1] * 6), submission=None)
    config = BoardAddConfig(board=tmp_path / "b.sqlite", folder=tmp_path / "a", alone=True)
    with pytest.raises(SubmissionError, match="was not measured by"):
        add_entry(config)
    assert not (tmp_path / "b.sqlite").exists()
    with pytest.raises(SubmissionError, match="no such board"):
        build_site(BoardSiteConfig(board=tmp_path / "b.sqlite", output=tmp_path / "site"))


@pytest.mark.slow
def test_a_bundle_is_run_as_it_is_and_scores_what_evaluate_says(
    run: Run, tiny_bundle: Path, hidden: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "mine"
    shutil.copytree(tiny_bundle, bundle)
    done = run("challenge", "run", bundle, hidden, "--language", "und", "-o", tmp_path / "out")
    if "cannot be run in a cell" in done.err:
        pytest.skip(done.err)
    assert done.code == 0, done.err
    there = read_evaluation(tmp_path / "out" / "hidden.utterances.jsonl")
    assert run("evaluate", bundle, hidden, "--set", "device=cpu").code == 0
    here = read_evaluation(bundle / "evidence" / "hidden.utterances.jsonl")
    heard = {each.id: each.hypothesis for each in here.scored}
    assert {each.id: each.hypothesis for each in there.scored} == heard
