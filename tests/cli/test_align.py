import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.conftest import Run

from anylect.data.manifest import read_manifest


@pytest.fixture
def recording(tone_manifest: Path) -> Path:
    return next(read_manifest(tone_manifest, split="test")).audio


def test_the_outputs_name_chooses_the_form(
    run: Run, tiny_bundle: Path, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.txt").write_text("Ae iou!\nea\n")
    for name in ("a.TextGrid", "a.eaf", "a.JSON"):
        output = tmp_path / name
        done = run(
            "align", tiny_bundle, recording, tmp_path / "t.txt", "-o", output, "--device", "cpu"
        )
        assert done.code == 0
        assert done.out == f"{output}\n"
    assert (tmp_path / "a.TextGrid").read_text().startswith('File type = "ooTextFile"')
    assert ET.parse(tmp_path / "a.eaf").getroot().tag == "ANNOTATION_DOCUMENT"
    assert len(json.loads((tmp_path / "a.JSON").read_text())["lines"]) == 2


def test_the_result_goes_to_stdout_and_warnings_to_stderr(
    run: Run, tiny_bundle: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anylect.workflows.align.DOUBTFUL", 0.99)
    done = run("align", tiny_bundle, recording, "--text", "uu aa ii", "--device", "cpu")
    assert done.code == 0
    start, end, text = done.out.rstrip("\n").split("\t")
    assert text == "uu aa ii"
    assert 0 <= float(start) < float(end)
    # After a dozen updates a model is sure of nothing yet.
    assert "warning: 3 of 3 words below 0.99: check them: uu (" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "expected one transcript"),
        (["--text", "ae", "--format", "doc"], 2, "'doc' is not one of"),
        (["--text", "x"], 1, "`x` (U+0078 LATIN SMALL LETTER X)"),
        (["nowhere.txt"], 2, "nowhere.txt: cannot be read"),
    ],
)
def test_misuse_gives_a_message_and_its_code(
    run: Run, tiny_bundle: Path, recording: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run("align", tiny_bundle, recording, *arguments)
    assert done.code == code
    assert message in done.err
    assert done.out == ""


@pytest.mark.parametrize("form", ["textgrid", "eaf"])
def test_transcripts_are_written_with_tiers_too(
    run: Run, tiny_bundle: Path, recording: Path, tmp_path: Path, form: str
) -> None:
    done = run("transcribe", tiny_bundle, recording, "--format", form, "-o", tmp_path / "out")
    assert done.code == 0
    written = Path(done.out.strip())
    assert written.suffix == {"textgrid": ".TextGrid", "eaf": ".eaf"}[form]
    assert "captions" in written.read_text(encoding="utf-8")
