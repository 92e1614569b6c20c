"""What goes over the wire when a server is to do wrong, and what clients make of it."""

import contextlib
import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Raw, wait_until

import bladehttp as http
from bladehttp.server import HttpServer
from bladehttp.server.testing import BladeServer, Identity, faults


def received(client: Raw) -> bytes:
    """Everything up to the end; a reset raises."""
    while client.more():
        pass
    return client.buffer


@pytest.fixture
def handle() -> Iterator[Callable[..., HttpServer]]:
    """Start plain servers with a handler."""
    with contextlib.ExitStack() as servers:

        def start(handler, **properties):
            server = HttpServer(0, **properties)
            server.on_receive(handler)
            return servers.enter_context(server)

        yield start


# The methods of a response


def test_abort_resets_without_a_byte_and_without_an_error(handle, caplog):
    errors = []
    server = handle(lambda request, response: response.abort())
    server.on_error(lambda error, socket: errors.append(error))
    with Raw(server.port) as client, pytest.raises(ConnectionResetError):
        client.get().more()
    assert errors == []
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("calls", [("write", "truncate"), ("truncate", "write")])
def test_truncate_announces_all_and_closes_after_a_part(handle, calls):
    def handler(request, response):
        for call in calls:
            getattr(response, call)({"write": "hello", "truncate": 2}[call])

    with Raw(handle(handler).port) as client:
        head, _, body = received(client.get()).partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 5\r\n" in head
    assert body == b"he"


@pytest.mark.parametrize("count", [0, 1, 100_000, 199_999])
def test_truncate_of_a_file(handle, tmp_path, count):
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(200)) * 1000)

    def handler(request, response):
        response.file(path)
        response.truncate(count)

    with Raw(handle(handler).port) as client:
        head, _, body = received(client.get()).partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 200000\r\n" in head
    assert body == path.read_bytes()[:count]


def test_truncate_of_a_stream_leaves_its_chunks_without_an_end(handle):
    closed = []

    def pieces():
        try:
            while True:
                yield b"abc"
        finally:
            closed.append(True)

    def handler(request, response):
        response.stream(pieces())
        response.truncate(5)

    with Raw(handle(handler).port) as client:
        assert received(client.get()).endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nab\r\n")
    wait_until(lambda: closed)


def test_truncate_of_a_body_that_is_not_sent_sends_none(handle):
    def handler(request, response):
        response.write("hello")
        response.truncate(2)

    with Raw(handle(handler).port) as client:
        head, _, body = received(client.get(method="HEAD")).partition(b"\r\n\r\n")
    assert (b"\r\nContent-Length: 5\r\n" in head, body) == (True, b"")


def test_truncate_of_a_stream_that_is_shorter(handle):
    def handler(request, response):
        response.stream(iter([b"abc", b"de"]))
        response.truncate(10)

    with Raw(handle(handler).port) as client:
        assert received(client.get()).endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n")


def test_truncate_closes_what_is_not_sent():
    closed = []

    class Pieces:
        def __iter__(self):
            return iter(())

        def close(self):
            closed.append(True)

    response = http.HttpResponse()
    response.stream(Pieces())
    response.truncate(1)
    response.close()
    assert closed == [True]


def test_a_channel_cannot_be_truncated():
    response = http.HttpResponse()
    response.channel()
    with pytest.raises(TypeError, match="a channel cannot be truncated"):
        response.truncate(1)


def test_a_delay_takes_its_time(handle):
    def handler(request, response):
        response.delay(30)
        response.write("hello")

    with Raw(handle(handler).port) as client:
        begun = time.monotonic()
        assert client.get().response().body == b"hello"
        assert time.monotonic() - begun >= 0.03
        assert client.get().response().body == b"hello"


def test_a_delay_keeps_nobody_else_waiting(handle):
    server = handle(lambda request, response: response.delay(int(request.queries["ms"])))
    with Raw(server.port) as slow, Raw(server.port) as quick:
        slow.get("/?ms=3600000")
        wait_until(lambda: server.stats.requests == 1)
        assert quick.get("/?ms=0").response().status == 200


def test_a_delay_ends_when_the_client_goes(handle):
    server = handle(lambda request, response: response.delay(3_600_000))
    with Raw(server.port) as client:
        client.get()
        wait_until(lambda: server.stats.requests == 1)
    server.close()


def test_a_delay_of_what_is_given_later_already_is_refused():
    response = http.HttpResponse()
    response.defer()
    with pytest.raises(RuntimeError):
        response.delay(1)


def test_a_delay_through_wsgi(handle):
    server = handle(lambda request, response: (response.write("hello"), response.delay(30)))
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_HOST": "a",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": None,
    }
    begun = time.monotonic()
    with contextlib.closing(server.wsgi(environ, lambda status, fields: None)) as body:
        assert b"".join(body) == b"hello"
    assert time.monotonic() - begun >= 0.03


# The faults of expectations

HELLO_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Powered-By: Blade\r\n"


@dataclass
class Case:
    name: str
    fault: faults.Fault
    wire: bytes
    """What is sent, Date left out."""
    error: type[http.HttpException]
    """What our client raises."""
    curl: tuple[int, ...]
    """How curl exits."""


