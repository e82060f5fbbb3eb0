import hashlib
import json
import os
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anylect.data.manifest import manifest_checksum, read_manifest, write_manifest
from anylect.errors import ManifestError
from anylect.records import Utterance

WELL = '{"audio": "a.wav", "text": "good"}'


def _read(folder: Path, content: str | bytes, **options: Any) -> list[Utterance]:
    path = folder / "m.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_manifest(path, **options))


def test_a_line_becomes_an_utterance(tmp_path: Path) -> None:
    line = (
        '{"audio": "clips/ა b.mp3", "text": "გამარჯობა", "duration": 3, "speaker": "s1", '
        '"language": "ka", "split": "dev", "id": "u1", "start": 1.5, "corpus": "c", "age": [4]}'
    )
    (utterance,) = _read(tmp_path, line)
    assert utterance == Utterance(
        audio=tmp_path / "clips" / "ა b.mp3",
        text="გამარჯობა",
        id="u1",
        duration=3.0,
        start=1.5,
        speaker="s1",
        language="ka",
        split="dev",
        corpus="c",
        extra={"age": [4]},
    )


def test_names_of_other_tools_are_read(tmp_path: Path) -> None:
    line = '{"audio_filepath": "/x/a.wav", "text": "", "lang": "sv", "offset": 2.5, "speaker": 84}'
    (utterance,) = _read(tmp_path, line)
    assert (utterance.audio, utterance.language, utterance.start) == (Path("/x/a.wav"), "sv", 2.5)
    assert (utterance.speaker, utterance.id, dict(utterance.extra)) == ("84", "a@2.5", {})


def test_our_own_name_wins_and_the_other_is_kept_as_unknown(tmp_path: Path) -> None:
    (utterance,) = _read(tmp_path, '{"audio": "a", "text": "", "language": "nn", "lang": "no"}')
    assert (utterance.language, utterance.extra) == ("nn", {"lang": "no"})


def test_paths_are_seen_from_the_manifest_whatever_stood_above(tmp_path: Path) -> None:
    near = ["a.wav", "./a.wav", "clips/a.wav", "clips/b.wav", "clips/../a.wav", "clips/..", "c/"]
    far = ["/a.wav", "//far/a.wav", "/far/a.wav"]
    above = ["..", "../a.wav", "../b.wav", "../x/../a.wav", "../../a.wav"]
    lines = [json.dumps({"audio": each, "text": ""}) for each in (*near, *far, *above)]
    found = [utterance.audio for utterance in _read(tmp_path, "\n".join(lines))]
    assert found == [
        *(tmp_path / each for each in near),
        *(Path(each) for each in far),
        *((tmp_path / each).resolve() for each in above),
    ]


def test_ids_are_made_up_and_differ(tmp_path: Path) -> None:
    lines = [
        {"audio": "x/1.wav", "text": ""},
        {"audio": "y/1.wav", "text": ""},
        {"audio": "y/1.wav", "text": ""},
        {"audio": "y/1.wav", "text": "", "start": 0.25},
        {"audio": "y/1.wav", "text": "", "id": "mine"},
    ]
    utterances = _read(tmp_path, "\n".join(json.dumps(line) for line in lines))
    assert [utterance.id for utterance in utterances] == ["1", "y/1", "y/1#3", "1@0.25", "mine"]


def test_ids_do_not_depend_on_the_split_asked_for(tmp_path: Path) -> None:
    lines = (
        '{"audio": "x/1", "text": "", "split": "train"}\n'
        '{"audio": "y/1", "text": "", "split": "dev"}'
    )
    assert [utterance.id for utterance in _read(tmp_path, lines, split="dev")] == ["y/1"]


