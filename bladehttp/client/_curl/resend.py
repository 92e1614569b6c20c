"""Resend: whether a request is certainly unprocessed after its connection was lost.

RFC 9110 section 9.2.2: a client repeats a request by itself only if its method is idempotent, or if
it knows that the request was not processed. That is known in three cases, whatever the method:

========================  =====================================================================
case                      how it is known
========================  =====================================================================
a kept connection is not  `Connections.is_usable` checks it in CURLOPT_PREREQFUNCTION, which
usable                    libcurl calls before it writes a request (lib/multi.c,
                          ``multistate_do``). Nothing of this one has been written to it.
the server has refused    libcurl reports it (CURLOPT_DEBUGFUNCTION) for RST_STREAM with
the stream                REFUSED_STREAM, and for every stream above the last one that GOAWAY
                          names: "HTTP/2 stream 3 refused by server" (lib/http2.c). Neither was
                          processed (RFC 9113 sections 6.8 and 8.7).
nothing was written       CURLINFO_REQUEST_SIZE is 0 after libcurl was stopped from repeating the
                          request over another connection (`Verdict.MAY_BE_DONE`).
========================  =====================================================================

In any other case the request may have been processed: the server has read it and closed, or its
process has ended. libcurl repeats such requests too (``Curl_retry_request``) where a kept
connection delivers no byte. It may for idempotent methods; others are stopped, and the caller gets
a ReadError.

Three others take part. `SharedHandle` asks `Connections.is_usable` itself for a request without a
guard. `Exchange` sends an unprocessed request again, `MOST` times, if its body can be rewound.
`Retry` (client/_config/retry.py) repeats failed requests where the caller asked for it.
"""

from enum import Enum, auto
from typing import Any

import pycurl

from bladehttp.client._config.retry import IDEMPOTENT
from bladehttp.client._curl.connections import HTTP_2, MULTIPLEXED, Address
from bladehttp.client._curl.engine import Outcome
from bladehttp.client._curl.handle import OK, STOP, Handle
from bladehttp.client._curl.wire_log import stop_wire_log, wire_log
from bladehttp.client._request.prepared import PreparedRequest

REFUSED = b"refused by server"
"""Text in libcurl's log line about a refused stream."""

MOST = 5
"""Most times a request is sent again after its connection was lost. libcurl's CONN_MAX_RETRIES is
the same."""

NO_FRAMES = ("1.0", "1.1")
"""Values of ``http_version`` with which no stream can be refused."""


class Verdict(Enum):
    """Why a transfer was stopped before its request was written."""

    UNFIT = auto()
    """The kept connection is not usable: nothing was written to it."""
    MAY_BE_DONE = auto()
    """libcurl was about to send the request a second time, and the first may have been acted on."""


def guard_for(
    handle: Handle, request: PreparedRequest, lines: list[bytes], is_repeated: bool
) -> "Guard | None":
    """Install a guard on a handle; return None where none is needed.

    A request that may be repeated needs none if no connection has changed. If it may take several
    rounds, the handle looks at the connection before each further one.

    Args:
        handle: The handle.
        request: The request.
        lines: The list that header lines are appended to.
        is_repeated: Whether its connection was lost, so that a new one is required.
    """
    must_go_once = not (request.is_plain or is_repeatable(request))
    settings = request.settings
    if must_go_once:
        is_repeated = is_repeated or handle.await_probation(request.url.origin)
        if _may_be_refused(handle, request):
            return RefusalListener(handle, request, lines, is_repeated, must_go_once)
    elif not is_repeated and handle.has_events(0):
        handle.forget_closed()
    elif not (is_repeated or settings.may_take_rounds):
        if handle.is_guarded:
            handle.forget_guards()
        return None
    elif not (is_repeated or settings.curl_options):  # which may have the same callback
        if not handle.is_guarded:
            handle.watch_rounds()
        return None
    return Guard(handle, request, lines, is_repeated, must_go_once)


def is_repeatable(request: PreparedRequest) -> bool:
    """Whether a request may be sent twice: its method is idempotent and its body rewindable."""
    return request.method in IDEMPOTENT and (request.body is None or request.body.is_rewindable)


