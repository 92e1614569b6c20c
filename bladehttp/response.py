"""HttpResponse: one class for both sides, as in Blade.

A server's handler fills one in; the client gives one back. Both read and write the same
attributes. How it goes over the wire is not known here.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from email.message import Message
from os import PathLike, fspath
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from bladehttp.broken import Raw, Truncated, reset
from bladehttp.cookies import format_set_cookie
from bladehttp.exceptions import HttpStatusError, InvalidHeader
from bladehttp.files import FileBody, media_type
from bladehttp.headers import Headers, HeadersLike, index_of, is_field_value
from bladehttp.late import Late
from bladehttp.later import Channel, Deferred, Delay, Events
from bladehttp.pieces import Awaited, Blocks, Lines, awaited, through
from bladehttp.serialize import as_json
from bladehttp.status import PHRASES

SERVER_FIELDS = (("Content-Type", "text/html; charset=utf-8"), ("X-Powered-By", "Blade"))
"""What a server's response starts with (Blade); Date comes when it is sent."""

_SERVER_INDEX = index_of(SERVER_FIELDS)
_MISSING: Any = object()


class Hop(NamedTuple):
    """One redirect that was followed: its status and the URL that answered with it."""

    status: int
    url: str


class Fields(Protocol):
    """What a client knows of a response's head and parses when it is asked for."""

    @property
    def headers(self) -> Headers: ...
    @property
    def trailers(self) -> Headers: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def certificate(self) -> dict[str, Any] | None: ...
    @property
    def timings(self) -> dict[str, float]: ...
    @property
    def num_connects(self) -> int: ...


class NotReceived:
    """The head of a response that did not come from a server."""

    headers = trailers = property(lambda _: Headers())
    reason = certificate = None
    timings = property(lambda _: {})
    num_connects = 0


