"""pyctcdecode's documented examples, run against ours; expected values are those of 0.5.0."""

import logging
import multiprocessing
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import anylect.decoding as pyctcdecode
from anylect.decoding.language_model_folder import load_language_model
from anylect.decoding.pyctcdecode_input import build_columns
from anylect.errors import (
    AnylectError,
    BundleError,
    ConfigError,
    EmissionsError,
    HubError,
    LanguageModelError,
)
from anylect.lm.arpa import read_arpa
from anylect.lm.kenlm_binary import load_model, save_binary

GOLDEN = Path(__file__).parent / "golden"
THEIRS = GOLDEN / "pyctcdecode_folder"
ARPA = str(THEIRS / "language_model" / "toy.arpa")
LABELS = [" ", "b", "g", "n", "s", "u", "y", ""]
PIECES = ["▁bugs", "▁bun", "ny", ""]


def say(path: str, labels: list[str] = LABELS) -> NDArray[np.float64]:
    """One letter a frame, `-` is the blank."""
    return np.eye(len(labels))[[labels.index("" if x == "-" else x) for x in path]]


BUGS_OR_BUNNY = np.vstack([0.49 * say("bugs--") + 0.51 * say("bun-ny"), say(" "), say("bun-ny")])
LOGITS = np.log(np.clip(BUGS_OR_BUNNY, 1e-15, 1))


@pytest.fixture(scope="module")
def decoder() -> Any:
    return pyctcdecode.build_ctcdecoder(LABELS, ARPA)


def test_the_example_without_a_language_model() -> None:
    beams = pyctcdecode.build_ctcdecoder(LABELS).decode_beams(LOGITS)
    assert len(beams) == 16
    assert beams[0][0] == "bunny bunny"
    assert beams[0][1] is None
    assert beams[0][2] == [("bunny", (0, 6)), ("bunny", (7, 13))]
    assert beams[-1][2] == [("bugs", (0, 4)), ("bunny", (7, 13))]
    assert [beam[-1] for beam in (beams[0], beams[-1])] == pytest.approx(
        [-2.69337821305515, -2.853399551509947], rel=1e-6
    )


def test_the_example_with_a_language_model(decoder: Any) -> None:
    (beam,) = decoder.decode_beams(LOGITS)
    text, state, frames, logit_score, lm_score = beam
    assert text == beam.text == decoder.decode(LOGITS) == "bugs bunny"
    assert frames == [("bugs", (0, 4)), ("bunny", (7, 13))]
    assert (logit_score, lm_score) == pytest.approx(
        (-2.853399551509947, 0.14660044849005294), rel=1e-5
    )
    assert pickle.loads(pickle.dumps(state)) == state


@pytest.mark.parametrize(
    ("build", "call", "text"),
    [
        ({"alpha": 0.0}, {}, "bunny bunny"),
        ({"alpha": 1.0}, {}, "bugs bunny"),
        ({"alpha": 1.0, "unigrams": ["bunny"], "unk_score_offset": 0.0}, {}, "bugs bunny"),
        ({"alpha": 1.0, "unigrams": ["bunny"], "unk_score_offset": -10.0}, {}, "bunny bunny"),
        ({}, {"token_min_logp": 0.0}, "bunny bunny"),
        ({}, {"hotwords": ["bunny"], "hotword_weight": 20}, "bunny bunny"),
        ({}, {"hotwords": ["bugs", "bunny"], "hotword_weight": 20}, "bugs bunny"),
        ({}, {"hotwords": ["bugs bunny"], "hotword_weight": 20}, "bugs bunny"),
        ({"kenlm_model_path": None}, {"hotwords": ["bugs"]}, "bugs bunny"),
    ],
)
def test_weights_limits_and_hotwords(
    build: dict[str, Any], call: dict[str, Any], text: str
) -> None:
    decoder = pyctcdecode.build_ctcdecoder(LABELS, **({"kenlm_model_path": ARPA} | build))
    assert decoder.decode(LOGITS, **call) == text


def test_hotwords_are_part_of_the_score(decoder: Any) -> None:
    beams = decoder.decode_beams(LOGITS, hotwords=["bugs bunny"], hotword_weight=20.0)
    assert beams[0][-1] == pytest.approx(40.146600448490055, rel=1e-6)
    assert beams[0][-2] == pytest.approx(-2.853399551509947, rel=1e-6)


def test_labels_without_a_blank_have_one_appended() -> None:
    decoder = pyctcdecode.build_ctcdecoder(LABELS[:-1])
    assert decoder.decode(say("bun-ny")) == "bunny"


