"""Writes `golden_jiwer.json`: what jiwer counts on a table of awkward pairs.

Run `python tests/evaluation/golden_jiwer.py` with jiwer installed, and read the difference.
"""

import json
from importlib.metadata import version
from pathlib import Path

PAIRS = [
    ("the cat sat on the mat", "the cat sat on the mat"),
    ("the cat sat on the mat", "the cat sit on mat"),
    ("the cat sat on the mat", ""),
    ("a", "a b c d e"),
    ("a b c d e", "e"),
    ("hello", "hello hello"),
    ("a b c", "c b a"),
    ("so it goes", "it goes on"),
    ("one two three four", "won too three for"),
    ("kitten sitting", "sitting kitten"),
    ("aaaa bbbb", "bbbb aaaa"),
    ("straße größe", "strasse grösse"),
    ("ışık diyarbakır'dan", "işik diyarbakirdan"),
    ("κόσμος", "κοσμος"),
    ("മലയാളം ഒരു ഭാഷയാണ്", "മലയാളം ഭാഷയാണ"),
    ("می\u200cخواهم کتاب", "میخواهم کتاب ها"),
    ("今天天气很好", "今天天汽很好啊"),
    ("안녕하세요 세계", "안녕 하세요 세계"),
    ("नमस्ते दुनिया", "नमस्त दुनियाँ"),
    ("e\u0301te\u0301", "été"),
    ("🙂 ok", "ok"),
    ("a b a b a b", "b a b a b a"),
    ("x y z", "p q r s t"),
    ("the quick brown fox jumps", "quick the brown box jumped up"),
]


def main() -> None:
    """Ask jiwer and write its answers beside this file."""
    import jiwer

    cases = []
    for reference, hypothesis in PAIRS:
        by_word = jiwer.process_words(reference, hypothesis)
        by_character = jiwer.process_characters(reference, hypothesis)
        counts = {
            name: {
                "substitutions": result.substitutions,
                "deletions": result.deletions,
                "insertions": result.insertions,
                "rate": rate,
            }
            for name, result, rate in (
                ("words", by_word, by_word.wer),
                ("characters", by_character, by_character.cer),
            )
        }
        cases.append({"reference": reference, "hypothesis": hypothesis, **counts})
    references, hypotheses = map(list, zip(*PAIRS, strict=True))
    golden = {
        "tool": "jiwer",
        "version": version("jiwer"),
        "command": "python tests/evaluation/golden_jiwer.py",
        "cases": cases,
        "pooled": {
            "wer": jiwer.wer(references, hypotheses),
            "cer": jiwer.cer(references, hypotheses),
        },
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
