"""Every command of `docs/fine-tune.md` is run as it stands there, in its order.

A sample of Common Voice in Welsh stands in for the archive, a tiny random encoder for XLS-R, a
server of our own for the Hub; `STAND_INS` says what is written in their place.
"""

import os
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from tests.conftest import Run
from tests.hub.stand_in import Hub, serving
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from anylect.hub.bundle import load_bundle
from anylect.training.journal import read_journal

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "fine-tune.md").read_text(encoding="utf-8")
DATA = Path(os.environ.get("ANYLECT_DATA", ROOT.parent / "shared" / "data"))
SAMPLE = DATA / "common_voice_6.1_sample" / "cy"

STAND_INS = {
    '"facebook/wav2vec2-xls-r-300m"': '"tiny-encoder"',
    "you/xls-r-300m-cy": "me/mine",
    "learning_rate = 1e-4": "learning_rate = 3e-3",  # a random encoder has further to go
    'precision = "bf16"': 'precision = "fp32"',
}
"""What is written in the page, and what the test writes instead."""

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"no recordings at {SAMPLE}")


def with_stand_ins(text: str) -> str:
    for name, instead in STAND_INS.items():
        text = text.replace(name, instead)
    return text


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def shown() -> list[list[str]]:
    """Return the words of every command of the page, in order."""
    lines = with_stand_ins("".join(blocks("sh"))).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a reader of the page has: archive, encoder, text, `train.toml`."""
    monkeypatch.chdir(tmp_path)
    # The page's device is the best there is; a test's arithmetic is that of one thread.
    torch.set_num_threads(1)
    with tarfile.open("mcv-scripted-cy-v24.0.tar.gz", "w:gz") as archive:
        archive.add(SAMPLE, "cv-corpus-24.0-2025-12-05/cy")
    config = Wav2Vec2Config(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(0)
    Wav2Vec2ForCTC(config).save_pretrained("tiny-encoder")
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained("tiny-encoder")
    (settings,) = blocks("toml")
    Path("train.toml").write_text(with_stand_ins(settings), encoding="utf-8")
    rows = (SAMPLE / "validated.tsv").read_text(encoding="utf-8").splitlines()[1:]
    said = [row.split("\t")[2] for row in rows]
    # It knows the words, but not the sentences, of dev and test.
    text = "".join(f"{one} {said[number - 1]}\n" for number, one in enumerate(said))
    Path("text.txt").write_text(text, encoding="utf-8")
    shutil.copy(next((SAMPLE / "clips").iterdir()), "interview.mp3")
    return tmp_path


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, socket_enabled: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[type[Hub]]:
    with serving(monkeypatch, cache=tmp_path_factory.mktemp("cache")) as own:
        yield own


def follow(commands: Sequence[list[str]], run: Run) -> dict[str, str]:
    """Run commands; return what each printed."""
    said: dict[str, str] = {}
    for program, *words in commands:
        name = " ".join([program, *words])
        if program == "anylect":
            done = run(*words)
            assert done.code == 0, f"{name}\n{done.out}\n{done.err}"
            said[name] = done.out + done.err
        else:
            found = subprocess.run([program, *words], capture_output=True, text=True, check=False)
            assert found.returncode == 0, f"{name}\n{found.stderr}"
            said[name] = found.stdout
    return said


def test_every_stand_in_has_something_to_stand_for() -> None:
    assert [name for name in STAND_INS if name not in PAGE] == []


def test_the_page_leads_to_a_plan(desk: Path, run: Run) -> None:
    commands = shown()
    until = commands.index(["anylect", "train", "train.toml", "--dry-run"]) + 1
    said = follow(commands[:until], run)
    prepared = said["anylect prepare cv-corpus-24.0-2025-12-05/cy -o data/cy --language cy"]
    assert "kept        36 of 36" in prepared
    assert "train    20 utterances" in said["anylect train train.toml --dry-run"]
    assert not Path("runs").exists()


@pytest.mark.slow
def test_the_page_leads_from_an_archive_to_a_published_recogniser(
    desk: Path, run: Run, hub: type[Hub]
) -> None:
    said = follow(shown(), run)
    finished = [e["event"] for e in read_journal(Path("runs/cy/journal.jsonl"))].count("finish")
    assert finished == 2  # trained, and resumed when there was nothing left to do
    published = Path("xls-r-300m-cy")
    assert load_bundle(published, device="cpu").normalizer.language == "cy"
    assert "model.safetensors" in hub.files
    for name, content in hub.files.items():
        assert (published / name).read_bytes() == content
    assert [path.name for path in Path("captions").iterdir()] == ["interview.vtt"]
    assert any("robustness" in name and "telephone" in text for name, text in said.items())
