"""EXITS: how the program ends, one row an exit code.

The numbers are curl's, where it has one for it; 4 and 5 after ``--check-status`` are HTTPie's, 32
is aria2's; from 128 on they are a shell's for the signal that would have ended it.
"""

from errno import EDQUOT, EFBIG, ENOSPC
from typing import NamedTuple

from bladehttp.exceptions import (
    BodyTooLarge,
    CertificateError,
    CertificateFileError,
    ChecksumMismatch,
    ConnectError,
    DecodingError,
    HostnameMismatch,
    HttpException,
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


class FileNotRead(CommandFailed):
    """A file that was to be sent or read cannot be."""


class FileNotWritten(CommandFailed):
    """An output cannot be written."""


class CertificateNotUsable(CommandFailed):
    """The client certificate cannot be read."""


FAILED = 1
WRONG_USAGE = 2

EXITS = (
    Exit(0, "all went well"),
    Exit(FAILED, "no HTTP: another scheme, or another protocol; or something else failed",
         (UnsupportedProtocol,)),
    Exit(WRONG_USAGE, "the arguments are wrong", (ValueError, TypeError)),
    Exit(3, "the URL cannot be used", (InvalidUrl,)),
    Exit(4, "with --check-status: the answer was a 4xx"),
    Exit(5, "the proxy's name has no address; with --check-status: the answer was a 5xx"),
    Exit(6, "the host name has no address", (ResolveError,)),
    Exit(7, "no connection to the address, or to the proxy", (ConnectError,)),
    Exit(8, "the peer broke the rules of HTTP", (ProtocolError,)),
    Exit(16, "the peer broke the rules of HTTP/2"),
    Exit(18, "the body ended early", (IncompleteBody,)),
    Exit(22, "the answer was a 4xx or 5xx (with -f, or -o FILE without -w)", (HttpStatusError,)),
    Exit(23, "an output cannot be written", (FileNotWritten,)),
    Exit(26, "a file to send cannot be read", (FileNotRead,)),
    Exit(28, "a clock ran out", (TimeoutException,)),
    Exit(32, "the file has another checksum than it has to have", (ChecksumMismatch,)),
    Exit(35, "no secure connection could be agreed on", (TlsError,)),
    Exit(47, "too many redirects", (TooManyRedirects,)),
    Exit(52, "the server closed the connection without an answer"),
    Exit(55, "the connection was lost while sending", (WriteError,)),
    Exit(56, "the connection was lost while receiving", (ReadError,)),
    Exit(58, "the client certificate is no good", (CertificateNotUsable,)),
    Exit(60, "the certificate is not trusted", (CertificateError, HostnameMismatch)),
    Exit(61, "the body's Content-Encoding cannot be decoded", (DecodingError,)),
    Exit(63, "the body is longer than --max-filesize", (BodyTooLarge,)),
    Exit(65, "a redirect wants the body again and it cannot be read again", (UnrewindableBody,)),
    Exit(77, "a file of authorities is no good", (CertificateFileError,)),
    Exit(90, "the server's key is not the pinned one"),
    Exit(92, "a stream of HTTP/2 was reset"),
    Exit(97, "the proxy refused", (ProxyError,)),
    Exit(100, "the head of the answer is too large"),
    Exit(129, "ended by SIGHUP: the terminal was closed"),
    Exit(130, "interrupted (Ctrl-C)", (KeyboardInterrupt,)),
    Exit(141, "the reader of the output has closed it", (BrokenPipeError,)),
    Exit(143, "ended by SIGTERM"),
)  # fmt: skip

CODES = {error: row.code for row in EXITS for error in row.errors}

FULL = (EDQUOT, EFBIG, ENOSPC)
"""Errors that only writing meets, also where standard output is written."""

OF_LIBCURL = frozenset(row.code for row in EXITS if row.code < 128)
"""Errors of libcurl that are exit codes as they are."""


def exit_code(error: BaseException) -> int:
    """Return the exit code of an exception: libcurl's number, or that of the nearest class."""
    if isinstance(error, OSError) and error.errno in FULL:
        return CODES[FileNotWritten]
    has_refused = isinstance(error, ProxyError) and error.status is not None  # 7 or 56, by version
    if isinstance(error, HttpException) and error.code in OF_LIBCURL and not has_refused:
        return int(error.code or FAILED)
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), FAILED)
