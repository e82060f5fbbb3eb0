import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run
from tests.workflows.conftest import BuildLm

from anylect.data.manifest import manifest_checksum, read_manifest, write_manifest
from anylect.decoding.beam import BeamDecoder
from anylect.decoding.greedy import GreedyDecoder
from anylect.decoding.tuning import TuningOptions
from anylect.errors import BundleError, ConfigError, LanguageModelError, ManifestError
from anylect.hub.bundle import load_bundle
from anylect.records import Emissions
from anylect.text.normalize import default_normalizer, save_normalizer
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.tune import TuneConfig, tune
from anylect.workflows.tune_report import TuneReport
from anylect.workflows.tuning_set import Shelf

FEW = TuningOptions(alphas=(0.5, 1.0), betas=(0.0, 1.0), refinements=1, widths=(10, 20))


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def tuned(bundle: Path, manifest: Path, **settings: object) -> TuneReport:
    values: dict[str, object] = {"split": "all", "tuning": FEW, "device": "cpu", **settings}
    return tune(TuneConfig(bundle=bundle, manifest=manifest, **values))  # type: ignore[arg-type]  # tests' own table


@pytest.mark.usefixtures("mumbled")
def test_a_model_that_helps_is_installed_with_what_was_found(
    bundle: Path, tone_manifest: Path, tone_lm: Path
) -> None:
    report = tuned(bundle, tone_manifest, lm=tone_lm)
    assert report.helps
    assert report.installed
    assert report.beam.wer.rate is not None
    assert report.greedy.wer.rate is not None
    assert report.beam.wer.rate < report.greedy.wer.rate - 0.1
    assert {path.name for path in (bundle / "language_model").iterdir()} == {
        "attrs.json",
        "unigrams.txt",
        "lm.bin",
    }
    facts = json.loads((bundle / "decoding.json").read_text())
    options = report.best.options
    attributes = json.loads((bundle / "language_model" / "attrs.json").read_text())
    assert facts["decoder"] == "beam"
    assert facts["beam"]["alpha"] == attributes["alpha"] == options.alpha
    assert facts["beam"]["beta"] == attributes["beta"] == options.beta
    assert facts["beam"]["width"] == options.width
    assert facts["longest_heard_seconds"] > 1.0
    assert facts["tuning"]["manifest_sha256"] == manifest_checksum(tone_manifest)
    assert facts["tuning"]["with_language_model"]["wer"]["rate"] == report.beam.wer.rate
    assert facts["tuning"]["split"] == "all"
    assert facts["tuning"]["greedy"]["wer"]["low"] is not None
    assert facts["tuning"]["comparison"]["is_shown"]
    assert len(facts["tuning"]["curve"]) == len(report.trials)
    normalizer = load_bundle(bundle, device="cpu").normalizer
    assert facts["language_model"]["normalizer_hash"] == normalizer.hash
    assert facts["normalizer"] == {"name": normalizer.name, "hash": normalizer.hash}
    decoder = load_bundle(bundle, device="cpu").decoder
    assert isinstance(decoder, BeamDecoder)
    assert decoder.options == options
    assert decoder.signature in report.beam.line
    assert facts["language_model"]["sha256"] == decoder.model_hash


@pytest.mark.usefixtures("mumbled")
def test_what_was_tuned_is_what_is_evaluated_and_the_search_is_the_same_again(
    bundle: Path, tone_manifest: Path, tone_lm: Path, tmp_path: Path
) -> None:
    first = tuned(bundle, tone_manifest, lm=tone_lm)
    again = tuned(bundle, tone_manifest, threads=1)  # the bundle's own, one after the other
    assert [trial.errors for trial in first.trials] == [trial.errors for trial in again.trials]
    assert first.best.options == again.best.options
    config = EvaluateConfig(bundle=bundle, manifest=tone_manifest, output=tmp_path, device="cpu")
    with_lm = evaluate(config)
    assert with_lm.wer == first.beam.wer
    assert "lm 5-gram" in with_lm.line
    without = evaluate(
        EvaluateConfig(bundle=bundle, manifest=tone_manifest, output=tmp_path, lm=Path("none"))
    )
    assert without.wer == first.greedy.wer
    assert "greedy" in without.line


@pytest.mark.usefixtures("clear")
def test_a_model_that_gains_nothing_is_not_installed_unless_forced(
    bundle: Path, tone_manifest: Path, tone_lm: Path
) -> None:
    report = tuned(bundle, tone_manifest, lm=tone_lm)
    assert not report.installed
    assert "gains nothing that one may believe" in report.lines()[-1]
    assert not (bundle / "language_model").exists()
    facts = json.loads((bundle / "decoding.json").read_text())
    assert facts["decoder"] == "greedy"
    assert not facts["tuning"]["helps"]
    assert isinstance(load_bundle(bundle, device="cpu").decoder, GreedyDecoder)
    assert tuned(bundle, tone_manifest, lm=tone_lm, force=True).installed
    assert isinstance(load_bundle(bundle, device="cpu").decoder, BeamDecoder)
    assert not tuned(bundle, tone_manifest).installed  # the one that is there is switched off
    assert isinstance(load_bundle(bundle, device="cpu").decoder, GreedyDecoder)


