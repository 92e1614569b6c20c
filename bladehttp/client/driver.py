"""Driver: what runs a crowd on asyncio's event loop.

Handles and timers of the loop are given an empty context: they serve all requests, and would keep
the context variables of the one that happened to make them. Of the loop nothing is asked but
add_reader, call_soon, call_later, create_task and create_future, of a timer nothing but cancel.

The loop watches one descriptor, which stands for all of libcurl's (readiness.py): what libcurl
waits for changes twice with each request, and to tell the loop is a dozen calls. All of it runs in
the loop's thread.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from math import inf
from time import monotonic
from typing import Any, Protocol

import pycurl

from bladehttp.client.awaited import AwaitedBody
from bladehttp.client.crowd import Crowd, Result
from bladehttp.client.engine import INTEREST
from bladehttp.client.exchange import Exchange
from bladehttp.client.readiness import readiness
from bladehttp.exceptions import ClientClosed

Done = Callable[[Exchange, Result], None]


class Looking(Protocol):
    """What looks after itself when libcurl has told it of something."""

    def look(self) -> None: ...


class Driver:
    """What runs a crowd on an event loop.

    Attributes:
        closed: Whether it has been closed, by the client or because of an error.
        loop: The event loop.
    """

    __slots__ = (
        "_bodies", "_crowd", "_is_due", "_is_watching", "_news", "_readiness", "_started",
        "_timer", "_timer_at", "_watched", "closed", "loop",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._is_due = False
        self._started: dict[Exchange, Done] = {}
        self._bodies: dict[Exchange, AwaitedBody] = {}
        self._news: list[Looking] = []
        self._watched: set[int] = set()
        self._is_watching = False
        self._readiness = readiness()
        self._crowd = Crowd(self._watch)

    def start(self, exchange: Exchange, done: Done) -> None:
        """Begin an exchange; ``done`` is called with it and its result, in a later turn."""
        self._crowd.limit(exchange.message.settings.max_host_connections)
        body = exchange.message.body
        if isinstance(body, AwaitedBody):
            body.start(self.touch)  # in the context of the caller
            self._bodies[exchange] = body
        self._started[exchange] = done
        self._crowd.start(exchange)
        self._arm()

    def stop(self, exchange: Exchange, reason: BaseException | None = None) -> None:
        """Abort an exchange if it has not ended; its ``done`` is not called any more.

        Args:
            exchange: The exchange.
            reason: What its hooks are told; None for a CancelledError.
        """
        if exchange in self._started:
            self._end(exchange)
            self._crowd.stop(exchange, reason or asyncio.CancelledError())
            self._arm()

    def _end(self, exchange: Exchange) -> Done:
        """Forget an exchange, and return whom to tell."""
        if exchange in self._bodies:
            self._bodies.pop(exchange).stop()
        return self._started.pop(exchange)

    def tell(self, whom: Looking) -> None:
        """Have something look after itself as soon as libcurl has returned."""
        self._news.append(whom)

    def touch(self, curl: Any) -> None:
        """Go on with a transfer that stood still for the caller's sake."""
        self._crowd.touch(curl)
        self._arm()

    def complete(self, curl: Any) -> None:
        """Take a transfer for ended of which no more is wanted."""
        self._crowd.complete(curl)
        self._arm()

    def _watch(self, descriptor: int, what: int) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(descriptor)
            try:
                self._readiness.unregister(descriptor)
            except OSError:
                return  # it is closed, and has left by itself
        elif descriptor in self._watched:
            self._readiness.modify(descriptor, INTEREST[what])
        else:
            if not self._is_watching:
                Context().run(self.loop.add_reader, self._readiness.fileno(), self._ready)
                self._is_watching = True
            self._readiness.register(descriptor, INTEREST[what])
            self._watched.add(descriptor)

    def _ready(self) -> None:
        self._crowd.act(self._readiness.poll(0))
        self._turn()

    def _turn(self) -> None:
        try:
            self._do()
        except BaseException as error:
            self.close(error)
            raise
        if not self.closed:
            self._arm()

    def _do(self) -> None:
        ended = self._crowd.turn()
        news, self._news = self._news, []
        for each in dict.fromkeys(news):
            each.look()
        for exchange, result in ended:
            if exchange in self._started:  # a hook may have closed all of it
                self._end(exchange)(exchange, result)

    def _arm(self) -> None:
        """See that the crowd has its turn when it wants it; a timer that is too early may stay."""
        if self._is_due:
            return
        wake = self._crowd.wake()
        if wake == 0.0:
            self._is_due = True
            self.loop.call_soon(self._turn_at_once, context=Context())
            return
        if self._timer is not None:
            if self._timer_at <= wake:
                return
            self._timer.cancel()
        self._timer, self._timer_at = None, wake
        if wake < inf:
            # not call_at: the loop's clock need not be ours
            delay = max(0.0, wake - monotonic())
            self._timer = self.loop.call_later(delay, self._turn_by_timer, context=Context())

    def _turn_at_once(self) -> None:
        self._is_due = False
        if not self.closed:
            self._turn()

    def _turn_by_timer(self) -> None:
        self._timer = None
        self._turn()

    def close(self, reason: BaseException) -> None:
        """Close every connection and end what runs with an exception. Idempotent."""
        if self.closed:
            return
        self.closed = True
        ended = [(exchange, self._aborted(exchange, reason)) for exchange in list(self._started)]
        if self._timer is not None:
            self._timer.cancel()
        self._crowd.close()
        if self._is_watching and not self.loop.is_closed():
            self.loop.remove_reader(self._readiness.fileno())
        self._readiness.close()
        for exchange, error in ended:
            self._end(exchange)(exchange, error)

    def _aborted(self, exchange: Exchange, reason: BaseException) -> ClientClosed:
        """Abort an exchange and return the exception that it ends with."""
        error = ClientClosed("transfer has been aborted")
        error.__cause__ = reason
        self._crowd.stop(exchange, error)
        return error
