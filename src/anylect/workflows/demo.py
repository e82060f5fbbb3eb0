"""The main job on the embedded default: no download, a few minutes, a number.

The built-in voice speaks a small corpus of a language: sentences of a little grammar, in many
voices, such that neither a voice nor a sentence of dev or test is in train. A small DeepSpeech2
learns from nothing, is scored on the test split, and transcribes one of its recordings.

The speech is synthetic. What comes out understands the built-in voice and nobody else; the
same commands on human recordings make a recogniser.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anylect.audio.augment import AugmentOptions, SpecAugmentOptions
from anylect.audio.features import FeatureOptions
from anylect.audio.load import load_waveform
from anylect.audio.save import save_wav
from anylect.audio.synth import Voice, speak, voices
from anylect.data.manifest import read_manifest, write_manifest
from anylect.evaluation.report import Report
from anylect.models.options import ModelOptions
from anylect.progress import Progress, silent
from anylect.recognizer import Recognizer
from anylect.records import Hypothesis, Utterance
from anylect.text.samples import split_sentences
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
from anylect.workflows.train import TrainConfig, TrainReport, train

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
    seed: int = 0
    """Of sentences, weights and order."""
    updates: int = 500
    """Of training; the default takes some four minutes on two cores."""


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What came of it; `recording` is the test recording that was transcribed."""

    manifest: Path
    training: TrainReport
    evaluation: Report
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
            *self.evaluation.text().splitlines(),
            "",
            f"said   {self.reference}",
            f"heard  {self.hypothesis.text}",
            *words,
            "",
            "This speech is synthetic: the number says that the machinery works, and nothing of "
            "how well real speech is understood.",
            f"try: anylect transcribe {self.training.bundle} {self.recording}",
        ]


def demo(
    config: DemoConfig, *, listeners: Sequence[Listener] = (), progress: Progress = silent
) -> DemoReport:
    """Speak a corpus, train on it, evaluate, and transcribe one test recording.

    Args:
        config: What to speak and how much.
        listeners: Told of every event of the training.
        progress: Told how many sentences have been spoken.

    Raises:
        ConfigError: For a language without built-in text or voice, or a folder that has a run.
    """
    manifest = speak_corpus(config, progress=progress)
    training = train(training_config(config, manifest), listeners=listeners)
    evaluation = evaluate(
        EvaluateConfig(bundle=training.bundle, manifest=manifest, split="test", seed=config.seed)
    )
    utterance = next(read_manifest(manifest, split="test"))
    hypothesis = Recognizer.load(training.bundle).transcribe(utterance.audio)
    return DemoReport(
        manifest=manifest,
        training=training,
        evaluation=evaluation,
        recording=utterance.audio,
        reference=utterance.text,
        hypothesis=hypothesis,
    )


def speak_corpus(config: DemoConfig, *, progress: Progress = silent) -> Path:
    """Write the corpus as WAV, with its manifest; the same for the same configuration."""
    sizes = {
        "train": config.train_sentences,
        "dev": config.dev_sentences,
        "test": config.test_sentences,
    }
    folder = config.output / "corpus"
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
            features=FeatureOptions(kind="mel", bins=40),
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
        batches=BatchOptions(seconds=60.0, max_utterances=64, workers=1),
        # Short ones first: what sounds like what is found sooner in them.
        joining=JoiningOptions(probability=0.7, seconds=15.0, from_epoch=6),
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
