"""Make the golden files of pyctcdecode anew.

    PEERS/bin/python tests/decoding/golden/make_pyctcdecode.py

with pyctcdecode 0.5.0, kenlm 0.3.0 and NumPy below 2; run by hand, a reviewer reads the
difference. `words.arpa` was made once by

    anylect lm build sentences.txt -o words.arpa --order 3

of the first half of `sentences.txt`, lines of public-domain novels; the emissions are of lines of
its second half, simulated by `benchmarks/emissions.py` and rounded before pyctcdecode saw them;
every other utterance is of the flat kind.
`emissions.npz` holds them (T, V), logarithms that sum to about one, concatenated; whoever compares
normalises each row with a log-softmax first, as pyctcdecode does. `pyctcdecode.json.gz` has, per
setting, what `decode` and `decode_beams` answered for each utterance.
"""

import gzip
import importlib
import importlib.metadata
import json
import logging
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
MODEL = HERE / "words.arpa"
HOTWORDS = ["the", "mister zorn", "said", "wheel"]
CALL = ("beam_width", "beam_prune_logp", "token_min_logp", "hotwords", "hotword_weight")
SETTINGS: dict[str, dict[str, Any]] = {
    "no model": {"model": False},
    "no model, hotwords": {"model": False, "hotwords": HOTWORDS, "hotword_weight": 6.0},
    "model": {},
    "model, its words unknown": {"unigrams": None},
    "model, half of its words": {"unigrams": "half"},
    "alpha 1.2, beta 0.5": {"alpha": 1.2, "beta": 0.5},
    "alpha 0, beta 0": {"alpha": 0.0, "beta": 0.0},
    "alpha 0.3, beta -1": {"alpha": 0.3, "beta": -1.0},
    "unknown offset -3": {"unk_score_offset": -3.0},
    "unknown offset 0": {"unk_score_offset": 0.0},
    "no boundary": {"lm_score_boundary": False},
    "width 4": {"beam_width": 4},
    "width 25": {"beam_width": 25},
    "prune -4": {"beam_prune_logp": -4.0},
    "prune -25": {"beam_prune_logp": -25.0, "beam_width": 40},
    "tokens from -2": {"token_min_logp": -2.0},
    "tokens from -7": {"token_min_logp": -7.0, "beam_width": 40},
    "tokens from 0": {"token_min_logp": 0.0},
    "hotwords": {"hotwords": HOTWORDS},
    "hotwords, weight 2.5": {"hotwords": HOTWORDS, "hotword_weight": 2.5},
    "hotwords, weight -4": {"hotwords": HOTWORDS, "hotword_weight": -4.0},
}


def round_off(log_probs: NDArray[np.float32]) -> NDArray[np.float16]:
    """Make one number of all that no setting looks at, so that the file is small."""
    return np.where(log_probs < -7.5, -12.0, log_probs).astype(np.float16)


def choose_unigrams(which: str | None) -> list[str] | None:
    """Words the decoder is told of; None: it is told of none."""
    if which is None:
        return None
    from pyctcdecode.language_model import load_unigram_set_from_arpa

    words = sorted(load_unigram_set_from_arpa(str(MODEL)) - {"<s>", "</s>", "<unk>"})
    if which == "half":
        return [*words[::2], "zebra", "xylophone"]
    return words


def build(labels: list[str], setting: dict[str, Any]) -> Any:
    """Make the decoder of a setting."""
    import kenlm
    from pyctcdecode import Alphabet, BeamSearchDecoderCTC, LanguageModel, build_ctcdecoder

    if setting.get("model") is False:
        return build_ctcdecoder(labels)
    model = LanguageModel(
        kenlm.Model(str(MODEL)),
        choose_unigrams(setting.get("unigrams", "all")),
        alpha=setting.get("alpha", 0.5),
        beta=setting.get("beta", 1.5),
        unk_score_offset=setting.get("unk_score_offset", -10.0),
        score_boundary=setting.get("lm_score_boundary", True),
    )
    return BeamSearchDecoderCTC(Alphabet.build_alphabet(labels), model)


def ask(decoder: Any, log_probs: NDArray[np.float32], setting: dict[str, Any]) -> dict[str, Any]:
    """Ask for the text and the three best beams, with and without pruned histories."""
    given = {name: setting[name] for name in CALL if name in setting}
    full = decoder.decode_beams(log_probs, **given)
    pruned = decoder.decode_beams(log_probs, prune_history=True, **given)
    assert decoder.decode(log_probs, **given) == pruned[0][0]
    answer: dict[str, Any] = {"beams": len(full), "pruned_beams": len(pruned)}
    for name, beams in (("best", full), ("pruned", pruned)):
        answer[name] = [
            {
                "text": text,
                "frames": [list(span) for _, span in frames],
                "logit_score": round(float(logit), 5),
                "lm_score": round(float(total), 5),
            }
            for text, _, frames, logit, total in beams[:3]
        ]
    return answer


def continued(decoder: Any, utterances: list[NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Decode pairs, the second with the language model's state of the first."""
    answers = []
    for first, second in zip(utterances[::2], utterances[1::2], strict=True):
        state = decoder.decode_beams(first)[0][1]
        beams = decoder.decode_beams(second, lm_start_state=state)
        text, _, _, logit, total = beams[0]
        answers.append({"text": text, "logit_score": float(logit), "lm_score": float(total)})
    return answers


def main() -> None:
    """Write the emissions and what pyctcdecode makes of them."""
    from pyctcdecode import Alphabet

    sys.path.insert(0, str(HERE.parents[2] / "benchmarks"))
    world = importlib.import_module("emissions")
    logging.disable(logging.WARNING)
    lines = (HERE / "sentences.txt").read_text().splitlines()
    spoken = [line for line in lines[len(lines) // 2 :] if 18 <= len(line) <= 40]
    random.Random(3).shuffle(spoken)
    alphabets = {"letters": world.letters(), "pieces": world.units(lines, 90, marked=True)}
    numbers = {"letters": 26, "pieces": 12}
    golden: dict[str, Any] = {
        "made by": {
            name: importlib.metadata.version(name) for name in ("pyctcdecode", "kenlm", "numpy")
        },
        "command": "tests/decoding/golden/make_pyctcdecode.py",
        "settings": SETTINGS,
        "half": choose_unigrams("half"),
        "alphabets": {},
    }
    arrays: dict[str, Any] = {}
    for name, alphabet in alphabets.items():
        made = []
        for number, sentence in enumerate(spoken[: numbers[name]]):
            listener = world.FLAT if number % 2 else world.PEAKY
            made.append(round_off(world.simulate(sentence, alphabet, listener=listener, seed=2)))
        arrays[name] = np.concatenate(made)
        arrays[f"{name}_lengths"] = np.array([len(one) for one in made])
        labels = list(alphabet.labels)
        utterances = [one.astype(np.float32) for one in made]
        answers = {
            setting: [ask(build(labels, options), one, options) for one in utterances]
            for setting, options in SETTINGS.items()
            if name == "letters" or setting in ("no model", "model", "hotwords")
        }
        golden["alphabets"][name] = {
            "labels": labels,
            "normalized": Alphabet.build_alphabet(labels).labels,
            "references": spoken[: numbers[name]],
            "answers": answers,
            "continued": continued(build(labels, {}), utterances),
        }
    np.savez_compressed(HERE / "emissions.npz", **arrays)
    packed = gzip.compress(json.dumps(golden, ensure_ascii=False).encode(), mtime=0)
    (HERE / "pyctcdecode.json.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
