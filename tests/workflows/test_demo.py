from pathlib import Path

import pytest

from anylect.audio.load import load_waveform
from anylect.data.leaks import find_leaks
from anylect.data.manifest import read_manifest
from anylect.text.normalize import default_normalizer
from anylect.training.journal import Event
from anylect.workflows.demo import DemoConfig, demo, speak_corpus


def small(output: Path, language: str = "sw") -> DemoConfig:
    return DemoConfig(
        language=language,
        output=output,
        train_sentences=48,
        dev_sentences=6,
        test_sentences=10,
        updates=4,
    )


def test_neither_voice_nor_sentence_stands_on_two_sides(tmp_path: Path) -> None:
    manifest = speak_corpus(small(tmp_path))
    sides = {
        split: list(read_manifest(manifest, split=split)) for split in ("train", "dev", "test")
    }
    assert [len(side) for side in sides.values()] == [48, 6, 10]
    assert not find_leaks(sides, normalize=default_normalizer("sw"))
    assert all(len({each.speaker for each in side}) >= 4 for side in sides.values())
    for utterance in sides["test"]:
        waveform = load_waveform(utterance)
        assert utterance.duration == pytest.approx(waveform.duration)
        assert abs(waveform.samples).max() > 0.05


def test_the_same_seed_speaks_the_same_corpus(tmp_path: Path) -> None:
    one, two = (speak_corpus(small(tmp_path / name)) for name in "ab")
    assert one.read_bytes() == two.read_bytes()
    for left, right in zip(read_manifest(one), read_manifest(two), strict=True):
        assert left.audio.read_bytes() == right.audio.read_bytes()


def test_the_demo_goes_from_nothing_to_a_transcript(tmp_path: Path) -> None:
    events: list[Event] = []
    report = demo(small(tmp_path), listeners=[events.append])
    assert {"start", "validation", "finish"} <= {event["event"] for event in events}
    assert report.evaluation.ser.length == 10
    assert report.recording.is_file()
    text = "\n".join(report.lines())
    assert "synthetic" in text
    assert report.evaluation.line in text
    assert (report.training.bundle / "evidence" / "manifest.test.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "sw", "ko"])
def test_the_demo_reaches_its_number(tmp_path: Path, language: str) -> None:
    report = demo(DemoConfig(language=language, output=tmp_path))
    assert report.evaluation.wer.rate is not None
    assert report.evaluation.wer.rate < 0.15
    assert report.hypothesis.words
