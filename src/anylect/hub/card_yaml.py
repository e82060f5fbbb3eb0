"""YAML, which exists for us at this border only: the head of model cards.

Written so that every reader takes it as it is meant: `no` (Norwegian) gets quotation marks. Read
as YAML 1.2 has it: `no`, `on` and dates are texts, `1e-4` is a number, and no object is ever made.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from anylect.errors import BundleError

_HEAD = re.compile(
    r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)

_TRUTH = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_EXPONENT = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+\Z")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """The safe loader, without the words that YAML 1.1 takes for truth, and without dates."""


_Loader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUTH, list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # as above
    """The safe dumper, which quotes what either version of YAML takes for something else."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def write_yaml(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write plain values, in their order, so that YAML 1.1 and 1.2 read the same.

    Example:
        >>> print(write_yaml({"language": "no", "value": 12.5}), end="")
        language: 'no'
        value: 12.5
    """
    text: str = yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000)
    return text


def read_yaml(text: str, *, place: str) -> Any:  # noqa: ANN401  whatever the text says
    """Read YAML as version 1.2 means it, making nothing but plain values.

    Args:
        text: Foreign, so anything.
        place: For messages.

    Raises:
        BundleError: When it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) or "nested too deeply"
        raise BundleError(
            f"{place}: not YAML: {reason[:200]}",
            hint="put texts with `:` or `#` in quotation marks",
        ) from error


def read_as_python_does(text: str) -> Any:  # noqa: ANN401  whatever the text says
    """Read YAML as PyYAML, and so most tools, understand it: `no` is False. None if broken."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def part_card(text: str) -> tuple[str | None, str]:
    r"""Part a card into its head, without the dashes, and its body; None where there is no head.

    Example:
        >>> part_card("---\nlanguage: sv\n---\n# Title")
        ('language: sv', '# Title')
    """
    match = _HEAD.match(text)
    return (match[1], text[match.end() :]) if match else (None, text)
