"""A stream that fails before its first chunk is an error like any other of a handler."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bladehttp as http
from bladehttp.server import HttpServer


def ask(url: str) -> http.HttpResponse:
    with http.HttpClient() as client:
        return client.get(url)


def raises() -> Iterator[bytes]:
    raise LookupError("no such row")
    yield b""


def aborts() -> Iterator[bytes]:
    http.abort(409, "taken")
    yield b""


def gives_numbers() -> Iterator[Any]:
    yield 5


def exits() -> Iterator[bytes]:
    raise GeneratorExit
    yield b""


FAILING = {
    "an exception": (raises, 500),
    "abort": (aborts, 409),
    "a chunk that is no bytes": (gives_numbers, 500),
    "GeneratorExit": (exits, 500),
}


@pytest.mark.parametrize(("stream", "status"), FAILING.values(), ids=FAILING.keys())
@pytest.mark.parametrize("later", [False, True], ids=["at once", "deferred"])
def test_it_is_answered_with_a_status(
    stream: Callable[[], Iterator[Any]], status: int, later: bool
) -> None:
    server = HttpServer(0)
    errors: list[Exception] = []
    server.on_error(lambda error, _: errors.append(error))

    @server.on_receive
    def answer(_: http.HttpRequest, response: http.HttpResponse) -> None:
        if later:
            deferred = response.defer()
            server.call_soon(lambda: (response.stream(stream()), deferred.send()))
        else:
            response.stream(stream())

    with server, http.HttpClient(retry=None) as client:
        response = client.get(server.url)
        assert response.status == status
        assert client.get(server.url).status == status  # the server goes on
    assert len(errors) == (0 if status == 409 else 2)


def test_after_request_sees_what_stands_in_its_place() -> None:
    server = HttpServer(0)
    statuses: list[int] = []
    server.on_receive(lambda _, response: response.stream(raises()))
    server.after_request(lambda _, response: statuses.append(response.status))
    with server:
        assert ask(server.url).status == 500
    assert statuses == [200, 500]


def test_one_that_fails_later_is_reset() -> None:
    def breaks() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        raise LookupError("no such row")

    server = HttpServer(0)
    server.on_receive(lambda _, response: response.stream(breaks()))
    with server, pytest.raises(http.HttpException):
        ask(server.url)


def test_a_stream_without_chunks_is_empty() -> None:
    server = HttpServer(0)
    server.on_receive(lambda _, response: response.stream(iter(())))
    with server:
        response = ask(server.url)
    assert (response.status, response.body) == (200, b"")
