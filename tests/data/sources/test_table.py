import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anylect.data.filters import Dropped, Reason
from anylect.data.sources.recordings import Found
from anylect.data.sources.table import read_table
from anylect.errors import ManifestError
from anylect.records import Utterance


def _read(folder: Path, content: str, name: str = "t.csv", **options: Any) -> list[Found]:
    path = folder / name
    path.write_bytes(content.encode())
    return list(read_table(path, **options))


def _texts(found: list[Found]) -> list[tuple[str, str]]:
    return [(item.audio.name, item.text) for item in found if isinstance(item, Utterance)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("audio", ["path", "Audio", "FILE", "filename", "wav", "audio_filepath"])
@pytest.mark.parametrize("text", ["sentence", "Text", "transcript", "TRANSCRIPTION"])
def test_separators_and_columns_are_recognised(
    tmp_path: Path, separator: str, audio: str, text: str
) -> None:
    content = separator.join((text, "client_id", audio)) + "\n" + separator.join(("hi", "s", "a"))
    (utterance,) = _read(tmp_path, content)
    assert isinstance(utterance, Utterance)
    assert (utterance.text, utterance.speaker, utterance.audio.name) == ("hi", "s", "a")


def test_every_column_finds_its_field(tmp_path: Path) -> None:
    content = (
        "id,file,text,speaker_id,subset,lang,start,end,corpus,age\n"
        "u1,a.wav,hello,7,validation,cy,0.5,2.0,mine,old\n"
        "u2,a.wav,hello,,,,,,,\n"
    )
    first, second = _read(tmp_path, content)
    assert first == Utterance(
        audio=tmp_path / "a.wav",
        text="hello",
        id="u1",
        duration=1.5,
        start=0.5,
        speaker="7",
        language="cy",
        split="dev",
        corpus="mine",
        extra={"age": "old"},
    )
    assert second == Utterance(audio=tmp_path / "a.wav", text="hello", id="u2")


def test_a_column_may_be_named(tmp_path: Path) -> None:
    found = _read(tmp_path, "ton;satz;text\na.wav;ja;x\n", columns={"audio": "Ton", "text": "satz"})
    (utterance,) = found
    assert isinstance(utterance, Utterance)
    assert (utterance.text, utterance.extra) == ("ja", {"text_column": "x"})


def test_recordings_are_found_where_tables_leave_them(tmp_path: Path) -> None:
    for name in ("clips/a.mp3", "wavs/b.wav", "c.flac", "x/d.e.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = _read(tmp_path, "path,text\na.mp3,\nb,\nc,\nx/d.e,\nnowhere,\n/abs/a.wav,\n")
    assert [item.audio for item in found if isinstance(item, Utterance)] == [
        tmp_path / "clips" / "a.mp3",
        tmp_path / "wavs" / "b.wav",
        tmp_path / "c.flac",
        tmp_path / "x" / "d.e.wav",
        tmp_path / "nowhere",
        Path("/abs/a.wav"),
    ]


def test_the_form_of_ljspeech_needs_no_header(tmp_path: Path) -> None:
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "LJ1.wav").write_text("")
    content = 'LJ1|No. 1, "quoted|Number one, "quoted\nLJ2|two|two\n'
    first, second = _read(tmp_path, content, "metadata.csv")
    assert isinstance(first, Utterance)
    assert first.audio == tmp_path / "wavs" / "LJ1.wav"
    assert (first.text, first.id) == ('Number one, "quoted', "LJ1")
    assert first.extra == {"raw_text": 'No. 1, "quoted'}
    assert isinstance(second, Utterance)
    assert _texts(_read(tmp_path, "a|one\nb|two\n", "metadata.csv")) == [("a", "one"), ("b", "two")]


def test_commas_quote_and_tabs_do_not(tmp_path: Path) -> None:
    quoted = 'path,text\na,"one, ""two""\nthree"\nb,four\n'
    assert _texts(_read(tmp_path, quoted)) == [("a", 'one, "two"\nthree'), ("b", "four")]
    plain = 'path\ttext\na\t"one\nb\ttwo"\n'
    assert _texts(_read(tmp_path, plain, "t.tsv")) == [("a", '"one'), ("b", 'two"')]


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), CELLS), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_csv_writer_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    for separator in (",", ";"):
        file = io.StringIO()
        csv.writer(file, delimiter=separator).writerows([("path", "text"), *rows])
        assert _texts(_read(tmp_path, file.getvalue())) == rows


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), CELLS), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tab_separated_row_is_one_line_whatever_it_says(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter="\t").writerows([("path", "text"), *rows])
    found = _texts(_read(tmp_path, file.getvalue(), "t.tsv"))
    assert [name for name, _ in found] == [name for name, _ in rows]
    assert [text.strip('"') for _, text in found] == [text.strip('"') for _, text in rows]


