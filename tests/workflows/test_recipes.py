"""Every recipe is run for a few updates, on a corpus of its own layout and a tiny encoder.

The corpora are trees as they are downloaded (a Common Voice release, Zeroth Korean, OpenSLR 42)
with sung letters for speech; the encoders are made on the spot with random weights.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.conftest import LETTERS, SAMPLE_RATE, sing
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
)

from anylect.config import load_config
from anylect.data.batches import bucketed_batches
from anylect.data.manifest import read_manifest
from anylect.hub.bundle import load_bundle
from anylect.training.journal import read_journal
from anylect.workflows.dry_run import dry_run
from anylect.workflows.prepare import PrepareConfig, prepare
from anylect.workflows.train import TrainConfig, train

RECIPES = Path(__file__).parents[2] / "recipes"
TINY: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
CONVOLUTIONS: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
SCRIPTS = {"ko": "가나다라마", "km": "កខគឃង", "mn": "абвгд"}


def sung(path: Path, generator: np.random.Generator, *, language: str) -> str:
    """Write a recording of two words; return them in the letters of the language."""
    words = ("".join(generator.choice(list(LETTERS), 3)) for _ in range(2))
    text = " ".join(words)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sing(text, generator), SAMPLE_RATE)
    return text.translate(str.maketrans(LETTERS, SCRIPTS.get(language, LETTERS)))


def common_voice(folder: Path, language: str) -> Path:
    generator = np.random.default_rng(0)
    release = folder / language
    for split, count in (("train", 8), ("dev", 2), ("test", 2)):
        rows = ["client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale"]
        for number in range(count):
            name = f"common_voice_{language}_{split}{number}.mp3"
            text = sung(release / "clips" / name, generator, language=language)
            rows.append(f"{split}{number % 2}\t{name}\t{text}.\t2\t0\t\t\t\t{language}")
        (release / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return release


def zeroth(folder: Path, language: str) -> Path:
    generator = np.random.default_rng(1)
    for part, speakers in (("train_data_01", (106, 107)), ("test_data_01", (104,))):
        for speaker in speakers:
            reader = folder / part / "003" / str(speaker)
            lines = [
                f"{speaker}_003_{number:04d} "
                + sung(reader / f"{speaker}_003_{number:04d}.flac", generator, language=language)
                for number in range(4)
            ]
            (reader / f"{speaker}_003.trans.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def openslr(folder: Path, language: str) -> Path:
    generator = np.random.default_rng(2)
    lines = []
    for number in range(12):
        name = f"khm_{number % 4:04d}_{number:010d}"
        text = sung(folder / "wavs" / f"{name}.wav", generator, language=language)
        lines.append(f"{name}\t{text}")
    (folder / "line_index.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


CORPORA: dict[str, Callable[[Path, str], Path]] = {
    "xls-r-300m-sv": common_voice,
    "xls-r-300m-ko": zeroth,
    "xls-r-1b-km": openslr,
    "xls-r-2b": common_voice,
    "xlsr-53": common_voice,
    "mms-1b-adapter": common_voice,
    "w2v-bert-2.0": common_voice,
    "xls-r-ab-smoke": common_voice,
}
QUICK = ["xls-r-300m-sv", "mms-1b-adapter"]


def stand_in(name: str, folder: Path) -> TrainConfig:
    """Load a recipe with a prepared tiny corpus in place of its own."""
    recipe = RECIPES / f"{name}.toml"
    language = load_config(TrainConfig, recipe).language or "und"
    corpus = CORPORA[name](folder / "corpus", language)
    shares = {"dev_share": 0.0, "test_share": 0.25} if CORPORA[name] is openslr else {}
    given: dict[str, Any] = {"source": corpus, "output": folder / "data", "language": language}
    report = prepare(load_config(PrepareConfig, splits=shares, **given))
    assert report.kept == 12, report.examples
    return load_config(
        TrainConfig,
        recipe,
        overrides=["threads=1", "device=cpu", "schedule.precision=fp32", "batches.workers=0"],
        manifest=folder / "data" / "manifest.jsonl",
        output=folder / "run",
    )


def tiny_encoder(name: str, folder: Path) -> Path:
    """Make a random checkpoint of the recipe's architecture."""
    torch.manual_seed(0)
    if name == "w2v-bert-2.0":
        config = Wav2Vec2BertConfig(**TINY, feature_projection_input_dim=160, vocab_size=8)
        Wav2Vec2BertForCTC(config).save_pretrained(folder)
        SeamlessM4TFeatureExtractor().save_pretrained(folder)
    else:
        Wav2Vec2ForCTC(Wav2Vec2Config(**TINY, **CONVOLUTIONS)).save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def mark_slow(names: list[str]) -> list[Any]:
    return [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name)
        for name in names
    ]


