"""EXCEPTIONS: libcurl's error numbers and the exception for each, one row per number.

Where one number stands for several errors, REFINEMENTS tells them apart by libcurl's text.
Timeouts other than that of connecting come from the engine, not from libcurl.
"""

from typing import NamedTuple, TypeVar

import pycurl

from bladehttp import exceptions as e
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import RequestInfo
from bladehttp.client._config.redaction import redact_error

Error = TypeVar("Error", bound=BaseException)


def annotate(error: Error, request: RequestInfo | None, response: HttpResponse | None) -> Error:
    """Set request and response on an exception of any class and return it.

    Args:
        error: The exception. A URL and a response that it has already are kept.
        request: The request.
        response: The response as far as it was received, None for none.
    """
    vars(error)["request"] = request
    if isinstance(error, e.HttpException):
        if error.url is None and request is not None:
            error.url = request.url
        if error.response is None:
            error.response = response
    return error


class Row(NamedTuple):
    """An error: its number and name, the exception, and the activity that failed."""

    code: int
    name: str
    exception: type[Exception]
    phase: str


ROWS = (
    Row( 1, "E_UNSUPPORTED_PROTOCOL",     e.ProtocolError,        "reading the response of"),
    Row( 3, "E_URL_MALFORMAT",            e.InvalidUrl,           "reading the URL of"),
    Row( 5, "E_COULDNT_RESOLVE_PROXY",    e.ProxyError,           "resolving the proxy for"),
    Row( 6, "E_COULDNT_RESOLVE_HOST",     e.ResolveError,         "resolving"),
    Row( 7, "E_COULDNT_CONNECT",          e.ConnectError,         "connecting to"),
    Row( 8, "E_WEIRD_SERVER_REPLY",       e.ProtocolError,        "reading the response of"),
    Row(16, "E_HTTP2",                    e.ProtocolError,        "speaking HTTP/2 with"),
    Row(18, "E_PARTIAL_FILE",             e.IncompleteBody,       "receiving from"),
    Row(23, "E_WRITE_ERROR",              MemoryError,            "keeping the body of"),
    Row(26, "E_READ_ERROR",               e.HttpException,        "setting up for"),
    Row(27, "E_OUT_OF_MEMORY",            MemoryError,            "talking to"),
    Row(28, "E_OPERATION_TIMEDOUT",       e.ConnectTimeout,       "connecting to"),
    Row(35, "E_SSL_CONNECT_ERROR",        e.TlsError,             "securing the connection to"),
    Row(43, "E_BAD_FUNCTION_ARGUMENT",    e.HttpException,        "setting up for"),
    Row(45, "E_INTERFACE_FAILED",         e.ConnectError,         "connecting to"),
    Row(52, "E_GOT_NOTHING",              e.ProtocolError,        "waiting for the response of"),
    Row(53, "E_SSL_ENGINE_NOTFOUND",      e.TlsError,             "securing the connection to"),
    Row(54, "E_SSL_ENGINE_SETFAILED",     e.TlsError,             "securing the connection to"),
    Row(55, "E_SEND_ERROR",               e.WriteError,           "sending to"),
    Row(56, "E_RECV_ERROR",               e.ReadError,            "receiving from"),
    Row(58, "E_SSL_CERTPROBLEM",          e.CertificateFileError, "reading the certificate for"),
    Row(59, "E_SSL_CIPHER",               e.TlsError,             "securing the connection to"),
    Row(60, "E_PEER_FAILED_VERIFICATION", e.CertificateError,     "checking the certificate of"),
    Row(61, "E_BAD_CONTENT_ENCODING",     e.DecodingError,        "decoding the response of"),
    Row(63, "E_FILESIZE_EXCEEDED",        e.BodyTooLarge,         "receiving from"),
    Row(64, "E_USE_SSL_FAILED",           e.TlsError,             "securing the connection to"),
    Row(65, "E_SEND_FAIL_REWIND",         e.UnrewindableBody,     "sending again to"),
    Row(66, "E_SSL_ENGINE_INITFAILED",    e.TlsError,             "securing the connection to"),
    Row(77, "E_SSL_CACERT_BADFILE",       e.CertificateFileError, "reading CA certificates for"),
    Row(80, "E_SSL_SHUTDOWN_FAILED",      e.TlsError,             "closing the connection to"),
    Row(82, "E_SSL_CRL_BADFILE",          e.CertificateFileError, "reading revocations for"),
    Row(83, "E_SSL_ISSUER_ERROR",         e.TlsError,             "checking the certificate of"),
    Row(90, "E_SSL_PINNEDPUBKEYNOTMATCH", e.TlsError,             "checking the certificate of"),
    Row(91, "E_SSL_INVALIDCERTSTATUS",    e.TlsError,             "checking the certificate of"),
    Row(92, "E_HTTP2_STREAM",             e.ProtocolError,        "speaking HTTP/2 with"),
    Row(95, "E_HTTP3",                    e.ProtocolError,        "speaking HTTP/3 with"),
    Row(97, "E_PROXY",                    e.ProxyError,           "asking the proxy for"),
    Row(98, "E_SSL_CLIENTCERT",           e.TlsError,             "securing the connection to"),
    Row(100, "E_TOO_LARGE",               e.ProtocolError,        "reading the response of"),
)  # fmt: skip

