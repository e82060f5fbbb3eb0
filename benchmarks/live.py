"""Does a recogniser make the same errors live as in one pass, and how long does one wait?

Every utterance of a split is transcribed whole, and again in pieces as they would come from a
microphone; both are scored. What a frame waits for is what the model looks ahead, up to a piece,
and the computing for it.

    python benchmarks/live.py runs/live/bundle data/manifest.jsonl --piece 0.1
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anylect import Recognizer
from anylect.audio.load import load_waveform
from anylect.data.manifest import read_manifest
from anylect.evaluation.error_rate import count_errors
from anylect.records import Hypothesis, Utterance, Waveform


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--piece", type=float, default=0.1, help="seconds")
    arguments = parser.parse_args()
    recognizer = Recognizer.load(arguments.bundle, device="cpu")
    utterances = list(read_manifest(arguments.manifest, split=arguments.split))
    rate = recognizer.bundle.model.sample_rate
    waveforms = [load_waveform(utterance, sample_rate=rate) for utterance in utterances]
    whole = [recognizer.transcribe(each.samples, sample_rate=rate) for each in waveforms]
    computing: list[float] = []
    last: list[float] = []
    live = [
        hear(recognizer, waveform, piece=arguments.piece, computing=computing, last=last)
        for waveform in waveforms
    ]
    frame = recognizer.bundle.model.frame_duration
    ahead = recognizer.stream().delay - frame
    differ = sum(ours.text != theirs.text for ours, theirs in zip(live, whole, strict=True))
    for name, hypotheses in (("whole", whole), ("live", live)):
        print(f"{name}: {score(recognizer, utterances, hypotheses)}")
    print(f"{differ} of {len(utterances)} hypotheses differ")
    worst = 1000 * (ahead + arguments.piece + max(computing))
    print(
        f"look-ahead {1000 * ahead:.0f} ms · pieces of {1000 * arguments.piece:.0f} ms, computing "
        f"median {1000 * statistics.median(computing):.2f} ms, slowest "
        f"{1000 * max(computing):.1f} ms · a frame waits at most {worst:.0f} ms · last words "
        f"{1000 * statistics.median(last):.2f} ms after the end, slowest {1000 * max(last):.1f} ms"
    )


def hear(
    recognizer: Recognizer,
    waveform: Waveform,
    *,
    piece: float,
    computing: list[float],
    last: list[float],
) -> Hypothesis:
    """Transcribe a waveform in pieces, noting what each took."""
    stream = recognizer.stream()
    for samples in pieces(waveform.samples, round(piece * waveform.sample_rate)):
        began = time.perf_counter()
        stream.feed(samples)
        stream.partial()
        computing.append(time.perf_counter() - began)
    began = time.perf_counter()
    hypothesis = stream.finish()
    last.append(time.perf_counter() - began)
    return hypothesis


def pieces(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cut samples."""
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def score(recognizer: Recognizer, utterances: list[Utterance], hypotheses: list[Hypothesis]) -> str:
    """Score over the set, pooled."""
    normalize = recognizer.bundle.normalizer
    counts = [
        count_errors(normalize(utterance.text).split(), hypothesis.text.split())
        for utterance, hypothesis in zip(utterances, hypotheses, strict=True)
    ]
    errors = sum(each.errors for each in counts)
    words = sum(each.length for each in counts)
    return f"WER {errors / words:.1%}, {errors} of {words} words"


if __name__ == "__main__":
    main()
