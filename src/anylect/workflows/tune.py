"""How much to trust a language model: alpha, beta and beam width, found on a dev set.

The model listens once; what it heard is decoded again and again with other weights, in threads.
What was chosen, every value tried and what it gained stand in the bundle's `decoding.json`. A
language model that gains nothing one may believe is not installed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anylect.config import refuse_below, refuse_not_above
from anylect.data.manifest import manifest_checksum
from anylect.data.prefetch import prefetch
from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.decoder import Decoder
from anylect.decoding.tuning import Errors, Trial, Tuner, TuningOptions
from anylect.errors import AudioError, ConfigError, LanguageModelError, ManifestError
from anylect.evaluation.comparison import compare
from anylect.evaluation.error_rate import count_errors
from anylect.evaluation.report import Report, Signature, report
from anylect.evaluation.scoreboard import ScoredUtterance, score
from anylect.hub.bundle import NO_LM, Bundle, install_language_model, load_bundle
from anylect.hub.decoding import Decoding, save_decoding
from anylect.hub.language_models import FOLDER, LanguageModelFile, read_language_model
from anylect.progress import Progress, silent
from anylect.records import Emissions, Utterance
from anylect.workflows.tune_report import TuneReport, is_gain
from anylect.workflows.tuning_set import (
    Shelf,
    choose_split,
    choose_utterances,
    find_overlap,
    find_read_sentences,
)

if TYPE_CHECKING:
    from anylect.decoding.beam import BeamDecoder

KNOWN_WORDS = 0.5
"""Share of the set's words that a language model must know; below it is of something else."""
MANY_UNKNOWN = 0.05


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """What to tune, and on what."""

    bundle: Path
    """A folder that `anylect train` wrote; its `decoding.json` is changed."""
    manifest: Path
    """Utterances with transcripts, neither of train nor of test."""
    split: str | None = None
    """By default `dev`, or every line where the manifest has no splits; `all` for every line."""
    lm: Path | None = None
    """The language model to install; by default the bundle's own is tuned anew."""
    test: Path | None = None
    """A manifest to be tested on later, looked through for what is in the dev set too."""
    force: bool = False
    """Install the model even if it gains nothing."""
    tuning: TuningOptions = field(default_factory=TuningOptions)
    """Which settings are tried."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes the best there is."""
    batch_seconds: float = 80.0
    """Audio run at once, padding included."""
    threads: int = 2
    """That read recordings, and that decode."""
    most_utterances: int = 2000
    """A larger set is thinned evenly."""
    replicates: int = 1000
    """Sets the bootstrap draws."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        refuse_not_above(self, 0, "batch_seconds")
        refuse_below(self, 1, "threads", "most_utterances")
        refuse_below(self, 0, "replicates", "seed")


@dataclass(frozen=True)
class _Heard:
    """The set as the model hears it: utterances, normalised references, and emissions."""

    utterances: list[Utterance]
    references: list[str]
    emissions: list[Emissions]
    unreadable: int


def tune(config: TuneConfig, *, progress: Progress = silent) -> TuneReport:
    """Find how to decode with a language model, and write it into the bundle if it helps.

    Emissions of the whole set wait in a temporary file, 4 bytes a frame and token; memory is that
    of the texts, of a batch, and of what the threads decode.

    Args:
        config: What to tune, and on what.
        progress: Told of utterances heard, then of settings tried.

    Raises:
        BundleError: When the bundle cannot be loaded or written.
        ConfigError: When there is no language model.
        LanguageModelError: When it cannot be read, or does not fit the recogniser.
        ManifestError: When there is nothing to tune on.
    """
    bundle = load_bundle(config.bundle, device=config.device)
    found = _find_language_model(config, bundle)
    decoder = bundle.beam_decoder(found)
    split = choose_split(config.manifest, config.split)
    config = replace(config, split=split)
    chosen = list(choose_utterances(config.manifest, split, most=config.most_utterances))
    sentences = [bundle.normalizer(utterance.text) for utterance in chosen]
    warnings = [
        *find_overlap(
            chosen, manifest=config.manifest, test=config.test, normalizer=bundle.normalizer
        ),
        *_look_at_words(found, sentences, bundle=bundle, manifest=config.manifest),
    ]
    if found.origin is not None:
        warnings += find_read_sentences(found.origin, sentences, normalizer=bundle.normalizer)
    with _listen(config, bundle, chosen, progress=progress) as heard:
        trials = _try_settings(config, bundle, decoder, heard, progress=progress)
        best = trials[-1]
        greedy, before = _score(config, bundle, bundle.greedy, heard)
        beam, after = _score(config, bundle, decoder.with_options(**vars(best.options)), heard)
    comparison = compare(
        before,
        after,
        names=("greedy", "with LM"),
        language=bundle.normalizer.language,
        replicates=config.replicates,
        seed=config.seed,
    )
    made = TuneReport(
        bundle=config.bundle,
        best=best,
        trials=trials,
        greedy=greedy,
        beam=beam,
        comparison=comparison,
        installed=config.force or is_gain(comparison),
        unreadable=heard.unreadable,
        warnings=tuple(warnings),
    )
    _keep(config, bundle, found, made)
    return made


def _find_language_model(config: TuneConfig, bundle: Bundle) -> LanguageModelFile:
    if str(config.lm) == NO_LM or (config.lm is None and not (bundle.folder / FOLDER).is_dir()):
        raise ConfigError(
            f"{config.bundle}: there is no language model to tune",
            hint="`anylect lm build text.txt -o lm.bin --normalizer BUNDLE/normalizer.json`, then "
            "`anylect tune BUNDLE dev.jsonl --lm lm.bin`",
        )
    return read_language_model(config.lm or bundle.folder)


def _look_at_words(
    found: LanguageModelFile, sentences: list[str], *, bundle: Bundle, manifest: Path
) -> list[str]:
    """Refuse a language model of something else; say how many words it does not know."""
    if not bundle.is_spaced:
        return []
    words = sorted({word for sentence in sentences for word in sentence.split()})
    known = int((found.model.ids(words) != 0).sum()) if words else 0
    if known < KNOWN_WORDS * len(words):
        normalizer = bundle.normalizer
        built = found.origin.normalizer if found.origin else None
        raise LanguageModelError(
            f"{found.path}: the language model knows {known:,} of the {len(words):,} words in "
            f"{manifest}",
            hint=f"it was built with normalizer `{built}`, this recogniser has `{normalizer.name}`"
            if built not in (None, normalizer.name)
            else "build it from text of this language and kind, with this recogniser's normalizer",
        )
    if len(words) - known <= MANY_UNKNOWN * len(words):
        return []
    return [
        f"the language model does not know {len(words) - known:,} of the {len(words):,} words in "
        f"{manifest}, which a closed search cannot say"
    ]


@contextmanager
def _listen(
    config: TuneConfig, bundle: Bundle, chosen: list[Utterance], *, progress: Progress
) -> Iterator[_Heard]:
    from anylect.models.listening import emit_each

    with Shelf() as shelf:
        utterances = []
        for done, (utterance, emissions) in enumerate(
            emit_each(
                bundle.model, chosen, batch_seconds=config.batch_seconds, workers=config.threads
            ),
            start=1,
        ):
            progress(done, len(chosen))
            if not isinstance(emissions, AudioError):
                shelf.add(emissions)
                utterances.append(utterance)
        references = [bundle.normalizer(utterance.text) for utterance in utterances]
        if not any(references):
            raise ManifestError(
                f"{config.manifest}: nothing to tune on ({len(chosen) - len(utterances):,} "
                "unreadable recordings)",
                hint="check `--split`, and the paths in the manifest: they are relative to it",
            )
        unreadable = len(chosen) - len(utterances)
        yield _Heard(utterances, references, shelf.all(), unreadable)


def _try_settings(
    config: TuneConfig,
    bundle: Bundle,
    decoder: "BeamDecoder",
    heard: _Heard,
    *,
    progress: Progress,
) -> tuple[Trial, ...]:
    """Try settings; the best one is the last."""
    targets = [(text.split(), " ".join(text.split())) for text in heard.references]

    def measure(options: BeamOptions) -> Errors:
        changed = decoder.with_options(**vars(options))

        def decode(emissions: Emissions) -> str:
            if not len(emissions.log_probs):
                return ""
            return changed.decode_beams(emissions, count=1)[0].text

        words = characters = 0
        said = prefetch(decode, heard.emissions, workers=config.threads, ahead=8 * config.threads)
        for text, (reference, written) in zip(said, targets, strict=True):
            hypothesis = bundle.normalizer(text).split()
            words += count_errors(reference, hypothesis).errors
            characters += count_errors(written, " ".join(hypothesis)).errors
        progress(len(tuner.trials) + 1, None)
        return Errors(words, characters) if bundle.is_spaced else Errors(characters, words)

    tuner = Tuner(measure, config.tuning)
    best = tuner.tune(decoder.options, searches=_searches(decoder, config.tuning))
    others = (trial for trial in tuner.trials.values() if trial is not best)
    return (*others, best)


def _searches(
    decoder: "BeamDecoder", options: TuningOptions
) -> tuple[Literal["closed", "open"], ...]:
    """Return the searches that can be tried: no closed one without words, and no open one where
    words may end anywhere.
    """
    if not decoder.lexicon.words:
        return ("open",)
    if decoder.with_options(search="open").is_closed:
        return ("closed",)
    return options.searches


def _score(
    config: TuneConfig, bundle: Bundle, decoder: Decoder, heard: _Heard
) -> tuple[Report, list[ScoredUtterance]]:
    normalize = bundle.normalizer
    said = prefetch(
        decoder.decode, heard.emissions, workers=config.threads, ahead=8 * config.threads
    )
    scored = [
        score(reference, normalize(hypothesis.text), utterance=utterance)
        for hypothesis, reference, utterance in zip(
            said, heard.references, heard.utterances, strict=True
        )
    ]
    made = report(
        scored,
        signature=Signature(
            normalizer=normalize.name, normalizer_hash=normalize.hash, decoding=decoder.signature
        ),
        language=normalize.language,
        replicates=config.replicates,
        seed=config.seed,
    )
    return made, scored


def _keep(config: TuneConfig, bundle: Bundle, found: LanguageModelFile, made: TuneReport) -> None:
    """Write what was found into the bundle."""
    facts = {
        "manifest": config.manifest.name,
        "manifest_sha256": manifest_checksum(config.manifest),
        "split": config.split,
        **made.to_json(),
    }
    if made.installed:
        chosen = Decoding(decoder="beam", beam=made.best.options, tuning=facts)
        install_language_model(bundle, found, chosen)
    elif config.lm is None or not (bundle.folder / FOLDER).is_dir():
        # What was tried is worth keeping, unless it would replace what is known of another model.
        save_decoding(bundle.folder, replace(bundle.decoding, decoder="greedy", tuning=facts))
