"""What the README and the guides show must run."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from click import Context, Group
from click.testing import CliRunner

from anylect.cli.main import commands
from anylect.config import build_config
from anylect.data.manifest import read_manifest
from anylect.workflows.train import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_lines_of_the_readme_run(
    tiny_bundle: Path,
    tone_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    shutil.copytree(tiny_bundle, tmp_path / "runs" / "demo-en" / "run" / "bundle")
    shutil.copy(next(read_manifest(tone_manifest)).audio, tmp_path / "talk.mp3")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2


def path_of(words: list[str]) -> list[str]:
    """Return the words that name a command; those of groups have help of their own."""
    path, command = [], commands.get_command(Context(commands), words[0])
    for word, following in zip(words, [*words[1:], ""], strict=True):
        path.append(word)
        found = command.commands.get(following) if isinstance(command, Group) else None
        if found is None:
            break
        command = found
    return path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    for block in blocks(page, "sh"):
        for line in re.findall(r"^anylect (.*)$", block, re.MULTILINE):
            words = line.partition("#")[0].split()
            path = path_of(words)
            help_text = CliRunner().invoke(commands, [*path, "--help"])
            assert help_text.exit_code == 0, f"{page.name}: anylect {line}"
            for option in (word for word in words if re.match("-{1,2}[a-z]", word)):
                assert option in help_text.output, f"{page.name}: anylect {line}: {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_configuration_shown_is_understood(page: Path) -> None:
    for block in blocks(page, "toml"):
        build_config(TrainConfig, {"manifest": "m", "output": "o"} | tomllib.loads(block))


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_every_recipe_is_understood(recipe: Path) -> None:
    build_config(TrainConfig, tomllib.loads(recipe.read_text(encoding="utf-8")))
