import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import SAMPLE_RATE, sing, tiny_config, write_tone_corpus

from anylect.config import build_config, to_mapping
from anylect.data.manifest import read_manifest
from anylect.decoding.annotations import Line
from anylect.errors import AlignmentError, AnylectError, ConfigError, VocabularyError
from anylect.hub.bundle import load_bundle
from anylect.records import Word
from anylect.text.normalize import default_normalizer
from anylect.workflows.align import AlignConfig, AlignReport, align
from anylect.workflows.train import TrainConfig, train
from anylect.workflows.transcript import read_transcript


@pytest.mark.parametrize(
    ("language", "line", "words", "pieces"),
    [
        ("en", "Well, E-mail me!", ["Well,", "E-mail", "me!"], ["well", "e mail", "me"]),
        ("en", "– yes – no –", ["– yes –", "no –"], ["yes", "no"]),
        ("fr", "Il dit : « Oui ! »", ["Il", "dit :", "« Oui ! »"], ["il", "dit", "oui"]),
        ("es", "Sí ¿ y tú?", ["Sí", "¿ y", "tú?"], ["sí", "y", "tú"]),
        ("en", "  one\ttwo ", ["one", "two"], ["one", "two"]),
        ("zh", "「你好」，Ａ b。", ["「你", "好」，", "Ａ", "b。"], ["你", "好", "a", "b"]),
        ("th", "กัน กะ", ["กั", "น", "ก", "ะ"], ["กั", "น", "ก", "ะ"]),
    ],
)
def test_written_words_go_with_what_is_said(
    language: str, line: str, words: list[str], pieces: list[str]
) -> None:
    spaced = language not in ("zh", "th")
    (read,) = read_transcript(line, default_normalizer(language), spaced=spaced)
    assert list(read.words) == words
    assert [read.spoken[first:last] for first, last in read.pieces] == pieces


def test_lines_keep_their_numbers_and_those_that_say_nothing_are_left_out() -> None:
    lines = list(read_transcript("\none\n***\n  two !\n", default_normalizer("en"), spaced=True))
    assert [(line.number, line.text) for line in lines] == [(2, "one"), (4, "two !")]


@given(st.text(), st.sampled_from(["en", "fr", "el", "he", "ml", "zh", "th", "ja"]))
def test_every_letter_that_is_said_belongs_to_one_written_word(text: str, language: str) -> None:
    spaced = language not in ("zh", "th", "ja")
    normalizer = default_normalizer(language)
    for line in read_transcript(text, normalizer, spaced=spaced):
        said = "".join(line.spoken[first:last] for first, last in line.pieces)
        assert "".join(said.split()) == "".join(line.spoken.split())
        assert len(line.words) == len(line.pieces) > 0
        assert all(first < last for first, last in line.pieces)
        assert "".join("".join(line.words).split()) == "".join(line.text.split())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("align") / "song.wav"
    soundfile.write(path, sing("ae iou eia", np.random.default_rng(3)), SAMPLE_RATE)
    return path


