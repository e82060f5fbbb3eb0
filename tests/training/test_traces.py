"""What training leaves on the disk: nothing of the recordings it decoded."""

import tempfile
from pathlib import Path

import pytest
from tests.conftest import tiny_config

from anylect.data.manifest import read_manifest
from anylect.workflows.train import train


def files(folder: Path) -> dict[Path, int]:
    return {
        path.relative_to(folder): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_decoded_audio_is_left_on_the_disk(
    tone_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(tempfile, "tempdir", None)  # asks the variable again
    monkeypatch.chdir(tmp_path)
    before = files(tone_manifest.parent)
    schedule = {"updates": 2, "validate_every": 2, "save_every": 2}
    train(tiny_config(tone_manifest, tmp_path / "run", schedule=schedule))
    assert files(tone_manifest.parent) == before
    written = files(tmp_path)
    assert {path.parts[0] for path in written} == {"run"}
    weights = {"checkpoints", "bundle"}
    rest = {path: size for path, size in written.items() if path.parts[1] not in weights}
    heard = sum(each.duration or 0.0 for each in read_manifest(tone_manifest, split="train"))
    assert sum(rest.values()) < heard * 8_000 * 2 / 20  # a twentieth of it in 16 bits
    model = written[Path("run/bundle/model.safetensors")]
    kept = [size for path, size in written.items() if path.parts[1] in weights]
    assert sum(size for size in kept if size > model / 2) < 8 * model  # weights and their moments
    assert sum(size for size in kept if size <= model / 2) < 100_000
