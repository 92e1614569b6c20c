"""AsyncHttpClient: the client for asyncio; `EventLoopDriver` runs its transfers."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, Unpack

from bladehttp._data.byte_streams import as_async_iterator
from bladehttp._data.event_stream import LONGEST_EVENT, Event
from bladehttp._message.response import HttpResponse
from bladehttp.client._arguments import (
    AsyncData,
    ClientOptions,
    DownloadOptions,
    RequestItem,
    RequestOptions,
    StreamOptions,
)
from bladehttp.client._asyncio.download import adownload
from bladehttp.client._asyncio.event_loop import EventLoopDriver
from bladehttp.client._asyncio.hooks import await_abort_hooks, await_response_hooks
from bladehttp.client._asyncio.send_many import AsyncBatch
from bladehttp.client._asyncio.streams import AsyncResponseStream, keep_beginning
from bladehttp.client._asyncio.upload import AsyncBody
from bladehttp.client._config.progress import Report
from bladehttp.client._config.validators import at_least_one
from bladehttp.client._exchange.event_source import FAILURES, LONGEST_DELAY, EventSource
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import AsyncHooks, active_hooks
from bladehttp.client._exchange.pages import Pages
from bladehttp.client._exchange.scheduler import Result
from bladehttp.client._exchange.send_many import Batch, check_requests
from bladehttp.client._request.fields import RequestHeadersLike
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.client._verbs import Verbs
from bladehttp.exceptions import ClientClosed, HttpException, HttpStatusError


def _resolve(future: "asyncio.Future[HttpResponse]", _: Exchange, result: Result) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


class AsyncHttpClient(Verbs[Coroutine[Any, Any, HttpResponse], AsyncData]):
    """An HTTP client for asyncio that keeps its connections.

    It has the properties and verbs of `HttpClient`; its verbs are coroutines. Use it in an ``async
    with`` statement, or close it. It belongs to the event loop of its first request. Once that loop
    is closed, and in a forked child, it belongs to the next loop and starts without connections.

    Cancelling a request aborts its transfer. A request waits while ``concurrency`` others are under
    way; of its clocks only ``total_timeout`` runs meanwhile. ``data`` may be an asynchronous
    iterable, which is awaited; other data is read in chunks in the event loop's thread: blocking
    there blocks the loop. Hooks are called there too, and may be coroutine functions. Pickling and
    copying include the properties but not the connections.

    A task that holds an open stream while it waits for another request needs two slots. With as
    many such tasks as there are slots, all of them wait for each other; set ``concurrency`` to
    twice their number, or set ``total_timeout``.

    Args:
        concurrency: Most requests under way, open streams included; `send_many` has a limit of its
            own. 100. If a host that has more than its share of the slots does not answer, requests
            to others get up to as many again.
    """

    __slots__ = ("__weakref__", "_closed", "_concurrency", "_driver")
    _hooks_type = AsyncHooks

    def __init__(
        self,
        base_url: str | None = None,
        *,
        concurrency: int = 100,
        headers: RequestHeadersLike | None = None,
        **properties: Unpack[ClientOptions],
    ) -> None:
        """Create a client; properties can be given by name."""
        self._start(at_least_one("concurrency", concurrency))
        super().__init__(base_url, headers=headers, **properties)

    def _start(self, concurrency: int) -> None:
        self._driver: EventLoopDriver | None = None
        self._closed = False
        self._concurrency = concurrency

    def _running(self) -> EventLoopDriver:
        """Return the driver of the running loop.

        Raises:
            ClientClosed: The client has been closed.
            RuntimeError: It belongs to another loop that is not closed.
        """
        if self._closed:
            raise ClientClosed("client has been closed")
        loop, driver = asyncio.get_running_loop(), self._driver
        if driver is not None and driver.loop is not loop:
            self._leave(driver)
            driver = self._driver
        if driver is None or driver.closed:
            driver = self._driver = EventLoopDriver(loop, self._concurrency)
        return driver

    def _leave(self, driver: EventLoopDriver) -> None:
        """Drop the driver of a closed event loop or of the parent process.

        Raises:
            RuntimeError: Its loop is still open.
        """
        if driver.pid != os.getpid():
            driver.forget()
        elif driver.loop.is_closed():
            driver.close(ClientClosed("event loop has been closed"))
        else:
            raise RuntimeError("client belongs to another event loop, which is not closed")
        self._driver = None

    def _request(
        self,
        url: str,
        method: str,
        data: Any,
        headers: RequestHeadersLike | None,
        others: Mapping[str, Any],
    ) -> PreparedRequest:
        if data is not None:
            if isinstance(data, HttpResponse) and isinstance(data.source, AsyncIterable):
                data = data.aiter_bytes()
            if isinstance(data, AsyncIterable):
                data = AsyncBody(data)
        return super()._request(url, method, data, headers, others)

    async def _send(
        self,
        url: str | PreparedRequest,
        method: str,
        data: AsyncData | None,
        headers: RequestHeadersLike | None,
        others: Mapping[str, Any],
    ) -> HttpResponse:
        driver = self._running()
        # not a coroutine of its own for a prepared request: it would cost each request 2 %
        if isinstance(url, PreparedRequest):
            request = url
        else:
            request = self._request(url, method, data, headers, others)
        exchange = Exchange(request, active_hooks(self._hooks, request))
        future: asyncio.Future[HttpResponse] = driver.loop.create_future()
        if not driver.enter(exchange):
            await driver.wait(exchange)
        try:
            driver.start(exchange, partial(_resolve, future))
            response = await future
        except BaseException as error:
            del future  # it refers to the exception, whose traceback refers to this frame
            driver.abort(exchange, error)
            if exchange.awaitables:
                await await_abort_hooks(exchange, error)
            raise
        else:
            if exchange.awaitables:
                await await_response_hooks(exchange)
                exchange.check_status(response)
            return response
        finally:
            driver.leave(exchange)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        method: str = "GET",
        data: AsyncData | None = None,
        **arguments: Unpack[StreamOptions],
    ) -> AsyncIterator[HttpResponse]:
        """Send a request and return its response while the body is still being received.

            async with client.stream("https://example.com/large") as response:
                async for chunk in response.aiter_bytes():
                    ...

        Memory use is constant: libcurl pauses when a MiB waits to be read. All else is as in
        `HttpClient.stream`. An open stream is one of the ``concurrency`` requests.

        Raises:
            HttpException: See `send_request`; a fault in the body is raised by the iterator.
        """
        self._running()
        async with self._streamed(self._prepare(url, method, data, **arguments)) as response:
            yield response

    @asynccontextmanager
    async def _streamed(self, request: PreparedRequest) -> AsyncIterator[HttpResponse]:
        driver = self._running()
        body = AsyncResponseStream(driver, request, active_hooks(self._hooks, request))
        if not driver.enter(body):
            await driver.wait(body)
        response: HttpResponse | None = None
        try:
            response = await body.open()
            await await_response_hooks(body)
            body.check_status(response)
            yield response
        except BaseException as error:
            if response and isinstance(error, HttpStatusError) and error.response is response:
                await keep_beginning(response)
                error.excerpt = response._excerpt()
            body.close(error)
            await await_abort_hooks(body, error)
            raise
        finally:
            body.close()
            driver.leave(body)

    async def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        progress: Report | None = None,
        resume: bool = False,
        *,
        checksum: str | None = None,
        **arguments: Unpack[DownloadOptions],
    ) -> HttpResponse:
        """Write the body of a response to a file; see `HttpClient.download`.

        The file is written in the event loop's thread, chunk by chunk; another thread waits until
        it is on disk and reads it for ``checksum``. Cancelling ends the download as a failure does.
        """
        job = self._job(url, path, progress, resume, checksum, arguments)
        return await adownload(self._streamed, job)

    async def send_many(
        self,
        requests: Iterable[str | RequestItem | Mapping[str, Any] | None]
        | AsyncIterable[str | RequestItem | Mapping[str, Any] | None],
        concurrency: int = 100,
        ordered: bool = False,
    ) -> AsyncIterator[Result]:
        """Send many requests at once; see `HttpClient.send_many`.

        The requests may come from an asynchronous iterable too; results are yielded while its next
        item is awaited. The clocks do not stop between two results, since the loop does not either.
        """
        check_requests(requests)
        driver = self._running()
        batch = Batch(self._making, at_least_one("concurrency", concurrency), ordered)
        async_batch = AsyncBatch(self._running, driver, batch)
        async_batch.start(as_async_iterator(requests))
        try:
            while (result := await async_batch.next()) is not None:
                yield result
        except BaseException as error:
            async_batch.reason = error
            raise
        finally:
            await async_batch.close()

    def pages(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        *,
        limit: int | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[HttpResponse]:
        """Send a GET request, and one for each next page; see `HttpClient.pages`.

            async for page in client.pages("https://api.example.com/items"):
                ...

        Leaving the loop sends no more requests.
        """
        return self._walk(Pages(self._prepare(url, "GET", None, headers, **options), limit))

    async def _walk(self, pages: Pages) -> AsyncIterator[HttpResponse]:
        request: PreparedRequest | None = pages.first
        while request is not None:
            response = await self._send(request, "GET", None, None, {})
            yield response
            request = pages.after(response)

    def events(
        self,
        url: str,
        method: str = "GET",
        data: AsyncData | None = None,
        *,
        last_event_id: str = "",
        failures: int | None = FAILURES,
        longest_delay: int = LONGEST_DELAY,
        max_event_size: int = LONGEST_EVENT,
        **arguments: Unpack[StreamOptions],
    ) -> AsyncIterator[Event]:
        """Iterate over server-sent events, and connect again; see `HttpClient.events`.

            async for event in client.events("https://api.example.com/changes"):
                ...

        An open connection is one of the ``concurrency`` requests.
        """
        request = self._prepare(url, method, data, **arguments)
        limits = (failures, longest_delay, max_event_size)
        return self._listen(EventSource(request, last_event_id, *limits))

    async def _listen(self, source: EventSource) -> AsyncIterator[Event]:
        delay: float | None = 0.0
        while delay is not None:
            await asyncio.sleep(delay)
            try:
                async with self._streamed(source.next_request()) as response:
                    if source.is_over(response):
                        return
                    async for chunk in response.aiter_bytes():
                        source.received()
                        for event in source.parser.feed(chunk):
                            yield event
            except HttpException as error:
                delay = source.delay_after(error)
                if delay is None:
                    raise
            else:
                delay = source.delay_after(None)

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._closed

    async def close(self) -> None:
        """Close the connections; requests under way end with ClientClosed. Idempotent."""
        self._shut()

    async def aclose(self) -> None:
        """Close as `close` does: `contextlib.aclosing` uses this name."""
        self._shut()

    def _shut(self) -> None:
        was_closed, self._closed = self._closed, True
        driver, self._driver = self._driver, None
        if driver is not None and driver.pid != os.getpid():
            driver.forget()
        elif driver is not None:
            driver.close(ClientClosed("client has been closed"))
        if not was_closed and self.cookie_file is not None:
            self.save_cookies()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shut()

    def __getstate__(self) -> Any:
        return super().__getstate__(), self._concurrency

    def __setstate__(self, state: Any) -> None:
        properties, concurrency = state
        super().__setstate__(properties)
        self._start(concurrency)

    def __del__(self) -> None:
        if getattr(self, "_driver", None) is not None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self._shut()
