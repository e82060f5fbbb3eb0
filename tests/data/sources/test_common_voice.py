from pathlib import Path

import pytest

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.common_voice import find_tables, read_common_voice
from anylect.errors import ManifestError
from anylect.records import Utterance

HEADERS = {
    1: "client_id path sentence up_votes down_votes age gender accent",
    5: "client_id path sentence up_votes down_votes age gender accent locale segment",
    9: "client_id path sentence up_votes down_votes age gender accents locale segment",
    13: "client_id path sentence up_votes down_votes age gender accents variant locale segment",
    17: "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender "
    "accents variant locale segment",
}
VALUES = {
    "client_id": "anna",
    "path": "common_voice_cy_1.mp3",
    "sentence": "Dw i’n mynd.",
    "up_votes": "2",
    "down_votes": "0",
    "age": "thirties",
    "accent": "north",
    "accents": "north",
    "locale": "cy",
    "sentence_id": "f00",
}


def _release(folder: Path, **tables: str) -> Path:
    (folder / "clips").mkdir(parents=True)
    for name, content in tables.items():
        (folder / f"{name}.tsv").write_text(content.replace(" | ", "\t"), encoding="utf-8")
    return folder


def _read(folder: Path, *tables: str) -> list[Utterance]:
    found = list(read_common_voice(folder, tables=tables or ("train",)))
    assert all(isinstance(item, Utterance) for item in found)
    return [item for item in found if isinstance(item, Utterance)]


@pytest.mark.parametrize("version", sorted(HEADERS))
def test_every_version_is_read_by_its_columns(tmp_path: Path, version: int) -> None:
    header = HEADERS[version].split()
    row = [VALUES.get(name, "") for name in header]
    table = "\t".join(header) + "\n" + "\t".join(row) + "\n"
    (utterance,) = _read(_release(tmp_path / "cy", train=table))
    expected = {"up_votes": 2, "down_votes": 0, "age": "thirties", "accents": "north"}
    assert utterance == Utterance(
        audio=tmp_path / "cy" / "clips" / "common_voice_cy_1.mp3",
        text="Dw i’n mynd.",
        id="common_voice_cy_1",
        speaker="anna",
        language="cy",
        split="train",
        corpus="common-voice",
        extra=expected | ({"sentence_id": "f00"} if version == 17 else {}),
    )


def test_the_first_version_names_recordings_without_suffix(tmp_path: Path) -> None:
    folder = _release(tmp_path, train="path | sentence\naa05b | Yes.\n")
    (utterance,) = _read(folder)
    assert (utterance.audio.name, utterance.id) == ("aa05b.mp3", "aa05b")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('He said "yes" and left', 'He said "yes" and left'),
        ('"Yes', '"Yes'),
        ('"Yes."', '"Yes."'),
        ('"""Yes"", he said."', '"Yes", he said.'),
        ('""Yes""', '""Yes""'),
    ],
)
def test_quotation_marks_swallow_nothing(tmp_path: Path, written: str, meant: str) -> None:
    table = f"path | sentence\na.mp3 | {written}\nb.mp3 | next\n"
    utterances = _read(_release(tmp_path, train=table))
    assert [utterance.text for utterance in utterances] == [meant, "next"]


def test_durations_are_taken_from_the_release(tmp_path: Path) -> None:
    folder = _release(
        tmp_path,
        train="path | sentence\na.mp3 | x\nb.mp3 | y\nc.mp3 | z\n",
        clip_durations="clip | duration[ms]\nb.mp3 | 1500\na.mp3 | 3204\n",
    )
    assert [utterance.duration for utterance in _read(folder)] == [3.204, 1.5, None]


def test_a_recording_in_several_tables_is_read_once(tmp_path: Path) -> None:
    folder = _release(
        tmp_path,
        train="path | sentence\na.mp3 | x\n",
        validated="path | sentence\na.mp3 | x\nb.mp3 | y\n",
        other="path | sentence\nc.mp3 | z\n",
    )
    utterances = _read(folder, "train", "validated", "other")
    assert [(utterance.id, utterance.split) for utterance in utterances] == [
        ("a", "train"),
        ("b", None),
        ("c", None),
    ]


def test_broken_rows_are_listed_with_their_line(tmp_path: Path) -> None:
    folder = _release(tmp_path, train="path | sentence\na.mp3\n | x\nb.mp3 | y\n")
    short, nameless, good = read_common_voice(folder, tables=("train",))
    place = tmp_path / "train.tsv"
    assert short == Dropped(Reason.MALFORMED, f"{place}:2: 1 cells where 2 were expected")
    assert nameless == Dropped(Reason.MALFORMED, f"{place}:3: `path` is ''")
    assert isinstance(good, Utterance)


def test_the_only_language_of_a_release_is_found(tmp_path: Path) -> None:
    _release(tmp_path / "cv-corpus-6.1" / "cy", train="path | sentence\na.mp3 | x\n")
    for folder in (tmp_path, tmp_path / "cv-corpus-6.1"):
        assert [utterance.language for utterance in _read(folder)] == ["cy"]


def test_a_release_without_splits_offers_what_is_validated(tmp_path: Path) -> None:
    assert find_tables(_release(tmp_path / "a", dev="", test="")) == ("dev", "test")
    assert find_tables(_release(tmp_path / "b", validated="")) == ("validated",)


def test_several_languages_are_refused(tmp_path: Path) -> None:
    for language in ("cy", "br"):
        _release(tmp_path / language)
    with pytest.raises(ManifestError, match=r"2 languages \(br, cy\)") as caught:
        next(read_common_voice(tmp_path))
    assert caught.value.hint == f"prepare them one by one, e.g. `{tmp_path / 'br'}`"


@pytest.mark.parametrize(
    ("tables", "asked", "message", "hint"),
    [
        ({}, "train", "train.tsv: no such table; there are none", "name those wanted"),
        ({"dev": ""}, "test", "no such table; there are dev", "name those wanted"),
        ({}, "validation", "no table `validation`", "choose from train, dev, test"),
        ({"train": ""}, "train", "no column `path`; there are none", "first line"),
        ({"train": "path | text\n"}, "train", "no column `sentence`; there are `path`", "first"),
    ],
)
def test_a_table_that_is_none_is_refused(
    tmp_path: Path, tables: dict[str, str], asked: str, message: str, hint: str
) -> None:
    _release(tmp_path, **tables)
    with pytest.raises(ManifestError) as caught:
        list(read_common_voice(tmp_path, tables=(asked,)))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no `clips/` folder") as caught:
        next(read_common_voice(tmp_path))
    assert "one language" in (caught.value.hint or "")


def test_all_sample_languages_are_read_as_they_are(shared_data: Path) -> None:
    for folder in sorted((shared_data / "common_voice_6.1_sample").iterdir()):
        utterances = _read(folder, "train", "dev", "test")
        assert utterances
        assert {utterance.language for utterance in utterances} == {folder.name}
        assert all(utterance.audio.is_file() for utterance in utterances)
        assert not [text for text in (item.text for item in utterances) if '""' in text]
