"""A command line of the reference script as a recipe: `anylect train --from-run-sh run.sh`.

Published recognisers come with the `run.sh` they were trained by. This reads it, whatever
launcher stands before the script and whichever year's names it uses, and writes the TOML that
does the same here. What has no equivalent is named, never dropped.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anylect.config import build_config, to_toml
from anylect.errors import ConfigError
from anylect.workflows.run_sh_arguments import DIRECT, FLAGS, KNOWN, LACKING, LISTS, NEEDLESS
from anylect.workflows.run_sh_rules import ADAPTER_DEFAULTS, DEFAULTS, Draft, Given, apply_rules
from anylect.workflows.run_sh_words import read_commands
from anylect.workflows.train import TrainConfig

_SCRIPT = re.compile(r"(.*/)?(run_speech_recognition_ctc\w*|run_common_voice)\.py")
_PROCESSES = re.compile(r"--(?:nproc[_-]per[_-]node|num[_-]processes|num[_-]gpus)(?:=(\d+))?")
_ARGUMENT = re.compile(r"--([A-Za-z_][\w-]*)(?:=(.*))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Translated:
    """A recipe, and which arguments became what."""

    values: Mapping[str, Any]
    toml: str
    """The recipe with its comments."""
    matched: tuple[str, ...]
    """Arguments that became settings, or a remark how to prepare the corpus."""
    needless: tuple[tuple[str, str], ...]
    """Arguments that ask for what is so anyway, and why."""
    unmatched: tuple[tuple[str, str], ...]
    """Arguments without an equivalent, and what there is instead."""

    def save(self, path: Path) -> None:
        """Write the recipe, never over another file.

        Raises:
            ConfigError: When there is a file already, or it cannot be written.
        """
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(self.toml)
        except FileExistsError as error:
            raise ConfigError(
                f"{path}: there is a file already", hint="give another name with `--output`"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be written ({error.strerror})",
                hint="give another place with `--output`",
            ) from error


def translate_file(path: Path) -> Translated:
    """Read a `run.sh` and translate the training it starts.

    Raises:
        ConfigError: When it cannot be read, starts no such script, or gives a value that is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error})", hint="give the path of a shell script"
        ) from error
    return translate(text, name=path.name, folder=path.parent)


def translate(text: str, *, name: str = "run.sh", folder: Path = Path()) -> Translated:
    """Translate the first command of a script that starts the reference.

    Args:
        text: The script.
        name: What to call it in messages and in the recipe.
        folder: Where it stands, for arguments kept in a JSON file beside it.

    Raises:
        ConfigError: When no command starts the reference, or gives a value that is none.

    Example:
        >>> line = "python run_speech_recognition_ctc.py --model_name_or_path m --seed 7 --tf32"
        >>> told = translate(line)
        >>> (name, _), *_ = told.unmatched
        >>> told.values["seed"], name
        (7, 'tf32')
    """
    commands = _find_commands(text)
    if not commands:
        raise ConfigError(
            f"{name}: no command starts `run_speech_recognition_ctc.py`",
            hint="scripts for CTC are read, those for sequence-to-sequence models are not",
        )
    launcher, script, words = commands[0]
    given, strays = _read_arguments(_from_json(words, folder))
    if not given.get("model_name_or_path"):
        raise ConfigError(
            f"{name}: `--model_name_or_path` is not given", hint="the reference needs it too"
        )
    draft = Draft()
    draft.notes.extend(
        f"`{word}` is left as it is written: only a shell knows what it stands for."
        for values in given.values()
        for word in values
        if "$" in word or "`" in word
    )
    draft.lacking.extend((stray, "not an argument of the reference") for stray in strays)
    if len(commands) > 1:
        draft.lacking.append((commands[1][1], f"the {len(commands) - 1} later commands are left"))
    try:
        _apply(given, draft, script=script)
        build_config(TrainConfig, draft.values)
    except (ValueError, ConfigError) as error:
        raise ConfigError(
            f"{name}: a value cannot be used: {error}".splitlines()[0],
            hint="the reference would refuse it too; mend the command line",
        ) from error
    named = {argument for argument, _ in (*draft.needless, *draft.lacking)}
    processes = _count_processes(launcher)
    if processes > 1:
        draft.notes.append(
            f"It ran in {processes} processes, each with batches of its own: "
            f"accelerate launch --num_processes {processes} -m anylect train RECIPE"
        )
    return Translated(
        values=draft.values,
        toml=_write(draft, name=name),
        matched=tuple(argument for argument in given if argument not in named),
        needless=tuple(draft.needless),
        unmatched=tuple(draft.lacking),
    )


