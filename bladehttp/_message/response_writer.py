"""ResponseWriter: the methods of a response that are for a server's handlers.

Bodies in memory, streams, files and deferred bodies; cookies and redirects; and faulty responses,
for testing clients.
"""

import re
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import datetime
from functools import partial
from os import PathLike
from typing import Any
from urllib.parse import quote

from bladehttp._data.cookies import format_set_cookie
from bladehttp._data.headers import Headers, is_field_value
from bladehttp._data.host_names import to_ascii
from bladehttp._data.keywords import hint_keywords
from bladehttp._data.lazy import Lazy
from bladehttp._data.media_types import UNKNOWN, media_type
from bladehttp._data.self_request import with_descriptors
from bladehttp._message.deferred import (
    Channel,
    Deferred,
    Delay,
    Offloaded,
    as_chunk,
    check_milliseconds,
)
from bladehttp._message.faults import Raw, Truncated, reset
from bladehttp._message.file_body import WholeFile
from bladehttp._message.sse import Events
from bladehttp.exceptions import InvalidHeader

# RFC 3986 section 2: unreserved, gen-delims, sub-delims and "%"; and control characters, which a
# field's value is refused for.
URL_SAFE = ":/?#[]@!$&'()*+,;=%-._~" + "".join(map(chr, range(0x20))) + "\x7f"
is_url = partial(re.fullmatch, r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=%._~-]*")
# RFC 8187 section 3.2.1: attr-char, less what `quote` leaves alone anyhow
ATTR_CHAR = "!#$&+^`|"
is_plain_name = partial(re.fullmatch, r"[\x20!#$&-\[\]-~]*")  # no quote, backslash or "%"
not_plain = partial(re.sub, r"[^\x20!#$&-\[\]-~]")

NEED_SECURE = ("__secure-", "__host-")
"""How the names of cookies begin that browsers take only with Secure (RFC 6265bis 4.1.3)."""

has_authority = partial(
    re.fullmatch,
    r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#\\@]*@)?)([^/?#\\:]*)(.*)",
    flags=re.DOTALL,
)


REDIRECTS = (301, 302, 303, 307, 308)
"""The statuses that send a client to Location (RFC 9110 section 15.4)."""


class Unset(int):
    """The type of a status that was not set: it equals 200."""

    __slots__ = ()


UNSET_STATUS = Unset(200)
"""The status of a server's response until a handler sets one."""


