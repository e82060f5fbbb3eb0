import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Run, tiny_config

from anylect.config import save_config


def test_the_terminal_says_when_the_learning_rate_is_too_high_and_the_run_goes_back(
    tone_manifest: Path, tmp_path: Path, run: Run
) -> None:
    config = tmp_path / "hot.toml"
    schedule = {"updates": 12, "validate_every": 12, "save_every": 4}
    hot = {"learning_rate": 3.0}
    doctor = {"restarts": 1, "restart_factor": 0.01}
    settings = tiny_config(
        tone_manifest, tmp_path / "run", schedule=schedule, optimizer=hot, doctor=doctor
    )
    save_config(settings, config)
    done = run("train", config)
    assert done.code == 0
    words = " ".join(done.err.split())
    assert "learning rate too high; going back to update" in words
    assert "see doctor.md" in words
    assert "best dev WER" in done.out


def test_kernels_of_language_models_are_not_waited_for() -> None:
    code = "import sys, anylect.workflows.train; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_of_several_processes_one_speaks(
    tone_manifest: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anylect.workflows import train as workflow

    config = tmp_path / "config.toml"
    save_config(tiny_config(tone_manifest, tmp_path / "run"), config)
    reports = [
        workflow.TrainReport(
            bundle=tmp_path, updates=1, best_update=1, best_wer=0.5, seconds=1, left_out={}, rank=1
        )
    ]
    monkeypatch.setattr(workflow, "train", lambda *_, **__: reports[0])
    assert run("train", config).out == ""
