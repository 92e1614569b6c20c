"""Responses of handlers to bytes: whole, or a head and a body."""

from time import time

from bladehttp._message.faults import Raw, length_of
from bladehttp._message.response import HttpResponse
from bladehttp._wire.writer import CLOSE, LENGTH, Reply, end_of_head, write_head, write_start
from bladehttp.server._connection.outbox import JOINED

MOST_STARTS = 256
"""Starts of heads that are kept: statuses and sets of shared fields."""

MOST_ENDS = 1024
"""Ends of heads that are kept: lengths of bodies."""


class Ends(dict[int, bytes]):
    """Length of a body to the end of a head, made when it is first looked up.

    KeyError for a body longer than `JOINED`: copying it would cost more than a second send.
    """

    __slots__ = ()

    def __missing__(self, length: int) -> bytes:
        if length > JOINED:
            raise KeyError(length)
        if len(self) >= MOST_ENDS:
            self.clear()
        end = self[length] = end_of_head(length)
        return end


class WholeWriter:
    """Writes complete responses.

    A head consists of two pieces, and both are kept: one for status, shared fields and Date, the
    other for the length of the body.

    Attributes:
        length: Bytes of the body of the response that was written last.
    """

    __slots__ = ("_ends", "_second", "_starts", "_until", "length")

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.length: int = 0
        self._second = 0  # since 1970, for Date
        self._until = 0.0  # its end, on the monotonic clock
        self._starts: dict[tuple[object, int], bytes] = {}
        self._ends = Ends()

    def write(self, response: HttpResponse, now: float) -> bytes | None:
        """Return a complete response as bytes; None if it needs `serialise`.

        Most responses are complete: body in memory, nothing to decide. None also for those that
        cannot be sent.

        Args:
            response: The response.
            now: The time on the monotonic clock.
        """
        if response.source is not None:
            return None
        if now >= self._until:
            self._change_date(now)
        try:
            known = response.as_known()
            if known is None:
                return self._write_own(response)
            key, body = known
            length = self.length = len(body)
            start = self._starts.get(key) or self._new_start(key, response)
            return None if start is None else start + self._ends[length] + body
        except Exception:  # noqa: BLE001 - reported where it is written in parts
            return None

    def _write_own(self, response: HttpResponse) -> bytes | None:
        """Write a response with fields of its own."""
        status, reason, fields, body = response.as_sent()
        length = self.length = len(body)
        start = write_start(status, reason, fields, self._second)
        return None if start is None else start + self._ends[length] + body

    def _new_start(self, key: tuple[object, int], response: HttpResponse) -> bytes | None:
        status, reason, fields, _ = response.as_sent()
        start = write_start(status, reason, fields, self._second, is_kept=True)
        if start is not None:
            if len(self._starts) >= MOST_STARTS:
                self._starts.clear()
            self._starts[key] = start
        return start

    def _change_date(self, now: float) -> None:
        wall = time()
        self._second = int(wall)
        self._until = now + 1 - wall % 1
        self._starts.clear()


def serialise(
    response: HttpResponse, method: str = "GET", minor: int = 1, keep: bool = False
) -> tuple[Reply, bytes]:
    """Return a response's head, and its body if that is in memory and is to be sent.

    Raises:
        ValueError: The status or the framing fields are invalid (`write_head`).
        TypeError: The headers are not fields (`HttpResponse.as_sent`).
        InvalidHeader: A header cannot be sent.
    """
    source = response.source
    if type(source) is Raw:
        return Reply(b"", CLOSE, 0, keep_alive=False), b""
    status, reason, fields, body = response.as_sent()
    reply = write_head(
        status,
        reason,
        fields,
        len(body) if source is None else length_of(source),
        second=int(time()),
        method=method,
        minor=minor,
        keep_alive=keep,
    )
    return reply, body if source is None and reply.coding is LENGTH else b""
