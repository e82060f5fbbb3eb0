"""Reports: a page, its JSON and the terminal say the same."""

import base64
import io
import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import Run
from tests.workflows.test_compare import leave, spoken

from anylect.audio.clips import encode_mp3
from anylect.data.manifest import read_manifest
from anylect.errors import AudioError, BundleError, ConfigError
from anylect.records import Waveform
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.report import ReportConfig, report
from anylect.workflows.report_media import LONGEST, media_of, png, spectrogram_png


def test_an_evaluation_becomes_a_page_to_listen_to(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "run" / "bundle")
    shutil.copy(tiny_bundle.parent / "journal.jsonl", tmp_path / "run")
    bundle = tmp_path / "run" / "bundle"
    config = EvaluateConfig(bundle=bundle, manifest=tone_manifest, split="test", device="cpu")
    line = evaluate(config).line
    output = tmp_path / "new" / "report.html"
    done = run("report", bundle, "--manifest", tone_manifest, "-o", output, "--title", "Tones")
    assert done.code == 0
    assert done.out.startswith(line)
    page, facts = output.read_text(), json.loads(output.with_suffix(".json").read_text())
    assert "<title>Tones</title>" in page
    assert facts["evaluation"]["signature"] == line
    assert page.count("<audio") == page.count('src="data:image/png') == len(facts["worst"]) > 0
    assert page.count("<polyline") >= 2
    first = next(read_manifest(tone_manifest, split="test"))
    assert first.id in page
    assert "has changed" not in page


def test_without_a_manifest_the_page_says_what_is_missing(tmp_path: Path) -> None:
    bundle = leave(tmp_path, spoken(wrong=2))
    written = report(ReportConfig(evidence=(bundle,), output=tmp_path / "a.html"))
    page = written.page.read_text()
    assert "no manifest was given" in page
    assert "<audio" not in page
    assert "WER by speaker" in written.text
    assert "Training" not in page


def test_a_lost_recording_is_said_and_a_changed_manifest_too(tmp_path: Path) -> None:
    bundle = leave(tmp_path, spoken(wrong=2), manifest_sha256="0")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"audio": "gone.wav", "text": "", "id": "u1"}\n')
    config = ReportConfig(
        evidence=(bundle,), output=tmp_path / "a.html", manifest=manifest, examples=2
    )
    page = report(config).page.read_text()
    assert "manifest.jsonl has changed since the evaluation" in page
    assert "Not heard: " in page
    assert "gone.wav" in page
    assert "Not in the manifest." in page


def test_two_on_the_same_utterances_are_compared(tmp_path: Path) -> None:
    first, second = (leave(tmp_path / f"m{wrong}", spoken(wrong=wrong)) for wrong in (3, 1))
    written = report(ReportConfig(evidence=(first, second), output=tmp_path / "a.html", examples=4))
    assert "m1 is better by 20.0 points" in written.page.read_text()
    facts = json.loads(written.data.read_text())
    assert facts["comparison"]["is_shown"]
    assert (len(facts["better"]), len(facts["worse"])) == (2, 0)


def test_sets_of_several_languages_are_averaged(tmp_path: Path) -> None:
    paths = [
        leave(tmp_path / language, spoken(wrong=wrong, language=language), language=language)
        for language, wrong in (("sv", 1), ("fi", 3))
    ]
    written = report(ReportConfig(evidence=tuple(paths), output=tmp_path / "a.html"))
    facts = json.loads(written.data.read_text())
    assert facts["macro"]["wer"]["rate"] == pytest.approx((0.15 + 0.35) / 2)
    assert [each["name"] for each in facts["evaluations"]] == ["sv", "fi"]
    assert "unweighted mean of 2 languages: sv, fi" in written.text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"output": Path("report.pdf")}, "ends in `.html`"),
        ({"evidence": ()}, "nothing to report"),
        ({"examples": -1}, "examples"),
    ],
)
def test_settings_that_make_no_page_are_refused(change: dict[str, object], complaint: str) -> None:
    settings: dict[str, object] = {"evidence": (Path("a"),), **change}
    with pytest.raises(ConfigError, match=complaint):
        ReportConfig(**settings)  # type: ignore[arg-type]  # by test


def test_places_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no scored utterances"):
        report(ReportConfig(evidence=(tmp_path / "none",)))
    bundle = leave(tmp_path, spoken(wrong=2))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: cannot be made a folder"):
        report(ReportConfig(evidence=(bundle,), output=tmp_path / "file" / "a.html"))
    with pytest.raises(ConfigError, match="no journal"):
        report(
            ReportConfig(evidence=(bundle,), output=tmp_path / "a.html", journal=tmp_path / "none")
        )


def test_a_recording_is_heard_and_seen_in_little_room(tmp_path: Path, tone_manifest: Path) -> None:
    utterance = next(read_manifest(tone_manifest))
    media = media_of(utterance)
    sound = base64.b64decode(media.audio.removeprefix("data:audio/mpeg;base64,"))
    samples, rate = soundfile.read(io.BytesIO(sound))
    assert rate == 16_000
    assert len(samples) / rate == pytest.approx(media.seconds, abs=0.2)
    assert len(sound) < 10_000 * (media.seconds + 1)
    assert not media.cut


def test_of_a_long_recording_the_beginning_is_kept(tmp_path: Path, tone_manifest: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(int(8_000 * (LONGEST + 5))), 8_000)
    media = media_of(replace(next(read_manifest(tone_manifest)), audio=path, duration=None))
    assert media.cut
    assert media.seconds == LONGEST


def test_a_tone_is_bright_where_its_pitch_is() -> None:
    time = np.arange(16_000) / 16_000
    pictures = []
    for pitch in (300, 3000):
        waveform = Waveform(np.sin(2 * np.pi * pitch * time).astype(np.float32), 16_000)
        pictures.append(read_png(spectrogram_png(waveform)).mean(axis=1).argmax())
    assert pictures[0] > pictures[1]  # low tones are at the bottom


def read_png(content: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Read back a PNG of ours: one palette, no filters."""
    header = content.index(b"IHDR") + 4
    columns, rows = (int.from_bytes(content[at : at + 4]) for at in (header, header + 4))
    start = content.index(b"IDAT")
    size = int.from_bytes(content[start - 4 : start])
    lines = zlib.decompress(content[start + 4 : start + 4 + size])
    return np.frombuffer(lines, np.uint8).reshape(rows, columns + 1)[:, 1:]


def test_a_picture_survives_a_round_trip() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = np.zeros((256, 3), np.uint8)
    assert (read_png(png(pixels, palette=palette)) == pixels).all()


@pytest.mark.parametrize(
    ("samples", "rate", "complaint"),
    [(0, 16_000, "without samples"), (100, 12_345, "12345 Hz cannot be written as MP3")],
)
def test_what_cannot_be_encoded_is_refused(samples: int, rate: int, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        encode_mp3(Waveform(np.zeros(samples, np.float32), rate))


@pytest.mark.slow
def test_a_browser_runs_the_page_and_nothing_of_the_corpus(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    script = "<script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">"
    leave(tmp_path, [replace(each, id=f"{script}{each.id}") for each in spoken(wrong=2)])
    written = report(ReportConfig(evidence=(tmp_path / "bundle",), output=tmp_path / "a.html"))
    seen = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            written.page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert "<title>manifest.test</title>" in seen
    assert re.search(r"<th[^>]*><button", seen)
