"""The server that both adapters send requests to."""

from collections.abc import Iterator

import pytest

from bladehttp import HttpRequest, HttpResponse, HttpServer


def mirror(request: HttpRequest, response: HttpResponse) -> None:
    response.set_cookie("seen", "1")
    response.json(
        {
            "method": request.method,
            "uri": request.request_uri,
            "headers": dict(request.headers),
            "cookies": dict(request.cookies),
            "body": request.raw_body.decode("latin-1"),
        }
    )


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A server that answers with the request, and sets a cookie."""
    server = HttpServer(0)
    server.on_receive(mirror)
    with server:
        yield server
