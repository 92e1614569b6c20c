"""EventSource: connecting again to a stream of server-sent events (HTML standard, section 9.2)."""

from dataclasses import replace

from bladehttp._data.event_stream import EventParser
from bladehttp._data.headers import is_field_value
from bladehttp._message.response import HttpResponse
from bladehttp.client._config.retry import IDEMPOTENT, Retry
from bladehttp.client._config.validators import at_least_one, milliseconds, whole_number
from bladehttp.client._request.fields import has_field
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.exceptions import HttpException, ProtocolError
from bladehttp.status import NO_CONTENT, OK

EVENT_STREAM = "text/event-stream"

FIRST_DELAY = 3000
"""Milliseconds before the client connects again where the server has given no ``retry``."""

LONGEST_DELAY = 300_000
"""Milliseconds of the longest delay, whatever the server asks for; the caller may allow more."""

LEAST_DELAY = 100
"""Milliseconds of the shortest delay after a connection without any event: a server with
``retry: 0`` would otherwise be asked without a pause."""

FAILURES = 10
"""Most connections in a row without any byte, unless the caller says otherwise."""

TRANSIENT = Retry()


class EventSource:
    """The state of one stream of events over its connections.

    Attributes:
        parser: The parser of the current connection.
    """

    def __init__(
        self,
        request: PreparedRequest,
        last_event_id: str,
        failures: int | None,
        longest_delay: int,
        max_event_size: int,
    ) -> None:
        """Create a source; the arguments are those of `HttpClient.events`.

        Raises:
            TypeError: An argument has a wrong type.
            ValueError: An argument is not valid.
        """
        if not isinstance(last_event_id, str):
            raise TypeError(f"last_event_id is a str, not {last_event_id!r}"[:200])
        self._failures = None if failures is None else whole_number("failures", failures)
        self._longest = milliseconds("longest_delay", longest_delay)
        self._most = at_least_one("max_event_size", max_event_size)
        defaults = (("Accept", EVENT_STREAM), ("Cache-Control", "no-store"))
        more = [each for each in defaults if not has_field(request.fields, each[0].lower())]
        self._request = replace(request, fields=[*request.fields, *more])
        self._failed = 0
        self._delay = FIRST_DELAY
        self._was_open = self._has_received = False
        self.parser = EventParser(self._most, last_event_id)

    def next_request(self) -> PreparedRequest:
        """Return the request for the next connection.

        Raises:
            UnrewindableBody: The body cannot be sent again.
        """
        last_id = self.parser.last_id
        self.parser = EventParser(self._most, last_id)
        self._has_received = False
        request = self._request
        if self._was_open and request.body is not None:
            request.body.rewind()
        sent = last_id.encode("utf-8", "replace").decode("latin-1")
        if not sent or not is_field_value(sent) or sent != sent.strip(" \t"):
            return request
        return replace(request, fields=[*request.fields, ("Last-Event-ID", sent)])

    def is_over(self, response: HttpResponse) -> bool:
        """Whether the server has ended the stream: by 204 (No Content).

        Raises:
            HttpStatusError: The response is one of 400 and above.
            ProtocolError: It is no stream of events.
        """
        if response.status == NO_CONTENT:
            return True
        response.raise_for_status()
        given = response.headers.get("Content-Type", "")
        media_type = given.partition(";")[0].strip().lower()
        if response.status != OK or media_type != EVENT_STREAM:
            found = f"{response.status} with {given[:80]!r}"
            text = f"expected 200 with {EVENT_STREAM!r}, found {found}"
            raise ProtocolError(text, url=response.url, response=response)
        self._was_open = True
        return False

    def received(self) -> None:
        """Record that bytes of the stream were received."""
        self._has_received = True
        self._failed = 0

    def delay_after(self, error: HttpException | None) -> float | None:
        """Return the seconds until the next connection, None for no other.

        Args:
            error: The exception that has ended the connection; None for its end.

        Raises:
            HttpException: There were too many connections without any byte.
        """
        if error is not None and not TRANSIENT.may_repeat(error, "GET", was_sent=True):
            return None
        if not self._was_open or self._request.method not in IDEMPOTENT:
            return None
        if self.parser.retry is not None:
            self._delay = self.parser.retry
        delay = self._delay if self.parser.has_events else max(self._delay, LEAST_DELAY)
        if self._has_received:
            return min(delay, self._longest) / 1000
        self._failed += 1
        if self._failures is not None and self._failed > self._failures:
            if error is not None:
                return None
            raise HttpException(
                f"{self._failed} connections have ended without any byte",
                url=self._request.url.text,
            )
        return min(delay << min(self._failed - 1, 31), self._longest) / 1000
