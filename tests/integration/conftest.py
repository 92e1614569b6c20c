from collections.abc import Iterator

import pytest
from support import Certificates, free_port, nothing_left

import bladehttp as http
from bladehttp.client import shared


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    with nothing_left():
        yield
        shared().close()


@pytest.fixture
def echo() -> Iterator[http.HttpServer]:
    """A server that answers with the JSON of the request, and redirects below /redirect/."""
    with http.server(0) as server:

        @server.on_receive
        def answer(request: http.HttpRequest, response: http.HttpResponse) -> None:
            if request.path.startswith("/redirect/"):
                response.redirect("/" + request.path.removeprefix("/redirect/"), http.FOUND)
            else:
                response.json(request)

        yield server


@pytest.fixture
def secure_echo(certificates: Certificates) -> Iterator[http.HttpServer]:
    server = http.tls_server(0)
    server.load_certs(certificates.cert_file, certificates.key_file)
    server.on_receive(lambda request, response: response.json(request))
    with server:
        yield server


@pytest.fixture
def unused_port() -> int:
    return free_port()
