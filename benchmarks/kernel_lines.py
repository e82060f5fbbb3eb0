"""Where the time of the beam search goes, line by line: for Linux with `perf` and binutils.

numba compiles all that a search does with a frame into one function, of which a profiler of Python
sees a single line. Here that function is compiled with a table of its lines, `perf` notes where
the processor stands a few thousand times a second, and `addr2line` says which line that is, and
into which others it was inlined. A line's share includes what it calls.

    python benchmarks/decoding.py --work bench --parts table
    python benchmarks/kernel_lines.py bench/job.json --search open
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["NUMBA_DEBUGINFO"] = "1"
KERNELS = tempfile.TemporaryDirectory(prefix="anylect-kernel-lines-")
os.environ["NUMBA_CACHE_DIR"] = KERNELS.name

import numpy as np  # noqa: E402  numba reads the environment once
from numba.core.cpu import CPUTargetOptions  # noqa: E402

FREQUENCY = 4000
Hits = Counter[int]
"""Samples by address in the object file."""

_finalize = CPUTargetOptions.finalize


def _compile_as_without(self: Any, flags: Any, options: Any) -> None:  # noqa: ANN401  numba's
    """Keep the table of lines, but not the checks that numba adds for debuggers."""
    _finalize(self, flags, options)
    flags.boundscheck = flags.dbg_extend_lifetimes = flags.dbg_optnone = False


CPUTargetOptions.finalize = _compile_as_without


def main() -> None:
    """Print the lines that take the most time."""
    options = _read_options()
    job = json.loads(options.job.read_text()) | {"search": options.search, "hotwords": None}
    listen, rows = _prepare(job, options.utterances)
    listen()
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples"
        command = ["perf", "record", "-F", str(FREQUENCY), "-o", samples, "-p", str(os.getpid())]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as perf:
            time.sleep(1)
            start = time.perf_counter()
            for _ in range(options.rounds):
                listen()
            seconds = time.perf_counter() - start
            perf.send_signal(signal.SIGINT)
        each = seconds / options.rounds / rows
        print(f"{each * 1e6:.0f} microseconds an utterance in `hear`, sampling included")
        _report(_addresses(samples), Path(folder) / "hear.o", top=options.top)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path, help="job.json, which decoding.py leaves in its folder")
    parser.add_argument("--search", choices=["open", "closed"], default="open")
    parser.add_argument("--utterances", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--top", type=int, default=60, help="lines")
    return parser.parse_args()


def _prepare(job: dict[str, Any], count: int) -> tuple[Any, int]:
    """Return a function that hears all utterances once, and how many those are."""
    from anylect.decoding.search import clear
    from workers.ours import build

    data = np.load(job["emissions"])
    edges = [0, *np.cumsum(data["lengths"]).tolist()][: count + 1]
    frames = data["log_probs"]
    utterances = [np.ascontiguousarray(frames[a:b]) for a, b in itertools.pairwise(edges)]
    decoder = build(job)
    search = decoder.begin()
    for rows in utterances:
        clear(search)
        search = decoder.hear(search, rows)  # which grows to what any of them needs

    def listen() -> None:
        for rows in utterances:
            clear(search)
            decoder.hear(search, rows)

    return listen, len(utterances)


def _addresses(samples: Path) -> Counter[int]:
    command = ["perf", "script", "-i", samples, "-F", "ip"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Counter(int(address, 16) for address in done.stdout.split())


def _report(addresses: Counter[int], binary: Path, *, top: int) -> None:
    total = addresses.total()
    hits = _place(addresses, binary)
    print(f"{total} samples, {100 * hits.total() / total:.0f} % of them in the kernel")
    shares: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for address, lines in _lines(binary, sorted(hits)):
        alone[lines[0]] += hits[address]
        for line in set(lines):
            shares[line] += hits[address]
    print("share   alone  line")
    for line, count in shares.most_common(top):
        print(f"{count / total:6.1%} {alone[line] / total:6.1%}  {_describe(line)}")


def _place(addresses: Counter[int], binary: Path) -> Hits:
    """Write the kernel's object file; return the samples by their addresses in it."""
    from anylect.decoding.beam_kernels import hear

    compiled: Any = hear
    machine_code = compiled.overloads[compiled.signatures[0]].library
    binary.write_bytes(machine_code._get_compiled_object())
    names = subprocess.run(["nm", "-S", binary], capture_output=True, text=True, check=True)
    hits: Hits = Counter()
    for line in names.stdout.splitlines():
        fields = line.split()
        if len(fields) != 4 or fields[2] not in "tTwW":
            continue
        offset, size, loaded = (
            int(fields[0], 16),
            int(fields[1], 16),
            _loaded(machine_code, fields[3]),
        )
        for address, count in addresses.items():
            if loaded <= address < loaded + size:
                hits[offset + address - loaded] += count
    return hits


def _loaded(machine_code: Any, name: str) -> int:  # noqa: ANN401  numba's
    """Return where a function lies in this process; 0 for one that cannot be asked for."""
    return int(machine_code.get_pointer_to_function(name) or 0)


def _lines(binary: Path, addresses: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Yield, by address, the lines it belongs to, the innermost first."""
    done = subprocess.run(
        ["addr2line", "-i", "-a", "-e", binary],
        input="\n".join(map(hex, addresses)),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = []
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("0x"):
            yield int(line, 16), found[::-1]
            found = []
        else:
            found.append(line.split(" (")[0])


def _describe(line: str) -> str:
    path, _, number = line.rpartition(":")
    if not number.isdecimal() or not Path(path).is_file():
        return line
    text = Path(path).read_text().splitlines()[int(number) - 1].strip()
    return f"{Path(path).name}:{number:<4} {text}"


if __name__ == "__main__":
    main()
