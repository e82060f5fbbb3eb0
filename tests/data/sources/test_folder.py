import os
from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.folder import read_folder
from anylect.records import Utterance


def _make(folder: Path, *names: str, text: str = "yes") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_recordings_pair_with_transcripts_of_the_same_name(tmp_path: Path) -> None:
    _make(tmp_path, "a.wav", "a.txt", "deep/er/ბ.FLAC", "deep/er/ბ.TXT", "c.opus", "c.lab")
    assert list(read_folder(tmp_path)) == [
        Utterance(audio=tmp_path / "a.wav", text="yes", id="a"),
        Utterance(audio=tmp_path / "c.opus", text="yes", id="c"),
        Utterance(audio=tmp_path / "deep/er/ბ.FLAC", text="yes", id="deep/er/ბ"),
    ]


def test_the_first_of_several_transcripts_is_taken_and_the_rest_are_no_strays(
    tmp_path: Path,
) -> None:
    _make(tmp_path, "a.wav", "a.normalized.txt", "a.lab", text="second")
    (tmp_path / "a.txt").write_text("first")
    (utterance,) = read_folder(tmp_path)
    assert isinstance(utterance, Utterance)
    assert utterance.text == "first"


def test_marks_and_space_around_a_transcript_are_left_out(tmp_path: Path) -> None:
    _make(tmp_path, "a.wav")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf  two\r\nlines \n")
    (utterance,) = read_folder(tmp_path)
    assert isinstance(utterance, Utterance)
    assert utterance.text == "two\nlines"


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    _make(tmp_path, "a.wav", "b.txt", ".hidden.wav", ".git/c.wav", "notes.md")
    assert [
        (found.reason, found.detail)
        for found in read_folder(tmp_path)
        if isinstance(found, Dropped)
    ] == [
        (Reason.NO_TRANSCRIPT, f"{tmp_path / 'a.wav'}: no a.txt beside it"),
        (Reason.MISSING, f"{tmp_path / 'b.txt'}: no recording of that name beside it"),
    ]


def test_a_transcript_that_is_not_utf8_is_listed(tmp_path: Path) -> None:
    _make(tmp_path, "a.wav", "b.wav", "b.txt")
    (tmp_path / "a.txt").write_bytes("né".encode("latin-1"))
    bad, good = read_folder(tmp_path)
    assert isinstance(bad, Dropped)
    assert bad.detail == f"{tmp_path / 'a.txt'}: not UTF-8 at byte 2"
    assert bad.utterance
    assert isinstance(good, Utterance)


def test_the_first_folder_may_name_the_split_and_the_last_the_speaker(tmp_path: Path) -> None:
    _make(tmp_path, "valid/anna/1.wav", "valid/anna/1.txt", "x/test/1.wav", "x/test/1.txt")
    found = list(read_folder(tmp_path, speaker_from_folder=True))
    assert [(item.split, item.speaker) for item in found if isinstance(item, Utterance)] == [
        ("dev", "anna"),
        (None, "test"),
    ]


def test_a_recording_named_in_another_encoding_is_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"gr\xfcn")
    _make(tmp_path, f"{name}.wav", f"{name}.txt")
    (utterance,) = read_folder(tmp_path)
    assert isinstance(utterance, Utterance)
    assert utterance.id == name
