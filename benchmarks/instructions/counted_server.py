"""The servers whose instructions are counted. Arguments: a certificate's file, an access log.

The other end of their connections is another process, so that only the servers' own work is
counted; and they step only when all they are to find is there, so that each run does the same.
"""

import os
import sys
from collections.abc import Callable

from benchmarks.instructions.applications import APPLICATIONS, server_for
from benchmarks.instructions.obey import obey
from bladehttp.server import HttpServer


def commands(name: str, server: HttpServer) -> dict[str, Callable[[int], None]]:
    """Return two: answer some requests; wake for what is there within some milliseconds."""
    stats = server.stats
    server.step()  # binds

    def answer(count: int) -> None:
        wanted = stats.requests + count
        while stats.requests < wanted:
            server.step(None)

    def step(milliseconds: int) -> None:
        server.step(milliseconds)

    return {name: answer, f"{name}-step": step}


def main() -> None:
    """Serve until standard input ends."""
    pem, log = sys.argv[1:]
    servers = {name: server_for(name, log) for name in APPLICATIONS}
    secure = servers["tls"] = server_for("hello", log, is_secure=True)
    secure.load_certs(pem)
    every: dict[str, Callable[[int], None]] = {}
    for name, server in servers.items():
        every |= commands(name, server)
    os.write(1, (" ".join(str(server.port) for server in servers.values()) + "\n").encode())
    obey(every)


if __name__ == "__main__":
    main()
