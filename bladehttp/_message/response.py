"""HttpResponse: one class for both sides, as in Blade.

A server's handler fills one in; the client returns one. Both read and write the same attributes.
The methods for handlers are in `ResponseWriter`. Nothing here knows the wire format.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any, Self, overload

from bladehttp._data.byte_streams import AsyncItems, BodyReader
from bladehttp._data.charsets import charset_of, load_json, text_of, without_bom
from bladehttp._data.event_stream import LONGEST_EVENT, Event, EventReader
from bladehttp._data.headers import Headers, HeadersLike, Pairs, is_field_value, new_object
from bladehttp._data.jsonable import as_json, dump_json
from bladehttp._data.lazy import lazy
from bladehttp._data.links import Links, parse_links
from bladehttp._message.deferred import Deferred
from bladehttp._message.excerpt import one_line, readable
from bladehttp._message.response_head import (
    DEFAULT_HEAD,
    EMPTY_HEAD,
    JSON,
    DefaultHead,
    Hop,
    ReceivedHead,
    RequestInfo,
)
from bladehttp._message.response_writer import UNSET_STATUS, ResponseWriter
from bladehttp.exceptions import HttpException, HttpStatusError, InvalidHeader
from bladehttp.status import PHRASES

_MISSING: Any = object()

EXCERPT = 64 * 1024
"""Bytes of a streamed error's body that `HttpResponse.raise_for_status` receives at most."""

EXCERPT_SECONDS = 2.0
"""How long it waits for them at most."""


class UnreceivedBody(list[bytes]):
    """The parts of a body that is still being received: none."""


