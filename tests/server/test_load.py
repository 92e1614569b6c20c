"""Many connections, few descriptors, small buffers, and no spinning."""

import contextlib
import errno
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import Raw, wait_until

from bladehttp.server import HttpServer
from bladehttp.server._connection import state_machine


def test_connections_beyond_the_limit_wait_while_none_is_idle(serve, connect):
    deferred = []
    server = serve(lambda request, response: deferred.append(response.defer()), max_connections=2)
    first, second = connect(server).get(), connect(server).get()
    wait_until(lambda: len(deferred) == 2)
    third = connect(server).get()
    fourth = connect(server).send("GET / HT")  # half a request is not idle either
    deferred[0].send()
    assert first.response().status == 200
    wait_until(lambda: len(deferred) == 3)  # the first is idle now
    assert first.at_end()
    assert server.stats.connections == 3
    deferred[1].send()
    assert second.response().status == 200
    fourth.send("TP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: len(deferred) == 4)
    for each, client in (deferred[2], third), (deferred[3], fourth):
        each.send()
        assert client.response().status == 200


def test_at_the_limit_the_longest_idle_connection_is_closed_for_a_new_one(serve, connect):
    server = serve(lambda request, response: None, max_connections=3, keep_alive_timeout=60_000)
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        assert client.get().response().status == 200
    assert clients[0].get().response().status == 200  # now the second has been idle longest
    new = connect(server)
    assert new.get().response().status == 200
    assert clients[1].at_end()
    for client in clients[0], clients[2], new:
        assert client.get().response().status == 200


def test_clients_that_ask_now_and_then_keep_nobody_out(serve, connect):
    server = serve(lambda request, response: None, max_connections=10)
    for client in [connect(server) for _ in range(40)]:
        assert client.get().response().status == 200


def test_connections_that_linger_give_way_to_new_ones(serve, connect, monkeypatch):
    monkeypatch.setattr(state_machine, "LINGER_LEAST", 0.1)
    server = serve(lambda request, response: response.write("hi"), max_connections=3)
    refused = [connect(server).send("GARBAGE\r\n\r\n") for _ in range(3)]
    for client in refused:
        assert client.response().status == 400  # and they go on sending
        client.send("x")
    assert connect(server).get().response().body == b"hi"


def test_a_limit_of_zero_is_none(serve, connect):
    server = serve(lambda request, response: None, max_connections=0)
    clients = [connect(server) for _ in range(20)]
    assert {client.get().response().status for client in clients} == {200}


def test_a_storm_of_connections_is_all_answered(serve, connect):
    server = serve(lambda request, response: None)
    clients = [connect(server).get() for _ in range(300)]
    assert {client.response().status for client in clients} == {200}


EMFILE = Path(__file__).parent / "emfile.py"


def test_running_out_of_descriptors_is_recovered_from():
    """In a process of its own, which has 40 descriptors and is asked for 60 connections."""
    process = subprocess.run(
        [sys.executable, "-X", "dev", str(EMFILE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.stdout, process.returncode) == ("answered\n", 0), process.stderr


SHORT_OF_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from bladehttp.server import HttpServer
server = HttpServer(0)
server.serve_files("/", sys.argv[1])
server.handle("GET", "/handler", lambda request, response: response.file(sys.argv[1] + "/big"))
with server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("path", ["/big", "/handler"])
def test_more_downloads_than_descriptors_wait_for_their_turn(tmp_path, path):
    size = 2_000_000
    (tmp_path / "big").write_bytes(b"x" * size)
    command = [sys.executable, "-X", "dev", "-c", SHORT_OF_FILES, str(tmp_path)]
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        port = int(process.stdout.readline())
        idle = [stack.enter_context(Raw(port)) for _ in range(20)]
        for client in idle:
            assert client.get("/none").response().status == 404
        clients = [stack.enter_context(Raw(port)).get(path) for _ in range(100)]
        for client in clients:
            response = client.response()
            assert (response.status, len(response.body)) == (200, size)
        _, log = process.communicate("", timeout=10)
    assert "Traceback" not in log
    assert log.count("descriptors run short") == 1


def test_want_of_descriptors_in_a_handler_is_503_without_a_traceback(serve, connect, caplog):
    def handler(request, response):
        raise OSError(errno.EMFILE, "Too many open files")

    server = serve(handler)
    errors = []
    server.on_error(lambda error, client: errors.append(error))
    response = connect(server).get().response()
    assert (response.status, response.get("Retry-After")) == (503, "1")
    assert len(errors) == 1
    assert all(record.exc_info is None for record in caplog.records)


def busy_seconds(seconds: float) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def idle(client):
    client.get().response()


def half_a_head(client):
    client.send("GET / HTT")


def half_a_body(client):
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")


def reading_slowly(client):
    client.get("/large")


def lingering(client):
    client.send("BAD\r\n\r\n").response()


def half_closed_and_slow(client):
    client.get("/large").shut()


SITUATIONS = [idle, half_a_head, half_a_body, reading_slowly, lingering]


@pytest.mark.parametrize(
    ("situation", "secure"),
    [
        *[pytest.param(each, False, id=f"{each.__name__}-plain") for each in SITUATIONS],
        *[pytest.param(each, True, id=f"{each.__name__}-tls") for each in SITUATIONS],
        # not over TLS: an SSLSocket cannot shut one side and go on
        pytest.param(half_closed_and_slow, False, id="half_closed_and_slow-plain"),
    ],
)
def test_no_situation_makes_the_loop_spin(serve, connect, situation, secure):
    def handler(request, response):
        response.write(b"x" * (30_000_000 if request.path == "/large" else 1))

    server = serve(handler, secure=secure, read_timeout=60_000, write_timeout=60_000)
    situation(connect(server))
    busy_seconds(0.02)  # let it come to rest
    assert busy_seconds(0.2) < 0.1


def test_writes_of_a_few_bytes_at_a_time_lose_nothing():
    """With the smallest send buffer the kernel gives, a response takes many partial writes."""
    body = bytes(range(256)) * 2000
    server = HttpServer(0)
    server.on_connect(lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1))
    server.on_receive(lambda request, response: response.write(body))
    with server, Raw(server.port) as client:
        assert client.get().response().body == body


def test_one_client_with_a_large_response_does_not_hold_up_another(serve, connect):
    order = []

    def handler(request, response):
        order.append(request.path)
        response.write(b"x" * (100_000_000 if request.path == "/large" else 1))

    server = serve(handler, write_timeout=30_000)
    large = connect(server).get("/large")
    large.more()
    small = connect(server)
    assert small.get("/small").response().body == b"x"
    assert len(large.response().body) == 100_000_000


def test_a_client_that_pipelines_without_end_does_not_hold_up_another(serve, connect):
    server = serve(lambda request, response: None, max_requests_per_connection=0)
    greedy = connect(server)
    greedy.send("GET /greedy HTTP/1.1\r\nHost: a\r\n\r\n" * 1500)
    assert connect(server).get().response().status == 200
    for _ in range(1500):
        assert greedy.response().status == 200
