"""Arguments of the reference script that are no single setting: each rule works out a few.

A rule is told what was given, sets what follows in a draft, and says of each argument whether it
was needless or has no equivalent. Defaults of the reference that are not ours are set as well, so
that the recipe is what the script would have done.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from anylect.data.splits import SPLITS, find_split
from anylect.errors import ConfigError
from anylect.text.normalize import default_normalizer
from anylect.workflows.run_sh_arguments import truth, whole

DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(("attention_dropout", "activation_dropout", "feat_proj_dropout"), "0.0"),
    **dict.fromkeys(("hidden_dropout", "final_dropout", "layerdrop"), "0.0"),
    "mask_time_prob": "0.05",
    "mask_time_length": "10",
    "mask_feature_prob": "0.0",
    "mask_feature_length": "10",
    "ctc_loss_reduction": "mean",
    "min_duration_in_seconds": "0.0",
    "max_duration_in_seconds": "20.0",
    "per_device_train_batch_size": "8",
    "learning_rate": "5e-5",
    "weight_decay": "0.0",
    "adam_epsilon": "1e-8",
    "num_train_epochs": "3.0",
    "seed": "42",
}
"""What the reference does where its command line says nothing, and we would do otherwise."""

ADAPTER_DEFAULTS: Mapping[str, str] = {
    name: value
    for name, value in DEFAULTS.items()
    if name not in ("attention_dropout", "activation_dropout", "feat_proj_dropout")
    and name != "hidden_dropout"
} | {"adapter_attn_dim": "16", "target_language": "adapter"}
"""The same of the script that learns adapters, which leaves the encoder's dropouts alone."""

Given = Mapping[str, Sequence[str]]
"""Words given for each argument, by its name without dashes."""


@dataclass
class Draft:
    """A recipe in the making."""

    values: dict[str, Any] = field(default_factory=dict)
    needless: list[tuple[str, str]] = field(default_factory=list)
    lacking: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What to do besides, for the head of the recipe."""

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401  TOML values
        """Set a setting such as `optimizer.learning_rate`."""
        *tables, last = key.split(".")
        table = self.values
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value


def apply_rules(given: Given, draft: Draft, *, script: str) -> None:
    """Apply every rule."""
    for rule in RULES:
        rule(given, draft)
    if "bnb" in script:
        draft.set("optimizer.kind", "adamw-8bit")


def _one(given: Given, name: str, default: str = "") -> str:
    """Return an argument's value; of a bare flag the empty text."""
    return " ".join(given[name]) if name in given else default


def _is_set(given: Given, name: str) -> bool:
    return name in given and truth(_one(given, name))


def _data(given: Given, draft: Draft) -> None:
    name, config = _one(given, "dataset_name"), _one(given, "dataset_config_name")
    folder = PurePosixPath(config or name or "corpus").name
    draft.set("manifest", f"data/{folder}/manifest.jsonl")
    language = f" --language {config}" if _is_language(config) else ""
    if language:
        draft.set("language", config)
    elif config:
        draft.lacking.append(("dataset_config_name", f"`{config}` is no language's tag"))
    columns = {
        ours: _one(given, theirs)
        for ours, theirs in (("audio", "audio_column_name"), ("text", "text_column_name"))
        if theirs in given
    }
    named = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
    reading = (
        f" --set 'reading.columns={{{named}}}'" if named and not _is_common_voice(name) else ""
    )
    draft.notes.append(
        f"Download {name or 'the corpus'}, then: "
        f"anylect prepare DOWNLOADED -o data/{folder}{language}{reading}"
    )


def _is_common_voice(name: str) -> bool:
    return "common_voice" in name