FORMS = {
    "text": ".txt",
    "json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
    "textgrid": ".TextGrid",
    "eaf": ".eaf",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_transcript_as_it_was_written(
    tiny_bundle: Path, recording: Path, tmp_path: Path, form: Any
) -> None:
    transcript = tmp_path / "song.txt"
    transcript.write_text("Ae, IOU –\n\n(Eia!)\n", encoding="utf-8-sig")
    config = AlignConfig(
        bundle=tiny_bundle,
        recording=recording,
        transcript=transcript,
        form=form,
        output=tmp_path / "out",
        characters=True,
        device="cpu",
    )
    report = align(config)
    assert report.path is not None
    assert report.path.read_text(encoding="utf-8") == report.written
    assert [line.text for line in report.lines] == ["Ae, IOU –", "(Eia!)"]
    assert [word.text for word in report.words] == ["Ae,", "IOU –", "(Eia!)"]
    assert "Ae, IOU –" in report.written
    assert "(Eia!)" in report.written
    times = [time for word in report.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= report.duration
    if form == "json":
        record = json.loads(report.written)
        letters = [
            each["text"]
            for line in record["lines"]
            for word in line["words"]
            for each in word["characters"]
        ]
        assert "".join(letters) == "aeioueia"


@pytest.mark.parametrize(
    ("changes", "error", "message", "hint"),
    [
        ({}, ConfigError, "expected one transcript", "--text"),
        ({"text": "a", "transcript": Path("t.txt")}, ConfigError, "one transcript", "--text"),
        ({"transcript": Path("none.txt")}, ConfigError, r"none\.txt: cannot be read", "path"),
        ({"text": " – \n"}, AlignmentError, "text: has no words", "one sentence a line"),
        ({"text": "ae\nax ox"}, VocabularyError, r"text:2: .* 1 of .* `x` .* in 1", "in words"),
        ({"text": "ae " * 99}, AlignmentError, "296 tokens cannot be aligned to", "that was said"),
        ({"text": "ae", "output": Path("{}")}, ConfigError, "replaced by its own", "another"),
    ],
)
def test_what_cannot_be_aligned_is_refused_with_a_remedy(
    tiny_bundle: Path,
    recording: Path,
    changes: dict[str, Any],
    error: type[AnylectError],
    message: str,
    hint: str,
) -> None:
    if "output" in changes:
        changes = changes | {"output": recording}
    with pytest.raises(error, match=message) as raised:
        align(AlignConfig(bundle=tiny_bundle, recording=recording, device="cpu", **changes))
    assert hint in (raised.value.hint or "")


def test_a_transcript_that_is_not_utf_8_is_refused(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("é".encode("latin-1"))
    config = AlignConfig(bundle=tmp_path, recording=recording, transcript=tmp_path / "t.txt")
    with pytest.raises(AlignmentError, match="not UTF-8"):
        align(config)


def report_of(*confidences: float, cost: float = 0.1) -> AlignReport:
    words = tuple(
        Word(f"w{place}", place, place + 1, confidence)
        for place, confidence in enumerate(confidences)
    )
    return AlignReport(lines=(Line("", words),), cost=cost, duration=9.0, written="")


def test_words_that_are_not_heard_are_counted_and_shown() -> None:
    assert report_of(0.9, 0.8).warnings() == []
    (warning,) = report_of(0.9, 0.05, 0.8, 0.09).warnings()
    assert warning == "2 of 4 words below 0.1: check them: w1 (1.00 s), w3 (3.00 s)"
    (many,) = report_of(*[0.01] * 7, cost=1.9).warnings()
    assert many.startswith("7 of 7 words")
    assert many.endswith("w4 (4.00 s), …")


def test_a_transcript_of_something_else_is_called_so() -> None:
    (warning,) = report_of(0.9, 0.4, cost=5.25).warnings()
    assert "the model hears something else" in warning
    assert "0.65" in warning


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone model that has learnt its language; see the walk."""
    folder = tmp_path_factory.mktemp("tones")
    manifest = write_tone_corpus(folder, {"train": 400, "dev": 24, "test": 64})
    schedule = {"updates": 250, "validate_every": 125, "save_every": 250}
    settings = to_mapping(tiny_config(manifest, folder / "run", schedule=schedule))
    settings["batches"]["seconds"] = 40.0
    return train(build_config(TrainConfig, settings)).bundle


def sung_at(text: str) -> list[tuple[float, float]]:
    """When `sing` sings the words of a text: 80 ms a letter, 40 ms between, 120 ms at spaces."""
    spans, time = [], 0.1
    for word in text.split():
        end = time + 0.12 * len(word)
        spans.append((time, end - 0.04))
        time = end + 0.08
    return spans


@pytest.mark.slow
def test_words_are_found_where_they_are_sung(learnt: Path) -> None:
    manifest = learnt.parents[1] / "manifest.jsonl"
    for utterance in list(read_manifest(manifest, split="test"))[:24]:
        config = AlignConfig(
            bundle=learnt, recording=utterance.audio, text=utterance.text, device="cpu"
        )
        report = align(config)
        for word, (start, end) in zip(report.words, sung_at(utterance.text), strict=True):
            assert word.start == pytest.approx(start, abs=0.045)
            assert word.end == pytest.approx(end, abs=0.045)
        assert report.warnings() == []
        backwards = " ".join(utterance.text[::-1].split())
        if backwards != utterance.text:
            wrong = align(
                AlignConfig(bundle=learnt, recording=utterance.audio, text=backwards, device="cpu")
            )
            assert wrong.cost > report.cost


@pytest.mark.slow
def test_a_long_song_is_timed_in_windows(learnt: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    words = ["".join(generator.choice(list("aeiou"), 3)) for _ in range(240)]
    path = tmp_path / "long.wav"
    soundfile.write(path, sing(" ".join(words), generator), SAMPLE_RATE)
    lines = "\n".join(" ".join(words[at : at + 6]) for at in range(0, len(words), 6))
    assert load_bundle(learnt, device="cpu").model.longest_pass < 90
    report = align(AlignConfig(bundle=learnt, recording=path, text=lines, device="cpu"))
    assert len(report.lines) == 40
    found = np.array([(word.start, word.end) for word in report.words])
    np.testing.assert_allclose(found, sung_at(" ".join(words)), atol=0.065)
    assert report.warnings() == []
    shuffled = "\n".join(reversed(lines.split("\n")))
    wrong = align(AlignConfig(bundle=learnt, recording=path, text=shuffled, device="cpu"))
    assert "the model hears something else" in wrong.warnings()[0]
