"""The model card: what the bundle is, in facts gathered on the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anylect.text.normalize import Normalizer


def write_card(folder: Path, *, normalizer: Normalizer, evidence: Mapping[str, Any]) -> None:
    """Write `README.md` with the metadata that model hubs read."""
    language = normalizer.language or "und"
    facts = "\n".join(f"- {name}: {value}" for name, value in _facts(evidence))
    (folder / "README.md").write_text(
        f"""---
language: {language.partition("-")[0]}
pipeline_tag: automatic-speech-recognition
library_name: transformers
tags:
- automatic-speech-recognition
- anylect
---

# Speech recogniser for `{language}`

Made with [anylect](https://pypi.org/project/anylect/). Transcripts went through the normalizer
`{normalizer.name}` ({normalizer.hash}), so this model writes what that normalizer leaves.

```python
from anylect import Recognizer

print(Recognizer.load("this folder").transcribe("recording.wav").text)
```

## Training

{facts}

Every score, with the settings it was measured under, is in `evidence/`.
""",
        encoding="utf-8",
    )


def _facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name.replace("_", " "), value)
        for name, value in evidence.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    ]
