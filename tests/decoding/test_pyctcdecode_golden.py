"""The same answers as pyctcdecode 0.5.0; `golden/make_pyctcdecode.py` says how they were made.

Frames are those of an alignment, not of the beam merged last.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anylect.decoding.alphabet import Alphabet
from anylect.decoding.language_model import LanguageModel
from anylect.decoding.pyctcdecode import BeamSearchDecoderCTC
from anylect.decoding.pyctcdecode_search import OutputBeam
from anylect.lm.kenlm_binary import load_model
from anylect.lm.words import SPECIAL

FOLDER = Path(__file__).parent / "golden"
GOLDEN: dict[str, Any] = json.loads(
    gzip.decompress((FOLDER / "pyctcdecode.json.gz").read_bytes()).decode()
)
MODEL = load_model(FOLDER / "words.arpa")
CALL = ("beam_width", "beam_prune_logp", "token_min_logp", "hotwords", "hotword_weight")
QUICK = ("model", "hotwords", "width 4", "tokens from -2")
CASES = [
    pytest.param(alphabet, setting, marks=[] if setting in QUICK else pytest.mark.slow)
    for alphabet, golden in GOLDEN["alphabets"].items()
    for setting in golden["answers"]
]


def utterances(alphabet: str) -> list[NDArray[np.float32]]:
    with np.load(FOLDER / "emissions.npz") as held:
        ends = np.cumsum(held[f"{alphabet}_lengths"])[:-1]
        return np.split(held[alphabet].astype(np.float32), ends)


def build(labels: list[str], setting: dict[str, Any]) -> BeamSearchDecoderCTC:
    alphabet = Alphabet.build_alphabet(labels)
    if setting.get("model") is False:
        return BeamSearchDecoderCTC(alphabet)
    words = {
        "all": sorted(set(MODEL.words).difference(SPECIAL)),
        "half": GOLDEN["half"],
        None: None,
    }[setting.get("unigrams", "all")]
    return BeamSearchDecoderCTC(
        alphabet,
        LanguageModel(
            MODEL,
            words,
            alpha=setting.get("alpha", 0.5),
            beta=setting.get("beta", 1.5),
            unk_score_offset=setting.get("unk_score_offset", -10.0),
            score_boundary=setting.get("lm_score_boundary", True),
        ),
    )


def compare(ours: OutputBeam, theirs: dict[str, Any]) -> tuple[bool, float]:
    """Whether the texts are the same, and by which share our score is higher."""
    gain = (ours.lm_score - theirs["lm_score"]) / max(1.0, abs(theirs["lm_score"]))
    return ours.text == theirs["text"], gain


@pytest.mark.parametrize(("alphabet", "name"), CASES)
def test_texts_and_scores_are_those_of_pyctcdecode(alphabet: str, name: str) -> None:
    golden, setting = GOLDEN["alphabets"][alphabet], GOLDEN["settings"][name]
    decoder = build(golden["labels"], setting)
    call = {key: setting[key] for key in CALL if key in setting}
    answers = golden["answers"][name]
    same: list[float] = []
    for log_probs, theirs in zip(utterances(alphabet), answers, strict=True):
        beams = decoder.decode_beams(log_probs, **call)
        pruned = decoder.decode_beams(log_probs, prune_history=True, **call)
        assert decoder.decode(log_probs, **call) == pruned[0].text
        assert max(len(beams), len(pruned)) <= setting.get("beam_width", 100)
        is_same, gain = compare(beams[0], theirs["best"][0])
        if is_same:
            same.append(abs(gain))
            spans = np.array([frames for _, frames in beams[0].text_frames])
            assert np.abs(spans - theirs["best"][0]["frames"]).max() <= 16
        # Never a worse text than theirs; a thousandth is left for rounding and merging.
        for found, more in ((is_same, gain), compare(pruned[0], theirs["pruned"][0])):
            assert found or more > -1e-3
    assert len(same) >= len(answers) - 1
    assert np.median(same) < 1e-5
    assert np.quantile(same, 0.8) < 1e-3
