"""The eval contract, over every kind of set there is."""

import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import Run

from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.errors import ConfigError, HubError, ManifestError
from anylect.evaluation.evidence_files import read_evaluation
from anylect.workflows.eval import EvalConfig, evaluate_contract, read_device
from anylect.workflows.evaluate import EvaluateConfig, evaluate

datasets = pytest.importorskip("datasets")


@pytest.fixture
def rows(tone_manifest: Path) -> list[dict[str, object]]:
    """The test split as a data set holds it: bytes, and the transcript as `sentence`."""
    return [
        {
            "audio": {"bytes": each.audio.read_bytes(), "path": each.audio.name},
            "sentence": each.text,
            "client_id": each.speaker,
            "gender": "other",
        }
        for each in read_manifest(tone_manifest, split="test")
    ]


@pytest.fixture
def sets(rows: list[dict[str, object]], tone_manifest: Path, tmp_path: Path) -> dict[str, Path]:
    """The same six utterances in every form that `--dataset` may have."""
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio(decode=False))
    table = table.cast_column("audio", datasets.Audio())
    (tmp_path / "parquet").mkdir()
    table.to_parquet(tmp_path / "parquet" / "test-00000-of-00001.parquet")
    datasets.DatasetDict(test=table).save_to_disk(tmp_path / "saved")
    table.save_to_disk(tmp_path / "one")
    release = tmp_path / "cv" / "sv"
    (release / "clips").mkdir(parents=True)
    lines = ["client_id\tpath\tsentence"]
    folder = tmp_path / "folder" / "test"
    folder.mkdir(parents=True)
    names = ["file_name,sentence"]
    for each in read_manifest(tone_manifest, split="test"):
        shutil.copy(each.audio, release / "clips")
        shutil.copy(each.audio, folder)
        lines.append(f"{each.speaker}\t{each.audio.name}\t{each.text}")
        names.append(f"{each.audio.name},{each.text}")
    (release / "test.tsv").write_text("\n".join(lines) + "\n")
    (folder / "metadata.csv").write_text("\n".join(names) + "\n")
    return {
        **{name: tmp_path / name for name in ("parquet", "saved", "one", "cv", "folder")},
        "manifest": tone_manifest,
    }


@pytest.mark.parametrize("kind", ["manifest", "parquet", "saved", "one", "cv", "folder"])
def test_every_kind_of_set_gives_the_same_score(
    tiny_bundle: Path, sets: dict[str, Path], tmp_path: Path, kind: str, tone_manifest: Path
) -> None:
    found = evaluate_contract(
        EvalConfig(
            model_id=str(tiny_bundle),
            dataset=str(sets[kind]),
            config="sv" if kind == "cv" else None,
            split="test",
            device="-1",
            output=tmp_path / "out",
            evidence=tmp_path / "evidence",
            parity="off",
        )
    )
    config = EvaluateConfig(
        bundle=tiny_bundle, manifest=tone_manifest, split="test", output=tmp_path / "other"
    )
    expected = evaluate(config)
    assert found.report.wer.errors == expected.wer.errors
    assert found.report.cer.counts == expected.cer.counts
    assert found.report.speakers == (expected.speakers if kind != "folder" else 0)
    assert found.results == f"WER: {expected.wer.rate}\nCER: {expected.cer.rate}"
    assert "RTFx" in found.text()


