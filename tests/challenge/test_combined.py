"""A third each, or Common Voice alone."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.challenge.conftest import measured, spoken

from anylect.challenge.combined import ALONE, KINDS, combine
from anylect.errors import ConfigError, SubmissionError
from anylect.evaluation.evidence_files import UTTERANCES, StoredEvaluation, read_evaluation

errors = st.lists(st.integers(0, 10), min_size=6, max_size=12)


def stored(folder: Path, wrong: dict[str, list[int]], **facts: str) -> dict[str, StoredEvaluation]:
    for role, each in wrong.items():
        measured(folder, role, spoken(each), **facts)
    return {role: read_evaluation(folder / f"{role}{UTTERANCES}") for role in wrong}


def test_each_set_weighs_a_third_however_large(tmp_path: Path) -> None:
    # 2 of 10, 1 of 10 on four times as many, 6 of 10: (0.2 + 0.1 + 0.6) / 3.
    found = combine(
        stored(tmp_path, {"common_voice": [2] * 6, "real_world": [1] * 24, "hidden": [6] * 6})
    )
    assert found.rate == pytest.approx(0.3)
    assert found.measure == "WER"
    assert [part.measure.rate for part in found.parts] == pytest.approx([0.2, 0.1, 0.6])
    assert found.line.startswith("WER 30.0 % [30.0, 30.0]   1/3 Common Voice + 1/3 real-world dev")


def test_common_voice_alone_is_its_own_rate_and_interval(tmp_path: Path) -> None:
    evaluations = stored(tmp_path, {"common_voice": [1, 3, 0, 2, 5, 1, 2, 2]})
    found = combine(evaluations, alone=True)
    wer = evaluations["common_voice"].report().wer
    assert (found.rate, found.interval) == (wer.rate, wer.interval)
    assert "Common Voice alone" in found.line


@settings(max_examples=25)
@given(errors, errors, errors)
def test_the_score_is_the_mean_and_lies_in_its_interval(
    tmp_path_factory: pytest.TempPathFactory, one: list[int], two: list[int], three: list[int]
) -> None:
    wrong = dict(zip(KINDS, (one, two, three), strict=True))
    found = combine(stored(tmp_path_factory.mktemp("sets"), wrong), replicates=50)
    rates = [sum(each) / (10 * len(each)) for each in wrong.values()]
    assert found.rate == pytest.approx(sum(rates) / 3)
    assert min(rates) - 1e-9 <= found.rate <= max(rates) + 1e-9
    assert found.interval is not None
    low, high = found.interval
    assert 0 <= low <= found.rate + 1e-9
    assert high >= found.rate - 1e-9


def test_speakers_in_several_sets_are_counted_for_a_doubt(tmp_path: Path) -> None:
    sets = stored(tmp_path, dict.fromkeys(KINDS, [1] * 6))
    assert combine(sets).line.endswith(" · 6 speakers in several sets: too narrow")
    assert "too narrow" not in combine({ALONE: sets[ALONE]}, alone=True).line


def test_what_is_missing_is_refused(tmp_path: Path) -> None:
    wrong = {"common_voice": [1] * 6, "hidden": [1] * 6}
    with pytest.raises(SubmissionError, match=r"1 of 3 sets not measured: `real_world`") as raised:
        combine(stored(tmp_path, wrong))
    assert "--alone" in (raised.value.hint or "")
    with pytest.raises(ConfigError, match="but there is `hidden` too"):
        combine(stored(tmp_path, wrong), alone=True)
    with pytest.raises(SubmissionError, match="1 of 1 sets not measured: `common_voice`"):
        combine({}, alone=True)


def test_sets_of_different_submissions_or_languages_are_refused(tmp_path: Path) -> None:
    sets = stored(tmp_path, dict.fromkeys(KINDS, [1] * 6))
    sets |= stored(tmp_path / "b", {"hidden": [1] * 6}, name="other")
    with pytest.raises(SubmissionError, match="2 submissions"):
        combine(sets)
    sets |= stored(tmp_path / "c", {"hidden": [1] * 6}, language="fi")
    with pytest.raises(SubmissionError, match="2 languages"):
        combine(sets)


def test_languages_without_spaces_count_characters(tmp_path: Path) -> None:
    wrong = dict.fromkeys(KINDS, [1] * 6)
    found = combine(stored(tmp_path, wrong, language="th"))
    assert found.measure == "CER"
    # One of ten words of two letters, spaces between: `x` for `w0` is two edits of 29.
    assert found.rate == pytest.approx(2 / 29)
