"""The head of a response: as a client receives it, and as a handler begins with it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from bladehttp._data.headers import Headers, Pairs

POWERED_BY = "Blade"
"""The value of X-Powered-By that a server sends unless told otherwise (Blade)."""

HTML = "text/html; charset=utf-8"
"""The Content-Type of a handler's response unless it sets another (Blade)."""

JSON = "application/json"
"""The media type of JSON (RFC 8259 section 11)."""


adopt_shared = Headers.adopt_shared


class Hop(NamedTuple):
    """One redirect that was followed: its status and the URL that answered with it."""

    status: int
    url: str


Hops = tuple[tuple[int, str], ...]
"""Status and URL of each redirect, of which `Hop`s are made on first access."""


@dataclass(slots=True)  # one is made for each response, and frozen it would cost 2 us
class RequestInfo:
    """The request of a response or an exception. It pickles without ``given``.

    Attributes:
        method: Its method, that of the last redirect if there were any.
        url: Its URL, of the last redirect if there were any, without userinfo.
        given: With `HttpClient.send_many` the object given for it, else None.
    """

    method: str
    url: str
    given: Any = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return RequestInfo, (self.method, self.url)


class ReceivedHead(Protocol):
    """The head of a received response, parsed on access; implemented by the client."""

    @property
    def hops(self) -> Hops: ...
    @property
    def trailers(self) -> Headers: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def certificate(self) -> dict[str, Any] | None: ...
    @property
    def timings(self) -> dict[str, float]: ...
    @property
    def num_connects(self) -> int: ...
    @property
    def version(self) -> str: ...
    @property
    def time_taken(self) -> float: ...
    @property
    def request(self) -> "RequestInfo | None": ...
    @property
    def responder(self) -> str | None: ...
    def new_headers(self) -> Headers: ...
    def without_secrets(self, text: str) -> str: ...


class EmptyHead:
    """The head of a response that did not come from a server."""

    reason: str | None = None
    certificate: dict[str, Any] | None = None
    request: RequestInfo | None = None
    responder: str | None = None
    hops: Hops = ()
    num_connects: int = 0
    time_taken: float = 0.0
    version: str = "1.1"

    def without_secrets(self, text: str) -> str:
        """Return a text without the credentials of the request: unchanged."""
        return text

    def new_headers(self) -> Headers:
        """Return new fields: none."""
        return Headers()

    @property
    def trailers(self) -> Headers:
        """New fields: none."""
        return Headers()

    @property
    def timings(self) -> dict[str, float]:
        """A new dict: there are none."""
        return {}


class DefaultHead(EmptyHead):
    """The head a handler starts with (Blade's); Date comes when it is sent.

    Attributes:
        key: An object that stands for its fields; see `Headers.shared_key`.
        pairs: Its fields.
        of_json: The same with the Content-Type of JSON.
    """

    def __init__(self, powered_by: str | None, content_type: str = HTML) -> None:
        """Take the value of X-Powered-By; None: there is no such field.

        Raises:
            TypeError: It is neither a str nor None.
            InvalidHeader: It cannot be sent.
        """
        fields = Headers({"Content-Type": content_type})
        if powered_by is not None:
            fields["X-Powered-By"] = powered_by
        self.pairs: Pairs = fields.as_tuple()
        self.of_json: DefaultHead = self if content_type == JSON else DefaultHead(powered_by, JSON)
        self._shared = fields.shared()
        self.key: object = self._shared[2]

    def new_headers(self) -> Headers:
        """Return the fields, to be changed."""
        return adopt_shared(self._shared)


EMPTY_HEAD = EmptyHead()
DEFAULT_HEAD = DefaultHead(POWERED_BY)
