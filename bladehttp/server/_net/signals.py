"""Stop a server by signals."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def end_by_signals(
    drain: Callable[[], None], close: Callable[[], None], reopen: Callable[[], None] | None = None
) -> Iterator[None]:
    """Drain a server on the first SIGINT or SIGTERM and close it on the second.

    SIGHUP, which logrotate sends, reopens the log files if ``reopen`` is given; otherwise it is
    left alone.

    Python runs a signal handler on the main thread between two steps of the loop, or during its
    sleep, which the handler ends.

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

    before = {number: signal.signal(number, handler) for number in END_SIGNALS}
    if reopen is not None and hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
