"""Any CTC architecture of `transformers`, by folder or hub name, as an acoustic model.

wav2vec 2.0, XLS-R, XLSR-53, MMS, HuBERT, WavLM, data2vec, SEW, UniSpeech, w2v-BERT 2.0 and our
DeepSpeech2 are one kind here: a module with a `Frontend` before it and a `Vocabulary` behind it.

Two facts decide what may be batched. Models whose feature encoder has group normalization were
trained without an attention mask, so padding changes what they emit: they get batches of equal
length. All others get a mask.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForCTC,
    PreTrainedConfig,
    PreTrainedModel,
)

from anylect.audio.windows import WindowOptions, cut_windows, fitting_windows
from anylect.data.batches import pad
from anylect.errors import BundleError, HubError
from anylect.models import convolutions, deepspeech2, encoders, spectrogram_extractor
from anylect.models.acoustic import Blocks
from anylect.models.adapters import merged_weights, save_adapter
from anylect.models.frontend import Frontend, Rows, build_frontend
from anylect.records import Emissions, Waveform
from anylect.text.vocabulary import Vocabulary

FOREIGN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)
"""What `transformers` raises of files or settings that make no sense to it."""

REGISTERED = (deepspeech2.DeepSpeech2ForCTC, spectrogram_extractor.DeepSpeech2FeatureExtractor)
"""Importing these made the Auto classes know them."""


class CheckpointModel:
    """A CTC module, its frontend and its vocabulary, on a device.

    Example:
        >>> model = load_model(Path("bundle"), vocabulary)            # doctest: +SKIP
        >>> model.emit(load_waveform("talk.flac")).log_probs.shape    # doctest: +SKIP
        (412, 34)
    """

    def __init__(
        self,
        module: PreTrainedModel,
        extractor: Any,  # noqa: ANN401  feature extractors share no useful base
        vocabulary: Vocabulary,
        *,
        device: str = "auto",
    ) -> None:
        # Shapes without weights, for dry runs, cannot be moved to another device.
        is_shape = any(weight.is_meta for weight in module.parameters())
        self.device = torch.device("meta") if is_shape else choose_device(device)
        # Each architecture has methods of its own, so no type tells all we call.
        self.module: Any = nn.Module.to(module, self.device)
        convolutions.quicken(self.module)
        self.extractor = extractor
        self.frontend: Frontend = build_frontend(extractor)
        self.vocabulary = vocabulary
        self.adapter: str | None = None
        """Language of the attention adapters that learn; they are saved besides."""
        self.windows = WindowOptions()
        self._longest_heard: float | None = None

    @property
    def longest_heard(self) -> float | None:
        """Seconds of the longest it was trained on, where that is known; windows get as long."""
        return self._longest_heard

    @longest_heard.setter
    def longest_heard(self, seconds: float | None) -> None:
        self._longest_heard = seconds
        self.windows = WindowOptions() if seconds is None else fitting_windows(seconds)

    @property
    def sample_rate(self) -> int:
        """Hertz that every waveform must have."""
        return self.frontend.sample_rate

    @property
    def uses_mask(self) -> bool:
        """Whether padding can be masked; False for group-norm feature encoders."""
        return getattr(self.module.config, "feat_extract_norm", "layer") == "layer"

    @cached_property
    def stride_samples(self) -> int:
        """Samples from one frame to the next, measured by running the model on two lengths.

        The lengths differ by 1.2 s, a multiple of every frame step of 10, 20, 30, 40, 60 or
        80 ms.
        """
        short, step = self.sample_rate * 6 // 10, self.sample_rate * 12 // 10
        fewer, more = (
            len(self._emit_rows([self.frontend.prepare(np.zeros(length, np.float32))])[0])
            for length in (short, short + step)
        )
        if more <= fewer or step % (more - fewer):
            raise BundleError(
                f"the model makes {more - fewer} frames of 1.2 s; its frame step is no whole "
                "number of samples",
                hint="models with an uneven or variable frame step are not supported",
            )
        return step // (more - fewer)

    @property
    def frame_duration(self) -> float:
        """Seconds from one frame to the next, measured."""
        return self.stride_samples / self.sample_rate

    @property
    def start(self) -> float:
        """When the first frame begins, seconds; negative where silence is put before it."""
        return -self.frontend.edge / self.sample_rate

    @property
    def longest_pass(self) -> float:
        """Seconds up to which a recording is heard in one pass; longer ones come in windows."""
        return self.windows.seconds

    def count_frames(self, duration: float) -> int:
        """Count the frames the model makes of so many seconds."""
        return self.count_frames_each([duration])[0]

    def count_frames_each(self, durations: Sequence[float]) -> list[int]:
        """Count the frames of many utterances at once, which is far quicker than one by one."""
        rows = [self.frontend.count_rows(int(each * self.sample_rate)) for each in durations]
        frames: list[int] = self.frame_lengths(torch.tensor(rows, dtype=torch.long)).tolist()
        return frames

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Count the frames made of so many rows: (B,) to (B,)."""
        counted: Tensor = self.module._get_feat_extract_output_lengths(lengths)
        return counted.long().clamp_min(0)

    def logits(
        self, padded: Tensor, lengths: Tensor, *, through: nn.Module | None = None
    ) -> Tensor:
        """Run the module on rows padded to one length: (B, N[, F]) to (B, T, V).

        `through` is the module as several processes share it, where they do.
        """
        inputs: dict[str, Tensor] = {self.frontend.input_name: padded}
        if self.uses_mask:
            rows = torch.arange(padded.shape[1], device=padded.device)
            inputs["attention_mask"] = (rows < lengths.unsqueeze(1)).long()
        with convolutions.without_padding(lengths):
            logits: Tensor = (through or self.module)(**inputs).logits
        return logits

    def emit(self, waveform: Waveform) -> Emissions:
        """Hear one waveform in one pass."""
        return self.emit_prepared([self.prepare(waveform)])[0]

    def prepare(self, waveform: Waveform) -> Rows:
        """Compute what the model reads, (N,) or (N, F); other threads may do this ahead."""
        return self.frontend.prepare(waveform.samples)

    def emit_prepared(self, batch: Sequence[Rows]) -> list[Emissions]:
        """Hear several prepared waveforms; each as if it were alone."""
        return [
            Emissions(log_probs, self.frame_duration, self.start)
            for log_probs in self._emit_rows(batch)
        ]

    def emit_stream(self, blocks: Blocks) -> Iterator[Emissions]:
        """Hear a recording of any length in bounded memory, piece after piece.

        The recording is read twice where the frontend normalizes: once for the mean and
        variance of the whole, once in overlapping windows. So the pieces joined are what one
        pass gives, but for context the windows cut off.
        """
        moments = self.frontend.moments(blocks() if self.frontend.normalized else ())
        windows = cut_windows(
            self.frontend.framed(blocks()),
            self.windows,
            sample_rate=self.sample_rate,
            stride_samples=self.stride_samples,
        )
        for window in windows:
            rows = self.frontend.prepare(window.samples, moments=moments)
            kept = self._emit_rows([rows])[0][window.keep_from : window.keep_to]
            start = self.start + window.start_samples / self.sample_rate
            yield Emissions(
                kept, self.frame_duration, start + window.keep_from * self.frame_duration
            )

    def save(self, folder: Path) -> None:
        """Write weights, configuration and feature extractor as `transformers` lays them out."""
        try:
            with _quiet():
                self.module.save_pretrained(folder, state_dict=merged_weights(self.module))
                if self.adapter is not None:
                    save_adapter(self.module, folder, language=self.adapter)
                self.extractor.save_pretrained(folder)
        except SafetensorError as error:
            raise OSError(f"{folder}: {error}") from error

    def _emit_rows(self, batch: Sequence[Rows]) -> list[NDArray[np.float32]]:
        """Run groups that may share a batch; each result is (T, V), trimmed to its own length."""
        heard: list[NDArray[np.float32]] = [np.zeros((0, 0), np.float32)] * len(batch)
        for group in self._groups(batch):
            log_probs, frames = self._emit_group([batch[index] for index in group])
            for row, index in enumerate(group):
                heard[index] = log_probs[row, : frames[row]]
        return heard

    def _groups(self, batch: Sequence[Rows]) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for index, rows in enumerate(batch):
            groups.setdefault(0 if self.uses_mask else len(rows), []).append(index)
        return list(groups.values())

    @torch.inference_mode()
    def _emit_group(self, batch: list[Rows]) -> tuple[NDArray[np.float32], list[int]]:
        padded, lengths = pad(batch)
        sizes = torch.from_numpy(lengths)
        frames = self.frame_lengths(sizes)
        if int(frames.max()) == 0:
            return np.zeros((len(batch), 0, len(self.vocabulary)), np.float32), frames.tolist()
        self.module.eval()
        inputs = torch.from_numpy(padded).to(self.device)
        logits = self.logits(inputs, sizes.to(self.device))
        return nn.functional.log_softmax(logits.float(), dim=-1).cpu().numpy(), frames.tolist()


