"""Ending a server by signals."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def end_by_signals(drain: Callable[[], None], close: Callable[[], None]) -> Iterator[None]:
    """Make the first SIGINT or SIGTERM drain a server and the second close it.

    Python runs a signal's handler on the main thread between two steps of the loop, or while
    it sleeps; what the handler does here wakes it.

    Raises:
        ValueError: This is not the main thread.
    """
    steps = iter((drain, close))

    def handler(number: int, frame: FrameType | None) -> None:
        del number, frame
        next(steps, close)()

    before = {number: signal.signal(number, handler) for number in ENDING}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
