"""Failures: the exception for a transfer that failed, with details beyond libcurl's own text."""

from os import strerror
from typing import Any

import pycurl

from bladehttp._message.response import HttpResponse
from bladehttp.client._config.environment import active_authorities, is_direct, names_tls_proxy
from bladehttp.client._config.tls import key_advice
from bladehttp.client._curl.connections import MULTIPLEXED
from bladehttp.client._curl.decoding import partial_body
from bladehttp.client._curl.engine import RECEIVE, TOTAL, Outcome
from bladehttp.client._curl.errors import BROKEN_STREAM, EXCEPTIONS, annotate, exception_for
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.response_head import presented
from bladehttp.client._request.body import READ_ONCE
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.exceptions import (
    HttpException,
    IncompleteBody,
    ProxyError,
    ReceiveTimeout,
    TotalTimeout,
)

CLOCKS: dict[str, tuple[type[HttpException], str]] = {
    RECEIVE: (ReceiveTimeout, "no byte to or from"),
    TOTAL: (TotalTimeout, "talking to"),
}


def failure(
    handle: Handle,
    request: PreparedRequest,
    outcome: Outcome,
    response: HttpResponse,
    deadline: float,
) -> Exception:
    """Return the exception for a transfer that failed."""
    partial = response if response.status >= 200 else None
    if outcome.expired:
        milliseconds = getattr(request.settings, outcome.expired)
        cls, what = CLOCKS[outcome.expired]
        what = outcome.text or what
        text = f"{what} {request.url.host_port}: {outcome.expired} is over ({milliseconds} ms)"
        return annotate(cls(text), request.info(), partial)
    text, host_port = _explained(handle, request, outcome)
    at_proxy = TOO_LARGE not in text and _is_from_the_proxy(handle, request, outcome.code)
    has_streams = handle.getinfo(pycurl.INFO_HTTP_VERSION) in MULTIPLEXED
    in_body = partial is not None and has_streams and outcome.code in BROKEN_STREAM
    if in_body and (length := response.headers.get("Content-Length")):
        text += f"; {handle.getinfo(pycurl.SIZE_DOWNLOAD_T)} of {length[:20]} bytes have come"
    error = exception_for(outcome.code, text, host_port, at_proxy, in_body)
    annotate(error, request.info(), partial)
    if isinstance(error, OSError):
        error.errno = handle.getinfo(pycurl.OS_ERRNO) or None
    if isinstance(error, ProxyError):
        _add_answer(error, handle.getinfo(pycurl.HTTP_CONNECTCODE), response)
    if isinstance(error, IncompleteBody):
        if not handle.sink.is_decoded:
            response.body = partial_body(request, response, deadline)
        error.partial = response.body
    return error


WITH_KEY = {pycurl.E_BAD_FUNCTION_ARGUMENT, pycurl.E_SSL_CERTPROBLEM}

NETRC_FAULT = ".netrc "
"""Text in libcurl's messages about a file of credentials."""

HOME_NETRC = "~/.netrc"

TOO_LARGE = "HTTP request too large"
"""libcurl's message for a head above LONGEST_HEAD."""

LONGEST_HEAD = 1 << 20
"""Bytes of the largest head that libcurl sends (DYN_HTTP_REQUEST)."""

LONGEST_OVER_HTTP_2 = 1 << 16
"""The same over HTTP/2 (nghttp2_option_set_max_send_header_block_length), for which libcurl has no
message."""

MOST_OVER_HTTP_2 = LONGEST_OVER_HTTP_2 - 4096
"""Bytes of a URL and fields that fit, together with the fields of libcurl's own."""

OWN_WORDS = {pycurl.E_SEND_FAIL_REWIND: READ_ONCE}
"""Our messages in place of libcurl's, which are about its callbacks."""

TOO_LONG = 100
"""CURLE_TOO_LARGE, for which pycurl has no name."""

LONG_FIELD = (
    "a field is too long: libcurl takes 100 KiB in the head of a response and 4 KiB after its body"
)
"""Our message for it (CURL_MAX_HTTP_HEADER, DYN_H1_TRAILER)."""

NO_REASON = ("", "Out of memory in chunked-encoding")
"""libcurl's messages for a field that is too long: none, and a wrong one."""

WITH_CERTIFICATE = {
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
}


