"""How fast does fine-tuning go, beside the Trainer-based script of `transformers`?

A wav2vec 2.0 of 5 M random weights is fine-tuned for some updates by `anylect train` and by
`workers/trainer.py`, in turn: same corpus, same weights, fp32, the same number of utterances an
update on average. Recordings are FLAC of LibriSpeech and MP3 of Common Voice in eight languages,
1 to 20 s, repeated to fill a manifest. Ours draws its batches at random, the Trainer's updates are
spread evenly over its epoch. Then a manifest of 100 hours: how long until its first update?

    ANYLECT_DATA=/path/to/data python benchmarks/training.py [--runs 3] [--updates 8]

Nothing learnt here is kept: LibriSpeech's recordings are for evaluation, random weights that
have seen them once are thrown away.

Prints Markdown tables. Seconds of audio are those of the recordings, padding apart; the first
update of a run is warm-up. Both write into a folder of their own, temporary files included, so
that what they leave on the disk can be counted.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from anylect.audio.load import probe
from anylect.data.batches import bucketed_batches, padding_share
from anylect.data.manifest import write_manifest
from anylect.data.sources.common_voice import read_common_voice
from anylect.data.sources.librispeech import read_librispeech
from anylect.records import Utterance
from anylect.text.normalize import default_normalizer
from anylect.training.journal import read_journal

HERE = Path(__file__).resolve().parent
LOCALES = ("en", "de", "es", "fr", "it", "nl", "pl", "sv-SE")
BATCH, ACCUMULATION = 16, 2
"""Utterances and batches, of the README of transformers' script."""
LONGEST = 20.0
"""Seconds; its `max_duration_in_seconds`."""
HOURS = 100.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run was like; times in seconds, sizes in bytes."""

    rate: float
    """Seconds of audio a second, from the end of the first update to that of the last."""
    utterances: float
    """Of an update, on average."""
    padding: float
    first_update: float
    """From the start of the process to the end of its first update."""
    memory: int
    preprocessing: float = 0.0
    """Seconds of decoding before training for a second of audio."""
    cached: float = 0.0
    """Bytes of decoded audio on the disk for a second of audio."""
    written: int
    """What lies on the disk afterwards, weights and moments apart."""


def collect(data: Path) -> list[Utterance]:
    """Find the recordings, those of a kind together, with durations and normalised texts."""
    folders = [data / "common_voice_6.1_sample" / locale for locale in LOCALES]
    found = [*read_librispeech(data / "LibriSpeech_sample")]
    for folder in folders:
        found += read_common_voice(folder)
    normalize = default_normalizer("und")
    utterances = []
    for number, each in enumerate(found):
        if isinstance(each, Utterance):
            duration, text = probe(each.audio).duration, normalize(each.text)
            if duration < LONGEST and text:
                each = replace(each, text=text, duration=duration, id=str(number), language="und")
                utterances.append(each)
    return utterances


def write_corpus(path: Path, utterances: Sequence[Utterance], *, count: int) -> list[float]:
    """Write a manifest of so many utterances, drawn at random and repeated where they run out.

    Returns the durations of its training split. The shortest two are `dev`.
    """
    order = np.random.default_rng(0).permutation(len(utterances)).tolist()
    train = [
        replace(utterances[order[n % len(order)]], id=f"train-{n}", split="train", speaker=None)
        for n in range(count)
    ]
    short = sorted(utterances, key=lambda each: each.duration or 0.0)[:2]
    dev = [replace(each, id=f"dev-{n}", split="dev") for n, each in enumerate(short)]
    write_manifest(path, [replace(each, extra={}) for each in (*train, *dev)])
    return [each.duration or 0.0 for each in train]


def build_encoder(folder: Path) -> None:
    """Make a wav2vec 2.0 of 5 M random weights, built as XLS-R is."""
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
        conv_dim=(256,) * 7,
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        vocab_size=32,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def seconds_a_batch(durations: Sequence[float]) -> float:
    """Find how many seconds make as many batches as there are with sixteen utterances each."""
    seconds = BATCH * statistics.fmean(durations)
    while len(bucketed_batches(durations, seconds=seconds)) > len(durations) / BATCH:
        seconds *= 1.01
    return seconds


class Bench:
    """A corpus, an encoder, and a folder in which both sides run."""

    def __init__(
        self, work: Path, durations: Sequence[float], *, threads: int, updates: int
    ) -> None:
        self.work, self.durations = work, durations
        self.threads, self.updates = threads, updates
        self.manifest, self.encoder = work / "manifest.jsonl", work / "encoder"
        self.seconds = seconds_a_batch(durations)

    def ours(self, *settings: str, manifest: Path | None = None) -> Run:
        """Train by the command line, as a user does; the journal says when updates were done."""
        folder = self.work / "ours"
        given = [
            f"batches.seconds={self.seconds}",
            f"batches.accumulation={ACCUMULATION}",
            f"threads={self.threads}",
            f"model.checkpoint={self.encoder}",
            "model.settings.layerdrop=0.0",
            "model.settings.mask_time_prob=0.05",
            *(
                f"model.settings.{name}_dropout=0.0"
                for name in ("feat_proj", "attention", "hidden", "final")
            ),
            "optimizer.loss_reduction=mean",
            "optimizer.clip_norm=1.0",
            f"schedule.updates={self.updates}",
            "schedule.log_every=1",
            *settings,
        ]
        command = [sys.executable, "-m", "anylect", "train", "--manifest"]
        command += [str(manifest or self.manifest), "-o", str(folder / "run"), "--device", "cpu"]
        command += [word for setting in given for word in ("--set", setting)]
        began, memory, _ = self._run(command, folder)
        events = [
            e for e in read_journal(folder / "run" / "journal.jsonl") if e["event"] == "update"
        ]
        times = [event["time"] for event in events]
        heard = [
            event["audio_seconds_per_second"] * (end - start)
            for event, start, end in zip(events[1:], times, times[1:], strict=False)
        ]
        batches = bucketed_batches(self.durations, seconds=self.seconds)
        return Run(
            rate=sum(heard) / max(times[-1] - times[0], 1e-9),
            utterances=sum(event["utterances"] for event in events) / len(events),
            padding=padding_share(batches, self.durations),
            first_update=times[0] - began,
            memory=memory,
            written=size_of(folder, without=("checkpoints", "bundle")),
        )

    def peer(self) -> Run:
        """Train with the Trainer."""
        folder = self.work / "peer"
        job = self.work / "job.json"
        options = {
            "manifest": str(self.manifest),
            "encoder": str(self.encoder),
            "output": str(folder / "run"),
            "batch": BATCH,
            "accumulation": ACCUMULATION,
            "updates": self.updates,
            "threads": self.threads,
            "seed": 0,
        }
        job.write_text(json.dumps(options))
        worker = HERE / "workers" / "trainer.py"
        began, memory, said = self._run([sys.executable, str(worker), str(job)], folder)
        answer = json.loads(said.splitlines()[-1])
        times, held = answer["times"], np.array(answer["held"])
        seconds = held[:, 1] / 16_000
        return Run(
            rate=float(seconds[ACCUMULATION:].sum() / (times[-1] - times[0])),
            utterances=float(held[:, 0].sum() / len(times)),
            padding=float(1.0 - held[:, 1].sum() / held[:, 2].sum()),
            first_update=times[0] - began,
            memory=memory,
            preprocessing=float(answer["preprocessing"] / seconds.sum()),
            cached=float(answer["cached"] / seconds.sum()),
            written=size_of(folder, without=()),
        )

    def _run(self, command: list[str], folder: Path) -> tuple[float, int, str]:
        """Run a command with a fresh folder for all it writes: start, peak memory, output."""
        shutil.rmtree(folder, ignore_errors=True)
        places = {name: str(folder / name.lower()) for name in ("TMPDIR", "HF_HOME")}
        for place in places.values():
            Path(place).mkdir(parents=True)
        threads = {"OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1"}
        said = folder / "tmpdir" / "said"
        began = time.time()
        with said.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | places | threads
            )
            _, status, usage = os.wait4(process.pid, 0)
        text = said.read_text()
        said.unlink()
        if status:
            raise SystemExit(f"{' '.join(command[:4])} failed:\n{text}")
        return began, usage.ru_maxrss * 1024, text


def size_of(folder: Path, *, without: Sequence[str]) -> int:
    """Add up the files below a folder, those in some folders apart."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not set(path.parts) & set(without)
    )