FROM_NOTHING = {"digits", "mlperf-deepspeech2", "benchmark-digits", "benchmark-spoken"}
"""Run elsewhere: in `test_real_speech.py` and `test_benchmark_recipes.py`."""


def test_every_recipe_of_an_encoder_is_run_here() -> None:
    assert {path.stem for path in RECIPES.glob("*.toml")} == {*CORPORA, *FROM_NOTHING}


@pytest.mark.parametrize("name", mark_slow(list(CORPORA)))
def test_a_recipe_trains(name: str, tmp_path: Path) -> None:
    config = stand_in(name, tmp_path)
    overrides = ["schedule.updates=2", "optimizer.kind=adamw", "batches.accumulation=2"]
    if name != "xls-r-ab-smoke":
        encoder = tiny_encoder(name, tmp_path / "encoder")
        overrides.append(f"model.checkpoint={encoder}")
    config = load_config(
        TrainConfig,
        RECIPES / f"{name}.toml",
        overrides=[*overrides, "threads=1", "device=cpu", "schedule.precision=fp32"],
        manifest=config.manifest,
        output=config.output,
    )
    report = train(config)
    assert report.updates == report.best_update == 2
    assert load_bundle(report.bundle, device="cpu").normalizer.language == config.language
    start = read_journal(config.output / "journal.jsonl")[0]
    learnt = {utterance.split for utterance in read_manifest(config.manifest)} & {
        *config.data.train
    }
    assert learnt == {*config.data.train}
    assert start["lessons"] == sum(
        utterance.split in config.data.train for utterance in read_manifest(config.manifest)
    )
    if name == "mms-1b-adapter":
        adapter = load_file(report.bundle / "adapter.tur.safetensors")
        assert start["trainable"] == sum(weight.numel() for weight in adapter.values())
        assert start["trainable"] < start["parameters"] / 4


@pytest.mark.parametrize(
    ("name", "millions", "learning"),
    [
        pytest.param("xls-r-ab-smoke", 0.03, 0.01),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("xls-r-300m-sv", 315, 311),
                ("xls-r-300m-ko", 315, 311),
                ("xls-r-1b-km", 963, 958),
                ("xls-r-2b", 2159, 2155),
                ("xlsr-53", 315, 311),
                ("mms-1b-adapter", 965, 2),
                ("w2v-bert-2.0", 606, 606),
            )
        ),
    ],
)
def test_a_recipe_is_looked_at_without_any_download(
    name: str, millions: float, learning: float, tmp_path: Path
) -> None:
    report = dry_run(stand_in(name, tmp_path))
    digits = 2 if millions < 1 else 0
    assert round(report.weights / 1e6, digits) == millions
    assert round(report.learning / 1e6, digits) == learning
    assert not report.left_out
    assert not (tmp_path / "run").exists()


@given(st.lists(st.floats(0.3, 19.9), min_size=1, max_size=200), st.integers(0, 3))
def test_published_batches_are_of_eight_whatever_the_lengths(
    durations: list[float], epoch: int
) -> None:
    options = load_config(TrainConfig, RECIPES / "xls-r-300m-sv.toml").batches
    batches = bucketed_batches(
        durations, seconds=options.seconds, max_utterances=options.max_utterances, epoch=epoch
    )
    sizes = sorted(map(len, batches), reverse=True)
    assert sizes[:-1] == [8] * (len(durations) // 8 if len(durations) % 8 else len(sizes) - 1)
