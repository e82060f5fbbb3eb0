"""The corpus of a benchmark: fetched, prepared or spoken before the clock starts."""

from collections.abc import Callable
from pathlib import Path

from anylect.data.published import fetch_librispeech
from anylect.errors import ConfigError
from anylect.progress import Progress
from anylect.workflows.benchmark_options import BenchmarkOptions
from anylect.workflows.demo import DemoConfig, speak_corpus
from anylect.workflows.folders import make_folder
from anylect.workflows.prepare import MANIFEST, PrepareConfig, prepare
from anylect.workflows.train import TrainConfig

Bar = Callable[[str], Progress]
"""Begins to show how far a piece of work is, by its title."""


def prepare_corpus(config: TrainConfig, bar: Bar) -> None:
    """Make the manifest of a benchmark, unless it is there.

    Raises:
        ConfigError: When the recipe does not say from what.
        HubError: When something cannot be fetched, or is not what was published.
        ManifestError: When the corpus cannot be read.
    """
    if config.manifest.exists():
        return
    options = config.benchmark
    if options.corpus == "manifest":
        raise ConfigError(
            f"{config.manifest}: no such file",
            hint="make it with `anylect prepare`, or let `benchmark.corpus` say what it is made of",
        )
    if config.manifest.name != MANIFEST:
        raise ConfigError(
            f"{config.manifest}: a manifest that is made here has another name",
            hint=f"`manifest` should end with `{MANIFEST}`",
        )
    if options.corpus == "spoken":
        _speak(config, bar("speaking"))
        return
    source = _source(options)
    if options.corpus == "librispeech":
        make_folder(source)
        progress = bar("fetching (MB)")
        source = fetch_librispeech(source, options.parts, mirror=options.mirror, progress=progress)
    prepare(
        PrepareConfig(
            source=source,
            output=config.manifest.parent,
            language=config.language,
            normalizer=config.normalizer,
            splits=options.splits,
        ),
        progress=bar("reading"),
    )


def _source(options: BenchmarkOptions) -> Path:
    if options.source is None:
        raise ConfigError(
            f"`benchmark.corpus` is `{options.corpus}` and `benchmark.source` is not set",
            hint="give a folder: `--set benchmark.source=…`",
        )
    return options.source


def _speak(config: TrainConfig, progress: Progress) -> None:
    train, dev = config.benchmark.sentences
    spoken = DemoConfig(
        language=config.language or "en",
        train_sentences=train,
        dev_sentences=dev,
        test_sentences=0,
        seed=config.seed,
    )
    speak_corpus(spoken, folder=config.manifest.parent, progress=progress)
