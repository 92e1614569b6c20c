"""Retry: which failures are tried again, and after how long.

Two questions are kept apart. Was nothing sent? Then any request may be sent again. May the server
have acted on it? Then only a method that can be repeated (RFC 9110 section 9.2.2).
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bladehttp.client._config.validators import whole_number
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
"""ProtocolErrors that are a lost connection: E_HTTP2, E_GOT_NOTHING, E_HTTP2_STREAM, E_HTTP3."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When a request is sent again.

    A request of which nothing was sent yet (no connection) is tried again whatever its method.
    One that the server may have acted on is only if ``methods`` name its method: after a lost
    connection, a ReceiveTimeout, an IncompleteBody or an answer in ``statuses``. Certificates that
    are refused stay refused and are not tried again; nor is a proxy that answers CONNECT with
    another status than those; nor is a body sent again that cannot be read
    again. What is raised or returned in the end is what the last attempt gave. All attempts and
    the time between them are within ``total_timeout``: one that would begin after it does not.

    Attributes:
        total: How many times at the most, redirects included. 3; 0 means never.
        backoff: Milliseconds. Before the nth retry a random time between 0 and
            ``backoff * 2 ** (n - 1)`` passes ("full jitter"), ``longest`` at the most.
            500; 0 means at once.
        statuses: Answers that are tried again: 429, 502, 503 and 504. Empty means none.
        methods: Methods that may be repeated: GET, HEAD, PUT, DELETE, OPTIONS and TRACE.
        longest: Longest time between two attempts, in milliseconds. 60000. Where Retry-After
            (RFC 9110 section 10.2.3, in seconds or as a date) asks for no more it is waited for in
            place of the backoff; where it asks for more the answer is returned as it is.
    """

    total: int = 3
    backoff: int = 500
    statuses: Iterable[int] = TRANSIENT_STATUSES
    methods: Iterable[str] = IDEMPOTENT
    longest: int = 60_000

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            TypeError: One is of a wrong type.
            ValueError: One is negative.
        """
        for name in ("total", "backoff", "longest"):
            whole_number(name, getattr(self, name))
        if isinstance(self.methods, str):
            raise TypeError(f"methods is a list of methods, not {self.methods!r}"[:200])
        methods = frozenset(method.upper() for method in self.methods)
        statuses = frozenset(whole_number("a status", status) for status in self.statuses)
        object.__setattr__(self, "methods", methods)
        object.__setattr__(self, "statuses", statuses)

    def may_repeat(self, error: BaseException, method: str, was_sent: bool) -> bool:
        """Whether a failure is one to be tried again.

        Args:
            error: What happened.
            method: Of the request.
            was_sent: Whether anything of it may have reached the server.
        """
        if isinstance(error, ProtocolError):
            passing = error.code in CUT_OFF
        else:
            passing = isinstance(error, TRANSIENT) and not isinstance(error, PERMANENT)
        if isinstance(error, ProxyError) and error.status is not None:
            passing = error.status in self.statuses  # not 407: passwords get locked
        return passing and (not was_sent or method in self.methods)

    def delay(self, retries: int, retry_after: str | None) -> float | None:
        """Return how many seconds to wait, or None for not trying again.

        Args:
            retries: How many there were before.
            retry_after: The Retry-After field of the answer, or None.
        """
        if retries >= self.total:
            return None
        asked = None if retry_after is None else parse_retry_after(retry_after)
        if asked is not None:
            return asked if asked * 1000 <= self.longest else None
        limit = min(self.backoff * 2 ** min(retries, 63), self.longest)
        return random.uniform(0, limit) / 1000  # noqa: S311 - nothing secret


def parse_retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After field asks to wait, None if it is neither form."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)  # an absurd number becomes inf, and is longer than allowed
    try:
        date = parsedate_to_datetime(value)
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
