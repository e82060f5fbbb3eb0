"""What stands between a waveform and a model: features, normalization, padding.

`transformers` computes features and normalizes them in one go, over whole recordings. Here the
two are apart, because a recording of ten hours comes in windows: `Frontend.rows` extracts,
`Moments` gathers mean and variance piece by piece, `Frontend.normalize` applies those of the
whole recording to each window. On a short recording the three together give what the
feature extractor of `transformers` gives (tested). A model that shall hear live knows nothing
of the whole recording: `RunningNorm` takes out level and gain by what came before.

Axes: S samples, N rows (samples or feature frames), F features of a row.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anylect.errors import BundleError

Rows = NDArray[np.float32]
"""(S,) for models that read samples, (N, F) for models that read features."""

EPSILON = 1e-7
"""What `transformers` adds to a variance before dividing by its root."""


@dataclass
class Moments:
    """Running count, sum and sum of squares, in float64; one figure or one per feature."""

    count: int = 0
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def add(self, rows: Rows) -> None:
        """Take in more rows, or more of anything that is averaged over its first axis."""
        self.count += len(rows)
        self.total = self.total + rows.sum(axis=0, dtype=np.float64)
        self.squares = self.squares + np.square(rows, dtype=np.float64).sum(axis=0)

    def mean_and_scale(self, *, ddof: int) -> tuple[Rows, Rows]:
        """Return the mean and one over the standard deviation."""
        count = max(self.count, 1)
        mean = self.total / count
        variance = np.maximum(self.squares / count - mean**2, 0.0) * count / max(count - ddof, 1)
        return mean.astype(np.float32), (1.0 / np.sqrt(variance + EPSILON)).astype(np.float32)


class RunningNorm:
    """Take out level and gain row by row, by the rows so far: what a live model can know.

    With a_t and q_t the mean of row t's features and of their squares,

        m_t = m_{t-1} + d_t (a_t - m_{t-1}),    s_t = s_{t-1} + d_t (q_t - s_{t-1}),
        d_t = max(1 / (t + 1), 1 / memory),

    and the row becomes (row - m_t) / sqrt(s_t - m_t² + epsilon): the plain averages of all rows
    so far until `memory` of them have come, then ones that forget exponentially. How the rows are
    cut into pieces changes no bit.
    """

    def __init__(self, memory: float) -> None:
        self.memory = memory
        self._rows = 0
        self._mean = self._square = 0.0

    def apply(self, rows: Rows) -> Rows:
        """Normalize the next rows (N, F)."""
        averages = rows.mean(axis=1, dtype=np.float64).tolist()
        squares = np.square(rows, dtype=np.float64).mean(axis=1).tolist()
        means, variances = np.empty((2, len(rows), 1))
        for index, (average, square) in enumerate(zip(averages, squares, strict=True)):
            self._rows += 1
            pace = max(1 / self._rows, 1 / self.memory)
            self._mean += pace * (average - self._mean)
            self._square += pace * (square - self._square)
            means[index], variances[index] = self._mean, self._square - self._mean**2
        scaled = (rows - means) / np.sqrt(np.maximum(variances, 0.0) + EPSILON)
        normed: Rows = scaled.astype(np.float32)
        return normed


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """How one model wants its input.

    A row is one sample, or a feature frame that sees `window` samples and steps by `hop`. Where
    it is `normalized`, each feature gets mean 0 and variance 1, or with `over_features` all of
    them together; with a `memory`, in rows, a `RunningNorm` does it. `stack` consecutive rows are
    joined into one after normalization. A whole recording is heard with `edge` samples of silence
    before and behind it.
    """

    sample_rate: int
    input_name: Literal["input_values", "input_features"]
    extract: Callable[[NDArray[np.float32]], Rows]
    window: int = 1
    hop: int = 1
    edge: int = 0
    normalized: bool = True
    over_features: bool = False
    memory: float | None = None
    ddof: int = 0
    stack: int = 1

    def count_rows(self, samples: int) -> int:
        """Count the rows made of so many samples, stacking included."""
        heard = samples + 2 * self.edge
        return max(0, (heard - self.window) // self.hop + 1) // self.stack

    def framed(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Put the silence a model hears around a recording."""
        silence = np.zeros(self.edge, np.float32)
        return itertools.chain([silence], blocks, [silence]) if self.edge else iter(blocks)

    def moments(self, blocks: Iterable[NDArray[np.float32]]) -> Moments:
        """Gather the moments of a whole recording, its silence included, block by block."""
        moments = Moments()
        for rows in self._rows_of_blocks(self.framed(blocks)):
            self._add(moments, rows)
        return moments

    def prepare(self, samples: NDArray[np.float32], *, moments: Moments | None = None) -> Rows:
        """Turn samples (S,) into the rows a model reads.

        Args:
            samples: A whole recording at `sample_rate`, or with `moments` a window of the
                `framed` recording.
            moments: Those of the whole recording; by default those of the samples.
        """
        if moments is None and self.edge:
            samples = np.pad(samples, self.edge)
        rows = self.extract(samples)
        if self.normalized and len(rows):
            if moments is None:
                moments = self._add(Moments(), rows)
            mean, scale = moments.mean_and_scale(ddof=self.ddof)
            rows = (rows - mean) * scale
        if self.memory is not None:
            rows = RunningNorm(self.memory).apply(rows)
        if self.stack > 1:
            whole = len(rows) // self.stack
            rows = rows[: whole * self.stack].reshape(whole, self.stack * rows.shape[1])
        return np.ascontiguousarray(rows, dtype=np.float32)

    def _add(self, moments: Moments, rows: Rows) -> Moments:
        moments.add(rows.reshape(-1) if self.over_features else rows)
        return moments

    def _rows_of_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Rows]:
        cutter = RowCutter(self)
        for block in blocks:
            rows = cutter.feed(block)
            if len(rows):
                yield rows


