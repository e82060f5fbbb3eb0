"""Normalizers that merge words, ours and those hidden in code."""

from pathlib import Path

import pytest
from tests.challenge.conftest import write_submission

from anylect.challenge.normalizing import check_normalizer
from anylect.text.normalize import Normalizer, default_normalizer, save_normalizer
from anylect.text.steps import Replace

SAID = ["Året är här!", "Det ar inte sant", "Är det så?"]


def test_our_recipe_passes(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    save_normalizer(default_normalizer("sv"), folder / "normalizer.json")
    found = check_normalizer(folder, SAID, language="sv")
    assert (found.verdict, found.reason) == (
        "passed",
        "keeps 8 different words apart (recipe `sv-1`)",
    )


def test_a_recipe_that_strips_accents_fails_with_the_words(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    steps = default_normalizer("sv").steps
    recipe = Normalizer("bad-1", "sv", (*steps[:2], Replace(map={"ä": "a"}), *steps[2:]))
    save_normalizer(recipe, folder / "normalizer.json")
    found = check_normalizer(folder, SAID, language="sv")
    assert found.verdict == "failed"
    assert "är, ar → ar" in found.reason


@pytest.mark.parametrize(
    ("targets", "verdict", "reason"),
    [
        (["året är här", "det ar inte sant", "är det så"], "passed", "keeps 8 different words"),
        (["aret ar har", "det ar inte sant", "ar det sa"], "failed", "är, ar → ar"),
        (["året här", "det ar inte sant", "är det så"], "failed", "nothing is left of 1 words: är"),
        (["året är här"], "unchecked", "is not of this test set (3 transcripts)"),
    ],
)
def test_code_is_judged_by_the_references_it_logs(
    tmp_path: Path, targets: list[str], verdict: str, reason: str
) -> None:
    folder = write_submission(tmp_path / "mine")
    log = "".join(f"{index}\n{text}\n" for index, text in enumerate(targets))
    (folder / "log_cv_sv_test_targets.txt").write_text(log, encoding="utf-8")
    found = check_normalizer(folder, SAID, language="sv")
    assert found.verdict == verdict
    assert reason in found.reason


def test_a_recipe_that_is_not_the_one_used_is_found_out(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    save_normalizer(default_normalizer("sv"), folder / "normalizer.json")
    log = "0\naret ar har\n1\ndet ar inte sant\n2\nar det sa\n"
    (folder / "log_cv_targets.txt").write_text(log, encoding="utf-8")
    found = check_normalizer(folder, SAID, language="sv")
    assert found.verdict == "failed"
    assert "seen in `log_cv_targets.txt`" in found.reason


def test_what_cannot_be_checked_says_what_it_takes(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    assert "--test-set" in check_normalizer(folder, [], language="sv").remedy
    assert "--log_outputs" in check_normalizer(folder, SAID, language="sv").remedy
    secret = tmp_path / "secret"
    secret.write_text("0\nx\n1\ny\n2\nz\n")
    (folder / "log_x_targets.txt").symlink_to(secret)
    assert check_normalizer(folder, SAID, language="sv").verdict == "unchecked"
