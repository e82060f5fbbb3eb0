"""DeepSpeech2 as one would port the MLPerf reference to PyTorch 2: the peer of our training.

Written after the published architecture, straightforwardly: a spectrogram of each utterance by
`torch.stft`, batches of eight padded to their longest, masked convolutions, packed sequences
through `nn.GRU`, `nn.BatchNorm1d`, `nn.CTCLoss`, SGD with Nesterov momentum. Batches follow the
order of lengths as the reference's manifest does, or a random one. With `packed=False` the
recurrent layers run over the padding, as those of the reference itself do: on a CPU that is
faster, since going backward through a packed sequence takes time by the square of its length.

Used by `benchmarks/deepspeech2.py`; nothing of anylect is imported.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import soundfile
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, Dataset

LABELS = "_'ABCDEFGHIJKLMNOPQRSTUVWXYZ "
"""The reference's 29, the blank first."""
SAMPLE_RATE, WINDOW, HOP = 16_000, 320, 160


@dataclass(frozen=True)
class Shape:
    """What of the architecture is selectable."""

    hidden: int
    layers: int = 3
    bidirectional: bool = False
    packed: bool = True


class Spectrograms(Dataset[tuple[Tensor, Tensor]]):
    """Log-spectrograms of utterances, normalized each, with their labels."""

    def __init__(self, utterances: Sequence[tuple[str, str]]) -> None:
        self.utterances = utterances
        self.window = torch.hamming_window(WINDOW)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path, text = self.utterances[index]
        samples, _ = soundfile.read(path, dtype="float32")
        spectrum = torch.stft(
            torch.from_numpy(samples), WINDOW, HOP, window=self.window, return_complex=True
        )
        features = torch.log1p(spectrum.abs())  # (F, T)
        features = (features - features.mean()) / features.std()
        labels = [LABELS.index(letter) for letter in text.upper() if letter in LABELS[1:]]
        return features, torch.tensor(labels)


def collate(batch: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pad to the longest, longest first: (B, 1, F, T), its lengths, labels and theirs."""
    batch = sorted(batch, key=lambda each: each[0].shape[1], reverse=True)
    lengths = torch.tensor([features.shape[1] for features, _ in batch])
    padded = torch.zeros(len(batch), 1, batch[0][0].shape[0], int(lengths[0]))
    for row, (features, _) in zip(padded, batch, strict=True):
        row[0, :, : features.shape[1]] = features
    labels = torch.cat([labels for _, labels in batch])
    return padded, lengths, labels, torch.tensor([len(labels) for _, labels in batch])


class Recurrent(nn.Module):
    """A layer, its directions summed."""

    def __init__(self, inputs: int, shape: Shape) -> None:
        super().__init__()
        self.packed = shape.packed
        self.rnn = nn.GRU(inputs, shape.hidden, bidirectional=shape.bidirectional)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (T, B, I) to (T, B, H)."""
        if self.packed:
            x, _ = pad_packed_sequence(self.rnn(pack_padded_sequence(x, lengths))[0])
        else:
            x, _ = self.rnn(x)
        if self.rnn.bidirectional:
            x = x.view(x.shape[0], x.shape[1], 2, -1).sum(2)
        return x


class DeepSpeech(nn.Module):
    """Two convolutions, recurrent layers, normalization and a linear layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(1, 32, (41, 11), (2, 2)),
                nn.BatchNorm2d(32),
                nn.Hardtanh(0, 20, inplace=True),
                nn.Conv2d(32, 32, (21, 11), (2, 1)),
                nn.BatchNorm2d(32),
                nn.Hardtanh(0, 20, inplace=True),
            ]
        )
        sizes = [672, *[shape.hidden] * (shape.layers - 1)]
        self.recurrent = nn.ModuleList(Recurrent(size, shape) for size in sizes)
        self.norm = nn.BatchNorm1d(shape.hidden)
        self.linear = nn.Linear(shape.hidden, len(LABELS), bias=False)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, 1, F, T) to logits (T', B, V) and their lengths."""
        for module in self.convolutions:
            x = module(x)
            if isinstance(module, nn.Conv2d):
                lengths = (lengths - module.kernel_size[1]) // module.stride[1] + 1
            behind = torch.arange(x.shape[3]) >= lengths[:, None]  # (B, T)
            x = x.masked_fill(behind[:, None, None], 0.0)
        x = x.flatten(1, 2).permute(2, 0, 1).contiguous()  # (T, B, H)
        for layer in self.recurrent:
            x = layer(x, lengths)
        frames, batch = x.shape[:2]
        return self.linear(self.norm(x.flatten(0, 1))).view(frames, batch, -1), lengths


class Port:
    """A model and how it learns from one batch."""

    def __init__(self, shape: Shape) -> None:
        self.model = DeepSpeech(shape).train()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=1e-4, momentum=0.9, nesterov=True
        )
        self.criterion = nn.CTCLoss(reduction="sum", zero_infinity=True)

    def batches(
        self, utterances: Sequence[tuple[str, str]], *, size: int, seed: int, order: str
    ) -> Iterator[Any]:
        """Read the utterances, which come sorted by length, in batches."""
        if order == "random":
            utterances = random.Random(seed).sample(utterances, len(utterances))
        return iter(
            DataLoader(Spectrograms(utterances), batch_size=size, num_workers=1, collate_fn=collate)
        )

    def learn(self, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> float:
        """Take one step; return the loss per utterance."""
        x, lengths, labels, label_lengths = batch
        logits, frames = self.model(x, lengths)
        loss = self.criterion(logits.log_softmax(-1), labels, frames, label_lengths) / len(x)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 400.0)
        self.optimizer.step()
        return float(loss.detach())