def test_a_mark_carriage_returns_and_empty_lines_are_accepted(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + WELL.encode() + b"\r\n\r\n  \n" + b'{"audio": "b", "text": ""}'
    assert [utterance.id for utterance in _read(tmp_path, content)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ('{"audio": "a.wav", ', "broken JSON at character 20", "a line is one object"),
        ("[1]", "a list where an object was expected", "a line is one object"),
        ('"a"', "a str where an object was expected", "a line is one object"),
        ("[" * 100_000, "nested too deeply", "flat object"),
        ('{"n": ' + "1" * 5000 + "}", "broken JSON: Exceeds the limit", "one object"),
        ('{"text": "a"}', "`audio` is missing; the line has `text`", "are required"),
        ('{"audio": "a"}', "`text` is missing; the line has nothing else", "are required"),
        ('{"audio": "a", "text": null}', "`text` is missing", "are required"),
        ('{"audio": 7, "text": ""}', "`audio` is 7, expected a text", "in quotes"),
        ('{"audio": "a", "text": ["b"]}', "`text` is ['b'], expected a text", "in quotes"),
        ('{"audio": "", "text": ""}', "`audio` is ''", "path of a recording"),
        ('{"audio": "a\\u0000", "text": ""}', "`audio` is 'a\\x00'", "path of a recording"),
        ('{"audio": "a", "text": "", "duration": NaN}', "`NaN` is not a number", "`null`"),
        ('{"audio": "a", "text": "", "duration": 1e999}', "not a possible number", "check"),
        ('{"audio": "a", "text": "", "duration": ' + "9" * 400 + "}", "not a possible", "check"),
        ('{"audio": "a", "text": "", "duration": -1}', "`duration` is -1.0 s", "no audio"),
        ('{"audio": "a", "text": "", "duration": 0.0}', "`duration` is 0.0 s", "no audio"),
        ('{"audio": "a", "text": "", "duration": "3"}', "`duration` is '3', expected", "quotes"),
        ('{"audio": "a", "text": "", "duration": true}', "`duration` is True, expected", "3.21"),
        ('{"audio": "a", "text": "", "start": -0.5}', "`start` is -0.5 s", "0.0 s or later"),
        ('{"audio": "a", "text": "", "speaker": 1.5}', "`speaker` is 1.5, expected", "quotes"),
        ('{"audio": "a", "text": "", "id": true}', "`id` is True, expected", "quotes"),
        ('{"audio": "a", "text": "", "id": "a"}', "`id` is 'a', as on line 1", "of its own"),
    ],
)
def test_a_bad_line_is_named_with_a_hint(
    tmp_path: Path, line: str, message: str, hint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        _read(tmp_path, f"{WELL}\n\n{line}\n")
    assert caught.value.message.startswith(f"{tmp_path / 'm.jsonl'}:3: ")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_mark_behind_the_first_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: .* unexpected byte order mark"):
        _read(tmp_path, f"{WELL}\n\ufeff{WELL}\n")


def test_bad_lines_of_other_splits_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: broken JSON"):
        _read(tmp_path, f"{WELL}\n{{", split="dev")


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (WELL.encode() + b"\n" + "é".encode("latin-1"), ":2: not UTF-8 at byte 1", "iconv"),
        (WELL.encode("utf-16"), ":1: UTF-16, expected UTF-8", "iconv -f UTF-16"),
    ],
)
def test_another_encoding_is_refused(
    tmp_path: Path, content: bytes, message: str, hint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        _read(tmp_path, content)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read") as caught:
        next(read_manifest(tmp_path))
    assert caught.value.hint == "check the path and its permissions"


def test_who_has_no_manifest_learns_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"missing.jsonl: no such manifest") as caught:
        next(read_manifest(tmp_path / "missing.jsonl"))
    assert "anylect prepare" in (caught.value.hint or "")


