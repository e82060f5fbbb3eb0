"""NIST's conventions: where sclite counts as we do, and where it prefers more right words.

sclite charges 4 for a substitution and 3 for a deletion or insertion, so it takes a deletion and
an insertion for two substitutions (6 for 8) where that saves a right word. It can therefore
count more errors than there need be; never fewer.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from anylect.evaluation.error_rate import Edit, count_errors
from anylect.evaluation.matched_pairs import matched_pairs, segments
from anylect.evaluation.report import Signature, report
from anylect.evaluation.scoreboard import score

GOLDEN = json.loads(Path(__file__).with_name("golden_sclite.json").read_text(encoding="utf-8"))
CASES = GOLDEN["cases"]
KINDS = {"C": "=", "S": "S", "D": "D", "I": "I"}


def edits(unit: str, case: dict[str, Any]) -> tuple[int, int, int]:
    reference, hypothesis = case["reference"], case["hypothesis"]
    if unit == "characters":  # sclite's characters are those of words: spaces are none
        reference, hypothesis = "".join(reference.split()), "".join(hypothesis.split())
        counts = count_errors(reference, hypothesis)
    else:
        counts = count_errors(reference.split(), hypothesis.split())
    return counts.substitutions, counts.deletions, counts.insertions


@pytest.mark.parametrize("unit", ["words", "characters"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["hypothesis"] or "nothing")
def test_sclite_never_counts_fewer_errors(case: dict[str, Any], unit: str) -> None:
    theirs, ours = case[unit], edits(unit, case)
    assert sum(ours) <= sum(theirs)
    assert ours[2] - ours[1] == theirs[2] - theirs[1]
    assert 4 * ours[0] + 3 * (ours[1] + ours[2]) >= 4 * theirs[0] + 3 * (theirs[1] + theirs[2])


def test_nearly_everywhere_it_counts_the_same() -> None:
    other = {
        case["hypothesis"]: (sum(edits("words", case)), sum(case["words"]))
        for case in CASES
        if sum(edits("words", case)) != sum(case["words"])
    }
    # Five substitutions; sclite has three deletions and three insertions, and two right words.
    assert other == {"w x p q r": (5, 6)}


def test_an_empty_reference_counts_as_insertions() -> None:
    (case,) = (case for case in CASES if (case["reference"], case["hypothesis"]) == ("", "a b"))
    made = report([score("", "a b"), score("a", "a")], signature=Signature(normalizer="none-1"))
    assert made.wer.counts is not None
    assert case["words"] == [0, 0, made.wer.counts.insertions] == [0, 0, 2]
    assert made.wer.rate == 2.0


def test_the_matched_pairs_test_is_that_of_sc_stats() -> None:
    golden = GOLDEN["matched_pairs"]
    cut = []
    for pair in golden["alignments"]:
        first, second = (
            [Edit(KINDS[kind], said or None, heard or None) for kind, said, heard in path]  # type: ignore[arg-type]  # a Kind
            for path in pair
        )
        cut += list(segments(first, second))
    found = matched_pairs(cut)
    assert found.segments == golden["segments"]
    assert found.mean == pytest.approx(-golden["mean"], abs=5e-4)
    assert found.z == pytest.approx(-golden["z"], abs=5e-4)
