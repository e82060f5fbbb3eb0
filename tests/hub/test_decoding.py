import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import Run

from anylect import Recognizer
from anylect.data.manifest import read_manifest
from anylect.decoding.beam import BeamDecoder
from anylect.decoding.beam_options import BeamOptions
from anylect.decoding.greedy import GreedyDecoder
from anylect.decoding.language_model_folder import save_language_model
from anylect.decoding.pyctcdecode import BeamSearchDecoderCTC
from anylect.errors import BundleError, LanguageModelError
from anylect.hub.bundle import load_bundle
from anylect.hub.decoding import Decoding, load_decoding, save_decoding
from anylect.lm.origin import load_origin, origin_path
from anylect.workflows.evaluate import decode_each
from anylect.workflows.lm_build import LmBuildConfig, build_lm

WORDS = ["aei", "oua", "iiu", "ea"]


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("aei oua iiu\noua ea aei\nea aei\n")
    build_lm(LmBuildConfig(text=(tmp_path / "text.txt",), output=tmp_path / "lm.bin"))
    return tmp_path / "lm.bin"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    decoding = Decoding(
        decoder="beam",
        beam=BeamOptions(alpha=0.7, beta=-1.0, width=30, search="open", min_token_log_prob=-7.0),
        language_model={"file": "lm.bin", "counts": [3, 4]},
        normalizer={"name": "ka-1", "hash": "abc"},
        tuning={"curve": [{"alpha": 0.5, "wer": 0.1}]},
        longest_heard=17.25,
        more={"of": "later versions"},
    )
    save_decoding(tmp_path, decoding)
    assert load_decoding(tmp_path) == decoding
    assert [path.name for path in tmp_path.iterdir()] == ["decoding.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"decoder": "wfst"}', '`decoder` is "wfst"'),
        ('{"beam": {"alhpa": 1}}', "`beam`: unknown key `alhpa`"),
        ('{"beam": {"alpha": -1}}', "`beam`: `alpha` is -1"),
        ('{"beam": {"width": "wide"}}', "`beam`: `width` is 'wide'"),
        ('{"beam": [1]}', r"`beam` is \[1\]"),
        ('{"tuning": "done"}', '`tuning` is "done"'),
        ("3", "it holds no object"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(bundle: Path, content: str, message: str) -> None:
    (bundle / "decoding.json").write_text(content)
    with pytest.raises(BundleError, match=f"decoding.json: .*{message}") as caught:
        load_bundle(bundle, device="cpu")
    assert caught.value.hint


def test_a_bundle_without_language_model_decodes_greedily(
    bundle: Path, tone_manifest: Path, run: Run, tmp_path: Path
) -> None:
    assert load_decoding(bundle).decoder == "auto"
    loaded = load_bundle(bundle, device="cpu")
    assert isinstance(loaded.decoder, GreedyDecoder)
    assert isinstance(loaded.decoder_with("none"), GreedyDecoder)
    recording = next(read_manifest(tone_manifest)).audio
    plain, none = (run("transcribe", bundle, recording, *how) for how in ((), ("--lm", "none")))
    assert plain == none
    assert none.code == 0
    done = run("evaluate", bundle, tone_manifest, "--lm", "none", "-o", tmp_path / "out")
    assert done.code == 0
    assert "greedy" in done.out


def test_a_folder_of_pyctcdecode_put_into_a_bundle_is_decoded_with(bundle: Path, lm: Path) -> None:
    save_language_model(
        bundle / "language_model", lm, words=WORDS, alpha=0.9, beta=0.3, scores_ends=False
    )
    decoder = load_bundle(bundle, device="cpu").decoder
    assert isinstance(decoder, BeamDecoder)
    assert (decoder.options.alpha, decoder.options.beta) == (0.9, 0.3)
    assert not decoder.options.scores_ends
    assert decoder.words == sorted(WORDS)
    assert BeamSearchDecoderCTC.load_from_dir(str(bundle)) is not None


def test_alphabet_json_is_what_pyctcdecode_makes_of_the_labels(bundle: Path) -> None:
    content = json.loads((bundle / "alphabet.json").read_text())
    assert content == {"labels": ["", "⁇", " ", *"aeiou"], "is_bpe": False}


def test_transcribing_says_only_words_of_the_given_model(
    bundle: Path, tone_manifest: Path, lm: Path, run: Run
) -> None:
    recording = next(read_manifest(tone_manifest)).audio
    heard = Recognizer.load(bundle, device="cpu", lm=lm).transcribe(recording)
    assert set(heard.text.split()) <= set(WORDS)
    done = run("transcribe", bundle, recording, "--lm", lm)
    assert done.out.strip() == heard.text
    assert run("transcribe", bundle, recording, "--lm", bundle).code == 1  # it has none


def test_where_the_folder_lists_no_words_the_model_s_own_are_taken(bundle: Path, lm: Path) -> None:
    save_language_model(bundle / "language_model", lm, words=[])
    decoder = load_bundle(bundle, device="cpu").decoder
    assert isinstance(decoder, BeamDecoder)
    assert decoder.is_closed
    assert sorted(decoder.words) == sorted(WORDS)


def test_a_damaged_model_is_named(bundle: Path, lm: Path) -> None:
    save_language_model(bundle / "language_model", lm, words=WORDS)
    path = bundle / "language_model" / "lm.bin"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LanguageModelError, match=r"lm\.bin"):
        _ = load_bundle(bundle, device="cpu").decoder


def test_decoding_in_threads_keeps_the_order(bundle: Path, tone_manifest: Path, lm: Path) -> None:
    from anylect.models.listening import emit_each

    loaded = load_bundle(bundle, device="cpu")
    decoder = loaded.decoder_with(lm)
    emitted = list(emit_each(loaded.model, read_manifest(tone_manifest)))
    alone = [(utterance.id, decoder.decode(heard)) for utterance, heard in emitted]  # type: ignore[arg-type]  # all readable
    for workers in (0, 1, 4):
        found = [(each.id, said) for each, said in decode_each(decoder, emitted, workers=workers)]
        assert found == alone


def test_the_origin_of_a_model_is_believed_only_for_that_model(lm: Path) -> None:
    origin = load_origin(lm)
    assert origin is not None
    assert (origin.unit, origin.sentences, origin.normalizer) == ("word", 3, None)
    lm.write_bytes(lm.read_bytes() + b"more")
    assert load_origin(lm) is None
    origin_path(lm).write_text('{"bytes": "many"}')
    with pytest.raises(LanguageModelError, match=r"lm\.bin\.json: cannot be read"):
        load_origin(lm)
