"""Which options a program takes, read from its source: a stranger's program is not run for that.

What is declared by a call such as `parser.add_argument("--split")` is found, under any name the
method was given, and `click.option` and its like too. What a program makes up while it runs is
not; then it cannot be said what it takes.
"""

import ast
import re
from pathlib import Path

from anylect.errors import SubmissionError

FLAGS = (
    *("--model_id", "--dataset", "--config", "--split", "--chunk_length_s", "--stride_length_s"),
    *("--log_outputs", "--device"),
)
"""What organisers call `eval.py` with, as in the challenge of 2022."""
_LARGEST = 1_000_000
_DECLARES = ("add_argument", "option", "Option", "Argument")


def declared_flags(path: Path) -> set[str]:
    """Return the options a Python file declares.

    Raises:
        SubmissionError: When it is no Python, or far too large for a script.
    """
    try:
        content = path.read_bytes()[: _LARGEST + 1]
        if len(content) > _LARGEST:
            raise ValueError(f"more than {_LARGEST:,} bytes")
        tree = ast.parse(content)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise SubmissionError(
            f"`{path.name}` cannot be read as Python ({error})",
            hint="it must be a program that `python eval.py --help` understands",
        ) from error
    return flags_of(tree)


def flags_of(tree: ast.AST) -> set[str]:
    """Return the options a parsed program declares.

    Example:
        >>> source = "add = parser.add_argument; add('-d', '--device', type=int); print('--no')"
        >>> flags_of(ast.parse(source))
        {'--device'}
    """
    known = set(_DECLARES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _name(node.value) in _DECLARES:
            known |= {name for target in node.targets if (name := _name(target))}
    return {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in known
        for argument in node.args
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and re.fullmatch(r"--[A-Za-z][\w-]*", argument.value)
    }


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
