"""Transfer: one message on one handle; what starts it, and what is made of its end."""

from io import BytesIO
from typing import Any

import pycurl

from bladehttp.auth import Auth
from bladehttp.client.certificate import presented
from bladehttp.client.decoding import decode
from bladehttp.client.engine import RECEIVE, SUCCESS, TOTAL, Outcome
from bladehttp.client.environment import is_direct, names_tls_proxy, options_in_force
from bladehttp.client.errors import Sent, exception_for
from bladehttp.client.handle import Handle
from bladehttp.client.log import start_wire_log, stop_wire_log
from bladehttp.client.message import Message
from bladehttp.client.progress import Progress, Report
from bladehttp.client.received import Received
from bladehttp.client.resend import Once
from bladehttp.client.retry import IDEMPOTENT
from bladehttp.exceptions import (
    BodyTooLarge,
    DecodingError,
    HttpException,
    IncompleteBody,
    ProtocolError,
    ProxyError,
    ReceiveTimeout,
    TotalTimeout,
)
from bladehttp.response import HttpResponse
from bladehttp.serving import check_not_own

VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}  # CURL_HTTP_VERSION_*

PARTIAL_CONTENT = 206


def with_details(error: HttpException, message: Message, response: HttpResponse) -> HttpException:
    """Return an exception with what is known of the exchange."""
    error.url = message.url.text
    error.request = Sent(message.method, message.url.text)
    error.response = response
    return error


class Transfer:
    """One message on its way through one handle.

    It runs nothing itself: `prepare` sets a handle up, whoever drives the handle runs it, and
    `finish` makes of what came a response or an exception; `abandon` is for what never ended.

    Attributes:
        message: The request.
    """

    __slots__ = (
        "_content",
        "_hear",
        "_is_plain",
        "_lines",
        "_once",
        "_progress",
        "_wired",
        "message",
    )

    def __init__(self, message: Message, sink: Any = None) -> None:
        self.message = message
        # what every handle is set up for between transfers: a GET and nothing more
        self._is_plain = message.method == "GET" and not message.fields and message.body is None
        self._content = BytesIO() if sink is None else sink
        self._lines: list[bytes] = []
        self._hear = self._lines.append if sink is None else sink.hear(self._lines)
        self._once: Once | None = None
        self._progress: Progress | None = None

    def prepare(self, handle: Handle) -> None:
        """Set a handle up for the message.

        Raises:
            HttpException: It cannot be sent; a file that it needs is not there.
            RuntimeError: The server asked is this thread's own.
        """
        message = self.message
        settings, url = message.settings, message.url
        scheme, host, port = url.origin
        check_not_own(host, port, settings.unix_socket)
        handle.configure(options_in_force(settings, scheme), settings.files)
        curl = handle.curl
        curl.setopt(pycurl.URL, url.text)
        curl.setopt(pycurl.WRITEFUNCTION, self._content.write)
        curl.setopt(pycurl.HEADERFUNCTION, self._hear)
        self._wired = start_wire_log(curl, settings.sensitive_headers)
        if message.method not in IDEMPOTENT:
            self._once = Once(self._lines)
            curl.setopt(pycurl.PREREQFUNCTION, self._once)
        if url.target is not None:
            _keep_target(handle, message)
        if settings.progress is not None:
            self._watch(curl, settings.progress)
        if not self._is_plain:
            _set(handle, message)

    def _watch(self, curl: Any, report: Report) -> None:
        body = self.message.body
        self._progress = Progress(report, upwards=body is not None and body.length != 0)
        curl.setopt(pycurl.XFERINFOFUNCTION, self._progress)
        curl.setopt(pycurl.NOPROGRESS, 0)

    def abandon(self, handle: Handle) -> None:
        """Leave the handle set up for a plain GET, as `finish` does."""
        self._content.close()  # the handle keeps its write method, and would keep the bytes with it
        if self._wired:
            stop_wire_log(handle.curl)
        if self._progress is not None:
            handle.curl.setopt(pycurl.NOPROGRESS, 1)
            handle.curl.unsetopt(pycurl.XFERINFOFUNCTION)
        if self._once is not None:
            handle.curl.unsetopt(pycurl.PREREQFUNCTION)
        if not self._is_plain:
            _unset(handle.curl, self.message)

    def _response(self, curl: Any, received: Received) -> HttpResponse:
        return HttpResponse.received(
            self._content.getvalue(),
            curl.getinfo(pycurl.RESPONSE_CODE),
            VERSIONS.get(curl.getinfo(pycurl.INFO_HTTP_VERSION), "1.1"),
            self.message.url.text,
            received,
        )

    def opened(self, handle: Handle) -> HttpResponse:
        """Return the response whose head is complete and whose body is still to come."""
        received = Received(self._lines, times_of(handle.curl))
        if self.message.url.origin[0] == "https":
            received.chain = handle.certificates(self.message.url.origin)
        return self._response(handle.curl, received)

    def finish(self, handle: Handle, outcome: Outcome) -> HttpResponse:
        """Return the response, whatever its status, once the handle has run.

        Raises:
            HttpException: There is none, or it is not whole.
            BaseException: Whatever the caller's own code raised while its data was read.
        """
        message = self.message
        received = Received(self._lines, times_of(handle.curl))
        response = self._response(handle.curl, received)
        self.abandon(handle)
        if message.body is not None and message.body.error is not None:
            raise message.body.error
        if self._progress is not None and self._progress.error is not None:
            raise self._progress.error
        if self._once is not None and self._once.tripped:
            outcome = self._once.outcome(message.method)
        if outcome is not SUCCESS:
            raise _failure(handle, message, outcome, response)
        if not received.is_whole:
            error = ProtocolError(f"receiving from {message.url.place}: the head has no end")
            raise with_details(error, message, response)
        if message.url.origin[0] == "https":
            received.chain = handle.certificates(message.url.origin)
        if response.body and received.may_have(b"content-encoding"):
            _decode(message, response)
        return response


