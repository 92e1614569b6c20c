"""RequestsAdapter: a `requests.Session` that sends its requests through `HttpClient`.

requests keeps all that is its own: redirects, cookies, authentication, hooks, the decoding of
bodies. An adapter sends one prepared request and returns the response with its body unread.
"""

import io
import os
import weakref
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from http.client import HTTPException, HTTPMessage, IncompleteRead
from math import ceil
from typing import Any

from requests import PreparedRequest, Response, exceptions as theirs
from requests.adapters import HTTPAdapter
from requests.utils import prepend_scheme_if_needed, select_proxy
from urllib3._collections import HTTPHeaderDict
from urllib3.response import HTTPResponse
from urllib3.util import parse_url

from bladehttp import exceptions as ours
from bladehttp._data.headers import Headers
from bladehttp._message.response import HttpResponse
from bladehttp.adapters._transparent import TRANSPARENT
from bladehttp.client import HttpClient

ERRORS: tuple[tuple[type[Exception], type[Exception]], ...] = (
    #  raised by the client              requests' name for it; the first row that fits
    (ours.ConnectTimeout, theirs.ConnectTimeout),
    (ours.TimeoutException, theirs.ReadTimeout),
    (ours.ProxyError, theirs.ProxyError),
    (ours.CertificateFileError, OSError),
    (ours.TlsError, theirs.SSLError),
    (ours.SocketException, theirs.ConnectionError),
    (ours.InvalidUrl, theirs.InvalidURL),
    (ours.UnsupportedProtocol, theirs.InvalidSchema),
    (ours.InvalidHeader, theirs.InvalidHeader),
    (ours.UnrewindableBody, theirs.UnrewindableBodyError),
    (ours.IncompleteBody, theirs.ChunkedEncodingError),
    (ours.HttpException, theirs.ConnectionError),
)

CHUNK = "chunk"
"""A word in libcurl's messages about a malformed chunk, which stand after the name of the host."""

VERSIONS = {"1.0": 10, "1.1": 11, "2": 20, "3": 30}


class RequestsAdapter(HTTPAdapter):
    """An adapter to be mounted on a `requests.Session`.

        session.mount("https://", RequestsAdapter(http_version="2"))
        session.mount("http://", RequestsAdapter())

    ``timeout``, ``verify``, ``cert``, ``proxies`` and ``stream`` of a request work as requests
    documents. Errors are those of `requests.exceptions`, with the client's own as ``__cause__``.
    One adapter may be used by many threads.

    Limits: the second ``timeout`` is the longest time without a byte in either direction. Without
    an Accept field ``*/*`` is sent, which means the same. A Proxy-Authorization field is sent to
    proxies only. Two different Content-Lengths, and a head that is cut off, raise ConnectionError.
    ``poolmanager`` is not used.
    """

    def __init__(self, **properties: Any) -> None:
        """Create an adapter with connections of its own.

        Args:
            properties: Properties of `HttpClient` without an argument in requests:
                ``http_version``, ``resolve``, ``unix_socket``, ``retry``, ``min_tls``...

        Raises:
            TypeError: There is no such property, or its value has a wrong type.
            ValueError: A value is not valid.
        """
        super().__init__()
        self._properties = properties
        self._connect()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_properties": self._properties}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._connect()

    def _connect(self) -> None:
        """Make a client that is closed with the adapter, which few programs close."""
        self._client = HttpClient(**{**TRANSPARENT, **self._properties})
        weakref.finalize(self, self._client.close)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a prepared request; see `requests.adapters.BaseAdapter.send`.

        Raises:
            requests.RequestException: No response came.
            ValueError: ``timeout`` is not a number, a pair, or None.
        """
        del stream  # the session reads the body at once where it is not to be streamed
        url, method = str(request.url), str(request.method)
        options: dict[str, Any] = {**_timeouts(timeout), "proxy": _proxy(url, proxies)}
        if url.lower().startswith("https:"):
            options |= _trust(verify, cert)
        headers = _headers(request)
        data: Any = request.body
        try:
            opened = self._client.stream(url, method, data, headers=headers, **options)
            response = opened.__enter__()
        except (ours.HttpException, ValueError) as error:
            raise _translated(error, request) from error
        return self.build_response(request, _raw(response, opened, method))

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._client.close()


def _headers(request: PreparedRequest) -> Headers:
    """Return the fields as the client takes them; it announces a body of known length itself."""
    is_iterable = request.body is not None and not isinstance(request.body, str | bytes)
    headers = Headers()
    dropped = {"transfer-encoding"} if is_iterable else {"transfer-encoding", "content-length"}
    for name, value in request.headers.items():
        if _text(name).lower() not in dropped:
            headers.add(_text(name), _text(value))
    return headers


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _timeouts(timeout: Any) -> dict[str, int]:
    """Return the clocks for requests' ``timeout``: seconds, a pair (connect, read), or None."""
    if isinstance(timeout, tuple):
        try:
            connect, read = timeout
        except ValueError as error:
            raise ValueError(f"timeout is (connect, read) in seconds, not {timeout!r}") from error
    elif hasattr(timeout, "connect_timeout"):  # urllib3's Timeout
        connect, read = timeout.connect_timeout, timeout.read_timeout
    else:
        connect = read = timeout
    return {"connect_timeout": _milliseconds(connect), "receive_timeout": _milliseconds(read)}


def _milliseconds(seconds: Any) -> int:
    if seconds is None:
        return 0
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise ValueError(f"timeout {seconds!r} must be an int, float or None, and above 0")
    return max(1, ceil(seconds * 1000))


