"""Transfer: one request on one handle, from its set-up to a response or an exception."""

from errno import EPIPE
from math import inf
from typing import Any

import pycurl

from bladehttp._data.self_request import SERVING, check_not_own
from bladehttp._message.response import HttpResponse
from bladehttp.client._config.environment import active_options, names_proxy
from bladehttp.client._config.network import home_netrc_options
from bladehttp.client._curl.body_sink import NO_SINK, is_redirect
from bladehttp.client._curl.decoding import decode
from bladehttp.client._curl.digest import was_answered_early
from bladehttp.client._curl.engine import SUCCESS, Outcome
from bladehttp.client._curl.errors import annotate
from bladehttp.client._curl.failures import failure
from bladehttp.client._curl.handle import Handle, Options
from bladehttp.client._curl.resend import Verdict, guard_for, stopped
from bladehttp.client._curl.response_head import BLANK, ResponseHead
from bladehttp.client._curl.transfer_options import (
    POSTFIELDS,
    PROXY_AUTHENTICATION_REQUIRED,
    WANT_DIGEST,
    learn,
    proxy_auth_options,
    transfer_options_for,
)
from bladehttp.client._request.body import BytesBody
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.client._request.redirects import NEXT_METHOD
from bladehttp.exceptions import (
    HttpException,
    ProtocolError,
)

# once: an attribute of a module costs five times as much as a global
RESPONSE_CODE = pycurl.RESPONSE_CODE
STARTTRANSFER_TIME, TOTAL_TIME = pycurl.STARTTRANSFER_TIME, pycurl.TOTAL_TIME

LONGEST_LEFT = 16 * 1024
"""Most bytes that an idle handle may keep of the last request."""

REDIRECTION, UNAUTHORIZED = 300, 401

WITHOUT_BODY = (204, 304)  # RFC 9110 sections 15.3.5 and 15.4.5


