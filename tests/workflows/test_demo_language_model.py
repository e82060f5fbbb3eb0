from pathlib import Path

import pytest

from anylect.data.manifest import read_manifest
from anylect.lm.kenlm_binary import load_model
from anylect.lm.origin import load_origin
from anylect.text.normalize import default_normalizer, save_normalizer
from anylect.workflows.demo import DemoConfig, build_language_model, speak_corpus
from anylect.workflows.lm_build import LmBuildConfig, open_corpus


@pytest.mark.parametrize("language", ["sw", "ko"])
def test_the_language_model_has_read_no_sentence_of_dev_or_test(
    tmp_path: Path, language: str
) -> None:
    config = DemoConfig(
        language=language,
        output=tmp_path,
        train_sentences=60,
        dev_sentences=3,
        test_sentences=5,
        lm_sentences=100_000,  # all there are
    )
    manifest = speak_corpus(config)
    (tmp_path / "bundle").mkdir()
    normalize = default_normalizer(language)
    save_normalizer(normalize, tmp_path / "bundle" / "normalizer.json")
    built = build_language_model(config, manifest, tmp_path / "bundle")
    origin = load_origin(built.output)
    assert origin is not None
    assert origin.normalizer_hash == normalize.hash
    assert origin.sentences > 2_000
    read = LmBuildConfig(
        text=tuple(map(Path, origin.text)),
        output=tmp_path / "lm.arpa",
        exclude=tuple(map(Path, origin.exclude)),
    )
    sentences = {
        line for block in open_corpus(read, normalize) for line in block.data.decode().split("\n")
    }
    held_out = {
        normalize(utterance.text)
        for split in ("dev", "test")
        for utterance in read_manifest(manifest, split=split)
    }
    assert len(held_out) == 8
    assert not sentences & held_out
    words = sorted({word for sentence in held_out for word in sentence.split()})
    assert (load_model(built.output).ids(words) > 0).all()
