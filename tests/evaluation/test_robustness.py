import json
import random
from typing import Any

import numpy as np
import pytest

from anylect.errors import ManifestError
from anylect.evaluation.error_rate import ErrorCounts
from anylect.evaluation.report import Signature, report
from anylect.evaluation.robustness import ConditionScore, RobustnessReport, summarize
from anylect.evaluation.scoreboard import Scoreboard, ScoredUtterance

Errors = list[tuple[str, int]]


def heard(
    family: str, errors: Errors, *, variant: str = "", value: float | None = None, words: int = 10
) -> ConditionScore:
    """Score utterances of ten words, given their speakers and errors."""
    board = Scoreboard()
    for number, (speaker, wrong) in enumerate(errors):
        counts = ErrorCounts(substitutions=wrong, length=words)
        board.append(ScoredUtterance(str(number), "", "", counts, counts, speaker, 2.0))
    condition: dict[str, Any] = {
        "name": "-".join([family, variant, str(value)]),
        "family": family,
        "variant": variant or None,
        "value": value,
        "unit": "dB SNR" if value is not None else None,
        "settings": {},
    }
    made = report(board, signature=Signature(normalizer="en-1"), language="en")
    label = "" if value is None else f"{value:g} dB SNR"
    return ConditionScore(condition=condition, label=label, report=made, board=board)


def everybody(errors: int, *, speakers: int = 12) -> Errors:
    return [(f"s{number}", errors) for number in range(speakers)]


def scattered(mean: float, *, seed: int, speakers: int = 12) -> Errors:
    draws = random.Random(seed)
    hardness = [random.Random(number).uniform(0.3, 2) for number in range(speakers)]
    return [
        (f"s{number}", min(10, round(draws.gauss(mean * hard, 0.5)) if mean else 0))
        for number, hard in enumerate(hardness)
        for _ in range(8)
    ]


def grid() -> RobustnessReport:
    return summarize(
        [
            heard("clean", everybody(1)),
            heard("noise", everybody(2), variant="white", value=20.0),
            heard("noise", everybody(4), variant="white", value=0.0),
            heard("noise", everybody(3), variant="pink", value=10.0),
            heard("telephone", everybody(2)),
        ]
    )


def test_families_count_the_same_however_many_conditions_they_have() -> None:
    made = grid()
    # Noise: twice, four and three times the errors, so +100, +300, +200 %; telephone +100 %.
    assert made.families["noise"].value == pytest.approx(2.0)
    assert made.families["telephone"].value == pytest.approx(1.0)
    assert made.relative.value == pytest.approx(1.5)
    assert made.points.value == pytest.approx((0.2 + 0.1) / 2)


def test_where_all_speakers_are_alike_the_interval_has_no_width() -> None:
    made = grid()
    assert made.relative.interval == pytest.approx((1.5, 1.5))
    assert made.points.interval == pytest.approx((0.15, 0.15))


def test_the_interval_holds_the_figure_and_is_paired_by_speaker() -> None:
    clean = heard("clean", scattered(2, seed=0))
    noisy = heard("noise", scattered(4, seed=1), value=0.0)
    made = summarize([clean, noisy])
    assert made.relative.value is not None
    assert made.relative.interval is not None
    low, high = made.relative.interval
    assert low < made.relative.value < high
    # Speakers are hard or easy under both: the ratio is known better than either rate.
    spread = (high - low) / (1 + made.relative.value)
    wer = noisy.report.wer
    assert wer.rate is not None
    assert wer.interval is not None
    assert spread < (wer.interval.high - wer.interval.low) / wer.rate


@pytest.mark.slow
def test_the_interval_of_the_figure_holds_the_truth_about_as_often_as_it_says() -> None:
    holds = 0
    for trial in range(60):
        draws = np.random.default_rng(trial)
        clean, noisy = [], []
        for speaker in range(20):
            hard = draws.uniform(0.05, 0.3)
            for _ in range(6):
                clean.append((f"s{speaker}", int(draws.binomial(10, hard))))
                noisy.append((f"s{speaker}", int(draws.binomial(10, 2 * hard))))
        made = summarize([heard("clean", clean), heard("noise", noisy)], replicates=300)
        assert made.relative.interval is not None
        holds += made.relative.interval.low <= 1.0 <= made.relative.interval.high
    assert holds >= 52  # of 60; 57 is 95 %, and one set in a hundred would have fewer than 52


