"""What turns emissions into hypotheses; works without torch.

Code written for pyctcdecode finds its names here: `import anylect.decoding as pyctcdecode`. They
are imported when they are asked for, so that nobody else waits for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anylect.decoding import pyctcdecode_defaults as constants
    from anylect.decoding.alphabet import Alphabet
    from anylect.decoding.language_model import LanguageModel, MultiLanguageModel
    from anylect.decoding.pyctcdecode import BeamSearchDecoderCTC, build_ctcdecoder

_PLACES = {
    "Alphabet": "alphabet",
    "BeamSearchDecoderCTC": "pyctcdecode",
    "LanguageModel": "language_model",
    "MultiLanguageModel": "language_model",
    "build_ctcdecoder": "pyctcdecode",
}
_MODULES = {
    "alphabet": "alphabet",
    "constants": "pyctcdecode_defaults",
    "language_model": "language_model",
}
"""Modules by the names that pyctcdecode has for them."""

__all__ = [
    "Alphabet",
    "BeamSearchDecoderCTC",
    "LanguageModel",
    "MultiLanguageModel",
    "build_ctcdecoder",
    "constants",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in _PLACES:
        return getattr(importlib.import_module(f"anylect.decoding.{_PLACES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"anylect.decoding.{_MODULES[name]}")
    raise AttributeError(f"module `anylect.decoding` has no attribute `{name}`")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, *_MODULES})
