import json
from pathlib import Path

import pytest

from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.errors import BundleError, ManifestError
from anylect.hub.bundle import load_bundle
from anylect.workflows.evaluate import EvaluateConfig, evaluate


def test_a_score_leaves_its_evidence(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        bundle=tiny_bundle, manifest=tone_manifest, split="test", output=tmp_path, device="cpu"
    )
    report = evaluate(config)
    facts = json.loads((tmp_path / "manifest.test.json").read_text())
    assert facts["signature"] == report.line
    assert facts["manifest_sha256"] == manifest_checksum(tone_manifest)
    assert facts["split"] == "test"
    lines = (tmp_path / "manifest.test.utterances.jsonl").read_text().splitlines()
    utterances = [json.loads(line) for line in lines]
    wanted = list(read_manifest(tone_manifest, split="test"))
    assert [each["id"] for each in utterances] == [each.id for each in wanted]
    edits = [edit for each in utterances for edit in each["alignment"]]
    assert sum(kind != "=" for kind, _, _ in edits) == report.wer.errors
    assert sum(kind != "I" for kind, _, _ in edits) == report.wer.length
    assert report.rtf is not None
    assert f"normalizer {load_bundle(tiny_bundle, device='cpu').normalizer.name}" in report.line


def test_the_same_seed_gives_the_same_interval(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        bundle=tiny_bundle, manifest=tone_manifest, output=tmp_path, device="cpu"
    )
    first, second = evaluate(config), evaluate(config)
    assert first.wer == second.wer
    assert first.cer == second.cer


def test_an_unreadable_recording_is_counted_and_listed(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    records = [json.loads(line) for line in tone_manifest.read_text().splitlines()]
    for record in records:
        record["audio"] = str(tone_manifest.parent / record["audio"])
    records[2]["audio"] = str(tmp_path / "gone.wav")
    manifest = tmp_path / "set.jsonl"
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = evaluate(EvaluateConfig(bundle=tiny_bundle, manifest=manifest, output=tmp_path))
    assert dict(report.skipped) == {"unreadable": 1}
    assert report.ser.length == len(records) - 1
    assert "35 of 36 scored; 1 unreadable" in report.text()
    lines = (tmp_path / "set.utterances.jsonl").read_text().splitlines()
    assert len(lines) == len(records)
    assert "gone.wav" in json.loads(lines[2])["unreadable"]


def test_nothing_to_score_is_an_error(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        bundle=tiny_bundle, manifest=tone_manifest, split="tset", output=tmp_path / "out"
    )
    with pytest.raises(ManifestError, match=r"split `tset` of .*: nothing to score") as caught:
        evaluate(config)
    assert "--split" in str(caught.value.hint)
    assert not list((tmp_path / "out").iterdir())


def test_a_place_that_cannot_be_written_to_is_named(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    config = EvaluateConfig(
        bundle=tiny_bundle, manifest=tone_manifest, output=tmp_path / "file" / "out"
    )
    with pytest.raises(BundleError, match="cannot be written to") as caught:
        evaluate(config)
    assert "--output" in str(caught.value.hint)
