"""Means over languages: unweighted, and as sure as their speakers allow."""

from dataclasses import replace

import numpy as np
import pytest

from anylect.evaluation.bootstrap import ratio_error
from anylect.evaluation.macro import macro_average
from anylect.evaluation.scoreboard import Scoreboard, score


def board(generator: np.random.Generator, speakers: int, *, mean: float) -> Scoreboard:
    """Speakers whose WERs scatter around a mean, 200 words each."""
    made = Scoreboard()
    for speaker in range(speakers):
        wrong = generator.binomial(200, generator.beta(20 * mean, 20 * (1 - mean)))
        hypothesis = " ".join(["b"] * wrong + ["a"] * (200 - wrong))
        made.append(replace(score(" ".join(["a"] * 200), hypothesis), speaker=str(speaker)))
    return made


def test_every_language_has_the_same_weight() -> None:
    boards = {"fi": Scoreboard(), "sv": Scoreboard()}
    for _ in range(9):
        boards["fi"].append(score("a b", "a b"))
    for heard in ("a x", "x y"):
        boards["sv"].append(score("a b", heard))
    macro = macro_average(boards)
    assert macro.wer.rate == pytest.approx((0 + 0.75) / 2)
    assert macro.ser.rate == pytest.approx((0 + 1) / 2)
    assert "unweighted mean of 2 languages: fi, sv" in str(macro)
    assert macro.to_json()["wer"]["rate"] == macro.wer.rate


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(120):
        boards = {
            "a": board(generator, 12, mean=0.1),
            "b": board(generator, 20, mean=0.2),
            "c": board(generator, 30, mean=0.3),
        }
        interval = macro_average(boards).wer.interval
        assert interval is not None
        covered += interval.low <= 0.2 <= interval.high
    # Two standard errors of 120 trials are 4 percentage points.
    assert 0.9 <= covered / 120 <= 0.99


def test_a_single_voice_allows_no_interval_and_no_words_no_rate() -> None:
    boards = {"fi": Scoreboard(), "sv": Scoreboard()}
    boards["fi"].append(score("a", "b"))
    boards["sv"].append(score("a", "a"))
    assert str(macro_average(boards).wer) == "WER 50.0 % [no interval]"
    boards["sv"] = Scoreboard()
    assert macro_average(boards).wer.rate is None
    assert macro_average({}).wer.rate is None


def test_the_standard_error_of_equal_lengths_is_that_of_a_mean() -> None:
    errors, lengths = np.array([1, 2, 3, 4]), np.full(4, 10)
    expected = np.std(errors / 10, ddof=1) / 2
    assert ratio_error(errors, lengths) == pytest.approx(expected)