@pytest.mark.usefixtures("mumbled")
def test_what_stands_in_dev_and_test_is_said(
    bundle: Path, tone_manifest: Path, tone_lm: Path, tmp_path: Path
) -> None:
    clean = tuned(bundle, tone_manifest, lm=tone_lm, split="dev")
    assert clean.warnings == ()
    own = "\n".join(tuned(bundle, tone_manifest, lm=tone_lm, split="test").warnings)
    assert "6 utterances of test are of recordings that are in dev" in own
    write_manifest(tmp_path / "other.jsonl", read_manifest(tone_manifest, split="dev"))
    other = tuned(bundle, tone_manifest, lm=tone_lm, split="dev", test=tmp_path / "other.jsonl")
    assert any("6 sentences of dev also in test" in warning for warning in other.warnings)
    assert any("3 speakers of dev also in test" in warning for warning in other.warnings)


@pytest.mark.usefixtures("mumbled")
def test_a_model_that_has_read_the_dev_sentences_is_told(
    bundle: Path, tone_manifest: Path, make_lm: BuildLm
) -> None:
    texts = [utterance.text for utterance in read_manifest(tone_manifest)]
    report = tuned(bundle, tone_manifest, lm=make_lm(texts), split="dev")
    assert any("has read 6 of the 6 sentences" in warning for warning in report.warnings)
    dev = bundle.parent / "dev.jsonl"
    write_manifest(dev, read_manifest(tone_manifest, split="dev"))
    words = [word for text in texts for word in text.split()]  # so that every word is known
    honest = make_lm(texts + words, exclude=(dev,))
    assert not tuned(bundle, tone_manifest, lm=honest, split="dev").warnings


def test_a_set_is_thinned_evenly(bundle: Path, tone_manifest: Path, tone_lm: Path) -> None:
    report = tuned(bundle, tone_manifest, lm=tone_lm, most_utterances=10)
    assert report.beam.ser.length == 9


@pytest.mark.parametrize(
    ("split", "message"),
    [("tset", r"split `tset`; there are `train` \(24\), `dev` \(6\), `test` \(6\)")],
)
def test_a_split_that_is_not_there_is_named(
    bundle: Path, tone_manifest: Path, tone_lm: Path, split: str, message: str
) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        tuned(bundle, tone_manifest, lm=tone_lm, split=split)
    assert "--split" in str(caught.value.hint)


def test_by_default_dev_is_taken_and_never_train_or_test(
    bundle: Path, tone_manifest: Path, tone_lm: Path, tmp_path: Path
) -> None:
    assert tuned(bundle, tone_manifest, lm=tone_lm, split=None).beam.ser.length == 6
    write_manifest(tmp_path / "train.jsonl", read_manifest(tone_manifest, split="train"))
    with pytest.raises(ManifestError, match="no utterance is in split `dev`"):
        tuned(bundle, tmp_path / "train.jsonl", lm=tone_lm, split=None)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(ManifestError, match="none at all"):
        tuned(bundle, tmp_path / "empty.jsonl", lm=tone_lm, split=None)


def test_unreadable_recordings_are_counted(
    bundle: Path, tone_manifest: Path, tone_lm: Path, tmp_path: Path
) -> None:
    records = [json.loads(line) for line in tone_manifest.read_text().splitlines()]
    for record in records:
        record["audio"] = str(tone_manifest.parent / record["audio"])
    records[2]["audio"] = str(tmp_path / "gone.wav")
    manifest = tmp_path / "set.jsonl"
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = tuned(bundle, manifest, lm=tone_lm)
    assert report.unreadable == 1
    assert "35 utterances, 1 unreadable" in report.lines()[0]


def test_without_a_language_model_there_is_nothing_to_tune(
    bundle: Path, tone_manifest: Path
) -> None:
    for lm in (None, Path("none")):
        with pytest.raises(ConfigError, match="no language model to tune") as caught:
            tuned(bundle, tone_manifest, lm=lm)
        assert "lm build" in str(caught.value.hint)


def test_a_model_of_another_alphabet_is_refused_everywhere(
    bundle: Path, tone_manifest: Path, make_lm: BuildLm
) -> None:
    strange = make_lm(["тихо шифером шурша", "крыша едет не спеша"], unit="word")
    for call in (
        lambda: tuned(bundle, tone_manifest, lm=strange),
        lambda: evaluate(EvaluateConfig(bundle=bundle, manifest=tone_manifest, lm=strange)),
    ):
        with pytest.raises(LanguageModelError, match="cannot be spelled") as caught:
            call()
        assert "normalizer" in str(caught.value.hint)


