"""TOML files and `--set key=value` into frozen dataclasses, with nothing guessed.

Every workflow's configuration is a frozen dataclass whose fields may be other such dataclasses.
Types are checked, unknown keys are refused with the nearest known one, and no object is ever
constructed from a name in a file. Paths in a file are relative to that file; paths on the
command line are relative to where one stands.
"""

import collections.abc
import difflib
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from anylect.errors import ConfigError

T = TypeVar("T")


def load_config(
    kind: type[T], path: Path | None = None, /, *, overrides: Sequence[str] = (), **given: Any
) -> T:
    """Build a configuration from a TOML file, then overrides, then keyword arguments.

    Args:
        kind: A frozen dataclass with keyword-only fields.
        path: A TOML file; None starts from the defaults.
        overrides: Texts such as `optimizer.learning_rate=1e-4`, as given to `--set`. The value
            is read as TOML; what is no TOML value is taken as a text.
        given: Top-level fields decided by the caller, such as a command's arguments; None
            means not given.

    Raises:
        ConfigError: For an unreadable file, an unknown key, a wrong type or a missing value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _resolve_paths(kind, _read_toml(path), folder=path.parent)
    for text in overrides:
        _apply(values, text)
    values.update({name: value for name, value in given.items() if value is not None})
    return build_config(kind, values, place=str(path) if path else "")


def build_config(kind: type[T], values: Mapping[str, Any], *, place: str = "") -> T:
    """Build a dataclass from nested mappings, checking keys and types.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Options:
        ...     width: int = 3
        >>> build_config(Options, {"width": 4})
        Options(width=4)
        >>> build_config(Options, {"widht": 4})
        Traceback (most recent call last):
        ...
        anylect.errors.ConfigError: unknown key `widht`
        <BLANKLINE>
        hint: did you mean `width`?
    """
    return _build(kind, values, prefix="", place=f"{place}: " if place else "")


def to_mapping(config: Any) -> dict[str, Any]:
    """Turn a configuration into plain tables, leaving out what is None."""
    plain: dict[str, Any] = {}
    for field in fields(config):
        value = _plain(getattr(config, field.name))
        if value is not None:
            plain[field.name] = value
    return plain


def to_toml(values: Mapping[str, Any]) -> str:
    """Write nested mappings as TOML."""
    return tomli_w.dumps(values)


def save_config(config: Any, path: Path) -> None:
    """Write a configuration as TOML that `load_config` reads back to an equal one."""
    path.write_text(to_toml(to_mapping(config)), encoding="utf-8")


def refuse_below(options: Any, low: float, *names: str) -> None:
    """Raise a ConfigError for the first of the named fields that is less than `low`.

    None stands for "not given" and passes; what is not a number does not.
    """
    for name in names:
        value = getattr(options, name)
        if value is not None and not value >= low:
            raise ConfigError(f"`{name}` is {value}", hint=f"expected {low:g} or more")


def refuse_not_above(options: Any, low: float, *names: str) -> None:
    """Raise a ConfigError for the first of the named fields that is not more than `low`."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value > low:
            raise ConfigError(f"`{name}` is {value}", hint=f"expected more than {low:g}")


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror})", hint="give the path of a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}", hint="see https://toml.io") from error


def _resolve_paths(kind: type, values: dict[str, Any], *, folder: Path) -> dict[str, Any]:
    hints = get_type_hints(kind)
    resolved: dict[str, Any] = {}
    for name, value in values.items():
        target = hints.get(name)
        if isinstance(value, dict) and is_dataclass(target):
            assert isinstance(target, type)
            value = _resolve_paths(target, value, folder=folder)
        elif isinstance(value, str) and Path in (target, *get_args(target)):
            value = str(folder / Path(value).expanduser())
        resolved[name] = value
    return resolved


def _apply(values: dict[str, Any], text: str) -> None:
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {text}: expected `key=value`", hint="e.g. `--set optimizer.learning_rate=1e-4`"
        )
    *tables, last = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {text}: `{table}` is a value, not a table")
    values[last] = _read_value(raw.strip())


def _read_value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _build(kind: type[T], values: Mapping[str, Any], *, prefix: str, place: str) -> T:
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}  # type: ignore[arg-type]  # a dataclass by contract
    _refuse_unknown(values, known, prefix=prefix, place=place)
    arguments = {
        name: _convert(value, hints[name], key=prefix + name, place=place)
        for name, value in values.items()
    }
    missing = [
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING and name not in arguments
    ]
    if missing:
        raise ConfigError(
            f"{place}`{prefix}{missing[0]}` is not set",
            hint=f"add `{missing[0]} = …` or give it with `--set {prefix}{missing[0]}=…`",
        )
    return kind(**arguments)


def _refuse_unknown(
    values: Mapping[str, Any], known: Mapping[str, Any], *, prefix: str, place: str
) -> None:
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean `{prefix}{near[0]}`?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{place}unknown key `{prefix}{name}`", hint=hint)


def _convert(value: Any, target: Any, *, key: str, place: str) -> Any:
    origin = get_origin(target)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(target), key=key, place=place)
    if origin is Literal:
        converted = value if value in get_args(target) else None
    elif is_dataclass(target) and isinstance(value, Mapping):
        converted = _build(_as_type(target), value, prefix=f"{key}.", place=place)
    elif origin is tuple and isinstance(value, (list, tuple)):
        converted = _convert_items(value, get_args(target), key=key, place=place)
    elif origin in (dict, collections.abc.Mapping) and isinstance(value, Mapping):
        kind = get_args(target)[1]
        converted = {
            name: _convert(item, kind, key=f"{key}.{name}", place=place)
            for name, item in value.items()
        }
    else:
        converted = _convert_scalar(value, target)
    if converted is None:
        raise ConfigError(f"{place}`{key}` is {value!r}", hint=f"expected {_describe(target)}")
    return converted


def _convert_items(
    values: Sequence[Any], kinds: tuple[Any, ...], *, key: str, place: str
) -> tuple[Any, ...] | None:
    if len(kinds) == 2 and kinds[1] is ...:
        kinds = (kinds[0],) * len(values)
    if len(kinds) != len(values):
        return None
    return tuple(
        _convert(item, kind, key=f"{key}[{index}]", place=place)
        for index, (item, kind) in enumerate(zip(values, kinds, strict=True))
    )


def _convert_union(value: Any, options: tuple[Any, ...], *, key: str, place: str) -> Any:
    if value is None and type(None) in options:
        return None
    candidates = [option for option in options if option is not type(None)]
    for option in candidates[:-1]:
        try:
            return _convert(value, option, key=key, place=place)
        except ConfigError:
            continue
    return _convert(value, candidates[-1], key=key, place=place)


def _convert_scalar(value: Any, target: Any) -> Any:
    """Return the value as `target`, or None where it is of another kind."""
    if target is Any:
        return value
    if target is Path and isinstance(value, (str, Path)):
        return Path(value).expanduser()
    if target is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if target is int and isinstance(value, bool):
        return None
    return value if isinstance(target, type) and isinstance(value, target) else None


def _describe(target: Any) -> str:
    origin, options = get_origin(target), get_args(target)
    if origin is Literal:
        return "one of " + ", ".join(f"`{option}`" for option in options)
    if origin is tuple:
        kinds = [_describe(kind) for kind in options if kind is not ...]
        return f"a list of {' and '.join(kinds)}"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(target, "a path" if target is Path else "a table")


def _as_type(target: Any) -> type:
    assert isinstance(target, type)
    return target
