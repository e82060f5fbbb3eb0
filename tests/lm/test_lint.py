from pathlib import Path

import pytest

from anylect.errors import LanguageModelError
from anylect.lm.kenlm_binary import load_model
from anylect.lm.lint import Finding, lint_model
from anylect.lm.repair import repair_arpa


@pytest.fixture
def sound(golden: Path) -> str:
    return (golden / "order3.arpa").read_text()


def lint(folder: Path, text: str) -> list[Finding]:
    (folder / "a.arpa").write_text(text)
    return lint_model(folder / "a.arpa")


@pytest.mark.parametrize("name", ["order1.arpa", "order3.arpa", "pruned.arpa", "order5_trie.bin"])
def test_a_sound_model_has_no_findings(golden: Path, name: str) -> None:
    assert lint_model(golden / name) == []


def test_a_sound_probing_binary_has_no_findings(golden: Path) -> None:
    assert lint_model(golden / "order5_probing.bin") == []


def test_the_tutorial_s_patched_end_is_found_and_repaired(tmp_path: Path, sound: str) -> None:
    end = next(line for line in sound.split("\n") if "\t</s>\t" in line)
    findings = lint(tmp_path, sound.replace(end, "0\t</s>\t-0.5", 1))
    certain = next(finding for finding in findings if finding.code == "certain-end")
    assert certain.line == sound.split("\n").index(end) + 1
    assert certain.is_repairable
    repair = repair_arpa(tmp_path / "a.arpa", tmp_path / "b.arpa")
    assert any("</s>" in change for change in repair.changes)
    assert "certain-end" not in {finding.code for finding in lint_model(tmp_path / "b.arpa")}
    assert load_model(tmp_path / "b.arpa").score("")[0] < -0.5


def test_a_doubled_mark_is_found_and_repaired(tmp_path: Path, sound: str) -> None:
    doubled = sound.replace("ngram 1=93", "ngram 1=94").replace(
        "\n\n\\2-grams:", "\n-1\t</s>\t0\n\n\\2-grams:"
    )
    findings = lint(tmp_path, doubled)
    assert [finding.code for finding in findings] == ["doubled-word", "unreadable"]
    assert findings[0].line == 1 + doubled.split("\n").index("-1\t</s>\t0")
    repair_arpa(tmp_path / "a.arpa", tmp_path / "b.arpa")
    assert lint_model(tmp_path / "b.arpa") == []


@pytest.mark.parametrize("mark", ["<s>", "</s>", "<unk>"])
def test_a_missing_mark_is_found_and_repaired(tmp_path: Path, sound: str, mark: str) -> None:
    lines = [line for line in sound.split("\n") if mark not in line.split()]
    (tmp_path / "cut.arpa").write_text("\n".join(lines))
    repair_arpa(tmp_path / "cut.arpa", tmp_path / "b.arpa")
    assert not any(f.code == "missing-mark" for f in lint_model(tmp_path / "b.arpa"))
    counts = [
        sum(
            len(line.split()) in (k + 1, k + 2) and line[0] in "-0"
            for line in part.split("\n")
            if line
        )
        for k, part in enumerate("\n".join(lines).split("-grams:")[1:], start=1)
    ]
    text = "\n".join(lines)
    for k, (old, new) in enumerate(zip((93, 494, 667), counts, strict=True), start=1):
        text = text.replace(f"ngram {k}={old}", f"ngram {k}={new}")
    findings = lint(tmp_path, text)
    assert f"`{mark}` is not in the model" in {finding.message for finding in findings}


def test_sums_that_are_not_one_are_found(tmp_path: Path, sound: str) -> None:
    bigram = next(line for line in sound.split("\n") if line.split()[1:3] == ["<s>", "w0"])
    changed = bigram.replace(bigram.split("\t")[0], "-0.01")
    findings = lint(tmp_path, sound.replace(bigram, changed))
    assert [finding.code for finding in findings] == ["wrong-sum"]
    assert "after `<s>`" in findings[0].message


def test_words_no_token_can_spell_are_found(golden: Path) -> None:
    letters = "w0123456"
    findings = lint_model(golden / "order3.arpa", characters=letters)
    assert [finding.code for finding in findings] == ["unspellable"]
    assert "`w7`" in findings[0].message or "no token for" in findings[0].message
    assert findings[0].line
    assert not findings[0].is_error


def test_the_other_case_is_found(golden: Path) -> None:
    codes = [f.code for f in lint_model(golden / "order3.arpa", characters="W0123456789")]
    assert codes == ["casing", "unspellable"]


def test_another_normalizer_is_found(golden: Path) -> None:
    findings = lint_model(golden / "order3.arpa", normalize=str.upper)
    assert [finding.code for finding in findings] == ["normalizer"]


def test_damage_that_cannot_be_read_is_repaired(tmp_path: Path, sound: str) -> None:
    damaged = sound.replace("ngram 2=494", "ngram 2=490").replace("\\end\\", "")
    findings = lint(tmp_path, damaged)
    assert [finding.code for finding in findings] == ["unreadable"]
    assert findings[0].line
    repair_arpa(tmp_path / "a.arpa", tmp_path / "b.arpa")
    assert lint_model(tmp_path / "b.arpa") == []


def test_what_is_no_arpa_file_cannot_be_repaired(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing here")
    with pytest.raises(LanguageModelError, match="no n-grams to repair"):
        repair_arpa(tmp_path / "a", tmp_path / "b")