def test_a_model_of_other_words_is_refused(
    bundle: Path, tone_manifest: Path, make_lm: BuildLm
) -> None:
    other = make_lm(["aeiou aeioa uoiea", "uuuuu ooooo iiiii"], unit="word")
    with pytest.raises(LanguageModelError, match="knows 0 of the"):
        tuned(bundle, tone_manifest, lm=other)


def test_a_model_built_with_another_normalizer_is_refused_or_told(
    bundle: Path, tone_words: list[str], make_lm: BuildLm, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_bundle(bundle, device="cpu")
    capitals = make_lm([" ".join(tone_words).upper()], unit="word")
    with pytest.raises(LanguageModelError, match=r"lm\.bin: .* cannot be spelled"):
        loaded.decoder_with(capitals)
    turkish = make_lm([" ".join(tone_words)], unit="word", language="tr")
    assert isinstance(loaded.decoder_with(turkish), BeamDecoder)
    assert "built with normalizer `tr-1`" in caplog.text
    letters = make_lm([" ".join(tone_words)], unit="character")
    with pytest.raises(LanguageModelError, match="a model of characters"):
        loaded.decoder_with(letters)


def test_a_bundle_that_contradicts_itself_is_told(
    bundle: Path, tone_manifest: Path, tone_lm: Path, make_lm: BuildLm, tone_words: list[str]
) -> None:
    tuned(bundle, tone_manifest, lm=tone_lm, force=True)
    folder = bundle / "language_model"
    attributes = (folder / "attrs.json").read_text()
    (folder / "attrs.json").write_text(json.dumps(json.loads(attributes) | {"beta": 9.0}))
    with pytest.raises(BundleError, match="weigh differently"):
        _ = load_bundle(bundle, device="cpu").decoder
    (folder / "attrs.json").write_text(attributes)
    shutil.copy(make_lm(tone_words), folder / "lm.bin")
    with pytest.raises(BundleError, match="tuned for a model with") as caught:
        _ = load_bundle(bundle, device="cpu").decoder
    assert "anylect tune" in str(caught.value.hint)
    shutil.rmtree(folder)
    loaded = load_bundle(bundle, device="cpu")
    with pytest.raises(BundleError, match="is missing") as caught:
        _ = loaded.decoder
    assert "--lm none" in str(caught.value.hint)
    assert isinstance(loaded.decoder_with("none"), GreedyDecoder)
    assert isinstance(loaded.decoder_with(tone_lm), BeamDecoder)


@pytest.mark.usefixtures("mumbled")
def test_a_language_without_spaces_is_tuned_on_characters(
    bundle: Path, tone_manifest: Path, make_lm: BuildLm
) -> None:
    save_normalizer(default_normalizer("th"), bundle / "normalizer.json")
    unspaced = [
        replace(utterance, text=utterance.text.replace(" ", ""))
        for utterance in read_manifest(tone_manifest)
    ]
    manifest = bundle.parent / "unspaced.jsonl"
    write_manifest(manifest, unspaced)
    texts = [utterance.text for utterance in unspaced]
    lm = make_lm(texts, unit="character", normalizer=bundle / "normalizer.json")
    report = tuned(bundle, manifest, lm=lm)
    assert report.beam.leading.name == "CER"
    assert {trial.options.search for trial in report.trials} == {"closed"}
    assert report.best.errors.leading == report.beam.cer.errors
    assert report.beam.cer.errors < report.greedy.cer.errors
    assert any("has read 36 of the 36" in warning for warning in report.warnings)
    facts = json.loads((bundle / "decoding.json").read_text())
    assert facts["tuning"]["objective"] == "cer"


@pytest.mark.usefixtures("mumbled")
def test_the_command_says_what_it_found(
    run: Run, bundle: Path, tone_manifest: Path, tone_lm: Path
) -> None:
    few = ["--set", "tuning.alphas=[0.5]", "--set", "tuning.betas=[1.0]"]
    done = run("tune", bundle, tone_manifest, "--lm", tone_lm, "--split", "test", *few)
    assert done.code == 0
    assert "warning: 6 speakers" not in done.out
    assert "warning: " in done.err
    assert "settings tried on 6 utterances" in done.out
    assert "with LM" in done.out
    assert run("tune", bundle, tone_manifest, "--lm", bundle / "gone.bin").code == 1


def test_emissions_come_off_the_shelf_as_they_were_put_on() -> None:
    generator = np.random.default_rng(0)
    given = [
        Emissions(generator.normal(size=(frames, 7)).astype(np.float32), 0.02, start)
        for frames, start in ((3, 0.0), (0, 0.0), (500, -0.1), (1, 2.0))
    ]
    with Shelf() as shelf:
        for emissions in given:
            shelf.add(emissions)
        assert len(shelf) == 4
        for put, taken in zip(given, shelf.all(), strict=True):
            np.testing.assert_array_equal(put.log_probs, taken.log_probs)
            assert (put.frame_duration, put.start) == (taken.frame_duration, taken.start)
