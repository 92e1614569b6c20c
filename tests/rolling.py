"""A rolling restart under load: processes are replaced one after the other while clients ask."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from support import PATIENCE, wait_until

EXAMPLE = Path(__file__).parents[1] / "examples" / "deployed.py"

CLIENTS = 8

# What systemd does between fork and exec
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Supervised:
    """Processes of the example, each replaced as a supervisor does: told to end, then started."""

    def __init__(self, directory: Path, environments: list[dict[str, str]], inherited: int = -1):
        self.directory = directory
        self.environments = environments
        self.inherited = inherited
        self.processes: list[subprocess.Popen[bytes]] = []
        self.turn = 0

    def start(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start one and return when it says that it is ready."""
        program = [sys.executable, str(EXAMPLE)]
        options: dict[str, Any] = {}
        if self.inherited >= 0:
            program = [sys.executable, "-c", AS_SYSTEMD, str(self.inherited), *program]
            options["pass_fds"] = [self.inherited]
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.settimeout(PATIENCE)
            variables = {**os.environ, **environment, "NOTIFY_SOCKET": str(path)}
            process = subprocess.Popen(program, env=variables, **options)
            try:
                assert manager.recv(100) == b"READY=1"
            except BaseException:
                process.kill()
                process.wait()
                raise
        return process

    def restart(self) -> None:
        """Replace the next one."""
        number = self.turn % len(self.processes)
        self.turn += 1
        old = self.processes[number]
        old.send_signal(signal.SIGTERM)
        assert old.wait(PATIENCE) == 0
        self.processes[number] = self.start(self.environments[number])

    def __enter__(self) -> Self:
        try:
            for environment in self.environments:
                self.processes.append(self.start(environment))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


class Load:
    """Clients that ask without a pause, and what they did not get."""

    def __init__(self, port: int, kept: bool, context: ssl.SSLContext | None) -> None:
        self.port = port
        self.kept = kept
        self.context = context
        self.counts = [0] * CLIENTS
        self.lost: list[str] = []
        self.goes_on = True

    def connected(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_hostname="localhost")
        return sock

    def ask(self, sock: socket.socket) -> bool:
        """Ask once; return whether the connection may be used again."""
        end = b"" if self.kept else b"Connection: close\r\n"
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + end + b"\r\n")
        data = b""
        while not data.endswith(b"\r\n\r\nok\n"):
            piece = sock.recv(65536)
            if not piece or (data and not data.startswith(b"HTTP/1.1 200")):
                raise OSError(f"closed or refused: {(data + piece)[:60]!r}")
            data += piece
        return self.kept and b"connection: close" not in data.lower()

    def run(self, number: int) -> None:
        sock: socket.socket | None = None
        while self.goes_on:
            try:
                sock = sock or self.connected()
                if self.ask(sock):
                    self.counts[number] += 1
                    continue
                self.counts[number] += 1
            except OSError as error:
                self.lost.append(repr(error))
            if sock is not None:
                sock.close()
                sock = None
        if sock is not None:
            sock.close()

    def wait_for(self, count: int) -> None:
        """Wait until so many more requests are answered."""
        wanted = sum(self.counts) + count
        seen = -1
        while sum(self.counts) < wanted:
            assert seen < sum(self.counts), f"stands still at {seen}"
            assert len(self.lost) < 1000, self.lost[:3]
            seen = sum(self.counts)
            with contextlib.suppress(AssertionError):  # slow, as long as it goes on
                wait_until(lambda: sum(self.counts) >= wanted or len(self.lost) > 1000)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.run, args=(each,)) for each in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.goes_on = False
            for thread in threads:
                thread.join()


def roll(
    port: int,
    restart: Callable[[], None],
    requests: int,
    *,
    kept: bool,
    context: ssl.SSLContext | None = None,
    restarts: int = 4,
) -> tuple[int, list[str]]:
    """Restart until so many requests are answered.

    Returns:
        How many were answered, and what happened to the others.
    """
    load = Load(port, kept, context)
    done = 0
    share = min(requests // restarts, 5000)
    with load.running():
        while sum(load.counts) < requests or done < restarts:
            restart()
            done += 1
            load.wait_for(share)
    return sum(load.counts), load.lost