def describe(name: str, runs: Sequence[Run], *, peer: float | None) -> str:
    """Say a row of the table: medians of all runs."""

    def median(field: str) -> float:
        return statistics.median(getattr(run, field) for run in runs)

    rate = median("rate")
    ratio = "" if peer is None else f"{rate / peer:.2f}"
    return (
        f"| {name} | {rate:.1f} | {ratio} | {median('utterances'):.1f} | {median('padding'):.1%} "
        f"| {median('memory') / 1e6:,.0f} MB | {median('preprocessing') * 3600:.0f} s "
        f"| {median('cached') * 3600 / 1e6:,.0f} MB | {median('written') / 1e6:,.2f} MB |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--utterances", type=int, default=6400)
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", nargs="*", default=["speed", "start"], help="speed, start")
    parser.add_argument("--kept", type=Path, help="add the runs to those in this file, for medians")
    arguments = parser.parse_args()
    data = Path(os.environ.get("ANYLECT_DATA", HERE.parents[1] / "shared" / "data"))
    if not (data / "LibriSpeech_sample").is_dir():
        print(f"skipped: no recordings at {data / 'LibriSpeech_sample'}; set ANYLECT_DATA")
        return
    utterances = collect(data)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        durations = write_corpus(work / "manifest.jsonl", utterances, count=arguments.utterances)
        build_encoder(work / "encoder")
        bench = Bench(work, durations, threads=arguments.threads, updates=arguments.updates)
        if "speed" in arguments.parts:
            measure_speed(bench, runs=arguments.runs, kept=arguments.kept)
        if "start" in arguments.parts:
            measure_start(bench, utterances, runs=arguments.runs)


