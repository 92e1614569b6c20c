"""Responses to bytes.

RFC 9112 sections 4, 6 and 7. Rules that handlers cannot break: no body on HEAD, 204, 205 and 304,
no chunked coding to an HTTP/1.0 client, and never two different lengths of a body.
"""

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from bladehttp._data.dates import format_http_date
from bladehttp._data.headers import Pairs
from bladehttp._wire import grammar
from bladehttp.status import PHRASES

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""RFC 9110 section 15.2.1."""

LAST_CHUNK = b"0\r\n\r\n"
"""Ends a chunked body (RFC 9112 section 7.1); there are no trailers."""

BODYLESS = frozenset({204, 205, 304})
"""Statuses whose response has no content (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5)."""

TYPELESS = frozenset({204, 304})
"""Statuses without Content-Type: nginx omits it, and wsgiref.validate insists."""

OWN_FIELDS = frozenset({"connection", "content-length", "transfer-encoding"})
"""Fields of the message's framing and of the connection, set by the writer; see `write_head`."""


class Coding(IntEnum):
    """The framing of a response's body."""

    NONE = 0
    """No body."""
    LENGTH = 1
    """As many bytes as Content-Length."""
    CHUNKED = 2
    """Chunked transfer coding."""
    CLOSE = 3
    """Until the connection is closed (HTTP/1.0)."""


# By names of their own: on CPython 3.11 looking a member up by its class takes 0.15 us.
LENGTH, CHUNKED, CLOSE = Coding.LENGTH, Coding.CHUNKED, Coding.CLOSE


class Reply(NamedTuple):
    """A serialised response head.

    Attributes:
        head: The bytes, the empty line included.
        coding: The framing of the body.
        length: Number of bytes of the body if the coding is LENGTH, else 0.
        keep_alive: Whether the connection can be used again afterwards.
    """

    head: bytes
    coding: Coding
    length: int
    keep_alive: bool


def write_head(
    status: int,
    reason: str | None,
    fields: Iterable[tuple[str, str]],
    length: int | None,
    *,
    second: int | None,
    method: str = "GET",
    minor: int = 1,
    keep_alive: bool = True,
) -> Reply:
    """Serialise a response's head and decide the framing of its body.

    The status line says HTTP/1.1 for every client (RFC 9112 section 2.5).

    Args:
        status: 200 to 599: the final ones.
        reason: The reason phrase, "" allowed; None: that of the status. Checked when it was set, as
            names and values.
        fields: (name, value) in order. Content-Length is used for a stream and for HEAD without a
            body in memory; with a body it must be right. "Connection: close" is obeyed, other
            options are dropped. Content-Type is dropped where the status has no body.
        length: Bytes of the body in memory, None for a stream.
        second: The time in seconds since 1970, for Date, unless a field gives one; None: no Date.
        method: The method of the request.
        minor: Minor version of the request.
        keep_alive: Whether the connection may be kept.

    Raises:
        ValueError: The status is not a final one, the fields have a Transfer-Encoding, or a wrong
            Content-Length. Errors of handlers, all of them.
    """
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"status of a response is 200 to 599, not {status!r}")
    status = int(status)  # an enumeration's member is written as its number
    start, own, is_plain = _start(status, reason, tuple(fields), second)
    if length is None or method == "HEAD" or not is_plain:
        declared = _declared_length(own)
        coding, known = _frame(status, length, declared, method, minor)
        keep_alive = keep_alive and coding is not CLOSE and not _asks_close(own)
    else:
        coding, known = LENGTH, length
    if coding is CHUNKED:
        framing_line = b"Transfer-Encoding: chunked\r\n"
    else:
        framing_line = b"" if known is None else b"Content-Length: %d\r\n" % known
    connection_line = CONNECTION_LINES[keep_alive][minor > 0]
    return Reply(start + framing_line + connection_line + b"\r\n", coding, known or 0, keep_alive)


