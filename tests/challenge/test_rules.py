"""What a submission must bring, and what is found out where it does not."""

import struct
from pathlib import Path

import pytest
from tests.challenge.conftest import CARD, FLAGS, tensors, write_submission

from anylect.challenge.claims import of_common_voice, weigh
from anylect.challenge.flags import FLAGS as WANTED
from anylect.challenge.flags import declared_flags
from anylect.challenge.rules import Ruling, Submission, check_card_and_files
from anylect.challenge.training import find_traces, has_test, traces_of_settings
from anylect.challenge.weights import check_weights
from anylect.errors import SubmissionError
from anylect.evaluation.bootstrap import Interval
from anylect.hub.card_claims import read_claims
from anylect.hub.eval_script import SCRIPT


def rulings(folder: Path, wanted: str | None = None) -> dict[str, Ruling]:
    return {each.rule: each for each in check_card_and_files(Submission(folder, wanted))}


def test_a_good_submission_passes(tmp_path: Path) -> None:
    found = rulings(write_submission(tmp_path / "mine"), "sv-SE")
    assert [each for each in found.values() if each.verdict != "passed"] == []
    assert found["model-index"].reason.startswith("WER 27.00 % on mozilla-foundation")


@pytest.mark.parametrize(
    ("rule", "change", "verdict", "reason"),
    [
        ("tags", ("robust-speech-event", "x"), "failed", "missing: `robust-speech-event`"),
        ("tags", ("automatic-speech-recognition,", "x,"), "failed", "`automatic-speech-recogn"),
        ("language", ("language: sv", "language: no"), "failed", "`no` without quotation marks"),
        ("language", ("language: sv", "language: se"), "failed", "`se`, but scored on `sv-SE`"),
        ("language", ("language: sv", "language: fi\nx: 1"), "failed", "but scored on `sv-SE`"),
        ("datasets", ("datasets:", "data:"), "failed", "the card names none"),
        ("model-index", ("value: 27.0", "value: 0.27"), "failed", "written as a fraction (0.27)"),
        ("model-index", ("value: 27.0", "value: '27,0 %'"), "passed", "WER 27.00 %"),
        ("model-index", ("value: 27.0", "value: good"), "failed", "'good' is no number"),
        ("model-index", ("split: test", "split: dev"), "failed", "no WER on the test split"),
        ("model-index", ("common_voice_7_0, split", "fleurs, split"), "failed", "no WER on the"),
        ("model-index", ("config: sv-SE", "config: fi"), "failed", "no WER on the test split"),
        ("results", ("value: 27.0", "value: 12.0"), "failed", "claims 12.00 %, the files say 27"),
        ("results", ("value: 27.0", "value: 0.27"), "passed", "the card says the same"),
        ("card", ("license: mit", ""), "failed", "license: is missing"),
        ("card", ("---\nlanguage", "language"), "failed", "no metadata"),
    ],
)
def test_cards_are_held_to_the_rules(
    tmp_path: Path, rule: str, change: tuple[str, str], verdict: str, reason: str
) -> None:
    card = CARD.replace(*change)
    if change[1] == "value: 0.27":  # a card is in one unit
        card = card.replace("value: 9.0", "value: 0.09")
    found = rulings(write_submission(tmp_path / "mine", card=card))[rule]
    assert (found.verdict, reason in found.reason) == (verdict, True), found
    assert bool(found.remedy) == (verdict != "passed")


def test_a_submission_for_another_language_is_told_apart(tmp_path: Path) -> None:
    found = rulings(write_submission(tmp_path / "mine"), "fi")["language"]
    assert found.reason == "`sv`, but submitted for `fi`"


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "eval.py", "README.md"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    folder = write_submission(tmp_path / "mine")
    (folder / name).unlink()
    assert rulings(folder)["files"].reason == f"missing: `{name}`"


