from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.librispeech import read_librispeech
from anylect.records import Utterance


def _chapter(folder: Path, transcripts: str, *recordings: str) -> Path:
    folder.mkdir(parents=True)
    (folder / f"{folder.parent.name}-{folder.name}.trans.txt").write_text(transcripts)
    for name in recordings:
        (folder / name).write_text("")
    return folder


def test_a_chapter_is_read_with_speaker_and_split(tmp_path: Path) -> None:
    chapter = _chapter(
        tmp_path / "train-clean-100" / "19" / "198",
        "19-198-0000 NORTHANGER  ABBEY\n19-198-0001 THIS\n",
        "19-198-0000.flac",
        "19-198-0001.wav",
    )
    first, second = read_librispeech(tmp_path)
    assert first == Utterance(
        audio=chapter / "19-198-0000.flac",
        text="NORTHANGER  ABBEY",
        id="19-198-0000",
        speaker="19",
        split="train",
        corpus="librispeech",
        extra={"chapter": "198", "part": "train-clean-100"},
    )
    assert isinstance(second, Utterance)
    assert second.audio.name == "19-198-0001.wav"


def test_a_part_may_be_given_itself(tmp_path: Path) -> None:
    _chapter(tmp_path / "dev-other" / "7" / "8", "7-8-0 YES\n", "7-8-0.flac")
    for folder in (tmp_path / "dev-other", tmp_path / "dev-other" / "7" / "8"):
        (found,) = read_librispeech(folder)
        assert isinstance(found, Utterance)
        assert found.speaker == "7"
        assert found.split == ("dev" if folder.name == "dev-other" else None)


def test_a_tree_without_parts_has_no_split(tmp_path: Path) -> None:
    _chapter(tmp_path / "corpus" / "7" / "8", "7-8-0 YES\n", "7-8-0.flac")
    (found,) = read_librispeech(tmp_path / "corpus")
    assert isinstance(found, Utterance)
    assert found.split is None


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    chapter = _chapter(tmp_path / "7" / "8", "7-8-0\n7-8-1 YES\n", "7-8-0.flac", "7-8-2.flac")
    bare, missing, left = read_librispeech(tmp_path)
    assert isinstance(bare, Dropped)
    assert (bare.reason, bare.detail) == (
        Reason.NO_TRANSCRIPT,
        f"{chapter / '7-8.trans.txt'}:1: only '7-8-0'",
    )
    assert isinstance(missing, Utterance)
    assert missing.audio.name == "7-8-1.flac"
    assert isinstance(left, Dropped)
    assert left.detail == f"{chapter / '7-8-2.flac'}: not in 7-8.trans.txt"


def test_the_sample_is_read_as_it_is(shared_data: Path) -> None:
    found = list(read_librispeech(shared_data / "LibriSpeech_sample"))
    assert len(found) > 100
    assert all(isinstance(item, Utterance) and item.split == "test" for item in found)


def test_zeroth_korean_has_its_folders_turned_round(tmp_path: Path) -> None:
    reader = tmp_path / "test_data_01" / "003" / "104"
    reader.mkdir(parents=True)
    (reader / "104_003.trans.txt").write_text("104_003_0019 지난해 삼 월\n", encoding="utf-8")
    (reader / "104_003_0019.flac").write_text("")
    (found,) = read_librispeech(tmp_path)
    assert found == Utterance(
        audio=reader / "104_003_0019.flac",
        text="지난해 삼 월",
        id="104_003_0019",
        speaker="104",
        split="test",
        corpus="zeroth-korean",
        extra={"chapter": "003", "part": "test_data_01"},
    )
