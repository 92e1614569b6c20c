"""Real peers for the client: a server that answers as it is told, and a count of what leaks."""

import contextlib
import errno
import importlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from support import Certificates, Loops

from bladehttp.client import HttpClient
from bladehttp.client._client import close_shared
from bladehttp.client._curl.transfer_options import WANT_DIGEST

PATIENCE = 30
"""Seconds after which a peer gives up. Nothing passes by waiting this long."""


@dataclass
class Seen:
    """A request as it came over the wire."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0

    def get(self, name: str) -> str | None:
        values = self.get_all(name)
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Connection:
    """One accepted connection: reads requests, writes what it is told to."""

    def __init__(self, raw: socket.socket, number: int) -> None:
        raw.settimeout(PATIENCE)
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw
        self.number = number
        self._buffer = b""

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("peer went away")
        self._buffer += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        before, _, self._buffer = self._buffer.partition(mark)
        return before

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def read_head(self) -> Seen:
        line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        fields = [(name, value.strip()) for name, _, value in (f.partition(":") for f in lines)]
        return Seen(method, target, fields, connection=self.number)

    def read_request(self) -> Seen:
        request = self.read_head()
        if request.get("Expect") == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.get("Transfer-Encoding") == "chunked":
            while size := int(self._until(b"\r\n"), 16):
                request.body += self._exactly(size)
                self._until(b"\r\n")
            self._until(b"\r\n")
        else:
            request.body = self._exactly(int(request.get("Content-Length") or 0))
        return request

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hang_up(self) -> None:
        """End with FIN, so that what was sent arrives."""
        self.socket.shutdown(socket.SHUT_WR)

    def send_until_full(self, block: bytes, most: int) -> int:
        """Send a block again and again until nobody takes it; return how often, at the most."""
        self.socket.settimeout(0.05)
        sent = 0
        try:
            while sent < most:
                self.socket.sendall(block)
                sent += 1
        except TimeoutError:
            pass
        self.socket.settimeout(PATIENCE)
        return sent

    def reset(self) -> None:
        """End with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


Handler = Callable[[Connection], None]
Respond = Callable[[Seen], bytes]


@dataclass
class Peer:
    """A threaded server on a free port that runs a handler for each connection."""

    handler: Handler
    context: ssl.SSLContext | None = None
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    path: str | None = None
    """Of a Unix socket, in place of a port."""

    def __post_init__(self) -> None:
        scheme = "http" if self.context is None else "https"
        if self.path is None:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            self.port = self.listener.getsockname()[1]
            self.url = f"{scheme}://127.0.0.1:{self.port}"
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            self.listener.listen(128)
            self.url = f"{scheme}://localhost"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError as error:
                if error.errno != errno.EMFILE:
                    return
                time.sleep(0.001)  # a test has taken every descriptor, for a moment
                continue
            self.connections += 1
            self._sockets.append(raw)
            thread = threading.Thread(target=self._serve, args=(raw, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        try:
            if self.context is not None:
                raw.settimeout(PATIENCE)
                raw = self.context.wrap_socket(raw, server_side=True)
                self._sockets.append(raw)
            with raw:
                self.handler(Connection(raw, number))
        except (OSError, ValueError):
            raw.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._threads[0].join(PATIENCE)
        for raw in self._sockets:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads[1:]:
            thread.join(PATIENCE)
        for raw in self._sockets:
            raw.close()

    @property
    def last(self) -> Seen:
        return self.requests[-1]


def answer(
    body: bytes = b"", status: int | str = "200 OK", *fields: str, length: bool = True
) -> bytes:
    """Return the bytes of a response."""
    lines = [f"HTTP/1.1 {status}", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


OK = answer(b"ok")


class Peers:
    """Makes peers and closes them all."""

    def __init__(self) -> None:
        self.made: list[Peer] = []

    def __call__(
        self, respond: Respond | bytes = OK, context: ssl.SSLContext | None = None
    ) -> Peer:
        """Serve requests one after the other on kept connections."""

        def handle(connection: Connection) -> None:
            while True:
                request = connection.read_request()
                peer.requests.append(request)
                connection.send(respond if isinstance(respond, bytes) else respond(request))

        peer = self.raw(handle, context)
        return peer

    def once(self, data: bytes, reset: bool = False) -> Peer:
        """Read one request on each connection, send the data and hang up."""

        def handle(connection: Connection) -> None:
            peer.requests.append(connection.read_request())
            connection.send(data)
            if reset:
                connection.reset()
            else:
                connection.hang_up()
                connection.socket.recv(1)

        peer = self.raw(handle)
        return peer

    def raw(
        self, handler: Handler, context: ssl.SSLContext | None = None, path: str | None = None
    ) -> Peer:
        self.made.append(Peer(handler, context, path=path))
        return self.made[-1]

    def close(self) -> None:
        for peer in self.made:
            peer.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def each_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test on asyncio's event loop, and on uvloop's."""
    if request.param == "uvloop":
        Loops.factory = pytest.importorskip("uvloop").new_event_loop
    yield
    Loops.factory = None


@pytest.fixture(scope="session")
def reply() -> Callable[..., bytes]:
    return answer


@pytest.fixture
def peers() -> Iterator[Peers]:
    made = Peers()
    yield made
    made.close()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient() as made:
        yield made


@pytest.fixture(scope="session")
def server_context(certificates: Certificates) -> ssl.SSLContext:
    """The TLS side of a server at localhost, 127.0.0.1 and ::1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert_file, certificates.key_file)
    return context


@pytest.fixture
def tls_httpserver(server_context: ssl.SSLContext) -> Iterator[HTTPServer]:
    with HTTPServer(host="localhost", ssl_context=server_context) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _started_before_counting(make_httpserver: HTTPServer) -> None:
    """pytest-httpserver keeps its server for the session, uvloop two descriptors."""
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop").new_event_loop().close()


@pytest.fixture(autouse=True)
def _nothing_leaks(_started_before_counting: None) -> Iterator[None]:
    close_shared()  # tests that ran before may have left it open, and one of these closes it
    before = held()
    yield
    give_up = time.monotonic() + PATIENCE  # a server's thread may have yet to see our FIN
    while is_more(held(), before) and time.monotonic() < give_up:
        time.sleep(0.001)
    assert not is_more(held(), before), f"{held()} after {before}"


@pytest.fixture(autouse=True)
def _forgets_proxies() -> Iterator[None]:
    """A proxy of a later test may have the port, and so the URL, of one that wants Digest."""
    yield
    WANT_DIGEST.clear()


def is_more(after: tuple[int, int], before: tuple[int, int]) -> bool:
    """Whether something is left; fewer are what a test before has left to end by itself."""
    return after[0] > before[0] or after[1] > before[1]


def held() -> tuple[int, int]:
    """Return how many descriptors and threads this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()
