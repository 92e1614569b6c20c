"""Resend: whether a request whose connection is lost is sent again. All of it is decided here.

RFC 9110 section 9.2.2: a client repeats a request by itself only if its method is idempotent, or if
it knows that nothing was done. That is known of three things, whatever the method:

========================  =====================================================================
what has happened         how it is known
========================  =====================================================================
a kept connection is not  `Connections.is_usable` looks at it in CURLOPT_PREREQFUNCTION, which
fit to be used            libcurl calls before it writes a request (lib/multi.c,
                          ``multistate_do``). Nothing of this one has been written to it.
the server has refused    libcurl says so (CURLOPT_DEBUGFUNCTION) for RST_STREAM with
the stream                REFUSED_STREAM, and for every stream above the last one that GOAWAY
                          names: "HTTP/2 stream 3 refused by server" (lib/http2.c). Neither was
                          processed (RFC 9113 sections 6.8 and 8.7).
nothing was written       CURLINFO_REQUEST_SIZE is 0.
========================  =====================================================================

Anything else may have been acted on: the server has read the request and closed, or its process has
ended. libcurl repeats that too (``Curl_retry_request``) where a kept connection gives no byte. It
may for idempotent methods; for others it is stopped, and the caller gets a ReadError.

Challenges of Digest that libcurl answers too early, by another that it keeps.

The digest's realm and nonce stay in an easy handle when a transfer has ended, so that the next
request needs no round of its own. But libcurl takes a new challenge for "wrong password", unless it
says ``stale=true``: another realm of the same origin (RFC 7616 section 3.5 tells realms apart by
``domain``), or a server whose nonces are used once. Then the handle is reset, which drops the kept
challenge, and the request is sent once more (docs/decisions/0063).

Where nothing was kept a request goes out without an answer first, so a refusal comes twice: as the
challenge, and as the reply to its answer. That one is a wrong password, and is not tried again.
"""

import re
from enum import Enum, auto
from functools import partial
from typing import Any

import pycurl

from bladehttp._data.auth import Auth
from bladehttp.client._config.retry import IDEMPOTENT
from bladehttp.client._curl.connections import HTTP_2, MULTIPLEXED, Address, version_of
from bladehttp.client._curl.engine import Outcome
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.response_head import ResponseHead, offers_digest
from bladehttp.client._curl.transfer_options import gets_digest
from bladehttp.client._curl.wire_log import stop_wire_log, wire_log
from bladehttp.client._request.prepared import PreparedRequest

REFUSED = b"refused by server"
"""What libcurl's remark about a refused stream has in it."""

MOST = 5
"""How often a request is sent again at the most, whose connection is lost each time. That is
libcurl's number, too (CONN_MAX_RETRIES)."""

OK, STOP = int(pycurl.PREREQFUNC_OK), int(pycurl.PREREQFUNC_ABORT)

NO_FRAMES = ("1.0", "1.1")
"""Values of ``http_version`` with which no stream can be refused."""


class Verdict(Enum):
    """Why a transfer was stopped before its request was written."""

    UNFIT = auto()
    MAY_BE_DONE = auto()


def guard_for(
    handle: Handle, request: PreparedRequest, lines: list[bytes], is_repeated: bool
) -> "Guard | None":
    """Set a handle up to ask a guard before it writes; return None where none is needed.

    None is needed for a request that may be repeated if nothing has happened to any connection.

    Args:
        handle: The handle.
        request: What is sent.
        lines: What header lines are added to.
        is_repeated: Whether a connection was lost with it, and a new one is to be made.
    """
    must_go_once = not may_be_repeated(request)
    if must_go_once:
        is_repeated = is_repeated or handle.await_probation(request.url.origin)
        if _may_be_refused(handle, request):
            return RefusalListener(handle, request, lines, is_repeated, must_go_once)
    elif request.settings.auth is None and not is_repeated:  # else there may be several rounds
        if not handle.has_events(0):
            return None
        handle.forget_closed()
    return Guard(handle, request, lines, is_repeated, must_go_once)


def may_be_repeated(request: PreparedRequest) -> bool:
    """Whether a request may be sent twice, and can be: not a body that is read only once."""
    return request.method in IDEMPOTENT and (request.body is None or request.body.is_rewindable)


