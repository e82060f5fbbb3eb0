"""Comparisons of what evaluations left, and of bundles."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Run

from anylect.errors import BundleError, ConfigError, ManifestError
from anylect.evaluation.report import Signature, report
from anylect.evaluation.scoreboard import ScoredUtterance, score
from anylect.hub.evidence import Evidence
from anylect.workflows.compare import CompareConfig, compare, short_names


def spoken(*, wrong: int, speakers: int = 8, language: str = "sv") -> list[ScoredUtterance]:
    """Four utterances of ten words a speaker, the first `wrong` words of each misheard."""
    said = [f"{language}{number}" for number in range(10)]
    return [
        replace(
            score(
                " ".join(said), " ".join(["x"] * (wrong + number % 2) + said[wrong + number % 2 :])
            ),
            id=f"u{number}",
            speaker=f"s{number % speakers}",
        )
        for number in range(4 * speakers)
    ]


def leave(
    folder: Path, scored: list[ScoredUtterance], *, name: str = "manifest.test", **facts: str
) -> Path:
    """Leave evidence as `anylect evaluate` does."""
    signature = Signature(
        normalizer=facts.pop("normalizer", "sv-1"),
        normalizer_hash=facts.pop("hash", "0"),
        decoding=facts.pop("decoding", "greedy"),
    )
    with Evidence(folder / "bundle" / "evidence", name) as evidence:
        for each in scored:
            evidence.add(each)
    made = report(scored, signature=signature, language=facts.get("language", "sv"))
    evidence.conclude({**made.to_json(), **facts})
    return folder / "bundle"


def test_two_bundles_are_compared_by_the_set_both_have(tmp_path: Path, run: Run) -> None:
    greedy = leave(tmp_path / "greedy", spoken(wrong=3))
    fused = leave(tmp_path / "fused", spoken(wrong=1), decoding="beam 100")
    leave(tmp_path / "greedy", spoken(wrong=3), name="other")
    done = run("compare", greedy, fused)
    assert done.code == 0
    assert done.out.startswith("fused is better by 20.0 points of WER [20.0, 20.0], p = 0.008; ")
    assert "decoding: greedy greedy; fused beam 100" in done.out
    assert "by speaker (8)" in done.out


def test_json_has_the_same(tmp_path: Path, run: Run) -> None:
    first, second = (leave(tmp_path / name, spoken(wrong=2)) for name in "ab")
    facts = json.loads(run("compare", first, second, "--json").out)
    assert facts["sentence"] == "a and b say the same in all 32 utterances"
    assert facts["wer"]["difference"] == 0


def test_another_normalizer_is_noted(tmp_path: Path) -> None:
    first = leave(tmp_path / "a", spoken(wrong=2))
    second = leave(tmp_path / "b", spoken(wrong=1), normalizer="sv-2", hash="1")
    notes = compare(CompareConfig(first=first, second=second)).notes
    assert any("a was scored under normalizer sv-1 and b under sv-2" in note for note in notes)


def test_other_sets_are_refused(tmp_path: Path, run: Run) -> None:
    first = leave(tmp_path / "a", spoken(wrong=2))
    second = leave(tmp_path / "b", spoken(wrong=1)[:-2])
    done = run("compare", first, second)
    assert done.code == 1
    assert "2 of 32 utterances of a are missing in b (`u30`, `u31`)" in done.err
    third = leave(tmp_path / "c", spoken(wrong=1, language="fi"))
    with pytest.raises(ManifestError, match="32 of 32 utterances have another reference"):
        compare(CompareConfig(first=first, second=third))


def test_bundles_are_evaluated_first_where_a_manifest_is_given(
    tiny_bundle: Path, tone_manifest: Path
) -> None:
    config = CompareConfig(
        first=tiny_bundle, second=tiny_bundle, manifest=tone_manifest, split="test", device="cpu"
    )
    assert compare(config).sentence == "A and B say the same in all 6 utterances"


def test_a_split_needs_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no manifest is given"):
        CompareConfig(first=tmp_path, second=tmp_path, split="test")


def test_what_is_no_evidence_is_refused(tmp_path: Path) -> None:
    first = leave(tmp_path / "a", spoken(wrong=2))
    with pytest.raises(BundleError, match="no scored utterances there"):
        compare(CompareConfig(first=first, second=tmp_path / "b"))


def test_paths_are_named_by_what_tells_them_apart() -> None:
    paths = [Path("a.utterances.jsonl"), Path("b.utterances.jsonl")]
    assert short_names(paths) == ["a", "b"]
    assert short_names([Path("runs/x/e/t"), Path("runs/x/e2/t")]) == ["e", "e2"]
    assert short_names([Path("t"), Path("x/t")]) == ["A", "B"]
