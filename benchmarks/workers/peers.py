"""Decode emissions with pyctcdecode or flashlight-text; runs in the peers' own environment.

    PEERS/bin/python benchmarks/workers/peers.py job.json

`benchmarks/decoding.py` writes the job and reads the JSON this prints last. Needs NumPy below 2,
`pyctcdecode`, `kenlm` and `flashlight-text`, not anylect. What it measures is the call that turns
one utterance's emissions into text, nothing around it.
"""

import ctypes
import importlib.metadata
import itertools
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Decode = Callable[[NDArray[np.float32]], str]


def build_pyctcdecode(job: dict[str, Any], words: list[str]) -> Decode:
    """Its documented use: one decoder, `decode` per utterance."""
    from pyctcdecode import build_ctcdecoder

    logging.disable(logging.WARNING)
    decoder = build_ctcdecoder(
        job["labels"], job["model"], words, alpha=job["alpha"], beta=job["beta"]
    )
    width = job["width"]
    return lambda log_probs: decoder.decode(log_probs, beam_width=width)


def build_flashlight(job: dict[str, Any], words: list[str]) -> Decode:
    """Its lexicon decoder, smeared with the best unigram as its own recipes do.

    KenLM's log10 scores are weighted with alpha ln 10, so that it maximises what the others
    maximise. A word ends with the boundary, so the last word gets a boundary frame of its own.
    """
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconDecoder,
        LexiconDecoderOptions,
        SmearingMode,
        Trie,
    )
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    labels = job["labels"]
    boundary = labels.index("|")
    spellings = spell_all(words, labels)
    known = Dictionary([*spellings, "<unk>"])
    model = KenLM(job["model"], known)
    trie, start = Trie(len(labels), boundary), model.start(False)
    for word, spelling in spellings.items():
        number = known.get_index(word)
        trie.insert([*spelling, boundary], number, model.score(start, number)[1])
    trie.smear(SmearingMode.MAX)
    options = LexiconDecoderOptions(
        beam_size=job["width"],
        beam_size_token=job["tokens"],
        beam_threshold=job["threshold"],
        lm_weight=job["alpha"] * math.log(10.0),
        word_score=job["beta"],
        unk_score=-math.inf,
        sil_score=0.0,
        log_add=job.get("log_add", False),
        criterion_type=CriterionType.CTC,
    )
    decoder = LexiconDecoder(options, trie, model, boundary, 0, known.get_index("<unk>"), [], False)
    last = np.full((1, len(labels)), -50.0, dtype=np.float32)
    last[0, boundary] = 0.0

    def decode(log_probs: NDArray[np.float32]) -> str:
        frames = np.ascontiguousarray(np.concatenate([log_probs, last]), dtype=np.float32)
        address = frames.ctypes.data_as(ctypes.c_void_p).value
        best = decoder.decode(address, *frames.shape)
        return " ".join(known.get_entry(w) for w in best[0].words if w >= 0) if best else ""

    return decode


def spell_all(words: list[str], labels: list[str]) -> dict[str, list[int]]:
    """Spell words in tokens, longest first; words that cannot be spelt are left out."""
    ids = {label: number for number, label in enumerate(labels) if number > 3 and label != "|"}
    longest = max(map(len, ids))
    spelt: dict[str, list[int]] = {}
    for word in words:
        spelling, place = [], 0
        while place < len(word):
            pieces = (word[place : place + n] for n in range(longest, 0, -1))
            piece = next((piece for piece in pieces if piece in ids), None)
            if piece is None:
                break
            spelling.append(ids[piece])
            place += len(piece)
        else:
            spelt[word] = spelling
    return spelt


BUILDERS = {"pyctcdecode": build_pyctcdecode, "flashlight": build_flashlight}


def main() -> None:
    """Do one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    data = np.load(job["emissions"])
    edges = [0, *np.cumsum(data["lengths"]).tolist()][: job["utterances"] + 1]
    frames = data["log_probs"]
    emissions = [frames[a:b] for a, b in itertools.pairwise(edges)]
    words = Path(job["words"]).read_text().split("\n")
    start = time.perf_counter()
    decode = BUILDERS[job["decoder"]](job, words)
    load = time.perf_counter() - start
    decode(emissions[0])
    clock = time.process_time if job["clock"] == "processor" else time.perf_counter
    runs: list[list[float]] = []
    texts: list[str] = []
    for _ in range(job["runs"]):
        texts, seconds = [], []
        for log_probs in emissions:
            start = clock()
            texts.append(decode(log_probs))
            seconds.append(clock() - start)
        runs.append(seconds)
    names = ("pyctcdecode", "kenlm", "flashlight-text", "numpy")
    versions = {name: importlib.metadata.version(name) for name in names}
    print(json.dumps({"texts": texts, "seconds": runs, "load": load, "versions": versions}))


if __name__ == "__main__":
    main()
