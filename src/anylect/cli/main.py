"""`anylect`: the commands, and the one place where errors become words and exit codes.

Exit 0: done. 1: failed. 2: misused. Data goes to stdout, progress and messages to stderr.
"""

import gc
import io
import os
import sys
from importlib import import_module

import click

from anylect import __version__
from anylect.errors import AnylectError, ConfigError

COMMANDS = {
    "demo": "Speak, train, evaluate and transcribe a small language, without any download.",
    "prepare": "Turn a corpus into a manifest; list what cannot be used and why.",
    "train": "Fine-tune or train a recogniser.",
    "benchmark": "Train from nothing to a target error rate, and time it.",
    "tune": "Find how much a recogniser shall trust a language model, and install it.",
    "evaluate": "Score a bundle on a manifest: WER and CER with intervals.",
    "eval": "Score by the contract of the Robust Speech Challenge, on any data set.",
    "compare": "Say whether one evaluation is better than another, and how sure that is.",
    "verify": "Measure again what a bundle claims, and say whether it holds.",
    "card": "Write a model card from evidence; look for mistakes in any card.",
    "push": "Upload a bundle with its card and evidence to the Hub, and check it.",
    "pull": "Download a bundle from the Hub.",
    "robustness": "Score a bundle under noise, in rooms, over phones and codecs.",
    "report": "Show evaluations as one page: figures, curves, the worst utterances to listen to.",
    "challenge": "Hold a challenge: check, run and rank submissions on hidden sets.",
    "transcribe": "Write down what recordings say.",
    "align": "Find when the words of a transcript were said.",
    "warm": "Compile the kernels now, so that no later command waits for it.",
    "lm": "Build, measure, check and change n-gram language models.",
}
"""Name and help of every command; `anylect.cli.<name>` holds its `command`."""

EXTRAS = {
    "torch": "models",
    "transformers": "models",
    "datasets": "hub",
    "huggingface_hub": "hub",
    "yaml": "hub",
    "accelerate": "models",
    "safetensors": "models",
    "av": "media",
    "espeakng_loader": "demo",
}
"""Which extra brings a library that is missing."""


class Commands(click.Group):
    """Loads a command's module when it is called, not before, so that help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"anylect.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="anylect")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commands(context: click.Context, *, debug: bool) -> None:
    """From a folder of recordings, in any language, to a number you may believe."""
    context.obj = {"debug": debug}
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that is not UTF-8, or a terminal that is not, is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line; turn errors into a message, a hint and an exit code."""
    debug = "--debug" in sys.argv[1:2]
    # Libraries and manifests are millions of objects that stay: by default Python would look for
    # cycles among them every 700 new ones, a quarter of the time until a training begins.
    gc.set_threshold(50_000, 20, 20)
    try:
        commands.main(prog_name="anylect", standalone_mode=True)
    except AnylectError as error:
        if debug:
            raise
        fail(error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if debug or extra is None:
            raise
        fail(
            AnylectError(
                f"this needs `{error.name}`, which is not installed",
                hint=f"pip install 'anylect[{extra}]'",
            )
        )
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output has seen enough, e.g. `head`; python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # What no border foresaw: a disk that is full, a drive that is gone.
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error)
        fail(AnylectError(f"{place}{reason}", hint="`anylect --debug …` shows where it happened"))
        sys.exit(1)


def fail(error: AnylectError) -> None:
    """Print an error and its hint to stderr."""
    click.secho("error: ", nl=False, err=True, fg="red", bold=True)
    click.echo(error.message, err=True)
    if error.hint:
        click.echo(f"\nhint: {error.hint}", err=True)
