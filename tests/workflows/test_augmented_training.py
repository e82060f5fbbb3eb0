import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import tiny_config

from anylect.errors import AudioError, ConfigError
from anylect.workflows.train import train


def augmented(manifest: Path, output: Path, **waveform: Any) -> None:
    schedule = {"updates": 2, "validate_every": 2, "save_every": 2}
    train(tiny_config(manifest, output, schedule=schedule, augmentation={"waveform": waveform}))


@pytest.mark.parametrize("key", ["noise", "rooms"])
def test_a_folder_without_recordings_stops_a_run_before_it_begins(
    tone_manifest: Path, tmp_path: Path, key: str
) -> None:
    (tmp_path / "empty").mkdir()
    probability = {f"{key.removesuffix('s')}_probability": 0.5}
    for name, message in (("gone", "no such folder"), ("empty", "holds no recordings")):
        settings: dict[str, Any] = {f"{key}_folder": str(tmp_path / name), **probability}
        with pytest.raises(ConfigError, match=message):
            augmented(tone_manifest, tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_noise_that_cannot_be_read_stops_a_run_before_it_begins(
    tone_manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "page.flac").write_text("<html>")
    with pytest.raises(AudioError, match=r"page\.flac"):
        augmented(
            tone_manifest,
            tmp_path / "run",
            noise_folder=str(tmp_path),
            noise_probability=0.1,
        )


def test_a_run_learns_from_noise_rooms_and_codecs(tone_manifest: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    shutil.copy(tone_manifest.parent / "test-0.wav", noise)
    augmented(
        tone_manifest,
        tmp_path / "run",
        noise_folder=str(noise),
        noise_probability=1.0,
        room_probability=0.5,
        telephone_probability=0.3,
        codec_probability=0.5,
        codecs=["gsm 13", "opus 12"],
        packet_loss_probability=0.3,
    )
    assert (tmp_path / "run" / "bundle" / "model.safetensors").is_file()
