"""Fine-tune as the script of `transformers` for CTC does; the peer of `anylect train`.

    python benchmarks/workers/trainer.py job.json

Ours in wording, `examples/pytorch/speech-recognition/run_speech_recognition_ctc.py` of
transformers in what happens:

- the script: all recordings are decoded, resampled and normalized by `Dataset.map`, whose Arrow
  cache is the corpus from then on; utterances of 20 s and more are left out; a collator pads
  with the processor; the convolutions are frozen; dropouts and layerdrop 0, `mask_time_prob` 0.05;
- its README ("Single GPU CTC"): 16 utterances a batch, 2 batches an update, grouped by length (by
  the Trainer's own function, over all durations; of that epoch some updates are done), rate
  3e-4, 500 updates of warm-up;
- `TrainingArguments`' own defaults: fused AdamW, no worker processes, gradients clipped at 1;
- not as published: fp32 instead of fp16 (a processor), no gradient checkpointing (neither side:
  memory is not short), neither evaluation nor checkpoints (they fall outside what is timed);
  soundfile and soxr decode, for `datasets` wants torchcodec.

`benchmarks/training.py` writes the job and reads the JSON this prints last.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import soundfile
import soxr
import torch
from torch.utils.data import SequentialSampler
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCTC,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2Processor,
    set_seed,
)
from transformers.trainer_pt_utils import get_length_grouped_indices

Row = dict[str, Any]
LONGEST = 20.0
RATE = 16_000


def read_corpus(manifest: Path, folder: Path, *, updates: int, batch: int) -> datasets.Dataset:
    """Read so many updates of the training split; nothing is decoded yet.

    They are spread evenly over the epoch that the Trainer's grouping by length would make of the
    whole split, from its longest to its shortest batches, and stand in its order.
    """
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line["split"] == "train"]
    order = get_length_grouped_indices([line["duration"] for line in lines], batch)
    starts = range(0, len(order) - batch + 1, batch)
    chosen = [starts[number * len(starts) // updates] for number in range(updates)]
    rows = [lines[index] for start in chosen for index in order[start : start + batch]]
    table = folder / "corpus.jsonl"
    with table.open("w", encoding="utf-8") as file:
        for row in rows:
            place = str(manifest.parent / row["audio"])
            file.write(json.dumps({"path": place, "text": row["text"].lower() + " "}) + "\n")
    return datasets.load_dataset("json", data_files=str(table), split="train")


class InOrder(Trainer):  # type: ignore[misc]  # untyped
    """Takes the rows as `read_corpus` put them."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:  # noqa: ANN401
        return SequentialSampler(train_dataset)


def build_processor(texts: list[str], encoder: Path, folder: Path) -> Wav2Vec2Processor:
    """Make a tokenizer of the characters there are, beside the encoder's feature extractor."""
    characters = sorted(set().union(*texts) - {" "})
    names = ["|", *characters, "[UNK]", "[PAD]"]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({name: number for number, name in enumerate(names)}))
    tokenizer = Wav2Vec2CTCTokenizer(
        str(vocabulary), unk_token="[UNK]", pad_token="[PAD]", word_delimiter_token="|"
    )
    return Wav2Vec2Processor(AutoFeatureExtractor.from_pretrained(encoder), tokenizer)


def preprocess(corpus: datasets.Dataset, processor: Wav2Vec2Processor) -> datasets.Dataset:
    """Decode everything into the cache."""

    def prepare(row: Row) -> Row:
        samples, rate = soundfile.read(row["path"], dtype="float32", always_2d=True)
        samples = samples.mean(axis=1)
        if rate != RATE:
            samples = soxr.resample(samples, rate, RATE)
        values = processor.feature_extractor(samples, sampling_rate=RATE).input_values[0]
        labels = processor.tokenizer(row["text"]).input_ids
        return {"input_values": values, "input_length": len(values), "labels": labels}

    decoded = corpus.map(prepare, remove_columns=corpus.column_names)
    return decoded.filter(lambda length: length < LONGEST * RATE, input_columns=["input_length"])


@dataclass
class Collator:
    """Pads waveforms and labels, and remembers what a batch held."""

    processor: Wav2Vec2Processor
    held: list[tuple[int, int, int]] = field(default_factory=list)
    """Utterances, samples, samples with padding, of every batch."""

    def __call__(self, rows: list[Row]) -> Row:
        inputs = [{"input_values": row["input_values"]} for row in rows]
        batch = self.processor.feature_extractor.pad(inputs, padding="longest", return_tensors="pt")
        labels = self.processor.tokenizer.pad(
            [{"input_ids": row["labels"]} for row in rows], padding="longest", return_tensors="pt"
        )
        batch["labels"] = labels["input_ids"].masked_fill(labels["attention_mask"] != 1, -100)
        heard = sum(len(row["input_values"]) for row in rows)
        self.held.append((len(rows), heard, batch["input_values"].numel()))
        return dict(batch)


class Clock(TrainerCallback):  # type: ignore[misc]  # untyped
    """Notes when each update is done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  of all callbacks
        self.times.append(time.time())


def build_model(processor: Wav2Vec2Processor, encoder: Path) -> Any:  # noqa: ANN401
    """Take the encoder, as the script sets it up."""
    config = AutoConfig.from_pretrained(encoder)
    config.update(
        {
            **dict.fromkeys(
                ("feat_proj_dropout", "attention_dropout", "hidden_dropout", "final_dropout"), 0.0
            ),
            "activation_dropout": 0.0,
            "layerdrop": 0.0,
            "mask_time_prob": 0.05,
            "ctc_loss_reduction": "mean",
            "pad_token_id": processor.tokenizer.pad_token_id,
            "vocab_size": len(processor.tokenizer),
        }
    )
    model = AutoModelForCTC.from_pretrained(encoder, config=config, ignore_mismatched_sizes=True)
    model.freeze_feature_encoder()
    return model


def main() -> None:
    """Do one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(job["threads"])
    set_seed(job["seed"])
    folder, encoder = Path(job["output"]), Path(job["encoder"])
    folder.mkdir(parents=True)
    batch = job["batch"] * job["accumulation"]
    corpus = read_corpus(Path(job["manifest"]), folder, updates=job["updates"], batch=batch)
    processor = build_processor(corpus["text"], encoder, folder)
    began = time.time()
    ready = preprocess(corpus, processor)
    decoded = time.time()
    collator, clock = Collator(processor), Clock()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=job["batch"],
        gradient_accumulation_steps=job["accumulation"],
        learning_rate=3e-4,
        warmup_steps=500,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        seed=job["seed"],
    )
    trainer = InOrder(
        model=build_model(processor, encoder),
        args=arguments,
        data_collator=collator,
        train_dataset=ready,
        processing_class=processor.feature_extractor,
        callbacks=[clock],
    )
    trainer.train()
    caches = sum(Path(each["filename"]).stat().st_size for each in ready.cache_files)
    answer = {
        "times": clock.times,
        "held": collator.held,
        "preprocessing": decoded - began,
        "cached": caches,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
