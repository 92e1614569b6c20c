"""Compression: responses with a Content-Encoding that the client accepts.

A short body is compressed at once, a long one and a stream chunk by chunk as they are sent, a few
milliseconds at a time: meanwhile the loop serves other clients.
"""

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from bladehttp._data.encoders import Encoder, encoders
from bladehttp._data.headers import Headers
from bladehttp._message.deferred import END, NOT_YET, Channel
from bladehttp._message.faults import Raw, Truncated
from bladehttp._message.file_body import FileBody
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._message.sse import Events
from bladehttp._wire.negotiation import acceptable, with_member

LEAST = 1024
"""Bytes below which a body is not compressed unless told: it fits into one packet anyhow."""

AT_ONCE = 128 * 1024
"""Most bytes compressed at once: some 5 ms."""

PIECE = 32 * 1024
"""Most bytes given to the library at a time: some 1 ms, and at most 15 of them between checks."""

TURN_S = 0.01
"""Seconds of compressing after which other connections have their turn."""

ENOUGH = 16 * 1024
"""Coded bytes that are passed on, even if more could be added to them."""

TYPES = (
    *("text/*", "*+json", "*+xml", "*+yaml", "application/graphql", "application/javascript"),
    *("application/json", "application/json5", "application/ndjson", "application/x-ndjson"),
    *("application/rtf", "application/sql", "application/toml", "application/wasm"),
    *("application/x-javascript", "application/x-sh", "application/xml", "application/yaml"),
    *("application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/bmp"),
    *("image/vnd.microsoft.icon", "image/x-icon"),
)
"""The media types that are compressed unless told: text, and what is not compressed already."""

EVENT_STREAM = "text/event-stream"

FIXED = ("Content-Encoding", "Content-Range", "Content-Digest", "Content-MD5", "Digest")
"""Fields of a response that hold for its body as it is."""

UNCODED = frozenset({204, 205, 206, 304, 416})
"""Statuses without a body, or with parts of one that was announced in the coding it has."""


class Compression:
    """A function for after_request; see `compress`."""

    __slots__ = ("_codings", "_is_type", "_least")

    def __init__(self, codings: list[str], is_type: Callable[[str], bool], least: int) -> None:
        """Take the arguments of `compress`, checked."""
        self._codings = codings
        self._is_type = is_type
        self._least = least

    def __call__(self, request: HttpRequest, response: HttpResponse) -> None:
        """Compress a response if it is worth it and the client accepts it."""
        headers = response.headers
        if response.status == 304:  # RFC 9110 section 15.4.5: Vary as of the 200
            headers["Vary"] = with_member(headers.get("Vary"), "Accept-Encoding")
        if not self._is_worth_it(request, response):
            return
        headers["Vary"] = with_member(headers.get("Vary"), "Accept-Encoding")
        accepted = acceptable(request.headers.get("Accept-Encoding"), self._codings)
        if accepted:
            _describe(headers, accepted[0])
            _encode(request, response, encoders()[accepted[0]])

    def _is_worth_it(self, request: HttpRequest, response: HttpResponse) -> bool:
        headers, source = response.headers, response.source
        if response.status in UNCODED or any(name in headers for name in FIXED):
            return False
        if isinstance(source, Raw | Truncated | Events):
            return False
        if "no-transform" in headers.get("Cache-Control", "").lower():
            return False
        length = _length(request, response)
        if length is not None and length < self._least:
            return False
        kind = headers.get("Content-Type", "").partition(";")[0].strip(" \t").lower()
        return kind != EVENT_STREAM and self._is_type(kind)


def _length(request: HttpRequest, response: HttpResponse) -> int | None:
    """Return the length of a body, None for a stream whose length is not known."""
    declared, source = response.headers.get("Content-Length"), response.source
    if isinstance(source, FileBody):
        return source.length
    if source is None and (response.body or request.method != "HEAD"):
        return len(response.body)
    return int(declared) if declared and declared.isdecimal() else None


