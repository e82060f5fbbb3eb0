from pathlib import Path

import pytest
from click.testing import CliRunner

from anylect.cli.lm import group, parse_bytes
from anylect.data.manifest import write_manifest
from anylect.errors import AnylectError, ConfigError
from anylect.lm.arpa import read_arpa
from anylect.lm.kenlm_binary import load_model
from anylect.records import Utterance

TEXT = "The cat sat.\nThe dog sat!\na cat ran\n" * 5


def run(*arguments: str | Path, exit_code: int = 0) -> str:
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    if isinstance(result.exception, AnylectError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_build_writes_a_binary_and_says_what_it_did(text: Path, tmp_path: Path) -> None:
    out = run("build", text, "-o", tmp_path / "lm.bin", "--order", "3", "--language", "en")
    assert "3-gram of words" in out
    assert "from 15 sentences, 45 words" in out
    assert "unit: word (detected: 0% of letters in scripts without spaces" in out
    assert "normalizer: en-1" in out
    assert "discounts of order 3 fell back to (0.5, 1.0, 1.5)" in out
    model = load_model(tmp_path / "lm.bin")
    assert list(model.words)[3:] == ["the", "cat", "sat", "dog", "a", "ran"]


def test_build_honours_order_pruning_limits_and_memory(text: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("cat sat\nthe")
    options = ["--order", "2", "--prune", "0 5", "--memory", "1M", "--language", "en"]
    run("build", text, "-o", tmp_path / "a.arpa", *options, "--limit", tmp_path / "words")
    tables = read_arpa(tmp_path / "a.arpa")
    assert list(tables.words) == ["<unk>", "<s>", "</s>", "the", "cat", "sat"]
    assert tables.order == 2


def test_build_learns_from_the_training_split_and_leaves_the_test_out(tmp_path: Path) -> None:
    sides = [("train", "one two"), ("train", "three four"), ("test", "one two")]
    utterances = [
        Utterance(audio=tmp_path / f"{i}.wav", text=text, id=str(i), split=split)
        for i, (split, text) in enumerate(sides)
    ]
    write_manifest(tmp_path / "all.jsonl", utterances)
    write_manifest(tmp_path / "test.jsonl", utterances[2:])
    manifest, output = tmp_path / "all.jsonl", tmp_path / "a.arpa"
    out = run("build", manifest, "-o", output, "--exclude", tmp_path / "test.jsonl")
    assert "from 1 sentences" in out
    assert "left out: 1 excluded" in out
    assert "one" not in list(read_arpa(output).words)
    # A manifest that is learnt from and excluded loses what its other splits say.
    assert "from 1 sentences" in run("build", manifest, "-o", output, "--exclude", manifest)
    assert "three" in list(read_arpa(output).words)


def test_perplexity_reports_unknown_words_apart(text: Path, tmp_path: Path) -> None:
    run("build", text, "-o", tmp_path / "lm.bin", "--order", "2", "--language", "en")
    (tmp_path / "dev").write_text("the cat barked\n")
    out = run("perplexity", tmp_path / "lm.bin", tmp_path / "dev", "--language", "en")
    assert "OOV 1 of 3 words (33.33%)" in out


def test_lint_fails_on_a_broken_model_and_repairs_it(text: Path, tmp_path: Path) -> None:
    arpa = tmp_path / "a.arpa"
    run("build", text, "-o", arpa, "--order", "2", "--language", "en")
    assert "nothing found" in run("lint", arpa, "--language", "en")
    lines = arpa.read_text().split("\n")
    end = next(line for line in lines if "\t</s>\t" in line)
    arpa.write_text("\n".join(lines).replace(end, "0\t</s>\t0"))
    out = run("lint", arpa, exit_code=1)
    assert f"error: {arpa}:{lines.index(end) + 1}: P(</s>) is 1" in out
    out = run("lint", arpa, "--repair", tmp_path / "b.bin")
    assert "repaired: 1 `</s>` given a usual probability" in out
    assert load_model(tmp_path / "b.bin").kind == "probing"


def test_prune_mix_and_info(text: Path, tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in ("a.arpa", "b.arpa", "c.bin"))
    run("build", text, "-o", a, "--order", "3", "--language", "en")
    assert "1-grams: 9 of 9" in run("prune", a, "-o", b, "--order", "2")
    assert "weight of the first model" in run("mix", a, b, "-o", c, "--dev", text)
    out = run("info", c)
    assert "probing, order 3" in out
    assert "sentence marks: <s> </s>" in out
    assert "words: <unk> <s> </s> the cat" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "{text}", "-o", "lm.txt"], "no format is known for `.txt`"),
        (["build", "{text}", "-o", "lm.bin", "--memory", "much"], "--memory much: no size"),
        (["build", "{text}", "-o", "lm.bin", "--order", "9"], "order 9 cannot be estimated"),
        (["build", "{text}", "-o", "lm.bin", "--set", "estimation.oder=3"], "unknown key"),
        (["prune", "{text}", "-o", "b.bin"], "nothing to prune by"),
        (["mix", "{text}", "{text}", "-o", "b.bin"], "no text is given"),
        (["info", "{text}"], r"no `\\data\\` section"),
        (["info", "nowhere.bin"], "cannot be read"),
    ],
)
def test_misuse_is_named(text: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(AnylectError, match=message) as caught:
        run(*(argument.format(text=text) for argument in arguments))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("size", "expected"), [("500", 500), ("2G", 2 * 10**9), ("1.5 MB", 1_500_000), ("10k", 10_000)]
)
def test_sizes_are_read(size: str, expected: int) -> None:
    assert parse_bytes(size) == expected


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(ConfigError):
        parse_bytes("-3")
