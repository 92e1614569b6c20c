"""AsyncSlots: the slots of requests on asyncio's event loop."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from math import inf
from time import monotonic

from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.slots import LimitOf, Slots


def not_begun(_: Exchange) -> None:
    """Start nothing: the slots are closed."""


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
        if self.slots.enter(exchange, exchange.started):
            return True
        self._arm()
        return False

    def leave(self, exchange: Exchange) -> None:
        """Release the slot of a request, or end its wait, and start others."""
        self.slots.leave((exchange,), monotonic())
        if self.slots.queue:
            self._admit()

    def _admit(self) -> None:
        if not self._is_closed:
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
        """Start no more requests, and release the function that would."""
        self._is_closed = True
        self._begin = not_begun
        if self._timer is not None:
            self._timer.cancel()