def test_a_change_of_nothing_is_nothing() -> None:
    errors = scattered(2, seed=0)
    made = summarize([heard("clean", errors), heard("level", errors, value=-30.0)])
    assert made.relative.value == 0
    assert made.changes[0] is None
    assert made.changes[1] is not None
    assert made.changes[1].difference == 0
    assert made.changes[1].p == 1


def test_nothing_wrong_on_clean_speech_leaves_the_difference_in_points() -> None:
    made = summarize([heard("clean", everybody(0)), heard("noise", everybody(1), value=0.0)])
    assert made.relative.value is None
    assert made.points.value == pytest.approx(0.1)
    assert "mean degradation +10.0 points [+10.0, +10.0] (nothing wrong on clean)" in made.text()


def test_clean_alone_has_no_figure() -> None:
    made = summarize([heard("clean", everybody(1))])
    assert made.relative.value is None
    assert made.points.value is None
    assert made.text().startswith("no degradation measured")


def test_one_utterance_has_a_figure_and_no_interval() -> None:
    made = summarize([heard("clean", [("s", 1)]), heard("noise", [("s", 3)])])
    assert made.relative.value == pytest.approx(2.0)
    assert made.relative.interval is None
    assert "[no interval]" in made.text()


def test_conditions_of_other_utterances_are_refused() -> None:
    clean, other = heard("clean", everybody(1)), heard("noise", everybody(1), words=11)
    fewer = heard("noise", everybody(1, speakers=3))
    for wrong in (other, fewer):
        with pytest.raises(ManifestError, match="not heard by the same utterances") as caught:
            summarize([clean, wrong])
        assert "measure it again" in str(caught.value.hint)


def test_languages_without_spaces_are_led_by_their_characters() -> None:
    board = Scoreboard()
    counts = ErrorCounts(substitutions=1, length=2), ErrorCounts(substitutions=1, length=10)
    board.append(ScoredUtterance("a", "", "", *counts, "s", 1.0))
    made = report(board, signature=Signature(normalizer="th-1"), language="th")
    clean = heard("clean", [])
    found = summarize(
        [
            ConditionScore(condition=clean.condition, label="", report=made, board=board),
            ConditionScore(
                condition={**clean.condition, "family": "noise"}, label="", report=made, board=board
            ),
        ]
    )
    assert found.rate_name == "CER"
    assert "10.0 %" in found.text()
    assert "50.0 %" not in found.text()


def test_the_table_reads() -> None:
    lines = grid().text().splitlines()
    assert lines[0].startswith(
        "mean relative degradation +150 % [+150, +150]   4 conditions in 2 families · "
        "clean WER 10.0 % [10.0, 10.0] · utterances 12 · speakers 12 · bootstrap 1000 by speaker"
    )
    assert [line.split("  ")[0] or line.strip().split("  ")[0] for line in lines[2:9]] == [
        "condition",
        "clean",
        "noise, white",
        "20 dB SNR",
        "0 dB SNR",
        "noise, pink 10 dB SNR",
        "telephone",
    ]
    assert lines[6].split() == (
        ["0", "dB", "SNR", "40.0", "%", "[40.0,", "40.0]", "+30.0", "[+30.0,", "+30.0]", "4.00"]
    )


def test_the_json_describes_itself() -> None:
    found = json.loads(json.dumps(grid().to_json()))
    assert found["kind"] == "robustness"
    assert found["rate"] == "WER"
    assert found["mean_relative_degradation"]["value"] == pytest.approx(1.5)
    white, pink = found["curves"]
    assert (white["name"], white["unit"]) == ("noise, white", "dB SNR")
    assert [(point["value"], point["rate"]) for point in white["points"]] == [(0, 0.4), (20, 0.2)]
    assert pink["variant"] == "pink"
    assert [each["wer"]["rate"] for each in found["conditions"]] == [0.1, 0.2, 0.4, 0.3, 0.2]
    assert found["conditions"][0]["change"] is None
    assert found["conditions"][4]["change"]["difference"] == pytest.approx(0.1)
