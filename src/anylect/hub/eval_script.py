"""`eval.py`, which every bundle carries: the eval contract as a program of its own."""

from pathlib import Path

NAME = "eval.py"

SCRIPT = '''\
#!/usr/bin/env python3
"""Score this model on a data set, by the contract of the Robust Speech Challenge.

    ./eval.py --model_id ./ --dataset mozilla-foundation/common_voice_7_0 --config sv-SE \\\\
        --split test --log_outputs

Writes {dataset}_{config}_{split}_eval_results.txt with WER and CER as fractions; --log_outputs
adds log_..._predictions.txt and log_..._targets.txt. The work is done by anylect, which must be
installed: pip install 'anylect[all]'
"""

import argparse
import sys


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model_id", required=True, help="This folder, or a repository on the Hub.")
    add("--dataset", required=True, help="On the Hub; a folder, Common Voice, a manifest.")
    add("--config", help="Of the data set, e.g. the locale for Common Voice.")
    add("--split", required=True, help="Of the data set, e.g. `test`.")
    add("--chunk_length_s", type=float, help="Cut recordings into chunks of so many seconds.")
    add("--stride_length_s", type=float, help="Overlap of the chunks at both ends, seconds.")
    add("--log_outputs", action="store_true", help="Write what was heard and what was said.")
    add("--device", help="-1 for the CPU, 0 for the first GPU and so on; the best by default.")
    return parser.parse_args()


def main() -> None:
    parse()
    try:
        from anylect.cli.main import main as anylect
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("anylect", "click"):
            raise
        sys.exit("error: eval.py needs anylect\\n\\nhint: pip install 'anylect[all]'")
    sys.argv[1:1] = ["eval"]
    anylect()


if __name__ == "__main__":
    main()
'''


def write_eval_script(folder: Path) -> None:
    """Write `eval.py` into a bundle, ready to be run."""
    path = folder / NAME
    path.write_text(SCRIPT, encoding="utf-8")
    path.chmod(path.stat().st_mode | 0o111)