def test_the_command_leaves_the_files_of_the_contract_and_evidence(
    tiny_bundle: Path,
    tone_manifest: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    given = ["--model_id", "./bundle", "--dataset", str(tone_manifest), "--config", "und"]
    done = run("eval", *given, "--split", "test", "--log_outputs", "--device", "-1")
    assert done.code == 0, done.err
    results = (tmp_path / "manifest_und_test_eval_results.txt").read_text()
    assert done.out == results + "\n"
    name, wer = results.splitlines()[0].split(": ")
    assert name == "WER"
    targets = (tmp_path / "log_manifest_und_test_targets.txt").read_text().splitlines()
    predictions = (tmp_path / "log_manifest_und_test_predictions.txt").read_text().splitlines()
    wanted = [each.text for each in read_manifest(tone_manifest, split="test")]
    assert targets[0::2] == predictions[0::2] == [str(index) for index in range(len(wanted))]
    assert targets[1::2] == wanted
    stored = read_evaluation(tmp_path / "bundle" / "evidence" / "manifest_und_test.json")
    assert [each.hypothesis for each in stored.scored] == predictions[1::2]
    assert stored.facts["wer"]["rate"] == float(wer)
    assert stored.facts["manifest_sha256"] == manifest_checksum(tone_manifest)
    assert stored.facts["dataset"]["kind"] == "manifest"
    assert "model.safetensors" in stored.facts["circumstances"]["sha256"]
    assert stored.facts["versions"]["python"]
    assert str(tmp_path) not in json.dumps(stored.facts)
    assert "padded: safe, largest deviation of a probability" in done.err


def test_chunks_change_the_emissions_and_stand_in_the_evidence(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    found = evaluate_contract(
        EvalConfig(
            model_id=str(tiny_bundle),
            dataset=str(tone_manifest),
            split="test",
            chunk_length_s=0.6,
            stride_length_s=0.1,
            output=tmp_path,
            evidence=tmp_path,
        )
    )
    facts = json.loads(found.evidence.read_text())
    assert facts["chunk_length_s"] == 0.6
    assert found.evidence.name == "manifest_test.chunks-0.6-0.1.json"
    assert any(line.startswith("chunks of 0.6 s with strides of 0.1 s") for line in facts["parity"])


def test_the_first_rows_of_a_split_can_be_taken(
    tiny_bundle: Path, sets: dict[str, Path], tmp_path: Path
) -> None:
    for kind in ("manifest", "parquet"):
        found = evaluate_contract(
            EvalConfig(
                model_id=str(tiny_bundle),
                dataset=str(sets[kind]),
                split="test[:2]",
                output=tmp_path,
                evidence=tmp_path,
                parity="off",
            )
        )
        assert found.report.ser.length == 2


@pytest.mark.parametrize(
    ("kind", "given", "error", "message"),
    [
        ("manifest", {"split": "tset"}, ManifestError, "no utterance has split `tset`"),
        ("saved", {"split": "tset"}, HubError, "no split `tset`"),
        ("parquet", {"split": "test[10%:]"}, HubError, "cannot be taken from a stream"),
        ("parquet", {"columns": {"text": "words"}}, HubError, "no column for text; there are"),
        ("manifest", {"stride_length_s": 1.0}, ConfigError, "there are no chunks"),
    ],
)
def test_what_cannot_be_scored_is_said(
    tiny_bundle: Path,
    sets: dict[str, Path],
    tmp_path: Path,
    kind: str,
    given: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    settings = {"split": "test", "output": tmp_path, "evidence": tmp_path, "parity": "off", **given}
    with pytest.raises(error, match=message) as caught:
        evaluate_contract(
            EvalConfig(model_id=str(tiny_bundle), dataset=str(sets[kind]), **settings)  # type: ignore[arg-type]  # a table's values
        )
    assert getattr(caught.value, "hint", None)


def test_an_unreadable_row_is_counted(
    tiny_bundle: Path, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    datasets.disable_progress_bars()
    rows[1] = rows[1] | {"audio": {"bytes": b"noise", "path": "a.wav"}}
    rows[2] = rows[2] | {"audio": {"bytes": None, "path": None}}
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "set" / "test.parquet")
    found = evaluate_contract(
        EvalConfig(
            model_id=str(tiny_bundle),
            dataset=str(tmp_path / "set"),
            split="test",
            output=tmp_path,
            evidence=tmp_path,
            log_outputs=True,
        )
    )
    assert dict(found.report.skipped) == {"unreadable": 1, "malformed row": 1}
    logged = next(tmp_path.glob("log_*_targets.txt")).read_text().splitlines()[0::2]
    assert logged == ["0", "2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "device"), [("-1", "cpu"), ("0", "cuda:0"), ("cuda:1", "cuda:1"), ("auto", "auto")]
)
def test_devices_are_read_as_in_the_contract(name: str, device: str) -> None:
    assert read_device(name) == device
