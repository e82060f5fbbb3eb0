"""How much sooner does a DeepSpeech2 learn from the same utterances than a plain PyTorch port?

Both sides train the architecture the MLPerf reference lists (`mlperf-listing`; GRU cells), with
as many utterances an update, the same optimizer, from FLAC files: reading, spectrograms, forward,
backward and step are all timed, building and a first update are not. Each run is a process of
its own; the two sides take turns. The peer is `benchmarks/deepspeech2_port.py`.

    ANYLECT_DATA=/path/to/data python benchmarks/deepspeech2.py --hidden 512 --threads 1

The utterances are those of `LibriSpeech_sample`, which is for evaluation: no weights are kept.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import soundfile
import torch
from torch import nn

from anylect.audio.features import FeatureOptions
from anylect.data.sources.librispeech import read_librispeech
from anylect.models.build import build_model
from anylect.models.options import ModelOptions
from anylect.records import Utterance
from anylect.text.vocabulary import build_vocabulary
from anylect.training.feed import Batch, Feed
from anylect.training.lessons import Lesson
from anylect.training.loss import batch_loss
from anylect.training.options import AugmentationOptions, BatchOptions
from deepspeech2_port import LABELS, Port, Shape

HERE = Path(__file__).resolve().parent
SIDES = ("ours", "port")


class Side(Protocol):
    """What both sides can do."""

    def batches(
        self, utterances: Sequence[tuple[str, str]], *, size: int, seed: int, order: str
    ) -> Iterator[Any]:
        """Read an epoch."""

    def learn(self, batch: Any) -> float:  # noqa: ANN401  each side has its own
        """Take one step; return the loss per utterance."""


class Ours:
    """The project's model, feed and loss; the optimizer is the port's."""

    def __init__(self, shape: Shape) -> None:
        self.vocabulary = build_vocabulary([LABELS[1:]])
        settings = {
            "hidden_size": shape.hidden,
            "recurrent_layers": shape.layers,
            "bidirectional": shape.bidirectional,
        }
        # Adding one to magnitudes before the logarithm is the reference's log1p.
        features = FeatureOptions(scale="magnitude", floor=1.0)
        options = ModelOptions(variant="mlperf-listing", settings=settings, features=features)
        self.model = build_model(options, self.vocabulary, device="cpu")
        self.model.module.train()
        self.optimizer = torch.optim.SGD(
            self.model.module.parameters(), lr=1e-4, momentum=0.9, nesterov=True
        )

    def batches(
        self, utterances: Sequence[tuple[str, str]], *, size: int, seed: int, order: str
    ) -> Iterator[Batch]:
        """Read an epoch; batches are of similar lengths whatever the order."""
        lessons = [
            Lesson(
                utterance=Utterance(
                    audio=Path(path), text=text, id=path, duration=soundfile.info(path).duration
                ),
                labels=tuple(self.vocabulary.encode(text)),
            )
            for path, text in utterances
        ]
        longest = max(lesson.utterance.duration or 0.0 for lesson in lessons)
        feed = Feed(
            lessons=lessons,
            frontend=self.model.frontend,
            batches=BatchOptions(seconds=size * longest, max_utterances=size, workers=1),
            augmentation=AugmentationOptions(),
            seed=seed,
        )
        return feed.epoch(0)

    def learn(self, batch: Batch) -> float:
        """Take one step."""
        loss = batch_loss(self.model, batch).nats / len(batch.lengths)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        nn.utils.clip_grad_norm_(self.model.module.parameters(), 400.0)
        self.optimizer.step()
        return float(loss.detach())


def measure(side: Side, arguments: argparse.Namespace) -> dict[str, float]:
    """Train one epoch after a first update; return utterances a second and what else one asks."""
    utterances = read_utterances(arguments)
    common = {"size": arguments.batch, "seed": 0, "order": arguments.order}
    side.learn(next(side.batches(utterances[: arguments.batch], **common)))
    began, began_cpu, updates, loss = time.perf_counter(), time.process_time(), 0, 0.0
    for batch in side.batches(utterances, **common):
        loss += side.learn(batch)
        updates += 1
    seconds = time.perf_counter() - began
    return {
        "utterances_per_second": len(utterances) / seconds,
        "seconds": seconds,
        # Of this process, reading included on our side: the port reads in another process.
        "cpu_seconds": time.process_time() - began_cpu,
        "updates": updates,
        "loss": loss / updates,
    }


def read_utterances(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Return paths and texts, sorted by length, spread evenly over all lengths."""
    found = [each for each in read_librispeech(arguments.data) if isinstance(each, Utterance)]
    lengths = {each.audio: soundfile.info(str(each.audio)).duration for each in found}
    found = sorted(
        (each for each in found if lengths[each.audio] <= arguments.longest),
        key=lambda each: lengths[each.audio],
    )
    count = min(arguments.utterances or len(found), len(found))
    chosen = [found[(2 * index + 1) * len(found) // (2 * count)] for index in range(count)]
    if arguments.describe:
        seconds = sum(lengths[each.audio] for each in chosen)
        print(
            f"{count} utterances of {lengths[chosen[0].audio]:.1f} to "
            f"{lengths[chosen[-1].audio]:.1f} s, {seconds:.0f} s together"
        )
    return [(str(each.audio), each.text.upper()) for each in chosen]


def compare(arguments: argparse.Namespace) -> None:
    """Let both sides take turns and print what came out."""
    read_utterances(arguments)
    results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(arguments.runs):
        for side in SIDES:
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
            ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[side].append(json.loads(ran.stdout))
            print(json.dumps({"side": side, **results[side][-1]}), flush=True)
    speed = {
        side: statistics.median(run["utterances_per_second"] for run in runs)
        for side, runs in results.items()
    }
    print(
        f"hidden {arguments.hidden} · layers {arguments.layers} · "
        f"{'both directions' if arguments.bidirectional else 'one direction'} · "
        f"{arguments.batch} utterances an update · port {arguments.order}, "
        f"{'padded' if arguments.padded else 'packed'} · "
        f"{arguments.threads} thread(s): ours {speed['ours']:.2f}, port {speed['port']:.2f} "
        f"utterances/s, ratio of medians {speed['ours'] / speed['port']:.2f}"
    )


def main() -> None:
    """Compare, or be one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--bidirectional", action="store_true")
    parser.add_argument("--batch", type=int, default=8, help="utterances an update")
    parser.add_argument("--utterances", type=int, help="so many of all lengths; all by default")
    parser.add_argument("--longest", type=float, default=40.0, help="seconds")
    parser.add_argument("--order", choices=["sorted", "random"], default="sorted")
    parser.add_argument("--padded", action="store_true", help="the port packs no sequences")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side", choices=SIDES)
    arguments = parser.parse_args()
    data = Path(os.environ.get("ANYLECT_DATA", HERE.parents[1] / "shared" / "data"))
    arguments.data, arguments.describe = data / "LibriSpeech_sample", arguments.side is None
    if not arguments.data.is_dir():
        print(f"skipped: no recordings at {arguments.data}; set ANYLECT_DATA")
        return
    if arguments.side is None:
        compare(arguments)
        return
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    shape = Shape(
        arguments.hidden,
        arguments.layers,
        arguments.bidirectional,
        packed=not arguments.padded,
    )
    side: Side = Ours(shape) if arguments.side == "ours" else Port(shape)
    print(json.dumps(measure(side, arguments)))


if __name__ == "__main__":
    main()