def test_sentence_pieces() -> None:
    logits = np.log(np.clip(np.eye(4)[[3, 0, 1, 2, 2, 3]], 1e-15, 1))
    (beam,) = pyctcdecode.build_ctcdecoder(PIECES, ARPA).decode_beams(logits)
    assert beam[0] == "bugs bunny"
    assert beam[2] == [("bugs", (1, 2)), ("bunny", (2, 5))]


def test_a_hotword_of_sentence_pieces_may_come_first() -> None:
    logits = np.log(np.clip(np.eye(4)[[3, 0, 1, 2, 2, 3]], 1e-15, 1))
    decoder = pyctcdecode.build_ctcdecoder(PIECES, ARPA)
    (plain,) = decoder.decode_beams(logits)
    (favoured,) = decoder.decode_beams(logits, hotwords=["bugs"], hotword_weight=7.0)
    assert favoured[-1] - plain[-1] == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["▁bug", "▁⁇▁", "ny"], "bug ⁇ ny"),
        (["▁", "ny"], "ny"),
        (["ny", "▁bug"], "ny bug"),
    ],
)
def test_marks_of_sentence_pieces_part_words(pieces: list[str], text: str) -> None:
    labels = ["<unk>", "▁bug", "ny", "▁", ""]
    columns = pyctcdecode.Alphabet.build_alphabet(labels).labels
    logits = np.log(np.clip(np.eye(5)[[columns.index(piece) for piece in pieces]], 1e-15, 1))
    beams = pyctcdecode.build_ctcdecoder(labels).decode_beams(logits)
    assert beams[0].text == text
    assert [word for word, _ in beams[0].text_frames] == text.split()


@pytest.mark.parametrize("kind", ["none", "threads", "processes"])
def test_batches_take_any_pool(decoder: Any, kind: str) -> None:
    pool: Any = None
    if kind == "threads":
        pool = ThreadPool(2)
    elif kind == "processes":
        pool = multiprocessing.get_context("spawn").Pool(1)
    batch = [LOGITS, LOGITS[7:]]
    texts = decoder.decode_batch(pool, batch)
    beams = decoder.decode_beams_batch(pool, batch, hotwords=iter(["bunny"]))
    if pool is not None:
        pool.terminate()
        pool.join()
    assert texts == ["bugs bunny", "bunny"]
    assert [len(found[0]) for found in beams] == [4, 4]
    assert [found[0][0] for found in beams] == [
        decoder.decode(logits, hotwords=["bunny"]) for logits in batch
    ]


def test_a_chunk_goes_on_where_the_last_one_ended(decoder: Any) -> None:
    first = decoder.decode_beams(say("bugs"))[0]
    alone = decoder.decode_beams(say("bun-ny"))[0]
    after = decoder.decode_beams(say("bun-ny"), lm_start_state=first[1])[0]
    # p(bunny | bugs) is 1, p(bunny | <s>) is 1e-10.
    assert after[-1] - alone[-1] == pytest.approx(0.5 * 10 * np.log(10), rel=1e-6)


def test_a_space_at_the_end_costs_an_unknown_word_as_it_does_there(decoder: Any) -> None:
    silent, spaced = (decoder.decode_beams(say(path))[0] for path in ("bugs-", "bugs "))
    assert silent[-1] - spaced[-1] > 5.0
    assert silent[3] == pytest.approx(spaced[3], abs=0.1)


def test_hotwords_that_are_unknown_words_are_not_punished(decoder: Any) -> None:
    plain = decoder.decode_beams(say("sun"))[0]
    favoured = decoder.decode_beams(say("sun"), hotwords=["sun"], hotword_weight=3.0)[0]
    assert favoured[-1] - plain[-1] == pytest.approx(3.0 + 0.5 * 10 * np.log(10), rel=1e-6)


def test_parameters_are_changed_while_tuning() -> None:
    tuned = pyctcdecode.build_ctcdecoder(LABELS, ARPA)
    tuned.reset_params(alpha=0, beta=2.0, unk_score_offset=-5.0, lm_score_boundary=False)
    assert tuned.decode(LOGITS) == "bunny bunny"
    tuned.reset_params(alpha=1.0, lm_score_boundary=True)
    assert tuned.decode(LOGITS) == "bugs bunny"
    # As `transformers` does it.
    setattr(tuned.model_container[tuned._model_key], "alpha", 0.0)  # noqa: B010
    assert tuned.decode(LOGITS) == "bunny bunny"
    with pytest.raises(ConfigError, match="`alpha` is '1'") as caught:
        tuned.reset_params(alpha="1")  # type: ignore[arg-type]
    assert caught.value.hint == "expected a number"


