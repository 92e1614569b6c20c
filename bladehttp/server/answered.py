"""Answered: what becomes of an answer, for whoever wants to log or to count it."""

import re
from typing import NamedTuple

from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._message.response import HttpResponse

is_request_id = re.compile(r"[!-~]{1,128}").fullmatch


def request_id(request: HttpRequest) -> str | None:
    """Return the X-Request-ID of a request, by which the logs of several programs are joined.

    A proxy sets it (nginx: ``$request_id``). What a client sends can be anything: one that is
    longer than 128 characters, or has others than visible ASCII, is none.
    """
    value = request.headers.get("X-Request-ID")
    return value if value and is_request_id(value) else None


class Answered(NamedTuple):
    """An answer that is over; what on_answered callbacks are given.

    Attributes:
        client: The far end of the connection. Behind a trusted proxy ``request.ip`` is the client.
        request: The request, its temporary files closed; None if it could not be understood.
        response: The response.
        sent: Bytes of its body, as they went over the wire, that the client has taken: fewer than
            there are if it was gone before. (Of the last 64 KiB those that the kernel has.)
        milliseconds: From the request's last byte to now.
    """

    client: ClientInfo
    request: HttpRequest | None
    response: HttpResponse
    sent: int
    milliseconds: float


class Account:
    """An answer on its way."""

    __slots__ = ("_begins", "_begun", "_request", "_response", "_size")

    def __init__(
        self,
        request: HttpRequest | None,
        response: HttpResponse,
        begun: float,
        begins: int,
        size: int | None,
    ) -> None:
        """Begin.

        Args:
            request: None if it could not be understood.
            response: Whose head has been put into the outbox.
            begun: When the request was there, in seconds.
            begins: How much the connection will have sent when the body begins.
            size: Bytes of a body that is there as a whole. None for one that is streamed: all
                that comes is counted.
        """
        self._request = request
        self._response = response
        self._begun = begun
        self._begins = begins
        self._size = size

    def closed(self, client: ClientInfo, sent: int, now: float) -> Answered:
        """Return what has become of it.

        Args:
            client: The far end.
            sent: Bytes the client has taken of all that the connection has sent.
            now: The time, in seconds.
        """
        taken = max(0, sent - self._begins)
        size = taken if self._size is None else min(taken, self._size)
        return Answered(client, self._request, self._response, size, (now - self._begun) * 1000)
