"""The servers: how each is started, one row each."""

import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks import load
from benchmarks.load import Load
from benchmarks.model import OURS, AbsentError, Entrant, Sample
from benchmarks.processes import SERVER_CORE, Group, free_port
from benchmarks.servers import nginx
from benchmarks.setting import Setting

WARM = 1.0
"""Seconds of load before the first round."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a server is to do.

    Attributes:
        application: Of benchmarks.servers; for nginx a file of its root.
        load: What comes.
        is_secure: Whether over TLS.
        path: What is asked.
    """

    application: str
    load: Load
    is_secure: bool = False
    path: str = "/"

    @property
    def handler(self) -> str:
        """What the application runs: some differ only in how the server is set up."""
        return {"log": "hello", "idle": "bare"}.get(self.application, self.application)


Command = Callable[[Setting, Work, int], list[str]]
"""Returns what starts it on a port."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server.

    Attributes:
        label: What it is called.
        distribution: What to ask for its version; None: it is not a distribution.
        module: Without which it is absent; None: part of Python, or no Python.
        get: How it is got.
        command: Starts it.
    """

    label: str
    distribution: str | None
    module: str | None
    get: str
    command: Command


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _ours(setting: Setting, work: Work, port: int) -> list[str]:
    files = [setting.pem] if work.is_secure else []
    if work.application == "static":
        files = [str(Path(setting.file(10)).parent)]
    if work.application == "log":
        files = [str(setting.directory / "access.log")]
    return _python("benchmarks.servers.ours", work.application, str(port), *files)


def _uvicorn(setting: Setting, work: Work, port: int) -> list[str]:
    secure = ["--ssl-certfile", setting.pem, "--ssl-keyfile", setting.pem] * work.is_secure
    log = ["--no-access-log", "--log-level", "error"]
    if work.application == "log":
        log = ["--log-config", setting.uvicorn_log]
    return _python(
        "uvicorn", _asgi(work), "--port", str(port), "--loop", "uvloop", "--http", "httptools",
        "--lifespan", "off", *log, *secure,
    )  # fmt: skip


def _asgi(work: Work) -> str:
    """Return the application for ASGI: of `routes` Starlette's."""
    module = "routes" if work.application == "route" else "asgi"
    return f"benchmarks.servers.{module}:{work.handler}"


def _granian(setting: Setting, work: Work, port: int) -> list[str]:
    secure = ["--ssl-certificate", setting.pem, "--ssl-keyfile", setting.key] * work.is_secure
    return _python(
        "granian", _asgi(work), "--port", str(port),
        "--interface", "asginl", "--loop", "uvloop", "--http", "1", "--no-ws", "--workers", "1",
        "--no-log", *secure,
    )  # fmt: skip


def _bjoern(_: Setting, work: Work, port: int) -> list[str]:
    return _python("benchmarks.servers.wsgi", work.handler, str(port))


def _waitress(_: Setting, work: Work, port: int) -> list[str]:
    return _python(
        "waitress", f"--listen=127.0.0.1:{port}", "--connection-limit=2000",
        f"benchmarks.servers.wsgi:{work.handler}",
    )  # fmt: skip


def _stdlib(_: Setting, work: Work, port: int) -> list[str]:
    return _python("benchmarks.servers.stdlib", work.application, str(port))


def _nginx(setting: Setting, work: Work, port: int) -> list[str]:
    spare, secure = free_port(), free_port()
    ports = (spare, port, secure) if work.is_secure else (port, spare, secure)
    return [nginx.program(), "-c", nginx.configure(setting.directory, setting.pem, *ports)]


PIP = "make bench installs it"

PEERS = {
    peer.label: peer
    for peer in (
        #    label          distribution  module      how to get it   command
        Peer(OURS,          "bladehttp",  None,       "",             _ours),
        Peer("uvicorn",     "uvicorn",    "uvicorn",  PIP,            _uvicorn),
        Peer("granian",     "granian",    "granian",  PIP,            _granian),
        Peer("bjoern",      "bjoern",     "bjoern",
             "it is compiled: apt-get install gcc libev-dev, then make bench", _bjoern),
        Peer("waitress",    "waitress",   "waitress", PIP,            _waitress),
        Peer("http.server", None,         None,       "",             _stdlib),
        Peer("nginx",       None,         None,       "",             _nginx),
    )
}  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of the servers that are here."""
    found = {}
    for peer in PEERS.values():
        if peer.distribution and (peer.module is None or find_spec(peer.module)):
            found[peer.label] = importlib.metadata.version(peer.distribution)
    return found


class Served:
    """A server that has started and is under load in each round.

    Attributes:
        port: Where it listens.
        group: Its processes.
    """

    def __init__(self, peer: Peer, work: Work, setting: Setting) -> None:
        """Start it and warm it up."""
        if peer.module and not find_spec(peer.module):
            raise AbsentError(f"{peer.label} is not here; {peer.get}")
        self.port = free_port()
        self._load = work.load.filled(setting)
        scheme = "https" if work.is_secure else "http"
        self._url = f"{scheme}://127.0.0.1:{self.port}{work.path}"
        self.group = Group(peer.command(setting, work, self.port), SERVER_CORE)
        try:
            self.group.wait_listening(self.port)
            load.run(self._load, self._url, WARM)
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes."""
        return self.group.pids()

    def round(self, seconds: float) -> Sample:
        """Put load on it."""
        user, kernel = self.group.cpu()
        sample, requests = load.run(self._load, self._url, seconds)
        used = self.group.cpu()
        user, kernel = used[0] - user, used[1] - kernel
        sample["cpu"] = (user + kernel) / requests * 1e6
        sample["busy"] = sample["cpu"] * sample["rate"] / 1e4
        sample["worth"] = 1e6 / sample["cpu"]
        sample["kernel"] = kernel / requests * 1e6
        sample["peak"] = self.group.memory("VmHWM") / 1e6
        return sample

    def close(self) -> None:
        """End it."""
        self.group.close()


def served(label: str, work: Work, called: str | None = None) -> Entrant:
    """Return a peer as an entrant, called otherwise if it is there twice."""
    return Entrant(called or label, partial(Served, PEERS[label], work))
