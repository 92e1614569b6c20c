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
sub-package here on purpose: they are the documented names of the module, and
``from bladehttp.server import HttpServer`` works all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bladehttp import client as _client, exceptions, server as _server, status
from bladehttp._data.lazy import lazy_names as _lazy_names
from bladehttp.exceptions import *  # noqa: F403 - its __all__
from bladehttp.status import *  # noqa: F403 - its __all__

if TYPE_CHECKING:
    from typing import Unpack

    from bladehttp._data.auth import Auth
    from bladehttp._data.event_stream import Event
    from bladehttp._data.headers import Headers, HeadersLike
    from bladehttp._data.jsonable import as_json
    from bladehttp._data.links import Link, Links
    from bladehttp._data.multidict import MissingValueError, MultiDict
    from bladehttp._data.uploads import Upload
    from bladehttp._message.aborts import Abort, abort
    from bladehttp._message.deferred import Channel, Deferred
    from bladehttp._message.request import ClientInfo, HttpRequest
    from bladehttp._message.response import HttpResponse
    from bladehttp._message.response_head import Hop, RequestInfo
    from bladehttp._message.sse import Events
    from bladehttp.client._arguments import Data, RequestOptions
    from bladehttp.client._asyncio.client import AsyncHttpClient
    from bladehttp.client._client import HttpClient
    from bladehttp.client._config.cookie_jar import Cookie, CookieJar
    from bladehttp.client._config.retry import Retry
    from bladehttp.client._exchange.hooks import HookRequest
    from bladehttp.client._exchange.scheduler import Result
    from bladehttp.client._request.fields import RequestHeadersLike
    from bladehttp.server._server import HttpServer
else:  # each half is loaded on first access: a server needs no libcurl, a client no server
    __getattr__, __dir__ = _lazy_names(
        globals(),
        {
            "_data.auth": "Auth",
            "_data.event_stream": "Event",
            "_data.headers": "Headers HeadersLike",
            "_data.jsonable": "as_json",
            "_data.links": "Link Links",
            "_data.multidict": "MissingValueError MultiDict",
            "_data.uploads": "Upload",
            "_message.aborts": "Abort abort",
            "_message.deferred": "Channel Deferred",
            "_message.request": "ClientInfo HttpRequest",
            "_message.response": "HttpResponse",
            "_message.response_head": "Hop RequestInfo",
            "_message.sse": "Events",
            "client._arguments": "RequestOptions",
            "client._asyncio.client": "AsyncHttpClient",
            "client._client": "HttpClient",
            "client._config.cookie_jar": "Cookie CookieJar",
            "client._config.retry": "Retry",
            "client._exchange.hooks": "HookRequest",
            "client._exchange.scheduler": "Result",
            "server._server": "HttpServer",
        },
        "map",
    )

__all__ = [
    "Abort",
    "AsyncHttpClient",
    "Auth",
    "Channel",
    "ClientInfo",
    "Cookie",
    "CookieJar",
    "Deferred",
    "Event",
    "Events",
    "Headers",
    "HeadersLike",
    "HookRequest",
    "Hop",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "Link",
    "Links",
    "MissingValueError",
    "MultiDict",
    "RequestInfo",
    "RequestOptions",
    "Result",
    "Retry",
    "Upload",
    "abort",
    "as_json",
    "delete",
    "get",
    "head",
    "info",
    "options",
    "patch",
    "post",
    "put",
    "server",
    "set_headers",
    "tls_server",
    "trace",
]
__all__ += exceptions.__all__
__all__ += status.__all__

map: dict[int, str] = status.PHRASES  # noqa: A001 - Blade's name
__version__ = "0.2.0"


def set_headers(headers: RequestHeadersLike) -> HttpClient:
    """Set the headers of the shared client and return it (Blade).

    With a Host among them a relative URL works: ``set_headers({"Host": "example.com"})
    .get("/current-user")`` asks https://example.com/current-user.

    Args:
        headers: Sent with every request from now on, in place of those set before.

    Raises:
        InvalidHeader: One of them cannot be sent.
    """
    return _client.shared().set_headers(headers)


def get(
    url: str,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send a GET request with the shared client.

    Args:
        url: Absolute, or relative to the Host header given to `set_headers`.
        headers: For this request, beside those of `set_headers`.
        **options: As of `HttpClient.send_request`.

    Raises:
        HttpException: No response came; see `bladehttp.exceptions`.
    """
    return _client.shared().get(url, headers=headers, **options)


def head(
    url: str,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send a HEAD request with the shared client; see `get`."""
    return _client.shared().head(url, headers=headers, **options)


def options(
    url: str,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send an OPTIONS request with the shared client; see `get`."""
    return _client.shared().options(url, headers=headers, **options)


def trace(
    url: str,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send a TRACE request with the shared client; see `get`."""
    return _client.shared().trace(url, headers=headers, **options)


def delete(
    url: str,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send a DELETE request with the shared client; see `get`."""
    return _client.shared().delete(url, headers=headers, **options)


def post(
    url: str,
    data: Data | None = None,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
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
    url: str,
    data: Data | None = None,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
) -> HttpResponse:
    """Send a PUT request with the shared client; see `post`."""
    return _client.shared().put(url, data, headers=headers, **options)


def patch(
    url: str,
    data: Data | None = None,
    headers: RequestHeadersLike | None = None,
    **options: Unpack[RequestOptions],
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
    """Return versions, features and trusted CAs, as printed by ``python -m bladehttp info``.

    Raises:
        CertificateFileError: A variable of the environment names a missing file.
    """
    return _client.describe(__version__)