class RowCutter:
    """Extract the rows of a recording that comes in pieces, as soon as their samples are there."""

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> Rows:
        """Take in the next samples (S,); return the rows they complete, not normalized."""
        window, hop = self.frontend.window, self.frontend.hop
        rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        count = max(0, (len(rest) - window) // hop + 1)
        self._rest = rest[count * hop :].copy()
        return self.frontend.extract(rest[: (count - 1) * hop + window] if count else rest[:0])


def build_frontend(extractor: Any) -> Frontend:  # noqa: ANN401  feature extractors share no useful base
    """Build the frontend that computes what a `transformers` feature extractor computes."""
    kind = type(extractor).__name__
    if kind == "Wav2Vec2FeatureExtractor":
        return Frontend(
            sample_rate=extractor.sampling_rate,
            input_name="input_values",
            extract=lambda samples: samples,
            normalized=extractor.do_normalize,
        )
    if kind == "SeamlessM4TFeatureExtractor":
        return Frontend(
            sample_rate=extractor.sampling_rate,
            input_name="input_features",
            extract=lambda samples: _filterbank(extractor, samples),
            window=400,
            hop=160,
            ddof=1,
            stack=extractor.stride,
        )
    if kind == "DeepSpeech2FeatureExtractor":
        frontend: Frontend = extractor.frontend()
        return frontend
    raise BundleError(
        f"feature extractor `{kind}` is not known",
        hint="known: Wav2Vec2FeatureExtractor, SeamlessM4TFeatureExtractor, "
        "DeepSpeech2FeatureExtractor",
    )


def _filterbank(extractor: Any, samples: NDArray[np.float32]) -> Rows:  # noqa: ANN401  as above
    if len(samples) < 400:
        return np.zeros((0, extractor.feature_size), np.float32)
    rows: Rows = extractor._extract_fbank_features(samples)
    return rows
