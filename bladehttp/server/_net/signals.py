"""Stop a server by signals."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TERMINAL = "/dev/tty"
"""The terminal of a process that has one (tty(4))."""

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def end_by_signals(
    drain: Callable[[], None], close: Callable[[], None], reopen: Callable[[], None] | None = None
) -> Iterator[None]:
    """Drain a server on the first SIGINT or SIGTERM and close it on the second.

    SIGHUP, which logrotate sends, reopens the log files if ``reopen`` is given. Without, a service
    ignores it; a program whose terminal can be closed, or that handles it, does as before.

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
    if hasattr(signal, "SIGHUP") and (reopen is not None or _is_reloaded()):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _is_reloaded() -> bool:
    """Return whether SIGHUP can only ask for a reload, as ``systemctl reload`` does."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        return False
    try:
        os.close(os.open(TERMINAL, os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return True
    return False
