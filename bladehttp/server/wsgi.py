"""A server's callbacks and routes as a WSGI application (PEP 3333).

The request is reassembled from the WSGI environment and parsed by the same reader as requests from
sockets; responses are written by the same writer, except for fields of the connection. So the same
rules and limits apply.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes
from wsgiref.util import is_hop_by_hop

from bladehttp._data.headers import TCHAR
from bladehttp._message.faults import Raw, length_of
from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.head import FieldBlock, HeadParser
from bladehttp._wire.reader import Request, RequestReader
from bladehttp._wire.request_line import check_target, make_line, parse_request_line
from bladehttp._wire.target import decode_path
from bladehttp._wire.writer import LAST_CHUNK, Coding, Reply, write_chunk, write_head
from bladehttp.exceptions import ProtocolError
from bladehttp.server._dispatch.dispatcher import Dispatcher
from bladehttp.server._dispatch.forwarded import TrustedProxies
from bladehttp.server._files.file_response import apply_conditions

__all__ = ["Environ", "WsgiApplication"]

Environ = dict[str, Any]

BLOCK = 64 * 1024
"""Bytes of a body read at a time."""

PATH_SAFE = "/!$&'()*+,;=:@"
"""RFC 3986 section 3.3: pchar without the characters that `quote` never encodes."""

NAMELESS = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
"""Fields that are in the environment without HTTP_. Those that are there with it too are not
read: a field "Content_Length" of a client's own can have become them."""

# Several Cookie fields, which HTTP/2 allows (RFC 9113 section 8.2.3), are one in the environment,
# and most servers join them as they join others. A comma is no cookie-octet (RFC 6265 4.1.1).
_joined_cookies = re.compile(rf",[ \t]*(?=[{TCHAR}]+=)").sub

# What a server may speak with its clients that is not read here: HTTP/2, HTTP/2.0, HTTP/3.
_later_version = re.compile("HTTP/([2-9](?:[.][0-9])?)").fullmatch


