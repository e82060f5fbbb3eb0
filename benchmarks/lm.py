"""Language models beside KenLM: build time, peak memory, file size, load time, queries.

Every row is a ratio of medians of runs that alternate on the same machine. Rows whose peer is
missing are left out: `lmplz` and `build_binary` are looked for on PATH, `kenlm` as a package.

    python benchmarks/lm.py --text english_10m.txt --orders 3 5 --runs 3
"""

import argparse
import importlib.util
import json
import lzma
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Figures = tuple[float, float]
"""Seconds, and megabytes at the peak."""

SHARED = Path(os.environ.get("ANYLECT_DATA", Path(__file__).parents[2] / "shared" / "data"))

BUILD = "from anylect.cli.lm import group; group()"

QUERY = """
import sys, time, json
from pathlib import Path
model, text, peer = sys.argv[1:]
lines = Path(text).read_text().splitlines()
words = sum(len(line.split()) + 1 for line in lines)
if peer == "kenlm":
    import kenlm
    start = time.perf_counter()
    lm = kenlm.Model(model)
    load = time.perf_counter() - start
    ask = lambda: sum(lm.score(line) for line in lines)
else:
    from anylect.lm.kenlm_binary import load_model
    from anylect.lm.perplexity import measure_perplexity
    load_model(Path(model)).score("warm up")
    start = time.perf_counter()
    lm = load_model(Path(model))
    load = time.perf_counter() - start
    measure_perplexity(lm, lines[:10])
    def ask():
        found = measure_perplexity(lm, lines)
        return (found.log_prob + found.log_prob_unknown) / 2.302585092994046
seconds = []
for _ in range(3):
    start = time.perf_counter()
    total = ask()
    seconds.append(time.perf_counter() - start)
print(json.dumps({"load": load, "rate": words / min(seconds), "log10": total}))
"""


def run(command: Sequence[str]) -> Figures:
    """Run a command; return wall seconds and its peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1000


def alternate(runs: int, **works: Callable[[], Figures]) -> dict[str, Figures]:
    """Run works in turn, so that a busy moment hits all of them; return medians."""
    figures: dict[str, list[Figures]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            figures[name].append(work())
    return {
        name: (
            statistics.median(seconds for seconds, _ in found),
            statistics.median(megabytes for _, megabytes in found),
        )
        for name, found in figures.items()
    }


def row(name: str, ours: float, theirs: float, unit: str) -> None:
    """Print one line of the table."""
    print(f"| {name} | {ours:,.4g} {unit} | {theirs:,.4g} {unit} | {ours / theirs:.2f} |")


def compare_builds(text: Path, order: int, folder: Path, runs: int) -> None:
    """Build an ARPA file with both, lmplz with the better of two memory sizes."""
    lmplz = shutil.which("lmplz")
    arpa = folder / f"ours{order}.arpa"
    ours = [sys.executable, "-c", BUILD, "build", str(text), "-o", str(arpa)]
    ours += ["--order", str(order)]
    run(ours)  # compiles the kernels
    works: dict[str, Callable[[], Figures]] = {"anylect": lambda: run(ours)}
    for size in ("80%", "4G") if lmplz else ():
        theirs = [str(lmplz), "-o", str(order), "-S", size, "--text", str(text), "-T", str(folder)]
        theirs += ["--arpa", str(folder / "theirs.arpa"), "--discount_fallback"]
        works[size] = lambda theirs=theirs: run(theirs)  # type: ignore[misc]
    found = alternate(runs, **works)
    mine = found.pop("anylect")
    if not found:
        print(f"| order {order}: build, ARPA written | {mine[0]:.2f} s | no lmplz on PATH | |")
        return
    size, best = min(found.items(), key=lambda item: item[1][0])
    row(f"order {order}: build, ARPA written (lmplz -S {size})", mine[0], best[0], "s")
    row(f"order {order}: peak memory", mine[1], best[1], "MB")
    row(f"order {order}: ARPA file", *(_size(folder / n) for n in (arpa.name, "theirs.arpa")), "MB")


def compare_binaries(order: int, folder: Path, runs: int) -> Path:
    """Turn the ARPA file into a probing binary with both."""
    arpa, binary, peer = folder / f"ours{order}.arpa", folder / "ours.bin", folder / "theirs.bin"
    program = (
        "import sys; from pathlib import Path; from anylect.lm.kenlm_binary import *; "
        "save_binary(Path(sys.argv[2]), load_tables(Path(sys.argv[1])))"
    )
    ours = [sys.executable, "-c", program, str(arpa), str(binary)]
    run(ours)
    build_binary = shutil.which("build_binary")
    if build_binary:
        found = alternate(
            runs,
            anylect=lambda: run(ours),
            kenlm=lambda: run([build_binary, "probing", str(arpa), str(peer)]),
        )
        row(f"order {order}: ARPA to binary", found["anylect"][0], found["kenlm"][0], "s")
        row(f"order {order}: binary file", _size(binary), _size(peer), "MB")
    return binary


def compare_queries(order: int, binary: Path, text: Path, runs: int) -> None:
    """Score a text with both; the same file, read from strings."""
    if importlib.util.find_spec("kenlm") is None:
        print(f"| order {order}: queries | | no kenlm package | |")
        return
    found: dict[str, list[dict[str, float]]] = {"anylect": [], "kenlm": []}
    for _ in range(runs):
        for peer, answers in found.items():
            command = [sys.executable, "-c", QUERY, str(binary), str(text), peer]
            output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
            answers.append(json.loads(output))
    mine, theirs = (
        {key: statistics.median(answer[key] for answer in answers) for key in answers[0]}
        for answers in found.values()
    )
    row(f"order {order}: load", 1000 * mine["load"], 1000 * theirs["load"], "ms")
    row(f"order {order}: queries", mine["rate"] / 1e6, theirs["rate"] / 1e6, "M words/s")
    row(f"order {order}: log10 probability of the text", mine["log10"], theirs["log10"], "")


def _size(path: Path) -> float:
    return path.stat().st_size / 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=SHARED / "text" / "english_10m.txt.xz")
    parser.add_argument("--dev", type=Path, default=SHARED / "text" / "english_heldout_100k.txt")
    parser.add_argument("--lines", type=int, help="use only so many lines of the text")
    parser.add_argument("--orders", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not options.text.is_file():
        sys.exit(f"no text at {options.text}; give --text")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = folder / "text"
        packed = options.text.suffix == ".xz"
        data = options.text.read_bytes()
        data = lzma.decompress(data) if packed else data
        lines = data.splitlines(keepends=True)[: options.lines]
        text.write_bytes(b"".join(lines))
        words = sum(len(line.split()) for line in lines)
        print(f"{words / 1e6:.2f} M words, {os.cpu_count()} cores, {platform.machine()},")
        print(f"Python {platform.python_version()}, medians of {options.runs} alternating runs\n")
        print("| what | anylect | KenLM | ratio |\n|---|---|---|---|")
        for order in options.orders:
            compare_builds(text, order, folder, options.runs)
            binary = compare_binaries(order, folder, options.runs)
            if options.dev.is_file():
                compare_queries(order, binary, options.dev, options.runs)


if __name__ == "__main__":
    main()