class HttpResponse(ResponseWriter):
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
        request: The request that was sent: its ``method`` and ``url``, after redirects, and as
            ``given`` the item given to `HttpClient.send_many`. None on a server.
        certificate: The server's certificate over https, as a dict: ``subject``, ``issuer``,
            ``serial``, ``names``, ``not_before``, ``not_after``, ``pem`` and ``chain``; None
            over http. Client side only.
        timings: When the last hop had reached "namelookup", "connect", "tls", "first_byte" and
            "total", in milliseconds from its start; 0 for steps that a kept connection spared. Of a
            streamed body "total" is that of the head. {} on a server.
        num_connects: How many connections the last hop had to make: 0 if it found one kept.
        deferred: The `Deferred` that `defer` has returned, else None.
        source: Where the body comes from when it is streamed (see `stream`), else None: an
            iterable of bytes, with `AsyncHttpClient.stream` an asynchronous one.
    """

    __slots__ = ()

    _fields: ReceivedHead
    deferred: Deferred | None
    source: Any
    status: int

    _reader: lazy[BodyReader] = lazy(lambda response: response._reader_of(response.source))
    certificate: lazy[dict[str, Any] | None] = lazy(lambda response: response._fields.certificate)
    history: lazy[tuple[Hop, ...]] = lazy(
        lambda response: tuple(Hop(*each) for each in response._fields.hops)
    )
    num_connects: lazy[int] = lazy(lambda response: response._fields.num_connects)
    redirects: lazy[int] = lazy(lambda response: len(response._fields.hops))
    request: lazy[RequestInfo | None] = lazy(lambda response: response._fields.request)
    responder: lazy[str | None] = lazy(lambda response: response._fields.responder)
    time_taken: lazy[float] = lazy(lambda response: response._fields.time_taken)
    timings: lazy[dict[str, float]] = lazy(lambda response: response._fields.timings)
    trailers: lazy[Headers] = lazy(lambda response: response._fields.trailers)
    version: lazy[str] = lazy(lambda response: response._fields.version)

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
        self._fields = EMPTY_HEAD
        self._lazy = None
        self._parts = []
        self._reason = None
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.status = status
        self.version = version
        self.time_taken = time_taken
        self.redirects = redirects
        self.responder = responder
        self.source = self.deferred = None
        if body:
            self.write(body)

    @staticmethod
    def for_server(blank: DefaultHead = DEFAULT_HEAD) -> "HttpResponse":
        """Make the response for a handler: 200, empty, with the default fields."""
        response: HttpResponse = new_object(HttpResponse)
        response._fields = blank
        response._parts = []
        response.status = UNSET_STATUS
        response._headers = response._lazy = response._reason = None
        response.source = response.deferred = None
        return response

    @classmethod
    def received(cls, body: bytes, status: int, fields: ReceivedHead) -> Self:
        """Make the response a client returns, its head parsed on access."""
        response: Self = new_object(cls)
        response._fields = fields
        response._parts = [body]
        response.status = status
        response._headers = response._lazy = response._reason = None
        response.source = response.deferred = None
        return response

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, data: Any, status: int | None = None) -> None: ...
    def json(self, data: Any = _MISSING, status: int | None = None) -> Any:
        """Write ``data`` as JSON and set the Content-Type; without ``data`` read the body.

        Raises:
            ValueError: Reading: the body is not JSON; also as `body`. Writing: NaN or
                infinity.
            TypeError: Writing: something JSON has no form for (see `as_json`).
        """
        if data is _MISSING:
            return load_json(self.body, self._labelled)
        self._parts = [dump_json(data).encode()]
        head: Any = self._fields
        if self._headers is None and isinstance(head, DefaultHead):  # no handler has read them
            self._fields = head.of_json
        else:
            self.headers["Content-Type"] = JSON
        if status is not None:
            self.status = status
        return None

    def as_sent(self) -> tuple[int, str | None, Pairs, bytes]:
        """Return the parts a server sends: status, reason phrase, fields and the body in memory.

        The reason phrase is None for the status's own one.

        Raises:
            InvalidHeader: ``headers`` were replaced, and a field of theirs cannot be sent.
            TypeError: They are not fields at all.
        """
        parts, status = self._parts, self.status
        headers: Any = self._headers
        if headers is None:  # it was made by `for_server`, and no handler has read them
            head: Any = self._fields
            fields: Pairs = head.pairs
        else:
            fields = (headers if isinstance(headers, Headers) else Headers(headers)).as_tuple()
        body = parts[0] if len(parts) == 1 else self.body
        return 200 if status is UNSET_STATUS else status, self._reason, fields, body

    @property
    def reason(self) -> str:
        """The reason phrase: as received, as set, or that of the status."""
        reason = self._reason
        if reason is None:
            reason = self._fields.reason
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

    @property
    def text(self) -> str:
        """The body as str: by its byte order mark, the charset of Content-Type, else UTF-8.

        Nothing is guessed. Undecodable bytes become U+FFFD. A charset is one of the Encoding
        Standard's labels, any other name counts as UTF-8. Raises as `body`.
        """
        return text_of(*without_bom(self.body, self._charset))

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
    def url(self) -> str:
        """The responder: the name requests has for it. "" on a server."""
        return self.responder or ""

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def elapsed(self) -> timedelta:
        """`time_taken` as a timedelta."""
        return timedelta(milliseconds=self.time_taken)

    @property
    def links(self) -> Links:
        """The links of the Link fields (RFC 8288) by relation type; see `Links`.

        Targets are absolute: relative ones are resolved against `url`. What is not valid in a field
        is left out.
        """
        return parse_links(self.headers.get_all("Link"), self.url)

    def __getstate__(self) -> Any:
        """Return the state for copying and pickling: the copy of a client's stream is closed."""
        others, slots = super().__getstate__()
        if self.source is not None and self._fields.responder is not None:
            made = {name: value for name, value in slots["_lazy"].items() if name != "_reader"}
            slots = {**slots, "source": None, "_lazy": made}
        return others, slots

    def raise_for_status(self) -> "HttpResponse":
        """Return the response itself, or raise for 4xx and 5xx, with the beginning of the body.

        The body of a stream that was not read is received first, for the exception: up to 64 KiB
        and for up to 2 s. Of a longer one ``body`` is the beginning then; reading goes on with all
        of it. That of `AsyncHttpClient.stream` is received when the exception leaves the context.

        Raises:
            HttpStatusError: With the response in ``response``.
        """
        if self.ok:
            return self
        if self._is_unread() and hasattr(self.source, "wait_until"):
            self.source.wait_until = monotonic() + EXCERPT_SECONDS
            try:
                self._reader.fill(EXCERPT)
            except (HttpException, ValueError, BlockingIOError):
                pass  # the status is what went wrong, and what has come of the body is kept
            finally:
                self.source.wait_until = inf
            self._keep_excerpt()
        where = f" from {self._fields.without_secrets(self.responder)}" if self.responder else ""
        raise HttpStatusError(
            f"{self.status} {self.reason}{where}",
            url=self.responder,
            request=self.request,
            response=self,
            excerpt=self._excerpt(),
        )

    def _excerpt(self) -> str:
        """Return the beginning of the body for an error message, as far as it was received."""
        if self.source is not None and type(self._parts) is UnreceivedBody:
            return ""
        text = readable(self.body, self.headers.get("Content-Type", ""), self._charset)
        return one_line(self._fields.without_secrets(text))

    def _is_unread(self) -> bool:
        """Whether the body is still to be received, and nothing of it was given."""
        return type(self._parts) is UnreceivedBody and not self._reader.unread.has_given

    async def _receive_excerpt(self) -> None:
        """Receive the beginning of an error's body; for `AsyncHttpClient.stream`."""
        if self._is_unread():
            try:
                await self._reader.afill(EXCERPT)
            except (HttpException, ValueError):
                pass
            finally:
                self._keep_excerpt()

    def _keep_excerpt(self) -> None:
        reader = self._reader
        if reader.unread.is_over:
            self._set_body(reader.read_all())
        else:
            self.body = reader.unread.copy(EXCERPT)

    def _open(self, source: Any) -> None:
        """Have the body received from a source when it is read; for clients."""
        self.source = source
        self._parts = UnreceivedBody()

    def _whole(self) -> bytes:
        if type(self._parts) is not UnreceivedBody:
            return super()._whole()
        is_awaited = isinstance(self.source, AsyncIterable)
        if not self._is_unread():
            raise RuntimeError(
                "part of the body was given by an iterator and is not kept: "
                f"{'await response.aread()' if is_awaited else 'response.read()'} returns the rest"
            )
        if self.source is None or getattr(self.source, "is_closed", False):
            raise ValueError("stream is closed and its body was not read")
        if is_awaited:
            raise RuntimeError("body has not been received: await response.aread() first")
        return self.read()

    def close(self) -> None:
        """Close the source of a streamed body, without sending it."""
        close = getattr(self.source, "close", None)
        self.source = None
        if close is not None:
            close()

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the body in chunks, as they come if it is streamed (`HttpClient.stream`).

        An iterator over a stream that is left early loses nothing: this one, `iter_lines` and
        `read` continue where the last has stopped. A body in memory starts from the beginning.

        Args:
            chunk_size: How long each is, the last excepted; None for as they come.

        Raises:
            HttpException: The rest cannot be received.
            ValueError: ``chunk_size`` is 0 or less, or the stream is closed.
            TypeError: It is a stream of `AsyncHttpClient`: see `aiter_bytes`.
        """
        reader = self._reading()
        return reader.items(reader.blocks(chunk_size))

    def iter_lines(self) -> Iterator[str]:
        """Yield the body line by line as str, without the line ends; see `text`.

        A line ends in CRLF, CR or LF, as those of server-sent events, and in nothing else.

        Raises:
            HttpException: And others, as `iter_bytes`.
        """
        reader = self._reading()
        return reader.items(reader.unread.take_line)

    def iter_events(self, max_size: int = LONGEST_EVENT) -> Iterator[Event]:
        """Yield the server-sent events of the body as they are received (HTML standard, 9.2.6).

        The body is read as UTF-8, whatever its Content-Type. An event that is incomplete at the end
        is dropped. `HttpClient.events` also connects again.

        Args:
            max_size: Longest event, in bytes: 1 MiB. The first call for a stream decides.

        Raises:
            BodyTooLarge: An event is longer.
            HttpException: And others, as `iter_bytes`.
        """
        reader = self._reading()
        return reader.items(_event_reader(reader, max_size).take)

    def read(self) -> bytes:
        """Receive the rest of a streamed body and return it; ``body`` has the whole then.

        If an iterator has given part of it, the rest is returned once, b"" after that, and neither
        is kept: ``body``, ``text`` and ``json()`` raise RuntimeError.

        Raises:
            HttpException: It cannot be received. `IncompleteBody` has the received bytes in
                ``partial``.
            ValueError: The stream is closed.
            TypeError: It is a stream of `AsyncHttpClient`: see `aread`.
        """
        return self.body if self.source is None else self._keep(self._reading().read_all())

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Iterate over the body as `iter_bytes` does, with ``async for``.

        A read that is cancelled, by a timeout for example, loses nothing: the next goes on.

        Raises:
            HttpException: And others, as there.
        """
        reader = self._reader_in_use()
        return AsyncItems(reader, reader.blocks(chunk_size))

    def aiter_lines(self) -> AsyncIterator[str]:
        """Iterate over the lines as `iter_lines` does, with ``async for``."""
        reader = self._reader_in_use()
        return AsyncItems(reader, reader.unread.take_line)

    def aiter_events(self, max_size: int = LONGEST_EVENT) -> AsyncIterator[Event]:
        """Iterate over the events as `iter_events` does, with ``async for``."""
        reader = self._reader_in_use()
        return AsyncItems(reader, _event_reader(reader, max_size).take)

    async def aread(self) -> bytes:
        """Receive the rest of a streamed body as `read` does, awaited."""
        return self.body if self.source is None else self._keep(await self._reader.aread_all())

    def _keep(self, rest: bytes) -> bytes:
        """Return the rest of a body; keep it unless it is only a part."""
        if not self._reader.unread.has_given:
            self._set_body(rest)
        return rest

    def _set_body(self, body: bytes) -> None:
        self.body = body
        self.close()
        if self._lazy is not None:
            self._lazy.pop("_reader", None)

    def _forget_error(self) -> None:
        """Release the exception that ended a stream which is closed now."""
        if self._lazy is not None and "_reader" in self._lazy:
            self._reader.forget_error()

    def _reading(self) -> BodyReader:
        """Return the reader for plain iteration."""
        if isinstance(self.source, AsyncIterable):
            raise TypeError("stream of AsyncHttpClient is read with async for: aiter_bytes()")
        return self._reader_in_use()

    def _reader_in_use(self) -> BodyReader:
        """Return the one reader of a stream, or a new one of a body that is here whole."""
        return self._reader_of([self.body]) if self.source is None else self._reader

    def _reader_of(self, source: Any) -> BodyReader:
        return BodyReader(source, self._charset)

    @property
    def _charset(self) -> str:
        return self._labelled()

    def _labelled(self) -> str:
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


def _event_reader(reader: BodyReader, max_size: int) -> EventReader:
    """Return the one reader of events of a body."""
    if reader.events is None:
        reader.events = EventReader(reader.unread, max_size)
    events: EventReader = reader.events
    return events
