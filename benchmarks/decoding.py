"""Beam search beside pyctcdecode and flashlight-text: speed, errors, agreement, memory.

Every decoder gets the same simulated emissions (`emissions.py`) of sentences the language model
has not seen, and the same KenLM file, a 5-gram that `anylect lm build` makes of the text. The
peers live in an environment of their own:

    python -m venv peers && peers/bin/pip install "numpy<2" pyctcdecode==0.5.0 kenlm flashlight-text
    python benchmarks/decoding.py --peers peers/bin/python --work /tmp/anylect-bench

Each decoder runs in a process of its own, one thread, one after the other; figures are medians of
`--runs` passes. What the peers said is kept in the work folder with a key of all that went in;
`--fresh` asks them again. Without `--peers` only ours is measured.
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from emissions import FLAT, PEAKY, Alphabet, choose_sentences, describe, letters, simulate, units
from scoring import mean_total, word_error_rate

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("ANYLECT_DATA", HERE.parents[1] / "shared" / "data"))
LISTENERS = {"peaky": PEAKY, "flat": FLAT}
BUILD = "from anylect.cli.lm import group; group()"
WIDTHS = (16, 64, 100)
SHORT_PHRASE = 5
"""Characters; nobody favours `the`."""
Answer = dict[str, Any]


@dataclass
class World:
    """The work folder: language model, words, emissions, what decoders answered."""

    options: argparse.Namespace
    folder: Path

    @cached_property
    def text(self) -> Path:
        """The text of the language model, unpacked."""
        given: Path = self.options.text
        if given.suffix != ".xz":
            return given
        unpacked = self.folder / given.stem
        if not unpacked.is_file():
            unpacked.write_bytes(lzma.decompress(given.read_bytes()))
        return unpacked

    @cached_property
    def model(self) -> Path:
        """A KenLM binary; rebuilt when the text is another."""
        path = self.folder / f"text-{checksum(self.text)[:12]}-order{self.options.order}.bin"
        if not path.is_file():
            command = [sys.executable, "-c", BUILD, "build", str(self.text), "-o", str(path)]
            subprocess.run(
                [*command, "--order", str(self.options.order)], check=True, capture_output=True
            )
        print(f"language model {path.name}, sha256 {checksum(path)[:12]}")
        return path

    @cached_property
    def words(self) -> Path:
        """The words of the language model, which all decoders may say."""
        from anylect.lm.kenlm_binary import load_model

        path = self.folder / f"{self.model.stem}.words"
        if not path.is_file():
            known = [word for word in load_model(self.model).words if not word.startswith("<")]
            path.write_text("\n".join(known))
        return path

    @cached_property
    def sentences(self) -> list[str]:
        number = max(self.options.utterances, self.options.same)
        return choose_sentences(self.options.heldout, self.text, number=number)

    def pieces(self, *, marked: bool) -> Alphabet:
        """A large alphabet; `marked` as SentencePiece does it, else with a boundary token."""
        with self.text.open() as lines:
            some = (next(lines) for _ in range(100_000))
            return units(some, self.options.units, marked=marked)

    def emissions(self, name: str, alphabet: Alphabet, *, number: int) -> Path:
        """Make and keep the emissions of a listener."""
        sentences = self.sentences[:number]
        made = [simulate(s, alphabet, listener=LISTENERS[name], seed=1) for s in sentences]
        mark = "-marked" if alphabet.leads else ""
        path = self.folder / f"{name}-{len(alphabet.labels)}{mark}.npz"
        np.savez(path, lengths=[len(one) for one in made], log_probs=np.concatenate(made))
        print(f"{path.name}, sha256 {checksum(path)[:12]}: {describe(made)}")
        return path

    def ask(self, job: dict[str, Any]) -> Answer | None:
        """Have a decoder do a job; None when its environment is missing."""
        ours = job["decoder"] == "anylect"
        python = sys.executable if ours else self.options.peers
        if python is None:
            return None
        worker = HERE / "workers" / ("ours.py" if ours else "peers.py")
        inputs = [job, checksum(Path(job["emissions"])), checksum(self.model), worker.read_text()]
        key = hashlib.sha256(json.dumps(inputs, default=str).encode()).hexdigest()[:16]
        kept = self.folder / f"{job['decoder']}-{key}.json"
        if kept.is_file() and not ours and not self.options.fresh:
            return dict(json.loads(kept.read_text()), kept=True)
        task = self.folder / "job.json"
        task.write_text(json.dumps(job, default=str))
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | job.get("environment", {})
        done = subprocess.run(
            [python, str(worker), str(task)], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            print(f"{job['decoder']} failed: {done.stderr.strip().splitlines()[-1]}")
            return None
        found = done.stdout.strip().splitlines()[-1]
        if not ours:
            kept.write_text(found)
        return dict(json.loads(found))

    def job(self, emissions: Path, alphabet: Alphabet, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        """Describe a job; what is not said is as in the main table."""
        return {
            "emissions": str(emissions),
            "labels": alphabet.labels,
            "model": str(self.model),
            "words": str(self.words),
            "utterances": self.options.utterances,
            "runs": self.options.runs,
            "alpha": 0.5,
            "beta": 1.5,
            "width": 100,
            "tokens": 32,
            "threads": 1,
            "clock": self.options.clock,
        } | changes


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rate(answer: Answer) -> float:
    """Utterances a second, the median pass."""
    passes = answer["walls"] if answer.get("walls") else [sum(run) for run in answer["seconds"]]
    return float(len(answer["texts"]) / statistics.median(passes))


PYCTCDECODE = {"decoder": "pyctcdecode"}
FLASHLIGHT = {"decoder": "flashlight", "threshold": 10.0}
OPEN = {"decoder": "anylect", "search": "open"}
CLOSED = {"decoder": "anylect", "search": "closed"}


def main_table(world: World, places: dict[str, tuple[Path, Alphabet]]) -> None:
    """Print speed and errors of all decoders, each of ours beside its peer."""
    rows: list[tuple[str, dict[str, Any], str]] = []
    for width in WIDTHS:
        name = f"pyctcdecode 0.5.0, width {width}"
        rows += [(name, PYCTCDECODE | {"width": width}, "")]
        rows += [(f"anylect, open, width {width}", OPEN | {"width": width}, name)]
    for tokens in (32, 4):
        name = f"flashlight-text, width 100, {tokens} tokens"
        rows += [(name, FLASHLIGHT | {"tokens": tokens}, "")]
        rows += [
            (f"anylect, closed, width 100, {tokens} tokens", CLOSED | {"tokens": tokens}, name)
        ]
    name = "flashlight-text, width 100, 32 tokens, threshold 25"
    rows += [(name, FLASHLIGHT | {"threshold": 25.0}, "")]
    rows += [("anylect, closed, width 50, 8 tokens", CLOSED | {"width": 50, "tokens": 8}, "")]
    print("\n| decoder | peaky: utterances/s | WER | ratio | flat: utterances/s | WER | ratio |")
    print("|---|---|---|---|---|---|---|")
    rates: dict[tuple[str, str], float] = {}
    for name, changes, peer in rows:
        cells = []
        for listener, (path, alphabet) in places.items():
            answer = world.ask(world.job(path, alphabet, **changes))
            if answer is None:
                cells += ["", "", ""]
                continue
            rates[name, listener] = speed = rate(answer)
            errors = word_error_rate(world.sentences, answer["texts"])
            ratio = f"{speed / rates[peer, listener]:.1f}" if (peer, listener) in rates else ""
            cells += [f"{speed:,.4g}{'*' * ('kept' in answer)}", f"{errors:.1%}", ratio]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n`*`: measured earlier, kept in the work folder")


def agreement(world: World, places: dict[str, tuple[Path, Alphabet]]) -> None:
    """Print how often the texts are pyctcdecode's, and whose total scores are better."""
    for listener, (path, alphabet) in places.items():
        job = world.job(path, alphabet, utterances=world.options.same, runs=1)
        asked: dict[str, dict[str, Any]] = {
            "pyctcdecode": PYCTCDECODE,
            "open": OPEN,
            "flashlight": FLASHLIGHT,
            "closed": CLOSED,
        }
        found = {name: world.ask(job | changes) for name, changes in asked.items()}
        theirs, ours = found["pyctcdecode"], found["open"]
        if theirs is None or ours is None:
            continue
        pairs = zip(theirs["texts"], ours["texts"], strict=True)
        same = sum(a == b for a, b in pairs) / len(ours["texts"])
        data = np.load(path)
        ends = np.cumsum(data["lengths"])[: world.options.same]
        frames = np.split(data["log_probs"][: ends[-1]], ends[:-1])
        totals = {
            name: mean_total(answer["texts"], frames, alphabet=alphabet, model=world.model)
            for name, answer in found.items()
            if answer is not None
        }
        shown = ", ".join(f"{name} {total:.4f}" for name, total in totals.items())
        print(f"{listener}: {same:.1%} of {world.options.same} texts as pyctcdecode's")
        print(f"{listener}: mean total score {shown}", flush=True)


