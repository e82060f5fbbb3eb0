import os
import subprocess
import sys
from pathlib import Path

import pytest

from anylect.errors import BundleError
from anylect.hub.eval_files import EvalFiles, dataset_id
from anylect.hub.eval_script import SCRIPT, write_eval_script

FLAGS = (
    *("--model_id", "--dataset", "--config", "--split", "--chunk_length_s", "--stride_length_s"),
    *("--log_outputs", "--device"),
)


@pytest.mark.parametrize(
    ("dataset", "config", "split", "expected"),
    [
        # As `"_".join(dataset.split("/") + [config, split])` of the original gives it.
        (
            "mozilla-foundation/common_voice_7_0",
            "sv-SE",
            "test",
            "mozilla-foundation_common_voice_7_0_sv-SE_test",
        ),
        ("speech-recognition-community-v2/dev_data", "sv", "validation[:50]", None),
        ("/data/private/cv-corpus-7.0", "sv", "test", "cv-corpus-7.0_sv_test"),
        ("data/manifest.jsonl", None, "test", "data_manifest_test"),
        ("../else/manifest.jsonl", None, "dev", "manifest_dev"),
    ],
)
def test_a_set_is_named_as_the_contract_says(
    dataset: str, config: str | None, split: str, expected: str | None
) -> None:
    expected = expected or "speech-recognition-community-v2_dev_data_sv_validation-50"
    assert dataset_id(dataset, config, split) == expected


def test_the_files_are_those_of_the_original(tmp_path: Path) -> None:
    with EvalFiles(tmp_path / "out", "set_sv_test", logs=True) as files:
        files.add(0, prediction="hej då", target="hej")
        files.add(1, prediction="", target="då")
        assert files.conclude(wer=0.25, cer=1 / 3) == "WER: 0.25\nCER: 0.3333333333333333"
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert written == {
        "set_sv_test_eval_results.txt": "WER: 0.25\nCER: 0.3333333333333333",
        "log_set_sv_test_predictions.txt": "0\nhej då\n1\n\n",
        "log_set_sv_test_targets.txt": "0\nhej\n1\ndå\n",
    }


def test_without_logs_there_are_none(tmp_path: Path) -> None:
    with EvalFiles(tmp_path, "a", logs=False) as files:
        files.add(0, prediction="x", target="x")
        files.conclude(wer=None, cer=0.0)
    assert {path.name for path in tmp_path.iterdir()} == {"a_eval_results.txt"}
    assert (tmp_path / "a_eval_results.txt").read_text() == "WER: nan\nCER: 0.0"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BundleError, match="cannot be written to"),
        EvalFiles(tmp_path / "file", "a", logs=True),
    ):
        pass


def test_the_script_has_the_flags_of_the_original(tmp_path: Path) -> None:
    assert all(f'add("{flag}"' in SCRIPT for flag in FLAGS)
    write_eval_script(tmp_path)
    assert os.access(tmp_path / "eval.py", os.X_OK)
    # `-S` leaves the installed packages out, so anylect is not to be found.
    command = [sys.executable, "-I", "-S", str(tmp_path / "eval.py"), "--model_id", "./"]
    done = subprocess.run(
        [*command, "--dataset", "x", "--config", "sv", "--split", "test", "--log_outputs"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: eval.py needs anylect\n\nhint: pip install 'anylect[all]'\n"
