"""LoopWaiter: asyncio's event loop waits for libcurl's descriptors.

The loop watches one descriptor that stands for all of libcurl's (`make_poller`): libcurl's
interests change twice with each request, and telling the loop takes a dozen calls. On Linux it is
epoll(7), whose calls cost half a microsecond; where a selector has a descriptor of its own
(kqueue(2): macOS, BSD) it works the same at a somewhat higher cost.
"""

import asyncio
import select
import selectors
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Protocol

from bladehttp.client._curl.waiters import INTEREST, POLL_REMOVE, Events, SocketWaiter


class LoopWaiter(SocketWaiter):
    """Wait on an event loop, which calls ``on_ready``: then `wait` with 0 returns at once."""

    __slots__ = ("_is_watching", "_loop", "_on_ready", "_poller")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_ready: Callable[[], None]) -> None:
        """Create a waiter.

        Args:
            loop: The loop.
            on_ready: Called by the loop, in an empty context, when a descriptor is ready.
        """
        super().__init__()
        self._loop = loop
        self._on_ready = on_ready
        self._poller = make_poller()
        self._is_watching = False

    def watch(self, descriptor: int, interest: int, is_new: bool) -> None:
        if interest == POLL_REMOVE:
            try:
                self._poller.unregister(descriptor)
            except OSError:  # closed descriptors leave by themselves
                pass
        elif not is_new:
            self._poller.modify(descriptor, INTEREST[interest])
        else:
            if not self._is_watching:
                Context().run(self._loop.add_reader, self._poller.fileno(), self._on_ready)
                self._is_watching = True
            self._poller.register(descriptor, INTEREST[interest])

    def poll(self, seconds: float) -> Events:
        return self._poller.poll(seconds)

    def close(self) -> None:
        """Take the descriptor out of the loop and close it."""
        if self._is_watching and not self._loop.is_closed():
            self._loop.remove_reader(self._poller.fileno())
        self._poller.close()


FLAGS = {select.POLLIN: selectors.EVENT_READ, select.POLLOUT: selectors.EVENT_WRITE}
BITS = {flag: bit for bit, flag in FLAGS.items()}


class Poller(Protocol):
    """The interface of `select.epoll`; masks are those of poll(2)."""

    def fileno(self) -> int: ...
    def register(self, fd: int, eventmask: int) -> None: ...
    def modify(self, fd: int, eventmask: int) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float | None) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class SelectorPoller:
    """The same interface over a selector."""

    __slots__ = ("_fileno", "_selector")

    def __init__(self) -> None:
        """Create a poller that watches nothing.

        Raises:
            NotImplementedError: The selector of this system has no descriptor.
        """
        self._selector = selectors.DefaultSelector()
        fileno: Callable[[], int] | None = getattr(self._selector, "fileno", None)
        if fileno is None:
            raise NotImplementedError("this system has no descriptor that stands for others")
        self._fileno: Callable[[], int] = fileno

    def fileno(self) -> int:
        return self._fileno()

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


def make_poller() -> Poller:
    """Return the poller of this system."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()
