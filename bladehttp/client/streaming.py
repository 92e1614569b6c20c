"""Streaming: a response whose body is received while it is read, in constant memory.

Nothing is received while nobody reads: the engine stands still between two pieces, the kernel's
buffers fill, and the server has to wait. The clock of silence stands still as well.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

import pycurl

from bladehttp.client.decoding import decoded
from bladehttp.client.engine import SUCCESS, Engine, Outcome
from bladehttp.client.exchange import Exchange
from bladehttp.client.transfer import PARTIAL_CONTENT, with_details
from bladehttp.exceptions import BodyTooLarge, DecodingError
from bladehttp.response import HttpResponse

PIECES = 64
"""The most pieces that wait to be read, of 16 KiB each or as large as they come."""


class Sink:
    """What libcurl writes a body to: a queue of pieces; it halts the engine for each.

    Attributes:
        pieces: What has come.
        is_open: Whether the body is read in pieces. That of a redirect, or of an answer that may
            be retried, is collected.
    """

    __slots__ = ("_halt", "_is_full", "_most", "is_open", "pieces")

    def __init__(self, halt: Callable[[], None]) -> None:
        self._most: float = PIECES
        self._is_full = False
        self.pieces: deque[bytes] = deque()
        self.is_open = False
        self._halt = halt

    def write(self, data: bytes) -> int:
        """Take a piece, or have libcurl keep it and pause (CURLOPT_WRITEFUNCTION)."""
        self._halt()
        if len(self.pieces) >= self._most:
            self._is_full = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self.pieces.append(data)
        return len(data)

    def collect(self) -> None:
        """Take as many pieces as there are from now on."""
        self._most = inf

    def resume(self, curl: Any) -> None:
        """Have libcurl give what it keeps, if it does."""
        if self._is_full:
            self._is_full = False
            with suppress(pycurl.error):  # what it met ends the transfer, which tells of it
                curl.pause(pycurl.PAUSE_CONT)

    def getvalue(self) -> bytes:
        """Return what was collected, nothing of a body that is read in pieces."""
        return b"" if self.is_open else b"".join(self.pieces)

    def close(self) -> None:
        """Forget what was collected."""
        if not self.is_open:
            self.pieces.clear()


class Stream:
    """The body of a response that is still being received; iterate over it once."""

    def __init__(self, engine: Engine, current: Exchange) -> None:
        self._engine = engine
        self._current = current
        self._running = False
        self._closed = False
        self._left = 0.0
        self._response: HttpResponse | None = None
        self._sink = Sink(engine.halt)

    def open(self) -> HttpResponse:
        """Send the request, follow its redirects and return the response when its body begins.

        Raises:
            HttpException: As `HttpClient.send_request`.
        """
        current, engine = self._current, self._engine
        response = None
        while response is None:
            current.pause()
            self._sink = Sink(engine.halt)
            current.prepare(engine, self._sink)
            self._running = True
            engine.start()
            outcome = self._until_it_is_known()
            if outcome is None:
                self._sink.is_open = True
                response = current.opened(engine)
            else:
                self._stop(sound=True)
                response = current.finish(engine, outcome)
        self._left = monotonic()
        self._response = response
        response.source = self if self._running else None
        return response

    def _until_it_is_known(self) -> Outcome | None:
        """Receive until a body begins that will be read, or to the end."""
        current, engine = self._current, self._engine
        outcome = engine.proceed(current.silence, current.deadline)
        while outcome is None and current.may_go_on(engine):
            self._sink.collect()
            self._sink.resume(engine.curl)
            outcome = engine.proceed(current.silence, current.deadline)
        return outcome

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces, Content-Encoding undone.

        Raises:
            IncompleteBody: The body ends early; ``partial`` is empty, the pieces have been given.
            DecodingError: Its Content-Encoding cannot be undone, or ends early.
            HttpException: Anything else that ends it; clocks too.
            ValueError: The stream is closed, or was read before.
        """
        response, settings = self._response, self._current.message.settings
        if response is None:  # pragma: no cover - never handed out before it is open
            return
        coding = response.headers.get("Content-Encoding", "")
        if settings.accept_encoding is None or response.status == PARTIAL_CONTENT:
            coding = ""
        try:
            yield from decoded(self._received(), coding, settings.max_body_size)
        except (DecodingError, BodyTooLarge) as error:
            if error.url is not None:
                raise
            raise with_details(error, self._current.message, response) from error.__cause__

    def _received(self) -> Iterator[bytes]:
        if self._closed:
            raise ValueError("stream is closed")
        pieces = self._sink.pieces
        while True:
            while pieces:
                yield pieces.popleft()
            if self._closed:
                raise ValueError("stream is closed")
            if not self._running:
                return
            self._more()

    def _more(self) -> None:
        """Receive until there is another piece or the end."""
        current = self._current
        if current.deadline < inf:
            current.deadline += monotonic() - self._left  # the reader's time is not the server's
        try:
            self._sink.resume(self._engine.curl)
            outcome = self._engine.proceed(current.silence, current.deadline)
        except BaseException:
            self.close()
            raise
        self._left = monotonic()
        if outcome is not None:
            self._stop(sound=outcome == SUCCESS)
            current.ended(self._engine, outcome)

    def _stop(self, sound: bool) -> None:
        self._running = False
        self._engine.stop()
        self._engine.sound = sound

    def close(self) -> None:
        """Give up what has not come yet."""
        self._closed = True
        if self._running:
            self._stop(sound=False)
            self._current.abandon(self._engine)
