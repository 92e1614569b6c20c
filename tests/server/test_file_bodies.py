"""Files as bodies: sent by the system, read for TLS, framed like any other body."""

import os

import pytest
from support import wait_until

from bladehttp.server.outbox import JOINED

SIZES = [0, 10, JOINED, JOINED + 1, 3_000_000]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request) -> bool:
    return request.param


@pytest.fixture(params=SIZES, ids=str)
def path(request, tmp_path):
    (tmp_path / "file.bin").write_bytes(os.urandom(request.param))
    return tmp_path / "file.bin"


def test_a_file_arrives_whole_whatever_its_length(serve, connect, path, secure):
    client = connect(serve(lambda request, response: response.file(path), secure=secure))
    for _ in range(2):
        response = client.get().response()
        assert (response.get("Content-Length"), response.body) == (
            str(path.stat().st_size),
            path.read_bytes(),
        )


def test_pipelined_files_arrive_in_order(serve, connect, tmp_path, secure):
    for size in SIZES:
        (tmp_path / str(size)).write_bytes(os.urandom(size))

    def handler(request, response):
        response.file(tmp_path / request.path[1:])

    client = connect(serve(handler, secure=secure))
    client.send("".join(f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n" for size in SIZES))
    for size in SIZES:
        assert client.response().body == (tmp_path / str(size)).read_bytes()


def test_without_a_length_a_file_is_chunked(serve, connect, path):
    def handler(request, response):
        response.file(path)
        del response.headers["Content-Length"]

    client = connect(serve(handler))
    response = client.get().response()
    assert response.get("Transfer-Encoding") == "chunked"
    assert response.body == path.read_bytes()
    old = client.send("GET / HTTP/1.0\r\n\r\n").response()
    assert (old.get("Content-Length"), old.body) == (None, path.read_bytes())


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_length_that_is_not_the_files_breaks_off(serve, connect, tmp_path, size, wrong):
    (tmp_path / "file").write_bytes(bytes(size))
    errors = []

    def handler(request, response):
        response.file(tmp_path / "file")
        response.headers["Content-Length"] = str(size + wrong)

    server = serve(handler)
    server.on_error(lambda error, client: errors.append(type(error)))
    received = connect(server).get().read_all()
    assert len(received.partition(b"\r\n\r\n")[2]) < size + wrong
    assert errors == [ValueError]


def test_a_slow_client_of_a_file_is_given_up(serve, connect, tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(50_000_000)
    gone = []
    server = serve(lambda request, response: response.file(tmp_path / "file"), write_timeout=200)
    server.on_disconnect(gone.append)
    client = connect(server).get()
    wait_until(lambda: gone)
    assert len(client.read_all()) < 50_000_000
