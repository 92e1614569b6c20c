"""Streams: a response whose body is received while it is read, in constant memory.

Nothing is received while nothing is read: the engine rests between two chunks, the kernel's buffers
fill, and the server has to wait. The receive_timeout clock stops as well.
"""

from collections.abc import Iterator
from math import inf
from time import monotonic

from bladehttp._data.byte_streams import TransformedStream
from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.engine import SUCCESS, Engine, Outcome
from bladehttp.client._curl.pool import INHERITED
from bladehttp.client._curl.stream_sink import StreamSink
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.received_body import NO_BODY, DecodingStage, ReceivedBody, Use


class ResponseStream:
    """The body of a response that is still being received.

    Attributes:
        wait_until: When to stop waiting for more, in terms of `time.monotonic`. The stream can be
            read on after that.
    """

    def __init__(self, engine: Engine, current: Exchange) -> None:
        self._engine = engine
        self._current = current
        self._running = self._is_receiving = False
        self._closed = False
        self._left = 0.0
        self._body = NO_BODY
        self._chunks: Iterator[bytes] | None = None
        self.wait_until = inf

    def open(self) -> HttpResponse:
        """Send the request, follow its redirects and return the response once its head is received.

        Raises:
            HttpException: See `HttpClient.send_request`.
            HttpStatusError: ``raise_for_status`` is set; the beginning of the body was received.
        """
        current, engine = self._current, self._engine
        response = None
        while response is None:
            if current.not_before:
                current.wait_for_retry()
            self._body = ReceivedBody(StreamSink(engine.interrupt))
            current.prepare(engine, self._body.sink)
            self._running = True
            engine.start()
            outcome = self._receive_head()
            if outcome is None:
                self._left = monotonic()
                response = self._body.open(current, self)
            else:
                self._stop(ended_cleanly=True)
                response = current.finish(outcome)
        current.check_status(response)
        return response

    def _receive_head(self) -> Outcome | None:
        """Receive the head of the response whose body is streamed, or the whole of another one."""
        current, engine, sink = self._current, self._engine, self._body.sink
        outcome = engine.step(current.receive_timeout_s, current.deadline)
        while outcome is None and (use := self._body.use(current)) is not Use.READ:
            if use is Use.NOT_RECEIVED:
                return SUCCESS  # taking the handle off closes the connection
            sink.resume(engine.curl)
            outcome = engine.step(current.receive_timeout_s, current.deadline)
        if outcome is None and not sink.has_begun:
            outcome = engine.ended()  # there may be no body
        return outcome

    def __iter__(self) -> Iterator[bytes]:
        """Return the iterator over the decoded chunks; every call returns the same one.

        Raises:
            IncompleteBody: The body ends early; ``partial`` is empty, its chunks were yielded.
            DecodingError: Its Content-Encoding cannot be decoded, or ends early.
            HttpException: Any other failure, timeouts included.
            ValueError: The stream is closed.
            RuntimeError: Another thread waits for a chunk; or this is the child of a fork, and the
                stream was opened before.
            BlockingIOError: No chunk was received by `wait_until`.
        """
        if self._chunks is not None:
            return self._chunks
        received = iter(self._received, None)
        if self._closed:
            return received
        self._chunks = TransformedStream(DecodingStage(self._current.request, self._body), received)
        return self._chunks

    def _received(self) -> bytes | None:
        """Return the next chunk as received, None at the end."""
        chunks = self._body.sink.chunks
        while not self._closed:
            if chunks:  # joining the few chunks of a sink costs less than yielding each
                whole = b"".join(chunks) if len(chunks) > 1 else chunks[0]
                chunks.clear()
                return whole
            if not self._running:
                return None
            self._more()
        raise ValueError("stream is closed")

    def _more(self) -> None:
        """Receive until there is another chunk or the end."""
        if self._engine.is_inherited:
            raise RuntimeError(INHERITED)
        if self._is_receiving:
            raise RuntimeError("stream is being read by another thread")
        self._is_receiving = True  # at once: no other thread comes in between
        current = self._current
        try:
            if current.deadline < inf:
                current.deadline += monotonic() - self._left  # the reader's time, not the server's
            self._body.sink.resume(self._engine.curl)
            until = min(current.deadline, self.wait_until)
            outcome = self._engine.step(current.receive_timeout_s, until)
        except BaseException as error:
            self.close(error)
            raise
        finally:
            self._is_receiving = False
        self._left = now = monotonic()
        if outcome is not None and outcome.expired and self.wait_until <= now < current.deadline:
            raise BlockingIOError("nothing has come so far")
        if outcome is not None:
            self._stop(ended_cleanly=outcome == SUCCESS)
            current.finish_stream(outcome)

    def _stop(self, ended_cleanly: bool) -> None:
        self._running = False
        self._engine.finish()
        self._engine.ended_cleanly = ended_cleanly

    def close(self, reason: BaseException | None = None) -> None:
        """Abort the rest of the transfer.

        Args:
            reason: The exception that ends it before its head; None if the reader closes it.
        """
        self._closed = True
        if self._running and not self._engine.is_inherited:
            self._stop(ended_cleanly=False)
            self._current.abort(reason or GeneratorExit())
        self._chunks = None  # it refers to the stream
        self._body.close()
