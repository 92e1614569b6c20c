"""Batch: the requests of one `AsyncHttpClient.send_many`, taken as there is room."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from bladehttp.client.batch import Feed
from bladehttp.client.crowd import Result
from bladehttp.client.driver import Driver
from bladehttp.client.exchange import Exchange


class Batch:
    """The requests of one `send_many` that are under way.

    Attributes:
        news: Set when there may be a result, or the requests are at their end.
        room: Set when another request may be taken.
        reason: Why what is still under way is aborted, as of `Driver.stop`.
    """

    def __init__(self, running: Callable[[], Driver], feed: Feed) -> None:
        """Take what gives the driver, anew for each request: the client may be closed between."""
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.reason: BaseException | None = None
        self._running = running
        self._feed = feed
        self._under_way: dict[Exchange, Driver] = {}

    async def take_all(self, requests: AsyncIterator[Any]) -> None:
        """Start the requests as there is room.

        Raises:
            BaseException: What the caller's iterable raises.
        """
        try:
            while True:
                while not self._feed.room:
                    self.room.clear()
                    await self.room.wait()
                self._start(await anext(requests))
        except StopAsyncIteration:
            self._feed.end()
        finally:
            self.news.set()

    def _start(self, given: Any) -> None:
        exchange = self._feed.take(given, self._feed.making())
        if exchange is None:
            self.news.set()
        else:
            driver = self._under_way[exchange] = self._running()
            driver.start(exchange, self._done)

    def _done(self, exchange: Exchange, result: Result) -> None:
        del self._under_way[exchange]
        self._feed.put(exchange, result)
        self.news.set()
        self.room.set()

    async def next(self, taking: "asyncio.Task[None]") -> Result | None:
        """Return the next result, None after the last; ``taking`` runs `take_all`.

        Raises:
            BaseException: What the caller's iterable raises.
        """
        feed = self._feed
        while not feed.over:
            if feed.ready:
                self.room.set()
                return feed.ready.popleft()
            if taking.done():
                taking.result()
            self.news.clear()
            await self.news.wait()
        return None

    def stop(self) -> None:
        """Abort what is under way."""
        for exchange, driver in self._under_way.items():
            driver.stop(exchange, self.reason)