def extras(world: World, places: dict[str, tuple[Path, Alphabet]]) -> None:
    """Print threads, hotwords and memory, all of the closed search."""
    for listener, (path, alphabet) in places.items():
        job = world.job(path, alphabet, **CLOSED)
        plain, wall = world.ask(job), world.ask(job | {"clock": "wall"})
        two = world.ask(job | {"clock": "wall", "threads": 2})
        hot = world.ask(job | {"hotwords": phrases(world.text, 1000)})
        if plain is None or wall is None or two is None or hot is None:
            continue
        print(f"{listener}: two threads {rate(two) / rate(wall):.2f} times one")
        print(f"{listener}: 1,000 hotwords take {rate(plain) / rate(hot):.2f} times none")
        print(f"{listener}: {plain['memory']:.1f} MB at the peak of the longest utterance")


def large_alphabets(world: World, places: dict[str, tuple[Path, Alphabet]]) -> None:
    """Print what becomes of the speed with many tokens."""
    number = world.options.utterances
    for listener, (path, alphabet) in places.items():
        small = world.ask(world.job(path, alphabet, **CLOSED))
        for marked in (False, True):
            large = world.pieces(marked=marked)
            job = world.job(world.emissions(listener, large, number=number), large)
            closed, opened = world.ask(job | CLOSED), world.ask(job | OPEN)
            if small is None or closed is None or opened is None:
                continue
            print(f"{listener}: {len(large.labels)} tokens, closed: {rate(closed):,.4g} a second,")
            print(f"    {rate(closed) / rate(small):.2f} times that with {len(alphabet.labels)}")
            compare(world, opened, peer=world.ask(job | PYCTCDECODE), name="pyctcdecode")
            if not marked:  # its words end with a boundary token
                compare(world, closed, peer=world.ask(job | FLASHLIGHT), name="flashlight-text")


