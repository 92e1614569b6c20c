"""What several test modules need: raw clients, certificates, a count of what a process holds."""

import asyncio
import contextlib
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import trustme

PATIENCE = 30
"""Seconds after which a test gives up waiting. Nothing passes by waiting this long."""


@dataclass
class Response:
    """A response read off a raw socket."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return values[0] if values else None

    @property
    def header(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.fields}


class Raw:
    """A client that sends and reads exactly what it is told to."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def send(self, data: bytes | str) -> "Raw":
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def get(self, path: str = "/", *fields: str, method: str = "GET") -> "Raw":
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]
        return self.send("\r\n".join(lines))

    def shut(self) -> "Raw":
        """Send FIN, keep reading."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def more(self) -> bool:
        """Read what comes next into the buffer; False at the end."""
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def read_all(self) -> bytes:
        """Return everything up to the end of the connection, a reset counting as one."""
        with contextlib.suppress(ConnectionResetError):
            while self.more():
                pass
        data, self.buffer = self.buffer, b""
        return data

    def at_end(self) -> bool:
        """Whether the server has closed and nothing is left."""
        return self.read_all() == b""

    def take(self, count: int) -> bytes:
        pieces, size = [self.buffer], len(self.buffer)
        while size < count:
            pieces.append(self.socket.recv(65536))
            assert pieces[-1], f"closed after {b''.join(pieces)[-100:]!r}"
            size += len(pieces[-1])
        data = b"".join(pieces)
        self.buffer = data[count:]
        return data[:count]

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            assert self.more(), f"closed after {self.buffer!r}"
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def response(self, method: str = "GET") -> Response:
        """Read one response as RFC 9112 section 6.3 frames it."""
        _, status, reason = self.line().decode("latin-1").split(" ", 2)
        fields = []
        while line := self.line().decode("latin-1"):
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        response = Response(int(status), reason, fields, b"")
        if method != "HEAD" and response.status >= 200 and response.status not in (204, 304):
            response.body = self._body(response)
        return response

    def _body(self, response: Response) -> bytes:
        if response.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.line(), 16):
                pieces.append(self.take(size))
                assert self.line() == b""
            assert self.line() == b""
            return b"".join(pieces)
        length = response.get("Content-Length")
        return self.read_all() if length is None else self.take(int(length))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Certificates:
    """A throw-away authority and what it signed, as files."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.directory = directory
        self.cert_file, self.key_file = self.issue("server", "localhost", "127.0.0.1", "::1")

    def issue(self, file_name: str, *names: str) -> tuple[str, str]:
        certificate = self.authority.issue_cert(*names)
        cert_file = str(self.directory / f"{file_name}.pem")
        key_file = str(self.directory / f"{file_name}.key")
        for number, blob in enumerate(certificate.cert_chain_pems):
            blob.write_to_path(cert_file, append=number > 0)
        certificate.private_key_pem.write_to_path(key_file)
        return cert_file, key_file

    def client_context(self, chain: tuple[str, str] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if chain is not None:
            context.load_cert_chain(*chain)
        return context


@contextlib.contextmanager
def child(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program that is ended however the test ends."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def descriptors() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def free_port() -> int:
    """A port that was free a moment ago, for a program that cannot be given port 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], message: str = "it did not happen") -> None:
    """Return as soon as a condition holds that nothing can be waited for with."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.001)


SLOWNESS = "blocked the server for"
"""Part of the warning of a slow handler. On a busy machine any handler may be one."""


def is_not_of_slowness(record: logging.LogRecord) -> bool:
    """Whether a record is no warning of a slow handler; a filter of logging."""
    return SLOWNESS not in record.getMessage()


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if descriptors or threads are left behind."""
    before = descriptors(), threading.active_count()
    yield
    wait_until(
        lambda: (
            (descriptors(), threading.active_count()) <= before
            and threading.active_count() <= before[1]
        ),
        f"left: {descriptors()} descriptors, {threading.enumerate()} after {before}",
    )


class Loops:
    """The kind of event loop that `run_async` makes; tests/client/conftest.py sets it."""

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None


def run_async(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as `asyncio.run` does, on the kind of loop the test is for."""
    with asyncio.Runner(loop_factory=Loops.factory) as runner:
        return runner.run(main)
