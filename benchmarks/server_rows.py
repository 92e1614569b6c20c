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
    Entrant,
    Metric,
    Row,
    Sample,
    Target,
)
from benchmarks.server_peers import PEERS, Served, Work, served
from benchmarks.setting import Setting

IDLE = 10_000

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
BROWSERS = Load(64, ("heads", "HEADS"))
LATENCY = Work("hello", Load(1))
PIPELINED = (RATE, CPU, KERNEL, BUSY, PEAK)  # wrk times no pipelined request
USUAL = (RATE, CPU, KERNEL, BUSY, P50, P99, PEAK)

ROWS = (
    Row(
        "hello", "hello, 64 connections", USUAL,
        everybody(HELLO, ("uvicorn", "bjoern", "granian", "waitress", "http.server", "nginx")),
        (at_least(2.2, "uvicorn"), at_least(0.8, "bjoern")),
    ),
    Row(
        "browsers", "heads of 12 fields of 64 browsers, varying paths, 64 connections", USUAL,
        everybody(Work("hello", BROWSERS), ("uvicorn", "bjoern", "granian", "nginx")),
        (at_least(2.2, "uvicorn"), at_least(0.9, "bjoern")),
    ),
    Row(
        "512", "hello, 512 connections", USUAL,
        everybody(Work("hello", Load(512)), ("uvicorn", "bjoern", "granian")),
        (at_least(2.5, "uvicorn"),),
    ),
    Row(
        "pipelined", "hello, 64 connections, 16 requests at a time", PIPELINED,
        (
            served(OURS, Work("hello", Load(64, ("pipeline", "16")))),
            served(OURS, HELLO, ONE_AT_A_TIME),
            served("uvicorn", Work("hello", Load(64, ("pipeline", "16")))),
        ),
        (at_least(3, ONE_AT_A_TIME),),
    ),
    Row(
        "new", "a new connection for each request, 64 at a time", USUAL,
        everybody(Work("hello", Load(64, ("close",))), ("uvicorn", "bjoern", "granian", "nginx")),
        (at_least(2.2, "uvicorn"),),
    ),
    Row(
        "tls", "hello over TLS, 64 connections that are kept", USUAL,
        everybody(Work("hello", Load(64), is_secure=True), ("uvicorn", "granian", "nginx")),
        (at_least(2.2, "uvicorn"),),
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
