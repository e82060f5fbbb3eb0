import bz2
import gzip
import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anylect.errors import LanguageModelError, ManifestError
from anylect.lm.corpus import STANDARD_INPUT, Corpus, detect_unit
from anylect.lm.estimation import EstimationOptions, estimate_model
from anylect.lm.words import Tokenizer


def read(corpus: Corpus) -> list[str]:
    return b"".join(block.data for block in corpus).decode().splitlines()


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.txt", bytes), ("a.gz", gzip.compress), ("a.xz", lzma.compress), ("a", bz2.compress)],
)
def test_packed_text_is_recognised_by_its_bytes(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(pack("un deux\ntrois é\n".encode()))
    assert read(Corpus([path])) == ["un deux", "trois é"]


def test_zst_is_read_where_a_library_is_installed(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    (tmp_path / "a").write_bytes(zstandard.compress(b"a b\n"))
    assert read(Corpus([tmp_path / "a"])) == ["a b"]


def test_zst_without_a_library_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a").write_bytes(b"\x28\xb5\x2f\xfd....")
    with pytest.raises(ManifestError, match="zst needs a library") as caught:
        read(Corpus([tmp_path / "a"]))
    assert "pip install zstandard" in str(caught.value.hint)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(gzip.compress(b"a b\nc\n"))
    with (tmp_path / "in").open("rb") as source:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        assert read(Corpus([STANDARD_INPUT])) == ["a b", "c"]


@pytest.mark.parametrize(
    "text", [b"a b\nc d\n", b"a b\r\nc d\r\n", b"a b\nc d", b"\xef\xbb\xbfa  b\nc\td\n"]
)
def test_line_ends_marks_and_blanks_make_no_difference(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a").write_bytes(text)
    tokenizer = Tokenizer()
    numbers = [n for block in Corpus([tmp_path / "a"]) for n in tokenizer.add(block).tolist()]
    assert numbers == [1, 3, 4, 2, 1, 5, 6, 2]
    assert list(tokenizer.words()) == ["<unk>", "<s>", "</s>", "a", "b", "c", "d"]


def test_several_files_and_transcripts_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two\n")
    corpus = Corpus([tmp_path / "a", tmp_path / "b"], transcripts=["three\nfour", "five"])
    assert read(corpus) == ["one", "two", "three four", "five"]
    assert corpus.report.sentences == 4


def test_text_passes_the_normalizer_and_excluded_sentences_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("The Cat\n!\nA Dog\nthe cat\nA Dog\n")
    corpus = Corpus(
        [tmp_path / "a"],
        normalize=lambda text: text.lower().replace("!", ""),
        exclude=["THE cat!"],
        deduplicate=True,
    )
    assert read(corpus) == ["a dog"]
    report = corpus.report
    assert (report.excluded, report.emptied, report.duplicates) == (2, 1, 1)
    assert report.sentences == 1


def test_invalid_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"fine\nno \xff\n")
    with pytest.raises(ManifestError, match="a:2: invalid UTF-8: byte 0xff in column 4") as caught:
        read(Corpus([tmp_path / "a"]))
    assert "iconv" in str(caught.value.hint)


def test_a_giant_line_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"fine\n" + b"word " * 300_000)
    with pytest.raises(ManifestError, match="a:2: a line of more than") as caught:
        read(Corpus([tmp_path / "a"]))
    assert "one sentence per line" in str(caught.value.hint)


def test_a_giant_line_between_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"fine\n" * 9 + b"word " * 250_000 + b"\nfine\n")
    with pytest.raises(ManifestError, match="a:10: a line of more than"):
        read(Corpus([tmp_path / "a"]))


@pytest.mark.parametrize("mark", ["<s>", "</s>", "<unk>"])
def test_marks_in_the_text_are_refused_with_their_line(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a").write_text(f"fine\nnot {mark} fine\n")
    with pytest.raises(ManifestError, match=f"a:2: `{mark}` stands in the text"):
        estimate_model(Corpus([tmp_path / "a"]))


def test_marks_in_the_text_are_skipped_on_request(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("<s> a b </s>\nc\n")
    estimated = estimate_model(Corpus([tmp_path / "a"]), EstimationOptions(skip_marks=True))
    assert estimated.marks_skipped == 2
    assert list(estimated.tables.words) == ["<unk>", "<s>", "</s>", "a", "b", "c"]


@pytest.mark.parametrize(
    ("sample", "unit"),
    [
        ("the cat sat on the mat", "word"),
        ("我们都是中国人他们也是中国人", "character"),
        ("我们 都 是 中国人", "word"),
        ("한국어는 띄어쓰기를 합니다", "word"),
        ("ผมรักภาษาไทยและกรุงเทพมหานคร", "character"),
        ("", "word"),
    ],
)
def test_scripts_without_spaces_are_detected(sample: str, unit: str) -> None:
    assert detect_unit(sample)[0] == unit


def test_a_model_of_characters_says_that_it_was_chosen(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("我们都是中国人他们也是中国人他们\n是的 好\n")
    corpus = Corpus([tmp_path / "a"])
    assert read(corpus) == ["我 们 都 是 中 国 人 他 们 也 是 中 国 人 他 们", "是 的 | 好"]
    assert corpus.report.unit == "character"
    assert corpus.report.unit_reason.startswith("detected: 100% of letters")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nowhere: cannot be read"):
        read(Corpus([tmp_path / "nowhere"]))


def test_a_torn_gzip_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"a b\n" * 1000)[:-9])
    with pytest.raises(ManifestError, match="cannot be read"):
        read(Corpus([tmp_path / "a"]))


def test_the_table_of_words_grows() -> None:
    words = [f"word{'x' * (number % 90)}{number}" for number in range(70_000)]
    tokenizer = Tokenizer()
    numbers = [n for block in Corpus(transcripts=[" ".join(words)]) for n in tokenizer.add(block)]
    assert numbers == [1, *range(3, 70_003), 2]
    assert list(tokenizer.words())[3:] == words


def test_a_corpus_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="1 excluded"):
        estimate_model(Corpus(transcripts=["a"], exclude=["a"]))
