"""HttpRequest: what a server's callbacks are given, and Blade's request object.

Attributes that cost something to make (headers, queries, cookies, the decoded path) are
made when they are first read. All of them can be assigned to, as in Blade.
"""

import json
from dataclasses import dataclass
from socket import socket
from typing import IO, Any

from bladehttp.auth import Auth
from bladehttp.cookies import parse_cookies
from bladehttp.exceptions import ProtocolError
from bladehttp.headers import Headers
from bladehttp.lazy import Lazy
from bladehttp.response import HttpResponse
from bladehttp.serialize import as_json
from bladehttp.values import Values
from bladehttp.wire.form import Decoded, decode, parse_query
from bladehttp.wire.head import NO_FIELDS, HeadParser, RequestHead
from bladehttp.wire.limits import Limits
from bladehttp.wire.reader import Request, RequestReader
from bladehttp.wire.target import decode_path, host_name

DEFAULT_LIMITS = Limits()

FRAMING = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding"}
)
"""Fields that are about one message on one connection, not about the request."""


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The far end of a server's connection; what on_disconnect callbacks are given.

    Attributes:
        ip: Its address.
        port: Its port.
        ipv6: Whether the address is IPv6.
        certificate: What it showed in the TLS handshake and what was verified, as
            ssl.SSLSocket.getpeercert() has it; None for none.
    """

    ip: str
    port: int
    ipv6: bool
    certificate: dict[str, Any] | None = None


class HttpRequest:
    """One HTTP request.

    Attributes:
        request_uri: The request target as it was sent, nothing decoded.
        method: The method, case kept. "GET" unless set.
        http_version: "1.0" or "1.1" (or what else of 1.x the client says).
        ip: The address of the client, "" where it is not known.
        port: The client's port, 0 where it is not known.
        ipv6: Whether ``ip`` is an IPv6 address.
        is_secure: Whether it came over TLS.
        body: A `Values` of an urlencoded or multipart form's fields, the decoded value of
            JSON, bytes for any other type, {} if there is none. A body of another type that
            is longer than the server's spool limit is in ``body_file``, and this is None.
        files: Name to {name, filename, mime, content, size} for each part of a multipart
            form that has a filename or a Content-Type; `get_all` gives several under one
            name. One longer than the spool limit has an open "file" and no content.
        raw_body: The content as it was sent, chunking undone; b"" when it is in ``body_file``.
        body_file: A temporary file with a body longer than the spool limit, else None. It
            is closed when the request has been answered.
        trailers: The trailer fields of a chunked body.
        client_certificate: The certificate the client showed and the server verified, as
            ssl.SSLSocket.getpeercert() has it; None for none.
        params: What the parameters of the route's path stand for, {} if it has none.
        auth_method: For `send`: which authentication methods may be used when the URL has a
            name and a password. Auth.ANY.
    """

    __slots__ = (
        "_auth_method",
        "_body",
        "_body_file",
        "_client",
        "_client_certificate",
        "_cookies",
        "_decoded",
        "_files",
        "_headers",
        "_host",
        "_http_version",
        "_ip",
        "_ipv6",
        "_message",
        "_params",
        "_path",
        "_port",
        "_queries",
        "_raw_body",
        "_request_uri",
        "_trailers",
        "is_secure",
        "method",
    )

    def __init__(self) -> None:
        """Make an empty GET, to be filled by `parse` or sent by `send`."""
        self._fill(Request(EMPTY_HEAD), None)
        self._client = NOBODY
        self.is_secure = False

    @classmethod
    def from_wire(
        cls, message: Request, limits: Limits, client: ClientInfo, is_secure: bool
    ) -> "HttpRequest":
        """Make the request that callbacks get of what came over the wire.

        Raises:
            ProtocolError: The body is not what its Content-Type says.
        """
        request = cls.__new__(cls)
        request._fill(message, _decoded(message, limits))
        request._client = client
        request.is_secure = is_secure
        return request

    def _fill(self, message: Request, decoded: Decoded | None) -> None:
        self._message = message
        self._decoded = decoded
        self.method = message.head.method

    request_uri = Lazy[str](lambda self: self._message.head.target)
    http_version = Lazy[str](lambda self: f"1.{self._message.head.minor}")
    ip = Lazy[str](lambda self: self._client.ip)
    port = Lazy[int](lambda self: self._client.port)
    ipv6 = Lazy[bool](lambda self: self._client.ipv6)
    client_certificate = Lazy[dict[str, Any] | None](lambda self: self._client.certificate)
    raw_body = Lazy[bytes](lambda self: self._message.body)
    body_file = Lazy[IO[bytes] | None](lambda self: self._message.file)
    body = Lazy[Any](lambda self: {} if self._decoded is None else self._decoded.body)
    params = Lazy[dict[str, str]](lambda _: {})
    auth_method = Lazy[Auth](lambda _: Auth.ANY)

    @Lazy
    def files(self) -> Values[dict[str, Any]]:
        """The files of a multipart form."""
        return Values() if self._decoded is None else self._decoded.files

    @Lazy
    def headers(self) -> Headers:
        """The fields, Cookie excepted, which is in ``cookies`` (Blade)."""
        fields = self._message.head.fields
        return Headers.adopt(fields.pairs, fields.index)

    @Lazy
    def trailers(self) -> Headers:
        """The trailer fields of a chunked body; those that have no business there are dropped."""
        return Headers.adopt(self._message.trailers)

    @Lazy
    def path(self) -> str:
        """The path, percent-decoded as UTF-8; one that cannot be decoded is as it was sent.

        "*" for OPTIONS of the whole server.
        """
        return decode_path(self._message.head.path)

    @Lazy
    def queries(self) -> Values[str]:
        """The fields of the query; the last of a repeated name, `get_all` gives every one."""
        return parse_query(self._message.head.query, limit=len(self._message.head.query) + 1)

    @Lazy
    def cookies(self) -> Values[str]:
        """The cookies the client sent."""
        return parse_cookies(self._message.head.fields.cookie)

    @Lazy
    def host(self) -> str:
        """The host name asked for, without the port: of an absolute target, else of Host."""
        return host_name(self._message.head.authority or self._message.head.fields.host or "")

    @property
    def scheme(self) -> str:
        """What the URL begins with: "https" if it came over TLS, else "http"."""
        return "https" if self.is_secure else "http"

    @property
    def content_type(self) -> str:
        """The value of Content-Type, "" if there is none."""
        return self.headers.get("Content-Type", "")

    def parse(self, raw_data: str | bytes, client: socket | None = None) -> bool:
        """Fill this request from one complete raw HTTP request (Blade).

        Args:
            raw_data: The bytes; a str is one character for one byte, or else UTF-8.
            client: The socket they came from, for ``ip`` and ``port``.

        Returns:
            Whether it is one valid request with nothing after it. If not, the request is
            left as it was.
        """
        reader = RequestReader(HeadParser(DEFAULT_LIMITS))
        message: Request | None = None
        reader.feed(raw_data.encode() if isinstance(raw_data, str) else bytes(raw_data))
        try:
            message = reader.take_request()
            if message is None or reader.buffered:
                return False
            decoded = _decoded(message, DEFAULT_LIMITS)
        except ProtocolError:
            if message is not None:
                message.close()
            return False
        finally:
            reader.close()
        for attribute in vars(HttpRequest).values():
            if isinstance(attribute, Lazy):
                attribute.forget(self)
        self._fill(message, decoded)
        if client is not None:
            ip, port = client.getpeername()[:2]
            self._client = ClientInfo(ip, port, ipv6=":" in ip)
        return True

    def send(
        self,
        uri: str,
        method: str,
        data: Any = None,
        options: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Send a request with this request's headers and cookies (Blade).

        Fields that framed this request where it was received are left out, and so is its Host.

        Args:
            uri: The URL.
            method: The method.
            data: The body; see `HttpClient.send_request`.
            options: Properties of the client for this request, such as
                ``{"follow_redirect": False}``. It is true by default.

        Raises:
            HttpException: As `HttpClient.send_request`.
        """
        # The one late import: Blade's API wants the cycle.
        from bladehttp.client import HttpClient  # noqa: PLC0415

        properties = {"auth_method": self.auth_method, "follow_redirect": True} | (options or {})
        received = self._message.head.fields.host
        headers = Headers.adopt(
            (name, value)
            for name, value in self.headers.pairs()
            if name.lower() not in FRAMING and (name.lower() != "host" or value != received)
        )
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with HttpClient() as client:
            return client.send_request(uri, method, data, headers=headers, **properties)

    def close(self) -> None:
        """Close the temporary files of a large body and of large uploads."""
        self._message.close()
        if self._decoded is None:
            return
        files = self._decoded.files
        for name in files:
            for upload in files.get_all(name):
                if "file" in upload:
                    upload["file"].close()

    def to_dict(self) -> dict[str, Any]:
        """Return every documented attribute, as JSON takes them."""
        return {
            "request_uri": self.request_uri,
            "path": self.path,
            "method": self.method,
            "host": self.host,
            "ip": self.ip,
            "headers": dict(self.headers),
            "queries": dict(self.queries),
            "cookies": dict(self.cookies),
            "body": as_json(self.body) if isinstance(self.body, bytes) else self.body,
            "files": {name: _file_as_dict(file) for name, file in self.files.items()},
            "http_version": self.http_version,
            "auth_method": int(self.auth_method),
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), default=as_json)

    def __repr__(self) -> str:
        return f"<HttpRequest method={self.method}, path={self.path}>"


NOBODY = ClientInfo("", 0, ipv6=False)
EMPTY_HEAD = RequestHead("GET", "/", 1, NO_FIELDS, path="/")


def _decoded(message: Request, limits: Limits) -> Decoded | None:
    if not message.body and message.file is None:
        return None
    content_type = message.head.fields.index.get("content-type", "")
    return decode(content_type, message.body, message.file, limits)


def _file_as_dict(file: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in file.items() if key != "file"}
