"""HttpxTransport and AsyncHttpxTransport: httpx clients that send through `HttpClient`.

httpx keeps all that is its own: redirects, cookies, authentication, hooks, the decoding of
bodies. A transport sends one request and returns the response with its body unread.
"""

import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
)
from math import ceil
from typing import Any

import httpx

from bladehttp import exceptions as ours
from bladehttp._data.headers import Headers
from bladehttp._message.response import HttpResponse
from bladehttp.adapters._transparent import TRANSPARENT
from bladehttp.client import AsyncHttpClient, HttpClient

ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    #  raised by the client              httpx's name for it; the first row that fits
    (ours.ConnectTimeout, httpx.ConnectTimeout),
    (ours.TimeoutException, httpx.ReadTimeout),
    (ours.ProxyError, httpx.ProxyError),
    (ours.TlsError, httpx.ConnectError),
    (ours.ResolveError, httpx.ConnectError),
    (ours.ConnectError, httpx.ConnectError),
    (ours.WriteError, httpx.WriteError),
    (ours.SocketException, httpx.ReadError),
    (ours.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (ours.InvalidUrl, httpx.UnsupportedProtocol),
    (ours.InvalidHeader, httpx.LocalProtocolError),
    (ours.HttpException, httpx.RemoteProtocolError),
)


class HttpxTransport(httpx.BaseTransport):
    """A transport for `httpx.Client`.

        httpx.Client(transport=HttpxTransport(http_version="2"))

    Errors are those of httpx, with the client's own as ``__cause__``. One transport may be used by
    many threads.

    Limits: the settings httpx passes to its own transport are arguments here: ``verify``,
    ``cert``, ``proxy``, ``http1``, ``http2`` and ``limits`` of `httpx.Client` have no effect with
    ``transport=``. Of ``timeout`` connect and read are used, read being the longest silence of
    either side; write and pool have no equal.
    """

    def __init__(self, **properties: Any) -> None:
        """Make a transport with connections of its own.

        Args:
            properties: Properties of `HttpClient`: ``ca_cert``, ``client_cert``, ``proxy``,
                ``http_version``, ``unix_socket``, ``resolve``, ``retry``...

        Raises:
            TypeError: There is no such property, or its value is of another type.
            ValueError: A value that cannot be used.
        """
        self._client = HttpClient(**{**TRANSPARENT, **properties})
        weakref.finalize(self, self._client.close)  # few programs close a client of httpx

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; see `httpx.BaseTransport`.

        Raises:
            httpx.TransportError: No response came.
        """
        with _translated(request):
            opened = self._client.stream(str(request.url), request.method, **_arguments(request))
            response = opened.__enter__()
        return _response(response, BodyStream(response, opened, request))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncHttpxTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`; see `HttpxTransport`. On asyncio's loops, uvloop too."""

    def __init__(self, **properties: Any) -> None:
        """Make a transport with connections of its own; see `HttpxTransport`."""
        self._client = AsyncHttpClient(**{**TRANSPARENT, **properties})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; see `httpx.AsyncBaseTransport`.

        Raises:
            httpx.TransportError: No response came.
        """
        with _translated(request):
            opened = self._client.stream(str(request.url), request.method, **_arguments(request))
            response = await opened.__aenter__()
        return _response(response, AsyncBodyStream(response, opened, request))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


def _arguments(request: httpx.Request) -> dict[str, Any]:
    """Return the arguments of `HttpClient.stream` for a request."""
    timeout: Mapping[str, float | None] = request.extensions.get("timeout", {})
    headers = Headers()
    length = None
    for name, value in request.headers.raw:
        text = value.decode("latin-1")
        if name.lower() == b"content-length":
            length = text
        elif name.lower() != b"transfer-encoding":
            headers.add(name.decode("latin-1"), text)
    data: Any = request.stream
    if isinstance(data, httpx.ByteStream):  # a body that was given whole, maybe none
        data = b"".join(data)
    elif length is not None:
        headers["Content-Length"] = length
    return {
        "data": data or None,
        "headers": headers,
        "connect_timeout": _milliseconds(timeout.get("connect")),
        "receive_timeout": _milliseconds(timeout.get("read")),
    }


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, ceil(seconds * 1000))


def _response(response: HttpResponse, stream: Any) -> httpx.Response:
    version = "HTTP/" + response.version
    return httpx.Response(
        response.status,
        headers=[(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.headers.pairs()],
        stream=stream,
        extensions={
            "http_version": version.encode(),
            "reason_phrase": response.reason.encode("latin-1", "replace"),
        },
    )


@contextmanager
def _translated(request: httpx.Request) -> Iterator[None]:
    """Raise httpx's exception for one of the client's."""
    try:
        yield
    except ours.HttpException as error:
        cls = next(theirs for cls, theirs in ERRORS if isinstance(error, cls))
        raise cls(str(error), request=request) from error


class BodyStream(httpx.SyncByteStream):
    """The body of a streamed response."""

    def __init__(
        self,
        response: HttpResponse,
        opened: AbstractContextManager[HttpResponse],
        request: httpx.Request,
    ) -> None:
        """Take a response, the context it was given by, and the request for errors."""
        self._response = response
        self._opened: AbstractContextManager[HttpResponse] | None = opened
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._request):
            yield from self._response.iter_bytes()

    def close(self) -> None:
        """Give the connection back, or close it if there is more to come."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(None, None, None)


class AsyncBodyStream(httpx.AsyncByteStream):
    """The body of a streamed response, awaited."""

    def __init__(
        self,
        response: HttpResponse,
        opened: AbstractAsyncContextManager[HttpResponse],
        request: httpx.Request,
    ) -> None:
        """Take a response, the context it was given by, and the request for errors."""
        self._response = response
        self._opened: AbstractAsyncContextManager[HttpResponse] | None = opened
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._request):
            async for chunk in self._response.aiter_bytes():
                yield chunk

    async def aclose(self) -> None:
        """Give the connection back, or close it if there is more to come."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(None, None, None)
