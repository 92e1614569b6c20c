"""A server that answers before it has read the whole request, and closes."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sending import DOORS

from bladehttp import HttpClient, IncompleteBody, ReadError
from bladehttp.exceptions import WriteError

PIECE = b"x" * 65536

WHOLE = {
    "no length": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", 200, b"ok"),
    "length 0": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok",
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "413": (
        b"HTTP/1.1 413 Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig", 413, b"big",
    ),
    "413 in chunks": (
        b"HTTP/1.1 413 Large\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\n\r\n",
        413, b"big",
    ),
}  # fmt: skip


@pytest.fixture(params=["plain", "tls"])
def context(request: pytest.FixtureRequest, server_context: Any) -> Any:
    return server_context if request.param == "tls" else None


@pytest.fixture
def early(peers: Any, context: Any) -> Any:
    """Make a peer that reads a head, sends an answer and closes."""

    def make(data: bytes) -> Any:
        def handle(connection: Any) -> None:
            connection.read_head()
            connection.send(data)

        return peers.raw(handle, context)

    return make


@pytest.mark.parametrize(
    ("door", "kind"),
    [(DOORS[0], kind) for kind in WHOLE] + [(door, "length") for door in DOORS[1:]],
)
def test_an_answer_that_came_whole_is_given(
    early: Any, door: Any, kind: str, certificates: Any, context: Any
) -> None:
    data, status, body = WHOLE[kind]
    if kind == "no length" and context is not None:
        pytest.skip("without close_notify nothing says that it was the end")
    with door(early(data).url, ca_cert=certificates.ca_file) as send:
        response = send("POST", itertools.repeat(PIECE, 100))
        assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ],
    ids=["length", "chunks"],
)
def test_one_that_did_not_is_an_error(
    early: Any, door: Any, data: bytes, certificates: Any
) -> None:
    with (
        door(early(data).url, ca_cert=certificates.ca_file) as send,
        pytest.raises((IncompleteBody, ReadError)),
    ):
        send("POST", itertools.repeat(PIECE, 100))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["length", "chunks", "interim"],
)
def test_one_whose_connection_is_reset_while_the_request_is_written_is_an_error(
    client: HttpClient, peers: Any, data: bytes
) -> None:
    has_come, is_wanted, is_reset = (threading.Event() for _ in range(3))

    def handle(connection: Any) -> None:
        connection.read_head()
        connection.send(data)
        has_come.set()
        is_wanted.wait(10)
        connection.reset()
        is_reset.set()

    def body() -> Iterator[bytes]:
        yield b"x"
        has_come.wait(10)
        yield from [b"x"] * 5  # libcurl reads between them
        is_wanted.set()
        is_reset.wait(10)
        yield from [b"x"] * 5

    with pytest.raises((IncompleteBody, ReadError, WriteError)):
        client.post(peers.raw(handle).url, body())
