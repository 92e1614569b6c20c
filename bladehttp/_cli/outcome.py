"""Outcome: everything that is known of one request when it has ended, for -w and --timing."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from bladehttp._cli.wirelog import Trace
from bladehttp._message.response import HttpResponse
from bladehttp.client._config.redaction import redact
from bladehttp.client._request.url import resolve_location


@dataclass
class Outcome:
    """A request and how it ended.

    Attributes:
        url: The URL as it was typed, with a scheme.
        number: Its place among the URLs, from 0.
        method: The method.
        trace: The bytes on the wire.
        response: The response, None if there is none.
        filename: The file that was written, or "".
        code: The exit code.
        message: The error, or "".
        last_hop: Seconds from the start to the start of the last hop.
    """

    url: str
    number: int
    method: str
    trace: Trace
    response: HttpResponse | None = None
    filename: str = ""
    code: int = 0
    message: str = ""
    last_hop: float = 0.0
    _begun: float = field(default_factory=monotonic)
    _ended: float = 0.0

    def head_came(self, request: object, response: HttpResponse) -> None:
        """Take note of the response; an ``on_response`` hook."""
        del request
        self.response = response
        since = monotonic() - self._begun
        self.last_hop = max(0.0, since - response.timings.get("total", 0.0) / 1000)

    def end(self) -> None:
        """Take note of the end."""
        self._ended = monotonic()

    @property
    def seconds(self) -> float:
        """Seconds that all of it took."""
        return max(0.0, self._ended - self._begun)

    def time_of(self, phase: str) -> float:
        """Return the seconds from the start to the end of a phase, 0.0 for one left out."""
        when = 0.0 if self.response is None else self.response.timings.get(phase, 0.0)
        return self.last_hop + when / 1000 if when else 0.0

    @property
    def history(self) -> tuple[Any, ...]:
        """The redirects that were followed."""
        return () if self.response is None else self.response.history

    @property
    def url_effective(self) -> str:
        """The URL that gave the response, without userinfo."""
        responder = None if self.response is None else self.response.responder
        return responder or redact(self.url)

    @property
    def redirect_url(self) -> str:
        """The URL of a redirect that was not followed, or ""."""
        if self.response is None or self.response.status // 100 != 3:
            return ""
        location = self.response.headers.get("Location")
        return resolve_location(location, self.url_effective) if location else ""
