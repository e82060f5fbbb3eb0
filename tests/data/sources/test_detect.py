from pathlib import Path

import pytest

from anylect.config import build_config
from anylect.data.sources.detect import LAYOUTS, SourceOptions, find_layout, open_corpus
from anylect.errors import ManifestError
from anylect.records import Utterance

LAYOUT_FILES = [
    ("manifest", "", {"manifest.jsonl": '{"audio": "a", "text": "b"}'}),
    ("manifest", "m.jsonl", {"m.jsonl": '{"audio_filepath": "a", "text": "b"}'}),
    ("manifest", "m.jsonl", {"m.jsonl": "{broken"}),
    ("manifest", "m.jsonl", {"m.jsonl": ""}),
    ("table", "m.jsonl", {"m.jsonl": '{"path": "a", "sentence": "b"}'}),
    ("table", "m.jsonl", {"m.jsonl": '{"audio": "a", "sentence": "b"}'}),
    ("table", "x.TSV", {"x.TSV": "path\tsentence\n"}),
    ("table", "", {"metadata.csv": "a|b\n", "wavs/a.wav": ""}),
    ("tables", "", {"train.csv": "path,text\n", "valid.csv": "path,text\n"}),
    ("common-voice", "", {"clips/a.mp3": "", "train.tsv": ""}),
    ("common-voice", "", {"cv/cy/clips/a.mp3": "", "cv/cy/train.tsv": ""}),
    ("librispeech", "", {"train-clean-100/1/2/1-2.trans.txt": ""}),
    ("librispeech", "", {"1/2/1-2.trans.txt": ""}),
    ("librispeech", "", {"train_data_01/003/104/104_003.trans.txt": ""}),
    ("openslr", "", {"line_index.tsv": "a\tb\n", "wavs/a.wav": ""}),
    ("openslr", "", {"km_kh_male/line_index.tsv": "a\tb\n"}),
    ("openslr", "", {"asr_javanese/utt_spk_text.tsv": "a\tb\tc\n"}),
    ("folder", "", {"deep/a.WAV": "", "deep/a.txt": ""}),
]


def _make(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.mark.parametrize(("layout", "name", "files"), LAYOUT_FILES)
def test_layouts_are_told_apart(
    tmp_path: Path, layout: str, name: str, files: dict[str, str]
) -> None:
    _make(tmp_path, files)
    assert find_layout(tmp_path / name) == layout


@pytest.mark.parametrize(
    ("name", "files", "holds"),
    [
        ("", {}, "it holds no files"),
        ("", {"a.wav": "", "b.wav": "", "x.txt": ""}, "it holds 2 × .wav, 1 × .txt"),
        ("a.doc", {"a.doc": ""}, "it holds a file that ends in .doc"),
    ],
)
def test_an_unknown_layout_is_refused_and_the_known_are_listed(
    tmp_path: Path, name: str, files: dict[str, str], holds: str
) -> None:
    _make(tmp_path, files)
    with pytest.raises(ManifestError, match="no known layout") as caught:
        open_corpus(tmp_path / name)
    assert holds in caught.value.message
    assert all(layout in (caught.value.hint or "") for layout in LAYOUTS)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file or folder") as caught:
        open_corpus(tmp_path / "nothing")
    assert caught.value.hint == "check the path"


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    _make(tmp_path, {"metadata.csv": "path,text\n", "metadata.tsv": "path\ttext\n"})
    with pytest.raises(ManifestError, match=r"found metadata\.csv, metadata\.tsv") as caught:
        open_corpus(tmp_path)
    assert "the table itself" in (caught.value.hint or "")


def test_tables_give_their_names_to_the_splits(tmp_path: Path) -> None:
    _make(tmp_path, {"train.csv": "path,text\na,x\n", "valid.tsv": "path\ttext\nb\ty\n"})
    corpus = open_corpus(tmp_path)
    assert [(item.id, item.split) for item in corpus.found if isinstance(item, Utterance)] == [
        ("a", "train"),
        ("b", "dev"),
    ]


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"manifest.jsonl": '{"audio": "a", "text": "b"}'}, 1),
        ({"metadata.csv": "path,text\na,b\n"}, 1),
        ({"clips/a.mp3": "", "validated.tsv": "path\tsentence\na\tb\n"}, 1),
        ({"1/2/1-2.trans.txt": "1-2-0 A\n1-2-1 B\n"}, 2),
        ({"a.wav": "", "a.txt": "x"}, 1),
    ],
)
def test_a_recognised_corpus_is_read(tmp_path: Path, files: dict[str, str], count: int) -> None:
    _make(tmp_path, files)
    assert len(list(open_corpus(tmp_path).found)) == count


def test_a_layout_may_be_given(tmp_path: Path) -> None:
    _make(tmp_path, {"x/a.wav": "", "x/a.txt": "y", "manifest.jsonl": ""})
    options = SourceOptions(speaker_from_folder=True)
    (found,) = open_corpus(tmp_path, options, layout="folder").found
    assert isinstance(found, Utterance)
    assert found.speaker == "x"


def test_options_are_read_from_a_configuration() -> None:
    values = {"columns": {"text": "frase"}, "tables": ["validated"]}
    options = build_config(SourceOptions, values)
    assert options == SourceOptions(columns={"text": "frase"}, tables=("validated",))


def test_an_archive_is_to_be_unpacked_first(tmp_path: Path) -> None:
    (tmp_path / "mcv-scripted-cy-v24.0.tar.gz").write_bytes(b"")
    with pytest.raises(ManifestError, match="is an archive") as caught:
        open_corpus(tmp_path / "mcv-scripted-cy-v24.0.tar.gz")
    assert "`tar -xf mcv-scripted-cy-v24.0.tar.gz`" in str(caught.value.hint)