def test_a_language_model_is_built_by_hand(tmp_path: Path) -> None:
    save_binary(tmp_path / "toy.bin", read_arpa(Path(ARPA)))
    kenlm_model = SimpleNamespace(path=str(tmp_path / "toy.bin").encode())
    for given_model in (kenlm_model, str(tmp_path / "toy.bin"), load_model(Path(ARPA))):
        language_model = pyctcdecode.LanguageModel(given_model, ["bugs", "bunny"], alpha=1.0)
        alphabet = pyctcdecode.Alphabet.build_alphabet(LABELS)
        decoder = pyctcdecode.BeamSearchDecoderCTC(alphabet, language_model)
        assert decoder.decode(LOGITS) == "bugs bunny"


def test_a_language_model_scores_words() -> None:
    model = pyctcdecode.LanguageModel(ARPA, ["bugs", "bunny"], alpha=0.5, beta=1.5)
    score, state = model.score(model.get_start_state(), "bugs")
    assert score == pytest.approx(1.5)
    assert model.score(state, "bunny", is_last_word=True)[0] == pytest.approx(1.5)
    # An unknown word: -10 from the model and -10 of the offset, both log10.
    assert model.score(state, "sun")[0] == pytest.approx(1.5 - 0.5 * 20 * np.log(10))
    assert [model.score_partial_token(part) for part in ("bu", "bunny", "x", "x" * 12)] == [
        0.0, 0.0, -10.0, -20.0,
    ]  # fmt: skip
    assert model.order == 2


def test_what_pyctcdecode_saved_is_loaded_and_saved_again(tmp_path: Path) -> None:
    decoder = pyctcdecode.BeamSearchDecoderCTC.load_from_dir(str(THEIRS), "utf-8")
    (beam,) = decoder.decode_beams(LOGITS)
    assert beam[0] == "bugs bunny"
    assert beam[-1] == pytest.approx(-0.35339955150994706, rel=1e-6)
    decoder.save_to_dir(str(tmp_path / "saved"))
    for theirs in THEIRS.rglob("*.*"):
        ours = tmp_path / "saved" / theirs.relative_to(THEIRS)
        if theirs.name == "unigrams.txt":  # sentence marks are no words
            assert set(theirs.read_text().split()) - {"<s>", "</s>"} == set(
                ours.read_text().split()
            )
        else:
            assert ours.read_bytes() == theirs.read_bytes()
    again = pyctcdecode.BeamSearchDecoderCTC.load_from_hf_hub(str(tmp_path / "saved"))
    assert again.decode_beams(LOGITS) == [beam]
    assert load_language_model(tmp_path / "saved" / "language_model").words == ["bugs", "bunny"]


def test_a_decoder_without_a_language_model_is_an_alphabet(tmp_path: Path) -> None:
    pyctcdecode.build_ctcdecoder(LABELS).save_to_dir(str(tmp_path))
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / ".cache").mkdir()
    loaded = pyctcdecode.BeamSearchDecoderCTC.load_from_dir(str(tmp_path))
    assert loaded.decode(LOGITS) == "bunny bunny"
    assert loaded._alphabet.labels == LABELS
    (tmp_path / "config.json").touch()
    with pytest.raises(BundleError, match="has no `language_model`"):
        pyctcdecode.BeamSearchDecoderCTC.load_from_dir(str(tmp_path))


def test_names_are_where_pyctcdecode_has_them() -> None:
    assert pyctcdecode.constants.DEFAULT_BEAM_WIDTH == 100
    assert callable(pyctcdecode.build_ctcdecoder)
    assert pyctcdecode.language_model.LanguageModel is pyctcdecode.LanguageModel
    assert pyctcdecode.alphabet.Alphabet is pyctcdecode.Alphabet
    assert {"Alphabet", "build_ctcdecoder"} <= set(dir(pyctcdecode))
    with pytest.raises(AttributeError, match="no attribute `build_decoder`"):
        pyctcdecode.build_decoder  # noqa: B018


