"""The thread of the server's loop: how other threads call functions there, and what ends it."""

from collections import deque
from collections.abc import Callable

from bladehttp.server._net.loop import Loop

EXITS = (KeyboardInterrupt, SystemExit)
"""Exceptions that end the thread they are raised on."""


class LoopThread:
    """The thread that runs the loop of a server.

    Attributes:
        loop: The loop of the current run, None if there is none.
    """

    __slots__ = ("_waiting", "loop")

    def __init__(self) -> None:
        """Start without a loop."""
        self._waiting: deque[Callable[[], None]] = deque()
        self.loop: Loop | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the loop was told to stop."""
        return self.loop is not None and self.loop.stopped

    def is_current(self) -> bool:
        """Return whether the caller runs on it."""
        return self.loop is not None and self.loop.is_own_thread()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function on the loop's thread, at the latest when the server has closed."""
        self._waiting.append(function)
        loop = self.loop
        if loop is None or loop.closed:
            self.call_waiting()
        else:
            loop.call_soon(self.call_waiting)

    def call_later(self, milliseconds: int, function: Callable[[], None]) -> Callable[[], None]:
        """Call a function on the loop's thread after some time, 0: never.

        Returns:
            A function that cancels it.
        """
        loop = self.loop
        if loop is None or not milliseconds:
            return _do_nothing
        return loop.call_later(milliseconds / 1000, function).cancel

    def call_waiting(self) -> None:
        """Call the functions of other threads that wait for the loop's thread."""
        while self._waiting:
            self._next_waiting()()

    def _next_waiting(self) -> Callable[[], None]:
        """Take a function. No variable of the caller's has it: it may refer to an exception."""
        try:
            return self._waiting.popleft()
        except IndexError:  # another thread was faster
            return _do_nothing

    def end(self, error: BaseException) -> None:
        """End the loop if this is its thread and the error is one of `EXITS`."""
        if self.loop is not None and isinstance(error, EXITS) and self.is_current():
            self.loop.end(error)


def _do_nothing() -> None:
    """Stand for a function that there is not."""