class Guard:
    """A guard for one transfer, called by libcurl before each time it writes the request.

    Between two rounds of authentication, or after a 417, header lines have arrived; if none have,
    the request would be repeated.

    Attributes:
        is_refused: Whether the server has refused the stream of the last attempt.
    """

    __slots__ = (
        "_handle",
        "_is_fresh",
        "_lines",
        "_must_go_once",
        "_request",
        "_seen",
        "_verdict",
        "is_refused",
    )  # fmt: skip

    def __init__(
        self,
        handle: Handle,
        request: PreparedRequest,
        lines: list[bytes],
        is_fresh: bool,
        must_go_once: bool,
    ) -> None:
        """Install the guard on a handle; see `guard_for`."""
        self._handle = handle
        self._request = request
        self._must_go_once = must_go_once
        self._lines = lines
        self._seen = -1
        self._verdict: Verdict | None = None
        self.is_refused = False
        handle.set_guard(self)
        self._is_fresh = is_fresh
        if is_fresh:
            handle.setopt(pycurl.FRESH_CONNECT, 1)

    def remove(self) -> None:
        """Remove the guard and reset its options."""
        handle = self._handle
        handle.guard = None
        if self._is_fresh:
            handle.setopt(pycurl.FRESH_CONNECT, 0)
        if self._request.settings.curl_options:
            handle.invalidate()  # they may set an option of the guard

    def decide(self, address: Address) -> int:
        """Decide whether the request is written; see `WriteGuard`."""
        received = len(self._lines)
        if received == self._seen and self._must_go_once and not self.is_refused:
            self._handle.connections.restart_probation(self._request.url.origin)
            return self._stop(Verdict.MAY_BE_DONE)
        if not self._handle.is_usable(address, not self._must_go_once):
            return self._stop(Verdict.UNFIT)
        self._seen, self.is_refused = received, False
        theirs = self._request.settings.curl_options
        if theirs and pycurl.PREREQFUNCTION in theirs:
            return int(theirs[pycurl.PREREQFUNCTION](*address))
        return OK

    def _stop(self, verdict: Verdict) -> int:
        self._verdict = verdict
        return STOP

    def was_not_processed(self, was_sent: bool) -> bool:
        """Whether a failed request was certainly not processed.

        Args:
            was_sent: Whether any of it was written.
        """
        if self._verdict is Verdict.MAY_BE_DONE:
            return not was_sent
        return self._verdict is Verdict.UNFIT

    def outcome(self, outcome: Outcome) -> Outcome:
        """Return the actual outcome in place of libcurl's error for a stopped transfer."""
        if self._verdict is None:
            return outcome
        return stopped(self._verdict, self._request)


class RefusalListener(Guard):
    """A guard that watches libcurl's log for a refused stream."""

    __slots__ = ("_wire",)

    def __init__(self, handle: Handle, request: PreparedRequest, *others: Any) -> None:
        super().__init__(handle, request, *others)
        self._wire = wire_log(handle, request.settings.sensitive_headers)
        handle.set_callback(pycurl.DEBUGFUNCTION, self._on_debug)
        handle.setopt(pycurl.VERBOSE, 1)

    def remove(self) -> None:
        stop_wire_log(self._handle.curl)
        super().remove()

    def _on_debug(self, kind: int, text: bytes) -> None:
        """Handle a line of libcurl's log. CURLOPT_DEBUGFUNCTION."""
        if kind == pycurl.INFOTYPE_TEXT and REFUSED in text:
            self.is_refused = True
        if self._wire is not None:
            self._wire(kind, text)


REASONS = {
    Verdict.UNFIT: "kept connection was closed before the request was sent",
    Verdict.MAY_BE_DONE: "kept connection was lost before a response",
}
NOT_AGAIN = "is not sent twice"


def stopped(verdict: Verdict, request: PreparedRequest) -> Outcome:
    """Return the outcome of a transfer that was stopped and is not repeated."""
    text = f"{REASONS[verdict]}, and {request.method} {NOT_AGAIN}"
    return Outcome(pycurl.E_RECV_ERROR, text)


def _may_be_refused(handle: Handle, request: PreparedRequest) -> bool:
    """Whether the connection may be HTTP/2 or 3; watching the log for a refusal has a cost."""
    settings, origin = request.settings, request.url.origin
    return (
        origin[0] == "https"
        and settings.http_version not in NO_FRAMES
        and pycurl.VERBOSE not in settings.curl_options  # the caller gets the log
        and handle.connections.versions.get(origin, HTTP_2) in MULTIPLEXED
    )