def measure_speed(bench: Bench, *, runs: int, kept: Path | None) -> None:
    """Print how fast some updates of an epoch go."""
    lengths = np.quantile(bench.durations, [0.0, 0.25, 0.5, 0.75, 1.0])
    print(
        f"{len(bench.durations):,} utterances, {sum(bench.durations) / 3600:.1f} h; lengths (least,"
        f" quartiles, most): {', '.join(f'{length:.1f}' for length in lengths)} s; our batches "
        f"up to {bench.seconds:.0f} s, the Trainer's {BATCH} utterances; {ACCUMULATION} an update\n"
    )
    kinds = {
        "transformers' Trainer": bench.peer,
        "`anylect train`": bench.ours,
        "`anylect train`, reading in the same thread": lambda: bench.ours("batches.workers=0"),
    }
    done = [json.loads(line) for line in kept.open()] if kept and kept.exists() else []
    for _ in range(runs):
        for name, measure in kinds.items():
            run = measure()
            done.append([name, asdict(run)])
            print(f"  {name}: {run.rate:.1f} s/s", file=sys.stderr, flush=True)
    if kept:
        kept.write_text("".join(json.dumps(each) + "\n" for each in done))
    print(
        "| | audio s/s | ratio | utterances an update | padding | peak memory | decoding before, "
        "an hour of audio | of it on disk | left on disk |\n|---|---|---|---|---|---|---|---|---|"
    )
    peer = 0.0
    for name in kinds:
        mine = [Run(**figures) for kind, figures in done if kind == name]
        print(describe(name, mine, peer=peer or None), flush=True)
        peer = peer or statistics.median(run.rate for run in mine)


def measure_start(bench: Bench, utterances: Sequence[Utterance], *, runs: int) -> None:
    """Print how long a manifest of 100 hours takes to its first update."""
    mean = statistics.fmean(each.duration or 0.0 for each in utterances)
    count = round(HOURS * 3600 / mean)
    manifest = bench.work / "hours.jsonl"
    durations = write_corpus(manifest, utterances, count=count)
    times = [bench.ours("schedule.updates=1", manifest=manifest).first_update for _ in range(runs)]
    print(
        f"\n{count:,} utterances, {sum(durations) / 3600:.1f} h: first update after "
        f"{statistics.median(times):.1f} s (of {', '.join(f'{each:.1f}' for each in times)})"
    )


if __name__ == "__main__":
    main()
