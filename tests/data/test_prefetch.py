import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylect.data.prefetch import prefetch
from anylect.errors import ConfigError


def _our_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("anylect-prefetch")
    ]


@given(st.lists(st.integers()), st.integers(0, 3), st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_results_come_in_order(items: list[int], workers: int, ahead: int) -> None:
    results = prefetch(lambda item: item * 2, items, workers=workers, ahead=ahead)
    assert list(results) == [item * 2 for item in items]
    assert not _our_threads()


def test_order_holds_when_later_items_are_ready_first() -> None:
    def slowly(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item

    assert list(prefetch(slowly, range(8), workers=4, ahead=8)) == list(range(8))


def test_calls_run_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=10)
    results = prefetch(lambda item: meeting.wait() >= 0, range(3), workers=3, ahead=3)
    assert list(results) == [True, True, True]


@pytest.mark.parametrize("workers", [0, 2])
def test_no_more_than_ahead_items_are_taken(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = prefetch(abs, items(), workers=workers, ahead=3)
    assert taken == []
    for given_out in range(1, 20):
        next(results)
        assert len(taken) <= given_out - 1 + 3


def _fail_at_three(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    return item


def _numbers_failing_at_three() -> Iterator[int]:
    yield from range(3)
    raise ValueError("three")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("function", "items"),
    [(_fail_at_three, lambda: iter(range(9))), (abs, _numbers_failing_at_three)],
    ids=["function", "items"],
)
def test_an_exception_surfaces_at_its_place(
    workers: int, function: Callable[[int], int], items: Callable[[], Iterator[int]]
) -> None:
    results = prefetch(function, items(), workers=workers, ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert not _our_threads()


def test_who_stops_early_leaves_no_thread() -> None:
    started: list[int] = []

    def start(item: int) -> int:
        started.append(item)
        return item

    for result in prefetch(start, range(1000), workers=2, ahead=9):
        if result == 5:
            break
    assert not _our_threads()
    assert len(started) < 20


@pytest.mark.parametrize(
    ("workers", "ahead", "message"), [(-1, 1, "`workers` is -1"), (1, 0, "`ahead` is 0")]
)
def test_impossible_settings_are_refused_at_once(workers: int, ahead: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        prefetch(abs, [], workers=workers, ahead=ahead)
    assert caught.value.hint
