"""The folder we ship: everything a stranger needs to transcribe, and to check our numbers.

A bundle is a Hugging Face CTC repository that stock `transformers` loads, and more: the
normalizer its transcripts went through, decoding options, and `evidence/`. No pickles.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from anylect.decoding.greedy import GreedyDecoder
from anylect.errors import BundleError
from anylect.hub.card import write_card
from anylect.models.acoustic import AcousticModel
from anylect.text.normalize import Normalizer, load_normalizer, save_normalizer
from anylect.text.recipes import written_without_spaces
from anylect.text.vocabulary import Vocabulary, load_vocabulary, save_vocabulary

REQUIRED = ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json")
"""Without these nothing can be transcribed."""

PROCESSORS = {"SeamlessM4TFeatureExtractor": "Wav2Vec2BertProcessor"}
"""Classes of `transformers` that join feature extractor and tokenizer, by extractor."""


LONGEST_HEARD = "longest_heard_seconds"
"""Field of `decoding.json`: the longest the model was trained on, which decides its windows."""


class SavableModel(AcousticModel, Protocol):
    """An acoustic model that can be written to a folder."""

    @property
    def longest_heard(self) -> float | None:
        """Seconds of the longest it was trained on, where that is known."""

    def save(self, folder: Path) -> None:
        """Write weights, configuration and feature extractor."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    folder: Path
    model: AcousticModel
    normalizer: Normalizer

    @property
    def is_spaced(self) -> bool:
        """Whether its language puts spaces between words."""
        return not written_without_spaces(self.normalizer.language)

    @property
    def decoder(self) -> GreedyDecoder:
        """What turns the model's emissions into text."""
        return GreedyDecoder(self.model.vocabulary, spaced=self.is_spaced)


def save_bundle(
    folder: Path, *, model: SavableModel, normalizer: Normalizer, evidence: Mapping[str, Any]
) -> Path:
    """Write a bundle, replacing the one that was there.

    Args:
        folder: Where the bundle shall stand; written beside and renamed.
        model: With its vocabulary.
        normalizer: The one the training transcripts went through.
        evidence: What is known of the training, kept as `evidence/training.json`.

    Raises:
        BundleError: When there is no room, or no right, to write it; nothing half remains.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, model=model, normalizer=normalizer, evidence=evidence)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise BundleError(
            f"{folder}: cannot be written ({error})",
            hint="make room on that disk; `anylect train --resume` then saves the bundle",
        ) from error
    return folder


def _fill(
    partial: Path, *, model: SavableModel, normalizer: Normalizer, evidence: Mapping[str, Any]
) -> None:
    (partial / "evidence").mkdir(parents=True)
    model.save(partial)
    save_vocabulary(model.vocabulary, partial)
    _write_processor(partial)
    save_normalizer(normalizer, partial / "normalizer.json")
    _write(partial / "alphabet.json", {"labels": labels(model.vocabulary), "is_bpe": False})
    decoding: dict[str, Any] = {"decoder": "greedy"}
    if model.longest_heard is not None:
        decoding[LONGEST_HEARD] = round(model.longest_heard, 2)
    _write(partial / "decoding.json", decoding)
    _write(partial / "evidence" / "training.json", dict(evidence))
    write_card(partial, normalizer=normalizer, evidence=evidence)


def load_bundle(folder: Path, *, device: str = "auto") -> Bundle:
    """Load a bundle from a folder.

    Raises:
        BundleError: Naming the file that is missing or broken.
    """
    check_bundle(folder)
    normalizer = load_normalizer(folder / "normalizer.json")
    vocabulary = load_vocabulary(folder)
    from anylect.models.checkpoints import load_model

    model = load_model(folder, vocabulary, device=device)
    model.longest_heard = _read_longest_heard(folder / "decoding.json")
    return Bundle(folder, model, normalizer)


def check_bundle(folder: Path) -> None:
    """Raise a BundleError for the first file a bundle lacks."""
    if not folder.is_dir():
        raise BundleError(
            f"{folder}: no such folder", hint="give the `bundle` folder of a training run"
        )
    for name in (*REQUIRED, "normalizer.json"):
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder}: `{name}` is missing",
                hint="copy the whole bundle folder, or save it again with `anylect train --resume`",
            )


def _read_longest_heard(path: Path) -> float | None:
    """Read what was the longest a model heard; bundles without it keep the usual windows."""
    if not path.is_file():
        return None
    try:
        seconds = json.loads(path.read_text(encoding="utf-8")).get(LONGEST_HEARD)
        longest = None if seconds is None else float(seconds)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error})",
            hint="copy the whole bundle folder, or save it again with `anylect train --resume`",
        ) from error
    if longest is not None and not 0 < longest < math.inf:
        raise BundleError(
            f"{path}: `{LONGEST_HEARD}` is {seconds}", hint="expected seconds, more than 0"
        )
    return longest


def labels(vocabulary: Vocabulary) -> list[str]:
    """Return the tokens as pyctcdecode names them: blank empty, boundary a space."""
    return [
        "" if index == vocabulary.blank else "⁇" if index == vocabulary.unknown else token
        for index, token in enumerate(vocabulary.tokens)
    ]


def _write_processor(folder: Path) -> None:
    """Write what lets `transformers` find extractor and tokenizer as one processor."""
    extractor = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    kind = extractor.get("feature_extractor_type", "")
    processor = PROCESSORS.get(kind, "Wav2Vec2Processor")
    _write(
        folder / "processor_config.json",
        {"feature_extractor": extractor, "processor_class": processor},
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
