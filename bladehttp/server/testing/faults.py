"""Faults: errors of servers, for `Expectation.respond` and for any handler.

A fault is a function that is called with a response when it is complete, and spoils it.
`abort`, `delay`, `raw` and `truncate` are methods of a response as well.
"""

from collections.abc import Callable, Iterable
from time import monotonic

from bladehttp._message.deferred import Channel
from bladehttp._message.response import HttpResponse
from bladehttp._wire.writer import write_chunk, write_head

__all__ = [
    "Fault",
    "Throttled",
    "abort",
    "close_in_head",
    "malformed_chunk",
    "raw",
    "throttle",
    "truncate",
]

Fault = Callable[[HttpResponse], object]

TICK = 10
"""Milliseconds between two chunks of a throttled body; longer where that is not a byte yet."""


def abort() -> Fault:
    """Reset the connection in place of an answer."""
    return HttpResponse.abort


def truncate(count: int) -> Fault:
    """Announce the whole body, send only its first bytes, and close."""
    return lambda response: response.truncate(count)


def raw(data: bytes | Iterable[bytes]) -> Fault:
    """Send bytes in place of the answer, head and all, and close."""
    return lambda response: response.raw(data)


def close_in_head() -> Fault:
    """Close in the middle of the answer's first field."""

    def fault(response: HttpResponse) -> None:
        head = _head(response, len(response.body))
        response.raw(head[: head.index(b":")])

    return fault


def malformed_chunk() -> Fault:
    """Send the body as one chunk, then a line that is no chunk size (RFC 9112 section 7.1)."""

    def fault(response: HttpResponse) -> None:
        response.raw(_head(response, None) + write_chunk(response.body) + b"no size\r\n")

    return fault


def throttle(bytes_per_second: int) -> Fault:
    """Send the body slowly, the head at once.

    Raises:
        ValueError: It is not positive.
    """
    if bytes_per_second <= 0:
        raise ValueError(f"bytes per second are positive, not {bytes_per_second!r}")

    def fault(response: HttpResponse) -> None:
        response.headers["Content-Length"] = str(len(response.body))
        response.source = Throttled(response.body, bytes_per_second)

    return fault


class Throttled(Channel):
    """A body that is written as time passes. Its heartbeat is the clock: no thread, no wait."""

    def __init__(self, body: bytes, bytes_per_second: int) -> None:
        """Take the body and the speed."""
        super().__init__(heartbeat=max(TICK, 1000 // bytes_per_second), limit=len(body))
        self._body = body
        self._speed = bytes_per_second
        self._begun = 0.0
        self._given = 0

    def attach(self, wake: Callable[[], None]) -> None:
        """Begin: the head is on its way."""
        self._begun = monotonic()
        super().attach(wake)

    def beat(self) -> None:
        """Write the bytes due by now, and close after the last one."""
        due = int((monotonic() - self._begun) * self._speed)
        self.write(self._body[self._given : due])
        self._given = due
        if due >= len(self._body):
            self.close()


def _head(response: HttpResponse, length: int | None) -> bytes:
    """Return the head of an answer, that of a chunked one if the length is None."""
    return write_head(
        response.status, response.reason, response.headers.as_tuple(), length, second=None
    ).head