def _apply(given: Given, draft: Draft, *, script: str) -> None:
    is_adapter = "adapter" in script or "target_language" in given
    filled = {
        name: [value]
        for name, value in (ADAPTER_DEFAULTS if is_adapter else DEFAULTS).items()
        if not (name == "per_device_train_batch_size" and "per_gpu_train_batch_size" in given)
    } | dict(given)
    for name, words in filled.items():
        if name in DIRECT:
            key, read = DIRECT[name]
            draft.set(key, read(" ".join(words)))
        elif name in NEEDLESS:
            draft.needless.append((name, NEEDLESS[name]))
        elif name in LACKING:
            draft.lacking.append((name, LACKING[name]))
    apply_rules(given, draft, script=script)


def _find_commands(text: str) -> list[tuple[list[str], str, list[str]]]:
    """Return what stands before the script, the script, and its arguments, for each command."""
    found = []
    for command in read_commands(text):
        # Tutorials write the file with `echo '''…''' > run.sh`.
        if command[0] == "echo" and len(command) > 1:
            found.extend(_find_commands(" ".join(command[1:])))
            continue
        for position, word in enumerate(command):
            if _SCRIPT.fullmatch(word):
                script = word.rpartition("/")[2]
                found.append((command[:position], script, command[position + 1 :]))
                break
    return found


def _count_processes(launcher: Sequence[str]) -> int:
    for position, word in enumerate(launcher):
        if match := _PROCESSES.fullmatch(word):
            number = match[1] or "".join(launcher[position + 1 : position + 2])
            return int(number) if number.isdigit() else 1
    return 1


def _from_json(words: Sequence[str], folder: Path) -> list[str]:
    """Take the arguments from a JSON file, where the only word is one."""
    if len(words) != 1 or not words[0].endswith(".json"):
        return list(words)
    path = folder / words[0]
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        pairs = list(values.items())
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: no arguments can be read from it ({error})",
            hint="put the JSON file beside the script",
        ) from error
    told: list[str] = []
    for name, value in pairs:
        several = value if isinstance(value, list) else [value]
        told += [f"--{name}", *map(str, several)] if value is not None else []
    return told


def _read_arguments(words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Group words by argument; return those by name, and names and words that are none."""
    given: dict[str, list[str]] = {}
    strays: list[str] = []
    current: list[str] | None = None
    takes = 0
    for word in words:
        match = _ARGUMENT.fullmatch(word)
        if match is None:
            if current is None or len(current) >= takes:
                strays.append(word)
            else:
                current.append(word)
            continue
        name, is_no = _full_name(match[1].replace("-", "_"))
        current = given.setdefault(name, [])
        current.clear()  # the last one counts, as in the reference
        takes = 10**6 if name in LISTS or name not in KNOWN else 1
        if is_no or match[2] is not None:
            current.append("false" if is_no else match[2])
            takes = takes if name in LISTS else 0
    for name in [name for name in given if name not in KNOWN]:
        strays.append(f"--{name}")
        del given[name]
    empty = [name for name, values in given.items() if not values and name not in FLAGS | LISTS]
    for name in empty:
        strays.append(f"--{name} without a value")
        del given[name]
    return given, strays


def _full_name(name: str) -> tuple[str, bool]:
    """Complete a shortened name as the reference does; say whether `no_` stood before it."""
    if name in KNOWN:
        return name, False
    if name.startswith("no_") and name[3:] in FLAGS:
        return name[3:], True
    longer = [known for known in KNOWN if known.startswith(name)]
    return (longer[0] if len(longer) == 1 else name), False


def _write(draft: Draft, *, name: str) -> str:
    """Write a recipe: where it comes from, what to do first, what is missing, the settings."""
    head = [f"From {name}, a command line of run_speech_recognition_ctc.py.", *draft.notes]
    if draft.lacking:
        head += ["", "No equivalent:"]
        head += [f"  {argument}: {reason}" for argument, reason in draft.lacking]
    if draft.needless:
        head += ["", "Needless here:"]
        head += [f"  {argument}: {reason}" for argument, reason in draft.needless]
    head += ["", "The batch size of the script is `max_utterances`: `seconds` is room for so many"]
    head += ["of the longest, and batches are always grouped by length."]
    lines = [f"# {line}".rstrip() for text in head for line in (text.splitlines() or [""])]
    return "\n".join(lines) + "\n\n" + to_toml(draft.values)
