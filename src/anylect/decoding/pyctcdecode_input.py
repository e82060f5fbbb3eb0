"""What pyctcdecode takes as input, as a search wants it.

Logits, log-probabilities or probabilities, one column per label, become natural
log-probabilities, one column per token of a `Vocabulary`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anylect.decoding.alphabet import BPE_TOKEN, Alphabet
from anylect.decoding.pyctcdecode_defaults import MIN_TOKEN_CLIP_P
from anylect.errors import EmissionsError
from anylect.text.vocabulary import Vocabulary

SUMS_TO_ONE = 0.01
"""How far probabilities of a frame may be from adding up to one, for half precision."""


@dataclass(frozen=True)
class Columns:
    """What the columns of the input mean.

    Labels that became equal (two blanks) share a token, their probabilities are added up. Where
    words have no beginning and no boundary, a boundary is added that nobody says: everything is
    one word. Labels such as `<s>` are written out, as pyctcdecode does.
    """

    labels: int
    """How many columns the input has."""
    tokens: NDArray[np.int64]
    """(labels,): the token of each column."""
    vocabulary: Vocabulary

    def read(self, logits: ArrayLike) -> NDArray[np.float32]:
        """Turn input (T, labels) into log-probabilities (T, V).

        Raises:
            EmissionsError: For another shape, no frames, NaN or +inf.
        """
        given = np.asarray(logits)
        rows = given if given.dtype == np.float64 else given.astype(np.float32)
        self._check(rows)
        log_probs = _take_logs(rows)
        if np.array_equal(self.tokens, np.arange(len(self.vocabulary))):
            return log_probs
        spread = np.full((len(rows), len(self.vocabulary)), -np.inf, np.float32)
        for column, token in enumerate(self.tokens):
            spread[:, token] = np.logaddexp(spread[:, token], log_probs[:, column])
        return spread

    def _check(self, rows: NDArray[np.floating]) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.labels:
            raise EmissionsError(
                f"logits have shape {rows.shape}, expected (frames, {self.labels}), "
                "a column per label",
                hint=self._shape_hint(rows.shape),
            )
        if not len(rows):
            raise EmissionsError(
                f"logits have shape {rows.shape}, expected at least one frame",
                hint="leave out empty utterances; was a recording shorter than one frame?",
            )
        highest = rows.max(axis=1)
        if not np.isfinite(highest).all():
            frame = int(np.flatnonzero(~np.isfinite(highest))[0])
            raise EmissionsError(
                f"frame {frame} of the logits has {highest[frame]} as its highest value, "
                "expected a finite number",
                hint="NaN and infinity come from a diverged model or an overflow in half precision",
            )

    def _shape_hint(self, shape: tuple[int, ...]) -> str:
        if len(shape) == 3:
            return "this is a batch: use `decode_batch`, or decode one utterance after the other"
        if len(shape) == 2 and shape[0] == self.labels:
            return "frames are rows: transpose"
        if len(shape) == 2 and shape[1] == self.labels - 1:
            return (
                "the blank counts as a label; where none of the labels is one, `build_ctcdecoder` "
                'appends it: say which column it is by giving it the label `""`'
            )
        return "are these labels those of the model that made the logits?"


def build_columns(alphabet: Alphabet) -> Columns:
    """Say what search to run for an alphabet.

    Example:
        >>> columns = build_columns(Alphabet(["", "a", ""], is_bpe=False))
        >>> columns.vocabulary.tokens, columns.tokens
        (('', 'a', ' '), array([0, 1, 0]))
    """
    tokens = list(dict.fromkeys(alphabet.labels))
    is_marked = any(token.startswith(BPE_TOKEN) for token in tokens)
    if " " not in tokens and not is_marked:
        tokens.append(" ")
    places = {token: index for index, token in enumerate(tokens)}
    return Columns(
        labels=len(alphabet),
        tokens=np.array([places[label] for label in alphabet.labels], np.int64),
        vocabulary=Vocabulary(tuple(tokens), blank=places[""], boundary=places.get(" ")),
    )


def _take_logs(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Take logarithms of probabilities, else a log-softmax, which changes log-probabilities little.

    Unlike pyctcdecode, which asks for a sum of one to nine digits, probabilities in single
    precision are recognised as such: nothing below zero, and every frame adds up to one.
    """
    sums_to_one = np.abs(rows.sum(axis=1) - 1.0).max() <= SUMS_TO_ONE
    if sums_to_one and rows.min() >= 0.0:
        return np.asarray(np.log(np.clip(rows, MIN_TOKEN_CLIP_P, 1.0)), np.float32)
    shifted = rows - rows.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.clip(shifted, np.log(MIN_TOKEN_CLIP_P), 0.0), np.float32)