def _describe(headers: Headers, coding: str) -> None:
    """Set the fields of a coded representation."""
    headers["Content-Encoding"] = coding
    # The length is another, and a range of the coded bytes is none of the plain ones.
    for name in ("Content-Length", "Accept-Ranges"):
        headers.pop(name, None)
    tag = headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        headers["ETag"] = f"W/{tag}"  # RFC 9110 section 8.8.3: the same content, other bytes


def _encode(request: HttpRequest, response: HttpResponse, begin: Callable[[], Encoder]) -> None:
    encoder, source, body = begin(), response.source, response.body
    if source is None and not body:  # HEAD, whose handler gave the length only
        response.source = iter(())
    elif source is None and len(body) <= AT_ONCE:
        response.body = encoder.feed(body) + encoder.finish()
    else:
        response.body = b""
        is_fed_at_once = request.method != "HEAD" and isinstance(source, Iterable)
        stream = Encoded((body,) if source is None else source, encoder)
        response.source = stream
        if is_fed_at_once and not isinstance(source, Channel | FileBody):
            stream.begin()


class Encoded(Channel):
    """The chunks of another body, coded: a `Channel`, since they may have to be waited for.

    `take` gives up after `TURN_S` and asks to be called again in the next turn of the loop.
    Iteration, under a WSGI server, codes and flushes chunk by chunk.
    """

    def __init__(self, source: Any, encoder: Encoder) -> None:
        """Take a channel, or an iterable of bytes-like chunks, which is closed at the end."""
        super().__init__(getattr(source, "heartbeat", 0))
        self._source = source
        self._inner = source if isinstance(source, Channel) else None
        self._encoder = encoder
        self._is_lagging = False  # whether the encoder holds bytes back
        self._is_over = False
        self._left = memoryview(b"")  # of the last chunk
        self._given = iter(source) if self._inner is None else source
        self._first: list[Any] = []
        self._spent = 0.0

    def begin(self) -> None:
        """Take the first chunk, while there is still time for another response.

        Raises:
            BaseException: The source raised it.
        """
        chunk = next(self._given, END)
        self._first.append(chunk if chunk is END else memoryview(chunk))

    @property
    def closed(self) -> bool:
        return self._closed if self._inner is None else self._inner.closed

    def close(self) -> None:
        close, self._source = getattr(self._source, "close", None), None
        super().close()
        if close is not None:
            close()

    def cut(self) -> None:
        if self._inner is None:
            super().cut()
        else:
            self._inner.cut()

    def lose(self) -> None:
        if self._inner is not None:
            self._inner.lose()
        self._detach()

    def beat(self) -> None:
        if self._inner is not None:
            self._inner.beat()

    def attach(self, wake: Callable[[], None]) -> None:
        super().attach(wake)
        if self._inner is not None:
            self._inner.attach(wake)

    def take(self) -> Any:
        """Return the next coded chunk, NOT_YET, or END.

        Raises:
            BaseException: The source raised it.
        """
        if self._is_over:
            return self._end()
        if self._spent > TURN_S:
            self._spent = 0.0
            self._wake()
            return NOT_YET
        begun = monotonic()
        coded = b"".join(self._coded(begun + TURN_S))
        self._spent += monotonic() - begun
        if coded:
            return coded
        return self._end() if self._is_over else self._pause()

    def _end(self) -> Any:
        self._detach()
        return END

    def _pause(self) -> Any:
        """Wait for the source, or for the next turn."""
        if self._spent > TURN_S:
            self._wake()
        self._spent = 0.0
        return NOT_YET

    def _coded(self, until: float) -> Iterator[bytes]:
        """Yield coded bytes until there are enough, the source has none, or the time is over."""
        size = 0
        while size < ENOUGH and monotonic() < until:
            piece = self._piece(self._take_inner)
            if piece is NOT_YET:
                if self._is_lagging:
                    self._is_lagging = False
                    yield self._encoder.flush()
                return
            coded = self._feed(piece)
            size += len(coded)
            yield coded
            if self._is_over:
                return

    def _feed(self, piece: Any) -> bytes:
        if piece is END:
            self._is_over = True
            return self._encoder.finish()
        self._is_lagging = True
        return self._encoder.feed(piece)

    def _take_inner(self) -> Any:
        return next(self._given, END) if self._inner is None else self._inner.take()

    def _next_inner(self) -> Any:
        return next(self._given, END)

    def _piece(self, take: Callable[[], Any]) -> Any:
        """Return some bytes of the source, NOT_YET or END."""
        if not self._left:
            chunk = self._first.pop() if self._first else take()
            if chunk is END or chunk is NOT_YET:
                return chunk
            self._left = memoryview(chunk).cast("B")
        piece, self._left = self._left[:PIECE], self._left[PIECE:]
        return piece

    def __next__(self) -> bytes:
        coded = b""
        while not coded:
            if self._is_over:
                raise StopIteration
            coded = self._feed(self._piece(self._next_inner))
            if self._is_lagging and not self._left and not isinstance(self._source, FileBody):
                self._is_lagging = False
                coded += self._encoder.flush()
        return coded