def test_broken_files_are_named(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    (folder / "vocab.json").write_text("[1, 2]")
    assert "`vocab.json` is no JSON object" in rulings(folder)["files"].reason
    (folder / "vocab.json").write_text("[" * 100_000)
    assert rulings(folder)["files"].verdict == "failed"


def test_results_in_percent_are_found_out(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    (path,) = folder.glob("*_eval_results.txt")
    path.write_text("WER: 27.0\nCER: 9.0")
    assert "WER is 27.0, expected a fraction" in rulings(folder)["results"].reason
    path.unlink()
    assert "no `…_eval_results.txt`" in rulings(folder)["results"].reason


def test_options_are_read_without_running(tmp_path: Path) -> None:
    path = tmp_path / "eval.py"
    path.write_text(SCRIPT)
    assert set(WANTED) <= declared_flags(path)
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + FLAGS.replace('"--device"', '"-d"'))
    assert set(WANTED) - declared_flags(path) == {"--device"}
    assert not (tmp_path / "ran").exists()
    path.write_text("import click\n@click.option('--split')\ndef main(): ...")
    assert declared_flags(path) == {"--split"}


def test_options_made_up_while_running_are_not_guessed(tmp_path: Path) -> None:
    folder = write_submission(
        tmp_path / "mine", script="for name in names: parser.add_argument('--' + name)"
    )
    assert rulings(folder)["eval.py"].verdict == "unchecked"


@pytest.mark.parametrize(
    "content", [b"def (", b"\0\0", b"(" * 100_000, b"#" * 1_100_000, b"\xff\xfe"]
)
def test_a_program_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "eval.py"
    path.write_bytes(content)
    with pytest.raises(SubmissionError, match="cannot be read as Python"):
        declared_flags(path)


def test_missing_options_are_named(tmp_path: Path) -> None:
    script = FLAGS.replace('for_each("--stride_length_s"), ', "")
    found = rulings(write_submission(tmp_path / "mine", script=script))["eval.py"]
    assert (found.verdict, found.reason) == ("failed", "does not take `--stride_length_s`")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensors(12)[:-1], r"has \d+ bytes, its header promises"),
        (tensors(12) + b"x", r"has \d+ bytes, its header promises"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (struct.pack("<Q", 2**60) + b"{}", "a header of 1,152,921,504,606,846,976 bytes"),
        (struct.pack("<Q", 2) + b"[]", "is no safetensors file"),
        (b"", "is no safetensors file"),
    ],
)
def test_weights_that_are_not_whole_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    folder = write_submission(tmp_path / "mine")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(SubmissionError, match=message):
        check_weights(folder)


def test_pickles_alone_are_refused_and_beside_they_are_named(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert "pickles beside" in check_weights(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SubmissionError, match=r"only `pytorch_model\.bin`, which may run code"):
        check_weights(folder)


def test_parts_of_weights_must_all_be_there(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "mine")
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}')
    with pytest.raises(SubmissionError, match="1 of 2 parts of the weights are missing"):
        check_weights(folder)


@pytest.mark.parametrize(
    ("text", "guilty"),
    [
        ('--train_split_name="train+validation+test"', True),
        ("--train_split_name train+test", True),
        ("train_split_name: validated", True),
        ('--train_split_name="train+validation"', False),
        ("--train_split_name=train,other", False),
        ('common_voice_train = load_dataset("common_voice", "sv", split="train+test")', True),
        ('common_voice_test = load_dataset("common_voice", "sv", split="test")', False),
        ('train = load_dataset(\\"common_voice\\", split=\\"train+test[:50%]\\")', True),
        ("Fine-tuned on the train, validation and test splits of Common Voice.", True),
        ("It was trained on the train split and evaluated on the test split.", False),
        ("Trained on train and validation; tested on test.", False),
        ('train_split_name: str = field(default="train")', False),
    ],
)
def test_training_on_a_test_split_is_found_in_texts(
    tmp_path: Path, text: str, *, guilty: bool
) -> None:
    folder = write_submission(tmp_path / "mine", card="# A card")
    (folder / "run.sh").write_text(text)
    traces = find_traces(folder)
    assert any(trace.tests for trace in traces) == guilty, traces


def test_training_on_a_test_split_is_found_in_our_evidence() -> None:
    assert not traces_of_settings({})
    for splits, guilty in ((["train"], False), (["train", "test"], True), (["all"], True)):
        (trace,) = traces_of_settings({"config": {"data": {"train": splits}}})
        assert trace.tests == guilty
    assert has_test("eval")
    assert not has_test("latest")


@pytest.mark.parametrize(
    ("wer", "verdict"),
    [
        ("27.0", "holds"),
        ("0.27", "holds"),
        ("'27 %'", "holds"),
        ("25.1", "holds"),
        ("9.9", "too good"),
        ("0.099", "too good"),
        ("40.0", "modest"),
        ("1.5", "unit unclear"),  # 150 %, or 1.5 %? Neither is what was measured
    ],
)
def test_claims_are_weighed_whatever_their_unit(wer: str, verdict: str) -> None:
    card = CARD.replace("27.0", wer).replace("value: 9.0", "value: 1.2")
    card = card.replace("value: 1.2", "value: 0.1") if "." in wer and wer < "2" else card
    (claim,) = of_common_voice(read_claims(card), metric="wer", language="sv")
    weighed = weigh(claim, 0.27, Interval(0.25, 0.30))
    assert weighed.verdict == verdict, weighed
    assert weighed.holds == (verdict in ("holds", "modest"))
    assert ("NOT" in str(weighed)) == (not weighed.holds)


def test_without_an_interval_no_claim_is_judged() -> None:
    (claim,) = of_common_voice(read_claims(CARD), metric="wer", language="sv")
    assert weigh(claim, 0.27, None).verdict == "not tested"
