"""Retry: which failures are retried, and after how long.

Two questions are separate. Was nothing sent? Then any request may be sent again. May the server
have processed it? Then only one with a method that can be repeated (RFC 9110 section 9.2.2).
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from bladehttp._data.near_words import near_hint
from bladehttp.client._config.validators import text, whole_number
from bladehttp.exceptions import (
    CertificateError,
    CertificateFileError,
    HostnameMismatch,
    IncompleteBody,
    ProtocolError,
    ProxyError,
    ReceiveTimeout,
    SocketException,
)

IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.2."""

TRANSIENT_STATUSES = frozenset((429, 502, 503, 504))

TRANSIENT = (SocketException, ReceiveTimeout, IncompleteBody)
PERMANENT = (CertificateError, HostnameMismatch, CertificateFileError)

CUT_OFF = frozenset((16, 52, 92, 95))
"""ProtocolErrors that mean a lost connection: E_HTTP2, E_GOT_NOTHING, E_HTTP2_STREAM, E_HTTP3."""

ELSEWHERE = {
    "allowed_methods": "methods",
    "backoff_factor": "backoff, in milliseconds",
    "backoff_max": "longest, in milliseconds",
    "max_retries": "total",
    "retries": "total",
    "retry_after_max": "longest, in milliseconds",
    "status_forcelist": "statuses",
}
"""Keyword arguments of urllib3's Retry and of httpx, and their names here."""


def _hint(name: str, names: Iterable[str]) -> str:
    return f": here it is {ELSEWHERE[name]}" if name in ELSEWHERE else near_hint(name, names)


@dataclass(frozen=True, slots=True)
class Retry:
    """Decides when a request is sent again.

    A request of which no byte was sent (no connection) is retried whatever its method. A request
    that the server may have processed is retried only if its method is in ``methods``: after a lost
    connection, a ReceiveTimeout, an IncompleteBody or a response with a status in ``statuses``.
    Refused certificates are not retried, nor is a proxy that answers CONNECT with a status outside
    ``statuses``, nor a request whose body can be read only once. In the end the result of the last
    attempt is returned or raised. All attempts and the waits between them are within
    ``total_timeout``: an attempt that would start after it is not made.

    Attributes:
        total: Most retries of a request, redirects included. 3; 0 means never.
        backoff: Milliseconds. Before the nth retry a random time between 0 and ``backoff * 2 ** (n
            - 1)`` passes ("full jitter"), at most ``longest``. 500; 0 means at once.
        statuses: Statuses that are retried: 429, 502, 503 and 504. Empty means none.
        methods: Methods that may be repeated: GET, HEAD, PUT, DELETE, OPTIONS and TRACE.
        longest: Longest time between two attempts, in milliseconds. 60000. A Retry-After (RFC 9110
            section 10.2.3, in seconds or as a date) up to this time replaces the backoff; if it is
            longer, the response is returned.
    """

    total: int = 3
    backoff: int = 500
    statuses: Iterable[int] = TRANSIENT_STATUSES
    methods: Iterable[str] = IDEMPOTENT
    longest: int = 60_000

    if not TYPE_CHECKING:  # a type checker has the names of `__init__`

        def __new__(cls, *_: object, **values: object) -> Self:
            names = cls.__dataclass_fields__
            for name in values:
                if name not in names:
                    hint = _hint(name, names)
                    raise TypeError(f"Retry has no argument {name!r}{hint}")
            return object.__new__(cls)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            TypeError: One has a wrong type.
            ValueError: One is negative.
        """
        for name in ("total", "backoff", "longest"):
            whole_number(name, getattr(self, name))
        if isinstance(self.methods, str) or not isinstance(self.methods, Iterable):
            raise TypeError(f"methods is a list of methods, not {self.methods!r}"[:200])
        if not isinstance(self.statuses, Iterable):
            raise TypeError(f"statuses is a list of statuses, not {self.statuses!r}"[:200])
        methods = frozenset(text("a method", method).upper() for method in self.methods)
        statuses = frozenset(whole_number("a status", status) for status in self.statuses)
        object.__setattr__(self, "methods", methods)
        object.__setattr__(self, "statuses", statuses)

    def may_repeat(self, error: BaseException, method: str, was_sent: bool) -> bool:
        """Whether a request is retried after a failure.

        Args:
            error: The failure.
            method: The method of the request.
            was_sent: Whether any byte may have reached the server.
        """
        if isinstance(error, ProtocolError):
            passing = error.code in CUT_OFF
        else:
            passing = isinstance(error, TRANSIENT) and not isinstance(error, PERMANENT)
        if isinstance(error, ProxyError) and error.status is not None:
            passing = error.status in self.statuses  # not 407: passwords get locked
        return passing and (not was_sent or method in self.methods)

    def delay(self, retries: int, retry_after: str | None) -> float | None:
        """Return the seconds to wait before a retry, None for no retry.

        Args:
            retries: Number of retries so far.
            retry_after: The Retry-After field of the response, or None.
        """
        if retries >= self.total:
            return None
        asked = None if retry_after is None else parse_retry_after(retry_after)
        if asked is not None:
            return asked if asked * 1000 <= self.longest else None
        limit = min(self.backoff * 2 ** min(retries, 63), self.longest)
        return random.uniform(0, limit) / 1000  # noqa: S311 - nothing secret


def parse_retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After field asks for, None if it is not valid."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)  # an absurd number becomes inf, which is too long
    try:
        parse = import_module("email.utils").parsedate_to_datetime  # left until it is needed
        date: datetime = parse(value)
    except ValueError:
        return None
    if date.tzinfo is None:  # "-0000"
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def check_retry(name: str, value: Any) -> Retry:
    """Accept a Retry."""
    if not isinstance(value, Retry):
        raise TypeError(f"{name} is a Retry or None, not {value!r}"[:200])
    return value
