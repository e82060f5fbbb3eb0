"""When words were said: forced alignment of a text to emissions.

Last step of decoding: the search says what was said, this module when, and how sure the model
is of it. The same alignment, of a transcript somebody wrote, is what `anylect align` makes.

The likeliest CTC path that spells the text is found exactly, by Viterbi (kernels in
`decoding.viterbi`), for recordings of any length. How states were reached is only kept for a
block of frames at a time: a first pass over the recording keeps the scores at the beginning of
each block; then, from the last block to the first, a block is searched again and walked back.
Within K frames a path moves on by at most K tokens, so the second pass looks at few states and
costs little. With blocks of the cube root of 8 T L frames, about 4,400 for an hour of speech, all
this takes less than a hundred megabytes.
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anylect.decoding.edges import move_within
from anylect.decoding.spelling import Speller
from anylect.decoding.viterbi import BestPath, Scores, Spelling, find_flaw, sweep, trace
from anylect.errors import AlignmentError, EmissionsError, VocabularyError
from anylect.records import Emissions, Word
from anylect.text.vocabulary import Vocabulary, name_character

Integers = NDArray[np.int64]

WHOLE_TABLE = 1 << 24
"""Up to this many entries, one byte each, a recording is aligned as one block."""


@dataclass(frozen=True)
class TokenSpans:
    """Which frames every token of a text takes, arrays (L,): `[starts, ends)`, in order, disjoint.

    Frames between two spans are blank. `log_probs` is a token's natural log-probability at its
    surest frame; `score` that of the whole path, blanks included.
    """

    starts: Integers
    ends: Integers
    log_probs: NDArray[np.float32]
    score: float


@dataclass(frozen=True)
class TimedText:
    """A text aligned to emissions; `words` reads off when any piece of it was said.

    `token_of` is the index into `spans` of every character of `text`, -1 for spaces.
    """

    text: str
    spans: TokenSpans
    token_of: Integers
    emissions_start: float
    emissions_end: float
    frame_duration: float

    def words(
        self, pieces: Iterable[tuple[int, int]], *, is_whole: bool = True
    ) -> tuple[Word, ...]:
        """Time pieces of the text, each given by its first character and one past its last.

        A word begins with its first token's first frame and ends with its last token's last; its
        confidence is the mean probability of its tokens, each at its surest frame.

        Args:
            pieces: In order; each has at least one character that is no space.
            is_whole: Whether the emissions are a whole recording, so that words are moved out of
                the silence put around it; `edges.move_within` does it later for pieces.
        """
        words = tuple(self._words(pieces))
        if not is_whole:
            return words
        return move_within(
            words,
            began=self.emissions_start,
            ended=self.emissions_end,
            frame=self.frame_duration,
        )

    def _words(self, pieces: Iterable[tuple[int, int]]) -> Iterator[Word]:
        # Lists, for words are many and short: taking them from arrays takes ten times as long.
        token_of: list[int] = self.token_of.tolist()
        frame, begin = self.frame_duration, self.emissions_start
        starts = (begin + frame * self.spans.starts).tolist()
        ends = (begin + frame * self.spans.ends).tolist()
        probabilities = np.exp(self.spans.log_probs.astype(np.float64)).tolist()
        for first, last in pieces:
            tokens = sorted({token for token in token_of[first:last] if token >= 0})
            confidence = sum(probabilities[token] for token in tokens) / len(tokens)
            yield Word(
                self.text[first:last], starts[tokens[0]], ends[tokens[-1]], min(confidence, 1.0)
            )


def time_words(
    emissions: Emissions,
    text: str,
    vocabulary: Vocabulary,
    *,
    spaced: bool = True,
    is_whole: bool = True,
) -> tuple[Word, ...]:
    """Time every word of a text: `time_text`, then its words.

    Args:
        emissions: Of a whole recording, or of the stretch of it that the text was said in.
        text: Normalised.
        vocabulary: What the columns of the emissions mean.
        spaced: Whether words are apart by spaces; if not, every letter with its marks is timed.
        is_whole: False for a stretch of a longer recording, see `TimedText.words`.

    Returns:
        A word for each of the text, in order, seconds from the recording's beginning.

    Raises:
        AlignmentError: When the text is empty or cannot have been said in so few frames.
        EmissionsError: When the emissions are no log-probabilities.
        VocabularyError: For a character that no token spells.

    Example:
        >>> vocabulary = Vocabulary(("", " ", "a", "b"), boundary=1)
        >>> probabilities = np.eye(4, dtype=np.float32)[[0, 2, 2, 0, 3, 1, 3]] * 0.96 + 0.01
        >>> emissions = Emissions(np.log(probabilities), 0.02)
        >>> for word in time_words(emissions, "ab b", vocabulary):
        ...     print(f"{word.text} {word.start:.2f} {word.end:.2f} {word.confidence:.2f}")
        ab 0.02 0.10 0.97
        b 0.12 0.14 0.97
    """
    timed = time_text(emissions, text, vocabulary)
    return timed.words(find_words(text, spaced=spaced), is_whole=is_whole)


def time_text(emissions: Emissions, text: str, vocabulary: Vocabulary) -> TimedText:
    """Align a text to emissions; arguments and errors are those of `time_words`."""
    _check_shape(emissions.log_probs, size=len(vocabulary))
    if text and _has_long_tokens(vocabulary):
        tokens, token_of = Speller(vocabulary).spell(emissions.log_probs, text)
    else:
        tokens, token_of = _spell(text, vocabulary)
    if not (token_of >= 0).any():
        raise AlignmentError(
            f"{text!r} has nothing to align, expected a text with words",
            hint="give the text that was said; where nothing was said there is nothing to time",
        )
    _check_length(tokens, emissions)
    return TimedText(
        text,
        align_tokens(emissions.log_probs, tokens, blank=vocabulary.blank),
        token_of,
        emissions.start,
        emissions.start + len(emissions.log_probs) * emissions.frame_duration,
        emissions.frame_duration,
    )


def _has_long_tokens(vocabulary: Vocabulary) -> bool:
    return any(
        len(token) > 1 and index not in vocabulary.special
        for index, token in enumerate(vocabulary.tokens)
    )


def find_words(text: str, *, spaced: bool = True) -> Iterator[tuple[int, int]]:
    """Find the words of a text, or in one not `spaced` its letters, each with its marks.

    Example:
        >>> list(find_words("ab c")), list(find_words("กัน", spaced=False))
        ([(0, 2), (3, 4)], [(0, 2), (2, 3)])
    """
    first: int | None = None
    for position, character in enumerate(text):
        ends = character.isspace() or not (
            spaced or unicodedata.category(character).startswith("M")
        )
        if first is not None and ends:
            yield first, position
            first = None
        if first is None and not character.isspace():
            first = position
    if first is not None:
        yield first, len(text)


def align_tokens(
    log_probs: NDArray[np.float32],
    tokens: Sequence[int] | Integers,
    *,
    blank: int,
    block: int | None = None,
) -> TokenSpans:
    """Find the likeliest CTC path that spells tokens.

    Args:
        log_probs: Natural logs, (T, V).
        tokens: What is said, (L,); blanks come of themselves.
        blank: The column of the blank.
        block: Frames that are walked back at once; chosen by the size of the task if not given.
            It changes memory and time, never the result.

    Raises:
        AlignmentError: When the tokens need more frames than there are, or one is no column.
        EmissionsError: When the emissions are no log-probabilities.
    """
    ids = np.asarray(tokens, np.int64).reshape(-1)
    rows = np.ascontiguousarray(log_probs, np.float32)
    _check_emissions(rows, size=np.shape(log_probs)[-1])
    _check_tokens(ids, columns=rows.shape[1], blank=blank)
    frames, needed = len(rows), frames_needed(ids)
    if needed > frames:
        raise AlignmentError(
            f"{len(ids)} tokens need {needed} frames, there are {frames}",
            hint="give all the emissions the tokens were said in",
        )
    repeats = np.concatenate([[False], ids[1:] == ids[:-1]])[: len(ids)]
    starters = np.arange(len(ids)) == 0
    spelling = Spelling(
        ids.astype(np.uint32),
        np.arange(len(ids)) + np.cumsum(repeats),
        np.where(repeats | starters, -np.inf, 0.0),
        frames - needed,
        blank,
    )
    return _align(rows, spelling, block or _block_length(frames, len(ids)))


def frames_needed(tokens: Sequence[int] | Integers) -> int:
    """Count the frames a CTC path needs at least: one a token, and a blank between equal ones.

    Example:
        >>> frames_needed([1, 1, 2])
        4
    """
    ids = np.asarray(tokens)
    return len(ids) + int((ids[1:] == ids[:-1]).sum())


def _align(rows: NDArray[np.float32], spelling: Spelling, block: int) -> TokenSpans:
    frames, count = len(rows), len(spelling.ids)
    path = BestPath(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.full(count, -np.inf, np.float32),
        np.zeros(1),
        np.empty((min(block, frames), min(block + 2, count) + 1), np.uint8),
    )
    scores = _no_scores(count)
    scores.blanks[0] = 0.0
    kept = []
    for first in range(0, frames, block):
        kept.append((first, _Kept.of(scores, spelling, frame=first)))
        if first + block < frames:
            sweep(rows[first : first + block], first, spelling, scores)
    state = -1
    while kept:
        first, start = kept.pop()
        stretch = rows[first : first + block]
        top = count if state < 0 else (state + 1) // 2
        bottom = max(0, top - len(stretch) - 1)
        state = trace(
            stretch,
            first,
            _part_of_spelling(spelling, bottom, top),
            start.restored(bottom, top),
            _part_of_path(path, bottom, top),
            state if state < 0 else state - 2 * bottom,
        )
        state += 2 * bottom
    return TokenSpans(path.starts, path.ends, path.surest, float(path.total[0]))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The scores before a block, of those states only that a path may be in."""

    first: int
    tokens: NDArray[np.float64]
    blanks: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Scores, spelling: Spelling, *, frame: int) -> "_Kept":
        low = int(np.searchsorted(spelling.earliest, frame - 1 - spelling.slack))
        high = int(np.searchsorted(spelling.earliest, frame)) + 1
        return cls(low, scores.tokens[low:high].copy(), scores.blanks[low:high].copy())

    def restored(self, bottom: int, top: int) -> Scores:
        """Lay the scores out for tokens `[bottom, top)`, as the kernels want them."""
        scores = _no_scores(top - bottom)
        low = max(bottom, self.first)
        high = min(top + 1, self.first + len(self.tokens))
        if low < high:
            source = slice(low - self.first, high - self.first)
            scores.tokens[low - bottom : high - bottom] = self.tokens[source]
            scores.blanks[low - bottom : high - bottom] = self.blanks[source]
        return scores


