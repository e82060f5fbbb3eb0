"""A reference command line becomes the recipe that does the same, and nothing is lost on the way.

The scripts in `run_sh/` are published command lines: of the Robust Speech Event 2022
(transformers-research-projects, robust-speech-event/README.md), and of the README of
examples/pytorch/speech-recognition in transformers; the last one gathers what forks do.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.conftest import Run

from anylect.config import build_config, to_mapping
from anylect.errors import ConfigError
from anylect.workflows.run_sh import translate, translate_file
from anylect.workflows.run_sh_arguments import (
    DIRECT,
    FLAGS,
    KNOWN,
    LACKING,
    LISTS,
    NEEDLESS,
    WORKED_OUT,
    truth,
)
from anylect.workflows.run_sh_words import read_commands
from anylect.workflows.train import TrainConfig

HERE = Path(__file__).parent / "run_sh"
RECIPES = Path(__file__).parents[2] / "recipes"

EXPECTED: dict[str, dict[str, Any]] = {
    "xls-r-300m-sv.sh": {
        "model.checkpoint": "facebook/wav2vec2-xls-r-300m",
        "language": "sv-SE",
        "batches.max_utterances": 8,
        "batches.accumulation": 4,
        "batches.seconds": 160.0,
        "optimizer.learning_rate": 7.5e-5,
        "optimizer.clip_norm": 1.0,
        "schedule.epochs": 50.0,
        "schedule.precision": "fp16",
        "schedule.keep_checkpoints": 3,
        "schedule.ship": "last",
        "model.settings.attention_dropout": 0.0,
        "model.gradient_checkpointing": True,
        "data.train": ["train", "dev"],
        "data.dev": ["test"],
        "output": "run",
        "seed": 42,
    },
    "xls-r-ab-smoke.sh": {
        "schedule.updates": 10,
        "schedule.save_every": 5,
        "schedule.log_every": 500,
        "batches.max_utterances": 2,
        "batches.seconds": 40.0,
        "optimizer.warmup_updates": 0,
        "language": "ab",
    },
    "xlsr-53-tr-8-gpus.sh": {
        "model.checkpoint": "facebook/wav2vec2-large-xlsr-53",
        "batches.max_utterances": 4,
        "schedule.validate_every": 100,
        "push.repository": "wav2vec2-common_voice-tr-demo-dist",
        "push.when": "save",
        "push.private": False,
    },
    "xls-r-300m-tr-streaming.sh": {
        "schedule.updates": 5000,
        "data.max_duration": 20.0,
        "model.settings.mask_feature_prob": 0.1,
    },
    "mms-adapter-tr.sh": {
        "model.adapter": "tur",
        "model.settings.adapter_attn_dim": 16,
        "optimizer.learning_rate": 1e-3,
        "batches.max_utterances": 32,
    },
    "wav2vec2-base-100h.sh": {
        "model.checkpoint": "facebook/wav2vec2-base",
        "output": "./wav2vec2 base",
        "data.train": ["train"],
        "data.dev": ["dev"],
        "model.freeze_feature_encoder": True,
        "model.gradient_checkpointing": False,
        "model.settings.attention_dropout": 0.05,
        "optimizer.warmup_share": 0.1,
        "optimizer.clip_norm": float("inf"),
        "optimizer.kind": "adamw-8bit",
        "optimizer.schedule": "cosine",
        "schedule.ship": "best",
        "schedule.precision": "fp16",
        "tensorboard": True,
        "batches.workers": 4,
    },
}
LACKS: dict[str, set[str]] = {
    "xls-r-300m-sv.sh": {"overwrite_output_dir", "use_auth_token", "push_to_hub"},
    "xls-r-ab-smoke.sh": {"overwrite_output_dir", "use_auth_token", "push_to_hub"},
    "xlsr-53-tr-8-gpus.sh": set(),
    "xls-r-300m-tr-streaming.sh": {"tokenizer_name_or_path"},
    "mms-adapter-tr.sh": set(),
    "wav2vec2-base-100h.sh": {
        "dataset_config_name",
        "evaluation_strategy",
        "report_to",
        "--my_own_flag",
    },
}


START = "python run_speech_recognition_ctc.py --model_name_or_path facebook/wav2vec2-xls-r-300m"


def look_up(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values[name]
    return values


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_command_line_becomes_a_recipe(name: str) -> None:
    told = translate_file(HERE / name)
    for key, value in EXPECTED[name].items():
        assert look_up(told.values, key) == value, key
    assert {argument for argument, _ in told.unmatched} == LACKS[name]
    assert tomllib.loads(told.toml) == told.values
    for argument, reason in told.unmatched:
        assert f"#   {argument}: {reason}" in told.toml
    build_config(TrainConfig, tomllib.loads(told.toml))


@pytest.mark.parametrize(
    ("script", "recipe"),
    [
        ("xls-r-300m-sv.sh", "xls-r-300m-sv.toml"),
        ("mms-adapter-tr.sh", "mms-1b-adapter.toml"),
    ],
)
def test_our_recipes_are_what_the_published_command_lines_say(script: str, recipe: str) -> None:
    theirs = to_mapping(build_config(TrainConfig, translate_file(HERE / script).values))
    ours = to_mapping(
        build_config(TrainConfig, tomllib.loads((RECIPES / recipe).read_text(encoding="utf-8")))
    )
    for table in ("data", "model", "batches", "optimizer", "schedule", "augmentation"):
        assert ours[table] == theirs[table], table


def test_the_processes_of_the_launcher_are_told() -> None:
    eight = translate_file(HERE / "xlsr-53-tr-8-gpus.sh").toml
    assert "accelerate launch --num_processes 8 -m anylect train RECIPE" in eight
    two = translate_file(HERE / "wav2vec2-base-100h.sh").toml
    assert "accelerate launch --num_processes 2 -m anylect" in two
    by_accelerate = f"accelerate launch --num_processes=3 {START.removeprefix('python ')}"
    assert "--num_processes 3 -m" in translate(by_accelerate).toml
    assert "--num_processes" not in translate_file(HERE / "mms-adapter-tr.sh").toml


def test_how_to_prepare_the_corpus_is_told() -> None:
    told = translate(
        f"{START} --dataset_name kresnik/zeroth_korean "
        "--dataset_config_name clean --text_column_name=transcript"
    )
    assert (
        "# Download kresnik/zeroth_korean, then: anylect prepare DOWNLOADED -o data/clean "
        "--set 'reading.columns={text = \"transcript\"}'" in told.toml
    )
    assert ("dataset_config_name", "`clean` is no language's tag") in told.unmatched


VALUES: dict[str, st.SearchStrategy[list[str]]] = {
    **dict.fromkeys(FLAGS, st.sampled_from([[], ["True"], ["False"], ["yes"], ["0"]])),
    "model_name_or_path": st.just(["facebook/wav2vec2-xls-r-1b"]),
    "target_language": st.sampled_from([["tur"], ["swe"]]),
    "ctc_loss_reduction": st.sampled_from([["mean"], ["sum"]]),
    "min_duration_in_seconds": st.sampled_from([["0"], ["0.5"]]),
    "max_duration_in_seconds": st.sampled_from([["20"], ["6.0"]]),
    "dataset_name": st.just(["mozilla-foundation/common_voice_7_0"]),
    "dataset_config_name": st.sampled_from([["ab"], ["sv-SE"], ["clean"]]),
    "train_split_name": st.sampled_from([["train"], ["train+validation"], ["train[:10%]"]]),
    "eval_split_name": st.sampled_from([["test"], ["validation"], ["train"], ["other"]]),
    "audio_column_name": st.just(["audio"]),
    "text_column_name": st.just(["sentence"]),
    "chars_to_ignore": st.lists(st.sampled_from(list(",?.!-;:“%‘”�'")), min_size=1),
    "eval_metrics": st.lists(st.sampled_from(["wer", "cer", "mer"]), min_size=1, unique=True),
    "output_dir": st.sampled_from([["./"], ["out"], ["./a/b"]]),
    "unk_token": st.just(["[UNK]"]),
    "pad_token": st.just(["[PAD]"]),
    "word_delimiter_token": st.just(["|"]),
    "max_steps": st.sampled_from([["-1"], ["100"], ["1e3"]]),
    "lr_scheduler_type": st.sampled_from(
        [["linear"], ["cosine"], ["constant"], ["constant_with_warmup"], ["polynomial"]]
    ),
    "warmup_steps": st.sampled_from([["0"], ["500"], ["0.1"]]),
    "warmup_ratio": st.sampled_from([["0"], ["0.1"]]),
    "adam_beta1": st.just(["0.9"]),
    "adam_beta2": st.just(["0.98"]),
    "max_grad_norm": st.sampled_from([["0"], ["1.0"]]),
    "optim": st.sampled_from([["adamw_hf"], ["adamw_torch"], ["adamw_bnb_8bit"], ["adafactor"]]),
    **dict.fromkeys(
        ("logging_steps", "eval_steps", "save_steps"), st.sampled_from([["100"], ["0.1"]])
    ),
    **dict.fromkeys(
        ("evaluation_strategy", "eval_strategy", "save_strategy", "logging_strategy"),
        st.sampled_from([["no"], ["steps"], ["epoch"]]),
    ),
    "metric_for_best_model": st.sampled_from([["wer"], ["eval_wer"], ["loss"]]),
    "hub_model_id": st.just(["me/mine"]),
    "hub_strategy": st.sampled_from([["end"], ["every_save"], ["checkpoint"], ["all_checkpoints"]]),
    "push_to_hub_model_id": st.just(["mine"]),
    "push_to_hub_organization": st.just(["we"]),
    "report_to": st.sampled_from([["all"], ["none"], ["wandb"], ["tensorboard", "wandb"]]),
    "train_sampling_strategy": st.sampled_from([["random"], ["group_by_length"]]),
    "data_seed": st.sampled_from([["42"], ["7"]]),
    "dataloader_num_workers": st.just(["4"]),
}
for _name, (_, _reader) in DIRECT.items():
    VALUES.setdefault(_name, st.just(["3" if _reader is not float else "0.25"]))
for _name in (*NEEDLESS, *LACKING):
    VALUES.setdefault(_name, st.just(["value"]))


def test_every_argument_has_values_to_be_tried() -> None:
    assert set(VALUES) == set(KNOWN)


@st.composite
def command_lines(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from(sorted(KNOWN)), unique=True, max_size=25))
    return {name: draw(VALUES[name]) for name in ["model_name_or_path", *names]}


@settings(max_examples=60)
@given(arguments=command_lines(), joined=st.booleans())
@example(arguments={"model_name_or_path": ["m"], "logging_steps": ["0.1"]}, joined=False)
def test_every_argument_becomes_a_setting_or_is_named(
    arguments: dict[str, list[str]], *, joined: bool
) -> None:
    words = []
    for name, values in arguments.items():
        if joined and len(values) == 1 and name not in LISTS:
            words.append(f"--{name}='{values[0]}'")
        else:
            words += [f"--{name}", *(f"'{value}'" if value != "'" else '"\'"' for value in values)]
    told = translate(f"python run_speech_recognition_ctc.py {' '.join(words)}")
    needless = [name for name, _ in told.needless]
    unmatched = [name for name, _ in told.unmatched]
    accounted = {*told.matched, *needless, *unmatched}
    assert accounted == set(arguments)
    assert not set(told.matched) & {*needless, *unmatched}
    for name in (*needless, *unmatched):
        assert f"#   {name}: " in told.toml
    assert tomllib.loads(told.toml) == told.values
    build_config(TrainConfig, told.values)


def test_each_argument_stands_in_one_table() -> None:
    tables = [set(DIRECT), set(WORKED_OUT), set(NEEDLESS), set(LACKING)]
    assert sum(map(len, tables)) == len(KNOWN)


@pytest.mark.slow
def test_the_installed_library_has_no_argument_we_do_not_know() -> None:
    transformers = pytest.importorskip("transformers")
    fields = transformers.training_args.TrainingArguments.__dataclass_fields__
    assert set(fields) <= KNOWN


def test_what_only_a_shell_knows_is_told() -> None:
    told = translate(f"{START} --output_dir=$HOME/runs")
    assert told.values["output"] == "$HOME/runs"
    assert "# `$HOME/runs` is left as it is written" in told.toml


def test_arguments_may_stand_in_a_json_file(tmp_path: Path) -> None:
    arguments = {
        "model_name_or_path": "m",
        "learning_rate": 1e-4,
        "fp16": True,
        "eval_metrics": ["wer"],
        "cache_dir": None,
    }
    (tmp_path / "args.json").write_text(json.dumps(arguments))
    (tmp_path / "run.sh").write_text("python run_speech_recognition_ctc.py args.json\n")
    told = translate_file(tmp_path / "run.sh")
    assert told.values["optimizer"]["learning_rate"] == 1e-4
    assert told.values["schedule"]["precision"] == "fp16"
    assert not told.unmatched


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo hello", "run.sh: no command starts `run_speech_recognition_ctc.py`"),
        ("", "run.sh: no command starts"),
        ("python run_speech_recognition_seq2seq.py --fp16", "run.sh: no command starts"),
        ("python run_speech_recognition_ctc.py --fp16", "`--model_name_or_path` is not given"),
        (f"{START} --learning_rate fast", "a value cannot be used"),
        (f"{START} --learning_rate=-1", "`learning_rate` is -1.0"),
        ("python run_speech_recognition_ctc.py missing.json", "no arguments can be read"),
    ],
)
def test_what_cannot_be_translated_says_why(script: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        translate(script)
    assert message in caught.value.message
    assert caught.value.hint


def test_words_that_belong_to_no_argument_are_named() -> None:
    told = translate(f"{START} extra --fp16 --seed 1 2 --learning_rate")
    assert [name for name, _ in told.unmatched] == ["extra", "2", "--learning_rate without a value"]
    assert told.values["optimizer"]["learning_rate"] == 5e-5


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("a b\nc", [["a", "b"], ["c"]]),
        ("a \\\n b \\  \n c", [["a", "b", "c"]]),
        ("a 'b c' \"d 'e'\" f\\ g", [["a", "b c", "d 'e'", "f g"]]),
        ("a #b\n#c\nd#e", [["a"], ["d#e"]]),
        ("a; b && c | d > e 2>&1", [["a"], ["b"], ["c"], ["d"]]),
        ("X=1 Y='2 3'\na $X \"$Y\" ${Z:-4} $W '$X'", [["a", "1", "2 3", "4", "$W", "$X"]]),
        ("export X=1\na --b=$X", [["a", "--b=1"]]),
        ('a "" b', [["a", "", "b"]]),
        ('a \\; \\" “', [["a", ";", '"', "“"]]),
    ],
)
def test_words_are_cut_as_a_shell_cuts_them(script: str, words: list[list[str]]) -> None:
    assert read_commands(script) == words


@given(st.text())
def test_any_text_is_cut_into_words(script: str) -> None:
    assert all(read_commands(script))


@pytest.mark.parametrize(("text", "meaning"), [("True", True), ("", True), ("no", False)])
def test_flags_are_read_as_the_reference_reads_them(text: str, *, meaning: bool) -> None:
    assert truth(text) is meaning


def test_the_command_writes_a_recipe_and_names_what_is_missing(run: Run, tmp_path: Path) -> None:
    script, recipe = HERE / "xls-r-300m-sv.sh", tmp_path / "recipe.toml"
    done = run("train", "--from-run-sh", script, "-o", recipe)
    assert done.code == 0
    assert done.out == ""
    assert "no equivalent: push_to_hub: to where? set `push.repository`" in done.err
    assert recipe.read_text(encoding="utf-8") == translate_file(script).toml
    again = run("train", "--from-run-sh", script, "-o", recipe)
    assert again.code == 2
    assert "there is a file already" in again.err
    shown = run("train", "--from-run-sh", script)
    assert tomllib.loads(shown.out) == tomllib.loads(recipe.read_text(encoding="utf-8"))
