"""What the arguments of the reference script are here.

The reference is `run_speech_recognition_ctc.py` of transformers, from the names it had at the
Robust Speech Event of 2022 to those of transformers 5; besides its variants that learn adapters,
stream the data, or use bitsandbytes. Every argument stands in exactly one of four tables.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def truth(text: str) -> bool:
    """Read a flag's value as the reference does; a bare flag is true.

    Raises:
        ValueError: When the text is none.
    """
    known = {"true": True, "yes": True, "1": True, "": True, "false": False, "no": False}
    try:
        return (known | {"0": False, "t": True, "f": False, "y": True, "n": False})[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


def whole(text: str) -> int:
    """Read a whole number, which may be written as `5e2`.

    Raises:
        ValueError: When it is none.
    """
    number = float(text)
    if number != int(number):
        raise ValueError(text)
    return int(number)


Reader = Callable[[str], Any]

DIRECT: Mapping[str, tuple[str, Reader]] = MappingProxyType(
    {
        "model_name_or_path": ("model.checkpoint", str),
        "freeze_feature_encoder": ("model.freeze_feature_encoder", truth),
        "freeze_feature_extractor": ("model.freeze_feature_encoder", truth),
        "gradient_checkpointing": ("model.gradient_checkpointing", truth),
        "activation_checkpointing": ("model.gradient_checkpointing", truth),
        "target_language": ("model.adapter", str),
        **{
            name: (f"model.settings.{name}", float)
            for name in (
                *("attention_dropout", "activation_dropout", "feat_proj_dropout"),
                *("hidden_dropout", "final_dropout", "layerdrop"),
                *("mask_time_prob", "mask_feature_prob"),
            )
        },
        **{
            name: (f"model.settings.{name}", whole)
            for name in (
                *("mask_time_length", "mask_time_min_masks", "adapter_attn_dim"),
                *("mask_feature_length", "mask_feature_min_masks"),
            )
        },
        "ctc_loss_reduction": ("optimizer.loss_reduction", str),
        "ctc_zero_infinity": ("optimizer.zero_infinity", truth),
        "min_duration_in_seconds": ("data.min_duration", float),
        "max_duration_in_seconds": ("data.max_duration", float),
        "max_train_samples": ("data.train_utterances", whole),
        "max_eval_samples": ("schedule.validation_utterances", whole),
        "per_device_train_batch_size": ("batches.max_utterances", whole),
        "per_gpu_train_batch_size": ("batches.max_utterances", whole),
        "gradient_accumulation_steps": ("batches.accumulation", whole),
        "learning_rate": ("optimizer.learning_rate", float),
        "weight_decay": ("optimizer.weight_decay", float),
        "adam_epsilon": ("optimizer.epsilon", float),
        "num_train_epochs": ("schedule.epochs", float),
        "save_total_limit": ("schedule.keep_checkpoints", whole),
        "seed": ("seed", whole),
    }
)
"""Arguments that are one setting here: its key, and how the value is read."""

WORKED_OUT = frozenset(
    {
        *("dataset_name", "dataset_config_name", "train_split_name", "eval_split_name"),
        *("audio_column_name", "text_column_name", "chars_to_ignore", "eval_metrics"),
        *("output_dir", "add_adapter", "unk_token", "pad_token", "word_delimiter_token"),
        *("max_steps", "fp16", "bf16", "warmup_steps", "warmup_ratio", "lr_scheduler_type"),
        *("adam_beta1", "adam_beta2", "max_grad_norm", "optim", "adafactor"),
        *("logging_steps", "eval_steps", "save_steps", "evaluation_strategy", "eval_strategy"),
        *("save_strategy", "logging_strategy", "load_best_model_at_end", "metric_for_best_model"),
        *("push_to_hub", "hub_model_id", "hub_strategy", "hub_private_repo"),
        *("push_to_hub_model_id", "push_to_hub_organization", "report_to", "group_by_length"),
        *("train_sampling_strategy", "no_cuda", "use_cpu", "dataloader_num_workers", "data_seed"),
    }
)
"""Arguments that `run_sh_rules` works out, alone or together."""

_LOCAL = "nothing decoded or tokenized is written to disk"
_OURS = "always so here"
_SHOWN = "decides what is shown, not what is learnt"
_LAUNCHER = "the launcher says so"

NEEDLESS: Mapping[str, str] = MappingProxyType(
    {
        "do_train": _OURS,
        "do_eval": "`schedule.validate_every` decides",
        "length_column_name": "lengths come from the manifest",
        **dict.fromkeys(("overwrite_cache", "preprocessing_num_workers"), _LOCAL),
        "shuffle_buffer_size": "the whole manifest is shuffled",
        **dict.fromkeys(("log_level", "log_level_replica", "log_on_each_node", "run_name"), _SHOWN),
        **dict.fromkeys(("disable_tqdm", "verbose_logging", "skip_memory_metrics"), _SHOWN),
        **dict.fromkeys(("logging_first_step", "include_num_input_tokens_seen"), _SHOWN),
        **dict.fromkeys(("include_tokens_per_second", "prediction_loss_only"), _SHOWN),
        **dict.fromkeys(("eval_accumulation_steps", "batch_eval_metrics"), "scores are counted"),
        **dict.fromkeys(("eval_do_concat_batches", "include_for_metrics"), "scores are counted"),
        **dict.fromkeys(
            ("include_inputs_for_metrics", "eval_use_gather_object"), "scores are counted"
        ),
        "per_device_eval_batch_size": "batches of validation follow from their length",
        "per_gpu_eval_batch_size": "batches of validation follow from their length",
        **dict.fromkeys(("local_rank", "_n_gpu", "ddp_backend", "ddp_timeout"), _LAUNCHER),
        **dict.fromkeys(("ddp_bucket_cap_mb", "ddp_find_unused_parameters"), _LAUNCHER),
        **dict.fromkeys(("ddp_broadcast_buffers", "ddp_static_graph"), _LAUNCHER),
        **dict.fromkeys(("use_mps_device", "xpu_backend", "use_ipex"), "`device` takes the best"),
        **dict.fromkeys(
            ("remove_unused_columns", "label_names", "use_cache"), "a manifest has none"
        ),
        "dataloader_pin_memory": "decides no result",
        "dataloader_persistent_workers": "threads read ahead",
        "dataloader_prefetch_factor": "threads read ahead",
        "dataloader_multiprocessing_context": "threads read ahead",
        "dataloader_in_order": _OURS,
        "full_determinism": "order and augmentation always follow from the seed",
        "ignore_data_skip": "a resumed run goes on where it stood",
        "restore_callback_states_from_checkpoint": "a resumed run goes on where it stood",
        "greater_is_better": "less of a WER is better",
        "save_safetensors": _OURS,
        "save_on_each_node": "one process saves",
        "enable_jit_checkpoint": "a killed run loses little: `schedule.save_every`",
        "logging_nan_inf_filter": "updates that are not finite are counted in the journal",
        "average_tokens_across_devices": _OURS,
        "gradient_checkpointing_kwargs": _OURS,
        "activation_checkpointing_kwargs": _OURS,
        "fp16_backend": "`schedule.precision` decides",
        "half_precision_backend": "`schedule.precision` decides",
        "fp16_opt_level": "`schedule.precision` decides",
        "hub_always_push": "a push under way is never waited for",
        "use_legacy_prediction_loop": _OURS,
        "ray_scope": "no search of settings",
        "past_index": "CTC has no past",
        "debug": _SHOWN,
    }
)
"""Arguments that ask for what is so anyway, or that decide no result; and why."""

_SECRET = "secrets do not belong into recipes; `hf auth login` or HF_TOKEN"
_ENGINE = "set up by `accelerate config` and `accelerate launch`"
_COMPILE = "models are not compiled"

LACKING: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("use_auth_token", "token", "hub_token", "push_to_hub_token"), _SECRET),
        "tokenizer_name_or_path": "the vocabulary is built from the transcripts",
        "config_name": "the checkpoint's own configuration is taken; see `model.settings`",
        "feature_extractor_name": "the checkpoint's own is taken",
        "cache_dir": "set HF_HOME to move the library's cache",
        "trust_remote_code": "code from repositories is never run",
        "phoneme_language": "phones as labels are not supported yet",
        "overwrite_lang_vocab": "each bundle has one language and its vocabulary",
        "preprocessing_only": "nothing is preprocessed; see `anylect train --dry-run`",
        "overwrite_output_dir": "a run folder is never overwritten; choose another `output`",
        "resume_from_checkpoint": "`anylect train --resume` continues a run",
        "do_predict": "`anylect evaluate` scores a bundle",
        "logging_dir": "curves go to `tensorboard/` in the run folder",
        "auto_find_batch_size": "memory follows `batches.seconds`; choose less",
        "label_smoothing_factor": "not supported",
        "neftune_noise_alpha": "not supported",
        "optim_args": "not supported",
        "optim_target_modules": "not supported",
        "lr_scheduler_kwargs": "`optimizer.final_fraction` is all there is",
        "dataloader_drop_last": "no utterance is dropped",
        "eval_delay": "not supported",
        "eval_on_start": "`anylect evaluate` scores a checkpoint",
        "save_only_model": "a checkpoint always has what it takes to resume",
        "hub_revision": "pushes go to the repository's main branch",
        "tf32": "not supported; see `schedule.precision`",
        **dict.fromkeys(("bf16_full_eval", "fp16_full_eval"), "validation runs in fp32"),
        **dict.fromkeys(("torch_compile", "torch_compile_backend", "torch_compile_mode"), _COMPILE),
        **dict.fromkeys(("torchdynamo", "jit_mode_eval"), _COMPILE),
        **dict.fromkeys(("use_liger_kernel", "liger_kernel_config"), "not for CTC models"),
        "torch_empty_cache_steps": "not supported",
        **dict.fromkeys(("sharded_ddp", "fsdp", "fsdp_config", "deepspeed"), _ENGINE),
        **dict.fromkeys(("fsdp_min_num_params", "accelerator_config", "tp_size"), _ENGINE),
        **dict.fromkeys(("fsdp_transformer_layer_cls_to_wrap", "parallelism_config"), _ENGINE),
        **dict.fromkeys(("dispatch_batches", "split_batches", "mp_parameters"), _ENGINE),
        **dict.fromkeys(("tpu_num_cores", "tpu_metrics_debug"), "TPUs are not supported"),
        **dict.fromkeys(
            ("project", "trackio_space_id"), "figures go to the journal and TensorBoard"
        ),
        **dict.fromkeys(("trackio_bucket_id", "trackio_static_space_id"), "as `report_to`"),
    }
)
"""Arguments without an equivalent; and what there is instead."""

FLAGS = frozenset(
    {name for name, (_, reader) in DIRECT.items() if reader is truth}
    | {"add_adapter", "fp16", "bf16", "adafactor", "load_best_model_at_end", "push_to_hub"}
    | {"group_by_length", "no_cuda", "use_cpu", "hub_private_repo"}
    | {"do_train", "do_eval", "do_predict", "overwrite_cache", "overwrite_output_dir"}
    | {"use_auth_token", "trust_remote_code", "overwrite_lang_vocab", "preprocessing_only"}
    | {"logging_first_step", "disable_tqdm", "verbose_logging", "skip_memory_metrics"}
    | {"dataloader_drop_last", "dataloader_pin_memory", "full_determinism", "ignore_data_skip"}
    | {"torch_compile", "tf32", "save_only_model", "eval_on_start", "auto_find_batch_size"}
)
"""Arguments that may stand without a value."""

LISTS = frozenset({"chars_to_ignore", "eval_metrics", "report_to", "label_names", "debug"})
"""Arguments that take every word up to the next argument."""

KNOWN = frozenset({*DIRECT, *WORKED_OUT, *NEEDLESS, *LACKING})
"""Every argument of the reference."""
