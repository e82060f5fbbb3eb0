"""Emissions of a simulated model that reads real sentences aloud, for benchmarks of decoders.

A decoder's speed and errors depend on what a frame offers: how many tokens are near the best
one, how often the best one is wrong, whether the mistakes come in bursts. Here they are drawn: a
word is heard well or badly; each of its tokens is heard rightly, with a rival, wrongly or not at
all; blanks stand between tokens; what is similar gets some of the probability. `PEAKY` is sure of
itself as CTC models are, `FLAT` is not. Same text, same seed: same emissions.

    python benchmarks/emissions.py --units 1000

prints what the emissions are like.
"""

import argparse
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLANK = 0
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
LETTERS = "etaonihsrdlumwcfgypbvk'xjqz"
SOUNDS = ("aeiou", "eiy", "bpdt", "dtgk", "ckgqsx", "szxc", "mn", "fvbw", "jgy", "lrw", "hfw", "'s")
"""Letters that are mistaken for each other."""
RATE = 50.0
"""Frames a second."""


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """How the tokens of a word are heard; shares are per letter."""

    wrong: float
    """Another token is likelier than the right one."""
    doubtful: float
    """Another token comes near, or a little above."""
    lost: float
    """The blank is likelier."""
    extra: float
    """A token that nobody said follows."""
    gap: float
    """Mean log odds of the rival of a doubtful token; it varies by 2."""
    crowd: float
    """Share of the similar tokens that are considered at all."""
    distance: tuple[float, float]
    """How far below the peak these lie, natural log."""
    noise: float
    """Standard deviation of every logit."""


