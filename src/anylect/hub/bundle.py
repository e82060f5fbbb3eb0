"""The folder we ship: everything a stranger needs to transcribe, and to check our numbers.

A bundle is a Hugging Face CTC repository that stock `transformers` loads, and more: the
normalizer its transcripts went through, a language model, decoding options, and `evidence/`. No
pickles.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from anylect.decoding.alphabet import Alphabet
from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.decoder import Decoder
from anylect.decoding.greedy import GreedyDecoder
from anylect.decoding.language_model_folder import save_language_model, save_weights
from anylect.errors import BundleError
from anylect.hub.card import write_card
from anylect.hub.decoding import Decoding, load_decoding, save_decoding
from anylect.hub.eval_script import write_eval_script
from anylect.hub.language_models import (
    FOLDER,
    LanguageModelFile,
    check_fit,
    read_language_model,
    warn,
)
from anylect.models.acoustic import AcousticModel
from anylect.text.normalize import Normalizer, load_normalizer, save_normalizer
from anylect.text.recipes import written_without_spaces
from anylect.text.vocabulary import load_vocabulary, save_vocabulary

if TYPE_CHECKING:
    from anylect.decoding.beam import BeamDecoder

REQUIRED = ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json")
"""Without these nothing can be transcribed."""

PROCESSORS = {"SeamlessM4TFeatureExtractor": "Wav2Vec2BertProcessor"}
"""Classes of `transformers` that join feature extractor and tokenizer, by extractor."""

NO_LM = "none"
"""In place of a language model's path: decode without any."""


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
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def is_spaced(self) -> bool:
        """Whether its language puts spaces between words."""
        return not written_without_spaces(self.normalizer.language)

    @property
    def greedy(self) -> GreedyDecoder:
        """The decoder that knows no language model."""
        return GreedyDecoder(self.model.vocabulary, spaced=self.is_spaced)

    @cached_property
    def decoder(self) -> Decoder:
        """What turns the model's emissions into text: beam search where there is a language model.

        Raises:
            BundleError: When what `decoding.json` says does not fit what lies beside it.
            LanguageModelError: When the model cannot be read or spells other words.
        """
        if self.decoding.decoder == "greedy":
            return self.greedy
        folder = self.folder / FOLDER
        if folder.is_dir():
            found = read_language_model(folder)
            return self.beam_decoder(found, options=self._own_options(found))
        if self.decoding.language_model is not None:
            raise BundleError(
                f"{folder}: is missing, but `decoding.json` was tuned for a language model",
                hint="copy the whole bundle folder, or decode without it: `--lm none`",
            )
        return self.beam_decoder(None) if self.decoding.decoder == "beam" else self.greedy

    def decoder_with(self, lm: Path | str | None, *, hotwords: Path | None = None) -> Decoder:
        """Return a decoder with another language model than the bundle's own, or with hotwords.

        Weights are those of the bundle, or of the folder: they were not tuned for this model.

        Args:
            lm: A file, a folder `language_model` or another bundle; `none` decodes without any,
                by best path; None is what the bundle says itself.
            hotwords: A file of phrases to favour; without a language model too they take a beam
                search, in which any word can be said.

        Raises:
            LanguageModelError: When it cannot be read, or spells other words than this recogniser.
            ConfigError: When the hotwords cannot be read or spelled.
        """
        if lm is None:
            decoder = self.decoder
        elif str(lm) == NO_LM:
            decoder = self.greedy
        else:
            decoder = self.beam_decoder(read_language_model(Path(lm)))
        return decoder if hotwords is None else self._favouring(decoder, hotwords)

    def _favouring(self, decoder: Decoder, hotwords: Path) -> Decoder:
        from anylect.decoding.beam import BeamDecoder
        from anylect.decoding.hotwords import load_hotwords

        phrases = load_hotwords(hotwords, normalize=self.normalizer)
        if not isinstance(decoder, BeamDecoder):
            options = replace(self.decoding.beam or BeamOptions(), search="open")
            decoder = self.beam_decoder(None, options=options)
        return decoder.with_hotwords(phrases)

    def beam_decoder(
        self, found: LanguageModelFile | None, *, options: BeamOptions | None = None
    ) -> "BeamDecoder":
        """Return a beam search with a language model or none; see `decoder_with`."""
        from anylect.decoding.beam import BeamDecoder  # kernels, which greedy decoding spares

        options = options or self.decoding.beam or BeamOptions()
        vocabulary, spaced = self.model.vocabulary, self.is_spaced
        if found is None:
            return BeamDecoder(vocabulary, options=options, spaced=spaced)
        warn(check_fit(found, vocabulary=vocabulary, normalizer=self.normalizer, spaced=spaced))
        if found.weights is not None:
            options = replace(options, **vars(found.weights))
        return BeamDecoder(
            vocabulary, found.model, words=found.words or None, options=options, spaced=spaced
        )

    def _own_options(self, found: LanguageModelFile) -> BeamOptions | None:
        """Return the options for the bundle's own model, if they are for this one."""
        decoding, tuned = self.decoding, self.decoding.language_model
        if tuned is None:
            return decoding.beam
        if tuned.get("counts") != list(found.model.counts):
            raise BundleError(
                f"{found.path}: has {list(found.model.counts)} n-grams, but `decoding.json` was "
                f"tuned for a model with {tuned.get('counts')}",
                hint="tune again: `anylect tune BUNDLE dev.jsonl --lm LM`",
            )
        if decoding.beam is not None and decoding.weights() != found.weights:
            raise BundleError(
                f"{self.folder}: `{FOLDER}/attrs.json` and `decoding.json` weigh differently: "
                f"{found.weights} and {decoding.weights()}",
                hint="tune again, or write the same into both",
            )
        return decoding.beam


