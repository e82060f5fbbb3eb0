"""What tests of decoding with a language model need: words, a model of them, and bad hearing."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anylect.data.manifest import read_manifest
from anylect.models.acoustic import AcousticModel
from anylect.records import Emissions, Utterance
from anylect.workflows.lm_build import LmBuildConfig, build_lm

BuildLm = Callable[..., Path]


@pytest.fixture(scope="session")
def tone_words(tone_manifest: Path) -> list[str]:
    """Every word of the tone corpus."""
    texts = (utterance.text for utterance in read_manifest(tone_manifest))
    return sorted({word for text in texts for word in text.split()})


@pytest.fixture(scope="session")
def make_lm(tmp_path_factory: pytest.TempPathFactory) -> BuildLm:
    """Build a language model from sentences."""

    def build(sentences: Iterable[str], name: str = "lm.bin", **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("lm")
        (folder / "text.txt").write_text("".join(f"{sentence}\n" for sentence in sentences))
        build_lm(LmBuildConfig(text=(folder / "text.txt",), output=folder / name, **settings))
        return folder / name

    return build


@pytest.fixture(scope="session")
def tone_lm(tone_manifest: Path, make_lm: BuildLm, tiny_bundle: Path) -> Path:
    """A model that knows which words follow which, and has read none of the sentences alone."""
    texts = [utterance.text for utterance in read_manifest(tone_manifest)]
    sentences = [f"{text} {texts[number - 1]}" for number, text in enumerate(texts)]
    return make_lm(sentences, normalizer=tiny_bundle / "normalizer.json", unit="word")


@pytest.fixture
def mumbled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear what the manifest says, but one letter in five as another."""
    _hear(monkeypatch, doubtful=0.2)


@pytest.fixture
def clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear what the manifest says."""
    _hear(monkeypatch, doubtful=0.0)


def _hear(monkeypatch: pytest.MonkeyPatch, *, doubtful: float) -> None:
    def emit_each(
        model: AcousticModel, utterances: Iterable[Utterance], **_: object
    ) -> Iterator[tuple[Utterance, Emissions]]:
        for utterance in utterances:
            yield utterance, mumble(model, utterance.text, doubtful=doubtful)

    monkeypatch.setattr("anylect.models.listening.emit_each", emit_each)


def mumble(model: AcousticModel, text: str, *, doubtful: float) -> Emissions:
    """Make up emissions of a text: a frame a letter, a frame of blank behind it."""
    generator = np.random.default_rng(zlib.crc32(text.encode()))
    vocabulary = model.vocabulary
    letters = [index for index, token in enumerate(vocabulary.tokens) if token in "aeiou" and token]
    rows = np.full((2 * len(text), len(vocabulary)), 0.01)
    rows[1::2, vocabulary.blank] = 0.9
    for place, letter in enumerate(text):
        right = vocabulary.tokens.index(letter)
        other = int(generator.choice(letters))
        is_sure = letter == " " or generator.random() >= doubtful
        rows[2 * place, other] += 0.3 if is_sure else 0.6
        rows[2 * place, right] += 0.6 if is_sure else 0.3
    log_probs = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return Emissions(log_probs, 0.04)
