"""Ending a server by signals."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def end_by_signals(
    drain: Callable[[], None], close: Callable[[], None], reopen: Callable[[], None] | None = None
) -> Iterator[None]:
    """Make the first SIGINT or SIGTERM drain a server and the second close it.

    SIGHUP, which logrotate sends, makes it open its log files again, if ``reopen`` is given;
    else it is left as it is.

    Python runs a signal's handler on the main thread between two steps of the loop, or while
    it sleeps; what the handler does here wakes it.

    Raises:
        ValueError: This is not the main thread.
    """
    steps = iter((drain, close))

    def handler(number: int, frame: FrameType | None) -> None:
        del number, frame
        next(steps, close)()

    def hung_up(number: int, frame: FrameType | None) -> None:
        del number, frame
        if reopen is not None:
            reopen()

    before = {number: signal.signal(number, handler) for number in ENDING}
    if reopen is not None and hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
