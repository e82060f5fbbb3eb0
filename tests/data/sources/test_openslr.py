from pathlib import Path

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.openslr import read_openslr
from anylect.records import Utterance


def _write(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_a_line_index_is_read_with_its_speakers(tmp_path: Path) -> None:
    folder = tmp_path / "km_kh_male"
    _write(folder / "line_index.tsv", "khm_0308_0011865648\tស្ពាន\nkhm_0437_0001\t\tទឹក\n")
    first = _write(folder / "wavs" / "khm_0308_0011865648.wav")
    second = _write(folder / "wavs" / "khm_0437_0001.wav")
    assert list(read_openslr(tmp_path)) == [
        Utterance(
            audio=first,
            text="ស្ពាន",
            id="khm_0308_0011865648",
            speaker="khm_0308",
            corpus="openslr",
        ),
        Utterance(
            audio=second, text="ទឹក", id="khm_0437_0001", speaker="khm_0437", corpus="openslr"
        ),
    ]


def test_both_folders_of_a_download_are_read(tmp_path: Path) -> None:
    for sex in ("female", "male"):
        _write(tmp_path / f"ca_es_{sex}" / "line_index.tsv", f"ca{sex[0]}_01_1\tbon dia\n")
        _write(tmp_path / f"ca_es_{sex}" / f"ca{sex[0]}_01_1.wav")
    found = [each for each in read_openslr(tmp_path) if isinstance(each, Utterance)]
    assert [each.speaker for each in found] == ["caf_01", "cam_01"]
    assert all(each.audio.is_file() for each in found)


def test_an_index_with_speakers_finds_its_recordings_by_their_first_letters(tmp_path: Path) -> None:
    _write(tmp_path / "utt_spk_text.tsv", "00000e2b99\t179b9\tWis suwe\n")
    recording = _write(tmp_path / "data" / "00" / "00000e2b99.flac")
    (found,) = read_openslr(tmp_path)
    assert found == Utterance(
        audio=recording, text="Wis suwe", id="00000e2b99", speaker="179b9", corpus="openslr"
    )


def test_lines_that_say_nothing_are_listed(tmp_path: Path) -> None:
    _write(tmp_path / "line_index_female.tsv", "only\nmlf_1_2\t\na\tb\tc\td\n")
    found = [each for each in read_openslr(tmp_path) if isinstance(each, Dropped)]
    assert [each.reason for each in found] == [
        Reason.MALFORMED,
        Reason.NO_TRANSCRIPT,
        Reason.MALFORMED,
    ]
    assert found[2].detail.endswith("line_index_female.tsv:3: 4 cells where 2 or 3 were expected")