def _no_scores(count: int) -> Scores:
    return Scores(*(np.full(count + 1, -np.inf) for _ in range(4)))


def _part_of_spelling(spelling: Spelling, bottom: int, top: int) -> Spelling:
    part = slice(bottom, top)
    return spelling._replace(
        ids=spelling.ids[part],
        earliest=spelling.earliest[part],
        penalties=spelling.penalties[part],
    )


def _part_of_path(path: BestPath, bottom: int, top: int) -> BestPath:
    part = slice(bottom, top)
    return path._replace(starts=path.starts[part], ends=path.ends[part], surest=path.surest[part])


def _block_length(frames: int, count: int) -> int:
    """Balance what is kept before blocks (16 T L / K bytes) against the table of one (K² bytes)."""
    if frames * (count + 1) <= WHOLE_TABLE:
        return max(1, frames)
    return math.ceil(math.cbrt(8.0 * frames * count))


def _spell(text: str, vocabulary: Vocabulary) -> tuple[Integers, Integers]:
    """Return the tokens of a text, and the index of the token that each character stands in.

    A vocabulary without a word boundary spells words one after the other.
    """
    tokens: list[int] = []
    token_of: list[int] = []
    lacking: dict[str, None] = {}
    for piece, token in vocabulary.spell(text):
        if token is None and piece != " ":
            lacking[piece] = None
        elif token is not None:
            tokens.append(token)
        token_of += [-1 if each.isspace() else len(tokens) - 1 for each in piece]
    if lacking:
        names = ", ".join(name_character(each) for each in lacking)
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        raise VocabularyError(
            f"{shown!r} has characters the vocabulary lacks: {names}",
            hint="write the text as it was said, in the letters the model was trained on",
        )
    return np.array(tokens, np.int64), np.array(token_of, np.int64)


