"""What handlers responded, as bytes: whole, or a head and a body."""

from time import time

from bladehttp._message.faults import Raw, length_of
from bladehttp._message.response import HttpResponse
from bladehttp._wire.writer import CLOSE, LENGTH, Reply, write_head, write_whole
from bladehttp.server._connection.outbox import JOINED


def serialise_whole(response: HttpResponse, second: int) -> bytes | None:
    """Return a complete response as bytes, dated ``second``; None if it needs `serialise`.

    Most responses are complete: body in memory, nothing to decide. None also for those that cannot
    be sent.
    """
    if response.source is not None:
        return None
    try:
        status, reason, fields, body = response.as_sent()
        if len(body) > JOINED:  # copying it would cost more than a second send
            return None
        return write_whole(status, reason, fields, body, second)
    except Exception:  # noqa: BLE001 - reported where it is written in parts
        return None


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
