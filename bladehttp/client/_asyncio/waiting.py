"""AsyncSlots: the slots of requests on asyncio's event loop.

Poller: many descriptors behind one, which an event loop watches in their place.

On Linux it is epoll(7), whose calls cost half a microsecond; where a selector has a descriptor of
its own (kqueue(2): macOS, BSD) it works the same at a somewhat higher cost.
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
    """Requests that start as slots are free.

    Attributes:
        slots: The slots.
    """

    __slots__ = ("_begin", "_is_closed", "_loop", "_timer", "slots")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        most: int,
        limit_of: LimitOf,
        begin: Callable[[Exchange], None],
    ) -> None:
        """Create slots.

        Args:
            loop: The event loop.
            most: Number of slots.
            limit_of: Returns the most slots that the host of a request may hold, None for no limit.
            begin: Called with a request that has waited and now holds a slot.
        """
        self.slots = Slots(most, limit_of)
        self._loop = loop
        self._begin = begin
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def enter(self, exchange: Exchange) -> bool:
        """Give a request a slot, or queue it; return whether it has one."""
        if self.slots.enter(exchange, monotonic()):
            return True
        self._arm()
        return False

    def leave(self, exchange: Exchange) -> None:
        """Release the slot of a request, or end its wait, and start others."""
        self.slots.leave(exchange, monotonic())
        self._admit()

    def _admit(self) -> None:
        if self.slots.waits and not self._is_closed:
            for exchange in self.slots.admit(monotonic()):
                self._begin(exchange)
            self._arm()

    def _arm(self) -> None:
        """Schedule the start of requests that may start because other hosts stall."""
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
        """Start no more requests."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()


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
