"""The main job on the embedded default: no download, a few minutes, a number.

The built-in voice speaks a small corpus of a language: sentences of a little grammar, in many
voices, such that neither a voice nor a sentence of dev or test is in train. A small DeepSpeech2
learns from nothing. A language model learns from further sentences of the grammar, none of dev or
test among them, and is tuned on dev. Both are scored on the test split, with the language model and
without, and one of its recordings is transcribed.

The speech is synthetic, and so is the text. What comes out understands the built-in voice and
nobody else; the same commands on human recordings and text make a recogniser.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anylect.audio.augment import AugmentOptions, SpecAugmentOptions
from anylect.audio.features import FeatureOptions
from anylect.audio.load import load_waveform
from anylect.audio.save import save_wav
from anylect.audio.synth import Voice, speak, voices
from anylect.data.manifest import read_manifest, write_manifest
from anylect.evaluation.comparison import Comparison, compare
from anylect.evaluation.evidence_files import read_evaluation
from anylect.evaluation.report import Report
from anylect.hub.bundle import NO_LM
from anylect.lm.estimation import EstimationOptions
from anylect.models.options import ModelOptions
from anylect.progress import Progress, silent
from anylect.recognizer import Recognizer
from anylect.records import Hypothesis, Utterance
from anylect.text.samples import load_grammar, split_sentences
from anylect.training.journal import Listener
from anylect.training.options import (
    AugmentationOptions,
    BatchOptions,
    JoiningOptions,
    OptimizerOptions,
    ScheduleOptions,
)
from anylect.workflows.evaluate import EvaluateConfig, evaluate
from anylect.workflows.folders import make_folder
from anylect.workflows.lm_build import LmBuildConfig, LmBuildReport, build_lm
from anylect.workflows.train import TrainConfig, TrainReport, train
from anylect.workflows.tune import TuneConfig, tune
from anylect.workflows.tune_report import TuneReport

SPEECH_RATE_HZ = 16_000


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What to speak and how much of it."""

    language: str = "en"
    """A language with built-in text."""
    output: Path = Path("runs/demo")
    """Folder for the corpus, the run and the report."""
    train_sentences: int = 720
    """Spoken in turn by the voices of the train split."""
    dev_sentences: int = 60
    """Spoken by voices that train has not heard."""
    test_sentences: int = 120
    """Spoken by voices that neither train nor dev has heard."""
    lm_sentences: int = 2000
    """That the language model reads, if the grammar has as many besides dev and test."""
    seed: int = 0
    """Of sentences, weights and order."""
    updates: int = 500
    """Of training; the default takes some four minutes on two cores."""


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What came of it; `recording` is the test recording that was transcribed."""

    manifest: Path
    training: TrainReport
    language_model: LmBuildReport
    tuning: TuneReport
    evaluation: Report
    """Of the test split, as the bundle decodes: with the language model, if it helped on dev."""
    comparison: Comparison | None
    """Of decoding without and with the language model on the test split."""
    recording: Path
    reference: str
    hypothesis: Hypothesis

    def lines(self) -> list[str]:
        """Say it in words, with a table of word times."""
        words = [
            f"  {word.start:6.2f} to {word.end:6.2f} s  {word.text}"
            for word in self.hypothesis.words
        ]
        return [
            *self.training.lines(),
            "",
            *self.language_model.lines(),
            *self.tuning.lines()[:2],
            "",
            *self.evaluation.text().splitlines(),
            "",
            *self._gain(),
            "",
            f"said   {self.reference}",
            f"heard  {self.hypothesis.text}",
            *words,
            "",
            "This speech is synthetic: the number says that the machinery works, and nothing of "
            "how well real speech is understood.",
            f"try: anylect transcribe {self.training.bundle} {self.recording}",
        ]

    def _gain(self) -> list[str]:
        if self.comparison is None:
            return ["On dev the language model gained nothing that one may believe: left out."]
        return [
            *self.comparison.text().splitlines(),
            "The language model comes from the grammar that the test sentences come from, though "
            "from none of them: no real text fits as well, nor gains as much.",
        ]


def demo(
    config: DemoConfig, *, listeners: Sequence[Listener] = (), progress: Progress = silent
) -> DemoReport:
    """Speak a corpus, train on it, add a language model, evaluate, and transcribe a recording.

    Args:
        config: What to speak and how much.
        listeners: Told of every event of the training.
        progress: Told how many sentences have been spoken.

    Raises:
        ConfigError: For a language without built-in text or voice, or a folder that has a run.
    """
    manifest = speak_corpus(config, progress=progress)
    training = train(training_config(config, manifest), listeners=listeners)
    bundle = training.bundle
    language_model = build_language_model(config, manifest, bundle)
    tuning = tune(
        TuneConfig(bundle=bundle, manifest=manifest, lm=language_model.output, seed=config.seed)
    )
    scoring = EvaluateConfig(bundle=bundle, manifest=manifest, split="test", seed=config.seed)
    evaluation = evaluate(scoring)
    utterance = next(read_manifest(manifest, split="test"))
    return DemoReport(
        manifest=manifest,
        training=training,
        language_model=language_model,
        tuning=tuning,
        evaluation=evaluation,
        comparison=_compare_with_greedy(scoring) if tuning.installed else None,
        recording=utterance.audio,
        reference=utterance.text,
        hypothesis=Recognizer.load(bundle).transcribe(utterance.audio),
    )


def build_language_model(config: DemoConfig, manifest: Path, bundle: Path) -> LmBuildReport:
    """Build a language model from sentences of the grammar that are in neither dev nor test."""
    folder = config.output / "lm"
    make_folder(folder)
    kept_apart = [
        utterance.text
        for split in ("dev", "test")
        for utterance in read_manifest(manifest, split=split)
    ]
    sentences = sorted({*load_grammar(config.language).sentences()} - {*kept_apart})
    count = min(config.lm_sentences, len(sentences))
    drawn = random.Random(config.seed).sample(sentences, count)
    for name, texts in (("text.txt", drawn), ("dev-and-test.txt", kept_apart)):
        (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return build_lm(
        LmBuildConfig(
            text=(folder / "text.txt",),
            output=folder / "lm.bin",
            normalizer=bundle / "normalizer.json",
            exclude=(folder / "dev-and-test.txt",),  # some differ in writing only
            estimation=EstimationOptions(order=3),
        )
    )


def _compare_with_greedy(scoring: EvaluateConfig) -> Comparison:
    """Score the test split without the language model too, and compare."""
    with_model = read_evaluation(scoring.bundle / "evidence" / "manifest.test.utterances.jsonl")
    folder = scoring.bundle / "evidence" / "greedy"
    evaluate(replace(scoring, lm=Path(NO_LM), output=folder))
    return compare(
        read_evaluation(folder).scored,
        with_model.scored,
        names=("greedy", "with LM"),
        language=with_model.language,
        seed=scoring.seed,
    )


def speak_corpus(
    config: DemoConfig, *, folder: Path | None = None, progress: Progress = silent
) -> Path:
    """Write the corpus as WAV, with its manifest; the same for the same configuration.

    It stands in `corpus` of the output, unless a folder is given.
    """
    sizes = {
        "train": config.train_sentences,
        "dev": config.dev_sentences,
        "test": config.test_sentences,
    }
    folder = folder or config.output / "corpus"
    make_folder(folder / "clips")
    sentences = split_sentences(config.language, **sizes, seed=config.seed)
    speakers = _divide_voices(voices(config.language))
    tasks = [
        (f"{split}-{number:04d}", split, text, speakers[split][number % len(speakers[split])])
        for split, texts in sentences.items()
        for number, text in enumerate(texts)
    ]

    def speak_all() -> Iterator[Utterance]:
        for done, task in enumerate(tasks, start=1):
            yield _record(folder, config.language, *task)
            progress(done, len(tasks))

    write_manifest(folder / "manifest.jsonl", speak_all())
    return folder / "manifest.jsonl"


def training_config(config: DemoConfig, manifest: Path) -> TrainConfig:
    """Build the small DeepSpeech2 of the demo: some 0.6 M weights, 40 ms frames."""
    return TrainConfig(
        manifest=manifest,
        output=config.output / "run",
        language=config.language,
        seed=config.seed,
        device="cpu",
        threads=1,  # a second one waits more than it works: steps this small are not worth sharing
        model=ModelOptions(
            # Pauses of perfect silence must not decide mean and variance.
            features=FeatureOptions(kind="mel", bins=40, floor=1e-4),
            settings={
                "conv_channels": [16, 16],
                "conv_kernels": [[11, 7], [7, 5]],
                "conv_strides": [[2, 2], [2, 2]],
                "conv_paddings": [[0, 3], [0, 2]],
                "recurrent_layers": 2,
                "hidden_size": 192,
                "dropout": 0.1,
            },
        ),
        batches=BatchOptions(seconds=90.0, max_utterances=64, workers=1),
        # Short ones first: what sounds like what is found sooner in them.
        joining=JoiningOptions(probability=0.7, seconds=15.0, from_epoch=8),
        optimizer=OptimizerOptions(learning_rate=3e-3, warmup_updates=50, schedule="cosine"),
        schedule=ScheduleOptions(updates=config.updates, validate_every=100, save_every=200),
        augmentation=AugmentationOptions(
            # Slower rather than faster: 40 ms frames leave no room for hasty letters.
            waveform=AugmentOptions(speeds=(0.82, 0.88, 0.94, 1.0, 1.06), microphone_db=3.0),
            features=SpecAugmentOptions(
                time_masks=2, time_mask_share=0.04, frequency_masks=2, frequency_mask_bins=6
            ),
        ),
    )


def _divide_voices(found: Sequence[Voice]) -> dict[str, list[Voice]]:
    """Give every eighth voice to dev, every fourth of the rest to test, the others to train."""
    divided: dict[str, list[Voice]] = {"train": [], "dev": [], "test": []}
    for number, voice in enumerate(found):
        split = "dev" if number % 8 == 3 else "test" if number % 8 in (1, 6) else "train"
        divided[split].append(voice)
    return divided


def _record(
    folder: Path, language: str, name: str, split: str, text: str, voice: Voice
) -> Utterance:
    spoken = speak(text, voice=voice)
    waveform = load_waveform(
        spoken.samples, sample_rate=SPEECH_RATE_HZ, source_rate=spoken.sample_rate
    )
    path = folder / "clips" / f"{name}.wav"
    save_wav(path, waveform)
    return Utterance(
        audio=path,
        text=text,
        id=name,
        duration=waveform.duration,
        speaker=voice.name,
        language=language,
        split=split,
        corpus="anylect-demo",
    )
