"""Readiness: many descriptors behind one, which an event loop can watch in their place.

On Linux that is epoll(7), whose calls cost half a microsecond; where a selector has a descriptor
of its own (kqueue(2): macOS, BSD) it does the same for some more.
"""

import select
import selectors
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

FLAGS = {select.POLLIN: selectors.EVENT_READ, select.POLLOUT: selectors.EVENT_WRITE}
BITS = {flag: bit for bit, flag in FLAGS.items()}


class Readiness(Protocol):
    """What `select.epoll` has; masks are those of poll(2)."""

    def fileno(self) -> int: ...
    def register(self, fd: int, eventmask: int) -> None: ...
    def modify(self, fd: int, eventmask: int) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float | None) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class Selected:
    """The same over a selector."""

    __slots__ = ("_selector", "fileno")

    def __init__(self) -> None:
        """Make one that watches nothing.

        Raises:
            NotImplementedError: The system's selector has no descriptor.
        """
        self._selector = selectors.DefaultSelector()
        fileno: Callable[[], int] | None = getattr(self._selector, "fileno", None)
        if fileno is None:
            raise NotImplementedError("this system has no descriptor that stands for others")
        self.fileno = fileno

    def register(self, fd: int, eventmask: int) -> None:
        if eventmask:
            self._selector.register(fd, _changed(eventmask, FLAGS))

    def modify(self, fd: int, eventmask: int) -> None:
        self.unregister(fd)
        self.register(fd, eventmask)

    def unregister(self, fd: int) -> None:
        with suppress(KeyError):  # one without any interest is not there
            self._selector.unregister(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        ready = self._selector.select(timeout)
        return [(key.fd, _changed(events, BITS)) for key, events in ready]

    def close(self) -> None:
        self._selector.close()


def _changed(mask: int, table: dict[int, int]) -> int:
    return sum(to for bit, to in table.items() if mask & bit)


def readiness() -> Readiness:
    """Return what this system has."""
    return select.epoll() if hasattr(select, "epoll") else Selected()