def test_the_processor_of_transformers_decodes_with_it(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers")
    lend_modules(monkeypatch)
    alphabet = pyctcdecode.alphabet.load_alphabet(tiny_bundle / "alphabet.json")
    language_model = pyctcdecode.LanguageModel(write_vowels(tmp_path))
    # Fails where the alphabet lacks a token of the tokenizer.
    processor = transformers.Wav2Vec2ProcessorWithLM(
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        tokenizer=transformers.AutoTokenizer.from_pretrained(tiny_bundle),
        decoder=pyctcdecode.BeamSearchDecoderCTC(alphabet, language_model),
    )
    labels = alphabet.labels
    logits = np.log(say("-a-e- -o-", labels) * 0.9 + 0.01)
    outputs = processor.batch_decode(logits[None], output_word_offsets=True, alpha=0.7, n_best=2)
    assert outputs.text[0][0] == "ae o"
    words = outputs.word_offsets[0][0]
    assert [(word["word"], word["start_offset"], word["end_offset"]) for word in words] == [
        ("ae", 1, 4),
        ("o", 7, 8),
    ]
    assert processor.language_model.alpha == 0.7
    assert processor.decode(logits, beam_width=5).text == "ae o"


def lend_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ours be found under pyctcdecode's name, until the test ends."""
    monkeypatch.setitem(sys.modules, "pyctcdecode", pyctcdecode)
    monkeypatch.setitem(sys.modules, "pyctcdecode.alphabet", pyctcdecode.alphabet)
    monkeypatch.setitem(sys.modules, "pyctcdecode.constants", pyctcdecode.constants)


def write_vowels(folder: Path) -> str:
    """Write a language model of two words in vowels."""
    text = Path(ARPA).read_text().replace("bugs", "ae").replace("bunny", "o")
    (folder / "vowels.arpa").write_text(text)
    return str(folder / "vowels.arpa")


def test_importing_a_decoder_does_not_import_the_others() -> None:
    code = "import sys, anylect.decoding.greedy; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "anylect.decoding.greedy" in done.stdout
    assert "numba" not in done.stdout
    assert "anylect.decoding.beam" not in done.stdout


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "from-pyctcdecode.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    lend_modules(monkeypatch)  # as the guide does, but for this test only
    save_binary(tmp_path / "lm.bin", read_arpa(Path(ARPA)))
    (tmp_path / "words.txt").write_text("bugs\nbunny\n")
    given: dict[str, Any] = {"labels": LABELS, "logits": LOGITS, "logits_list": [LOGITS, LOGITS]}
    for block in blocks:
        exec(compile(block, "from-pyctcdecode.md", "exec"), given)
    assert given["text"] == "bugs bunny"
    assert (tmp_path / "recogniser" / "language_model" / "lm.bin").is_file()


# ---------------------------------------------------------------- input


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "change",
    [
        lambda p: p,
        lambda p: np.log(np.clip(p, 1e-6, 1)),
        lambda p: np.log(np.clip(p, 1e-6, 1)) + 7.0,
    ],
    ids=["probabilities", "log-probabilities", "logits"],
)
def test_probabilities_logs_and_logits_say_the_same(
    kind: type[Any], change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    decoder = pyctcdecode.build_ctcdecoder(LABELS)
    beams = decoder.decode_beams(change(BUGS_OR_BUNNY).astype(kind))
    assert beams[0].text == "bunny bunny"
    assert beams[0].lm_score == pytest.approx(-2.693378, rel=0.02)


def test_two_blanks_are_one() -> None:
    labels = ["<pad>", "a", "[PAD]"]
    columns = build_columns(pyctcdecode.Alphabet.build_alphabet(labels))
    log_probs = columns.read(np.log([[0.25, 0.5, 0.25]]))
    assert np.exp(log_probs[0]) == pytest.approx([0.5, 0.5, 0.0])


@given(arrays.arrays(np.float32, (5, 8), elements=st.floats(-30, 30, width=32)))
def test_any_logits_become_log_probabilities(logits: NDArray[np.float32]) -> None:
    columns = build_columns(pyctcdecode.Alphabet(LABELS, False))
    log_probs = columns.read(logits)
    assert log_probs.dtype == np.float32
    assert np.exp(log_probs).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-4)
    # Adding a constant to a frame changes nothing, unless it looks like probabilities.
    assert columns.read(logits + 40) == pytest.approx(log_probs, abs=1e-3)


def spoilt(frame: int, value: float) -> NDArray[np.float64]:
    logits = LOGITS.copy()
    logits[frame] = value
    return logits


@pytest.mark.parametrize(
    ("logits", "message", "hint"),
    [
        (LOGITS[:, :7], "shape (13, 7), expected (frames, 8)", 'giving it the label `""`'),
        (LOGITS[:8].T[:, :5], "shape (8, 5), expected (frames, 8)", "frames are rows: transpose"),
        (LOGITS[None], "shape (1, 13, 8), expected (frames, 8)", "use `decode_batch`"),
        (LOGITS[:0], "shape (0, 8), expected at least one frame", "leave out empty utterances"),
        (spoilt(3, np.nan), "frame 3 of the logits has nan", "a diverged model"),
        (spoilt(4, np.inf), "frame 4 of the logits has inf", "a diverged model"),
        (spoilt(5, -np.inf), "frame 5 of the logits has -inf", "a diverged model"),
    ],
)
def test_bad_logits_are_refused(
    decoder: Any, logits: NDArray[np.float64], message: str, hint: str
) -> None:
    for decode in (decoder.decode, decoder.decode_beams):
        with pytest.raises(EmissionsError) as caught:
            decode(logits)
        assert message in caught.value.message
        assert hint in str(caught.value.hint)


