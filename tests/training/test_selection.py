from pathlib import Path
from typing import Any

import pytest
from tests.conftest import tiny_config

from anylect.errors import ConfigError
from anylect.records import Utterance
from anylect.training.journal import read_journal
from anylect.training.lessons import LeftOut, Lesson
from anylect.training.options import DataOptions
from anylect.training.selection import within_limits
from anylect.workflows.train import train


def lesson(duration: float) -> Lesson:
    audio = Path("a.wav")
    return Lesson(
        utterance=Utterance(audio=audio, text="a", id=f"{duration}", duration=duration), labels=(2,)
    )


def test_lessons_outside_the_limits_are_left_out_with_the_reason() -> None:
    lessons = [lesson(duration) for duration in (0.5, 1.0, 5.0, 20.0, 21.0)]
    before = LeftOut(lessons[0].utterance, "unreadable", "")
    options = DataOptions(min_duration=0.5, max_duration=20.0)
    kept, left_out = within_limits(lessons, [before], options)
    assert [each.utterance.id for each in kept] == ["1.0", "5.0"]
    assert [(each.utterance.id, each.reason) for each in left_out] == [
        ("0.5", "unreadable"),
        ("0.5", "too short"),
        ("20.0", "too long"),
        ("21.0", "too long"),
    ]
    assert left_out[-1].detail == "21.00 s, less than 20 s expected"


def test_without_limits_everything_is_kept() -> None:
    lessons = [lesson(0.1), lesson(300.0)]
    assert within_limits(lessons, [], DataOptions()) == (lessons, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": ("train", "test"), "dev": ("test",)}, "split `test` is both learnt from"),
        ({"train": ()}, "`train` names no split"),
        ({"min_duration": 3.0, "max_duration": 2.0}, "`max_duration` is 2.0"),
        ({"train_utterances": 0}, "`train_utterances` is 0"),
    ],
)
def test_data_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataOptions(**options)


def test_a_run_learns_from_the_splits_it_is_given_and_ships_the_last_weights(
    tone_manifest: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        tone_manifest,
        tmp_path / "run",
        data={"train": ["train", "dev"], "dev": ["test"], "train_utterances": 25},
        schedule={"updates": 4, "validate_every": 1, "ship": "last"},
    )
    report = train(config)
    assert report.best_update == report.updates == 4
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    assert next(event for event in events if event["event"] == "start")["lessons"] == 25
    last = [event for event in events if event["event"] == "validation"][-1]
    assert last["utterances"] == 6
    assert report.best_wer == last["wer"]