def _proxy(url: str, proxies: Mapping[str, str] | None) -> str:
    """Return the proxy for a URL, "" for none.

    Raises:
        InvalidProxyURL: It has no host.
    """
    chosen = select_proxy(url, dict(proxies or {}))
    if not chosen:
        return ""
    proxy = prepend_scheme_if_needed(chosen, "http")
    if not parse_url(proxy).host:
        raise theirs.InvalidProxyURL(f"proxy has no host: {proxy.rpartition('@')[2]!r}")
    return str(proxy)


def _trust(verify: bool | str, cert: str | tuple[str, str] | None) -> dict[str, Any]:
    """Return the properties for ``verify`` and ``cert``.

    Raises:
        OSError: A file that they name is not there, in requests' words.
    """
    options: dict[str, Any] = {}
    if verify is False:
        options |= {"skip_peer_verification": True, "skip_hostname_verification": True}
    elif isinstance(verify, str):
        _check_path(verify, "a suitable TLS CA certificate bundle")
        options["ca_cert"] = verify
    if cert:
        certificate, key = (cert, None) if isinstance(cert, str) else cert
        _check_path(certificate, "the TLS certificate file")
        if key is not None:
            _check_path(key, "the TLS key file")
        options["client_cert"] = cert
    return options


def _check_path(path: str, role: str) -> None:
    if not os.path.exists(path):  # noqa: PTH110 - as requests: str and bytes alike
        raise OSError(f"Could not find {role}, invalid path: {path}")


def _translated(error: Exception, request: PreparedRequest) -> Exception:
    """Return requests' exception for one of the client's."""
    if isinstance(error, ours.ProtocolError) and CHUNK in str(error).partition(": ")[2]:
        return theirs.ChunkedEncodingError(error, request=request)
    for cls, their_cls in ERRORS:
        if isinstance(error, cls):
            if issubclass(their_cls, theirs.RequestException):
                return their_cls(error, request=request)
            return their_cls(str(error))
    return error


def _raw(
    response: HttpResponse, opened: AbstractContextManager[HttpResponse], method: str
) -> HTTPResponse:
    """Return a response as urllib3 has it, its body still to be received."""
    fields = HTTPHeaderDict()
    message = HTTPMessage()  # the form in which http.cookiejar reads Set-Cookie
    for name, value in response.headers.pairs():
        fields.add(name, value)
        message[name] = value
    body = BodyFile(response, opened)
    return Raw(
        body=body,
        headers=fields,
        status=response.status,
        version=VERSIONS.get(response.version, 11),
        reason=response.reason,
        preload_content=False,
        decode_content=False,  # as requests asks; its own iter_content decodes
        original_response=OriginalResponse(message, body),  # type: ignore[arg-type]
        request_method=method,
    )


class Raw(HTTPResponse):
    """urllib3's response; its `stream`, which requests iterates over, does not wait for more.

    urllib3 gives the chunks of a chunked body as they come, for events for example, and reads them
    from the socket itself, which it has none of here.
    """

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Generator[bytes, None, None]:
        """Iterate over the body as it comes, by at most so many bytes."""
        if not hasattr(HTTPResponse, "read1"):  # urllib3 1.26
            yield from super().stream(amt, decode_content)
            return
        while chunk := self.read1(amt, decode_content):
            yield chunk


class OriginalResponse:
    """As much of `http.client.HTTPResponse` as requests looks at."""

    def __init__(self, message: HTTPMessage, body: "BodyFile") -> None:
        """Take the fields and the body."""
        self.msg = message
        self._body = body

    def isclosed(self) -> bool:
        """Whether the body was read to its end, or closed."""
        return self._body.isclosed()

    def close(self) -> None:
        """Close the body."""
        self._body.close()


class BodyFile(io.RawIOBase):
    """The body of a streamed response as a file.

    Its end gives the connection back, as that of `http.client.HTTPResponse` does. Errors are raised
    as those of `http.client` and `socket`, which urllib3 knows.
    """

    def __init__(
        self, response: HttpResponse, opened: AbstractContextManager[HttpResponse]
    ) -> None:
        """Take a response, and the context it was given by."""
        self._opened: AbstractContextManager[HttpResponse] | None = opened
        self._chunks: Iterator[bytes] = response.iter_bytes()
        self._held = memoryview(b"")
        length = response.headers.get("Content-Length", "")
        self._left = int(length) if length.isascii() and length.isdigit() else -1

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def isclosed(self) -> bool:
        """Whether all of the body was read, or the file was closed."""
        return self._opened is None and not self._held

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with as much as has come; 0 at the end of the body."""
        self._wait_for_some()
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer only at the end of the body; all for -1 and None."""
        if size is None or size < 0:
            return self.readall()
        pieces = []
        while size > 0 and (piece := self.read1(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def read1(self, size: int = -1) -> bytes:
        """Return as much as has come, and at most so many bytes; b"" at the end of the body."""
        self._wait_for_some()
        data = bytes(self._held if size < 0 else self._held[:size])
        self._held = self._held[len(data) :]
        return data

    def _wait_for_some(self) -> None:
        if self._held or self._opened is None:
            return
        self._held = memoryview(self._next())
        self._left -= len(self._held)
        if not self._held:
            self._release()

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except ours.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except ours.IncompleteBody as error:
            raise IncompleteRead(error.partial) from error
        except ours.HttpException as error:
            raise OSError(str(error)) from error

    def _release(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(None, None, None)

    def close(self) -> None:
        """Give the connection back, or close it if there is more to come."""
        if not self.closed:
            super().close()
            if self._left == 0 and self._opened is not None:
                with suppress(OSError, HTTPException):
                    self._next()  # all has come, and the transfer may end
            self._release()
