"""EXITS: how the program ends, one row an exit code.

The numbers are curl's, where it has one for it; 4 and 5 are HTTPie's, 32 is aria2's; from 128 on
they are a shell's for the signal that would have ended it.
"""

from typing import NamedTuple

from bladehttp.exceptions import (
    CertificateError,
    CertificateFileError,
    ChecksumMismatch,
    ConnectError,
    DecodingError,
    HostnameMismatch,
    HttpStatusError,
    IncompleteBody,
    InvalidUrl,
    ProtocolError,
    ProxyError,
    ReadError,
    ResolveError,
    TimeoutException,
    TlsError,
    TooManyRedirects,
    UnrewindableBody,
    UnsupportedProtocol,
    WriteError,
)


class Exit(NamedTuple):
    """An exit code, its meaning, and the exceptions that lead to it."""

    code: int
    meaning: str
    errors: tuple[type[BaseException], ...] = ()


class CommandFailed(Exception):  # noqa: N818 - in the way of HttpException's subclasses
    """A command failed; the message gives the reason."""


FAILED = 1
WRONG_USAGE = 2

EXITS = (
    Exit(0, "all went well"),
    Exit(FAILED, "something else failed: a file cannot be read or written, a port is taken"),
    Exit(WRONG_USAGE, "the arguments are wrong", (ValueError, TypeError)),
    Exit(3, "the URL cannot be used", (InvalidUrl, UnsupportedProtocol)),
    Exit(4, "the answer was a 4xx (with --fail or -o)"),
    Exit(5, "the answer was a 5xx (with --fail or -o)"),
    Exit(6, "the host name has no address", (ResolveError,)),
    Exit(7, "no connection to the address", (ConnectError,)),
    Exit(8, "the peer does not speak HTTP", (ProtocolError,)),
    Exit(18, "the body ended early", (IncompleteBody,)),
    Exit(28, "a clock ran out", (TimeoutException,)),
    Exit(32, "the file has another checksum than it has to have", (ChecksumMismatch,)),
    Exit(35, "no secure connection could be agreed on", (TlsError,)),
    Exit(47, "too many redirects", (TooManyRedirects,)),
    Exit(55, "the connection was lost while sending", (WriteError,)),
    Exit(56, "the connection was lost while receiving", (ReadError,)),
    Exit(60, "the certificate is not trusted", (CertificateError, HostnameMismatch)),
    Exit(61, "the body's Content-Encoding cannot be undone", (DecodingError,)),
    Exit(65, "a redirect wants the body again and it cannot be read again", (UnrewindableBody,)),
    Exit(77, "a certificate or CA file is no good", (CertificateFileError,)),
    Exit(97, "the proxy refused, or is not there", (ProxyError,)),
    Exit(130, "interrupted (Ctrl-C)", (KeyboardInterrupt,)),
    Exit(141, "the reader of the output has closed it", (BrokenPipeError,)),
)

CODES = {error: row.code for row in EXITS for error in row.errors}


def exit_code(error: BaseException) -> int:
    """Return the exit code of an exception: that of the nearest of its classes."""
    if isinstance(error, HttpStatusError):
        return int(error.response.status) // 100
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), FAILED)
