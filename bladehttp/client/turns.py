"""Turns: the places of requests on asyncio's event loop."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from math import inf
from time import monotonic

from bladehttp.client.exchange import Exchange
from bladehttp.client.places import LimitOf, Places


class Turns:
    """Requests that are begun as there are places for them.

    Attributes:
        places: The places.
    """

    __slots__ = ("_begin", "_is_closed", "_loop", "_timer", "places")

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
            most: As of `Places`.
            limit_of: As of `Places`.
            begin: Called with a request that has waited and has a place now.
        """
        self.places = Places(most, limit_of)
        self._loop = loop
        self._begin = begin
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def enter(self, exchange: Exchange) -> bool:
        """Give a request a place at once, or have it wait; return whether it has one."""
        if self.places.enter(exchange, monotonic()):
            return True
        self._arm()
        return False

    def leave(self, exchange: Exchange) -> None:
        """Take the place of a request back, or end its wait, and begin others."""
        self.places.leave(exchange, monotonic())
        self._admit()

    def _admit(self) -> None:
        if self.places.waits and not self._is_closed:
            for exchange in self.places.admit(monotonic()):
                self._begin(exchange)
            self._arm()

    def _arm(self) -> None:
        """See that those are begun that may be because others stand still."""
        if self._timer is not None or self._is_closed:
            return
        stalls_at = self.places.stalls_at
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
