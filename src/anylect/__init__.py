"""anylect: from a folder of recordings, in any language, to a number you may believe.

```python
from anylect import Recognizer

recognizer = Recognizer.load("runs/demo-en/run/bundle")
hypothesis = recognizer.transcribe("talk.mp3")
print(hypothesis.text)
for word in hypothesis.words:
    print(f"{word.start:7.2f} {word.end:7.2f}  {word.text}  {word.confidence:.2f}")
```

Importing this loads nothing; NumPy comes with the first name used, torch with the first
`Recognizer.load`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anylect.errors import AnylectError
    from anylect.recognizer import Recognizer
    from anylect.records import Emissions, Hypothesis, Utterance, Waveform, Word

__version__ = "0.1.0"

__all__ = [
    "AnylectError",
    "Emissions",
    "Hypothesis",
    "Recognizer",
    "Utterance",
    "Waveform",
    "Word",
    "__version__",
]


_HOMES = {
    "AnylectError": "anylect.errors",
    "Recognizer": "anylect.recognizer",
    **dict.fromkeys(
        ("Emissions", "Hypothesis", "Utterance", "Waveform", "Word"), "anylect.records"
    ),
}


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "anylect.records")), name)
    raise AttributeError(f"module `anylect` has no `{name}`")
