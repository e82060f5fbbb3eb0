"""The same beam search, a piece at a time: what may still change, and what stays.

A search takes emissions in pieces of any length; its result is that of one call. What all beams
agree on cannot change any more: those words are stable, and every later partial hypothesis, and
the last one, begins with them. Emissions are held for timing words until a minute of them has
come together, then for the words that are not stable yet; so memory is that of a minute of
emissions and of the transcript.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anylect.decoding.decoder import Partial
from anylect.decoding.edges import move_within
from anylect.decoding.search import BEAMS, Search
from anylect.decoding.timing import time_words
from anylect.errors import EmissionsError
from anylect.records import Emissions, Hypothesis, Word

if TYPE_CHECKING:
    from anylect.decoding.beam import BeamDecoder

HELD_SECONDS = 60.0
"""Emissions held before words are timed; longer takes memory, shorter takes time."""


class BeamStream:
    """One recording being decoded; feed it emissions in order, then finish.

    Example:
        >>> from anylect.decoding.beam import BeamDecoder
        >>> from anylect.text.vocabulary import build_vocabulary
        >>> vocabulary = build_vocabulary(["ab"])  # '', '<unk>', ' ', 'a', 'b'
        >>> log_probs = np.log(np.eye(5, dtype=np.float32)[[3, 0, 2, 4]] * 0.95 + 0.01)
        >>> stream = BeamDecoder(vocabulary).stream()
        >>> stream.feed(Emissions(log_probs[:3], 0.02))
        >>> stream.partial()
        Partial(text='a', stable='')
        >>> stream.feed(Emissions(log_probs[3:], 0.02, start=0.06))
        >>> stream.finish().text
        'a b'
    """

    def __init__(self, decoder: "BeamDecoder") -> None:
        self._decoder = decoder
        self._search: Search = decoder.begin()
        self._held: list[NDArray[np.float32]] = []
        self._held_from = 0.0
        self._held_frames = 0
        self._words: list[Word] = []
        self._began: float | None = None
        self._frame = 0.0

    def feed(self, emissions: Emissions) -> None:
        """Take in the next piece of emissions, (T, V).

        Raises:
            EmissionsError: When they are no log-probabilities of this vocabulary, or of frames of
                another length than those before.
        """
        if self._began is None:
            self._began = self._held_from = emissions.start
            self._frame = emissions.frame_duration
        elif not np.isclose(emissions.frame_duration, self._frame):
            raise EmissionsError(
                f"frames last {emissions.frame_duration} s now, {self._frame} s before",
                hint="feed one stream with the emissions of one model",
            )
        self._search = self._decoder.hear(self._search, emissions.log_probs)
        self._held.append(np.asarray(emissions.log_probs, np.float32))
        self._held_frames += len(emissions.log_probs)
        if self._held_frames * self._frame > HELD_SECONDS:
            self._time_stable_words()

    def partial(self) -> Partial:
        """Return the best hypothesis so far, and how much of it will stay."""
        stable, rest, letters = self._so_far()
        words = [*stable, *rest, *([letters] if letters else [])]
        joiner = " " if self._decoder.spaced else ""
        return Partial(joiner.join(words), joiner.join(stable))

    def finish(self) -> Hypothesis:
        """Close the last word and return everything heard."""
        best = self._decoder.finish(self._search, count=1)[0]
        words = list(self._words)
        rest = self._after_timed(best.text)
        if rest and self._held_frames:
            words += self._time(rest)
        ended = self._held_from + self._held_frames * self._frame
        moved = move_within(tuple(words), began=self._began or 0.0, ended=ended, frame=self._frame)
        return Hypothesis(best.text, moved, best.score)

    def _so_far(self) -> tuple[list[str], list[str], str]:
        """Return the stable words, the best beam's others, and the letters of its last one."""
        search = self._search
        beams = search.beams[: search.counts[BEAMS]]
        if not len(beams):
            return [], [], ""
        best = beams[np.argmax(beams["score"])]
        words = self._decoder.words_of(search, int(best["history"]))
        agreed = _agreed(search.histories["parent"], np.unique(beams["history"]).tolist())
        stable = self._decoder.words_of(search, agreed)
        letters = self._decoder.spell(search, int(best["node"]))
        return stable, words[len(stable) :], letters

    def _time_stable_words(self) -> None:
        """Time the words that stay, and let go of their emissions."""
        stable, rest, _ = self._so_far()
        joiner = " " if self._decoder.spaced else ""
        settled = self._after_timed(joiner.join(stable))
        if not settled or not rest:
            self._let_go_of_silence(is_silent=not settled and not rest)
            return
        count = len(settled.split()) if self._decoder.spaced else len(settled)
        timed = self._time(joiner.join([settled, *rest]))[: count - 1]
        if timed:
            self._words += timed
            self._drop(until=timed[-1].end)

    def _let_go_of_silence(self, *, is_silent: bool) -> None:
        # Nothing has been said since the last timed word: only the last seconds may yet matter.
        if is_silent:
            end = self._held_from + self._held_frames * self._frame
            self._drop(until=end - HELD_SECONDS / 4)

    def _drop(self, *, until: float) -> None:
        frames = round((until - self._held_from) / self._frame)
        frames = min(max(frames, 0), self._held_frames)
        self._held = [np.concatenate(self._held)[frames:].copy()]
        self._held_frames -= frames
        self._held_from += frames * self._frame

    def _after_timed(self, text: str) -> str:
        """Return what of a text has no times yet."""
        joiner = " " if self._decoder.spaced else ""
        done = joiner.join(word.text for word in self._words)
        return text[len(done) :].strip()

    def _time(self, text: str) -> list[Word]:
        held = Emissions(np.concatenate(self._held), self._frame, self._held_from)
        vocabulary, spaced = self._decoder.vocabulary, self._decoder.spaced
        return list(time_words(held, text, vocabulary, spaced=spaced, is_whole=False))


def _agreed(parent: NDArray[np.int32], histories: list[int]) -> int:
    """Return the longest history that all of these begin with.

    A history has a larger number than the one it continues.

    Example:
        >>> _agreed(np.array([-1, 0, 1, 1, 0], np.int32), [2, 3])
        1
    """
    ahead = set(histories)
    while len(ahead) > 1:
        latest = max(ahead)
        ahead.discard(latest)
        ahead.add(int(parent[latest]))
    return ahead.pop()
