"""Sets without references, and answers of strangers."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.challenge.hidden import find_predictions, lay_out, read_predictions
from anylect.data.manifest import read_manifest
from anylect.errors import SubmissionError
from anylect.records import Utterance


def test_nothing_of_the_references_is_laid_out(tone_manifest: Path, tmp_path: Path) -> None:
    said = list(read_manifest(tone_manifest, split="test"))
    hidden = lay_out(said, tmp_path / "set", language="sv", placeholder="abc", order="7")
    files = sorted(path for path in hidden.folder.rglob("*") if path.is_file())
    content = b"".join(path.read_bytes() + path.name.encode() for path in files)
    for each in said:
        for mark in (each.text, each.id, each.speaker or "", each.audio.stem):
            assert mark.encode() not in content
    assert {path.name for path in files if path.suffix == ".wav"} == {
        f"{number:06}.wav" for number in range(len(said))
    }


def test_titles_inside_a_recording_are_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", 16_000, 1, "PCM_16", format="WAV") as stream:
        stream.title = "what is said"
        stream.write(np.zeros(1600))
    assert b"what is said" in path.read_bytes()
    said = [Utterance(audio=path, text="what is said", id="a")]
    hidden = lay_out(said, tmp_path / "set", language="en", placeholder="a", order="0")
    assert b"what is said" not in (hidden.folder / "test" / "000000.wav").read_bytes()


def test_the_order_says_nothing_and_is_the_same_again(tone_manifest: Path, tmp_path: Path) -> None:
    said = list(read_manifest(tone_manifest))
    one, two, three = (
        lay_out(said, tmp_path / name, language="sv", placeholder="a", order=order).utterances
        for name, order in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert one == two != three
    assert list(one) != said


def test_a_stretch_of_a_recording_is_cut_out_and_what_is_broken_counted(
    tone_manifest: Path, tmp_path: Path
) -> None:
    first = next(read_manifest(tone_manifest))
    stretch = Utterance(audio=first.audio, text="x", id="cut", start=0.1, duration=0.2)
    missing = Utterance(audio=tmp_path / "none.wav", text="x", id="gone")
    hidden = lay_out([stretch, missing], tmp_path / "s", language="sv", placeholder="a", order="")
    assert [name for name, _ in hidden.unreadable] == ["gone"]
    with (hidden.folder / "test" / "metadata.csv").open() as stream:
        assert list(csv.DictReader(stream)) == [{"file_name": "000000.wav", "sentence": "a"}]
    assert soundfile.info(hidden.folder / "test" / "000000.wav").duration == pytest.approx(0.2)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]))))
def test_answers_survive_the_log(tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> None:
    path = tmp_path_factory.mktemp("log") / "log_predictions.txt"
    text = "".join(f"{index}\n{each}\n" for index, each in enumerate(said))
    path.write_text(text, encoding="utf-8", newline="")
    assert list(read_predictions(path, count=len(said)).values()) == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0\na\n1\nb\n", {0: "a", 1: "b"}),
        ("0\na\n1\nb", {0: "a", 1: "b"}),
        ("0\n1\n1\n0\n", {0: "1", 1: "0"}),  # digits spoken: by turns, not by value
        ("0\na\nb\nc\n1\nd\n", {0: "a b c", 1: "d"}),
        ("0\n1\nb\n", {0: "", 1: "b"}),
        ("1\nb\n", {1: "b"}),
        ("", {}),
    ],
)
def test_a_log_is_understood(tmp_path: Path, text: str, expected: dict[int, str]) -> None:
    path = tmp_path / "log_predictions.txt"
    path.write_text(text)
    assert read_predictions(path, count=2) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello\nworld\n\n", "begins with 'hello', not with 0"),
        (b"0\na\n5\nb\n", "answers recording 5, but there are 2"),
        (b"0\nx\n0\nb\n1\nc\nd\n", "0 could be an index twice"),
        (b"0\n" + b"x" * 70_000 + b"\n", "has 70,003 bytes for 2 recordings"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "log_predictions.txt"
    path.write_bytes(content)
    with pytest.raises(SubmissionError, match=message):
        read_predictions(path, count=2)


def test_bytes_that_are_no_text_are_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "log_predictions.txt"
    path.write_bytes(b"0\n\xff\xfe\x00\n")
    assert list(read_predictions(path, count=1)) == [0]


def test_only_one_plain_log_is_read(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="0 logs of predictions"):
        find_predictions(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("0\nreference\n")
    log = tmp_path / "log_x_predictions.txt"
    log.symlink_to(secret)
    with pytest.raises(SubmissionError, match="no plain file"):
        find_predictions(tmp_path)
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(SubmissionError, match="no plain file"):
        find_predictions(tmp_path)
    (tmp_path / "log_y_predictions.txt").write_text("")
    with pytest.raises(SubmissionError, match="2 logs of predictions"):
        find_predictions(tmp_path)
