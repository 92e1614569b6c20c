"""Every exception of the package, in one tree.

    HttpException
    ├── SocketException (OSError)          the connection failed
    │   ├── ResolveError                   the name has no address
    │   ├── ConnectError (ConnectionError) no connection to the address
    │   ├── ProxyError                     the proxy refused, or is not there
    │   ├── ReadError                      lost while receiving
    │   ├── WriteError                     lost while sending
    │   └── TlsError                       no secure connection
    │       ├── CertificateError           the chain is not trusted
    │       ├── HostnameMismatch           the certificate is for another host
    │       └── CertificateFileError       a local certificate or CA file is no good
    ├── TimeoutException (TimeoutError)
    │   ├── ConnectTimeout (SocketException)
    │   ├── ReceiveTimeout                 silence for too long
    │   └── TotalTimeout                   the whole exchange took too long
    ├── TooManyRedirects
    ├── InvalidUrl (ValueError)
    ├── UnsupportedProtocol (ValueError)   neither http nor https, or http after https
    ├── InvalidHeader (ValueError)         a field that would break the message
    ├── ProtocolError                      the peer does not speak HTTP; on a server, with the
    │                                      status to answer
    ├── IncompleteBody                     the body ended early; the received part is ``partial``
    ├── ChecksumMismatch                   a file has another checksum than it has to have
    ├── DecodingError                      Content-Encoding that cannot be decoded
    ├── BodyTooLarge                       the response is longer than allowed
    ├── UnrewindableBody                   a redirect wants the body again and it cannot be
    ├── HttpStatusError                    raise_for_status only
    └── ClientClosed                       the client was closed before

Other invalid arguments raise TypeError or ValueError. `InsecureWarning` is a warning.
"""

from typing import Any

__all__ = [
    "BodyTooLarge",
    "CertificateError",
    "CertificateFileError",
    "ChecksumMismatch",
    "ClientClosed",
    "ConnectError",
    "ConnectTimeout",
    "DecodingError",
    "HostnameMismatch",
    "HttpException",
    "HttpStatusError",
    "IncompleteBody",
    "InsecureWarning",
    "InvalidHeader",
    "InvalidUrl",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReceiveTimeout",
    "ResolveError",
    "SocketException",
    "TimeoutException",
    "TlsError",
    "TooManyRedirects",
    "TotalTimeout",
    "UnrewindableBody",
    "UnsupportedProtocol",
    "WriteError",
]


class HttpException(Exception):
    """An HTTP operation failed. The root of the tree.

    Those that are an OSError have its ``errno``, where the system gave one.

    Attributes:
        url: The URL of the exchange, None where there was none.
        code: libcurl's error number (CURLE_*), None where libcurl gave none.
        code_name: Its name, such as "E_COULDNT_CONNECT", or None.
        request: The request, None where it is not known.
        response: The HttpResponse as far as it had come, or None.
    """

    url: str | None = None
    code: int | None = None
    code_name: str | None = None
    request: Any = None
    response: Any = None

    def __init__(self, message: str = "", **details: Any) -> None:
        """Keep the message, and each detail as an attribute of that name."""
        super().__init__(message)
        for name, value in details.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no detail named {name!r}")
            setattr(self, name, value)

    def __str__(self) -> str:
        """Return the message alone; OSError would print its errno."""
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the class, the message and the details."""
        details = dict(self.__dict__)
        if isinstance(self, OSError):
            details["errno"] = self.errno  # OSError keeps it outside of __dict__
        return (_rebuild, (type(self), self.args, details))


def _rebuild(cls: type[HttpException], args: tuple[Any, ...], details: dict[str, Any]) -> Any:
    exception = cls(*args)
    for name, value in details.items():
        setattr(exception, name, value)
    return exception


class SocketException(HttpException, OSError):
    """The connection could not be made or was lost."""


class ResolveError(SocketException):
    """The host name has no address."""


class ConnectError(SocketException, ConnectionError):
    """No connection to the address: it is refused, or the address cannot be reached."""


class ProxyError(SocketException):
    """The proxy cannot be found or refused to connect.

    Attributes:
        status: Its response to CONNECT, such as 407; None if there was none.
    """

    status: int | None = None


class ReadError(SocketException):
    """The connection was lost while receiving."""


class WriteError(SocketException):
    """The connection was lost while sending."""


class TlsError(SocketException):
    """No secure connection could be agreed on."""


class CertificateError(TlsError):
    """The certificate's chain is not trusted, or it is not valid today."""


class HostnameMismatch(TlsError):
    """The certificate is trusted but made out to another host."""


class CertificateFileError(TlsError):
    """A local file (CA bundle, certificate or key) is missing or not usable."""


class TimeoutException(HttpException, TimeoutError):
    """A clock ran out."""


class ConnectTimeout(TimeoutException, SocketException):
    """No connection within ``connect_timeout``."""


class ReceiveTimeout(TimeoutException):
    """Nothing was received (or sent) for ``receive_timeout``."""


class TotalTimeout(TimeoutException):
    """The exchange was not over within ``total_timeout``."""


class TooManyRedirects(HttpException):
    """More redirects than ``max_redirects``."""


class InvalidUrl(HttpException, ValueError):
    """The URL cannot be used: no host, a bad port, control characters."""


class UnsupportedProtocol(HttpException, ValueError):
    """The URL's scheme is neither http nor https, or a redirect leads from https to http."""


class InvalidHeader(HttpException, ValueError):
    """A method, field name or field value that would break the message if it were sent."""


class ProtocolError(HttpException):
    """The peer broke HTTP's rules.

    Attributes:
        status: On a server the status to answer with, 400 where nothing else fits.
    """

    status: int = 400


class IncompleteBody(HttpException):
    """The body ended before its announced length.

    Attributes:
        partial: The bytes that did arrive.
    """

    partial: bytes = b""


class ChecksumMismatch(HttpException):
    """A downloaded file has another checksum than ``checksum`` says; it was not put in place."""


class DecodingError(HttpException):
    """The body's Content-Encoding cannot be decoded: damaged, cut off or not supported.

    ``accept_encoding=None`` leaves bodies encoded.
    """


class BodyTooLarge(HttpException):
    """The response's body is longer than ``max_body_size``."""


class UnrewindableBody(HttpException):
    """The body has to be sent again and its source cannot be rewound."""


class HttpStatusError(HttpException):
    """raise_for_status() met a 4xx or 5xx.

    Attributes:
        excerpt: The beginning of the body if it is text, on one line of up to 200 characters, which
            the message ends with. Credentials of the request are replaced in it.
    """

    excerpt: str = ""

    def __str__(self) -> str:
        """Return the message and the beginning of the body."""
        text = super().__str__()
        return f"{text}: {self.excerpt}" if self.excerpt else text


class ClientClosed(HttpException):
    """The client has been closed."""


class InsecureWarning(UserWarning):
    """A check of certificates was switched off."""