@given(
    st.sampled_from(["t.csv", "t.tsv", "t.txt", "t.jsonl"]),
    st.lists(
        st.binary(max_size=20) | st.sampled_from([b"path,text", b"a\tb", b'a,"b', b'{"a":1}'])
    ).map(b"\n".join),
    st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_table_holds_the_only_error_is_ours(
    tmp_path: Path,
    name: str,
    content: bytes,
    headed: bool,  # noqa: FBT001  # drawn, not called
) -> None:
    path = tmp_path / name
    path.write_bytes(b"path,text,start\n" * headed + content)
    try:
        assert all(isinstance(item, (Utterance, Dropped)) for item in read_table(path))
    except ManifestError as error:
        placed, hint = error.message.startswith(f"{path}:"), error.hint
        assert placed and hint  # noqa: PT018  # either outcome of reading will do


def test_json_lines_may_lack_keys(tmp_path: Path) -> None:
    rows = [
        {"path": "a", "sentence": "one", "n": [1]},
        {"path": "b", "sentence": "two", "speaker": 7, "duration": 1},
        {"path": "c"},
        {"sentence": "four"},
        {"path": "e", "sentence": 5},
    ]
    content = "\n".join(json.dumps(row) for row in rows)
    one, two, three, four, five = _read(tmp_path, content, "t.jsonl")
    assert isinstance(one, Utterance)
    assert one.extra == {"n": [1]}
    assert isinstance(two, Utterance)
    assert (two.speaker, two.duration) == ("7", 1.0)
    assert isinstance(three, Utterance)
    assert three.text == ""
    assert four == Dropped(Reason.MALFORMED, f"{tmp_path / 't.jsonl'}:4: the recording is None")
    assert five == Dropped(Reason.MALFORMED, f"{tmp_path / 't.jsonl'}:5: the transcript is 5")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ("a", "1 cells where 4 were expected"),
        ("a,b,0,1,x", "5 cells where 4 were expected"),
        (" ,b,0,1", "the recording is ' '"),
        ("a\0,b,0,1", "the recording is 'a\\x00'"),
        ("a,b,x,1", "`start` is 'x'"),
        ("a,b,nan,1", "`start` is 'nan'"),
        ("a,b,-1,1", "`start` is '-1'"),
        ("a,b,0,inf", "`end` is 'inf'"),
        ("a,b,2,1.5", "ends at 1.5 s, before or where it starts (2.0 s)"),
    ],
)
def test_a_broken_row_is_listed_and_the_next_is_read(tmp_path: Path, row: str, detail: str) -> None:
    bad, good = _read(tmp_path, f"path,text,start,end\n\n{row}\nb,yes,0,1\n")
    assert bad == Dropped(Reason.MALFORMED, f"{tmp_path / 't.csv'}:3: {detail}")
    assert isinstance(good, Utterance)


@pytest.mark.parametrize(
    ("content", "name", "message", "hint"),
    [
        ("a,b\n1,2\n", "t.csv", ":2: no column for the recording; there are `a`, `b`", "columns."),
        ("path,b\n1,2\n", "t.csv", ":2: no column for the transcript; there are", "`columns.text"),
        ("a.wav|x|y|z\nb.wav|x|y|z\n", "t.txt", "no column for the recording", "needs a header"),
        ("path,text,text\n", "t.csv", ":1: column `text` stands twice", "rename"),
        ('path,text\na,"b\nc,d\n', "t.csv", ":2: a row that begins here is not ','", "close"),
        ('path,text\na,"b"c\n', "t.csv", ":2: a row that begins here is not ','", "double"),
        ("path,text\ra,b", "t.csv", ":1: a row that begins here is not ','", "save the table"),
        ("{\n", "t.jsonl", ":1: broken JSON", "flat object"),
        ("[]\n", "t.jsonl", ":1: a list where an object was expected", '"path"'),
        ('{"a": 1}\n', "t.jsonl", ":1: no column for the recording; there are `a`", "call it"),
    ],
)
def test_a_table_that_is_none_is_refused(
    tmp_path: Path, content: str, name: str, message: str, hint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        _read(tmp_path, content, name)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path,text\na,né\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="2: not UTF-8 at byte 4") as caught:
        list(read_table(tmp_path / "t.csv"))
    assert "iconv" in (caught.value.hint or "")


def test_an_empty_table_has_no_utterances(tmp_path: Path) -> None:
    assert _read(tmp_path, "") == []
    assert _read(tmp_path, "path,text\n") == []