def _check_tokens(ids: Integers, *, columns: int, blank: int) -> None:
    for token in (blank, *np.unique(ids).tolist()):
        if not 0 <= token < columns:
            raise AlignmentError(
                f"token {token} is no column of emissions with {columns}",
                hint="encode the text with the vocabulary of the model that made the emissions",
            )
    if (ids == blank).any():
        raise AlignmentError(
            f"token {int((ids == blank).argmax())} is the blank (id {blank})",
            hint="leave blanks out; the path finds their place",
        )


def _check_emissions(rows: NDArray[np.float32], *, size: int) -> None:
    _check_shape(rows, size=size)
    flaw = find_flaw(rows)
    if flaw >= 0:
        row = rows[flaw]
        column = int(np.flatnonzero(~(row <= 0.01))[0])
        raise EmissionsError(
            f"frame {flaw} of the emissions has {row[column]} for token {column}, "
            "expected natural logarithms of probabilities, zero at most",
            hint="apply log-softmax to logits, a logarithm to probabilities; where a model "
            "gives NaN its weights are broken",
        )


def _check_shape(rows: NDArray[np.float32], *, size: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != size:
        raise EmissionsError(
            f"emissions have shape {rows.shape}, expected (frames, {size}), a column per token",
            hint="take emissions and vocabulary of the same model",
        )


def _check_length(tokens: Integers, emissions: Emissions) -> None:
    needed, frames = frames_needed(tokens), len(emissions.log_probs)
    if needed > frames:
        seconds = frames * emissions.frame_duration
        raise AlignmentError(
            f"{len(tokens)} tokens cannot be aligned to {frames} frames ({seconds:.2f} s): "
            f"they need {needed}, one each and one between equal ones",
            hint="speech this fast is usually a wrong transcript; give the text that was said",
        )