def install_language_model(bundle: Bundle, found: LanguageModelFile, decoding: Decoding) -> Bundle:
    """Write a language model into a bundle, and how to decode with it.

    Args:
        bundle: Its folder is changed.
        found: The model; the bundle's own only gets other weights.
        decoding: With the options for this model; what else the bundle's own says is kept.

    Returns:
        The bundle as it is now.

    Raises:
        BundleError: When it cannot be written.
    """
    normalizer = bundle.normalizer
    decoding = replace(
        decoding,
        longest_heard=bundle.decoding.longest_heard,
        more=bundle.decoding.more,
        normalizer={"name": normalizer.name, "hash": normalizer.hash},
    )
    folder = bundle.folder / FOLDER
    facts = _model_facts(found)
    if found.path.parent.resolve() == folder.resolve():
        save_weights(folder, decoding.weights())
        facts = dict(bundle.decoding.language_model or {}) | facts
    else:
        path = save_language_model(
            folder, found.path, words=found.words, **vars(decoding.weights())
        )
        facts["file"] = path.name
    decoding = replace(decoding, language_model=facts)
    save_decoding(bundle.folder, decoding)
    return Bundle(bundle.folder, bundle.model, normalizer, decoding)


def _model_facts(found: LanguageModelFile) -> dict[str, Any]:
    origin = found.origin.facts() if found.origin else {}
    return {
        "file": found.path.name,
        "order": found.model.order,
        "counts": list(found.model.counts),
        "words": len(found.words),
        "sha256": hashlib.sha256(found.model.kernel.image.data).hexdigest(),
        **{name: value for name, value in origin.items() if value is not None},
    }


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
    alphabet = Alphabet.from_vocabulary(model.vocabulary)
    _write(partial / "alphabet.json", {"labels": alphabet.labels, "is_bpe": alphabet.is_bpe})
    names = {"name": normalizer.name, "hash": normalizer.hash}
    save_decoding(partial, Decoding(longest_heard=model.longest_heard, normalizer=names))
    _write(partial / "evidence" / "training.json", dict(evidence))
    write_card(partial, normalizer=normalizer, evidence=evidence)
    write_eval_script(partial)


def load_bundle(folder: Path, *, device: str = "auto") -> Bundle:
    """Load a bundle from a folder.

    Raises:
        BundleError: Naming the file that is missing or broken.
    """
    check_bundle(folder)
    normalizer = load_normalizer(folder / "normalizer.json")
    vocabulary, decoding = load_vocabulary(folder), load_decoding(folder)
    from anylect.models.checkpoints import load_model

    model = load_model(folder, vocabulary, device=device)
    model.longest_heard = decoding.longest_heard
    return Bundle(folder, model, normalizer, decoding)


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