class HttpResponse(Late):
    """The response to an HTTP request.

    Attributes:
        status: The status code. 200 unless set.
        headers: The fields. Server side: those that will be sent, Content-Length, Connection
            and Date excepted, which are the server's to add.
        version: The HTTP version as a string: "1.0", "1.1", "2" or "3".
        time_taken: Milliseconds from the start of the request to the end of the
            response, as a float. Client side only.
        redirects: How many redirects were followed to get here.
        responder: The URL that gave the response, after redirects; None on a server.
        reason: The reason phrase; the status's own one unless set.
        trailers: The fields that came after a chunked body. Client side only.
        history: A `Hop` for each redirect that was followed. Client side only.
        request: What was sent to get it: its ``method`` and ``url``, after redirects, and as
            ``given`` what `HttpClient.send_many` was given for it. None on a server.
        certificate: What the server presented over https, as a dict: ``subject``, ``issuer``,
            ``serial``, ``names``, ``not_before``, ``not_after``, ``pem`` and ``chain``; None
            over http. Client side only.
        timings: When the last hop had reached "namelookup", "connect", "tls", "first_byte" and
            "total", in milliseconds from its start; 0 for what a kept connection spared. Of a
            streamed body "total" is that of the head. {} on a server.
        num_connects: How many connections the last hop had to make: 0 if it found one kept.
        deferred: What `defer` has returned, else None.
        source: Where the body comes from when it is streamed (see `stream`), else None: an
            iterable of bytes, with `AsyncHttpClient.stream` an asynchronous one.
    """

    __slots__ = (
        "_fields",
        "_parts",
        "_reason",
        "certificate",
        "deferred",
        "headers",
        "history",
        "num_connects",
        "redirects",
        "request",
        "responder",
        "source",
        "status",
        "time_taken",
        "timings",
        "trailers",
        "version",
    )

    _fields: Fields
    _parts: list[bytes]
    _reason: str | None
    certificate: dict[str, Any] | None
    deferred: Deferred | None
    headers: Headers
    history: tuple[Hop, ...]
    num_connects: int
    redirects: int
    request: Any
    responder: str | None
    source: Any
    status: int
    time_taken: float
    timings: dict[str, float]
    trailers: Headers
    version: str

    LATE: ClassVar[Mapping[str, Callable[["HttpResponse"], Any]]] = {
        "_fields": lambda _: NotReceived(),
        "_reason": lambda response: response._fields.reason,
        "certificate": lambda response: response._fields.certificate,
        "deferred": lambda _: None,
        "headers": lambda response: response._fields.headers,
        "history": lambda _: (),
        "num_connects": lambda response: response._fields.num_connects,
        "redirects": lambda _: 0,
        "request": lambda _: None,
        "responder": lambda _: None,
        "time_taken": lambda _: 0.0,
        "timings": lambda response: response._fields.timings,
        "trailers": lambda response: response._fields.trailers,
        "version": lambda _: "1.1",
    }

    def __init__(
        self,
        body: str | bytes = b"",
        status: int = 200,
        headers: HeadersLike | None = None,
        version: str = "1.1",
        time_taken: float = 0,
        redirects: int = 0,
        responder: str | None = None,
    ) -> None:
        """Make a response (Blade's constructor). A str body is sent as UTF-8."""
        self._parts = []
        self._reason = None
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.status = status
        self.version = version
        self.time_taken = time_taken
        self.redirects = redirects
        self.responder = responder
        self.source = None
        if body:
            self.write(body)

    @classmethod
    def for_server(cls) -> "HttpResponse":
        """Make the response a handler is given: 200, empty, with Blade's default fields."""
        response = cls.__new__(cls)
        response._parts = []
        response._reason = None
        response.status = 200
        response.headers = Headers.adopt(SERVER_FIELDS, _SERVER_INDEX)
        response.source = response.deferred = None
        return response

    @classmethod
    def received(
        cls, body: bytes, status: int, version: str, responder: str, fields: Fields
    ) -> Self:
        """Make the response a client gives back, its head to be parsed when it is read."""
        response = cls.__new__(cls)
        response._parts = [body]
        response._fields = fields
        response.status = status
        response.version = version
        response.responder = responder
        response.source = None
        return response

    @property
    def body(self) -> bytes:
        """The content as bytes, Content-Encoding undone on the client side."""
        parts = self._parts
        if len(parts) != 1:
            parts = self._parts = [b"".join(parts)]
        return parts[0]

    @body.setter
    def body(self, value: str | bytes) -> None:
        self._parts = []
        self.write(value)

    def write(self, data: str | bytes) -> None:
        """Append to the body; a str as UTF-8.

        Raises:
            TypeError: Neither str nor bytes.
        """
        if isinstance(data, str):
            data = data.encode()
        self._parts.append(data if type(data) is bytes else bytes(memoryview(data)))

    def stream(self, source: Iterable[bytes | str]) -> None:
        """Send what an iterable gives, piece by piece, as the client takes it.

        The body is chunked, or for an HTTP/1.0 client ended by closing, unless
        Content-Length is set. A ``close`` method of the iterable is called at the end,
        also when the client goes away.
        """
        self.source = (piece.encode() if isinstance(piece, str) else piece for piece in source)
        if hasattr(source, "close"):
            self.source = _Closing(self.source, source)

    def defer(self, timeout: int = 30_000) -> Deferred:
        """Let the handler return without an answer, which is given later, from any thread.

        Whatever is done to the response meanwhile counts; ``send()`` of what is returned sends
        it. The connection takes no other request until then.

        Args:
            timeout: Milliseconds after which the answer is 503. 0: no limit.

        Raises:
            RuntimeError: It was deferred before, as that of an offloaded handler is.
        """
        return self._defer(Deferred(timeout))

    def _defer(self, deferred: Deferred) -> Deferred:
        if self.deferred is not None:
            raise RuntimeError("the answer is given later already")
        self.deferred = deferred
        return deferred

    def channel(self) -> Channel:
        """Send a body that is written piece by piece, later and from any thread.

        The body is framed as that of `stream`. It ends when the channel is closed; at most
        256 KiB may wait for a slow client.
        """
        self.source = channel = Channel()
        return channel

    def events(self, heartbeat: int = 15_000) -> Events:
        """Send server-sent events, from any thread (HTML standard, section 9.2).

        The id of the last event a client has got is in its request's Last-Event-ID.

        Args:
            heartbeat: Milliseconds of silence after which a comment is sent, by which proxies
                keep the connection and it is found out who has gone. 0: never.
        """
        self.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        self.headers["Cache-Control"] = "no-store"
        self.source = events = Events(heartbeat)
        return events

    def raw(self, data: bytes | Iterable[bytes]) -> None:
        """Send bytes in place of a whole response, head and all, and close: for testing clients.

        Args:
            data: The bytes, or an iterable of pieces; one that raises resets the connection.
        """
        self.source = Raw((data,) if isinstance(data, bytes) else data)

    def abort(self) -> None:
        """Reset the connection in place of an answer: for testing clients."""
        self.raw(reset())

    def delay(self, ms: int) -> None:
        """Send the answer later, while others are served: for testing clients.

        Args:
            ms: Milliseconds from the handler's return. 0: at once.

        Raises:
            RuntimeError: As `defer`.
        """
        if ms:
            self._defer(Delay(ms))

    def truncate(self, count: int) -> None:
        """Send only the first bytes of the body and close: for testing clients.

        The head announces the body whole, as it is when it is sent; that of `stream` just does not
        end. The latter and a `file` have to be set before.

        Raises:
            TypeError: The body is a channel, whose pieces are not there yet.
        """
        if isinstance(self.source, Channel):
            raise TypeError("a channel cannot be truncated")
        self.headers["Connection"] = "close"
        self.source = Truncated(self, count)

    def file(self, path: str | PathLike[str], status: int | None = None) -> None:
        """Send a file as the client takes it, its Content-Type by its name.

        Raises:
            OSError: The file cannot be opened.
        """
        body = FileBody.open(path)
        self.source = body
        self.headers["Content-Length"] = str(body.length)
        self.headers["Content-Type"] = media_type(fspath(path))
        if status is not None:
            self.status = status

    def json(self, data: Any = _MISSING, status: int | None = None) -> Any:
        """Write ``data`` as JSON and set the Content-Type; without ``data`` read the body.

        Raises:
            ValueError: Reading: the body is not JSON. Writing: NaN or infinity.
            TypeError: Writing: something JSON has no form for (see `as_json`).
        """
        if data is _MISSING:
            return _load_json(self.body)
        self.body = json.dumps(data, default=as_json, ensure_ascii=False, allow_nan=False)
        self.headers["Content-Type"] = "application/json"
        if status is not None:
            self.status = status
        return None

    @property
    def reason(self) -> str:
        """The reason phrase: as received, as set, or that of the status."""
        reason = self._reason
        return PHRASES.get(self.status, "") if reason is None else reason

    @reason.setter
    def reason(self, value: str) -> None:
        if not is_field_value(value):
            raise InvalidHeader(f"reason phrase cannot be sent as it is: {value[:80]!r}")
        self._reason = value

    @property
    def cookies(self) -> list[str]:
        """The values of every Set-Cookie field."""
        return self.headers.get_all("Set-Cookie")

    def set_cookie(
        self,
        key: str,
        value: str,
        domain: str | None = None,
        path: str | None = "/",
        expires: datetime | float | str | None = None,
        secure: bool = False,
        max_age: int | None = None,
        http_only: bool = False,
        same_site: str | None = None,
    ) -> None:
        """Add a Set-Cookie field; see `bladehttp.cookies.format_set_cookie`."""
        cookie = format_set_cookie(
            key, value, domain, path, expires, secure, max_age, http_only, same_site
        )
        self.headers.add("Set-Cookie", cookie)

    def redirect(self, location: str, status: int = 302) -> None:
        """Send the client to another URL, taken as it is (a URL is ASCII).

        Raises:
            ValueError: The status is not one of redirection.
            InvalidHeader: The location holds control characters.
        """
        if not 300 <= status <= 399:
            raise ValueError(f"status of a redirect is 3xx, not {status!r}")
        self.headers["Location"] = location
        self.status = status

    def content_type(self, mime: str) -> None:
        """Set the Content-Type."""
        self.headers["Content-Type"] = mime

    @property
    def text(self) -> str:
        """The body as str: by the charset of Content-Type, else UTF-8; nothing is guessed.

        What cannot be decoded becomes U+FFFD.
        """
        return self.body.decode(self._charset, "replace")

    def as_text(self) -> str:
        """Return `text` (Blade's name)."""
        return self.text

    def as_dict(self) -> Any:
        """Return the body's JSON decoded (Blade's name)."""
        return self.json()

    @property
    def content(self) -> bytes:
        """The body: the name requests has for it."""
        return self.body

    @property
    def status_code(self) -> int:
        """The status: the name requests has for it."""
        return self.status

    @property
    def url(self) -> str | None:
        """The responder: the name requests has for it."""
        return self.responder

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def elapsed(self) -> timedelta:
        """`time_taken` as a timedelta."""
        return timedelta(milliseconds=self.time_taken)

    def raise_for_status(self) -> "HttpResponse":
        """Return the response itself, or raise for 4xx and 5xx.

        Raises:
            HttpStatusError: With the response in ``response``.
        """
        if self.ok:
            return self
        where = f" from {self.responder}" if self.responder else ""
        raise HttpStatusError(
            f"{self.status} {self.reason}{where}", url=self.responder, response=self
        )

    def close(self) -> None:
        """Close what the body is streamed from, without sending it."""
        close = getattr(self.source, "close", None)
        self.source = None
        if close is not None:
            close()

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the body in pieces, as they come if it is streamed (`HttpClient.stream`).

        Args:
            chunk_size: How long each is, the last excepted; None for as they come.

        Raises:
            HttpException: The rest cannot be received.
            ValueError: ``chunk_size`` is 0 or less, or the stream is closed.
            TypeError: It is a stream of `AsyncHttpClient`: see `aiter_bytes`.
        """
        pieces = [self.body] if self.source is None else self.source
        if isinstance(pieces, AsyncIterable):
            raise TypeError("stream of AsyncHttpClient is read with async for: aiter_bytes()")
        return through(Blocks(chunk_size), pieces)

    def iter_lines(self) -> Iterator[str]:
        """Yield the body line by line as str, without the line ends (CRLF or LF); see `text`."""
        return through(Lines(self._charset), self.iter_bytes())

    def read(self) -> bytes:
        """Receive what is left of a streamed body; ``body`` has it all then, and it is returned."""
        if self.source is not None:
            self.body = b"".join(self.iter_bytes())
            self.close()
        return self.body

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the body as `iter_bytes` does, with ``async for``.

        A read that is cancelled, by a timeout for example, loses nothing: the next goes on.

        Raises:
            HttpException: And others, as there.
        """
        pieces = [self.body] if self.source is None else self.source
        return Awaited(Blocks(chunk_size), awaited(pieces))

    def aiter_lines(self) -> AsyncIterator[str]:
        """Iterate over the lines as `iter_lines` does, with ``async for``."""
        return Awaited(Lines(self._charset), self.aiter_bytes())

    async def aread(self) -> bytes:
        """Receive what is left of a streamed body as `read` does, awaited."""
        if self.source is not None:
            self.body = b"".join([piece async for piece in self.aiter_bytes()])
            self.close()
        return self.body

    @property
    def _charset(self) -> str:
        return charset_of(self.headers.get("Content-Type", ""))

    def to_dict(self) -> dict[str, Any]:
        """Return every documented attribute, as JSON takes them."""
        return {
            "status": self.status,
            "version": self.version,
            "headers": dict(self.headers),
            "cookies": self.cookies,
            "body": as_json(self.body),
            "time_taken": self.time_taken,
            "redirects": self.redirects,
            "responder": self.responder,
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"<HttpResponse status={self.status}, version={self.version}>"


class _Closing(Iterator[bytes]):
    """An iterator of a body's pieces that closes what they come from."""

    __slots__ = ("_pieces", "close")

    def __init__(self, pieces: Iterable[bytes], owner: Any) -> None:
        self._pieces = iter(pieces)
        self.close = owner.close

    def __next__(self) -> bytes:
        return next(self._pieces)


def charset_of(content_type: str) -> str:
    """Return the charset parameter of a Content-Type value, "utf-8" where there is none.

    So it is where the value is no charset: Python has codecs of that name that are something else
    (hex), that fail whatever they are told about errors (idna), or that warn (unicode_escape).
    """
    if "charset" not in content_type.lower():
        return "utf-8"
    message = Message()
    message["Content-Type"] = content_type
    charset = message.get_content_charset("utf-8")
    try:
        b"\xff\xff\xff\xff".decode(charset, "replace")
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if "escape" in charset else charset


def _load_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
