"""AsyncHttpClient: the same client on asyncio's event loop.

A crowd does the work; `Driver` is its loop: descriptors by add_reader and add_writer, one timer by
call_at. All of it runs in the loop's thread.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Self

import pycurl

from bladehttp.client.batch import Feed, arguments
from bladehttp.client.checks import at_least_one
from bladehttp.client.crowd import Crowd, Result
from bladehttp.client.encode import NOT_GIVEN
from bladehttp.client.exchange import Exchange
from bladehttp.client.log import in_force
from bladehttp.client.properties import Configured
from bladehttp.exceptions import ClientClosed
from bladehttp.headers import HeadersLike
from bladehttp.response import HttpResponse

Done = Callable[[Exchange, Result], None]

READING = (pycurl.POLL_IN, pycurl.POLL_INOUT)
WRITING = (pycurl.POLL_OUT, pycurl.POLL_INOUT)


class Driver:
    """What runs a crowd on an event loop.

    Attributes:
        closed: Whether it has been closed, by the client or because of an error.
        loop: The event loop.
    """

    __slots__ = ("_crowd", "_done", "_timer", "closed", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.closed = False
        self._crowd = Crowd()
        self._crowd.watch = self._watch
        self._timer: asyncio.TimerHandle | None = None
        self._done: dict[Exchange, Done] = {}

    def start(self, exchange: Exchange, done: Done) -> None:
        """Begin an exchange; ``done`` is called with it and its result, in a later turn."""
        self._crowd.limit(exchange.message.settings.max_host_connections)
        self._done[exchange] = done
        self._crowd.start(exchange)
        self._arm()

    def stop(self, exchange: Exchange) -> None:
        """Abort an exchange if it has not ended; its ``done`` is not called any more."""
        if self._done.pop(exchange, None) is not None:
            self._crowd.stop(exchange)
            self._arm()

    def _watch(self, descriptor: int, what: int) -> None:
        self.loop.remove_reader(descriptor)
        self.loop.remove_writer(descriptor)
        if what in READING:
            self.loop.add_reader(descriptor, self._ready, descriptor, pycurl.CSELECT_IN)
        if what in WRITING:
            self.loop.add_writer(descriptor, self._ready, descriptor, pycurl.CSELECT_OUT)

    def _ready(self, descriptor: int, bits: int) -> None:
        self._crowd.act(descriptor, bits)
        self._turn()

    def _turn(self) -> None:
        try:
            ended = self._crowd.turn()
        except BaseException as error:
            self.close(error)
            raise
        for exchange, result in ended:
            self._done.pop(exchange)(exchange, result)
        self._arm()

    def _arm(self) -> None:
        """Set the timer for when the crowd wants its turn."""
        wake = self._crowd.wake()
        if self._timer is not None:
            if self._timer.when() == wake:
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
        for exchange, done in list(self._done.items()):
            error = ClientClosed("transfer has been aborted")
            error.__cause__ = reason
            done(exchange, error)
        self._done.clear()


class AsyncHttpClient(Configured):
    """An HTTP client for asyncio that keeps its connections.

    It has the properties and verbs of `HttpClient`, the verbs to be awaited. Use it in an ``async
    with`` statement, or close it. It belongs to the event loop of its first request.

    Cancelling a request aborts its transfer. A request waits while ``concurrency`` others are under
    way; its clocks start when it does. ``data`` is read in the event loop's thread, in pieces:
    what blocks there blocks the loop. Hooks are plain functions and are called there too.

    Args:
        concurrency: How many requests are under way at the most, `send_many` aside, which has
            a limit of its own. 100.
    """

    __slots__ = ("__weakref__", "_closed", "_driver", "_room")

    def __init__(
        self,
        base_url: str | None = None,
        *,
        concurrency: int = 100,
        headers: HeadersLike | None = None,
        **properties: Any,
    ) -> None:
        """Make a client; properties can be given by name."""
        self._driver: Driver | None = None
        self._closed = False
        self._room = asyncio.Semaphore(at_least_one("concurrency", concurrency))
        super().__init__(base_url, headers=headers, **properties)

    def _running(self) -> Driver:
        """Return what drives the transfers on the running loop.

        Raises:
            ClientClosed: The client has been closed.
            RuntimeError: It was used on another loop before.
        """
        if self._closed:
            raise ClientClosed("client has been closed")
        loop = asyncio.get_running_loop()
        if self._driver is None or self._driver.closed:
            self._driver = Driver(loop)
        if self._driver.loop is not loop:
            raise RuntimeError("client belongs to another event loop")
        return self._driver

    async def send_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        *,
        headers: HeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: Any = None,
        files: Any = None,
        query: Any = None,
        **properties: Any,
    ) -> HttpResponse:
        """Send a request and return the response; see `HttpClient.send_request`.

        Raises:
            HttpException: And others, as there.
            asyncio.CancelledError: The transfer has been aborted.
            RuntimeError: The client was used on another event loop before.
        """
        self._running()
        message = self._message(
            url, method, data, headers=headers, json=json, form=form, files=files, query=query,
            **properties,
        )  # fmt: skip
        async with self._room:
            return await self._run(Exchange(message, in_force(self._hooks)))

    async def _run(self, exchange: Exchange) -> HttpResponse:
        driver = self._running()
        future: asyncio.Future[HttpResponse] = driver.loop.create_future()

        def done(_: Exchange, result: Result) -> None:
            if future.done():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        driver.start(exchange, done)
        try:
            return await future
        finally:
            driver.stop(exchange)

    async def send_many(
        self, requests: Iterable[Any], concurrency: int = 100, ordered: bool = False
    ) -> AsyncIterator[Result]:
        """Send many requests at once; see `HttpClient.send_many`.

        The clocks run on while the next result is not asked for: the loop does too.
        """
        driver = self._running()  # and again below: the client may be closed in between
        feed = Feed(self._given, requests, at_least_one("concurrency", concurrency), ordered)
        news = asyncio.Event()
        under_way: set[Exchange] = set()

        def done(exchange: Exchange, result: Result) -> None:
            under_way.discard(exchange)
            feed.put(exchange, result)
            news.set()

        try:
            while not feed.over:
                news.clear()
                while (exchange := feed.take()) is not None:
                    under_way.add(exchange)
                    self._running().start(exchange, done)
                while (result := feed.pop()) is not None:
                    yield result
                if under_way:
                    await news.wait()
        finally:
            for exchange in under_way:
                driver.stop(exchange)

    def _given(self, given: Any) -> Exchange:
        return Exchange(self._message(**arguments(given)), in_force(self._hooks), given)

    async def get(
        self, url: str, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a GET request; see `send_request`, as for all the verbs."""
        return await self.send_request(url, "GET", headers=headers, **options)

    async def post(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a POST request."""
        return await self.send_request(url, "POST", data, headers=headers, **options)

    async def put(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PUT request."""
        return await self.send_request(url, "PUT", data, headers=headers, **options)

    async def patch(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PATCH request."""
        return await self.send_request(url, "PATCH", data, headers=headers, **options)

    async def delete(
        self, url: str, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a DELETE request."""
        return await self.send_request(url, "DELETE", headers=headers, **options)

    async def head(
        self, url: str, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a HEAD request."""
        return await self.send_request(url, "HEAD", headers=headers, **options)

    async def options(
        self, url: str, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send an OPTIONS request."""
        return await self.send_request(url, "OPTIONS", headers=headers, **options)

    async def trace(
        self, url: str, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a TRACE request."""
        return await self.send_request(url, "TRACE", headers=headers, **options)

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._closed

    async def close(self) -> None:
        """Close the connections; requests under way end with ClientClosed. Idempotent."""
        self._shut()

    def _shut(self) -> None:
        was_closed, self._closed = self._closed, True
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close(ClientClosed("client has been closed"))
        if not was_closed and self.cookie_file is not None:
            self.save_cookies()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shut()

    def __del__(self) -> None:
        if getattr(self, "_driver", None) is not None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self._shut()
