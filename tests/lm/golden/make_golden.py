"""Make the golden files anew: `python make_golden.py BIN` with KenLM's programs in BIN.

Needs the `kenlm` package as well. Every ARPA file says which command of which KenLM made it;
`scores.json` holds what the `kenlm` package says of each binary. Run by hand; a reviewer reads
the difference.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

KENLM_COMMIT = "4cb443e60b7bf2c0ddf3c745378f76cb59e254e5"
HERE = Path(__file__).parent
ARPA = {
    "order1": ("corpus.txt", ["-o", "1"]),
    "order2": ("corpus.txt", ["-o", "2"]),
    "order3": ("corpus.txt", ["-o", "3"]),
    "order5": ("corpus.txt", ["-o", "5", "--discount_fallback"]),
    "order6": ("corpus.txt", ["-o", "6", "--discount_fallback"]),
    "pruned": ("corpus.txt", ["-o", "3", "--prune", "0", "0", "1"]),
    "pruned4": ("corpus.txt", ["-o", "4", "--prune", "0", "1", "2", "--discount_fallback"]),
    "limited": ("corpus.txt", ["-o", "3", "--limit_vocab_file", "limit.txt"]),
    "fallback": ("tiny.txt", ["-o", "3", "--discount_fallback"]),
}
BINARY = {
    "probing": ["probing"],
    "trie": ["trie"],
    "trie_quantised": ["-q", "6", "-b", "5", "trie"],
    "trie_array": ["-a", "22", "trie"],
    "trie_quantised_array": ["-q", "5", "-b", "6", "-a", "8", "trie"],
}


def make_corpus() -> str:
    """Write sentences of a little world with frequent and rare words."""
    rng = random.Random(7)
    words = [f"w{number}" for number in range(90)]
    lines = []
    for _ in range(160):
        line = [words[min(89, int(rng.paretovariate(0.7)) - 1)]]
        while rng.random() < 0.82:
            after = words.index(line[-1]) * 3 + int(rng.paretovariate(0.6))
            line.append(words[after % len(words)])
        lines.append(" ".join(line))
    return "\n".join(lines) + "\n"


def main(programs: Path) -> None:
    """Write all golden files."""
    (HERE / "corpus.txt").write_text(make_corpus())
    (HERE / "tiny.txt").write_text("a b a\nb b\na b a c\n\n")
    (HERE / "limit.txt").write_text(" ".join(f"w{number}" for number in range(0, 90, 2)) + "\n")
    for name, (corpus, options) in ARPA.items():
        command = ["lmplz", *options, "-S", "50M", "--text", corpus]
        made = subprocess.run(
            [programs / command[0], *command[1:]], cwd=HERE, capture_output=True, check=True
        )
        head = f"# KenLM {KENLM_COMMIT}: {' '.join(command)}\n".encode()
        (HERE / f"{name}.arpa").write_bytes(head + made.stdout)
    import kenlm

    sentences = [*make_corpus().splitlines()[:25], "w3 unseen w1", ""]
    scores = {}
    models = {(order, name): BINARY[name] for order in ("order2", "order5") for name in BINARY}
    models["order3", "rest"] = ["-r", "order1.arpa order2.arpa", "probing"]
    for (order, name), options in models.items():
        target = f"{order}_{name}.bin"
        command = ["build_binary", *options, f"{order}.arpa", target]
        subprocess.run(
            [programs / command[0], *command[1:]], cwd=HERE, capture_output=True, check=True
        )
        model = kenlm.Model(str(HERE / target))
        scores[target] = {
            "made by": f"KenLM {KENLM_COMMIT}: {' '.join(command)}",
            "log10": [[s[0] for s in model.full_scores(text)] for text in sentences],
        }
    golden = {"sentences": sentences, "models": scores}
    (HERE / "scores.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