WELL = Hearing(
    wrong=0.003,
    doubtful=0.02,
    lost=0.003,
    extra=0.0015,
    gap=-1.5,
    crowd=0.4,
    distance=(3.0, 10.0),
    noise=1.3,
)
BADLY = Hearing(
    wrong=0.18,
    doubtful=0.16,
    lost=0.06,
    extra=0.03,
    gap=-0.3,
    crowd=0.9,
    distance=(2.8, 7.3),
    noise=1.6,
)


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A simulated model; heights are logits above the noise."""

    blank: float
    peak: float
    pause: float
    """Mean number of blank frames before a letter."""
    smear: float
    """How often a blank frame beside a token already, or still, hears it."""
    badly: float
    """Share of words heard badly."""


PEAKY = Listener(blank=12.0, peak=10.0, pause=2.25, smear=0.35, badly=0.215)
FLAT = Listener(blank=8.5, peak=8.0, pause=2.2, smear=0.5, badly=0.205)


@dataclass(frozen=True)
class Alphabet:
    """Labels as a model's file has them: `<pad>` is the blank, `|` the word boundary.

    Without a token of its own, the boundary begins the first piece of a word, written `▁`.
    """

    labels: tuple[str, ...]

    @cached_property
    def ids(self) -> dict[str, int]:
        return {label.replace("▁", "|"): number for number, label in enumerate(self.labels)}

    @cached_property
    def leads(self) -> bool:
        """Whether the boundary belongs to the word that follows."""
        return "|" not in self.ids

    @cached_property
    def longest(self) -> int:
        return max(len(label) for label in self.labels[len(SPECIAL) :])

    @cached_property
    def similar(self) -> list[list[int]]:
        """For every token, tokens it is mistaken for: at most eight."""
        kin = {a: {b for s in SOUNDS if a in s for b in s} - {a} for a in LETTERS}
        kin["|"] = {"s", "e", "a"}
        return [
            [] if label in SPECIAL else sorted(set(self._near(label, kin)))[:8]
            for label in self.ids
        ]

    def _near(self, label: str, kin: dict[str, set[str]]) -> Iterator[int]:
        """Change one letter for a similar one, or leave one out."""
        for place, letter in enumerate(label):
            for other in sorted(kin[letter]) + [""] * (len(label) > 1):
                near = self.ids.get(label[:place] + other + label[place + 1 :])
                if near is not None:
                    yield near

    def spell(self, text: str) -> list[int]:
        """Cut a text into tokens, longest first."""
        text = text.replace(" ", "|")
        ids, place = [], 0
        while place < len(text):
            lengths = range(min(self.longest, len(text) - place), 0, -1)
            length = next(n for n in lengths if text[place : place + n] in self.ids)
            ids.append(self.ids[text[place : place + length]])
            place += length
        return ids

    def read(self, ids: Iterable[int]) -> str:
        """Write collapsed ids as words."""
        letters = "".join(self.labels[i] for i in ids if i >= len(SPECIAL))
        return " ".join(letters.replace("|", " ").replace("▁", " ").split())


def letters() -> Alphabet:
    """Make the alphabet of 32 tokens that English models have."""
    return Alphabet((*SPECIAL, "|", *LETTERS))


def units(lines: Iterable[str], number: int, *, marked: bool = False) -> Alphabet:
    """Make an alphabet of letters and the commonest pairs, triples and quadruples of them.

    Like syllables or word pieces: many tokens, few per word. The boundary is a token of its own,
    or, if `marked`, begins the first piece of every word.
    """
    words = Counter("|" * marked + word for line in lines for word in line.split())
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for length in (2, 3, 4):
            for place in range(len(word) - length + 1):
                counts[word[place : place + length]] += count * (length - 1)
    first = [f"|{letter}" for letter in LETTERS] if marked else ["|"]
    plain = [*SPECIAL, *first, *LETTERS]
    allowed = {*LETTERS, "|"}
    known = {piece: n for piece, n in counts.items() if set(piece) <= allowed}
    best = sorted(known.keys() - set(plain), key=lambda piece: (-known[piece], piece))
    labels = [*plain, *best[: number - len(plain)]]
    return Alphabet(tuple(label.replace("|", "▁") if marked else label for label in labels))


Heights = dict[int, float]


@dataclass
class Reading:
    """One utterance in the making: what every frame hears, and how noisy it is."""

    alphabet: Alphabet
    listener: Listener
    random: random.Random
    frames: list[tuple[Heights, float]] = field(default_factory=list)
    before: int = BLANK

    def pause(self, frames: int, hearing: Hearing, after: int = BLANK) -> None:
        """Hear blanks, with a trace of the token before and of the one after."""
        for number in range(frames):
            heights = {BLANK: self.listener.blank}
            traces = [self.before] * (number == 0) + [after] * (number == frames - 1)
            for token in traces:
                if token != BLANK and self.random.random() < self.listener.smear:
                    heights[token] = self.listener.blank - self.random.uniform(0.5, 7.0)
            self.frames.append((heights, hearing.noise))

    def hear(self, token: int, hearing: Hearing) -> None:
        """Hear a token, or something instead of it."""
        draw, size = self.random.random(), max(1, len(self.alphabet.labels[token]))
        near = self.alphabet.similar[token]
        ease = 0.2 if self.alphabet.labels[token] == "|" else 1.0
        edges = [_of(share * ease, size) for share in (hearing.wrong, hearing.doubtful)]
        heard, rival, gap, lost = token, BLANK, 0.0, False
        if draw < edges[0] and near:
            heard, rival, gap = self.random.choice(near), token, -self.random.uniform(4.0, 14.0)
        elif draw < sum(edges) and near:
            rival, gap = self.random.choice(near), self.random.gauss(hearing.gap, 2.0)
        else:
            lost = draw > 1.0 - _of(hearing.lost, size)
        pause = self._pauses(size)
        self.pause(max(pause, int(heard == self.before)), hearing, heard)
        for _ in range(1 + (self.random.random() < 0.08)):
            heights = self._peak(heard, near, hearing, lost=lost)
            if rival != BLANK:
                heights[rival] = heights[heard] + gap + self.random.gauss(0.0, 0.3)
            self.frames.append((heights, hearing.noise))
        self.before = heard
        if near and self.random.random() < hearing.extra:
            self._babble(self.random.choice(near), hearing)

    def _pauses(self, letters: int) -> int:
        """Blank frames before a token; a long one takes the time of its letters."""
        mean = self.listener.pause + (letters - 1) * (1.0 + self.listener.pause)
        return _poisson(mean, self.random)

    def _peak(self, heard: int, near: Sequence[int], hearing: Hearing, *, lost: bool) -> Heights:
        peak = self.listener.peak + self.random.gauss(0.0, 1.0)
        heights = {}
        for token in near:
            if self.random.random() < hearing.crowd:
                heights[token] = peak - self.random.uniform(*hearing.distance)
        heights[heard] = peak
        shy = self.listener.peak - 4.5 - self.random.expovariate(0.4)
        heights[BLANK] = peak + self.random.gauss(2.5, 2.0) if lost else shy
        return heights

    def _babble(self, token: int, hearing: Hearing) -> None:
        height = self.listener.blank + self.random.gauss(-0.5, 2.0)
        self.frames.append(({BLANK: self.listener.blank, token: height}, hearing.noise))
        self.before = BLANK


def _of(share: float, letters: int) -> float:
    """The share of tokens hit, of a share of letters; long tokens are told apart more easily."""
    return float(1.0 - (1.0 - share) ** (0.5 + 0.5 * letters))


def _poisson(mean: float, chance: random.Random) -> int:
    left, number = math.exp(-mean), -1
    product = 1.0
    while product > left or number < 0:
        product *= chance.random()
        number += 1
    return number


def simulate(
    text: str, alphabet: Alphabet, *, listener: Listener, seed: int
) -> NDArray[np.float32]:
    """Read a text aloud and listen to it; returns log probabilities (T, V)."""
    chance = random.Random(f"{seed} {text}")
    reading = Reading(alphabet, listener, chance)
    reading.pause(3 + _poisson(8.0, chance), WELL)
    words = text.split()
    for number, word in enumerate(words):
        hearing = BADLY if chance.random() < listener.badly else WELL
        after = " " * (number < len(words) - 1)
        for token in alphabet.spell(" " + word if alphabet.leads else word + after):
            reading.hear(token, hearing)
    reading.pause(2 + _poisson(8.0, chance), WELL)
    return _emit(reading.frames, alphabet, seed=chance.getrandbits(32))


def _emit(
    frames: Sequence[tuple[Heights, float]], alphabet: Alphabet, *, seed: int
) -> NDArray[np.float32]:
    """Add noise and normalise; a large alphabet has more noise in all, so it gets a lower one."""
    size = len(alphabet.labels)
    noise = np.random.default_rng(seed).standard_normal((len(frames), size), dtype=np.float32)
    logits = noise * np.array([sd for _, sd in frames], dtype=np.float32)[:, None]
    logits[:, 5:] -= max(0.0, math.log(size / 32))
    logits[:, 1 : len(SPECIAL)] -= 2.0
    for row, (heights, _) in zip(logits, frames, strict=True):
        for token, height in heights.items():
            row[token] += height
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def choose_sentences(heldout: Path, text: Path | None, *, number: int, seed: int = 7) -> list[str]:
    """Choose sentences of about ten seconds that the language model's text does not have."""
    found = {line for line in heldout.read_text().splitlines() if 110 <= len(line) <= 190}
    found = {line for line in found if set(line) <= {*LETTERS, " "}}
    if text is not None:
        with text.open() as known:
            found.difference_update(line.rstrip("\n") for line in known)
    chosen = sorted(found)
    random.Random(seed).shuffle(chosen)
    return chosen[:number]


