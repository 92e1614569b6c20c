"""The server whose instructions are counted.

The other end of its connections is another process, so that only the server's own work is
counted; and it steps only when all it is to find is there, so that each run does the same.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.instructions.obey import obey
from bladehttp.server import HttpServer

PATIENCE = 120_000
"""Milliseconds. Every clock runs; they are long, as all takes fifty times as long here."""


def hello_server(is_secure: bool) -> HttpServer:
    """Return a server that says hello."""
    server = HttpServer(0, is_secure=is_secure)
    server.max_requests_per_connection = 0
    server.read_timeout = server.write_timeout = PATIENCE
    server.header_timeout = server.keep_alive_timeout = server.handshake_timeout = PATIENCE

    @server.on_receive
    def hello(request: Any, response: Any) -> None:  # noqa: ARG001
        response.write(b"Hello, world!")

    return server


def commands(server: HttpServer) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """Return two: wake for what is there within some milliseconds; answer some requests."""
    stats = server.stats
    server.step()  # binds

    def step(milliseconds: int) -> None:
        server.step(milliseconds)

    def answer(count: int) -> None:
        wanted = stats.requests + count
        while stats.requests < wanted:
            server.step(None)

    return step, answer


def main() -> None:
    """Serve until standard input ends."""
    plain, secure = hello_server(is_secure=False), hello_server(is_secure=True)
    secure.load_certs(sys.argv[1])
    step, answer = commands(plain)
    step_tls, answer_tls = commands(secure)
    os.write(1, f"{plain.port} {secure.port}\n".encode())
    obey({"step": step, "answer": answer, "step-tls": step_tls, "answer-tls": answer_tls})


if __name__ == "__main__":
    main()
