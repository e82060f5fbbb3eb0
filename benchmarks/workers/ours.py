"""Decode emissions with anylect; the counterpart of `peers.py`, same job, same answer.

    python benchmarks/workers/ours.py job.json

Prints besides how long imports, loading and the very first decode took, and what one utterance
needs in memory beyond the model.
"""

import ctypes
import itertools
import json
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

START = time.perf_counter()

import numpy as np  # noqa: E402

from anylect.decoding.beam import BeamDecoder, BeamOptions  # noqa: E402
from anylect.decoding.hotwords import Hotwords  # noqa: E402
from anylect.lm.kenlm_binary import load_model  # noqa: E402
from anylect.records import Emissions  # noqa: E402
from anylect.text.vocabulary import Vocabulary  # noqa: E402

IMPORTED = time.perf_counter()


def make_vocabulary(labels: list[str]) -> Vocabulary:
    """Read labels as a model's file has them."""
    tokens = ["" if t == "<pad>" else " " if t == "|" else t for t in labels]
    return Vocabulary(
        tokens=tuple(tokens),
        blank=0,
        boundary=tokens.index(" ") if " " in tokens else None,
        unknown=3,
        special=frozenset(range(4)),
    )


def build(job: dict[str, Any]) -> BeamDecoder:
    """Make the decoder a job asks for."""
    options = BeamOptions(
        alpha=job["alpha"],
        beta=job["beta"],
        width=job["width"],
        search=job["search"],
        max_tokens=job["tokens"],
        counts_empty_end=job["search"] == "open",  # for the same texts as pyctcdecode
    )
    hotwords = Hotwords(job["hotwords"], 10.0) if job.get("hotwords") else None
    return BeamDecoder(
        make_vocabulary(job["labels"]),
        load_model(Path(job["model"])),
        options=options,
        hotwords=hotwords,
    )


def text_of(decoder: BeamDecoder, emissions: Emissions) -> str:
    """Return the best text, without the times of its words."""
    return decoder.decode_beams(emissions, count=1)[0].text


def measure_memory(decoder: BeamDecoder, emissions: Emissions) -> float:
    """Return megabytes at the peak of a decode over those before it; Linux only.

    The larger of what the process grew by and what was allocated in it, for freed memory is used
    again. The utterance was decoded before, so that the model's pages it touches are there.
    """
    decoder.decode(emissions)
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _field(status.read_text(), "VmRSS")
    decoder.decode(emissions)
    grown = (_field(status.read_text(), "VmHWM") - before) / 1000
    tracemalloc.start()
    decoder.decode(emissions)
    _, allocated = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return max(grown, allocated / 1e6)


def _field(status: str, name: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith(name))
    return float(line.split()[1])


def main() -> None:
    """Do one job: texts alone, as the peers give them."""
    job = json.loads(Path(sys.argv[1]).read_text())
    data = np.load(job["emissions"])
    edges = [0, *np.cumsum(data["lengths"]).tolist()][: job["utterances"] + 1]
    frames = data["log_probs"]
    emissions = [Emissions(frames[a:b], 0.02) for a, b in itertools.pairwise(edges)]
    start = time.perf_counter()
    decoder = build(job)
    built = time.perf_counter()
    decoder.decode(emissions[0])
    answer: dict[str, Any] = {
        "imports": IMPORTED - START,
        "load": built - start,
        "first": time.perf_counter() - built,
    }
    clock = time.process_time if job["clock"] == "processor" else time.perf_counter
    runs: list[list[float]] = []
    walls: list[float] = []
    texts: list[str] = []
    with ThreadPoolExecutor(job["threads"]) as threads:
        for _ in range(job["runs"]):
            start = time.perf_counter()
            texts, seconds = [], []
            if job["threads"] > 1:
                texts = list(threads.map(partial(text_of, decoder), emissions))
                walls.append(time.perf_counter() - start)
                continue
            for one in emissions:
                start = clock()
                texts.append(text_of(decoder, one))
                seconds.append(clock() - start)
            runs.append(seconds)
    longest = max(emissions, key=lambda one: len(one.log_probs))
    answer["memory"] = measure_memory(decoder, longest) if sys.platform == "linux" else None
    print(json.dumps(answer | {"texts": texts, "seconds": runs, "walls": walls}))


if __name__ == "__main__":
    main()
