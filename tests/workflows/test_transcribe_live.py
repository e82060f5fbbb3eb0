"""Transcribed while it lasts, a recording gives what it gives once it has ended."""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import SAMPLE_RATE, Run, tiny_config, write_tone_corpus

from anylect import Recognizer
from anylect.audio.load import load_waveform
from anylect.data.manifest import read_manifest
from anylect.decoding.beam import BeamDecoder
from anylect.decoding.decoder import Partial
from anylect.errors import AudioError, ConfigError
from anylect.records import Emissions, Hypothesis, Utterance
from anylect.workflows.train import train
from anylect.workflows.transcribe_live import LiveConfig, LiveReport, transcribe_live

LIVE: dict[str, Any] = {
    "model": {
        "features": {
            "kind": "mel",
            "bins": 20,
            "sample_rate": SAMPLE_RATE,
            "normalization": "running",
            "floor": 1e-5,
        },
        "settings": {
            "conv_channels": [8],
            "conv_kernels": [[5, 5]],
            "conv_strides": [[2, 2]],
            "conv_paddings": [[0, 2]],
            "recurrent_layers": 1,
            "hidden_size": 48,
            "bidirectional": False,
            "lookahead_frames": 4,
        },
    },
    "augmentation": {},
}


@pytest.fixture(scope="module")
def live_bundle(tone_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one direction after some updates: it writes letters, if not the right ones."""
    output = tmp_path_factory.mktemp("live")
    schedule = {"updates": 40, "validate_every": 40, "save_every": 40, "log_every": 10}
    return train(tiny_config(tone_manifest, output, **LIVE, schedule=schedule)).bundle


@pytest.fixture(scope="module")
def recognizer(live_bundle: Path) -> Recognizer:
    return Recognizer.load(live_bundle, device="cpu")


def recordings(manifest: Path) -> list[Utterance]:
    return [utterance for utterance in read_manifest(manifest) if utterance.split != "train"]


def hear(
    recognizer: Recognizer, path: Path, *, cuts: list[int] | None = None, **options: Any
) -> tuple[list[Hypothesis], list[Partial]]:
    samples = load_waveform(path, sample_rate=SAMPLE_RATE).samples
    cuts = list(range(0, len(samples), 400)) if cuts is None else sorted(cuts)
    stream = recognizer.stream(**options)
    sentences, partials = [], []
    for piece in np.split(samples, cuts):
        sentences += stream.feed(piece)
        partials.append(stream.partial())
    return [*sentences, stream.finish()], partials


def assert_same(live: Hypothesis, whole: Hypothesis) -> None:
    assert live.text == whole.text
    for ours, expected in zip(live.words, whole.words, strict=True):
        assert (ours.start, ours.end) == pytest.approx((expected.start, expected.end))
        assert ours.confidence == pytest.approx(expected.confidence, abs=1e-4)


def test_a_stream_hears_what_one_pass_hears(recognizer: Recognizer, tone_manifest: Path) -> None:
    texts = set()
    for utterance in recordings(tone_manifest):
        whole = recognizer.transcribe(utterance.audio)
        (live,), partials = hear(recognizer, utterance.audio)
        assert_same(live, whole)
        texts.add(whole.text)
        for before, after in itertools.pairwise(partials):
            assert before.text.startswith(before.stable)
            assert after.text.startswith(before.stable)
        assert live.text.startswith(partials[-1].stable)
    assert len(texts) > 3


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 20_000), max_size=10))
def test_the_cutting_changes_no_sentence(
    recognizer: Recognizer, tone_manifest: Path, cuts: list[int]
) -> None:
    path = recordings(tone_manifest)[0].audio
    fine = hear(recognizer, path, pause_seconds=0.08)[0]
    coarse = hear(recognizer, path, cuts=cuts, pause_seconds=0.08)[0]
    assert len(fine) > 1
    for ours, expected in zip(coarse, fine, strict=True):
        assert_same(ours, expected)


def test_a_pause_ends_a_sentence_and_times_go_on(
    recognizer: Recognizer, tone_manifest: Path, tmp_path: Path
) -> None:
    first, second = (each.audio for each in recordings(tone_manifest)[:2])
    parts = [load_waveform(path, sample_rate=SAMPLE_RATE).samples for path in (first, second)]
    silence = 0.003 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)
    soundfile.write(tmp_path / "both.wav", np.concatenate([parts[0], silence, parts[1]]), 8_000)
    sentences, _ = hear(recognizer, tmp_path / "both.wav", pause_seconds=1.0)
    sentences = [sentence for sentence in sentences if sentence.text]
    assert len(sentences) >= 2
    border = len(parts[0]) / SAMPLE_RATE
    assert sentences[0].words[0].end < border + 0.1
    assert sentences[-1].words[-1].start > border + 1.5


def test_beams_stream_too(recognizer: Recognizer, tone_manifest: Path) -> None:
    vocabulary = recognizer.bundle.model.vocabulary
    beams = Recognizer(recognizer.bundle, decoder=BeamDecoder(vocabulary))
    for utterance in recordings(tone_manifest)[:3]:
        (live,), partials = hear(beams, utterance.audio)
        assert_same(live, beams.transcribe(utterance.audio))
        assert partials[-1].text


def test_best_path_says_what_will_stay(recognizer: Recognizer) -> None:
    vocabulary = recognizer.bundle.model.vocabulary
    a, space = vocabulary.encode("a")[0], vocabulary.boundary
    assert space is not None
    rows = np.log(np.eye(len(vocabulary), dtype=np.float32) * 0.9 + 0.01)
    stream = recognizer.bundle.greedy.stream()
    assert stream.partial() == Partial("", "")
    stream.feed(Emissions(rows[[a, space, a]], 0.02))
    assert stream.partial() == Partial("a a", "a")


def test_the_workflow_reads_pcm_and_says_how_long_one_waits(
    live_bundle: Path, tone_manifest: Path
) -> None:
    path = recordings(tone_manifest)[0].audio
    pcm = (soundfile.read(path, dtype="int16")[0]).tobytes()
    config = LiveConfig(bundle=live_bundle, recording=Path("-"), form="json", pause_seconds=None)
    events = list(transcribe_live(config, pcm=io.BytesIO(pcm)))
    (sentence,) = (event for event in events if isinstance(event, str))
    whole = Recognizer.load(live_bundle).transcribe(path)
    assert json.loads(sentence)["text"] == whole.text
    report = events[-1]
    assert isinstance(report, LiveReport)
    assert report.seconds == pytest.approx(len(pcm) / 2 / SAMPLE_RATE)
    # Four frames of 20 ms, the convolution's two steps of 10 ms, and the window's 20 ms, less
    # what the frame itself lasts.
    assert report.look_ahead_ms == pytest.approx(4 * 20 + 2 * 10 + 20 - 20)
    assert report.frame_ms >= report.look_ahead_ms
    assert "known" in report.line


def test_an_interrupt_ends_the_recording(live_bundle: Path, tone_manifest: Path) -> None:
    class Microphone(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            piece = super().read1(size)
            if not piece:
                raise KeyboardInterrupt
            return piece

    path = recordings(tone_manifest)[0].audio
    pcm = soundfile.read(path, dtype="int16")[0].tobytes()
    config = LiveConfig(bundle=live_bundle, recording=Path("-"), pause_seconds=None)
    *_, sentence, report = transcribe_live(config, pcm=Microphone(pcm))
    assert sentence == f"{Recognizer.load(live_bundle).transcribe(path).text}\n"
    assert isinstance(report, LiveReport)


def test_the_command_writes_sentences_to_stdout_and_what_may_change_to_stderr(
    run: Run, live_bundle: Path, tone_manifest: Path
) -> None:
    path = recordings(tone_manifest)[0].audio
    expected = Recognizer.load(live_bundle).transcribe(path).text
    done = run("transcribe", live_bundle, path, "--live")
    assert done.code == 0
    assert done.out == f"{expected}\n"
    shown = [line.removeprefix("… ") for line in done.err.splitlines() if line.startswith("… ")]
    assert len(shown) > 2
    assert expected.startswith(shown[0][:1])
    assert "heard · a frame is known" in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "wrong", "hint"),
    [
        (["{file}", "{file}", "--live"], "takes one recording", "`-` for samples on stdin"),
        (["{file}", "--live", "-o", "out"], "writes to stdout", "one file"),
        (["{file}", "--live", "--format", "srt"], "`form` is 'srt'", "`text`, `json`"),
        (["{file}", "--live", "--rate", "8000"], "knows its sample rate", "samples on stdin"),
        (["-", "--live", "--rate", "0"], "`rate` is 0", "more than 0"),
        (["-"], "need `--live`", "arecord"),
        (["{file}", "--rate", "8000"], "need `--live`", "arecord"),
        (["missing.wav", "--live"], "missing.wav", ""),
    ],
)
def test_misuse_is_explained(
    run: Run,
    live_bundle: Path,
    tone_manifest: Path,
    *,
    arguments: list[str],
    wrong: str,
    hint: str,
) -> None:
    file = str(recordings(tone_manifest)[0].audio)
    done = run("transcribe", live_bundle, *(each.format(file=file) for each in arguments))
    assert done.code in (1, 2)
    assert wrong in done.err
    assert hint in done.err
    assert done.out == ""


def test_a_bundle_that_cannot_hear_live_says_so(
    run: Run, tiny_bundle: Path, tone_manifest: Path
) -> None:
    done = run("transcribe", tiny_bundle, recordings(tone_manifest)[0].audio, "--live")
    assert done.code == 1
    assert "hears from both ends" in done.err
    assert "bidirectional = false" in done.err


def test_a_pipe_without_samples_is_an_error(live_bundle: Path) -> None:
    config = LiveConfig(bundle=live_bundle, recording=Path("-"))
    with pytest.raises(AudioError, match="-: no samples came") as caught:
        list(transcribe_live(config, pcm=io.BytesIO()))
    assert "16-bit" in str(caught.value.hint)


def test_a_pause_is_some_time(recognizer: Recognizer) -> None:
    with pytest.raises(ConfigError, match="`pause_seconds` is 0"):
        recognizer.stream(pause_seconds=0)


@pytest.mark.slow
def test_a_trained_model_makes_the_same_errors_live(tmp_path: Path) -> None:
    manifest = write_tone_corpus(tmp_path, {"train": 160, "dev": 20, "test": 40})
    schedule = {"updates": 500, "validate_every": 250, "save_every": 500, "log_every": 50}
    bundle = train(tiny_config(manifest, tmp_path / "run", **LIVE, schedule=schedule)).bundle
    recognizer = Recognizer.load(bundle, device="cpu")

    def pairs(*, live: bool) -> Iterator[tuple[str, str]]:
        for utterance in read_manifest(manifest, split="test"):
            whole = recognizer.transcribe(utterance.audio)
            heard = hear(recognizer, utterance.audio)[0][0] if live else whole
            yield utterance.text, heard.text

    assert list(pairs(live=True)) == list(pairs(live=False))
    wrong = sum(text != heard for text, heard in pairs(live=True))
    assert wrong <= 8
