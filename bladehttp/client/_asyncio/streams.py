"""AsyncResponseStream: a response whose body is received while it is read, on the event loop.

libcurl pauses while nothing is read and enough was received, and the clocks stop.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

from bladehttp._data.byte_streams import AsyncTransformedStream
from bladehttp._message.response import EXCERPT_SECONDS, HttpResponse
from bladehttp.client._asyncio.event_loop import EventLoopDriver
from bladehttp.client._curl.body_sink import STEP
from bladehttp.client._curl.engine import Outcome
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.stream_sink import StreamSink
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import Hooks
from bladehttp.client._exchange.received_body import NO_BODY, DecodingStage, ReceivedBody, Use
from bladehttp.client._exchange.scheduler import Result, run_in_context
from bladehttp.client._request.prepared import PreparedRequest


class AsyncResponseStream(Exchange):
    """An exchange whose final response is returned once its head is received.

    The first chunk of every body makes libcurl pause. The body of a response that may not be the
    final one is collected.
    """

    __slots__ = (
        "_body",
        "_chunks",
        "_clocks",
        "_driver",
        "_error",
        "_handle",
        "_has_ended",
        "_is_closed",
        "_is_open",
        "_is_running",
        "_news",
        "_opened",
    )  # fmt: skip

    _handle: Handle

    def __init__(
        self, driver: EventLoopDriver, request: PreparedRequest, hooks: Hooks | None
    ) -> None:
        super().__init__(request, hooks)
        self._driver = driver
        self._error: Exception | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._body = NO_BODY
        self._opened: list[HttpResponse] = []
        self._is_open = self._is_running = self._has_ended = self._is_closed = False
        self._news: asyncio.Future[None] | None = None

    async def open(self) -> HttpResponse:
        """Send the request, follow its redirects and return the response once its head is received.

        Raises:
            HttpException: See `HttpClient.send_request`.
        """
        self._driver.start(self, self._done)
        while not self._is_open and not self._has_ended:
            await self._await_news()
        if self._error is not None:
            raise self._take_error()
        return self._opened.pop()

    def prepare(self, handle: Handle, sink: Any = None) -> None:
        """Set a handle up for the next request; see `Exchange.prepare`."""
        self._handle = handle
        sink = sink or StreamSink(self._notify, most=0)
        self._body = ReceivedBody(sink)
        super().prepare(handle, sink)
        self._is_running = True

    def _notify(self) -> None:
        self._driver.notify(self)

    def on_progress(self) -> None:
        """Decide how the body of a new response is used, or wake the reader."""
        if self._has_ended or not self._is_running:
            return  # the transfer has ended meanwhile, and may be retried
        use = Use.OPEN if self._is_open else self._body.use(self)
        if use is Use.READ:
            self._open_body()
        elif use is Use.NOT_RECEIVED:
            self._driver.complete(self._handle.curl)
        elif not self._is_open and self._body.sink.is_full:
            self._resume()
        if self._is_open:
            self._wake()

    def _open_body(self) -> None:
        try:
            self._opened.append(run_in_context(self, self._body.open, self, self))
        except Exception as error:  # noqa: BLE001 - a hook's, raised by who waits
            self._driver.abort(self, error)
            self._done(self, error)
            return
        self._is_open = True
        self._stop_clocks()

    def finish(self, outcome: Outcome) -> HttpResponse | None:
        """Return the final response, or None; see `Exchange.finish`."""
        self._is_running = False
        if not self._is_open:
            return super().finish(outcome)
        self.finish_stream(outcome)
        return self._body.response

    def _done(self, _: Exchange, result: Result) -> None:
        self._has_ended = True
        if isinstance(result, Exception):
            self._error = result
        elif not self._is_open:
            self._opened.append(result)
        self._wake()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the iterator over the decoded chunks; see `ResponseStream.__iter__`."""
        if self._chunks is not None:
            return self._chunks
        received = ReceivedChunks(self)
        if self._is_closed:
            return received
        stage = DecodingStage(self.request, self._body)
        self._chunks = PacedChunks(AsyncTransformedStream(stage, received))
        return self._chunks

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, before its end or after."""
        return self._is_closed

    async def chunk(self) -> bytes | None:
        """Return the next chunk as received, None at the end.

        Raises:
            HttpException: See `ResponseStream.__iter__`.
            ValueError: The stream is closed.
            RuntimeError: Another task waits for a chunk.
        """
        chunks = self._body.sink.chunks
        while not self._is_closed:
            if chunks:
                return chunks.popleft()
            if self._error is not None:
                raise self._take_error()
            if self._has_ended:
                return None
            await self._more()
        raise ValueError("stream is closed")

    async def _more(self) -> None:
        """Receive until there is another chunk or the end."""
        if self._news is not None:
            raise RuntimeError("stream is being read by another task")
        self._start_clocks()
        try:
            self._resume()
            if not self._body.sink.chunks:
                await self._await_news()
        finally:
            self._stop_clocks()

    def _resume(self) -> None:
        self._body.sink.resume(self._handle.curl)
        self._driver.resume(self._handle.curl)

    def _stop_clocks(self) -> None:
        """Stop the clocks: the reader's time does not count."""
        self._clocks = self.receive_timeout_s, self.deadline, monotonic()
        self.receive_timeout_s = self.deadline = inf

    def _start_clocks(self) -> None:
        self.receive_timeout_s, deadline, since = self._clocks
        self.deadline = deadline + monotonic() - since

    def _take_error(self) -> Exception:
        """Return the exception to raise, and release it: its traceback will lead here."""
        self._is_closed = True
        error, self._error = self._error, None
        assert error is not None
        return error

    async def _await_news(self) -> None:
        self._news = self._driver.loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def close(self, reason: BaseException | None = None) -> None:
        """Abort the rest of the transfer, for a reason as of `EventLoopDriver.abort`."""
        self._is_closed = True
        if not self._has_ended:
            self._has_ended = True
            self._driver.abort(self, reason)
            self._wake()
        self._chunks = None  # it refers to the stream
        self._body.close()


class ReceivedChunks(AsyncIterator[bytes]):
    """The chunks of a stream as they are received."""

    def __init__(self, stream: AsyncResponseStream) -> None:
        self._stream = stream

    async def __anext__(self) -> bytes:
        chunk = await self._stream.chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk


class PacedChunks(AsyncIterator[bytes]):
    """Chunks between which the loop gets its turn, even where none has to be awaited."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._given = 0

    async def __anext__(self) -> bytes:
        if self._given >= STEP:
            self._given = 0
            await asyncio.sleep(0)  # not after the next chunk is taken: cancelled, it would be lost
        chunk = await anext(self._chunks)
        self._given += len(chunk)
        return chunk


async def keep_beginning(response: HttpResponse) -> None:
    """Receive the beginning of an error's body; see `HttpResponse.raise_for_status`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(EXCERPT_SECONDS):
            await response._receive_excerpt()
