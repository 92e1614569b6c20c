"""Driver: what runs a crowd on asyncio's event loop.

Descriptors are watched by add_reader and add_writer, one timer is set by call_at. All of it runs in
the loop's thread.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pycurl

from bladehttp.client.awaited import AwaitedBody
from bladehttp.client.crowd import Crowd, Result
from bladehttp.client.exchange import Exchange
from bladehttp.exceptions import ClientClosed

Done = Callable[[Exchange, Result], None]


class Looking(Protocol):
    """What looks after itself when libcurl has told it of something."""

    def look(self) -> None: ...


class Started(NamedTuple):
    """Whom to tell of an exchange's end, and its body if it has to be awaited."""

    done: Done
    body: AwaitedBody | None


class Driver:
    """What runs a crowd on an event loop.

    Attributes:
        closed: Whether it has been closed, by the client or because of an error.
        loop: The event loop.
    """

    __slots__ = ("_crowd", "_news", "_started", "_timer", "_watched", "closed", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._crowd = Crowd()
        self._crowd.watch = self._watch
        self._timer: asyncio.TimerHandle | None = None
        self._started: dict[Exchange, Started] = {}
        self._news: list[Looking] = []
        self._watched: dict[int, int] = {}

    def start(self, exchange: Exchange, done: Done) -> None:
        """Begin an exchange; ``done`` is called with it and its result, in a later turn."""
        self._crowd.limit(exchange.message.settings.max_host_connections)
        body = exchange.message.body
        awaited = body if isinstance(body, AwaitedBody) else None
        if awaited is not None:
            awaited.start(self.touch)
        self._started[exchange] = Started(done, awaited)
        self._crowd.start(exchange)
        self._arm()

    def stop(self, exchange: Exchange) -> None:
        """Abort an exchange if it has not ended; its ``done`` is not called any more."""
        if exchange in self._started:
            self._end(exchange)
            self._crowd.stop(exchange)
            self._arm()

    def _end(self, exchange: Exchange) -> Done:
        """Forget an exchange, and return whom to tell."""
        done, body = self._started.pop(exchange)
        if body is not None:
            body.stop()
        return done

    def tell(self, whom: Looking) -> None:
        """Have something look after itself as soon as libcurl has returned."""
        self._news.append(whom)

    def touch(self, curl: Any) -> None:
        """Go on with a transfer that stood still for the caller's sake."""
        self._crowd.touch(curl)
        self._arm()

    def _watch(self, descriptor: int, what: int) -> None:
        before = self._watched.pop(descriptor, pycurl.POLL_NONE)
        if what != pycurl.POLL_REMOVE:
            self._watched[descriptor] = what
        changed = before ^ what  # POLL_IN and POLL_OUT are bits, POLL_INOUT is both
        if changed & pycurl.POLL_IN:
            if what & pycurl.POLL_IN:
                self.loop.add_reader(descriptor, self._ready, descriptor, pycurl.CSELECT_IN)
            else:
                self.loop.remove_reader(descriptor)
        if changed & pycurl.POLL_OUT:
            if what & pycurl.POLL_OUT:
                self.loop.add_writer(descriptor, self._ready, descriptor, pycurl.CSELECT_OUT)
            else:
                self.loop.remove_writer(descriptor)

    def _ready(self, descriptor: int, bits: int) -> None:
        self._crowd.act(descriptor, bits)
        self._turn()

    def _turn(self) -> None:
        try:
            self._do()
        except BaseException as error:
            self.close(error)
            raise
        self._arm()

    def _do(self) -> None:
        ended = self._crowd.turn()
        news, self._news = self._news, []
        for each in dict.fromkeys(news):
            each.look()
        for exchange, result in ended:
            self._end(exchange)(exchange, result)

    def _arm(self) -> None:
        """Set the timer for when the crowd wants its turn; one that is too early may stay."""
        wake = self._crowd.wake()
        if self._timer is not None:
            if self._timer.when() <= wake:
                return
            self._timer.cancel()
        self._timer = None
        if wake < float("inf"):
            self._timer = self.loop.call_at(wake, self._turn_by_timer)

    def _turn_by_timer(self) -> None:
        self._timer = None
        self._turn()

    def close(self, reason: BaseException) -> None:
        """Close every connection and end what runs with an exception."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._crowd.close()
        for exchange in list(self._started):
            error = ClientClosed("transfer has been aborted")
            error.__cause__ = reason
            self._end(exchange)(exchange, error)
