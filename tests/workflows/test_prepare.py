import hashlib
import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anylect.config import load_config
from anylect.data.filters import FilterOptions, Reason
from anylect.data.manifest import manifest_checksum, read_manifest
from anylect.data.sources.detect import SourceOptions
from anylect.data.splits import SplitOptions
from anylect.errors import AnylectError, ConfigError, ManifestError
from anylect.records import Utterance
from anylect.workflows.prepare import PrepareConfig, prepare
from anylect.workflows.prepare_report import PrepareReport


def _write_wav(path: Path, seconds: float = 1.0, *, seed: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Every name its own noise, so that no recording is taken for another's copy.
    random = np.random.default_rng(list(path.name.encode()) if seed is None else seed)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(random.integers(-9, 9, round(seconds * 8000)).astype("<i2").tobytes())


def _write_pairs(folder: Path, texts: Sequence[str], seconds: float = 1.0) -> Path:
    for number, text in enumerate(texts):
        _write_wav(folder / f"{number:03}.wav", seconds)
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


def _tree(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _prepare(source: Path, output: Path, **options: Any) -> PrepareReport:
    return prepare(PrepareConfig(source=source, output=output, **{"workers": 2, **options}))


def _kept(output: Path) -> list[Utterance]:
    return list(read_manifest(output / "manifest.jsonl"))


def _dropped(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "dropped.jsonl").read_text().splitlines()]


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A folder with one good recording and one of every flaw."""
    folder = _write_pairs(tmp_path / "corpus", ["Good day!", "", "?!", "a" * 90, "b" * 26])
    _write_wav(folder / "short.wav", 0.05)
    _write_wav(folder / "long.wav", 41.0)
    _write_wav(folder / "copy.wav", 1.0, seed=7)
    _write_wav(folder / "copy2.wav", 1.0, seed=7)
    _write_wav(folder / "silent.wav", 0.0)
    _write_wav(folder / "alone.wav")
    (folder / "words.wav").write_text("these are words")
    for name in ("short", "long", "copy", "copy2", "silent", "words", "orphan"):
        (folder / f"{name}.txt").write_text(f"text of {name}")
    return folder


@pytest.mark.parametrize("workers", [0, 3])
def test_nothing_is_dropped_silently(spoilt: Path, tmp_path: Path, workers: int) -> None:
    before = _tree(spoilt)
    report = _prepare(
        spoilt, tmp_path / "out", workers=workers, filters=FilterOptions(max_tokens_per_second=25)
    )
    assert report.dropped == {
        Reason.NO_TRANSCRIPT: 1,
        Reason.MISSING: 1,
        Reason.UNREADABLE: 2,
        Reason.EMPTY: 2,
        Reason.TOO_SHORT: 1,
        Reason.TOO_LONG: 1,
        Reason.INFEASIBLE: 2,
        Reason.DUPLICATE: 1,
    }
    kept, dropped = _kept(tmp_path / "out"), _dropped(tmp_path / "out")
    assert [utterance.id for utterance in kept] == ["000", "copy"]
    assert report.kept == len(kept)
    assert report.kept + len(dropped) == report.seen == 13
    assert all(line["reason"] in list(Reason) and line["detail"] for line in dropped)
    duplicate = next(line for line in dropped if line["reason"] == "duplicate recording")
    assert (duplicate["id"], duplicate["detail"]) == ("copy2", "the same audio as copy")
    assert duplicate["audio"] == "../corpus/copy2.wav"
    assert _tree(spoilt) == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dropped.jsonl",
        "manifest.jsonl",
    ]


def test_rules_may_be_bent(spoilt: Path, tmp_path: Path) -> None:
    filters = FilterOptions(
        min_duration=0.0,
        max_duration=60.0,
        frames_per_second=500.0,
        max_tokens_per_second=500.0,
        duplicates="keep",
    )
    report = _prepare(spoilt, tmp_path / "out", filters=filters)
    kept = {utterance.id for utterance in _kept(tmp_path / "out")}
    assert kept == {"000", "003", "004", "copy", "copy2", "long", "short"}
    assert report.seen == report.kept + sum(report.dropped.values())


def test_too_fast_speech_is_dropped(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["ab" * 15, "ab" * 16])
    report = _prepare(corpus, tmp_path / "out")
    assert report.dropped == {Reason.TOO_FAST: 1}
    assert _dropped(tmp_path / "out")[0]["detail"] == (
        "32 tokens in 1.00 s are 32.0 per second, at most 30 expected"
    )


def test_recordings_are_measured_and_named(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["Guten Tag"], seconds=1.25)
    report = _prepare(corpus, tmp_path / "out", language="de", corpus="mine")
    (utterance,) = _kept(tmp_path / "out")
    assert utterance == Utterance(
        audio=tmp_path / "corpus" / "000.wav",
        text="Guten Tag",
        id="000",
        duration=1.25,
        language="de",
        split="train",
        corpus="mine",
    )
    assert report.normalizers[0].startswith("de-1 (")
    assert report.checksum == manifest_checksum(tmp_path / "out" / "manifest.jsonl")


def test_splits_are_drawn_where_the_corpus_has_none(tmp_path: Path) -> None:
    for speaker in range(12):
        texts = [f"sentence {speaker} {number}" for number in range(3)]
        _write_pairs(tmp_path / "corpus" / f"s{speaker:02}", texts)
    for number, path in enumerate(sorted((tmp_path / "corpus").rglob("*.wav"))):
        _write_wav(path, seed=number)
    report = _prepare(
        tmp_path / "corpus", tmp_path / "out", reading=SourceOptions(speaker_from_folder=True)
    )
    assert {name: split.utterances for name, split in report.splits.items()} == {
        "train": 30,
        "dev": 3,
        "test": 3,
    }
    assert (report.splits["dev"].speakers, report.splits["dev"].sentences) == (1, 3)
    assert (report.leaks, report.notes) == ((), ())


def _write_table(folder: Path, rows: Sequence[Sequence[str]]) -> Path:
    header = ("path", "text", "speaker", "split")
    for row in rows:
        _write_wav(folder / row[0])
    table = folder / "table.tsv"
    table.write_text("\n".join("\t".join(row) for row in (header, *rows)), encoding="utf-8")
    return table


OWN = [
    ("1.wav", "one", "a", "train"),
    ("2.wav", "One!", "b", "test"),
    ("3.wav", "two", "b", "validation"),
    ("4.wav", "three", "c", ""),
    ("5.wav", "four", "b", ""),
    ("6.wav", "five", "d", "noise"),
]


def test_splits_of_the_corpus_are_kept_and_leaks_are_told(tmp_path: Path) -> None:
    table = _write_table(tmp_path / "corpus", OWN)
    report = _prepare(table, tmp_path / "out")
    assert {utterance.id: utterance.split for utterance in _kept(tmp_path / "out")} == {
        "1": "train",
        "2": "test",
        "3": "dev",
        "4": "train",
        "6": "noise",
    }
    assert [(line["id"], line["reason"]) for line in _dropped(tmp_path / "out")] == [
        ("5", "stands on two sides")
    ]
    assert [(leak.kind, leak.left, leak.right, leak.examples) for leak in report.leaks] == [
        ("sentence", "train", "test", ("one",)),
        ("speaker", "dev", "test", ("b",)),
    ]
    assert list(report.splits) == ["train", "dev", "test", "noise"]
    assert "2 utterances without a split: 1 joined train" in report.notes[0]


def test_splits_of_the_corpus_may_be_drawn_anew(tmp_path: Path) -> None:
    rows = [(f"{number}.wav", f"text {number}", f"s{number}", "train") for number in range(10)]
    table = _write_table(tmp_path / "corpus", rows)
    report = _prepare(table, tmp_path / "kept")
    assert list(report.splits) == ["train"]
    assert report.notes == (
        "no utterance in dev and test; `--set splits.keep=false` divides the corpus anew",
    )
    report = _prepare(table, tmp_path / "drawn", splits=SplitOptions(keep=False))
    assert list(report.splits) == ["train", "dev", "test"]


@pytest.mark.parametrize("other_script", ["keep", "drop"])
def test_another_script_is_counted_or_dropped(tmp_path: Path, other_script: Any) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["привет", "мир", "hello", "ночь", "42"])
    filters = FilterOptions(other_script=other_script)
    report = _prepare(corpus, tmp_path / "out", filters=filters)
    if other_script == "keep":
        assert (report.strays, report.scripts) == (1, {"CYRILLIC": 3, "LATIN": 1})
        assert "warning     transcripts in another script than most: 1" in report.lines()
    else:
        assert (report.strays, report.dropped) == (0, {Reason.OTHER_SCRIPT: 1})
        assert _dropped(tmp_path / "out")[0]["detail"] == "latin, unlike most"


def test_equal_names_in_different_folders_stay_apart(tmp_path: Path) -> None:
    for number, folder in enumerate(("x", "y")):
        _write_wav(tmp_path / "corpus" / folder / "1.wav", seed=number)
    table = tmp_path / "corpus" / "t.csv"
    table.write_text("id,path,text\n1,x/1.wav,one\n1,y/1.wav,two\n")
    _prepare(table, tmp_path / "out")
    assert [utterance.id for utterance in _kept(tmp_path / "out")] == ["1", "1#2"]


def test_broken_rows_are_listed_without_an_utterance(tmp_path: Path) -> None:
    table = _write_table(tmp_path / "corpus", [("1.wav", "one", "a", "train")])
    table.write_text(table.read_text() + "\n2.wav\n")
    report = _prepare(table, tmp_path / "out")
    assert _dropped(tmp_path / "out") == [
        {"reason": "malformed row", "detail": f"{table}:3: 1 cells where 4 were expected"}
    ]
    assert (report.seen, report.kept) == (2, 1)


def test_unknown_keys_reach_the_manifest(tmp_path: Path) -> None:
    _write_wav(tmp_path / "corpus" / "a.wav")
    line = {"audio": "a.wav", "text": "yes", "lang": "en", "age": [30], "duration": 0.75}
    (tmp_path / "corpus" / "manifest.jsonl").write_text(json.dumps(line))
    _prepare(tmp_path / "corpus", tmp_path / "out")
    (utterance,) = _kept(tmp_path / "out")
    assert (utterance.extra, utterance.duration, utterance.language) == ({"age": [30]}, 0.75, "en")


def test_the_report_is_a_plain_table(tmp_path: Path) -> None:
    table = _write_table(tmp_path / "corpus", OWN)
    report = _prepare(table, tmp_path / "out", language="en")
    text = str(report)
    head, _, body = text.partition("\n\n")
    assert head.splitlines()[0] == f"source      {table} (table)"
    assert head.splitlines()[-1] == "kept        5 of 6 utterances, 0.00 h"
    assert body.splitlines() == [
        "split        utterances     hours  speakers  sentences",
        "train                 2     0.001         2          2",
        "dev                   1     0.000         1          1",
        "test                  1     0.000         1          1",
        "noise                 1     0.000         1          1",
        "",
        f"dropped     1, listed in {tmp_path / 'out' / 'dropped.jsonl'}",
        "        1   stands on two sides     e.g. 5: its speaker or sentence stands on another "
        "side already",
        "",
        "script      latin 5",
        "characters  10: e o",
        "rare        8 in fewer than 3 utterances: n t f h i r v w",
        "leak        1 sentence of train also in test: 1 utterance, 100.0 % of test, e.g. 'one'",
        "leak        1 speaker of dev also in test: 1 utterance, 100.0 % of test, e.g. 'b'",
        "note        2 utterances without a split: 1 joined train, 1 share speaker or sentence "
        "with dev or test",
    ]


def test_rare_characters_are_shown(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["ab", "ab", "ab", "a¨ф", "aक़्"])
    lines = _prepare(corpus, tmp_path / "out").lines()
    assert "characters  6: a b" in lines
    rare = next(line for line in lines if line.startswith("rare"))
    assert "4 in fewer than 3 utterances" in rare
    assert "◌़" in rare


def test_progress_is_told(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", [f"text {number}" for number in range(70)], 0.5)
    told: list[tuple[int, int | None]] = []
    config = PrepareConfig(source=corpus, output=tmp_path / "out")
    prepare(config, progress=lambda done, total: told.append((done, total)))
    assert told == [(64, None), (70, 70)]


@pytest.mark.parametrize("name", ["manifest.jsonl", "dropped.jsonl"])
def test_an_earlier_result_is_not_replaced_unasked(tmp_path: Path, name: str) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["yes"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious")
    with pytest.raises(ConfigError, match=f"{name}: exists already") as caught:
        _prepare(corpus, tmp_path / "out")
    assert "overwrite = true" in (caught.value.hint or "")
    assert (tmp_path / "out" / name).read_text() == "precious"
    _prepare(corpus, tmp_path / "out", overwrite=True)
    assert len(_kept(tmp_path / "out")) == 1
    assert _dropped(tmp_path / "out") == []


@pytest.mark.parametrize(("source", "output"), [("", ""), ("", "out"), ("m.jsonl", "")])
def test_an_output_in_the_source_is_refused(tmp_path: Path, source: str, output: str) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["yes"])
    (corpus / "m.jsonl").write_text('{"audio": "000.wav", "text": "yes"}')
    before = _tree(corpus)
    with pytest.raises(ConfigError, match="lies in the source") as caught:
        _prepare(corpus / source, corpus / output, overwrite=True)
    assert caught.value.hint == "choose an output folder elsewhere"
    assert _tree(corpus) == before


def test_an_output_reached_by_a_link_is_still_in_the_source(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["yes"])
    (tmp_path / "link").symlink_to(corpus)
    with pytest.raises(ConfigError, match="lies in the source"):
        _prepare(corpus, tmp_path / "link" / "out")


@pytest.mark.parametrize(
    ("files", "options", "message", "hint"),
    [
        (None, {}, "no such file or folder", "check the path"),
        ({}, {}, "no known layout; it holds no files", "known layouts: manifest"),
        ({"metadata.csv": "path,text\n"}, {}, "no utterance in it (read as table)", "`layout`"),
        ({"manifest.jsonl": "{"}, {}, "manifest.jsonl:1: broken JSON", "one object"),
        ({"manifest.jsonl": ""}, {"language": "not a tag"}, "no utterance in it", "`layout`"),
    ],
)
def test_a_source_that_is_none_leaves_nothing_behind(
    tmp_path: Path,
    files: dict[str, str] | None,
    options: dict[str, Any],
    message: str,
    hint: str,
) -> None:
    if files is not None:
        (tmp_path / "corpus").mkdir()
        for name, content in files.items():
            (tmp_path / "corpus" / name).write_text(content)
    with pytest.raises(ManifestError) as caught:
        _prepare(tmp_path / "corpus", tmp_path / "out", **options)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert [path for path in tmp_path.glob("out/*") if path.is_file()] == []


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["yes"])
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="cannot be made a folder") as caught:
        _prepare(corpus, tmp_path / "out")
    assert "may write to" in (caught.value.hint or "")


def test_a_language_that_is_no_tag_is_refused(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["yes"])
    with pytest.raises(AnylectError, match="not a tag") as caught:
        _prepare(corpus, tmp_path / "out", language="not a tag")
    assert caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []


def test_a_corpus_of_which_nothing_is_left_is_told(tmp_path: Path) -> None:
    corpus = _write_pairs(tmp_path / "corpus", ["", "?"])
    report = _prepare(corpus, tmp_path / "out")
    assert (report.kept, report.dropped) == (0, {Reason.EMPTY: 2})
    assert "nothing was kept" in report.notes
    assert "script      no letters" in str(report)


def test_the_configuration_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "prepare.toml"
    path.write_text(
        'source = "corpus"\noutput = "out"\nlayout = "folder"\n[filters]\nmax_duration = 20\n'
        '[reading.columns]\ntext = "frase"\n'
    )
    config = load_config(PrepareConfig, path, overrides=["splits.seed=3"])
    assert config.source == tmp_path / "corpus"
    assert config.filters.max_duration == 20.0
    assert config.splits.seed == 3
    assert config.reading.columns == {"text": "frase"}
    with pytest.raises(ConfigError, match="`layout` is 'cv'") as caught:
        load_config(PrepareConfig, path, overrides=["layout=cv"])
    assert "`common-voice`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("common_voice_6.1_sample/ka", "common-voice"),
        ("common_voice_6.1_sample/zh-HK", "common-voice"),
        ("common_voice_6.1_sample/tr", "common-voice"),
        ("LibriSpeech_sample", "librispeech"),
    ],
)
def test_sample_corpora_are_prepared(
    shared_data: Path, tmp_path: Path, name: str, layout: str
) -> None:
    before = _tree(shared_data / name)
    report = _prepare(shared_data / name, tmp_path)
    assert (report.layout, report.dropped) == (layout, {})
    assert all(utterance.audio.is_file() for utterance in _kept(tmp_path))
    assert _tree(shared_data / name) == before


@pytest.mark.slow
def test_the_leak_of_smc_malayalam_is_found_and_can_be_split_away(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "smc_malayalam"
    report = _prepare(source, tmp_path / "own")
    assert report.dropped == {Reason.TOO_FAST: 2}
    worst = report.leaks[0]
    assert (worst.kind, worst.left, worst.right) == ("sentence", "train", "test")
    assert worst.share > 0.9
    splits = SplitOptions(keep=False, repeats="drop")
    clean = _prepare(source, tmp_path / "clean", splits=splits)
    assert clean.leaks == ()
    assert clean.kept + sum(clean.dropped.values()) == clean.seen == 1847


@pytest.mark.slow
def test_every_language_of_the_sample_is_prepared(shared_data: Path, tmp_path: Path) -> None:
    for folder in sorted((shared_data / "common_voice_6.1_sample").iterdir()):
        report = _prepare(folder, tmp_path / folder.name)
        assert report.seen == report.kept > 0
