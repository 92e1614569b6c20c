"""The rows of the servers: work, who takes part, and what is to be reached."""

import resource
import socket
from collections.abc import Iterable

from benchmarks.heads import SIMPLE_HEAD
from benchmarks.load import Load
from benchmarks.model import (
    BUSY,
    BYTES,
    CPU,
    KERNEL,
    OURS,
    P50,
    P99,
    PEAK,
    RATE,
    WORTH,
    Entrant,
    Metric,
    Row,
    Sample,
    Target,
)
from benchmarks.server_peers import PEERS, Served, Work, served
from benchmarks.servers import ORDER as ORDER_BYTES
from benchmarks.setting import Setting

IDLE = 10_000

ORDER_TEXT = ORDER_BYTES.decode()

ONE_AT_A_TIME = f"{OURS}, not pipelined"
WITHOUT = f"{OURS} without them"


def at_least(bound: float, against: str, metric: Metric = RATE) -> Target:
    """Return the target of a ratio."""
    return Target(metric, bound, against, least=True)


def everybody(work: Work, labels: Iterable[str]) -> tuple[Entrant, ...]:
    """Return ours and others as entrants for the same work."""
    return tuple(served(label, work) for label in (OURS, *labels))


class Crowded(Served):
    """Our server with many idle connections beside the one that is measured."""

    def __init__(self, work: Work, setting: Setting) -> None:
        """Start it and connect them."""
        super().__init__(PEERS[OURS], work, setting)
        self._idle: list[socket.socket] = []
        try:
            self._bytes = self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> float:
        """Return the bytes that each of the connections takes once it has been answered."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        before = self.group.memory("VmRSS")
        for _ in range(min(IDLE, hard - 200)):
            client = socket.create_connection(("127.0.0.1", self.port), 10)
            self._idle.append(client)
            client.sendall(SIMPLE_HEAD)
            client.recv(65536)
        return (self.group.memory("VmRSS") - before) / len(self._idle)

    def round(self, seconds: float) -> Sample:
        """Measure the active connection."""
        return super().round(seconds) | {"bytes": self._bytes, "idle": len(self._idle)}

    def close(self) -> None:
        """Let them go and end it."""
        for client in self._idle:
            client.close()
        super().close()


HELLO = Work("hello", Load(64))
BARE = Work("bare", Load(64))
LATENCY = Work("bare", Load(1))
ORDER = Load(64, ("json", ORDER_TEXT))
PIPELINED = (RATE, CPU, KERNEL, BUSY, PEAK)  # wrk times no pipelined request
USUAL = (WORTH, RATE, CPU, KERNEL, BUSY, P50, P99, PEAK)


def heads(file: str) -> Work:
    """Return hello for 64 connections that send the heads of a file."""
    return Work("hello", Load(64, ("heads", file)))


def beats(uvicorn: float, bjoern: float | None = None) -> tuple[Target, ...]:
    """Return the targets of work for each second of processor time."""
    targets = (at_least(uvicorn, "uvicorn", WORTH),)
    return targets if bjoern is None else (*targets, at_least(bjoern, "bjoern", WORTH))


ROWS = (
    Row(
        "hello", "hello: path read, two fields set, 64 connections", USUAL,
        everybody(HELLO, ("uvicorn", "bjoern", "granian", "waitress", "http.server")),
        beats(2.3, 0.85),
    ),
    Row(
        "browsers", "hello, heads of 12 fields of 64 browsers, varying paths", USUAL,
        everybody(heads("HEADS"), ("uvicorn", "bjoern", "granian")), beats(2.3, 0.95),
    ),
    Row(
        "proxied", "hello, two fields differ with every request, as behind a proxy", USUAL,
        everybody(heads("PROXIED"), ("uvicorn", "bjoern", "granian")), beats(1.6),
    ),
    Row(
        "cookies", "hello, a browser with 2.8 KB of cookies", USUAL,
        everybody(heads("COOKIES"), ("uvicorn", "bjoern", "granian")), beats(2.0, 1.1),
    ),
    Row(
        "data", "JSON of a small dict", USUAL,
        everybody(Work("data", Load(64)), ("uvicorn", "bjoern", "granian")), beats(2.2),
    ),
    Row(
        "order", "POST of 43 bytes of JSON, read and answered", USUAL,
        everybody(Work("order", ORDER), ("uvicorn", "bjoern", "granian")), beats(1.4),
    ),
    Row(
        "route", "a route with a parameter among 100; uvicorn with Starlette", USUAL,
        everybody(Work("route", Load(64), path="/things57/7"), ("uvicorn",)), beats(4),
    ),
    Row(
        "log", "hello, access log to a file", USUAL,
        everybody(Work("log", Load(64)), ("uvicorn",)), beats(2.0),
    ),
    Row(
        "512", "hello, 512 connections", USUAL,
        everybody(Work("hello", Load(512)), ("uvicorn", "bjoern", "granian")), beats(2.2),
    ),
    Row(
        "new", "hello, a new connection for each request, 64 at a time", USUAL,
        everybody(Work("hello", Load(64, ("close",))), ("uvicorn", "bjoern", "granian")),
        beats(1.6),
    ),
    Row(
        "tls", "hello over TLS, 64 connections that are kept", USUAL,
        everybody(Work("hello", Load(64), is_secure=True), ("uvicorn", "granian")), beats(2.0),
    ),
    Row(
        "bare", "known by heart: 13 bytes, no field set, one head for ever (nginx: return)", USUAL,
        everybody(BARE, ("uvicorn", "bjoern", "granian", "nginx")), (),
    ),
    Row(
        "pipelined", "known by heart: 16 requests at a time, 64 connections", PIPELINED,
        (
            served(OURS, Work("bare", Load(64, ("pipeline", "16")))),
            served(OURS, BARE, ONE_AT_A_TIME),
            served("uvicorn", Work("bare", Load(64, ("pipeline", "16")))),
        ),
        (at_least(3, ONE_AT_A_TIME),),
    ),
    Row(
        "post", "POST of 1 MB, 8 connections", USUAL,
        everybody(Work("sink", Load(8, ("post", "1000000"))), ("uvicorn", "bjoern", "granian")),
        (at_least(1.5, "uvicorn"), Target(PEAK, 40)),
    ),
    Row(
        "large", "a response of 10 MB from memory, 8 connections", USUAL,
        everybody(Work("large", Load(8)), ("uvicorn", "bjoern", "granian")),
        (at_least(1.2, "uvicorn"), Target(PEAK, 40)),
    ),
    Row(
        "static", "a file of 10 MB, 8 connections; nginx with sendfile", USUAL,
        everybody(Work("static", Load(8), path="/10.bin"), ("nginx",)),
        (at_least(1.0, "nginx"),),
    ),
    Row(
        "latency", "latency, 1 connection", (P50, P99, RATE, CPU),
        everybody(LATENCY, ("bjoern", "uvicorn", "granian", "nginx")),
        (Target(P50, 1.0, "bjoern"), Target(P99, 1.0, "bjoern")),
    ),
    Row(
        "idle", f"latency of 1 connection beside {IDLE:,} idle ones", (P50, P99, BYTES),
        (
            Entrant(OURS, lambda setting: Crowded(Work("idle", Load(1)), setting)),
            served(OURS, Work("idle", Load(1)), WITHOUT),
        ),
        (Target(BYTES, 1024), Target(P50, 1.05, WITHOUT), Target(P99, 1.05, WITHOUT)),
    ),
)  # fmt: skip