BROKEN_STREAM = frozenset((16, 55, 56, 92, 95))
"""Errors of a stream (E_HTTP2, E_SEND_ERROR, E_RECV_ERROR, E_HTTP2_STREAM, E_HTTP3). Over HTTP/2
and HTTP/3 the body of the response is incomplete then; over HTTP/1.1 libcurl has E_PARTIAL_FILE
for that."""

EXCEPTIONS = {row.code: row for row in ROWS}

REFINEMENTS: tuple[tuple[str, str, type[e.HttpException], str], ...] = (
    # name                        in libcurl's text        actual error            its phase
    ("E_COULDNT_RESOLVE_HOST",     "socket path too long",  e.ConnectError,         "opening"),
    ("E_COULDNT_CONNECT",          " over proxy ",          e.ProxyError,           ""),
    ("E_COULDNT_CONNECT",          "CONNECT tunnel failed", e.ProxyError,           ""),
    ("E_SEND_ERROR",               "Failed to connect",     e.ConnectError,         ""),
    ("E_SEND_ERROR",               "request too large",     e.InvalidHeader,        ""),
    ("E_RECV_ERROR",               "CONNECT tunnel failed", e.ProxyError,           ""),
    ("E_RECV_ERROR",               "Proxy CONNECT aborted", e.ProxyError,           ""),
    ("E_RECV_ERROR",               "chunk hex-length",      e.ProtocolError,        ""),
    ("E_RECV_ERROR",               "invalid chunk size",    e.ProtocolError,        ""),
    ("E_RECV_ERROR",               "in chunked-encoding",   e.ProtocolError,        ""),
    ("E_RECV_ERROR",               "Too large response",    e.ProtocolError,        ""),
    ("E_BAD_FUNCTION_ARGUMENT",    "private key file",      e.CertificateFileError, ""),
    ("E_PEER_FAILED_VERIFICATION", "common name",           e.HostnameMismatch,     ""),
    ("E_PEER_FAILED_VERIFICATION", "subject name",          e.HostnameMismatch,     ""),
    ("E_TOO_LARGE",                "request too large",     e.InvalidHeader,        "sending to"),
)  # fmt: skip

SILENT = {16: "connection ended, or broke the rules of HTTP/2", 18: "body ended early"}
"""Our messages where libcurl may have none."""

NAMES = {
    value: name
    for name, value in vars(pycurl).items()
    if name.startswith("E_") and not name.startswith("E_MULTI_")  # those count on their own
} | {code: row.name for code, row in EXCEPTIONS.items()}


def exception_for(
    code: int,
    text: str,
    host_port: str,
    at_proxy: bool = False,
    in_body: bool = False,
) -> Exception:
    """Return the exception for an error of libcurl.

    Args:
        code: The CURLE number.
        text: libcurl's error message, "" for none.
        host_port: Host and port of the server.
        at_proxy: Whether the proxy is certain to be at fault.
        in_body: Whether a stream (HTTP/2, HTTP/3) failed after the head of its response.
    """
    text = redact_error(text)
    name = NAMES.get(code, f"E_{code}")
    row = EXCEPTIONS.get(code, Row(code, name, e.HttpException, "talking to"))
    if at_proxy:
        row = row._replace(exception=e.ProxyError, phase="asking the proxy for")
    elif in_body and code in BROKEN_STREAM:
        row = row._replace(exception=e.IncompleteBody, phase="receiving from")
    cls, phase = row.exception, row.phase
    for wanted, fragment, refined, its_phase in REFINEMENTS:
        if wanted == name and fragment in text and not at_proxy:
            cls, phase = refined, its_phase or phase
    reason = _lower_first(text) or SILENT.get(code) or f"libcurl error {code} ({name})"
    message = f"{phase} {host_port}: {reason}"
    if not issubclass(cls, e.HttpException):
        return cls(message)
    return cls(message, code=code, code_name=name)


def _lower_first(text: str) -> str:
    """Lower the first letter, unless it starts an abbreviation such as SSL."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
