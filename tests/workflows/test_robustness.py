import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import tiny_config, write_tone_corpus

from anylect.audio.conditions import GridOptions
from anylect.config import build_config, to_mapping
from anylect.errors import BundleError, ConfigError, ManifestError
from anylect.evaluation.robustness import RobustnessReport
from anylect.models import listening
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.robustness import RobustnessConfig, robustness
from anylect.workflows.train import TrainConfig, train

Measure = Callable[..., RobustnessReport]


@pytest.fixture
def measure(tiny_bundle: Path, tone_manifest: Path, tmp_path: Path) -> Measure:
    def call(*only: str, **changes: Any) -> RobustnessReport:
        settings: dict[str, Any] = {
            "bundle": tiny_bundle,
            "manifest": tone_manifest,
            "split": "test",
            "output": tmp_path / "evidence",
            "device": "cpu",
            "replicates": 100,
            "only": only,
        }
        return robustness(RobustnessConfig(**{**settings, **changes}))

    return call


@pytest.fixture
def hearings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often the manifest was heard."""
    counted: list[int] = []
    original = listening.emit_each

    def counting(*arguments: Any, **options: Any) -> Any:
        counted.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(listening, "emit_each", counting)
    return counted


def test_clean_speech_scores_exactly_as_evaluate_does(
    measure: Measure, tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        bundle=tiny_bundle,
        manifest=tone_manifest,
        split="test",
        output=tmp_path / "evaluate",
        device="cpu",
        replicates=100,
    )
    report = evaluate(config)
    clean = measure("clean").clean
    assert (clean.wer, clean.cer, clean.ser) == (report.wer, report.cer, report.ser)
    assert clean.line == report.line
    kept = tmp_path / "evidence" / "robustness" / "manifest.test.clean.utterances.jsonl"
    assert (
        kept.read_bytes() == (tmp_path / "evaluate" / "manifest.test.utterances.jsonl").read_bytes()
    )


def test_the_whole_grid_runs_and_leaves_its_evidence(measure: Measure, tmp_path: Path) -> None:
    grid = GridOptions(rt60_seconds=(0.2,), far_field_rt60_seconds=0.2, snr_db=(10.0, 0.0))
    made = measure(grid=grid)
    facts = json.loads((tmp_path / "evidence" / "robustness.json").read_text())
    assert facts["kind"] == "robustness"
    assert facts["mean_degradation"]["value"] == made.points.value
    assert facts["grid"]["snr_db"] == [10.0, 0.0]
    names = [each["name"] for each in facts["conditions"]]
    assert len(names) == len(made.scores) == 33
    for name in names:
        stem = tmp_path / "evidence" / "robustness" / f"manifest.test.{name}"
        lines = Path(f"{stem}.utterances.jsonl").read_text().splitlines()
        assert len(lines) == 6
        assert json.loads(Path(f"{stem}.json").read_text())["condition"]["name"] == name


def test_what_was_measured_is_not_measured_again(measure: Measure, hearings: list[int]) -> None:
    first = measure("noise-white-0", "telephone")
    assert len(hearings) == 3
    again = measure("noise-white-0", "telephone")
    assert len(hearings) == 3
    assert again.text() == first.text()
    assert again.to_json() == first.to_json()
    more = measure("noise-white-*", "telephone")
    assert len(hearings) == 3 + 3
    assert more.scores[0].report == first.scores[0].report


@pytest.mark.parametrize("known", ["one speaker", "no speaker", "one recording of several"])
def test_what_is_read_back_is_paired_with_what_is_heard_now(
    measure: Measure, tone_manifest: Path, tmp_path: Path, known: str
) -> None:
    records = [json.loads(line) for line in tone_manifest.read_text().splitlines()]
    recordings = [str(tone_manifest.parent / record["audio"]) for record in records]
    texts = [record["text"] for record in records]
    for number, record in enumerate(records):
        record["audio"] = recordings[number]
        record["speaker"] = "s" if known == "one speaker" else None
        if known == "one recording of several":
            record["audio"], record["text"] = recordings[number % 12], texts[number % 12]
            del record["duration"]
    manifest = tmp_path / "set.jsonl"
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    settings: dict[str, Any] = {"manifest": manifest, "split": None}
    fresh = measure("telephone", "speed-0.8", output=tmp_path / "fresh", **settings)
    measure("telephone", **settings)
    mixed = measure("telephone", "speed-0.8", **settings)
    assert mixed.changes == fresh.changes
    assert mixed.clean.unit == fresh.clean.unit
    assert mixed.relative == fresh.relative
    assert fresh.changes[2] is not None
    assert fresh.changes[2].difference != 0


@pytest.mark.parametrize(
    ("changes", "heard_again"),
    [
        ({"seed": 1}, 1),  # clean speech draws nothing
        ({"replicates": 50}, 0),
        ({"workers": 0, "batch_seconds": 5.0}, 0),
        ({"split": "dev"}, 2),
        ({"grid": GridOptions(mains_hz=60.0)}, 1),
    ],
)
def test_only_what_would_give_another_score_is_measured_again(
    measure: Measure, hearings: list[int], changes: dict[str, Any], heard_again: int
) -> None:
    measure("noise-hum-0")
    before = len(hearings)
    measure("noise-hum-0", **changes)
    assert len(hearings) - before == heard_again


def test_another_bundle_manifest_or_folder_of_noise_is_measured_anew(
    measure: Measure, hearings: list[int], tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    shutil.copy(tone_manifest.parent / "train-0.wav", noise)
    grid = GridOptions(noise_folder=noise)
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    measure("noise-recorded-0", grid=grid, bundle=bundle)
    assert len(hearings) == 2
    (bundle / "README.md").write_text("another card\n")
    measure("noise-recorded-0", grid=grid, bundle=bundle)
    assert len(hearings) == 2
    shutil.copy(tone_manifest.parent / "train-1.wav", noise)
    from anylect.audio.sounds import open_sounds

    open_sounds.cache_clear()
    measure("noise-recorded-0", grid=grid, bundle=bundle)
    assert len(hearings) == 3  # clean speech heard no noise
    (bundle / "vocab.json").write_text((bundle / "vocab.json").read_text() + "\n")
    measure("noise-recorded-0", grid=grid, bundle=bundle)
    assert len(hearings) == 5


@pytest.mark.parametrize("damage", ["cut", "gone", "edited"])
def test_damaged_evidence_is_measured_anew(
    measure: Measure, hearings: list[int], tmp_path: Path, damage: str
) -> None:
    first = measure("telephone")
    path = tmp_path / "evidence" / "robustness" / "manifest.test.telephone.utterances.jsonl"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "gone":
        path.unlink()
    else:
        path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    before = len(hearings)
    again = measure("telephone")
    assert len(hearings) == before + 1
    assert again.scores[1].report.wer == first.scores[1].report.wer


def test_an_unreadable_recording_is_counted_under_every_condition(
    measure: Measure, tone_manifest: Path, tmp_path: Path
) -> None:
    records = [json.loads(line) for line in tone_manifest.read_text().splitlines()]
    for record in records:
        record["audio"] = str(tone_manifest.parent / record["audio"])
    records[2]["audio"] = str(tmp_path / "gone.wav")
    manifest = tmp_path / "set.jsonl"
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    for _ in range(2):
        made = measure("telephone", manifest=manifest, split=None)
        assert [dict(each.report.skipped) for each in made.scores] == 2 * [{"unreadable": 1}]
        assert "35 of 36 scored; 1 unreadable" in made.text()


def test_what_cannot_be_measured_is_refused(measure: Measure, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"split `tset` of .*: nothing to score"):
        measure("clean", split="tset")
    with pytest.raises(ConfigError, match="no condition is called `nosie`"):
        measure("nosie")
    with pytest.raises(ConfigError, match="no such folder of recordings"):
        measure("clean", grid=GridOptions(noise_folder=tmp_path / "gone"))
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written to"):
        measure("clean", output=tmp_path / "file" / "out")


def test_the_command_prints_the_table_and_reads_settings(
    run: Any, tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "grid.toml"
    settings.write_text('split = "test"\n[grid]\nsnr_db = [3.0]\n')
    done = run(
        *("robustness", tiny_bundle, tone_manifest, "--config", settings, "-o", tmp_path / "out"),
        *("--only", "noise-w*", "--only", "telephone", "--set", "replicates=50"),
        *("--device", "cpu"),
    )
    assert done.code == 0, done.err
    assert "noise, white 3 dB SNR" in done.out
    assert "bootstrap 50 by speaker" in done.out
    assert json.loads((tmp_path / "out" / "robustness.json").read_text())["split"] == "test"


@pytest.mark.slow
def test_noise_and_loss_are_harder_the_more_there_is(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 400, "dev": 12, "test": 48})
    schedule = {"updates": 250, "validate_every": 250, "save_every": 250}
    settings = to_mapping(tiny_config(manifest, tmp_path / "run", schedule=schedule))
    settings["batches"]["seconds"] = 40.0
    bundle = train(build_config(TrainConfig, settings)).bundle
    grid = GridOptions(snr_db=(30.0, 20.0, 10.0, 0.0, -10.0), packet_loss_percent=(5.0, 20.0, 50.0))
    config = RobustnessConfig(
        bundle=bundle, manifest=manifest, split="test", grid=grid, device="cpu"
    )
    made = robustness(replace(config, only=("noise-white-*", "noise-pink-*", "packet-loss-*")))
    assert made.clean.wer.rate is not None
    assert made.clean.wer.rate < 0.1
    for curve in made.curves():
        rates = [point["rate"] for point in curve["points"]]
        if curve["family"] == "noise":
            rates.reverse()  # from 30 to -10 dB
        # Each step may be a little better by chance, the whole way is not.
        assert all(later > earlier - 0.05 for earlier, later in itertools.pairwise(rates))
        assert rates[-1] > rates[0] + 0.2
    assert made.relative.value is None or made.relative.value > 0
