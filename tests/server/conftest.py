import ssl
from collections.abc import Callable, Iterator

import pytest
from support import Certificates, Raw, nothing_left

from bladehttp import HttpRequest, HttpResponse
from bladehttp.server import HttpServer

Handler = Callable[[HttpRequest, HttpResponse], object]


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def serve(certificates: Certificates) -> Iterator[Callable[..., HttpServer]]:
    """Start servers with a handler and settings; they are closed at the end of the test."""
    servers: list[HttpServer] = []

    def start(
        handler: Handler | None = None, *, secure: bool = False, **settings: object
    ) -> HttpServer:
        server = HttpServer(0, is_secure=secure)
        for name, value in settings.items():
            setattr(server, name, value)
        if secure:
            assert server.load_certs(certificates.cert_file, certificates.key_file)
        if handler is not None:
            server.on_receive(handler)
        servers.append(server.start())
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect(certificates: Certificates) -> Iterator[Callable[..., Raw]]:
    """Open raw connections to a server; they are closed at the end of the test."""
    clients: list[Raw] = []

    def opened(server: HttpServer, context: ssl.SSLContext | None = None) -> Raw:
        if context is None and server.is_secure:
            context = certificates.client_context()
        clients.append(Raw(server.port, server.host, context))
        return clients[-1]

    yield opened
    for client in clients:
        client.close()
