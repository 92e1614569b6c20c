"""The http module of Blade, in Python: an HTTP client over libcurl and a small HTTP server.

    import bladehttp as http

    response = http.get("https://example.com")

    server = http.server(3000)

    @server.on_receive
    def echo(request, response):
        response.json(request)

    server.listen()

The names are those of Blade's documentation. `get` and its siblings use one shared client;
`HttpClient` and `HttpServer` are for more. `map` and `server` shadow a builtin and a
sub-package here on purpose: they are what the module is documented to have, and
``from bladehttp.server import HttpServer`` works all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bladehttp import client as _client, server as _server
from bladehttp._data.lazy import late_names
from bladehttp.exceptions import (
    CertificateError as CertificateError,
    CertificateFileError as CertificateFileError,
    ChecksumMismatch as ChecksumMismatch,
    ClientClosed as ClientClosed,
    ConnectError as ConnectError,
    ConnectTimeout as ConnectTimeout,
    DecodingError as DecodingError,
    HostnameMismatch as HostnameMismatch,
    HttpException as HttpException,
    HttpStatusError as HttpStatusError,
    IncompleteBody as IncompleteBody,
    InsecureWarning as InsecureWarning,
    InvalidHeader as InvalidHeader,
    InvalidUrl as InvalidUrl,
    ProtocolError as ProtocolError,
    ProxyError as ProxyError,
    ReadError as ReadError,
    ReceiveTimeout as ReceiveTimeout,
    ResolveError as ResolveError,
    SocketException as SocketException,
    TimeoutException as TimeoutException,
    TlsError as TlsError,
    TooManyRedirects as TooManyRedirects,
    TotalTimeout as TotalTimeout,
    UnrewindableBody as UnrewindableBody,
    UnsupportedProtocol as UnsupportedProtocol,
    WriteError as WriteError,
)
from bladehttp.status import *  # noqa: F403 - the sixty names of statuses

if TYPE_CHECKING:
    from bladehttp._data.auth import Auth as Auth
    from bladehttp._data.headers import Headers as Headers, HeadersLike as HeadersLike
    from bladehttp._data.jsonable import as_json as as_json
    from bladehttp._message.aborts import Abort as Abort, abort as abort
    from bladehttp._message.request import HttpRequest as HttpRequest
    from bladehttp._message.response import HttpResponse as HttpResponse
    from bladehttp.client._asyncio.client import AsyncHttpClient as AsyncHttpClient
    from bladehttp.client._client import HttpClient as HttpClient
    from bladehttp.client._config.cookie_jar import CookieJar as CookieJar
    from bladehttp.client._config.retry import Retry as Retry
    from bladehttp.server._server import HttpServer as HttpServer
else:  # each half is loaded when it is asked for: a server needs no libcurl, a client no server
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "Abort": "bladehttp._message.aborts",
            "AsyncHttpClient": "bladehttp.client._asyncio.client",
            "Auth": "bladehttp._data.auth",
            "CookieJar": "bladehttp.client._config.cookie_jar",
            "Headers": "bladehttp._data.headers",
            "HttpClient": "bladehttp.client._client",
            "HttpRequest": "bladehttp._message.request",
            "HttpResponse": "bladehttp._message.response",
            "HttpServer": "bladehttp.server._server",
            "Retry": "bladehttp.client._config.retry",
            "abort": "bladehttp._message.aborts",
            "as_json": "bladehttp._data.jsonable",
        },
    )

map = PHRASES  # noqa: A001, F405 - Blade's name
__version__ = "0.1.0"


def set_headers(headers: HeadersLike) -> HttpClient:
    """Set the headers of the shared client and return it (Blade).

    With a Host among them a relative URL works: ``set_headers({"Host": "example.com"})
    .get("/current-user")`` asks https://example.com/current-user.

    Args:
        headers: Sent with every request from now on, in place of those set before.

    Raises:
        InvalidHeader: One of them cannot be sent.
    """
    return _client.shared().set_headers(headers)


def get(url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
    """Send a GET request with the shared client.

    Args:
        url: Absolute, or relative to the Host header given to `set_headers`.
        headers: For this request, beside those of `set_headers`.
        **options: As of `HttpClient.send_request`.

    Raises:
        HttpException: No response came; see `bladehttp.exceptions`.
    """
    return _client.shared().get(url, headers=headers, **options)


def head(url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
    """Send a HEAD request with the shared client; see `get`."""
    return _client.shared().head(url, headers=headers, **options)


def options(url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
    """Send an OPTIONS request with the shared client; see `get`."""
    return _client.shared().options(url, headers=headers, **options)


def trace(url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
    """Send a TRACE request with the shared client; see `get`."""
    return _client.shared().trace(url, headers=headers, **options)


def delete(url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
    """Send a DELETE request with the shared client; see `get`."""
    return _client.shared().delete(url, headers=headers, **options)


def post(
    url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
) -> HttpResponse:
    """Send a POST request with the shared client.

    Args:
        url: As of `get`.
        data: The body: str, bytes, a file, an iterable of bytes, or a dict; see
            `HttpClient.send_request`.
        headers: As of `get`.
        **options: As of `get`.

    Raises:
        HttpException: No response came.
    """
    return _client.shared().post(url, data, headers=headers, **options)


def put(
    url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
) -> HttpResponse:
    """Send a PUT request with the shared client; see `post`."""
    return _client.shared().put(url, data, headers=headers, **options)


def patch(
    url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
) -> HttpResponse:
    """Send a PATCH request with the shared client; see `post`."""
    return _client.shared().patch(url, data, headers=headers, **options)


def server(port: int, address: str = "127.0.0.1", is_secure: bool = False) -> HttpServer:
    """Make a server (Blade); `HttpServer.listen` or `HttpServer.start` binds it.

    Args:
        port: 0 takes a free one.
        address: An address or a name that has one.
        is_secure: Whether it speaks TLS; it needs `HttpServer.load_certs` then.

    Raises:
        TypeError: The port is not an int or the address not a str.
        ValueError: The port is not 0 to 65535.
    """
    return _server.HttpServer(port, address, is_secure)


# ``import bladehttp.server.wsgi as wsgi`` asks this function for "wsgi" and, as it has none, looks
# the module up under the name of what was asked.
server.__name__ = "bladehttp.server"


def tls_server(port: int, address: str = "127.0.0.1") -> HttpServer:
    """Make a server that speaks TLS; see `server`."""
    return _server.HttpServer(port, address, is_secure=True)


def info() -> dict[str, str | list[str]]:
    """Return versions, features and whom is trusted: what ``python -m bladehttp info`` prints.

    Raises:
        CertificateFileError: A variable of the environment names a file that is not there.
    """
    return _client.describe(__version__)
