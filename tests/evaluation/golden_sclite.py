"""Writes `golden_sclite.json`: what NIST's sclite counts, and what its matched-pairs test finds.

Build SCTK (https://github.com/usnistgov/SCTK, `make config all`) and run
`python -m tests.evaluation.golden_sclite SCTK/src/sclite`; then read the difference. The counts
are on the pairs of `golden_jiwer.py` and on more; for the test two made-up systems.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.evaluation.golden_jiwer import PAIRS

MORE = [
    ("", "a b"),
    ("", ""),
    ("a b", ""),
    ("a b c d e", "v w x y a"),
    ("a b c d e f", "c d e f x y z w"),
    ("a b c d e f", "v w x y a f"),
    ("a b c d e f g", "v w x y z a g"),
    ("a b c", "x a y b z c"),
    ("a b c w x", "w x p q r"),
]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SCORES = re.compile(r"id: \(s_(\d+)\)\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)")
RESULT = re.compile(r"# segs: (\d+).*mean:\s+(\S+)\).*Z Stat:\s+(\S+)\)")


def main() -> None:
    """Ask sclite and sc_stats and write their answers beside this file."""
    tools = Path(sys.argv[1]).resolve()
    pairs = [*PAIRS, *MORE]
    with tempfile.TemporaryDirectory() as folder:
        golden = {
            "tool": "sclite 2.10 (SCTK 9688a26)",
            "command": "sclite -i rm -e utf-8 -s [-c] -o pra; sc_stats -t mapsswe -v",
            "cases": _counts(tools, Path(folder), pairs),
            "matched_pairs": _matched(tools, Path(folder)),
        }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


def _counts(tools: Path, folder: Path, pairs: list[tuple[str, str]]) -> list[dict[str, object]]:
    for side, name in enumerate(("ref", "hyp")):
        _write(folder / name, [(f"s_{n:03d}", pair[side]) for n, pair in enumerate(pairs)])
    found: list[dict[str, object]] = [{"reference": r, "hypothesis": h} for r, h in pairs]
    for unit, option in (("words", []), ("characters", ["-c"])):
        files = "-r ref trn -h hyp trn -i rm -e utf-8 -s -o pra stdout"
        out = _run(tools / "sclite", *files.split(), *option, at=folder)
        for number, *counts in SCORES.findall(out):
            _, *edits = map(int, counts)
            found[int(number)][unit] = edits
    return found


def _matched(tools: Path, folder: Path) -> dict[str, object]:
    generator = random.Random(3)
    said = [generator.choices(WORDS, k=generator.randint(3, 14)) for _ in range(60)]
    ids = [f"s{n % 5}_{n:03d}" for n in range(len(said))]
    _write(folder / "ref", [(i, " ".join(ws)) for i, ws in zip(ids, said, strict=True)])
    piped, paths = "", []
    for name, rate in (("a", 0.3), ("b", 0.2)):
        heard = [" ".join(_misheard(words, rate, generator)) for words in said]
        _write(folder / name, list(zip(ids, heard, strict=True)))
        files = f"-r ref trn -h {name} trn -i rm -s -o sgml stdout -f 0"
        made = _run(tools / "sclite", *files.split(), at=folder)
        paths.append(dict(_paths(made)))
        piped += made
    _run(tools / "sc_stats", "-p", "-t", "mapsswe", "-v", at=folder, text=piped)
    report = (folder / "Ensemble.stats.mapsswe").read_text()
    match = RESULT.search(report.replace("\n", " "))
    assert match, report
    return {
        "alignments": [[first[i], second[i]] for first, second in [paths] for i in sorted(first)],
        "segments": int(match[1]),
        "mean": float(match[2]),
        "z": float(match[3]),
    }


def _misheard(words: list[str], rate: float, generator: random.Random) -> list[str]:
    heard = []
    for word in words:
        chance = generator.random()
        if chance < rate / 3:
            continue
        heard.append(generator.choice(WORDS) if chance < 2 * rate / 3 else word)
        if chance > 1 - rate / 3:
            heard.append(generator.choice(WORDS))
    return heard


def _paths(sgml: str) -> list[tuple[str, list[list[str]]]]:
    found = []
    for header, path in re.findall(r"<PATH ([^>]*)>\n(.*)\n", sgml):
        name = re.search(r'id="\(([^"]*)\)"', header)
        assert name, header
        steps = [step.replace('"', "").split(",") for step in path.split(":") if step]
        found.append((name[1], steps))
    return found


def _write(path: Path, lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{words} ({name})\n" for name, words in lines)
    path.write_text(text, encoding="utf-8")


def _run(tool: Path, *arguments: str, at: Path, text: str | None = None) -> str:
    done = subprocess.run(
        [tool, *arguments], cwd=at, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