CASES = [
    Case(
        "truncate",
        faults.truncate(2),
        HELLO_HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhe",
        http.IncompleteBody,
        (18,),
    ),
    Case("raw", faults.raw(b"HTTP/1.1 20"), b"HTTP/1.1 20", http.ProtocolError, (1, 52)),
    Case(
        "malformed chunk",
        faults.malformed_chunk(),
        HELLO_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n",
        http.ProtocolError,
        (56,),
    ),
    Case(
        "closing in the head",
        faults.close_in_head(),
        b"HTTP/1.1 200 OK\r\nContent-Type",
        http.ProtocolError,
        (0,),  # for curl that is the end of the head
    ),
]


@pytest.mark.parametrize("delay", [0, 20])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_goes_over_the_wire(server, client, case, delay):
    server.expect("GET", "/").respond("hello", fault=case.fault, delay=delay)
    lines = received(client.get()).split(b"\r\n")
    assert b"\r\n".join(line for line in lines if not line.startswith(b"Date:")) == case.wire
    server.check()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_our_client_makes_of_it(server, case):
    server.expect("GET", "/").respond("hello", fault=case.fault)
    with http.HttpClient(**server.client_options) as client, pytest.raises(case.error):
        client.get("/")
    server.check()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_curl_makes_of_it(server, case):
    server.expect("GET", "/").respond("hello", fault=case.fault)
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "10", server.url]
    process = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert process.returncode in case.curl
    server.check()


@pytest.mark.parametrize("delay", [0, 20])
def test_an_abort(server, delay):
    server.expect("GET", "/").respond("hello", fault=faults.abort(), delay=delay)
    with http.HttpClient(**server.client_options) as client, pytest.raises(http.ReadError):
        client.get("/")
    server.check()


@pytest.mark.parametrize("speed", [100, 100_000])
def test_throttling_takes_its_time(server, client, speed):
    body = bytes(range(256)) * (speed // 1000 or 1)
    body = body[: speed // 10]
    server.expect("GET", "/").respond(body, fault=faults.throttle(speed))
    begun = time.monotonic()
    response = client.get().response()
    took = time.monotonic() - begun
    assert (response.body, response.get("Content-Length")) == (body, str(len(body)))
    assert 0.09 <= took < 2


def test_throttling_goes_on_with_the_next_request(server, client):
    server.expect("GET", "/slow").respond("x" * 30, fault=faults.throttle(1000))
    server.expect("GET", "/quick").respond("quick")
    client.get("/slow").get("/quick")
    assert client.response().body == b"x" * 30
    assert client.response().body == b"quick"


def test_throttling_keeps_nobody_else_waiting(server, client):
    server.expect("GET", "/slow").respond("x" * 3600, fault=faults.throttle(1))
    server.expect("GET", "/quick").respond("quick")
    assert client.get("/slow").line() == b"HTTP/1.1 200 OK"
    with Raw(server.port) as other:
        assert other.get("/quick").response().body == b"quick"


def test_throttling_begins_after_a_delay(server, client):
    server.expect("GET", "/").respond("x" * 100, delay=100, fault=faults.throttle(1000))
    begun = time.monotonic()
    client.get().response()
    assert time.monotonic() - begun >= 0.19


def test_throttling_of_what_is_not_sent_ends(server, client):
    server.expect("HEAD", "/", times=2).respond("x" * 100, fault=faults.throttle(1))
    for _ in range(2):
        assert client.get(method="HEAD").response("HEAD").get("Content-Length") == "100"


def test_throttling_of_nothing_is_an_empty_body(server, client):
    server.expect("GET", "/").respond(fault=faults.throttle(1000))
    assert client.get().response().body == b""


def test_throttling_ends_when_the_client_goes(server):
    server.expect("GET", "/").respond("x" * 1000, fault=faults.throttle(1))
    with Raw(server.port) as client:
        client.get().line()
    wait_until(lambda: server.stats.active == 0)
    server.check()


@pytest.mark.parametrize("speed", [0, -1])
def test_throttling_to_nothing_is_refused(speed):
    with pytest.raises(ValueError, match="positive"):
        faults.throttle(speed)


def test_a_fault_may_be_any_function(server, client):
    def fault(response: Any) -> None:
        response.headers["X-Length"] = str(len(response.body))

    server.expect("GET", "/").respond("hello", fault=fault)
    assert client.get().response().get("X-Length") == "5"


def test_faults_over_tls(tmp_path: Path):
    with (
        BladeServer(identity=Identity.throw_away(tmp_path)) as server,
        http.HttpClient(**server.client_options) as client,
    ):
        for fault, error in [
            (faults.abort(), http.SocketException),
            (faults.truncate(2), http.HttpException),
            (faults.malformed_chunk(), http.ProtocolError),
        ]:
            server.expect("GET", "/").respond("hello", fault=fault)
            with pytest.raises(error):
                client.get("/")
        server.expect("GET", "/").respond("hello", fault=faults.throttle(500))
        assert client.get("/").text == "hello"