class ResponseWriter(Lazy):
    """The half of `HttpResponse` that is for handlers."""

    __slots__ = ("_fields", "_headers", "_parts", "_reason", "deferred", "source", "status")

    _fields: Any  # where the head comes from: see `HttpResponse`
    _headers: Headers | None  # None until they are read
    _parts: list[bytes]
    _reason: str | None  # None for that of the status
    deferred: Deferred | None
    source: Any
    status: int

    @property
    def headers(self) -> Headers:
        """The fields: see the class."""
        # Not `lazy`, which takes twice the instructions: a handler comes here for each field.
        headers = self._headers
        if headers is None:
            headers = self._headers = self._fields.new_headers()
        return headers

    @headers.setter
    def headers(self, value: Headers) -> None:
        self._headers = value

    def __getstate__(self) -> Any:
        """Return the state for copying and pickling, as `Lazy` does."""
        others, slots = super().__getstate__()
        return others, {**slots, "_parts": copy(self._parts)}

    @property
    def body(self) -> bytes:
        """The content as bytes; on the client side with Content-Encoding decoded.

        The body of `HttpClient.stream` is received on first access.

        Raises:
            RuntimeError: It has to be awaited (`HttpResponse.aread`), or an iterator has returned
                part of it already.
            ValueError: The stream was closed before.
            HttpException: It cannot be received.
        """
        parts = self._parts
        return parts[0] if len(parts) == 1 else self._whole()

    @body.setter
    def body(self, value: str | bytes) -> None:
        self._parts = [as_bytes(value)]

    @property
    def is_answered(self) -> bool:
        """Whether a handler has answered. Only for responses of a server.

        It has if it wrote (even an empty body), set a status (even 200), streams, or deferred the
        response. A header alone is no answer, and neither is `delay`.
        """
        deferred = self.deferred
        return (
            bool(self._parts)
            or self.source is not None
            or type(self.status) is not Unset
            or (deferred is not None and not isinstance(deferred, Delay))
        )

    def _whole(self) -> bytes:
        """Return the body, joining its parts."""
        if not self._parts:  # and stay so: to look at it is not to write it
            return b""
        body = b"".join(self._parts)
        self._parts = [body]
        return body

    def as_known(self) -> tuple[tuple[object, int], bytes] | None:
        """Return the parts a server sends, an object in place of shared fields.

        Returns:
            That object with the status, and the body. None for fields that are not shared, a reason
            phrase, or a status of another type: see `as_sent`.
        """
        parts, status, headers = self._parts, self.status, self._headers
        if status is UNSET_STATUS:
            status = 200
        if headers is None:  # no handler has read them
            key = self._fields.key
        else:
            key = headers.shared_key() if type(headers) is Headers else None
        if key is None or self._reason is not None or type(status) is not int:
            return None
        return (key, status), parts[0] if len(parts) == 1 else self.body

    def write(self, data: str | bytes) -> None:
        """Append to the body; a str as UTF-8.

        Raises:
            TypeError: Neither str nor bytes.
            RuntimeError: The body is streamed: it would be lost.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if data and self.source is not None and not isinstance(self.source, Raw | Truncated):
            raise RuntimeError("write: the response has a body that is streamed already")
        self._parts.append(data)

    def _refuse_second(self, method: str) -> None:
        """Raise if something was written, which a streamed body would replace.

        Raises:
            RuntimeError: As said.
        """
        if any(self._parts):
            raise RuntimeError(f"{method}: the response has a body already, which was written")

    def stream(self, source: Iterable[bytes | str]) -> None:
        """Send the chunks of an iterable as the client receives them.

        The body is chunked, or for an HTTP/1.0 client ended by closing, unless
        Content-Length is set. A ``close`` method of the iterable is called at the end,
        also when the client leaves.

        Raises:
            RuntimeError: Something was written already.
            TypeError: It is no iterable, or one str or bytes, which `write` takes.
        """
        if isinstance(source, str | bytes | bytearray | memoryview):
            raise TypeError(f"stream takes an iterable of chunks, not one {type(source).__name__}")
        self._refuse_second("stream")
        self.source = map(as_chunk, source)
        if hasattr(source, "close"):
            self.source = _Closing(self.source, source)

    def defer(self, timeout: int = 30_000) -> Deferred:
        """Let the handler return without a response, which is sent later, from any thread.

        Changes to the response meanwhile count; ``send()`` of the returned `Deferred` sends it. The
        connection takes no other request until then.

        Args:
            timeout: Milliseconds after which the response is 503. 0: no limit.

        Raises:
            RuntimeError: It is deferred already, as that of an offloaded handler is.
            TypeError: The time is not an int.
            ValueError: It is negative.
        """
        return self._defer(Deferred(check_milliseconds("timeout", timeout)))

    def _defer(self, deferred: Deferred) -> Deferred:
        if self.deferred is not None:
            raise RuntimeError("response is deferred already")
        self.deferred = deferred
        return deferred

    def channel(self) -> Channel:
        """Send a body that is written chunk by chunk, later and from any thread.

        The body is framed as that of `stream`. It ends when the channel is closed; at most 256 KiB
        may wait for a slow client. The head is sent when the handler returns; that of an offloaded
        handler at the first write, if that is sooner.

        Raises:
            RuntimeError: Something was written already.
        """
        self._refuse_second("channel")
        self.source = channel = Channel()
        self._begin_with(channel)
        return channel

    def _begin_with(self, channel: Channel) -> None:
        """Send the response of an offloaded handler at the first write to its channel."""
        if isinstance(self.deferred, Offloaded):
            channel.begin_with(self.deferred.send)

    def events(self, heartbeat: int = 15_000) -> Events:
        """Send server-sent events, from any thread (HTML standard, section 9.2).

        The head is sent as that of `channel`. The request's Last-Event-ID is the id of the last
        event the client has received.

        Args:
            heartbeat: Milliseconds of silence after which a comment is sent: it keeps proxies from
                closing the connection and detects clients that have left. 0: never.
        """
        check_milliseconds("heartbeat", heartbeat)
        self._refuse_second("events")
        self.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        self.headers["Cache-Control"] = "no-store"
        self.source = events = Events(heartbeat)
        self._begin_with(events)
        return events

    def raw(self, data: bytes | Iterable[bytes]) -> None:
        """Send bytes in place of a whole response, head included, and close: for testing clients.

        Args:
            data: The bytes, or an iterable of chunks; one that raises resets the connection.

        Raises:
            TypeError: It is a str.
        """
        given: object = data
        if isinstance(given, str):
            raise TypeError("raw takes bytes, not a str")
        self.source = Raw((data,) if isinstance(data, bytes) else data)

    def abort(self) -> None:
        """Reset the connection in place of a response: for testing clients."""
        self.raw(reset())

    def delay(self, ms: int) -> None:
        """Send the response later, while others are served: for testing clients.

        Args:
            ms: Milliseconds from the handler's return. 0: at once.

        Raises:
            RuntimeError: The response is deferred already.
            TypeError: The time is not an int.
            ValueError: It is negative.
        """
        if check_milliseconds("delay", ms):
            self._defer(Delay(ms))

    def truncate(self, count: int) -> None:
        """Send only the first bytes of the body and close: for testing clients.

        The head announces the body whole, as it is when it is sent; that of `stream` just does not
        end. The latter and a `file` have to be set before.

        Raises:
            TypeError: The body is a channel, whose chunks are not there yet, or the count no int.
        """
        if not isinstance(count, int):
            raise TypeError(f"truncate takes a number of bytes, not {count!r}")
        if isinstance(self.source, Channel):
            raise TypeError("a channel cannot be truncated")
        self.headers["Connection"] = "close"
        self.source = Truncated(self, count)

    @hint_keywords(
        as_attachment="download_name, the name to save it under",
        content_type='headers["Content-Type"]',
        filename="download_name",
        max_age='headers["Cache-Control"]',
        mimetype='headers["Content-Type"]',
    )
    def file(
        self,
        path: str | PathLike[str],
        status: int | None = None,
        *,
        download_name: str | None = None,
    ) -> None:
        """Send a file as the client takes it.

        The Content-Type is by its name. With status 200 the answer to GET and HEAD has an ETag (of
        size and time of modification, unless ``headers`` has one) and Last-Modified; ranges are
        sent with 206, and a client that has the file gets 304.

        Args:
            path: The path of the file. Do not make it of a client's data: see
                `HttpServer.serve_files`.
            status: None: 200 unless set.
            download_name: The name under which browsers save the file, which they then do not
                show (Content-Disposition: attachment). None: they show supported types.

        Raises:
            OSError: The file cannot be opened.
            InvalidHeader: There are control characters in ``download_name``.
            RuntimeError: Something was written already.
        """
        self._refuse_second("file")
        if download_name is not None:
            self.headers["Content-Disposition"] = attachment(download_name)
        self.source = body = with_descriptors(WholeFile, path)
        self.headers["Content-Length"] = str(body.length)
        by_name = media_type(body.name)
        self.headers["Content-Type"] = (
            media_type(download_name or "") if by_name == UNKNOWN else by_name
        )
        if status is not None:
            self.status = status

    @hint_keywords(name="key")
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
        """Add a Set-Cookie field; see `bladehttp._data.cookies.format_set_cookie`."""
        cookie = format_set_cookie(
            key, value, domain, path, expires, secure, max_age, http_only, same_site
        )
        self.headers.add("Set-Cookie", cookie)

    @hint_keywords(name="key")
    def delete_cookie(
        self,
        key: str,
        domain: str | None = None,
        path: str | None = "/",
        secure: bool = False,
        http_only: bool = False,
        same_site: str | None = None,
    ) -> None:
        """Have the browser delete a cookie, by a Set-Cookie field that has expired.

        Args:
            key: The name.
            domain: As it was set: browsers delete only the cookie of the same domain and path.
            path: As it was set.
            secure: As it was set. It is added where browsers insist on it: for names that begin
                with "__Secure-" or "__Host-", and with ``same_site`` "None".
            http_only: As it was set.
            same_site: As it was set.

        Raises:
            InvalidHeader: As `set_cookie`.
            ValueError: ``same_site`` is unknown.
        """
        needs_secure = (same_site or "").lower() == "none" or key.lower().startswith(NEED_SECURE)
        self.set_cookie(key, "", domain, path, 0, secure or needs_secure, 0, http_only, same_site)

    @hint_keywords(code="status", permanent="status, which may be 301 or 308", url="location")
    def redirect(self, location: str, status: int = 302) -> None:
        """Send the client to another URL.

        Args:
            location: Absolute or relative. Characters that a URL cannot have, such as spaces and
                letters beyond ASCII, are percent-encoded as UTF-8; a host name beyond ASCII is
                sent in its IDNA form. "%" stays as it is.
            status: 301, 302, 303, 307 or 308.

        Raises:
            InvalidUrl: The host name has no IDNA form.
            ValueError: The status is another one, such as 304, which redirects no client.
            InvalidHeader: The location holds control characters.
        """
        if status not in REDIRECTS:
            known = ", ".join(map(str, REDIRECTS))
            raise ValueError(f"status of a redirect is one of {known}, not {status!r}")
        self.headers["Location"] = encode_location(location)
        self.status = status

    def content_type(self, mime: str) -> None:
        """Set the Content-Type."""
        self.headers["Content-Type"] = mime


def as_bytes(data: str | bytes) -> bytes:
    """Return data as bytes, a str as UTF-8.

    Raises:
        TypeError: Neither str nor bytes.
    """
    if type(data) is bytes:  # as it is: a copy of a long body would stall an event loop
        return data
    if isinstance(data, str):
        return data.encode()
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"a body is str or bytes, not {type(data).__name__}") from None


class _Closing(Iterator[bytes]):
    """An iterator of a body's chunks that closes their source."""

    __slots__ = ("_chunks", "close")

    def __init__(self, chunks: Iterable[bytes], owner: Any) -> None:
        self._chunks = iter(chunks)
        self.close = owner.close

    def __next__(self) -> bytes:
        return next(self._chunks)


