"""HttpRequest: the request that a server's callbacks get, and Blade's request object.

Most attributes are computed when they are first read. All of them can be assigned to, as in Blade.
"""

import json
from dataclasses import dataclass
from socket import socket
from typing import IO, Any, BinaryIO

from bladehttp._data.auth import Auth
from bladehttp._data.cookies import parse_cookies
from bladehttp._data.headers import Headers, new_object
from bladehttp._data.jsonable import as_json
from bladehttp._data.lazy import Lazy, lazy
from bladehttp._data.multidict import MultiDict, Required
from bladehttp._data.uploads import Upload
from bladehttp._message.content import Content
from bladehttp._message.response import HttpResponse
from bladehttp._wire.head import NO_FIELDS, FieldBlock, HeadParser
from bladehttp._wire.limits import Limits
from bladehttp._wire.reader import Request, RequestReader
from bladehttp._wire.request_line import VERSIONS, RequestLine, make_line
from bladehttp._wire.target import host_name
from bladehttp._wire.urlencoded import parse_fields, unquote
from bladehttp.exceptions import ProtocolError

DEFAULT_LIMITS = Limits()

FRAMING = frozenset(
    {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding"}
)
"""Fields that are about one message on one connection, not about the request."""


@dataclass(slots=True, unsafe_hash=True)  # frozen it would cost each connection 4,500 instructions
class ClientInfo:
    """The other end of a server's connection; the argument of on_disconnect callbacks.

    Attributes:
        ip: Its address.
        port: Its port.
        ipv6: Whether the address is IPv6.
        certificate: The client's verified certificate, as returned by ssl.SSLSocket.getpeercert();
            None for none.
    """

    ip: str
    port: int
    ipv6: bool
    certificate: dict[str, Any] | None = None


class HttpRequest(Lazy):
    """One HTTP request.

    Attributes:
        request_uri: The request target as it was sent, nothing decoded.
        path: The path, percent-decoded as UTF-8; pieces that cannot be decoded are as they were
            sent. "*" for OPTIONS of the whole server.
        method: The method, case kept. "GET" unless set.
        host: The host name asked for, without the port: of an absolute target, else of Host.
        headers: The fields, Cookie excepted.
        cookies: The cookies the client sent; `MultiDict.get_all` gives every value of a name.
        queries: The fields of the query; the last of a repeated name, `get_all` gives every one.
        http_version: "1.0" or "1.1" (or another 1.x that the client sent).
        ip: The address of the client, "" where it is not known.
        port: The client's port, 0 where it is not known.
        ipv6: Whether ``ip`` is an IPv6 address.
        is_secure: Whether it came over TLS.
        body: A `MultiDict` of an urlencoded or multipart form's fields or of a JSON object, another
            decoded value of JSON, bytes for any other type, {} if there is none.
        files: Name to an `Upload` {name, filename, mime, content, size} for each part of a
            multipart form that has a filename or a Content-Type; `get_all` gives several under
            one name. A part without a filename is in ``body`` as well if it is text.
        raw_body: The content as it was sent, without chunked framing.
        body_file: The temporary file with a body longer than the server's ``spool_size``, else
            None. It is closed when the request has been answered.
        trailers: The trailer fields of a chunked body.
        disconnected: Whether the client has gone, or has at least sent its last byte, while
            its answer was to be given later; False until that is seen.
        client_certificate: The certificate the client showed and the server verified, as
            ssl.SSLSocket.getpeercert() has it; None for none.
        params: The values of the parameters in the route's path, {} if it has none.
        auth_method: For `send`: which authentication methods may be used when the URL has a
            name and a password. Auth.ANY.

    ``body``, ``files``, ``raw_body`` and ``body_file`` are decoded when they are first read. They
    raise a ProtocolError then if the content is malformed. ``body``, ``files``,
    ``queries``, ``cookies`` and ``params`` raise a KeyError for a name that is not there. If a
    handler does not catch them, the answer is 400 (or the error's ``status``), and on_error is
    not called.
    """

    __slots__ = (
        *("_client", "_fields", "_headers", "_line", "_params", "_received"),
        *("disconnected", "http_version", "ip", "is_secure", "method", "path", "request_uri"),
    )

    _client: ClientInfo
    _fields: FieldBlock
    _headers: Headers | None
    _line: RequestLine
    _params: dict[str, str] | None
    _received: Content | None
    # Not lazy: the server's thread may set the first while a worker reads others, and the rest cost
    # less than it takes to find out that they were not computed.
    disconnected: bool
    http_version: str
    ip: str
    is_secure: bool
    method: str
    path: str
    request_uri: str

    _authority: lazy[str] = lazy(lambda request: _authority(request._line, request._fields))
    auth_method: lazy[Auth] = lazy(lambda _: Auth.ANY)
    body: lazy[Any] = lazy(lambda request: request._content.decoded.body)
    body_file: lazy[IO[bytes] | None] = lazy(lambda request: request._content.message.file)
    client_certificate: lazy[dict[str, Any] | None] = lazy(
        lambda request: request._client.certificate
    )
    cookies: lazy[MultiDict[str]] = lazy(lambda request: parse_cookies(request._fields.cookie))
    files: lazy[MultiDict[Upload]] = lazy(
        lambda request: request._content.decoded.files or MultiDict()
    )
    host: lazy[str] = lazy(lambda request: host_name(_authority(request._line, request._fields)))
    ipv6: lazy[bool] = lazy(lambda request: request._client.ipv6)
    port: lazy[int] = lazy(lambda request: request._client.port)
    queries: lazy[MultiDict[str]] = lazy(lambda request: _queries(request._line.query))
    raw_body: lazy[bytes] = lazy(lambda request: request._content.raw)
    trailers: lazy[Headers] = lazy(
        lambda request: Headers.adopt(request._content.received.trailers)
    )

    def __init__(self) -> None:
        """Make an empty GET, to be filled by `parse` or sent by `send`."""
        self._become(HttpRequest.from_wire(EMPTY_LINE, NO_FIELDS, NO_CLIENT, is_secure=False))

    @staticmethod
    def from_wire(
        line: RequestLine, fields: FieldBlock, client: ClientInfo, is_secure: bool
    ) -> "HttpRequest":
        """Make the request for callbacks from a received head."""
        request: HttpRequest = new_object(HttpRequest)
        request._line = line
        request._fields = fields
        request._client = client
        request._headers = request._params = request._received = request._lazy = None
        request.ip = client.ip
        request.method = line.method
        request.path = line.decoded_path
        request.request_uri = line.target
        request.http_version = VERSIONS[line.minor]
        request.is_secure = is_secure
        request.disconnected = False
        return request

    def _become(self, other: "HttpRequest") -> None:
        """Take every attribute of another request."""
        for name in ("_lazy", *HttpRequest.__slots__):
            setattr(self, name, getattr(other, name))

    def receive_content(self, message: Request, limits: Limits, is_encoded: bool) -> None:
        """Take the content of the request as received; see `Content`."""
        self._received = Content(message, limits, is_encoded)

    # These three are no `lazy`, which takes two to three times the instructions: handlers come
    # here for each field and each parameter, the server with each body.

    @property
    def headers(self) -> Headers:
        """The fields: see the class."""
        headers = self._headers
        if headers is None:
            headers = self._headers = self._fields.headers()
        return headers

    @headers.setter
    def headers(self, value: Headers) -> None:
        self._headers = value

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the route: see the class."""
        params = self._params
        if params is None:
            params = self._params = Required()
        return params

    @params.setter
    def params(self, value: dict[str, str]) -> None:
        self._params = value

    @property
    def _content(self) -> Content:
        content = self._received
        if content is None:
            message = Request(self._line, self._fields, keep_alive=True)
            content = self._received = Content(message, DEFAULT_LIMITS)
        return content

    def open(self) -> BinaryIO:
        """Return a binary stream over the content, for one that may be long.

        Each call gives a stream of its own, at the beginning. It is to be closed.

        Raises:
            ProtocolError: As ``raw_body``.
            ValueError: The content was in a temporary file, and the request has been answered.
        """
        return self._content.open()

    @property
    def size(self) -> int:
        """Bytes of the content as it was sent, without chunked framing."""
        return self._content.size

    @property
    def content(self) -> bytes:
        """``raw_body``: the name the client's response has for it."""
        return self.raw_body

    @property
    def scheme(self) -> str:
        """The scheme of the URL: "https" if the request came over TLS, else "http"."""
        return "https" if self.is_secure else "http"

    @property
    def url(self) -> str:
        """The URL that was asked for, as sent: scheme, host, port and request target.

        Behind trusted proxies it is the one that the first of them was asked for. Of a request
        without Host (HTTP/1.0) it is the target alone.
        """
        authority, line = authority_of(self), self._line
        target = line.target
        if not target.startswith("/"):  # RFC 9112 section 3.2: absolute-form, "*"
            target = line.path.removeprefix("*") + (f"?{line.query}" if line.query else "")
        return f"{self.scheme}://{authority}{target}" if authority else target or line.target

    @property
    def path_octets(self) -> bytes:
        """The path percent-decoded, as bytes: a name in it need not be UTF-8.

        If another ``path`` was assigned, it is that.
        """
        line = self._line
        if self.path == line.decoded_path:
            return unquote(line.path.encode("latin-1"))
        return self.path.encode("utf-8", "surrogateescape")

    def asked_by(self, authority: str) -> None:
        """Set the host and port that the request was sent to."""
        self._authority = authority
        self.host = host_name(authority)

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
            if message is None or reader.buffer:
                return False
            content = Content(message, DEFAULT_LIMITS)
            content.decoded  # noqa: B018 - as it is not valid otherwise
        except ProtocolError:
            if message is not None:
                message.close()
            return False
        finally:
            reader.close()
        given = self._client if client is None else _info_of(client)
        self._become(HttpRequest.from_wire(message.line, message.fields, given, self.is_secure))
        self._received = content
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
        received = self._fields.host
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
        if self._received is not None:
            self._received.close()

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


def head_of(request: HttpRequest) -> tuple[RequestLine, FieldBlock]:
    """Return the head of a request as it was received."""
    return request._line, request._fields


def outer_path_of(request: HttpRequest) -> str:
    """Return the path, as sent, below which this server is an application of another; "": none."""
    uri, target = request.request_uri, request._line.target
    return uri.removesuffix(target) if uri != target and uri.endswith(target) else ""


def authority_of(request: HttpRequest) -> str:
    """Return the host and port that a request was sent to, "" if it has no Host (HTTP/1.0)."""
    authority, host = request._authority, request.host
    if host_name(authority) == host:
        return authority
    return f"[{host}]" if ":" in host else host  # it was assigned


def line_of(request: HttpRequest) -> str:
    """Return the request line as received; "" if there is none, or a part of it was assigned."""
    line = request._line
    if (
        request.request_uri is line.target
        and request.method is line.method
        and request.http_version is VERSIONS[line.minor]
    ):
        return line.text
    return ""


NO_CLIENT = ClientInfo("", 0, ipv6=False)
EMPTY_LINE = make_line("GET", "/", 1, path="/", decoded_path="/")


def _info_of(client: socket) -> ClientInfo:
    peer = client.getpeername()
    if not isinstance(peer, tuple):  # a unix socket's has no address
        return NO_CLIENT
    return ClientInfo(peer[0], peer[1], ipv6=":" in peer[0])


def _queries(query: str) -> MultiDict[str]:
    return parse_fields(query.encode("latin-1"), len(query) + 1)


def _authority(line: RequestLine, fields: FieldBlock) -> str:
    """RFC 9112 section 3.2.2: an absolute target goes before Host."""
    return line.authority or fields.host or ""


def _file_as_dict(file: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in file.items() if key != "file"}