def load_model(folder: Path, vocabulary: Vocabulary, *, device: str = "auto") -> CheckpointModel:
    """Load a module and its feature extractor from a folder of `transformers` files."""
    with _quiet(), _explained(str(folder)):
        module, loading = AutoModelForCTC.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True
        )
        extractor = AutoFeatureExtractor.from_pretrained(folder)
    head = module.config.vocab_size
    if head != len(vocabulary):
        raise BundleError(
            f"{folder}: the model's head has {head} outputs, vocab.json {len(vocabulary)} tokens",
            hint="take vocab.json from the same training run as the weights",
        )
    _refuse_random(folder, loading)
    return CheckpointModel(module, extractor, vocabulary, device=device)


def load_pretrained(
    name: str,
    vocabulary: Vocabulary,
    *,
    configure: Callable[[PreTrainedConfig], None],
    device: str = "auto",
    from_config: bool = False,
) -> CheckpointModel:
    """Take a pretrained encoder and give it a fresh head for a vocabulary.

    Args:
        name: A folder or the name of a hub repository.
        vocabulary: What the new head shall write.
        configure: Given the architecture's configuration, to change before the model is built.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        from_config: Start from random weights of that architecture, without downloading any;
            encoders in `encoders.SHAPES` need no download at all.
    """
    with _quiet(), _explained(name):
        shaped = from_config and name in encoders.SHAPES and not Path(name).exists()
        config = encoders.build_config(name) if shaped else AutoConfig.from_pretrained(name)
        configure(config)
        config.vocab_size = len(vocabulary)
        config.pad_token_id = vocabulary.blank
        if from_config:
            module = AutoModelForCTC.from_config(config)
        else:
            module = AutoModelForCTC.from_pretrained(
                name, config=config, ignore_mismatched_sizes=True
            )
        extractor = (
            encoders.build_extractor(name) if shaped else AutoFeatureExtractor.from_pretrained(name)
        )
    return CheckpointModel(module, extractor, vocabulary, device=device)


