"""Answered: what becomes of an answer, for whoever wants to log or to count it."""

from typing import NamedTuple

from bladehttp.request import ClientInfo, HttpRequest
from bladehttp.response import HttpResponse


class Answered(NamedTuple):
    """An answer that is over; what on_answered callbacks are given.

    Attributes:
        client: The far end of the connection. Behind a trusted proxy ``request.ip`` is the client.
        request: The request, its temporary files closed; None if it could not be understood.
        response: The response.
        sent: Bytes of its body, as they went over the wire. Of a streamed one those that were
            taken before the client had all of it, or was gone; of another all there are.
        milliseconds: From the request's last byte to now.
    """

    client: ClientInfo
    request: HttpRequest | None
    response: HttpResponse
    sent: int
    milliseconds: float


class Account:
    """An answer on its way."""

    __slots__ = ("_begun", "_body_begins", "_request", "_response", "_size")

    def __init__(
        self,
        request: HttpRequest | None,
        response: HttpResponse,
        begun: float,
        size: int,
        body_begins: int | None,
    ) -> None:
        """Begin.

        Args:
            request: None if it could not be understood.
            response: Whose head has been put into the outbox.
            begun: When the request was there, in seconds.
            size: Bytes of a body that is there as a whole.
            body_begins: How much the connection will have sent when a streamed body begins, all
                that comes after it being counted; None for one that is not streamed.
        """
        self._request = request
        self._response = response
        self._begun = begun
        self._size = size
        self._body_begins = body_begins

    def closed(self, client: ClientInfo, sent: int, now: float) -> Answered:
        """Return what has become of it.

        Args:
            client: The far end.
            sent: Bytes the connection has sent.
            now: The time, in seconds.
        """
        size = self._size if self._body_begins is None else max(0, sent - self._body_begins)
        return Answered(client, self._request, self._response, size, (now - self._begun) * 1000)
