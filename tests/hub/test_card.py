"""Cards: what the Hub's own classes read of them, and what they say."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from tests.conftest import Run

from anylect.data.statement import describe_data
from anylect.errors import BundleError
from anylect.hub.card import build_card
from anylect.hub.card_facts import CardOptions
from anylect.hub.card_figures import draw_curves
from anylect.hub.card_lint import lint_card
from anylect.hub.card_yaml import part_card, read_yaml, write_yaml
from anylect.records import Utterance
from anylect.training.history import summarize

REVISION = "5503434ddd753f426f4b38109466949a1217c2bb"
OPTIONS = CardOptions(license="apache-2.0", name="xls-r-no", datasets=("owner/speech",))


def report(wer: float, decoding: str, **more: Any) -> dict[str, Any]:
    """What an evaluation leaves as JSON, as much as a card reads."""
    measured = {"low": wer - 0.01, "high": wer + 0.01, "length": 1000, "errors": int(1000 * wer)}
    return {
        "wer": {"rate": wer, **measured},
        "cer": {"rate": wer / 4, **measured},
        "decoding": decoding,
        "speakers": 30,
        "normalizer": {"name": "no-1", "hash": "abc"},
        "date": "2026-11-20",
        **more,
    }


@pytest.fixture
def scored(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle with scores on a set of the Hub, with and without LM, and on a manifest."""
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    normalizer = json.loads((folder / "normalizer.json").read_text())
    (folder / "normalizer.json").write_text(json.dumps(normalizer | {"language": "no"}))
    dataset = {"id": "owner/speech", "config": "no", "split": "test", "kind": "hub"}
    dataset["revision"] = REVISION
    for name, facts in {
        "speech": report(0.1225, "beam 100, alpha 0.5, beta 1.5, lm 5-gram", dataset=dataset),
        "speech.lm-none": report(0.2, "greedy", dataset=dataset),
        "manifest.dev": report(0.3, "greedy", split="dev", manifest_sha256="f00"),
    }.items():
        (folder / "evidence" / f"{name}.json").write_text(json.dumps(facts))
    return folder


def test_the_hub_reads_a_card_as_it_is_meant(scored: Path) -> None:
    build_card(scored, OPTIONS)
    card = ModelCard.load(scored / "README.md")
    assert card.data.language == "no"  # and not False
    assert card.data.license == "apache-2.0"
    assert {"automatic-speech-recognition", "robust-speech-event", "no"} <= set(card.data.tags)
    assert card.data.datasets == ["owner/speech"]
    found = {
        (each.dataset_type, each.dataset_config, each.dataset_split, each.metric_name): each
        for each in card.data.eval_results
    }
    place = ("owner/speech", "no", "test")
    assert found[(*place, "Test WER")].metric_value == 20.0
    assert found[(*place, "Test WER (+LM)")].metric_value == 12.25
    assert found[(*place, "Test CER (+LM)")].metric_value == 3.06
    assert found[(*place, "Test WER")].dataset_revision == REVISION
    assert found[("manifest", None, "dev", "Dev WER")].metric_value == 30.0
    assert card.data.model_name == "xls-r-no"


