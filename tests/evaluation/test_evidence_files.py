"""Evidence is read back as it was written, and refused where it is something else."""

import json
from pathlib import Path

import pytest

from anylect.errors import BundleError
from anylect.evaluation.evidence_files import read_evaluation
from anylect.evaluation.report import Signature, report
from anylect.evaluation.scoreboard import ScoredUtterance, parse_scored, score
from anylect.hub.evidence import Evidence
from anylect.records import Utterance


def spoken(name: str, *, speaker: str | None = None, **extra: object) -> Utterance:
    return Utterance(
        audio=Path("clips") / f"{name}.wav",
        text="",
        id=name,
        duration=1.5,
        speaker=speaker,
        language="sv",
        extra=extra,
    )


def scored() -> list[ScoredUtterance]:
    return [
        score("a b", "a x", utterance=spoken("one", speaker="s", accents="skånska", gender="")),
        score("c", "c d", utterance=spoken("two", condition="car")),
    ]


def write(folder: Path, name: str = "manifest.test") -> None:
    with Evidence(folder, name) as evidence:
        for each in scored():
            evidence.add(each)
        evidence.add_unreadable("gone", "no such recording")
    made = report(scored(), signature=Signature(normalizer="sv-1"), language="sv")
    evidence.conclude(made.to_json())


def test_what_was_scored_survives_a_round_trip() -> None:
    for each in scored():
        back = parse_scored(json.loads(json.dumps(each.to_json())))
        assert back.to_json() == each.to_json()
    one, two = scored()
    assert dict(one.traits) == {"language": "sv", "accent": "skånska"}
    assert dict(two.traits) == {"language": "sv", "condition": "car"}


def test_recordings_are_told_apart_without_naming_them() -> None:
    one, two = scored()
    assert one.recording != two.recording
    assert "clips" not in json.dumps(two.to_json())
    assert "recording" not in one.to_json()  # its speaker is known
    assert two.to_json()["recording"] == two.recording


@pytest.mark.parametrize("given", ["", "evidence", "evidence/manifest.test.json"])
def test_evidence_is_found_by_any_of_its_paths(tmp_path: Path, given: str) -> None:
    write(tmp_path / "evidence")
    found = read_evaluation(tmp_path / given)
    assert [each.id for each in found.scored] == ["one", "two"]
    assert found.unreadable == {"gone": "no such recording"}
    assert (found.name, found.language) == ("manifest.test", "sv")
    assert found.report().wer.counts == report(scored(), signature=found.signature).wer.counts
    assert found.report().skipped == {"unreadable": 1}


def test_old_evidence_has_the_language_of_its_normalizer(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "manifest.test.json").write_text('{"normalizer": {"name": "th-1"}}')
    assert read_evaluation(tmp_path).language == "th"
    assert read_evaluation(tmp_path).breakdown().spaceless
    (tmp_path / "manifest.test.json").unlink()
    assert read_evaluation(tmp_path).language is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "cannot be read"),
        ("[1]", "expected an object"),
        ('{"id": "a"}', "not a scored utterance"),
        ('{"id": "a", "reference": "", "hypothesis": "", "words": {"x": 1}}', "not a scored"),
    ],
)
def test_something_else_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "x.utterances.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(BundleError, match=complaint) as refusal:
        read_evaluation(path)
    assert "anylect evaluate" in str(refusal.value.hint)


def test_several_scored_sets_are_named(tmp_path: Path) -> None:
    write(tmp_path, "dev")
    write(tmp_path, "test")
    with pytest.raises(BundleError, match=r"2 scored sets \(`dev.utterances.jsonl`, `test"):
        read_evaluation(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "nothing.json"])
def test_no_evidence_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="no scored utterances there"):
        read_evaluation(tmp_path / name)