def _keep_target(handle: Handle, message: Message) -> None:
    """Send a path as it was given (CURLOPT_REQUEST_TARGET), where a server is asked for it.

    A proxy is asked for the whole URL, which libcurl leaves as it is; and a digest is made of the
    path as libcurl writes it.
    """
    settings = message.settings
    has_password = isinstance(settings.auth, tuple) or settings.netrc
    if has_password and settings.auth_method & Auth.DIGEST:
        return
    if is_direct(settings, message.url.origin[0]):
        handle.forget()  # it cannot be unset
        handle.curl.setopt(pycurl.REQUEST_TARGET, message.url.target)


def times_of(curl: Any) -> tuple[float, ...]:
    """Return what `Received.times` is, at once, since the next request overwrites it: 1 us."""
    ask = curl.getinfo
    end = ask(pycurl.STARTTRANSFER_TIME), ask(pycurl.TOTAL_TIME)
    connects = ask(pycurl.NUM_CONNECTS)
    if not connects:
        return (0.0, 0.0, 0.0, *end, 0)
    before = ask(pycurl.NAMELOOKUP_TIME), ask(pycurl.CONNECT_TIME), ask(pycurl.APPCONNECT_TIME)
    return (*before, *end, connects)


def _set(handle: Handle, message: Message) -> None:
    """Set a handle up for anything that is not a plain GET."""
    curl, body, method = handle.curl, message.body, message.method
    try:
        if lines := message.lines():
            curl.setopt(pycurl.HTTPHEADER, lines)
        if lines := message.proxy_lines():
            curl.setopt(pycurl.PROXYHEADER, lines)
        if cookies := message.cookies():
            curl.setopt(pycurl.COOKIE, cookies)
        if body is not None:
            body.attach(curl, method)
        elif method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)  # as CUSTOMREQUEST it would wait for a body
        elif method != "GET":
            curl.setopt(pycurl.CUSTOMREQUEST, method)
    except BaseException:
        handle.sound = False
        raise


