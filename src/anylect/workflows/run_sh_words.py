"""The words of a shell script, as far as command lines of training scripts go.

First step of reading a `run.sh`: quotes, backslashes, continued lines, comments, variables. What
only a shell could know (`$(…)`, loops, functions) stays as it is written.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+)
    | (?P<comment>(?<![^\s;&|])\#[^\n]*)
    | (?P<end>[;&|\n]+)
    | (?P<redirect>\d*[<>]+&?[ \t]*[^\s;&|]*)
    | (?P<single>'[^']*')
    | (?P<double>"(?:\\.|[^"\\])*")
    | (?P<escaped>\\.)
    | (?P<plain>[^\s;&|<>'"\\]+)
    | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:(?P<bare>\w+)|\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\})")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def read_commands(script: str) -> list[list[str]]:
    r"""Cut a script into commands of words, with the variables it sets put in.

    Example:
        >>> read_commands('export L="sv"\npython run.py --lang=$L \\\n --keep "a b" # why')
        [['python', 'run.py', '--lang=sv', '--keep', 'a b']]
    """
    variables: dict[str, str] = {}
    commands: list[list[str]] = []
    words: list[str] = []
    for word in _words(re.sub(r"\\[ \t]*\r?\n", " ", script) + "\n", variables):
        if word is not None:
            words.append(word)
            continue
        command = _without_assignments(words, variables)
        if command:
            commands.append(command)
        words = []
    return commands


def _without_assignments(words: list[str], variables: dict[str, str]) -> list[str]:
    """Note the variables a command sets before its first word; return the rest."""
    for position, word in enumerate(words):
        found = _ASSIGNMENT.fullmatch(word)
        if found:
            variables[found[1]] = found[2]
        elif word != "export":
            return words[position:]
    return []


def _words(text: str, variables: dict[str, str]) -> Iterator[str | None]:
    """Yield words, and None where a command ends."""
    word: str | None = None
    for token in _TOKEN.finditer(text):
        kind, found = str(token.lastgroup), token[0]
        if kind in ("space", "comment", "end", "redirect"):
            if word is not None:
                yield word
            word = None
            if kind == "end":
                yield None
            continue
        word = (word or "") + _unquoted(kind, found, variables)


def _unquoted(kind: str, found: str, variables: dict[str, str]) -> str:
    if kind == "single":
        return found[1:-1]
    if kind == "escaped":
        return found[1:]
    if kind == "double":
        found = re.sub(r'\\(["\\$`])', r"\1", found[1:-1])
    return _VARIABLE.sub(
        lambda match: variables.get(
            match["bare"] or match["braced"],
            match[0] if match["default"] is None else match["default"],
        ),
        found,
    )