def compare(world: World, ours: Answer, *, peer: Answer | None, name: str) -> None:
    """Print our speed beside a peer's."""
    if peer is None:
        return
    errors = [word_error_rate(world.sentences, answer["texts"]) for answer in (ours, peer)]
    print(f"    {rate(ours) / rate(peer):.1f} times {name} ({rate(peer):,.4g} a second),")
    print(f"    WER {errors[0]:.1%} and {errors[1]:.1%}", flush=True)


def start_up(world: World, places: dict[str, tuple[Path, Alphabet]]) -> None:
    """Print how long the first decode of a process takes, kernels compiled or not."""
    path, alphabet = places["peaky"]
    job = world.job(path, alphabet, **CLOSED) | {"utterances": 1, "runs": 1}
    with tempfile.TemporaryDirectory() as cache:
        for state in ("cold (kernels compiled)", "warm (kernels from disk)"):
            found = world.ask(job | {"environment": {"NUMBA_CACHE_DIR": cache}})
            if found is not None:
                print(
                    f"first decode {state}: {found['first']:.2f} s, after {found['imports']:.2f} s "
                    f"of imports and {found['load']:.2f} s for model and lexicon"
                )


def phrases(text: Path, number: int) -> list[str]:
    """Choose phrases of one to three words of the text: few of them are said."""
    chance = random.Random(5)
    with text.open() as lines:
        sentences = [next(lines).split() for _ in range(20 * number)]
    chosen: set[str] = set()
    while len(chosen) < number:
        words = chance.choice(sentences)
        place = chance.randrange(len(words))
        phrase = " ".join(words[place : place + chance.randint(1, 3)])
        if len(phrase) > SHORT_PHRASE:
            chosen.add(phrase)
    return sorted(chosen)


PARTS = {
    "table": main_table,
    "agreement": agreement,
    "extras": extras,
    "large": large_alphabets,
    "start": start_up,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    text = SHARED / "text"
    parser.add_argument("--text", type=Path, default=text / "english_10m.txt.xz")
    parser.add_argument("--heldout", type=Path, default=text / "english_heldout_100k.txt")
    parser.add_argument("--work", type=Path, help="folder of what is kept; temporary by default")
    parser.add_argument("--peers", help="a Python that has pyctcdecode and flashlight-text")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--same", type=int, default=500, help="utterances whose texts are compared")
    parser.add_argument("--units", type=int, default=1000, help="tokens of the large alphabet")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--clock",
        choices=("wall", "processor"),
        default="wall",
        help="processor: where other work runs; threads are timed by the wall all the same",
    )
    parser.add_argument("--fresh", action="store_true", help="measure the peers again")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    if not options.text.is_file() or not options.heldout.is_file():
        print(f"skipped: no text at {options.text} or {options.heldout}")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.work or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(World(options, folder))


def measure(world: World) -> None:
    """Print the parts that were asked for."""
    options = world.options
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores,")
    print(f"{options.clock} time, medians of {options.runs} passes, {options.utterances} sentences")
    small, number = letters(), max(options.utterances, options.same)
    places = {name: (world.emissions(name, small, number=number), small) for name in LISTENERS}
    for part in options.parts:
        PARTS[part](world, places)


if __name__ == "__main__":
    main()
