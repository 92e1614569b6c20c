"""Measure what only shows with many connections or much time: `make soak`.

Prints Markdown: ten thousand idle connections (memory, processor time, what they do to an
active client), and how exactly each deadline is kept. With an argument it is also written to
that file.
"""

import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import trustme

from bladehttp.server import HttpServer

IDLE = 10_000
PROBES = 2000
"""Requests of the active client in each round."""

ROUNDS = 5
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def serve() -> None:
    """Be the server with many connections: answer questions about itself until told to end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = HttpServer(0)
    server.max_connections = 0
    server.max_requests_per_connection = 0
    server.keep_alive_timeout = 600_000
    server.on_receive(lambda request, response: response.write(b"Hello, world!"))
    with server:
        print(server.port, flush=True)
        for line in sys.stdin:
            if line == "memory\n":
                print(int(Path("/proc/self/statm").read_text().split()[1]) * 4096, flush=True)
            elif line == "processor\n":
                print(time.process_time(), flush=True)


class Child:
    """The server in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.process.stdout.readline())

    def ask(self, what: str) -> float:
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate("")


def latencies(client: socket.socket) -> list[float]:
    """Return microseconds of each of many exchanges."""
    times = []
    for _ in range(PROBES):
        start = time.perf_counter()
        client.sendall(REQUEST)
        client.recv(65536)
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)


def figures(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), times[len(times) * 99 // 100]


def idle_connections() -> list[str]:
    """Measure two servers in turn: one alone with the active client, one with many idle ones."""
    crowded, empty = Child(), Child()
    active = {
        child: socket.create_connection(("127.0.0.1", child.port)) for child in (crowded, empty)
    }
    for client in active.values():
        latencies(client)  # warm
    before = crowded.ask("memory")
    idle = []
    for _ in range(IDLE):
        client = socket.create_connection(("127.0.0.1", crowded.port))
        client.sendall(REQUEST)
        client.recv(65536)
        idle.append(client)
    memory = (crowded.ask("memory") - before) / IDLE
    rows = [
        (figures(latencies(active[crowded])), figures(latencies(active[empty])))
        for _ in range(ROUNDS)
    ]
    ratios = sorted(with_[0] / without[0] for with_, without in rows)
    tails = sorted(with_[1] / without[1] for with_, without in rows)
    used, start = crowded.ask("processor"), time.monotonic()
    time.sleep(10)
    busy = (crowded.ask("processor") - used) / (time.monotonic() - start) * 100
    for client in (*idle, *active.values()):
        client.close()
    crowded.close()
    empty.close()
    return [
        f"## {IDLE:,} idle keep-alive connections",
        "",
        "| what | measured | to be |",
        "|---|---|---|",
        f"| memory of the server for each connection | {memory:,.0f} bytes | under 2,048 |",
        f"| processor time of the server while all are idle, 10 s | {busy:.3f} % | 0.1 % at the most |",
        (f"| median latency of an active client, with / without them ({ROUNDS} rounds in turn of "
        f"{PROBES:,}) | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | 1 |"),
        f"| 99th percentile, likewise | {statistics.median(tails):.2f} ({tails[0]:.2f} to {tails[-1]:.2f}) | 1 |",
        f"| median latency with / without | {rows[-1][0][0]:.0f} / {rows[-1][1][0]:.0f} microseconds | |",
    ]  # fmt: skip


def slow_head(server: HttpServer) -> float:
    with socket.create_connection((server.host, server.port)) as client:
        return until_answered(client, b"GET / HTTP/1.1\r\nX: " + b"x" * 500)


def slow_body(server: HttpServer) -> float:
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        return until_answered(client, b"x" * 500)


def until_answered(client: socket.socket, drip: bytes) -> float:
    """Send a byte a second until the server answers; what follows is lingering."""
    start = time.monotonic()
    client.settimeout(1)
    for byte in drip:
        client.send(bytes([byte]))
        try:
            client.recv(65536)
        except TimeoutError:
            continue
        break
    return time.monotonic() - start


def silence(server: HttpServer) -> float:
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"GET / HT")
        return until_closed_reading(client)


def idle(server: HttpServer) -> float:
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(REQUEST)
        return until_closed_reading(client)


def until_closed_reading(client: socket.socket) -> float:
    start = time.monotonic()
    while client.recv(65536):
        pass
    return time.monotonic() - start


def slow_reader(server: HttpServer) -> float:
    gone = threading.Event()
    server.on_disconnect(lambda _: gone.set())
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        start = time.monotonic()
        gone.wait(60)
        return time.monotonic() - start


def stalled_handshake(server: HttpServer) -> float:
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01")
        return until_closed_reading(client)


CLOCKS: list[tuple[str, str, Callable[[HttpServer], float], int | None]] = [
    # what the client does, property, how, its value where not the default
    ("head at 1 byte/s", "header_timeout", slow_head, None),
    ("body at 1 byte/s", "request_timeout", slow_body, 15_000),
    ("falls silent in its head", "read_timeout", silence, None),
    ("reads nothing of 50 MB", "write_timeout", slow_reader, None),
    ("stalls its handshake", "handshake_timeout", stalled_handshake, None),
    ("is idle between requests", "keep_alive_timeout", idle, None),
]


def deadlines(directory: Path) -> list[str]:
    authority = trustme.CA()
    pem = directory / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    rows = [
        "## Deadlines",
        "",
        "| a client that | clock | is to end after | ended after | late by |",
        "|---|---|---|---|---|",
    ]
    for what, name, measure, value in CLOCKS:
        server = HttpServer(0, is_secure=measure is stalled_handshake)
        server.load_certs(str(pem))
        if value is not None:
            setattr(server, name, value)
        server.on_receive(
            lambda request, response: response.write(
                b"x" * (50_000_000 if request.path == "/large" else 1)
            )
        )
        wanted = getattr(server, name) / 1000
        with server:
            took = measure(server)
        rows.append(
            f"| {what} | `{name}` | {wanted:.0f} s | {took:.2f} s | {(took / wanted - 1) * 100:.1f} % |"
        )
    return rows


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        lines = [
            "# What only time and numbers show",
            "",
            f"Printed by `make soak` with CPython {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}, server and",
            "clients on one machine of two cores.",
            "",
            *idle_connections(),
            "",
            *deadlines(Path(directory)),
        ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