def encode_location(location: str) -> str:
    """Return a URL reference in the characters of RFC 3986; control characters stay.

    Raises:
        InvalidUrl: Its host name has no IDNA form.
        InvalidHeader: There are lone surrogates in it.
    """
    if is_url(location):
        return location
    try:
        match = has_authority(location)
        if match is None:
            return quote(location, URL_SAFE)
        start, host, rest = match.groups()
        return quote(start, URL_SAFE) + quote(to_ascii(host), URL_SAFE) + quote(rest, URL_SAFE)
    except UnicodeEncodeError as error:
        raise InvalidHeader(f"location cannot be sent: {location[:80]!r}") from error


def attachment(name: str) -> str:
    """Return the Content-Disposition of a file to be saved under a name (RFC 6266).

    A name that is not plain is sent twice, as there are clients that know only one of both.

    Raises:
        InvalidHeader: There are control characters in it, or lone surrogates.
    """
    if not is_field_value(name.encode("ascii", "replace").decode()):
        raise InvalidHeader(f"name of a download cannot be sent: {name[:80]!r}")
    if is_plain_name(name):
        return f'attachment; filename="{name}"'
    plain = not_plain("_", name)
    try:
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, ATTR_CHAR)}"
    except UnicodeEncodeError as error:
        raise InvalidHeader(f"name of a download cannot be sent: {name[:80]!r}") from error