def write_start(
    status: int, reason: str | None, fields: Pairs, second: int | None, *, is_kept: bool = False
) -> bytes | None:
    """Serialise a head up to Content-Length, for an HTTP/1.1 connection that is kept.

    With `end_of_head` and the body these are the bytes of `write_head` and the body, for responses
    with nothing to decide: most are like that. Otherwise, and for invalid responses, None: use
    `write_head`.

    Args:
        status: See `write_head`. Not for a response to HEAD.
        reason: See `write_head`.
        fields: (name, value) in order.
        second: The time in seconds since 1970, for Date.
        is_kept: Whether the caller keeps it: there is no use in keeping it here, too.
    """
    if type(status) is not int:  # a float that is equal to one would be taken for it
        return None
    make = _make_start if is_kept else _start
    start, _, is_plain = make(status, reason, fields, second)
    return start if is_plain else None


def end_of_head(length: int) -> bytes:
    """Return the rest of a head after `write_start`, given the length of the body."""
    return b"Content-Length: %d\r\n\r\n" % length


def _make_start(
    status: int, reason: str | None, fields: Pairs, second: int | None
) -> tuple[bytes, dict[str, str], bool]:
    """Return a head without framing, the framing fields, and whether it is plain.

    It is plain if there are no framing fields, the status is valid and a body may follow.
    """
    # Joined, not formatted: a member of an enumeration of str has a format of its own, and what is
    # remembered is for all that are equal.
    phrase = PHRASES.get(status, "") if reason is None else reason
    lines = f"HTTP/1.1 {status} " + phrase + "\r\n"
    own: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        if key in OWN_FIELDS:
            own[key] = f"{own[key]}, {value}" if key in own else value
        elif key != "content-type" or status not in TYPELESS:
            lines += name + ": " + value + "\r\n"
            if key == "date":
                second = None
    if second is not None:
        lines += f"Date: {format_http_date(second)}\r\n"
    is_plain = not own and 200 <= status <= 599 and status not in BODYLESS
    return lines.encode("latin-1"), own, is_plain


_start = lru_cache(maxsize=64)(_make_start)
"""The last ones are cached, as long as Date stays the same: most responses of a server share a few
statuses and sets of fields."""


CONNECTION_LINES = (
    # client is of 1.0         1.1 or later
    (b"Connection: close\r\n", b"Connection: close\r\n"),  # not kept
    (b"Connection: keep-alive\r\n", b""),  # kept
)


def _declared_length(own: dict[str, str]) -> int | None:
    if "transfer-encoding" in own:
        raise ValueError("Transfer-Encoding is the server's to set, not a handler's")
    value = own.get("content-length")
    if value is None:
        return None
    if not grammar.content_length(value) or len(value) > 18:
        raise ValueError(f"Content-Length of a response is not a length: {value[:40]!r}")
    return int(value)


def _asks_close(own: dict[str, str]) -> bool:
    options = own.get("connection", "").lower().split(",")
    return "close" in [option.strip(" \t") for option in options]


def _frame(
    status: int, length: int | None, declared: int | None, method: str, minor: int
) -> tuple[Coding, int | None]:
    """Return the framing of the body and the Content-Length, None for no such field."""
    if status in BODYLESS:
        return Coding.NONE, 0 if status == 205 else None
    is_head = method == "HEAD"
    # A handler for HEAD may give the length alone, without the body that it would have.
    if None not in (length, declared) and length != declared and (length or not is_head):
        raise ValueError(f"Content-Length is {declared} and the body has {length} bytes")
    known = length if declared is None else declared
    if is_head:  # RFC 9110 section 9.3.2: the fields that GET would have, no content
        return Coding.NONE, known
    if known is not None:
        return Coding.LENGTH, known
    return (Coding.CHUNKED if minor > 0 else Coding.CLOSE), None


def write_chunk(data: bytes) -> bytes:
    """Return one chunk; b"" for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