class Transfer:
    """One request on one handle.

    It runs nothing itself. `begin` sets the handle up, the engine or the scheduler runs the handle,
    and `finish` returns the response or raises. An aborted transfer ends with `release_handle`.
    Then the next one may begin; there is no constructor, which would take as long as three calls.

    Attributes:
        location: Target of the redirect if one is followed, else "".
        request: The request.
        received: The head of the response, once it was read.
        status: Its status.
    """

    __slots__ = (
        "_content",
        "_guard",
        "_handle",
        "_lines",
        "_options",
        "location",
        "received",
        "request",
        "status",
    )  # fmt: skip

    location: str
    received: ResponseHead
    status: int

    def begin(
        self, request: PreparedRequest, handle: Handle, sink: Any = None, is_repeated: bool = False
    ) -> None:
        """Set a handle up for a request.

        Args:
            request: The request.
            handle: The handle.
            sink: The sink of the body; None collects it.
            is_repeated: Whether the request is sent again, over a new connection.

        Raises:
            HttpException: The request cannot be sent; a file that it needs does not exist.
            RuntimeError: The server belongs to this thread, so that waiting for it would never end.
        """
        self.request, self._handle = request, handle
        settings, url, origin = request.settings, request.url, request.url.origin
        if SERVING:
            check_not_own(origin[1], origin[2], settings.unix_socket)
        is_usual = settings.is_bare and origin[0] == "http" and not names_proxy()
        options = settings.direct if is_usual else _options_for(request, handle)
        if settings.has_login:
            handle.forget_other_origin(origin)
        if options is not handle.applied:
            handle.configure(options, settings.files)
        if sink is None:
            self._content = handle.sink = content = handle.collector
            content.begin(settings)
            lines = content.lines
            handle.set_target(url.text, content, content.hear)
        else:
            self._content, handle.sink, lines = sink, NO_SINK, []
            handle.set_target(url.text, sink, sink.header_callback(lines))
        self._lines = handle.lines = lines
        handle.origin, handle.error, handle.written = origin, None, 0
        handle.is_sound = handle.has_opened = handle.is_unusable = False
        self._options = transfer_options_for(handle, request)
        self._guard = guard_for(handle, request, lines, is_repeated)
        handle.is_sound = self._options is None and self._guard is None

    def release_handle(self) -> None:
        """Drop the body and reset the options of the transfer, as `finish` does."""
        self._content.close()
        self._reset_options()

    def _reset_options(self) -> None:
        body = self.request.body
        if type(body) is BytesBody and len(body.data) > LONGEST_LEFT:
            self._handle.setopt(POSTFIELDS, b"")
        if self._options is None and self._guard is None:
            return
        if self._guard is not None:
            self._guard.remove()
        if self._options is not None:
            self._options.reset()
        self._handle.is_sound = True

    def was_not_processed(self) -> bool:
        """Whether the transfer was stopped with its request not processed; see resend.py."""
        if self._guard is None:
            return self._handle.is_unusable
        return self._guard.was_not_processed(self.was_sent())

    def last_status(self) -> int:
        """Return the status of the last head, 0 if there is none."""
        return int(self._handle.getinfo(pycurl.RESPONSE_CODE))

    @property
    def has_head(self) -> bool:
        """Whether a head has ended and no other has started since."""
        return bool(self._lines) and self._lines[-1] in BLANK

    @property
    def is_redirect(self) -> bool:
        """Whether the received head is that of a followed redirect."""
        return self.request.settings.follow_redirect and is_redirect(self._lines)

    @property
    def ends_connection(self) -> bool:
        """Whether the connection ends with the response whose head was received."""
        return ResponseHead(self._lines).ends_connection

    def wants_proxy_digest(self) -> bool:
        """Whether a proxy has answered 407 and requires another authentication method.

        A server may answer 407 too, behind a tunnel or without a proxy: that says nothing about the
        proxy.
        """
        getinfo, scheme = self._handle.getinfo, self.request.url.origin[0]
        if not getinfo(pycurl.USED_PROXY):
            return False
        if scheme == "https" and getinfo(pycurl.HTTP_CONNECTCODE) != PROXY_AUTHENTICATION_REQUIRED:
            return False
        return learn(self.request.settings, scheme, ResponseHead(self._lines))

    def was_answered_early(self, status: int) -> bool:
        """Whether a challenge was answered with the data of an earlier one; see resend.py.

        Args:
            status: 401 or 407.
        """
        return was_answered_early(self._lines, self.request, status)

    def forget_challenge(self) -> None:
        """Drop the challenge that the handle has kept."""
        self._handle.invalidate()

    def was_sent(self) -> bool:
        """Whether any byte of the request was sent."""
        # PRETRANSFER_TIME is set for a refused connection too
        if self._guard is not None and self._guard.is_refused:
            return False
        return bool(self._handle.getinfo(pycurl.REQUEST_SIZE))

    def open_response(self) -> HttpResponse:
        """Return the response whose head is complete and whose body is still to be received.

        Raises:
            ProtocolError: The head is not that of a response.
        """
        self.received = ResponseHead(self._lines, self.request.url.text)
        self.status = self._handle.getinfo(RESPONSE_CODE)
        response = self._response(b"")
        self._check_head(response)
        if self._options is not None:
            self._options.head_received()
        if self.request.url.origin[0] == "https":
            self._take_certificates()
        return response

    def _take_certificates(self) -> None:
        """Give the head the certificates of the server, before the handle runs again."""
        self.received.chain = self._handle.certificates(self.request.url.origin)

    def _check_head(self, response: HttpResponse) -> None:
        """Check the head of a response.

        Raises:
            ProtocolError: It has no end, or a status line is not valid (RFC 9112 section 4).
            HttpException: The server requires Digest, for which libcurl cannot write the user name.
        """
        fault = self.received.fault
        if fault is not None:
            text = f"receiving from {self.request.url.host_port}: {fault}"
            raise annotate(ProtocolError(text), self.request.info(), response)
        if response.status == UNAUTHORIZED:
            self._check_name(response)

    def _check_name(self, response: HttpResponse) -> None:
        """Raise if a 401 requires Digest, for which libcurl cannot write the user name."""
        auth, host_port = self.request.settings.auth, self.request.url.host_port
        name = auth[0] if isinstance(auth, tuple) else ""
        if not name.isascii() and self.received.wants_digest_of_a_name:
            text = f"asking {host_port}: Digest with the name {name!r} cannot be sent{NO_DIGEST}"
            raise annotate(HttpException(text), self.request.info(), response)

    def _response(self, body: bytes) -> HttpResponse:
        """Return the response of the head that was read, before the handle runs again."""
        received, handle = self.received, self._handle
        getinfo = handle.getinfo
        first_byte, total = getinfo(STARTTRANSFER_TIME), getinfo(TOTAL_TIME)
        if handle.has_opened:
            received.times = times_of_connection(handle, first_byte, total)
        else:
            received.times = (0.0, 0.0, 0.0, first_byte, total, 0)
        return HttpResponse.received(body, self.status, received)

    def redirect_response(self) -> HttpResponse:
        """Return the response of a redirect that is followed, before the handle runs again."""
        return self._response(b"")

    def finish(self, outcome: Outcome, deadline: float = inf) -> HttpResponse | None:
        """Return the response, whatever its status, after the handle has run.

        There is none of a redirect that is followed: few callers want it, and it costs each hop a
        twentieth. `redirect_response` makes it.

        Args:
            outcome: The outcome of the transfer.
            deadline: When the body must be decoded, in terms of `time.monotonic`.

        Raises:
            HttpException: There is no response, it is incomplete, or its body cannot be decoded.
            Exception: An exception of a callback: of the caller's data, for example.
        """
        request, handle, is_decoded = self.request, self._handle, True
        if self._content is handle.sink:
            self._lines = self._lines.copy()  # it is emptied for the next transfer
        self.received = received = ResponseHead(self._lines, request.url.text)
        # of a transfer that has failed it may be the head of a proxy's answer to CONNECT
        self.status = (outcome is SUCCESS and received.judge()) or handle.getinfo(RESPONSE_CODE)
        if not received.is_usual and handle.sink.is_decoded:
            is_decoded = handle.sink.finish(outcome is SUCCESS)
        body = self._content.take()  # the handle keeps its sink, which would keep the bytes
        if self._options is not None or self._guard is not None or request.body is not None:
            self._reset_options()
        if outcome is not SUCCESS or handle.error is not None:
            self._content.close()
            outcome = self._actual_outcome(outcome)
        if received.is_usual and self.status < REDIRECTION:  # nearly always
            if request.url.origin[0] == "https":
                self._take_certificates()
            return self._response(body)
        return self._judged(outcome, is_decoded, body, deadline)

    def _judged(
        self, outcome: Outcome, is_decoded: bool, body: bytes, deadline: float
    ) -> HttpResponse | None:
        """Return the result of `finish` where head or outcome are to be looked at.

        Args:
            outcome: The actual outcome.
            is_decoded: Whether a body that was decoded while it was received has no fault.
            body: The body as received.
            deadline: See `finish`.
        """
        received, request, sink = self.received, self.request, self._handle.sink
        is_faulty = not received.is_usual and received.fault is not None
        leads_on = self.status in NEXT_METHOD and not is_faulty and _is_over(outcome)
        follows = leads_on and request.settings.follow_redirect
        self.location = received.location if follows else ""
        if self.location:
            if request.url.origin[0] == "https":
                self._take_certificates()
            return None
        response = self._response(body)
        if not is_decoded:
            raise annotate(sink.take_error(), request.info(), response)
        if outcome is not SUCCESS:
            raise failure(self._handle, request, outcome, response, deadline)
        if self.status == UNAUTHORIZED or is_faulty:
            self._check_head(response)
        if request.url.origin[0] == "https":
            self._take_certificates()
        if not (received.is_usual or sink.is_decoded) and received.may_be_coded:
            decode(request, response, deadline)
        return response

    def _actual_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome of the transfer, corrected where libcurl's is not right.

        Raises:
            Exception: An exception of a callback: of the caller's data, for example.
        """
        if self._handle.error is not None:
            raise self._handle.take_error()
        if outcome is SUCCESS:
            return outcome
        if outcome.code == pycurl.E_SEND_ERROR and self._is_complete():
            return SUCCESS
        if self._guard is not None:
            return self._guard.outcome(outcome)
        return stopped(Verdict.UNFIT, self.request) if self._handle.is_unusable else outcome

    def _is_complete(self) -> bool:
        """Whether the response was complete although the request could not be sent to its end.

        A server may answer before it has read all of a body, and close (RFC 9112 section 9.6).
        libcurl reads before it writes, and reports a response that is cut off; but the connection
        can break between the two. A length is checked. A chunked body is accepted if the server has
        closed in good order: EPIPE, where a reset would be ECONNRESET.
        """
        status, getinfo = self.status, self._handle.getinfo
        if status < 200 or self.received.fault is not None:
            return False
        if self.request.method == "HEAD" or status in WITHOUT_BODY:
            return True
        headers = self.received.headers
        if "Transfer-Encoding" in headers:
            return bool(getinfo(pycurl.OS_ERRNO) == EPIPE)
        length = headers.get("Content-Length", "")
        received = int(getinfo(pycurl.SIZE_DOWNLOAD_T))
        return length.isascii() and length.isdigit() and int(length) == received


# libcurl writes username="j%C3%BCrgen", which means exactly these characters; RFC 7616 section 3.4
# requires username*, which libcurl does not support
NO_DIGEST = ", as it is not ASCII: use auth_method=http.Auth.BASIC, over TLS"


def _options_for(request: PreparedRequest, handle: Handle) -> Options:
    """Return the libcurl options for the settings of a request and the environment.

    Over https the handle first notes the connections that the server is ending.
    """
    settings, scheme = request.settings, request.url.origin[0]
    if scheme == "https":
        is_busy = len(handle.multi.running) > 1
        handle.connections.note_ends(request.url.origin, is_busy=is_busy)
    options = active_options(settings, scheme)
    if settings.netrc is True:
        options += home_netrc_options()
    if WANT_DIGEST:
        options += proxy_auth_options(settings, scheme)
    return options


OWN_CALLBACKS = {pycurl.E_READ_ERROR, pycurl.E_ABORTED_BY_CALLBACK}


def _is_over(outcome: Outcome) -> bool:
    """Whether a redirect with this outcome can be followed.

    Once its head is complete, a fault in its body does not matter; our own clocks and callbacks do.
    """
    if outcome is SUCCESS:
        return True
    return outcome.expired is None and outcome.code not in OWN_CALLBACKS


def times_of_connection(handle: Handle, first_byte: float, total: float) -> tuple[float, ...]:
    """Return the value of `ResponseHead.times` for a transfer that has opened a connection."""
    getinfo = handle.getinfo
    before = (
        getinfo(pycurl.NAMELOOKUP_TIME),
        getinfo(pycurl.CONNECT_TIME),
        getinfo(pycurl.APPCONNECT_TIME),
    )
    return (*before, first_byte, total, getinfo(pycurl.NUM_CONNECTS))