def _is_about_the_proxy(curl: Any, request: PreparedRequest) -> bool:
    """Whether a refused certificate is that of a proxy instead of the server."""
    return bool(
        curl.getinfo(pycurl.USED_PROXY)
        and not curl.getinfo(pycurl.HTTP_CONNECTCODE)
        and names_tls_proxy(request.settings)
    )


def _expected(request: PreparedRequest, host: str) -> str:
    """Return the part of an error message about the expected certificate."""
    settings = request.settings
    if settings.pinned_key is not None:
        return f"expected the key {settings.pinned_key!r}"
    return f"expected a certificate for {host!r} issued by a CA in {active_authorities(settings)!r}"


def _explained(handle: Handle, request: PreparedRequest, outcome: Outcome) -> tuple[str, str]:
    """Return libcurl's message with details of certificates and keys, and the name of the peer."""
    text, host_port = OWN_WORDS.get(outcome.code, outcome.text), request.url.host_port
    if outcome.code in WITH_CERTIFICATE:
        host = request.url.origin[1]
        if _is_about_the_proxy(handle.curl, request):
            host = host_port = f"the proxy for {host_port}"
        seen = presented(handle.certificates(request.url.origin))
        text = f"{text}; {_expected(request, host)}; {seen}"
    settings = request.settings
    if outcome.code in WITH_KEY and settings.client_cert is not None:
        text += key_advice(settings.client_cert)
    if outcome.code == pycurl.E_INTERFACE_FAILED and settings.interface is not None:
        text = (
            f"{text.partition(': ')[2] or text}; expected an interface, address or name of "
            f"this machine, found {settings.interface!r}"
        )
    if NETRC_FAULT in text:
        text += f": {HOME_NETRC if settings.netrc is True else settings.netrc!r}"
    if outcome.code == pycurl.E_COULDNT_CONNECT and (number := handle.getinfo(pycurl.OS_ERRNO)):
        text += f" ({strerror(number)})"
    return _with_limits(text, request, outcome.code), host_port


def _with_limits(text: str, request: PreparedRequest, code: int) -> str:
    """Return libcurl's message with the limit that a head has exceeded, if one has."""
    if code == TOO_LONG and text in NO_REASON:
        return LONG_FIELD
    if TOO_LARGE in text:
        return f"{text}: libcurl sends a head of {LONGEST_HEAD} bytes at most"
    if code == pycurl.E_SEND_ERROR and not text and _head_size(request) > MOST_OVER_HTTP_2:
        return (
            f"{TOO_LARGE} for HTTP/2: a head of {_head_size(request)} bytes, where libcurl "
            f"sends {LONGEST_OVER_HTTP_2} at most"
        )
    return text


def _head_size(request: PreparedRequest) -> int:
    """Return the bytes of a request's URL and fields, about the size of its head."""
    return len(request.url.text) + sum(
        len(name) + len(value or "") for name, value in request.fields
    )


# libcurl's errors for an answer that is not HTTP, and for a connection that ends before an answer
NO_ANSWER = {"E_UNSUPPORTED_PROTOCOL", "E_WEIRD_SERVER_REPLY", "E_GOT_NOTHING", "E_SEND_ERROR",
             "E_RECV_ERROR", "E_TOO_LARGE"}  # fmt: skip
NOT_HTTP = {"E_UNSUPPORTED_PROTOCOL", "E_WEIRD_SERVER_REPLY"}


def _is_from_the_proxy(handle: Handle, request: PreparedRequest, code: int) -> bool:
    """Whether the fault is that of a proxy that does not speak HTTP.

    That is the case if no server was asked, or only through the proxy. A response that ends early
    or is too large may be relayed, and counts as the server's.
    """
    getinfo, name = handle.getinfo, EXCEPTIONS[code].name if code in EXCEPTIONS else ""
    if name not in NO_ANSWER or not getinfo(pycurl.USED_PROXY):
        return False
    if not getinfo(pycurl.REQUEST_SIZE):  # it counts no CONNECT
        return True
    return name in NOT_HTTP and not is_direct(request.settings, request.url.origin[0])


def _add_answer(error: ProxyError, status: int, response: HttpResponse) -> None:
    """Set the proxy's answer to CONNECT on an exception; libcurl drops its body."""
    error.status = status or None
    if status and error.response is None:
        response.status = status
        error.response = response
