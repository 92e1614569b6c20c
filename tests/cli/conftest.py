"""The command line's servers, and how it is run."""

from collections.abc import Callable, Iterator

import pytest
from command_line import PROGRAM, Running, Scripted, Terminal
from support import Certificates, nothing_left

import bladehttp as http
from bladehttp._cli import main


@pytest.fixture(autouse=True)
def leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with nothing_left():
        yield


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[int, bytes, str]]:
    """Run a command in this process, standard output being no terminal."""

    def run(*words: str) -> tuple[int, bytes, str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*words: object) -> Running:
        started.append(Running(*words))
        return started[-1]

    yield start
    for running in started:
        with running.process as process:
            process.kill()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the program on a terminal."""
    opened: list[Terminal] = []

    def terminal(*words: object, start: list[str] = PROGRAM, **environment: str) -> Terminal:
        opened.append(Terminal(words, start, environment))
        return opened[-1]

    yield terminal
    for one in opened:
        one.close()


TEXT = "Grüße\r\n\x1b]0;title\x07end"
JSON = rb'{"n": 1.10, "s": "\u00fc\u001b", "l": [], "x": "\ud800", "m": {"a": [1, 2]}}'
BODY = bytes(range(256)) * 4000


def answer(request: http.HttpRequest, response: http.HttpResponse) -> None:
    """Answer as the path says; with the request where it says nothing."""
    kinds = {
        "/image": ("image/png", BODY[:2560]),
        "/text": ("text/plain; charset=iso-8859-1", TEXT.encode("latin-1")),
        "/escape": ("text/plain", b"\x1b[31mred\x1b[0m"),
        "/charset": ("text/plain; charset=hex", "as UTF-8: ü".encode()),
        "/untyped": ("application/octet-stream", "Grüße".encode()),
        "/latin": ("application/octet-stream", "Grüße".encode("latin-1")),
        "/json": ("application/json", JSON),
        "/not-json": ("application/json", b"[1, 2"),
        "/file": ("application/octet-stream", BODY),
    }  # fmt: skip
    if request.path.startswith("/redirect"):
        response.redirect(request.path.removeprefix("/redirect"), 307)
    elif request.path.startswith("/status/"):
        response.status = int(request.path.removeprefix("/status/"))
        response.content_type("text/plain")
        response.write("what is wrong")
    elif request.path in kinds:
        kind, body = kinds[request.path]
        response.content_type(kind)
        response.headers["ETag"] = '"1"'
        response.write(body)
    else:
        response.json(request)


@pytest.fixture
def server() -> Iterator[http.HttpServer]:
    server = http.server(0)
    server.on_receive(answer)
    with server:
        yield server


@pytest.fixture
def secure_server(certificates: Certificates) -> Iterator[http.HttpServer]:
    server = http.tls_server(0)
    server.load_certs(certificates.cert_file, certificates.key_file)
    server.on_receive(answer)
    with server:
        yield server


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Start a server that says exactly what it is told to."""
    servers: list[Scripted] = []

    def scripted(data: bytes = b"", stays: bool = False) -> Scripted:
        servers.append(Scripted(data, stays))
        return servers[-1]

    yield scripted
    for server in servers:
        server.close()
