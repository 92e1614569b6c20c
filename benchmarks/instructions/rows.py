"""Rows: what is counted, and how the counted program is driven through it."""

import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import trustme

from benchmarks.heads import SIMPLE_HEAD, browser_heads
from benchmarks.instructions.counted import Counted
from benchmarks.instructions.wire import Answerer, connect, connect_tls, send_all, take_answers

WARM = 5
"""Rounds before counting: code has been specialised, caches are filled."""

ROUNDS = 10
CLIENTS = 64
PIPELINED = 16

CLIENT_ROWS = (
    # name                          command
    ("client get",                  "get"),
    ("client get, read JSON",       "read"),
    ("client get, two headers",     "headers"),
    ("client get, new header",      "new-header"),
    ("client get, timeout",         "timeout"),
    ("client get, auth",            "auth"),
    ("client post 1 byte",          "post-byte"),
    ("client post 1 KB",            "post"),
    ("client post JSON",            "post-json"),
    ("client five redirects",       "chain"),
    ("client send_many",            "many"),
    ("client send_many, mixed",     "mixed"),
    ("client get, asyncio",         "async-get"),
    ("bare pycurl get",             "bare"),
    ("bare pycurl two headers",     "bare-headers"),
    ("bare pycurl post 1 byte",     "bare-post"),
    ("bare pycurl five redirects",  "bare-chain"),
)  # fmt: skip
TIMES = 80
STRETCHES = 3
"""Of each row the least counts, as a busy machine can only cost polls."""


def count_server() -> dict[str, float]:
    """Return instructions for each request of the server's rows."""
    with tempfile.TemporaryDirectory() as directory:
        authority = trustme.CA()
        pem = str(Path(directory) / "server.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with Counted("counted_server", pem) as server:
            plain, secure = map(int, server.greeting.split())
            keep_alive(server, plain)
            new_connections(server, plain)
            tls(server, secure, context)
    return server.figures


def rounds(server: Counted, name: str, requests: int) -> Iterator[None]:
    """Yield for each round; the first ones are not counted."""
    for _ in range(WARM):
        yield
    with server.stretch(name, ROUNDS * requests):
        for _ in range(ROUNDS):
            yield


def keep_alive(server: Counted, port: int) -> None:
    """Count requests on connections that are kept: hello, browsers' heads, pipelined."""
    clients = connect(port, CLIENTS)
    for _ in rounds(server, "server hello", CLIENTS):
        send_all(clients, [SIMPLE_HEAD] * CLIENTS)
        server.do(f"answer {CLIENTS}")
        take_answers(clients)
    heads = browser_heads()
    for _ in rounds(server, "server browser heads", CLIENTS):
        send_all(clients, [next(heads) for _ in clients])
        server.do(f"answer {CLIENTS}")
        take_answers(clients)
    few = clients[:8]
    for _ in rounds(server, "server pipelined", len(few) * PIPELINED):
        send_all(few, [SIMPLE_HEAD * PIPELINED] * len(few))
        server.do(f"answer {len(few) * PIPELINED}")
        take_answers(few, PIPELINED)
    for client in clients:
        client.close()
    server.do("step 10")


def new_connections(server: Counted, port: int) -> None:
    """Count requests with a connection each, from accept to close."""
    request = SIMPLE_HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for _ in rounds(server, "server new connection", CLIENTS):
        clients = connect(port, CLIENTS)
        send_all(clients, [request] * CLIENTS)
        server.do(f"answer {CLIENTS}")
        take_answers(clients)
        for client in clients:
            client.close()
        server.do("step 10")


def tls(server: Counted, port: int, context: ssl.SSLContext) -> None:
    """Count requests on TLS connections that are kept; handshakes are not counted."""
    clients = connect_tls(port, 16, context, server)
    for _ in rounds(server, "server TLS hello", len(clients)):
        send_all(clients, [SIMPLE_HEAD] * len(clients))
        server.do(f"answer-tls {len(clients)}")
        take_answers(clients)
    for client in clients:
        client.close()


def count_client() -> dict[str, float]:
    """Return instructions for each request of the client's rows, and for the import."""
    with closing(Answerer()) as answerer, Counted("counted_client", answerer.url) as client:
        with client.stretch("import bladehttp", 1):
            client.do("import 1")
        client.do("load-async 1")
        for name, command in CLIENT_ROWS:
            client.do(f"{command} {TIMES}")
            for _ in range(STRETCHES):
                with client.stretch(name, TIMES):
                    client.do(f"{command} {TIMES}")
    return client.figures


COUNTS: tuple[Callable[[], dict[str, float]], ...] = (count_server, count_client)