def _unset(curl: Any, message: Message) -> None:
    """Undo what `_set` did. Setting [] instead of unsetting would leave the old fields."""
    curl.unsetopt(pycurl.HTTPHEADER)
    curl.unsetopt(pycurl.PROXYHEADER)
    curl.unsetopt(pycurl.COOKIE)
    curl.unsetopt(pycurl.CUSTOMREQUEST)
    if message.body is not None:
        message.body.detach(curl)
    curl.setopt(pycurl.HTTPGET, 1)  # clears POST, UPLOAD and NOBODY


def _failure(
    handle: Handle, message: Message, outcome: Outcome, response: HttpResponse
) -> Exception:
    """Return the exception for a transfer that failed."""
    url, place = message.url.text, message.url.place
    partial = response if response.status >= 200 else None
    details = {"url": url, "request": Sent(message.method, url), "response": partial}
    if outcome.expired:
        milliseconds = getattr(message.settings, outcome.expired)
        cls, what = CLOCKS[outcome.expired]
        return cls(f"{what} {place}: {outcome.expired} is over ({milliseconds} ms)", **details)
    text = outcome.text
    if outcome.code in WITH_CERTIFICATE:
        host = message.url.origin[1]
        if _is_about_the_proxy(handle.curl, message):
            host = place = f"the proxy for {place}"
        seen = presented(handle.certificates(message.url.origin))
        text = f"{text}; {expected(message, host)}; {seen}"
    error = exception_for(outcome.code, text, place, **details)
    if isinstance(error, OSError):
        error.errno = handle.curl.getinfo(pycurl.OS_ERRNO) or None
    if isinstance(error, ProxyError):
        error.status = handle.curl.getinfo(pycurl.HTTP_CONNECTCODE) or None
    if isinstance(error, IncompleteBody):
        error.partial = response.body = _partial(message, response)
    return error


WITH_CERTIFICATE = {
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
}


def _is_about_the_proxy(curl: Any, message: Message) -> bool:
    """Whether a certificate that was refused is that of a proxy, and not the server's."""
    return bool(
        curl.getinfo(pycurl.USED_PROXY)
        and not curl.getinfo(pycurl.HTTP_CONNECTCODE)
        and names_tls_proxy(message.settings)
    )


def expected(message: Message, host: str) -> str:
    """Return what a message says was expected of the certificate of a host."""
    settings = message.settings
    if settings.pinned_key is not None:
        return f"expected: the key {settings.pinned_key!r}"
    options = dict(options_in_force(settings, "https"))
    authorities = options.get(pycurl.CAINFO) or options.get(pycurl.CAPATH)
    return f"expected: one for {host!r}, vouched for in {authorities!r}"


CLOCKS: dict[str, tuple[type[HttpException], str]] = {
    RECEIVE: (ReceiveTimeout, "no byte to or from"),
    TOTAL: (TotalTimeout, "talking to"),
}


def _partial(message: Message, response: HttpResponse) -> bytes:
    """Return what arrived of a body, its coding undone as far as it goes."""
    coding = response.headers.get("Content-Encoding")
    if coding is None or message.settings.accept_encoding is None:
        return response.body
    try:
        return decode(response.body, coding, message.settings.max_body_size, partial=True)
    except HttpException:
        return response.body


def _decode(message: Message, response: HttpResponse) -> None:
    """Undo the Content-Encoding. Part of an encoded whole (206) cannot be decoded, and stays."""
    settings = message.settings
    if settings.accept_encoding is None or response.status == PARTIAL_CONTENT:
        return
    coding = response.headers.get("Content-Encoding", "")
    try:
        response.body = decode(response.body, coding, settings.max_body_size)
    except (DecodingError, BodyTooLarge) as error:
        raise with_details(error, message, response) from error.__cause__
