from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import Raw, nothing_left

from bladehttp.server import HttpServer


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture
def serve(certificates) -> Iterator[Callable[..., HttpServer]]:
    """Start servers with a handler and settings; they are closed at the end of the test."""
    servers = []

    def start(handler: Any = None, *, secure: bool = False, **settings: Any) -> HttpServer:
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
def connect(certificates) -> Iterator[Callable[..., Raw]]:
    """Open raw connections to a server; they are closed at the end of the test."""
    clients = []

    def opened(server: HttpServer, context: Any = None) -> Raw:
        if context is None and server.is_secure:
            context = certificates.client_context()
        clients.append(Raw(server.port, server.host, context))
        return clients[-1]

    yield opened
    for client in clients:
        client.close()
