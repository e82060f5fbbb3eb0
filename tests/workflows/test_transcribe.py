import json
from pathlib import Path

import pytest

from anylect.data.manifest import read_manifest
from anylect.errors import ConfigError
from anylect.workflows.transcribe import TranscribeConfig, transcribe


@pytest.mark.parametrize("form", ["text", "json", "srt", "vtt", "textgrid", "eaf"])
def test_every_form_is_written_to_a_file_a_recording(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path, form: str
) -> None:
    recordings = tuple(each.audio for each in read_manifest(tone_manifest, split="test"))
    config = TranscribeConfig(
        bundle=tiny_bundle,
        recordings=recordings,
        form=form,  # type: ignore[arg-type]  # one of those above
        output=tmp_path / "out",
        device="cpu",
    )
    transcripts = list(transcribe(config))
    assert [each.recording for each in transcripts] == list(recordings)
    for transcript in transcripts:
        assert transcript.path is not None
        assert transcript.path.read_text(encoding="utf-8") == transcript.written
    if form == "json":
        assert json.loads(transcripts[0].written)["audio"] == str(recordings[0])


def test_two_recordings_of_one_name_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    recordings = (tmp_path / "a" / "x.wav", tmp_path / "b" / "x.mp3")
    config = TranscribeConfig(bundle=tiny_bundle, recordings=recordings, output=tmp_path / "out")
    with pytest.raises(ConfigError, match=r"another recording is written to x\.txt"):
        list(transcribe(config))


def test_an_error_of_one_recording_is_its_result(
    tiny_bundle: Path, tone_manifest: Path, tmp_path: Path
) -> None:
    good = next(read_manifest(tone_manifest)).audio
    config = TranscribeConfig(
        bundle=tiny_bundle, recordings=(good, tmp_path / "none.wav", good), device="cpu"
    )
    first, second, third = transcribe(config)
    assert first.written == third.written
    assert second.error is not None
    assert "none.wav" in second.error.message
