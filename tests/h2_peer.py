"""A server of HTTP/2 over TLS that sends the frames it is told to.

Header blocks are literals that HPACK (RFC 7541) has without a table; those of requests are not
read, so a request is known by its content.
"""

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1

STATUS = {200: b"\x88", 204: b"\x89", 404: b"\x8d", 500: b"\x8e"}  # RFC 7541 appendix A

INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 2, 7, 8


def field(name: bytes, value: bytes) -> bytes:
    """Return a field, as a literal that is not indexed (RFC 7541 section 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


@dataclass
class Request:
    """A request whose end has come."""

    stream: int
    body: bytes


class Http2:
    """The server's side of one connection."""

    def __init__(self, raw: socket.socket, number: int) -> None:
        self.socket = raw
        self.number = number
        self._buffer = b""
        self._bodies: dict[int, bytes] = {}
        assert self._take(len(PREFACE)) == PREFACE
        self.frame(SETTINGS)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("peer went away")
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def frame(self, kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> None:
        head = struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream)
        self.socket.sendall(head + payload)

    def read(self) -> Request:
        """Return the next request that is complete."""
        while True:
            head = self._take(9)
            length = int.from_bytes(head[:3], "big")
            kind, flags, stream = struct.unpack("!BBI", head[3:])
            payload = self._take(length)
            if kind == SETTINGS and not flags & ACK:
                self.frame(SETTINGS, flags=ACK)
            elif kind == PING and not flags & ACK:
                self.frame(PING, payload=payload, flags=ACK)
            elif kind in (HEADERS, DATA):
                body = self._bodies.get(stream, b"") + (payload if kind == DATA else b"")
                self._bodies[stream] = body
                if flags & END_STREAM:
                    return Request(stream, self._bodies.pop(stream))

    def answer(
        self, stream: int, body: bytes = b"", *fields: bytes, status: int = 200, ends: bool = True
    ) -> None:
        """Send a response."""
        self.head(stream, *fields, status=status)
        self.frame(DATA, stream, body, END_STREAM if ends else 0)

    def head(self, stream: int, *fields: bytes, status: int = 200) -> None:
        self.frame(HEADERS, stream, STATUS[status] + b"".join(fields), END_HEADERS)

    def reset(self, stream: int, code: int) -> None:
        self.frame(RST_STREAM, stream, struct.pack("!I", code))

    def go_away(self, last_stream: int, code: int = 0) -> None:
        self.frame(GOAWAY, 0, struct.pack("!II", last_stream, code))


def serving(handler: Callable[[Http2], None]) -> Callable[..., None]:
    """Return a handler of connections (`Peers.raw`) that speaks HTTP/2."""
    return lambda connection: handler(Http2(connection.socket, connection.number))


def with_http2(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have a server's context agree on HTTP/2."""
    context.set_alpn_protocols(["h2"])
    return context
