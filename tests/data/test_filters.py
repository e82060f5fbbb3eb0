from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylect.data.filters import (
    Dropped,
    FilterOptions,
    Measured,
    Reason,
    check,
    count_repeats,
    find_script,
    measure,
)
from anylect.errors import ConfigError
from anylect.records import Utterance

WriteWav = Callable[..., Path]


def _utterance(audio: Path = Path("a.wav"), **fields: Any) -> Utterance:
    return Utterance(**{"audio": audio, "text": "yes", "id": "u1", **fields})


def _measured(utterance: Utterance) -> Measured:
    measured = measure(utterance)
    assert isinstance(measured, Measured)
    return measured


@pytest.mark.parametrize(
    ("start", "duration", "expected"),
    [
        (0.0, None, 2.0),
        (0.5, None, 1.5),
        (0.5, 1.0, 1.0),
        (0.0, 2.3, 2.0),
    ],
    ids=["whole", "rest", "stretch", "rounded up by the corpus"],
)
def test_a_duration_comes_from_the_header(
    tmp_path: Path, write_wav: WriteWav, start: float, duration: float | None, expected: float
) -> None:
    audio = write_wav(tmp_path / "a.wav", 2.0)
    measured = _measured(_utterance(audio, start=start, duration=duration))
    assert measured.utterance.duration == pytest.approx(expected)
    assert measured.utterance.start == start


@pytest.mark.parametrize(
    ("start", "duration", "detail"),
    [
        (0.0, 2.6, "ends at 2.60 s, the recording at 2.00 s"),
        (1.5, 1.2, "ends at 2.70 s, the recording at 2.00 s"),
        (2.0, None, "ends at 2.00 s, the recording at 2.00 s"),
        (9.0, None, "ends at 9.00 s, the recording at 2.00 s"),
    ],
)
def test_a_stretch_outside_its_recording_is_dropped(
    tmp_path: Path, write_wav: WriteWav, start: float, duration: float | None, detail: str
) -> None:
    audio = write_wav(tmp_path / "a.wav", 2.0)
    utterance = _utterance(audio, start=start, duration=duration)
    assert measure(utterance) == Dropped(Reason.OUTSIDE, detail, utterance)


@pytest.mark.parametrize(
    ("name", "content", "reason", "detail"),
    [
        ("missing.wav", None, Reason.MISSING, "no such file"),
        ("text.wav", b"just words, no sound", Reason.UNREADABLE, "text.wav"),
        ("empty.wav", b"", Reason.UNREADABLE, "empty.wav"),
        ("x" * 300, None, Reason.UNREADABLE, "File name too long"),
        (".", None, Reason.UNREADABLE, "Is a directory"),
    ],
)
def test_a_bad_recording_is_dropped_with_the_reason(
    tmp_path: Path, name: str, content: bytes | None, reason: Reason, detail: str
) -> None:
    audio = tmp_path / name
    if content is not None:
        audio.write_bytes(content)
    dropped = measure(_utterance(audio))
    assert isinstance(dropped, Dropped)
    assert dropped.reason == reason
    assert detail in dropped.detail


def test_a_recording_without_samples_is_dropped(tmp_path: Path, write_wav: WriteWav) -> None:
    dropped = measure(_utterance(write_wav(tmp_path / "a.wav", 0.0)))
    assert isinstance(dropped, Dropped)
    assert dropped.reason == Reason.UNREADABLE


def test_a_repaired_recording_is_looked_at_again(tmp_path: Path, write_wav: WriteWav) -> None:
    audio = write_wav(tmp_path / "a.wav", 1.0)
    assert _measured(_utterance(audio)).utterance.duration == 1.0
    write_wav(audio, 2.0)
    assert _measured(_utterance(audio)).utterance.duration == 2.0


def test_fingerprints_tell_recordings_apart(tmp_path: Path, write_wav: WriteWav) -> None:
    one = write_wav(tmp_path / "1.wav", 8.0)
    same = write_wav(tmp_path / "2.wav", 8.0)
    other = write_wav(tmp_path / "3.wav", 8.0, seed=1)
    assert one.stat().st_size > 3 * 16_384
    prints = [_measured(_utterance(audio)).fingerprint for audio in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]
    assert prints[0] != _measured(_utterance(one, start=1.0)).fingerprint


CHECKS: list[tuple[str, str, float, Reason | None, str]] = [
    ("yes", "yes", 1.0, None, ""),
    ("", "", 1.0, Reason.EMPTY, "nothing is written"),
    (" \n", "", 1.0, Reason.EMPTY, "nothing is written"),
    ("?!", "", 1.0, Reason.EMPTY, "nothing of '?!' is left after normalisation"),
    ("yes", "yes", 0.09, Reason.TOO_SHORT, "0.09 s, at least 0.1 s expected"),
    ("yes", "yes", 40.5, Reason.TOO_LONG, "40.50 s, at most 40 s expected"),
    ("yes", "yes", 40.0, None, ""),
    # 0.5 s are 25 frames: 13 equal letters need 13 + 12.
    ("", "a" * 13, 0.5, None, ""),
    ("", "a" * 14, 0.5, Reason.INFEASIBLE, "14 tokens and 13 repeats cannot be aligned to 25 fr"),
    ("", "ab" * 7, 0.5, None, ""),
    ("", "ab" * 8, 0.5, Reason.TOO_FAST, "16 tokens in 0.50 s are 32.0 per second, at most 30"),
]


@pytest.mark.parametrize(("text", "normalized", "duration", "reason", "detail"), CHECKS)
def test_rules_are_kept(
    text: str, normalized: str, duration: float, reason: Reason | None, detail: str
) -> None:
    utterance = _utterance(text=text or normalized, duration=duration)
    dropped = check(utterance, normalized, FilterOptions())
    assert (dropped.reason if dropped else None) == reason
    assert detail in (dropped.detail if dropped else "")


def test_an_utterance_without_duration_never_stays() -> None:
    dropped = check(_utterance(duration=0.0), "yes", FilterOptions(min_duration=0.0))
    assert dropped is not None
    assert dropped.reason == Reason.TOO_SHORT


@given(st.text("ab ", max_size=40), st.floats(0.1, 2.0))
def test_what_stays_can_be_aligned(normalized: str, duration: float) -> None:
    kept = check(_utterance(duration=duration), normalized, FilterOptions()) is None
    if kept:
        assert len(normalized) + count_repeats(normalized) <= int(duration * 50)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"min_duration": 5.0, "max_duration": 1.0}, "`min_duration` is 5.0 s", "0 ≤ min"),
        ({"min_duration": -1.0}, "`min_duration` is -1.0 s", "0 ≤ min_duration"),
        ({"frames_per_second": 0.0}, "`frames_per_second` is 0.0", "more than 0"),
        ({"max_tokens_per_second": -1.0}, "`max_tokens_per_second` is -1.0", "more than 0"),
    ],
)
def test_impossible_rules_are_refused(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        FilterOptions(**options)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello мир", "LATIN"),
        ("привет ok", "CYRILLIC"),
        ("ＦＵＬＬ", "LATIN"),
        ("漢字とカナ", "HAN"),
        ("ｶﾀｶﾅ", "HAN"),
        ("안녕", "HANGUL"),
        ("ഉടൻ", "MALAYALAM"),
        ("สวัสดี", "THAI"),
        ("ʼ ʹ", None),
        ("12 ₤ …", None),
        ("", None),
    ],
)
def test_scripts_are_told_apart(text: str, script: str | None) -> None:
    assert find_script(text) == script