class WsgiApplication:
    """The callbacks and routes of one server, called by a WSGI server.

    Several threads may call it at a time, if the callbacks allow it.
    """

    __slots__ = ("_decode_request_body", "_dispatcher", "_parser", "_proxies")

    def __init__(
        self,
        dispatcher: Dispatcher,
        parser: HeadParser,
        proxies: TrustedProxies,
        decode_request_body: bool,
    ) -> None:
        """Answer requests that pass the parser, which holds the limits, by a dispatcher."""
        self._dispatcher = dispatcher
        self._parser = parser
        self._proxies = proxies
        self._decode_request_body = decode_request_body

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer one request; an exception of a callback is answered with 500."""
        method, dispatcher = environ["REQUEST_METHOD"], self._dispatcher
        reader, begun, is_understood = RequestReader(self._parser), monotonic(), True
        try:
            request = self._receive(environ, reader)
        except ProtocolError as error:
            request, is_understood = self._partial_request(environ, reader), reader.has_head
            response = dispatcher.refuse(error, request, None)
        except Exception as error:  # noqa: BLE001 - no temporary file, no memory, a fault of ours
            request = self._partial_request(environ, reader)
            response = dispatcher.failures.server_error(error, None, request)
            response = dispatcher.run_after_request(request, response, None)
        else:
            response = self._respond(request)
        response, reply = self._write(request, response, method)
        told = request if is_understood else None
        answered = partial(self._answered, _client(environ), told, response, begun)
        body = WsgiBody(dispatcher, request, response, reply, answered)
        try:
            start_response(*_parts(reply.head))
            dispatcher.notices.call_on_reply(request, response, None)
        except BaseException:
            body.close()
            raise
        return body

    def _answered(
        self,
        client: ClientInfo,
        request: HttpRequest | None,
        response: HttpResponse,
        begun: float,
        sent: int,
    ) -> None:
        """Call on_answered for a finished response."""
        now = monotonic()
        parts = (client, request, response, sent, (now - begun) * 1000)
        self._dispatcher.notices.call_on_answered(parts, None, now)

    def _receive(self, environ: Environ, reader: RequestReader) -> HttpRequest:
        message = _read(environ, reader)
        secure = environ.get("wsgi.url_scheme") == "https"
        request = HttpRequest.from_wire(message.line, message.fields, _client(environ), secure)
        limits = self._parser.limits_for(message.line, message.fields)
        request.receive_content(message, limits, self._decode_request_body)
        version = _later_version(environ.get("SERVER_PROTOCOL", ""))
        if version:
            request.http_version = version[1]
        if environ.get("SCRIPT_NAME"):  # PEP 3333: the application's place is part of the URL
            request.request_uri = quote(environ["SCRIPT_NAME"].encode("latin-1"), PATH_SAFE) + (
                request.request_uri
            )
        if self._proxies:
            self._proxies.apply(request)
        error = check_target(message.line, request.scheme)
        if error is not None:
            request.close()
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame
        return request

    def _partial_request(self, environ: Environ, reader: RequestReader) -> HttpRequest:
        """Return the understood part of a request that no handler will answer."""
        request = _partial_request(environ, reader.partial.fields)
        if self._proxies:
            self._proxies.apply(request)
        return request

    def _respond(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self._dispatcher.respond(request, None)
            if response.deferred is not None:
                response.deferred.wait()
                response = self._dispatcher.settle_deferred(
                    request, response, response.deferred, None
                )
            response = self._dispatcher.changed(apply_conditions, request, response, None)
            return self._dispatcher.run_after_request(request, response, None)
        except BaseException:  # what ends the WSGI server: KeyboardInterrupt, SystemExit
            request.close()
            raise

    def _write(
        self, request: HttpRequest, response: HttpResponse, method: str
    ) -> tuple[HttpResponse, Reply]:
        """Return a response that can be sent, this one or its replacement, and its head."""
        try:
            return response, _head(response, method)
        except Exception as error:  # noqa: BLE001 - what cannot be sent is the handler's fault
            response = self._dispatcher.replace_unsendable(error, request, response, None, _head)
            return response, _head(response, method)


class WsgiBody:
    """The body of an answer, as a WSGI server takes it: iterated over, then closed."""

    __slots__ = (
        "_answered",
        "_body",
        "_dispatcher",
        "_reply",
        "_request",
        "_response",
        "_sent",
        "_source",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        request: HttpRequest,
        response: HttpResponse,
        reply: Reply,
        answered: Callable[[int], None],
    ) -> None:
        """Make a body; ``answered`` is called once it is over, with the bytes that were taken."""
        self._answered: Callable[[int], None] | None = answered
        self._dispatcher = dispatcher
        self._reply = reply
        self._request = request
        self._response = response
        self._sent = 0
        self._source = response.source  # as it was announced: callbacks may put another there
        self._body = b"" if response.source is not None else response.body

    def __iter__(self) -> Iterator[bytes]:
        if self._reply.coding is Coding.NONE:
            return iter(())
        if self._source is None:
            return self._counted((self._body,))
        return self._counted(self._chunks(self._source))

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self._sent += len(chunk)  # the server has come back for more

    def _chunks(self, source: Iterable[Any]) -> Iterator[bytes]:
        """Yield the chunks of a stream. An error ends the connection: headers have gone."""
        length = self._reply.length if self._reply.coding is Coding.LENGTH else None
        chunks = _exactly(source, length)
        while True:
            try:
                chunk = next(chunks, None)
            except BaseException as error:
                self._dispatcher.notices.report(error, None, self._request)
                if isinstance(error, Exception):
                    raise
                raise RuntimeError("a streamed body has failed") from error
            if chunk is None:
                return
            yield chunk

    def close(self) -> None:
        """Close the source of the body and the temporary files of the request."""
        answered, self._answered = self._answered, None
        self._response.source = self._source
        try:
            self._dispatcher.failures.discard(self._response, None, self._request)
        finally:
            self._request.close()
            if answered is not None:
                answered(self._sent)


def _exactly(source: Iterable[Any], length: int | None) -> Iterator[bytes]:
    """Yield the chunks of a stream as bytes, and raise if they are not as long as announced."""
    sent = 0
    for chunk in source:
        data = bytes(memoryview(chunk))
        sent += len(data)
        if length is not None and sent > length:
            raise ValueError("a streamed body is longer than its Content-Length")
        if data:
            yield data
    if length is not None and sent < length:
        raise ValueError(f"a streamed body is {length - sent} bytes short of its Content-Length")


def _partial_request(environ: Environ, fields: FieldBlock) -> HttpRequest:
    """Return the understood part of a refused request: its line, and its fields if all were."""
    query = environ.get("QUERY_STRING", "")
    path = quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"), PATH_SAFE)
    target = path + ("?" + query if query else "")
    decoded = decode_path(path)
    line = make_line(
        environ["REQUEST_METHOD"], target, 1, path=path, query=query, decoded_path=decoded
    )
    secure = environ.get("wsgi.url_scheme") == "https"
    return HttpRequest.from_wire(line, fields, _client(environ), secure)


def _read(environ: Environ, reader: RequestReader) -> Request:
    """Read the request as from a socket.

    Raises:
        ProtocolError: As `RequestReader` raises it, or 411 for a body whose end cannot be told.
    """
    chunks = _content(environ)
    try:
        reader.feed(_request_head(environ))
        while (message := reader.take_request()) is None:
            data = next(chunks, b"")
            if data:
                reader.feed(data)
            else:
                reader.feed_eof()
    except UnicodeEncodeError as error:  # a name that was not ASCII, put into upper case
        raise ProtocolError(
            "WSGI environment holds a character beyond Latin-1 (PEP 3333)"
        ) from error
    finally:
        reader.close()
    return message


def _request_head(environ: Environ) -> bytes:
    version = "HTTP/1.0" if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else "HTTP/1.1"
    lines = [f"{environ['REQUEST_METHOD']} {_target(environ)} {version}"]
    for key, value in environ.items():
        if key == "HTTP_COOKIE":
            lines.append(f"Cookie: {_joined_cookies('; ', value)}")
        elif key.startswith("HTTP_") and key[5:] not in NAMELESS:
            lines.append(f"{key[5:].replace('_', '-').title()}: {value}")
        elif value and key in NAMELESS:
            lines.append(f"{NAMELESS[key]}: {value}")
    head = "\r\n".join([*lines, "", ""])
    if not head.count("\r") == head.count("\n") == len(lines) + 1:
        raise ProtocolError("a line end within a field")
    return head.encode("latin-1")


def _target(environ: Environ) -> str:
    """Return the request target: as it was sent if the server reports it, else an equivalent one.

    It has to be equivalent to PATH_INFO and QUERY_STRING, since middleware may have changed them,
    or moved a part to SCRIPT_NAME.
    """
    path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    sent = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if sent and not environ.get("SCRIPT_NAME"):
        line = parse_request_line(f"{environ['REQUEST_METHOD']} {sent} HTTP/1.1".encode("latin-1"))
        # Octets beyond ASCII that were not encoded: gunicorn makes UTF-8 of each.
        means = unquote_to_bytes(line.path.encode("latin-1")), unquote_to_bytes(line.path)
        if path.encode("latin-1") in means and line.query == query:
            return str(sent)
    return (quote(path.encode("latin-1"), PATH_SAFE) or "/") + ("?" + query if query else "")


def _content(environ: Environ) -> Iterator[bytes]:
    """Yield the body as it goes after the head, in chunks if the head says so."""
    source = environ["wsgi.input"]
    if not environ.get("HTTP_TRANSFER_ENCODING"):
        missing = int(environ["CONTENT_LENGTH"])
        while missing and (data := _take(source, min(missing, BLOCK))):
            missing -= len(data)
            yield data
    elif environ.get("wsgi.input_terminated"):
        while data := _take(source, BLOCK):
            yield write_chunk(data)
        yield LAST_CHUNK
    else:
        raise ProtocolError(
            "chunked body without wsgi.input_terminated: its end is unknown", status=411
        )


def _take(source: IO[bytes], size: int) -> bytes:
    """Read from the client; a failure is the client's error."""
    try:
        return source.read(size)
    except Exception as error:
        raise ProtocolError(f"the body cannot be read: {error}") from error


def _client(environ: Environ) -> ClientInfo:
    ip, port = environ.get("REMOTE_ADDR", ""), str(environ.get("REMOTE_PORT", ""))
    return ClientInfo(ip, int(port) if port.isdecimal() else 0, ipv6=":" in ip)


def _head(response: HttpResponse, method: str = "GET") -> Reply:
    """Return the head of a response; Date is left to the WSGI server, as Connection is.

    Raises:
        ValueError: The status or the framing fields are invalid (`write_head`).
        TypeError: A raw response cannot be sent through WSGI.
    """
    if isinstance(response.source, Raw):
        raise TypeError("a raw response cannot be sent through WSGI")
    status, reason, fields, body = response.as_sent()
    length = len(body) if response.source is None else length_of(response.source)
    return write_head(status, reason, fields, length, second=None, method=method)


def _parts(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return status and fields as start_response takes them."""
    status_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    fields = (line.split(": ", 1) for line in lines)
    return (
        status_line.removeprefix("HTTP/1.1 "),
        [(name, value) for name, value in fields if not is_hop_by_hop(name)],
    )
