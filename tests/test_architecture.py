"""The law of the house: which room may import which, and where the heavy libraries may appear.

Reads every import of the package, also those inside functions and under `TYPE_CHECKING`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import anylect

PACKAGE = Path(anylect.__file__).parent

FLOOR = {"errors", "records", "progress", "config", "compiled"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "records": set(),
    "progress": set(),
    "config": {"errors"},
    "compiled": set(),
    "text": FLOOR,
    "audio": FLOOR,
    "data": FLOOR | {"text", "audio"},
    "lm": FLOOR | {"text"},
    "evaluation": FLOOR | {"text"},
    "models": FLOOR | {"text", "audio", "data"},
    "decoding": FLOOR | {"text", "lm"},
    "training": FLOOR | {"text", "audio", "data", "evaluation", "models", "decoding"},
    "hub": FLOOR | {"text", "lm", "evaluation", "models", "decoding"},
    # Rules, runs and ranks of a challenge: it reads cards and evidence and asks no model itself.
    "challenge": FLOOR | {"text", "audio", "data", "evaluation", "hub"},
    "recognizer": FLOOR | {"text", "audio", "data", "models", "decoding", "hub"},
    "workflows": FLOOR
    | {"text", "audio", "data", "lm", "evaluation", "models", "decoding", "training", "hub"}
    | {"challenge", "recognizer"},
    "cli": FLOOR | {"workflows", "recognizer"},
    "__init__": {"recognizer", "records", "errors"},
    "__main__": {"cli"},
}

HEAVY: dict[str, set[str]] = {
    "torch": {"data", "models", "training"},
    "transformers": {"models"},
    "accelerate": {"training"},
    "safetensors": {"models", "training"},
    "numba": {"compiled", "lm", "decoding", "evaluation"},
    "click": {"cli"},
    "rich": {"cli"},
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "av": {"audio"},
    "espeakng_loader": {"audio"},
    "rapidfuzz": {"evaluation"},
    "jinja2": {"evaluation"},
    "tomli_w": {"config"},
    "datasets": {"data"},
    "fsspec": {"data"},
    "huggingface_hub": {"hub"},
    "yaml": {"hub"},
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(module: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "anylect":
                yield from ((f"anylect.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_below(module: Path) -> None:
    room = _room(module)
    for name, line in _imports(module):
        top, _, rest = name.partition(".")
        if top == "anylect":
            target = rest.split(".")[0]
            allowed = MAY_IMPORT[room] | {room} | ({"__version__"})
            assert target in allowed, f"{module}:{line}: {room} may not import {target}"


@pytest.mark.parametrize("module", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_rooms(module: Path) -> None:
    room = _room(module)
    for name, line in _imports(module):
        top = name.partition(".")[0]
        if top in HEAVY:
            assert room in HEAVY[top], f"{module}:{line}: {room} may not import {top}"


def test_data_sets_of_the_hub_have_one_door() -> None:
    doors = {
        module.relative_to(PACKAGE).as_posix()
        for module in _modules()
        for name, _ in _imports(module)
        if name.partition(".")[0] in ("datasets", "fsspec")
    }
    assert doors <= {"data/sources/hub.py"}


def test_rooms_have_no_import_cycle() -> None:
    shelf = {room: depth for depth, room in enumerate(MAY_IMPORT)}
    for room, below in MAY_IMPORT.items():
        if not room.startswith("__"):
            assert all(shelf[other] < shelf[room] for other in below), room


def test_no_room_is_a_bin() -> None:
    bins = {"utils", "util", "helpers", "common", "misc", "base", "core"}
    assert not [path for path in _modules() if path.stem in bins]