def compress(
    *,
    min_size: int = LEAST,
    types: Iterable[str] = TYPES,
    codings: Iterable[str] | None = None,
) -> Compression:
    """Return a function that compresses responses for clients that accept it.

        server.after_request(compress())

    A response stays as it is if it has a Content-Encoding already, is a part (206), an event stream
    or says ``Cache-Control: no-transform``. A compressed one has no Content-Length if it is long or
    a stream, its ETag is weak, and ranges are not offered. Vary names Accept-Encoding in either.

    A page that holds both a secret and data of the request should not be compressed: the length
    tells an attacker on the network how well he has guessed the secret (BREACH). Leave such
    responses out by ``response.headers["Cache-Control"] = "no-transform"``.

    Args:
        min_size: Bytes below which a body is not compressed.
        types: The media types to compress: "text/html", "text/*", "*+json". Types that are
            compressed already would only cost time.
        codings: "gzip" and "zstd", the server's favourite first. None: both, zstd first, if its
            library is installed (``bladehttp[zstd]``; part of Python from 3.14).

    Raises:
        TypeError: An argument is of another type.
        ValueError: A coding is unknown, or its library is missing.
    """
    if not isinstance(min_size, int) or isinstance(min_size, bool):
        raise TypeError(f"min_size is bytes, an int, not {min_size!r}"[:200])
    if min_size < 0:
        raise ValueError(f"min_size is 0 or more, not {min_size}")
    known = encoders()
    wanted = list(known) if codings is None else _names("codings", codings)
    if not wanted:
        raise ValueError("compress needs a coding")
    for coding in wanted:
        if coding not in known:
            hint = "; it needs bladehttp[zstd]" if coding == "zstd" else ""
            raise ValueError(f"coding is {' or '.join(known)}, not {coding!r}{hint}")
    return Compression(wanted, type_matcher(_names("types", types)), min_size)


def _names(name: str, values: Iterable[str]) -> list[str]:
    names = [values] if isinstance(values, str) else list(values)
    for each in names:
        if not isinstance(each, str):
            raise TypeError(f"{name} are str, not {each!r}"[:200])
    return [each.lower() for each in names]


def type_matcher(patterns: list[str]) -> Callable[[str], bool]:
    """Return whether a media type is one of some, or begins or ends as one with "*" does."""
    exact = frozenset(patterns)
    starts = tuple(each[:-1] for each in patterns if each.endswith("*"))
    ends = tuple(each[1:] for each in patterns if each.startswith("*"))

    def matches(kind: str) -> bool:
        return kind in exact or kind.startswith(starts) or kind.endswith(ends)

    return matches
