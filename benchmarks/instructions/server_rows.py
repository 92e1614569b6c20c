"""The rows of the counted server: what is sent, to which application, and how it is driven."""

import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import trustme

from benchmarks.heads import (
    SIMPLE_HEAD,
    browser_heads,
    cookie_heads,
    post_of_json,
    proxied_heads,
)
from benchmarks.instructions.applications import APPLICATIONS, HELLO, ORDER, PRODUCT
from benchmarks.instructions.counted import Counted
from benchmarks.instructions.wire import connect, connect_tls, send_all, take_answers

WARM = 5
"""Rounds before counting: code has been specialised, caches are filled."""

ROUNDS = 10
CLIENTS = 64
PIPELINED = 16
ROUTED_HEAD = b"GET /section42/items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """Work on connections that are kept.

    Attributes:
        name: The row's name.
        application: The handler, of `applications.APPLICATIONS`.
        requests: Returns an iterator over requests, without end.
        body: The body of each response.
    """

    name: str
    application: str
    requests: Callable[[], Iterator[bytes]]
    body: bytes = HELLO


def simple_heads() -> Iterator[bytes]:
    """Yield the same two lines."""
    return repeat(SIMPLE_HEAD)


def routed_heads() -> Iterator[bytes]:
    """Yield heads of different paths of one route."""
    return (ROUTED_HEAD % number for number in range(1_000_000))


def posts() -> Iterator[bytes]:
    """Yield the same POST."""
    return repeat(post_of_json())


# Remembered: the handler sets no field and the head has come before in the same bytes, so that what
# is counted is the way from recv to send with every cache warm. The others do what a handler does.
ROWS = (
    Row("server hello, remembered",         "hello",  simple_heads),
    Row("server browsers, remembered",      "hello",  browser_heads),
    Row("server path and 2 fields",         "fields", simple_heads),
    Row("server browsers, 2 fields",        "fields", browser_heads),
    Row("server new fields each time",      "fields", proxied_heads),
    Row("server 2.8 KB of cookies",         "fields", cookie_heads),
    Row("server small JSON",                "json",   simple_heads, PRODUCT),
    Row("server POST of JSON",              "order",  posts, ORDER),
    Row("server route of 100",              "routes", routed_heads),
    Row("server access log to a file",      "logged", simple_heads),
)  # fmt: skip


def count_server() -> dict[str, float]:
    """Return instructions for each request of the server's rows."""
    with tempfile.TemporaryDirectory() as directory:
        authority = trustme.CA()
        pem = str(Path(directory) / "server.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with Counted("counted_server", pem, str(Path(directory) / "access.log")) as server:
            ports = dict(zip((*APPLICATIONS, "tls"), server.greeting.split(), strict=True))
            for row in ROWS:
                keep_alive(server, row, int(ports[row.application]))
            pipelined(server, int(ports["hello"]))
            new_connections(server, int(ports["hello"]))
            tls(server, int(ports["tls"]), context)
    return server.figures


def rounds(server: Counted, name: str, requests: int) -> Iterator[None]:
    """Yield for each round; the first ones are not counted."""
    for _ in range(WARM):
        yield
    with server.stretch(name, ROUNDS * requests):
        for _ in range(ROUNDS):
            yield


def keep_alive(server: Counted, row: Row, port: int) -> None:
    """Count a row's requests on connections that are kept."""
    clients, requests = connect(port, CLIENTS), row.requests()
    for _ in rounds(server, row.name, CLIENTS):
        send_all(clients, [next(requests) for _ in clients])
        server.do(f"{row.application} {CLIENTS}")
        take_answers(clients, row.body)
    for client in clients:
        client.close()
    server.do(f"{row.application}-step 10")


def pipelined(server: Counted, port: int) -> None:
    """Count requests of which many arrive at once."""
    clients = connect(port, 8)
    for _ in rounds(server, "server pipelined, remembered", len(clients) * PIPELINED):
        send_all(clients, [SIMPLE_HEAD * PIPELINED] * len(clients))
        server.do(f"hello {len(clients) * PIPELINED}")
        take_answers(clients, each=PIPELINED)
    for client in clients:
        client.close()
    server.do("hello-step 10")


def new_connections(server: Counted, port: int) -> None:
    """Count requests with a connection each, from accept to close."""
    request = SIMPLE_HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for _ in rounds(server, "server new connection", CLIENTS):
        clients = connect(port, CLIENTS)
        send_all(clients, [request] * CLIENTS)
        server.do(f"hello {CLIENTS}")
        take_answers(clients)
        for client in clients:
            client.close()
        server.do("hello-step 10")


def tls(server: Counted, port: int, context: ssl.SSLContext) -> None:
    """Count requests on TLS connections that are kept; handshakes are not counted."""
    clients = connect_tls(port, 16, context, server)
    for _ in rounds(server, "server TLS hello", len(clients)):
        send_all(clients, [SIMPLE_HEAD] * len(clients))
        server.do(f"tls {len(clients)}")
        take_answers(clients)
    for client in clients:
        client.close()