def choose_device(name: str) -> torch.device:
    """Turn `auto` into the best device there is, and check any other name."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        raise BundleError(
            f"device `{name}` cannot be used ({str(error).splitlines()[0]})",
            hint="`auto` takes the best there is; others: `cpu`, `cuda`, `cuda:1`, `mps`",
        ) from error
    return device


def freeze_feature_encoder(module: nn.Module) -> None:
    """Stop the convolutions below the encoder from learning, where the architecture has them."""
    freeze = getattr(module, "freeze_feature_encoder", None)
    if freeze is not None:
        freeze()


def _refuse_random(folder: Path, loading: dict[str, Any]) -> None:
    """Refuse weights that a configuration asks for and the file lacks.

    The library would draw them at random and go on. The mask of training time alone may be
    missing: published checkpoints leave it out.
    """
    mismatched = {name: (kept, asked) for name, kept, asked in loading["mismatched_keys"]}
    for name, (kept, asked) in sorted(mismatched.items()):
        raise BundleError(
            f"{folder}: weight `{name}` is {tuple(kept)} in model.safetensors, "
            f"{tuple(asked)} by config.json",
            hint="take both files from the same training run",
        )
    missing = sorted(
        name for name in loading["missing_keys"] if not name.endswith("masked_spec_embed")
    )
    if missing:
        raise BundleError(
            f"{folder}: model.safetensors lacks {len(missing)} weights that config.json asks for, "
            f"e.g. `{missing[0]}`",
            hint="take both files from the same training run",
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from drawing bars and warning about heads we replace on purpose."""
    library = transformers.utils.logging
    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(logging.ERROR)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Catch the library's errors at the border and say what can be done."""
    try:
        yield
    except FOREIGN as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if Path(name).exists():
            raise BundleError(
                f"{name}: not a model that can be loaded ({reason})",
                hint="a bundle has config.json, model.safetensors and preprocessor_config.json",
            ) from error
        raise HubError(
            f"{name}: no such folder, and it cannot be had from the hub ({reason})",
            hint="check the name; offline, give the path of a downloaded checkpoint",
        ) from error
