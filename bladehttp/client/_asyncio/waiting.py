"""Turns: the places of requests on asyncio's event loop.

Poller: many descriptors behind one, which an event loop can watch in their place.

On Linux that is epoll(7), whose calls cost half a microsecond; where a selector has a descriptor
of its own (kqueue(2): macOS, BSD) it does the same for some more.
"""

import asyncio
import select
import selectors
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from math import inf
from time import monotonic
from typing import Protocol

from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.slots import LimitOf, Slots


class AsyncSlots:
    """Requests that are begun as there are places for them.

    Attributes:
        slots: The places.
    """

    __slots__ = ("_begin", "_is_closed", "_loop", "_timer", "slots")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        most: int,
        limit_of: LimitOf,
        begin: Callable[[Exchange], None],
    ) -> None:
        """Make places.

        Args:
            loop: The event loop.
            most: As of `Slots`.
            limit_of: As of `Slots`.
            begin: Called with a request that has waited and has a place now.
        """
        self.slots = Slots(most, limit_of)
        self._loop = loop
        self._begin = begin
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def enter(self, exchange: Exchange) -> bool:
        """Give a request a place at once, or have it wait; return whether it has one."""
        if self.slots.enter(exchange, monotonic()):
            return True
        self._arm()
        return False

    def leave(self, exchange: Exchange) -> None:
        """Take the place of a request back, or end its wait, and begin others."""
        self.slots.leave(exchange, monotonic())
        self._admit()

    def _admit(self) -> None:
        if self.slots.waits and not self._is_closed:
            for exchange in self.slots.admit(monotonic()):
                self._begin(exchange)
            self._arm()

    def _arm(self) -> None:
        """See that those are begun that may be because others stand still."""
        if self._timer is not None or self._is_closed:
            return
        stalls_at = self.slots.stalls_at
        if stalls_at < inf:
            delay = max(0.001, stalls_at - monotonic())
            self._timer = self._loop.call_later(delay, self._on_timer, context=Context())

    def _on_timer(self) -> None:
        self._timer = None
        self._admit()

    def close(self) -> None:
        """Begin no more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()


FLAGS = {select.POLLIN: selectors.EVENT_READ, select.POLLOUT: selectors.EVENT_WRITE}
BITS = {flag: bit for bit, flag in FLAGS.items()}


class Poller(Protocol):
    """What `select.epoll` has; masks are those of poll(2)."""

    def fileno(self) -> int: ...
    def register(self, fd: int, eventmask: int) -> None: ...
    def modify(self, fd: int, eventmask: int) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float | None) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class SelectorPoller:
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


def readiness() -> Poller:
    """Return what this system has."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()