def refuse_hub(decoder: Any) -> None:
    decoder.load_from_hf_hub("kensho/beamsearch_decoder_dummy")


def refuse_several_models(decoder: Any) -> None:
    pyctcdecode.MultiLanguageModel([decoder._language_model] * 2)


def refuse_words_of_another_script(decoder: Any) -> None:
    pyctcdecode.build_ctcdecoder(["", " ", "ა", "ბ"], ARPA)


def refuse_state_of_kenlm(decoder: Any) -> None:
    decoder.decode(LOGITS, lm_start_state=object())


def refuse_one_text_as_hotwords(decoder: Any) -> None:
    decoder.decode(LOGITS, hotwords="bugs")


def refuse_width(decoder: Any) -> None:
    decoder.decode(LOGITS, beam_width=0)


def refuse_other_object_as_model(decoder: Any) -> None:
    pyctcdecode.LanguageModel(3)


def refuse_missing_file(decoder: Any) -> None:
    pyctcdecode.build_ctcdecoder(LABELS, "nowhere.arpa")


def refuse_empty_folder(decoder: Any) -> None:
    decoder.load_from_dir(str(Path(__file__).parent / "nowhere"))


@pytest.mark.parametrize(
    ("act", "kind", "message", "hint"),
    [
        (refuse_hub, HubError, "kensho/beamsearch_decoder_dummy: no such", "snapshot_download"),
        (refuse_several_models, LanguageModelError, "2 language models at once", "lm mix"),
        (refuse_words_of_another_script, LanguageModelError, "can be spelled", "normalize"),
        (refuse_state_of_kenlm, LanguageModelError, "of type `object`", "`last_lm_state`"),
        (refuse_one_text_as_hotwords, ConfigError, "the text 'bugs'", "hotwords=[...]"),
        (refuse_width, ConfigError, "`width` is 0", ""),
        (refuse_other_object_as_model, LanguageModelError, "of type `int`", "`kenlm.Model`"),
        (refuse_missing_file, LanguageModelError, "nowhere.arpa", ""),
        (refuse_empty_folder, BundleError, "has no `alphabet.json`", "save_to_dir"),
    ],
)
def test_what_cannot_be_is_refused(
    decoder: Any, act: Callable[[Any], None], kind: type[AnylectError], message: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        act(decoder)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_folder_is_not_written_over(decoder: Any, tmp_path: Path) -> None:
    decoder.save_to_dir(str(tmp_path))
    with pytest.raises(BundleError, match="holds files already"):
        decoder.save_to_dir(str(tmp_path))


def test_a_decoder_that_was_cleaned_up_says_so() -> None:
    decoder = pyctcdecode.build_ctcdecoder(LABELS)
    decoder.clear_class_models()
    assert decoder.decode(say("bugs")) == "bugs"
    decoder.cleanup()
    with pytest.raises(LanguageModelError, match="was cleaned up"):
        decoder.decode(LOGITS)


def test_what_may_be_a_mistake_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    save_binary(tmp_path / "toy.bin", read_arpa(Path(ARPA)))
    with caplog.at_level(logging.WARNING):
        pyctcdecode.build_ctcdecoder(LABELS, str(tmp_path / "toy.bin"))
        pyctcdecode.build_ctcdecoder(LABELS, ARPA, ["bugs", "BUGS", "BUNNY", "FUNNY"])
        pyctcdecode.build_ctcdecoder(LABELS[1:]).decode(LOGITS[:, 1:], hotwords=["Bugs"])
    said = [record.message for record in caplog.records]
    assert said[0].startswith("no unigrams")
    assert said[1] == "unigrams have 11 characters, no label writes 7 of them: BFGNSUY"
    assert said[2].startswith("no label is a space")
    assert said[3] == "no labels spell these hotwords: Bugs"


def test_without_a_space_everything_is_one_word() -> None:
    decoder = pyctcdecode.build_ctcdecoder(LABELS[1:], ARPA)
    assert decoder.decode(say("bugsbun-ny")[:, 1:]) == "bugsbunny"