def test_eval_results_are_read_by_the_hub(scored: Path) -> None:
    build_card(scored, OPTIONS)
    files = sorted((scored / ".eval_results").iterdir())
    assert [path.name for path in files] == [
        "owner_speech_no_test.yaml",
        "owner_speech_no_test_no_lm.yaml",
    ]
    (entry,) = parse_eval_result_entries(yaml.safe_load(files[0].read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("owner/speech", "no", 12.25)
    assert entry.date == "2026-11-20"
    assert "lm 5-gram" in str(entry.notes)


def test_our_own_cards_have_nothing_to_complain_about(scored: Path) -> None:
    build_card(scored, OPTIONS)
    findings = lint_card((scored / "README.md").read_text())
    assert [str(each) for each in findings if each.level == "error"] == []


def test_a_card_says_what_was_learnt_and_keeps_what_it_was_given(scored: Path) -> None:
    build_card(scored, OPTIONS)
    first = (scored / "README.md").read_text()
    build_card(scored)
    assert (scored / "README.md").read_text() == first
    for said in (
        "| `optimizer.learning_rate` | `0.005` |",
        "| train | 24 |",
        "no speaker and no sentence stands on two sides",
        "| update | training loss | dev WER | dev CER |",
        "| owner/speech / no / test | with | 12.25 [11.2, 13.2] | 3.06",
        "It learnt from 3 people.",
        "evidence/curves.svg",
    ):
        assert said in first, said
    assert str(scored.parent) not in first
    assert (scored / "evidence" / "curves.svg").read_text().startswith("<svg ")


def test_the_command_writes_a_card_and_says_what_is_missing(scored: Path, run: Run) -> None:
    done = run("card", scored)
    assert done.code == 0
    assert str(scored / "README.md") in done.out
    assert "license: is missing" in done.err
    done = run("card", scored, "--license", "cc0-1.0", "--set", "card.name=other")
    assert "license" not in done.err
    assert "name: other" in (scored / "README.md").read_text()
    assert run("card", "lint", scored).code == 0
    (scored / "a_eval_results.txt").write_text("WER: 12.25\nCER: 0.03")
    done = run("card", "lint", scored)
    assert done.code == 1
    assert "WER is 12.25, expected a fraction" in done.out


def test_broken_evidence_is_named(scored: Path) -> None:
    (scored / "evidence" / "speech.json").write_text("{")
    with pytest.raises(BundleError, match=r"speech\.json: cannot be read"):
        build_card(scored)


@pytest.mark.parametrize(
    "word", ["no", "on", "y", "n", "off", "yes", "1e-4", "1e-4x", "trueish", "2026-11-20", "~"]
)
def test_texts_survive_yaml(word: str) -> None:
    written = write_yaml({"language": word, "tags": [word]})
    assert yaml.safe_load(written) == {"language": word, "tags": [word]}
    assert read_yaml(written, place="x") == {"language": word, "tags": [word]}


def test_foreign_yaml_is_read_as_version_12_means_it() -> None:
    text = "language: no\ntags: [nn, on]\nlr: 1e-4\ndate: 2022-01-01\nok: true\nn: 12"
    assert read_yaml(text, place="x") == {
        "language": "no",
        "tags": ["nn", "on"],
        "lr": 1e-4,
        "date": "2022-01-01",
        "ok": True,
        "n": 12,
    }
    for bad in ("a: [", "!!python/object/apply:os.system [ls]", "a: b: c"):
        with pytest.raises(BundleError, match="x: not YAML") as caught:
            read_yaml(bad, place="x")
        assert caught.value.hint


@pytest.mark.parametrize("text", ["# no head", "--- \nlanguage: sv", "", "text\n---\na: b\n---\n"])
def test_a_card_without_a_head_has_none(text: str) -> None:
    assert part_card(text) == (None, text)


def test_data_are_described_split_by_split() -> None:
    def utterance(split: str, text: str, speaker: str | None, **extra: str) -> Utterance:
        return Utterance(
            audio=Path("a.wav"),
            text=text,
            id=text,
            split=split,
            speaker=speaker,
            duration=1800.0,
            extra=extra,
            corpus="owner/speech",
        )

    found = describe_data(
        [
            utterance("train", "one", "a", gender="female", licence="CC0"),
            utterance("train", "two", "b", gender="male"),
            utterance("test", "one", "c"),
        ],
        str.lower,
    )
    train = found["splits"]["train"]
    assert (train["utterances"], train["hours"], train["speakers"]) == (2, 1.0, 2)
    assert train["gender"] == {"female": 1, "male": 1}
    assert train["license"] == {"CC0": 1}
    (leak,) = found["leaks"]
    assert (leak["kind"], leak["right"], leak["share"]) == ("sentence", "test", 1.0)


def test_a_journal_is_kept_in_short() -> None:
    events: list[dict[str, Any]] = []
    for update in [*range(1, 501), *range(401, 601)]:  # resumed after 500 from 400
        events.append({"event": "update", "update": update, "loss": 1.0 / update})
        if update % 100 == 0:
            events.append({"event": "validation", "update": update, "wer": 0.5, "cer": 0.2})
    found = summarize(events)
    assert [each["update"] for each in found["validations"]] == [100, 200, 300, 400, 500, 600]
    assert len(found["losses"]) == 200
    assert found["losses"][-1] == [600, round(1 / 600, 5)]
    assert "dev WER" in str(draw_curves(found))
    assert draw_curves({}) is None
