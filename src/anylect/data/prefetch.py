"""Work done ahead, in threads: decode the next recordings while this one is being used.

Stands between a manifest and whoever needs waveforms. Results come in the order of the items,
memory is bounded, and no thread outlives the consumer.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from anylect.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """Apply a function to items in threads and yield the results in the items' order.

    At most `ahead` items are taken that the consumer has not been given yet. An exception,
    of the function or of the items, is raised where that item's result would stand, after all
    earlier results; it ends the iteration, so a function that may fail on one item and go on
    with the next returns its error. Whoever stops early lets running calls end and starts no
    more.

    Args:
        function: Called from several threads at once, except with `workers=0`.
        items: Taken lazily, from the consumer's thread.
        workers: Threads; 0 calls the function inline, one item at a time.
        ahead: Items in work or waiting; more than `workers`, or threads idle.

    Raises:
        ConfigError: If `workers` is negative or `ahead` is below 1.

    Example:
        >>> list(prefetch(abs, [3, -1, 2], workers=2, ahead=4))
        [3, 1, 2]
    """
    if workers < 0:
        raise ConfigError(f"`workers` is {workers}", hint="0 works inline, 1 or more in threads")
    if ahead < 1:
        raise ConfigError(f"`ahead` is {ahead}", hint="take at least 1 item ahead")
    if workers == 0:
        return map(function, items)
    return _in_threads(function, items, workers=workers, ahead=ahead)


def _in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="anylect-prefetch")
    upcoming = iter(items)
    try:
        while True:
            try:
                item = next(upcoming)
            except StopIteration:
                break
            except BaseException:
                while pending:
                    yield pending.popleft().result()
                raise
            pending.append(pool.submit(function, item))
            if len(pending) == ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
