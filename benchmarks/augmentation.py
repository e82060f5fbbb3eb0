"""How much audio a second does a worker thread augment, and do threads scale?

Each kind of augmentation alone, and the preset `ROBUST`, over recordings of LibriSpeech's FLAC
(decoding alone is the yardstick), with one thread and with several. A GPU that learns from so many
seconds of audio a second needs as many threads as it takes to reach that.

    ANYLECT_DATA=/path/to/data python benchmarks/augmentation.py [--threads 2] [--seconds 300]

Prints a Markdown table: audio-seconds per second of one thread's processor time, and how many times
as much several threads do by the clock: on an idle machine as many times as there are threads,
where nothing holds the interpreter's lock.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from anylect.audio.augment import ROBUST, AugmentOptions, augment_waveform
from anylect.audio.load import load_waveform
from anylect.data.prefetch import prefetch
from anylect.records import Waveform

HERE = Path(__file__).resolve().parent
Work = Callable[[int], float]
"""Does one utterance and returns its seconds."""
_RUNS = 5
_MEAN_SECONDS = 8.0


def kinds(data: Path) -> dict[str, AugmentOptions]:
    """Return every kind of augmentation, always happening."""
    noise, rooms = (data / "noise_rir" / name for name in ("noise", "rir"))
    return {
        "speed": AugmentOptions(speeds=(0.9, 1.1)),
        "room, decaying noise": AugmentOptions(room_probability=1.0),
        "room, measured": AugmentOptions(room_probability=1.0, rooms_folder=rooms),
        "far field": AugmentOptions(far_field_probability=1.0),
        "microphone": AugmentOptions(microphone_db=3.0),
        "noise, generated": AugmentOptions(noise_probability=1.0),
        "noise, from a folder": AugmentOptions(noise_probability=1.0, noise_folder=noise),
        "clipping": AugmentOptions(clipping_probability=1.0),
        "telephone": AugmentOptions(telephone_probability=1.0),
        "packet loss": AugmentOptions(packet_loss_probability=1.0),
        **{
            f"codec, {codec} kb/s": AugmentOptions(codec_probability=1.0, codecs=(codec,))
            for codec in ("gsm 13", "amr 12.2", "opus 12", "mp3 16")
        },
        "`ROBUST`": ROBUST,
        "`ROBUST`, noise and rooms from folders": replace(
            ROBUST, noise_folder=noise, rooms_folder=rooms
        ),
    }


def per_core(work: Work, count: int, *, seconds: float) -> float:
    """Return audio-seconds per second of processor time, which other work hardly disturbs."""
    for number in range(count):
        work(number)  # what is made once, such as rooms and delays of codecs
    began, heard = time.thread_time(), 0.0
    for number in range(_enough(count, seconds)):
        heard += work(number)
    return heard / (time.thread_time() - began)


def scaling(work: Work, count: int, *, threads: int, seconds: float) -> float:
    """Return how many times as much several threads do as one, in the best of alternating runs."""
    rates = {1: 0.0, threads: 0.0}
    for _ in range(_RUNS):
        for workers in rates:
            began, items = time.perf_counter(), range(_enough(count, seconds / _RUNS))
            heard = sum(prefetch(work, items, workers=workers, ahead=4 * threads))
            rates[workers] = max(rates[workers], heard / (time.perf_counter() - began))
    return rates[threads] / rates[1]


def _enough(count: int, seconds: float) -> int:
    return max(count // 4, round(seconds / _MEAN_SECONDS))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300.0, help="audio per measurement")
    arguments = parser.parse_args()
    data = Path(os.environ.get("ANYLECT_DATA", HERE.parents[1] / "shared" / "data"))
    paths = sorted((data / "LibriSpeech_sample").rglob("*.flac"))[:40]
    if not paths:
        print(f"skipped: no recordings at {data / 'LibriSpeech_sample'}; set ANYLECT_DATA")
        return
    waveforms = [load_waveform(path) for path in paths]

    def decode(number: int) -> float:
        return load_waveform(paths[number % len(paths)]).duration

    def augment(options: AugmentOptions, number: int) -> float:
        waveform: Waveform = waveforms[number % len(paths)]
        augment_waveform(waveform, options, np.random.default_rng((0, number)))
        return waveform.duration

    works: dict[str, Work] = {"decoding FLAC alone": decode}
    works |= {name: partial(augment, options) for name, options in kinds(data).items()}
    print(f"| kind | one thread, s/s | {arguments.threads} threads |\n|---|---|---|")
    for name, work in works.items():
        one = per_core(work, len(paths), seconds=arguments.seconds)
        times = scaling(work, len(paths), threads=arguments.threads, seconds=arguments.seconds)
        print(f"| {name} | {one:,.0f} | × {times:.2f} |", flush=True)


if __name__ == "__main__":
    main()
