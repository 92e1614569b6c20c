"""The other end of a counted program's connections: raw sockets, as fast as Python goes."""

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.instructions.counted import Counted

TIMEOUT = 60
"""Seconds for any one call on a socket."""

THOUGHT = 0.005
"""Seconds before each answer. The counted client, fifty times slower than usual, is sure to wait
for it by then: an answer that is sometimes there already saves it a poll."""

ANSWERS = {b"/json": b'{"hello": "world", "list": [1, 2, 3]}'}
"""Bodies by the path; any other path has HELLO."""

HELLO = b"Hello, world!"

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x\r\nContent-Length: %d\r\n\r\n"
)


REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /hop%d\r\nDate: x\r\nContent-Length: 0\r\n\r\n"


def connect(port: int, count: int) -> list[socket.socket]:
    """Open connections to a port of this machine."""
    return [socket.create_connection(("127.0.0.1", port), TIMEOUT) for _ in range(count)]


def connect_tls(
    port: int, count: int, context: ssl.SSLContext, server: Counted
) -> list[ssl.SSLSocket]:
    """Open TLS connections to a counted server, which has to be stepped for each flight."""

    def handshake(plain: socket.socket) -> ssl.SSLSocket:
        return context.wrap_socket(plain, server_hostname="localhost")

    with ThreadPoolExecutor(count) as threads:
        waiting = [threads.submit(handshake, plain) for plain in connect(port, count)]
        while not all(one.done() for one in waiting):
            server.do("tls-step 10")
        return [one.result() for one in waiting]


def send_all(clients: Sequence[socket.socket], requests: Iterable[bytes]) -> None:
    """Send each client's request."""
    for client, request in zip(clients, requests, strict=True):
        client.sendall(request)


def take_answers(
    clients: Sequence[socket.socket], body: bytes = b"Hello, world!", each: int = 1
) -> None:
    """Read the answers, so many on each connection.

    Raises:
        ConnectionError: There was another answer than 200 with that body.
    """
    for client in clients:
        data = b""
        while data.count(body) < each:
            more = client.recv(65536)
            data += more
            if not more or not data.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(f"the counted server answered {data[:200]!r}")


def answer_to(path: bytes) -> bytes:
    """Return the answer to a request: 200 and a few bytes, or from /hop5 on five redirects."""
    hops = path.partition(b"/hop")[2]
    if hops not in (b"", b"0"):
        return REDIRECT % (int(hops) - 1)
    body = ANSWERS.get(path, HELLO)
    return ANSWER % len(body) + body


class Answerer:
    """A server for the counted client; see `answer_to`.

    Attributes:
        url: Where.
    """

    def __init__(self) -> None:
        """Start to listen."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while request_line := lines.readline():
                length = 0
                while (line := lines.readline().lower()) not in (b"\r\n", b""):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                lines.read(length)
                time.sleep(THOUGHT)
                connection.sendall(answer_to(request_line.split()[1]))

    def close(self) -> None:
        """Stop listening; connections end with their clients."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