def _is_language(text: str) -> bool:
    return bool(re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", text))


def _splits(given: Given, draft: Draft) -> None:
    sides = {}
    for side, name, default in (
        ("train", "train_split_name", "train+validation"),
        ("dev", "eval_split_name", "test"),
    ):
        parts = [part.strip() for part in _one(given, name, default).split("+")]
        known = [str(find_split(re.split(r"[\[.]", part)[0])) for part in parts]
        if any("[" in part for part in parts):
            draft.lacking.append((name, "slices; see `data.train_utterances`"))
        if strange := sorted(set(known) - set(SPLITS)):
            draft.lacking.append(
                (name, f"`{strange[0]}`: a manifest's splits are {', '.join(SPLITS)}")
            )
        sides[side] = list(dict.fromkeys(split for split in known if split in SPLITS)) or [side]
    if shared := [split for split in sides["train"] if split in sides["dev"]]:
        name = "train_split_name" if "train_split_name" in given else "eval_split_name"
        draft.lacking.append((name, f"`{shared[0]}` is scored on, so not learnt from"))
        sides["train"] = [split for split in sides["train"] if split not in shared] or ["train"]
        sides["dev"] = [split for split in sides["dev"] if split not in sides["train"]] or ["dev"]
    draft.set("data.train", sides["train"])
    draft.set("data.dev", sides["dev"])


def _texts(given: Given, draft: Draft) -> None:
    config = _one(given, "dataset_config_name")
    try:
        normalizer = default_normalizer(config if _is_language(config) else None)
    except ConfigError:
        normalizer = default_normalizer(None)
    if "chars_to_ignore" in given:
        marks = [mark.lstrip("\\") or mark for mark in given["chars_to_ignore"]]
        kept = [mark for mark in marks if mark and mark in normalizer(f"a{mark}a {mark} a")]
        if kept:
            reason = f"normalizer {normalizer.name} keeps {' '.join(kept)} where they spell words"
            draft.lacking.append(("chars_to_ignore", reason))
        else:
            draft.needless.append(
                ("chars_to_ignore", f"normalizer {normalizer.name} leaves none of them")
            )
    metrics = [metric for metric in given.get("eval_metrics", ()) if metric not in ("wer", "cer")]
    if metrics:
        draft.lacking.append(("eval_metrics", f"{', '.join(metrics)}; WER and CER are counted"))
    elif "eval_metrics" in given:
        draft.needless.append(("eval_metrics", "WER and CER are always counted"))
    for name in ("unk_token", "pad_token", "word_delimiter_token"):
        if name in given:
            draft.needless.append((name, "special tokens decide no result"))


def _batches(given: Given, draft: Draft) -> None:
    size = draft.values["batches"]["max_utterances"]
    draft.set("batches.seconds", float(size * draft.values["data"]["max_duration"]))
    strategy = _one(given, "train_sampling_strategy")
    if _is_set(given, "group_by_length") or strategy == "group_by_length":
        name = "group_by_length" if "group_by_length" in given else "train_sampling_strategy"
        draft.needless.append((name, "batches are always grouped by length"))
    elif "train_sampling_strategy" in given or "group_by_length" in given:
        name = "train_sampling_strategy" if strategy else "group_by_length"
        draft.lacking.append((name, "batches are always grouped by length"))
    if "dataloader_num_workers" in given:
        draft.set("batches.workers", whole(_one(given, "dataloader_num_workers")))
    if "data_seed" in given and _one(given, "data_seed") != _one(given, "seed", "42"):
        draft.lacking.append(("data_seed", "`seed` decides order and weights"))
    elif "data_seed" in given:
        draft.needless.append(("data_seed", "the same as `seed`"))


def _updates(given: Given, draft: Draft) -> None:
    if whole(_one(given, "max_steps", "-1")) > 0:
        draft.set("schedule.updates", whole(_one(given, "max_steps")))
        del draft.values["schedule"]["epochs"]
    elif "max_steps" in given:
        draft.needless.append(("max_steps", "not positive: `schedule.epochs` decides"))
    halves = [name for name in ("fp16", "bf16") if _is_set(given, name)]
    draft.set("schedule.precision", halves[0] if halves else "fp32")
    every = _one(given, "logging_steps", "500")
    _cadence("logging_steps", every, "schedule.log_every", draft)
    said = "eval_steps" if "eval_steps" in given else "logging_steps"
    _cadence(said, _one(given, "eval_steps", every), "schedule.validate_every", draft)
    _cadence("save_steps", _one(given, "save_steps", "500"), "schedule.save_every", draft)
    for name in ("evaluation_strategy", "eval_strategy", "save_strategy", "logging_strategy"):
        if name in given and _one(given, name) != "steps":
            reason = f"`{_one(given, name)}`; see `schedule.validate_every` and `save_every`"
            draft.lacking.append((name, reason))
        elif name in given:
            draft.needless.append((name, "always by updates"))


def _cadence(name: str, text: str, key: str, draft: Draft) -> None:
    """Set a number of updates, given as such or as a share of all updates."""
    number = float(text)
    updates = draft.values["schedule"].get("updates")
    if number >= 1:
        draft.set(key, whole(text))
    elif updates:
        draft.set(key, max(1, round(number * updates)))
    elif name not in dict(draft.lacking):
        draft.lacking.append((name, f"a share ({text}) of a number of updates not known yet"))


def _shipping(given: Given, draft: Draft) -> None:
    is_best = _is_set(given, "load_best_model_at_end")
    draft.set("schedule.ship", "best" if is_best else "last")
    metric = _one(given, "metric_for_best_model").removeprefix("eval_")
    if metric and metric != "wer":
        draft.lacking.append(("metric_for_best_model", f"`{metric}`; the best WER decides"))
    elif metric:
        draft.needless.append(("metric_for_best_model", "the best WER decides"))


_SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
}
_ADAMW = ("adamw_hf", "adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "adamw_torch_xla")
_8BIT = ("adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit")


def _optimizer(given: Given, draft: Draft) -> None:
    kind = _one(given, "optim", "adamw_torch")
    draft.set("optimizer.kind", "adamw-8bit" if kind in _8BIT else "adamw")
    if kind not in (*_ADAMW, *_8BIT):
        draft.lacking.append(("optim", f"`{kind}`; there is AdamW, also with 8-bit moments"))
    if _is_set(given, "adafactor"):
        draft.lacking.append(("adafactor", "there is AdamW, also with 8-bit moments"))
    elif "adafactor" in given:
        draft.needless.append(("adafactor", "not asked for"))
    betas = [_one(given, "adam_beta1", "0.9"), _one(given, "adam_beta2", "0.999")]
    draft.set("optimizer.betas", [float(beta) for beta in betas])
    norm = float(_one(given, "max_grad_norm", "1.0"))
    draft.set("optimizer.clip_norm", norm if norm > 0 else float("inf"))


def _learning_rate(given: Given, draft: Draft) -> None:
    schedule = _one(given, "lr_scheduler_type", "linear")
    draft.set("optimizer.schedule", _SCHEDULES.get(schedule, "linear"))
    if schedule not in _SCHEDULES:
        draft.lacking.append(
            ("lr_scheduler_type", f"`{schedule}`; there are {', '.join(_SCHEDULES)}")
        )
    steps, share = float(_one(given, "warmup_steps", "0")), _one(given, "warmup_ratio", "0")
    if schedule == "constant":
        steps, share = 0.0, "0"
        for name in ("warmup_steps", "warmup_ratio"):
            if name in given:
                draft.needless.append((name, "a constant rate has no warm-up"))
    draft.set("optimizer.warmup_updates", int(steps) if steps >= 1 else 0)
    if 0 < steps < 1:
        share = str(steps)
    if steps < 1 and float(share) > 0:
        draft.set("optimizer.warmup_share", float(share))
    elif "warmup_ratio" in given and schedule != "constant":
        draft.needless.append(("warmup_ratio", "`warmup_steps` decides"))


_STRATEGIES = {
    "end": ("end", "none"),
    "every_save": ("save", "none"),
    "checkpoint": ("save", "last"),
    "all_checkpoints": ("save", "all"),
}


def _pushing(given: Given, draft: Draft) -> None:
    names = [
        name
        for name in (
            *("hub_model_id", "hub_strategy", "hub_private_repo"),
            *("push_to_hub_model_id", "push_to_hub_organization"),
        )
        if name in given
    ]
    if not _is_set(given, "push_to_hub"):
        told = [*names, *(["push_to_hub"] if "push_to_hub" in given else [])]
        draft.needless.extend((name, "nothing is pushed") for name in told)
        return
    folder = PurePosixPath(_one(given, "output_dir", ".")).name
    model = _one(given, "hub_model_id") or _one(given, "push_to_hub_model_id") or folder
    owner = _one(given, "push_to_hub_organization")
    if not model:
        draft.lacking.append(("push_to_hub", "to where? set `push.repository`"))
        return
    draft.set("push.repository", f"{owner}/{model}" if owner and "/" not in model else model)
    when, checkpoints = _STRATEGIES.get(_one(given, "hub_strategy", "every_save"), ("save", "none"))
    draft.set("push.when", when)
    draft.set("push.checkpoints", checkpoints)
    draft.set("push.private", _is_set(given, "hub_private_repo"))


def _watching(given: Given, draft: Draft) -> None:
    if "report_to" not in given:
        return
    boards = set(given["report_to"])
    draft.set("tensorboard", bool(boards & {"tensorboard", "all"}))
    if others := sorted(boards - {"tensorboard", "all", "none"}):
        draft.lacking.append(("report_to", f"{', '.join(others)}; there is TensorBoard"))


def _places(given: Given, draft: Draft) -> None:
    output = _one(given, "output_dir", "run")
    draft.set("output", "run" if PurePosixPath(output) == PurePosixPath(".") else output)
    asked = [name for name in ("no_cuda", "use_cpu") if name in given]
    if any(_is_set(given, name) for name in asked):
        draft.set("device", "cpu")
    else:
        draft.needless.extend((name, "`device` takes the best there is") for name in asked)
    if _is_set(given, "add_adapter"):
        draft.set("model.settings.add_adapter", True)
    elif "add_adapter" in given:
        draft.needless.append(("add_adapter", "not asked for"))


RULES: tuple[Callable[[Given, Draft], None], ...] = (
    *(_data, _splits, _texts, _batches, _updates, _shipping),
    *(_optimizer, _learning_rate, _pushing, _watching, _places),
)
