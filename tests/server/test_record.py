"""The log of a server's requests."""

import threading

import pytest
from support import Raw

from bladehttp.server import HttpServer
from bladehttp.server._dispatch.request_log import RECORDED, RECORDED_BYTES


def test_requests_are_kept_in_order_when_wanted(serve, connect):
    server = serve(record=True)
    client = connect(server)
    for path in "/a", "/b":
        client.get(path).response()
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", "/a"),
        ("GET", "/b"),
    ]


def test_nothing_is_kept_otherwise(serve, connect):
    server = serve()
    connect(server).get().response()
    assert server.requests == ()


def test_a_request_is_there_before_the_callbacks_get_it(serve, connect):
    seen = []
    server = serve(lambda request, response: seen.append(server.requests[-1] is request))
    server.close()
    server.record = True
    with server:
        connect(server).get().response()
    assert seen == [True]


def test_what_is_no_request_is_not_kept(serve, connect):
    server = serve(record=True)
    assert connect(server).send("GET / HTTP/1.1\r\n\r\n").response().status == 400
    assert server.requests == ()


def test_the_log_outlives_the_run_and_the_next_begins_anew():
    server = HttpServer(0, record=True)
    for _ in range(2):
        with server, Raw(server.port) as client:
            assert server.requests == ()
            client.get().response()
        assert len(server.requests) == 1


def test_the_oldest_are_dropped_beyond_a_number(serve, connect):
    server = serve(record=True, max_requests_per_connection=0)
    client = connect(server)
    for number in range(RECORDED + 2):
        client.get(f"/{number}").response()
    kept = server.requests
    assert (len(kept), kept[0].path, kept[-1].path) == (RECORDED, "/2", f"/{RECORDED + 1}")


@pytest.mark.parametrize("spool", [512 * 1024, RECORDED_BYTES], ids=["files", "memory"])
def test_the_oldest_are_dropped_beyond_a_size(serve, connect, spool):
    server = serve(record=True, spool_size=spool)
    client = connect(server)
    size = RECORDED_BYTES // 3
    for number in range(4):
        head = f"POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
        client.send(head).send(b"x" * size).response()
    assert [request.path for request in server.requests] == ["/1", "/2", "/3"]


def test_one_is_kept_however_long(serve, connect):
    server = serve(record=True, max_body_size=None)
    client = connect(server)
    size = RECORDED_BYTES + 1
    for number in range(2):
        head = f"POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
        client.send(head).send(b"x" * size).response()
    assert [request.path for request in server.requests] == ["/1"]


def test_it_can_be_read_while_requests_come(serve, connect):
    server = serve(record=True, max_requests_per_connection=0)
    done = threading.Event()

    def read():
        while not done.is_set():
            assert all(request.path == "/" for request in server.requests)

    reader = threading.Thread(target=read)
    reader.start()
    client = connect(server)
    for _ in range(300):
        client.get().response()
    done.set()
    reader.join()
    assert len(server.requests) == 300