def test_a_manifest_is_read_lazily(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(WELL + "\n{broken")
    assert next(read_manifest(path)).id == "a"


def test_a_manifest_is_written_beside_and_renamed(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("old")
    seen: list[str] = []

    def utterances() -> Any:
        yield Utterance(audio=tmp_path / "a", text="", id="a")
        seen.append(path.read_text())

    assert write_manifest(path, utterances()) == 1
    assert seen == ["old"]
    assert path.read_text() == '{"audio": "a", "text": "", "id": "a"}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("old")
    bad = Utterance(audio=tmp_path / "a", text="", id="u7", extra={"x": float("inf")})
    with pytest.raises(ManifestError, match="u7: cannot be written as JSON") as caught:
        write_manifest(path, [bad])
    assert "finite numbers" in (caught.value.hint or "")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_extra_key_may_not_hide_a_field(tmp_path: Path) -> None:
    bad = Utterance(audio=tmp_path / "a", text="", id="u7", extra={"text": "other"})
    with pytest.raises(ManifestError, match="u7: `extra` holds `text`") as caught:
        write_manifest(tmp_path / "m.jsonl", [bad])
    assert caught.value.hint == "set the field of the utterance instead"


def test_a_folder_that_is_missing_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be written") as caught:
        write_manifest(tmp_path / "no" / "m.jsonl", [])
    assert "folder that exists" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("audio", "written"),
    [
        ("corpus/sets/a.wav", "a.wav"),
        ("corpus/sets/deep/a.wav", "deep/a.wav"),
        ("corpus/a.wav", "../a.wav"),
        ("other/clips/a.wav", "../../other/clips/a.wav"),
        ("/far/a.wav", "/far/a.wav"),
    ],
)
def test_near_recordings_get_relative_paths(tmp_path: Path, audio: str, written: str) -> None:
    folder = tmp_path / "corpus" / "sets"
    folder.mkdir(parents=True)
    path = folder / "m.jsonl"
    write_manifest(path, [Utterance(audio=tmp_path / audio, text="", id="a")])
    assert json.loads(path.read_text())["audio"] == written
    assert next(read_manifest(path)).audio == tmp_path / audio


def test_a_relative_path_holds_when_the_manifest_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "sets").mkdir(parents=True)
    (tmp_path / "real" / "a.wav").write_text("")
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    link = tmp_path / "deep" / "deeper" / "link"
    link.symlink_to(tmp_path / "real" / "sets")
    write_manifest(link / "m.jsonl", [Utterance(audio=tmp_path / "real/a.wav", text="", id="a")])
    for folder in (link, tmp_path / "real" / "sets"):
        (utterance,) = read_manifest(folder / "m.jsonl")
        assert utterance.audio.exists()


def test_a_file_name_that_is_not_utf8_survives(tmp_path: Path) -> None:
    audio = tmp_path / os.fsdecode(b"gr\xfcn.wav")
    write_manifest(tmp_path / "m.jsonl", [Utterance(audio=audio, text="grün", id="1")])
    assert next(read_manifest(tmp_path / "m.jsonl")).audio == audio


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
RESERVED = {"audio", "text", "id", "duration", "start", "speaker", "language", "split", "corpus"}
KEYS = st.text().filter(lambda key: key not in RESERVED | {"audio_filepath", "lang", "offset"})
UTTERANCES = st.builds(
    Utterance,
    audio=st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=3).map(
        lambda parts: Path("folder", *parts)
    ),
    text=st.text(),
    id=st.text(min_size=1),
    duration=st.none() | st.floats(0, 1e6, exclude_min=True),
    start=st.floats(0, 1e6),
    speaker=st.none() | NAMES,
    language=st.none() | NAMES,
    split=st.none() | NAMES,
    corpus=st.none() | NAMES,
    extra=st.dictionaries(KEYS, VALUES, max_size=3).map(MappingProxyType),
)


@given(st.lists(UTTERANCES, max_size=4, unique_by=lambda utterance: utterance.id))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_manifest_survives_a_round_trip(tmp_path: Path, utterances: list[Utterance]) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        path = Path("m.jsonl")
        assert write_manifest(path, utterances) == len(utterances)
        assert list(read_manifest(path)) == utterances
        once = path.read_bytes()
        write_manifest(path, list(read_manifest(path)))
        assert path.read_bytes() == once
    finally:
        os.chdir(here)


LINES = st.lists(
    st.binary(max_size=30)
    | st.builds(
        lambda fields: json.dumps(fields).encode(),
        st.dictionaries(st.sampled_from(["id", "start", "lang", "x", *RESERVED]), VALUES),
    )
).map(b"\n".join)


@given(LINES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_the_only_error_is_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(content)
    try:
        read = list(read_manifest(path))
    except ManifestError as error:
        placed, hint = error.message.startswith(f"{path}:"), error.hint
        assert placed and hint  # noqa: PT018  # either outcome of reading will do
    else:
        assert len({utterance.id for utterance in read}) == len(read)


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"abc")
    assert manifest_checksum(path) == hashlib.sha256(b"abc").hexdigest()


def test_the_sample_corpora_are_read_as_they_are(shared_data: Path) -> None:
    for name, count in (("fsdd", 3000), ("smc_malayalam", 1847)):
        utterances = list(read_manifest(shared_data / name / "manifest.jsonl"))
        assert len(utterances) == count
        assert all(utterance.audio.exists() for utterance in islice(utterances, 50))
        assert {utterance.language for utterance in utterances} <= {"en", "ml"}
