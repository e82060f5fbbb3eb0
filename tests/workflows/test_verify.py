import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import Run

from anylect.errors import BundleError
from anylect.hub.card import build_card
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.verify import VerifyConfig, verify


@pytest.fixture
def claimed(tiny_bundle: Path, tone_manifest: Path, tmp_path: Path) -> Path:
    """A bundle with an evaluation on the test split, and its card."""
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder, ignore=shutil.ignore_patterns("manifest*"))
    evaluate(EvaluateConfig(bundle=folder, manifest=tone_manifest, split="test", device="cpu"))
    build_card(folder)
    return folder


def test_a_true_claim_holds_exactly(claimed: Path, tone_manifest: Path, run: Run) -> None:
    done = run("verify", claimed, "--manifest", tone_manifest, "--device", "cpu")
    assert done.code == 0, done.out
    assert "manifest.test: holds exactly (WER" in done.out
    assert "batched: safe" in done.out
    assert not (claimed / "evidence" / "manifest_test.json").exists()


def test_a_forged_claim_does_not_hold(claimed: Path, tone_manifest: Path, run: Run) -> None:
    path = claimed / "evidence" / "manifest.test.json"
    facts = json.loads(path.read_text())
    facts["wer"] |= {"substitutions": 0, "insertions": 0, "deletions": 1, "errors": 1}
    path.write_text(json.dumps(facts))
    done = run("verify", claimed, "--manifest", tone_manifest, "--set", "parity=false")
    assert done.code == 1
    assert "manifest.test: does NOT hold" in done.out
    assert "the evidence contradicts itself: 1 errors in the report" in done.out
    assert "README.md claims WER" in done.out


def test_other_data_prove_nothing(claimed: Path, tone_manifest: Path) -> None:
    other = tone_manifest.with_name("other.jsonl")
    lines = tone_manifest.read_text().splitlines()
    other.write_text("\n".join(lines[:-1]) + "\n")
    found = verify(VerifyConfig(bundle=str(claimed), manifest=other, parity=False))
    assert not found.holds
    text = "\n".join(found.lines())
    assert "the manifest has another checksum" in text
    assert "there were 6 utterances, now 5" in text


def test_a_claim_whose_data_are_not_here_is_not_checked(claimed: Path) -> None:
    found = verify(VerifyConfig(bundle=str(claimed), parity=False))
    assert not found.holds
    assert found.lines() == ["not checked: manifest.test: say where `manifest` is: `--manifest`"]


def test_a_bundle_that_claims_nothing_is_said(claimed: Path) -> None:
    with pytest.raises(BundleError, match="no evaluation `x` to verify"):
        verify(VerifyConfig(bundle=str(claimed), name="x"))


@pytest.mark.parametrize("option", ["lm", "hotwords"])
def test_a_claim_made_with_what_the_bundle_lacks_is_not_checked(
    option: str, claimed: Path, tone_manifest: Path
) -> None:
    path = claimed / "evidence" / "manifest.test.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {option: "mine.txt"}))
    found = verify(VerifyConfig(bundle=str(claimed), manifest=tone_manifest, parity=False))
    assert not found.holds
    said = f"not checked: manifest.test: it was made with `--{option} mine.txt`"
    assert found.lines() == [f"{said}, which is not in the bundle"]