def read_greedily(log_probs: NDArray[np.float32], alphabet: Alphabet) -> str:
    """Take the likeliest token of every frame."""
    best = log_probs.argmax(axis=1)
    new = np.ones(len(best), dtype=bool)
    new[1:] = best[1:] != best[:-1]
    return alphabet.read(best[new].tolist())


def describe(emissions: Sequence[NDArray[np.float32]]) -> str:
    """Say what a decoder meets: frames, blanks, tokens above pyctcdecode's cut."""
    frames = np.concatenate(emissions)
    blank = frames.argmax(axis=1) == BLANK
    near = (frames >= -5.0).sum(axis=1)
    sure = (frames[:, BLANK] > math.log(0.999)).mean()
    return (
        f"{len(emissions)} utterances of {len(frames) / RATE / len(emissions):.1f} s, "
        f"{frames.shape[1]} tokens; blank {blank.mean():.1%} of frames, surely {sure:.1%}; "
        f"tokens above -5: {near.mean():.2f} a frame ({near[blank].mean():.2f} where blank)"
    )


def main() -> None:
    """Describe the emissions of both listeners."""
    from anylect.evaluation.error_rate import count_errors

    shared = Path(__file__).parents[2] / "shared" / "data" / "text" / "english_heldout_100k.txt"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heldout", type=Path, default=shared)
    parser.add_argument("--utterances", type=int, default=100)
    parser.add_argument("--units", type=int, help="an alphabet of so many tokens")
    parser.add_argument("--marked", action="store_true", help="units with the boundary before them")
    options = parser.parse_args()
    if not options.heldout.is_file():
        print(f"skipped: no text at {options.heldout}; give --heldout")
        return
    sentences = choose_sentences(options.heldout, None, number=options.utterances)
    lines = options.heldout.read_text().splitlines()
    alphabet = units(lines, options.units, marked=options.marked) if options.units else letters()
    for name, listener in (("peaky", PEAKY), ("flat", FLAT)):
        emissions = [simulate(s, alphabet, listener=listener, seed=1) for s in sentences]
        errors = words = 0
        for sentence, log_probs in zip(sentences, emissions, strict=True):
            found = count_errors(sentence.split(), read_greedily(log_probs, alphabet).split())
            errors, words = errors + found.errors, words + found.length
        print(f"{name}: {describe(emissions)}; greedy WER {errors / words:.1%}")


if __name__ == "__main__":
    main()