class Guard:
    """A guard for one transfer, called by libcurl whenever a request is about to be written.

    Between two rounds of authentication, or after a 417, header lines have arrived; where none
    have, the request would be repeated.

    Attributes:
        is_refused: Whether the server has refused the stream of what was sent last.
    """

    __slots__ = (
        "_handle",
        "_is_fresh",
        "_lines",
        "_must_go_once",
        "_opened",
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
        """Set a handle up to ask the guard; see `guard_for`."""
        self._handle = handle
        self._request = request
        self._must_go_once = must_go_once
        self._lines = lines
        self._seen = -1
        self._opened = 0
        self._verdict: Verdict | None = None
        self.is_refused = False
        handle.set_guard(self)
        self._is_fresh = is_fresh
        if is_fresh:
            handle.setopt(pycurl.FRESH_CONNECT, 1)

    def remove(self) -> None:
        """Leave the handle as it was."""
        handle = self._handle
        handle.set_guard(None)
        if self._is_fresh:
            handle.setopt(pycurl.FRESH_CONNECT, 0)
        if self._request.settings.curl_options:
            handle.invalidate()  # it may have an option among them

    def __call__(self, *address: Any) -> int:
        """Decide whether the request is written to the connection of an address."""
        lines = self._lines
        if len(lines) == self._seen and self._must_go_once and not self.is_refused:
            self._handle.connections.restart_probation(self._request.url.origin)
            return self._stop(Verdict.MAY_BE_DONE)
        if not self._is_usable(address):
            return self._stop(Verdict.UNFIT)
        self._seen = len(lines)
        self.is_refused = False
        theirs = self._request.settings.curl_options
        if theirs and pycurl.PREREQFUNCTION in theirs:
            return int(theirs[pycurl.PREREQFUNCTION](*address))
        return OK

    def _stop(self, verdict: Verdict) -> int:
        self._verdict = verdict
        return STOP

    def _is_usable(self, address: Address) -> bool:
        handle = self._handle
        opened = len(handle.opened)
        if opened != self._opened:
            self._opened = opened
            return True  # it is new
        connections = handle.connections
        if opened:  # another round over what this transfer has opened
            connections.record(handle, address[3], version_of(self._lines))
        return connections.is_usable(address, not self._must_go_once)

    def may_be_sent_again(self, was_sent: bool) -> bool:
        """Whether the request is certain not to have been acted on, after a transfer has failed.

        Args:
            was_sent: Whether anything was written.
        """
        if self._verdict is Verdict.MAY_BE_DONE:
            return not was_sent
        return self._verdict is Verdict.UNFIT

    def outcome(self, outcome: Outcome) -> Outcome:
        """Return what happened in truth, for the error that libcurl makes of being stopped."""
        if self._verdict is None:
            return outcome
        method = self._request.method
        return Outcome(pycurl.E_RECV_ERROR, f"{REASONS[self._verdict]}, and {method} {NOT_AGAIN}")


class RefusalListener(Guard):
    """A guard that listens to libcurl's remarks for one about a refused stream."""

    __slots__ = ("_wire",)

    def __init__(self, handle: Handle, request: PreparedRequest, *others: Any) -> None:
        super().__init__(handle, request, *others)
        self._wire = wire_log(handle, request.settings.sensitive_headers)
        handle.setopt(pycurl.DEBUGFUNCTION, self._on_debug)
        handle.setopt(pycurl.VERBOSE, 1)

    def remove(self) -> None:
        stop_wire_log(self._handle.curl)
        super().remove()

    def _on_debug(self, kind: int, text: bytes) -> None:
        """Take a remark of libcurl's (CURLOPT_DEBUGFUNCTION)."""
        if kind == pycurl.INFOTYPE_TEXT and REFUSED in text:
            self.is_refused = True
        if self._wire is not None:
            self._wire(kind, text)


REASONS = {
    Verdict.UNFIT: "kept connection was closed before the request was sent",
    Verdict.MAY_BE_DONE: "kept connection was lost before a response",
}
NOT_AGAIN = "is not sent twice"


def _may_be_refused(handle: Handle, request: PreparedRequest) -> bool:
    """Whether the connection may be one of HTTP/2 or 3; it is to be heard of, at some cost."""
    settings, origin = request.settings, request.url.origin
    if origin[0] != "https" or settings.http_version in NO_FRAMES:
        return False
    if pycurl.VERBOSE in settings.curl_options:
        return False  # it is the caller who is told
    return handle.connections.versions.get(origin, HTTP_2) in MULTIPLEXED


UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED = 401, 407

FIELDS = {
    UNAUTHORIZED: "WWW-Authenticate",
    PROXY_AUTHENTICATION_REQUIRED: "Proxy-Authenticate",
}

status_of = partial(re.match, rb"HTTP/[0-9.]+ (\d{3})\b")


def was_answered_early(lines: list[bytes], request: PreparedRequest, status: int) -> bool:
    """Whether a refusal is of an answer to an earlier challenge.

    Args:
        lines: The header lines of the transfer, those of all its rounds.
        request: What was sent.
        status: 401 or 407, that of the last response.
    """
    if not may_use_digest(request, status):
        return False
    matches = filter(None, map(status_of, lines))
    if sum(int(match[1]) == status for match in matches) != 1:
        return False
    return bool(offers_digest(", ".join(ResponseHead(lines).headers.get_all(FIELDS[status]))))


def may_use_digest(request: PreparedRequest, status: int = UNAUTHORIZED) -> bool:
    """Whether libcurl may answer a server, or for 407 a proxy, by Digest."""
    settings = request.settings
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return gets_digest(settings, request.url.origin[0])
    if not isinstance(settings.auth, tuple) and not settings.netrc:
        return False
    return bool(settings.auth_method & Auth.DIGEST)
