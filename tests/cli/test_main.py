import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import anylect
from anylect.cli.main import COMMANDS, commands


def run(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anylect", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(commands, ["--help"])
    assert result.exit_code == 0
    for name, help_text in COMMANDS.items():
        assert name in result.output
        assert help_text.split()[0] in result.output


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(commands, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, anylect.cli.main as m, click.testing as t;"
        "t.CliRunner().invoke(m.commands, ['--help']);"
        "print([n for n in ('numpy', 'torch', 'transformers', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_help_answers_within_three_tenths_of_a_second() -> None:
    run("--help")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        run("--help")
        times.append(time.perf_counter() - began)
    assert min(times) < 0.3


def test_public_names_are_what_all_says() -> None:
    for name in anylect.__all__:
        assert getattr(anylect, name) is not None
    with pytest.raises(AttributeError, match="has no `Recogniser`"):
        _ = anylect.Recogniser


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["frobnicate"], 2, "No such command", ""),
        (["train", "missing.toml"], 2, "missing.toml: cannot be read", "give the path"),
        (["train", "--set", "sed=1"], 2, "unknown key `sed`", "did you mean `seed`?"),
        (["train", "--set", "manifest=m.jsonl"], 2, "`output` is not set", "add `output"),
        (["transcribe", "nowhere", "a.wav"], 1, "nowhere: no such folder", "`bundle` folder"),
        (["prepare", "nowhere", "-o", "out"], 1, "nowhere", ""),
        (["demo", "--language", "tlh"], 2, "no built-in text for language `tlh`", "known: "),
    ],
)
def test_misuse_gives_a_message_a_hint_and_its_code(
    tmp_path: Path, arguments: list[str], code: int, message: str, hint: str
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_one_broken_recording_does_not_lose_the_others(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    good = sorted(tone_manifest.parent.glob("test-*.wav"))[:2]
    broken = tmp_path / "broken.wav"
    broken.write_text("I am a text file")
    done = run("transcribe", tiny_bundle, good[0], broken, good[1], "--device", "cpu")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(path) for path in good]
    assert "broken.wav" in done.stderr
    assert "2 of 3 transcribed" in done.stderr
    assert "Traceback" not in done.stderr
