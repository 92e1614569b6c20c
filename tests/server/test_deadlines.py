"""Each phase has its clock, and nobody's silence delays anybody else."""

import http.client
import socket
import ssl
import time

import pytest
from support import wait_until

from bladehttp.server import _runtime as running
from bladehttp.server._connection import connection

SHORT = 200
"""Milliseconds of the deadlines here."""


def took(function) -> tuple[float, object]:
    start = time.monotonic()
    result = function()
    return (time.monotonic() - start) * 1000, result


def in_time(elapsed: float, deadline: float = SHORT) -> bool:
    """Not early, and late by no more than a slow machine makes it.

    Measured from before what starts the server's clock: this thread may be kept from going on.
    """
    return deadline * 0.95 <= elapsed <= deadline + 1500


def test_a_client_that_sends_nothing_is_closed_without_a_word(serve, connect):
    server = serve(read_timeout=SHORT)
    elapsed, rest = took(lambda: connect(server).read_all())
    assert rest == b""
    assert in_time(elapsed)


@pytest.mark.parametrize(
    "part",
    [
        "G",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
    ],
    ids=["request-line", "fields", "body"],
)
def test_a_client_that_falls_silent_in_a_request_is_answered_408(serve, connect, part):
    client = connect(serve(read_timeout=SHORT))
    elapsed, response = took(lambda: client.send(part).response())
    assert (response.status, response.get("Connection")) == (408, "close")
    assert in_time(elapsed)
    assert client.at_end()


def drip(client, data: bytes) -> float:
    """Send a byte every 20 ms until the server has answered; milliseconds that took."""
    start = time.monotonic()
    client.socket.settimeout(0.02)
    for byte in data:
        try:
            client.send(bytes([byte]))
            client.buffer += client.socket.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        break
    client.socket.settimeout(10)
    return (time.monotonic() - start) * 1000


def test_a_head_that_drips_is_ended_by_its_own_clock(serve, connect):
    client = connect(serve(read_timeout=5000, header_timeout=SHORT))
    elapsed = drip(client, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000)
    assert client.response().status == 408
    assert in_time(elapsed)


def test_a_body_that_drips_is_ended_by_the_clock_of_the_request(serve, connect):
    server = serve(read_timeout=5000, header_timeout=5000, request_timeout=SHORT)
    client = connect(server)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    elapsed = drip(client, b"x" * 1000)
    assert client.response().status == 408
    assert in_time(elapsed)


def test_a_body_that_drips_is_not_ended_while_it_comes(serve, connect):
    silence = 3 * SHORT  # longer than a busy machine keeps this thread from sending
    server = serve(lambda request, response: response.write(request.body), read_timeout=silence)
    client = connect(server)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n")
    elapsed = drip(client, b"x" * 40)
    assert client.response().body == b"x" * 40
    assert elapsed > silence


@pytest.mark.parametrize("rate", [500, 100_000], ids=["default", "high"])
def test_a_body_that_comes_more_slowly_than_min_body_rate_is_refused(
    serve, connect, monkeypatch, rate
):
    monkeypatch.setattr(running, "BODY_RATE_MS", 50)
    monkeypatch.setattr(connection, "RATE_BEGINS", SHORT / 1000)
    client = connect(serve(min_body_rate=rate))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
    elapsed = drip(client, b"x" * 1000)  # 50 bytes a second
    assert client.response().status == 408
    assert in_time(elapsed, SHORT)
    assert client.at_end()


@pytest.mark.parametrize("rate", [20, 0, None])
def test_a_body_that_comes_fast_enough_is_taken(serve, connect, monkeypatch, rate):
    monkeypatch.setattr(running, "BODY_RATE_MS", 50)
    monkeypatch.setattr(connection, "RATE_BEGINS", SHORT / 1000)
    server = serve(lambda request, response: response.write(request.raw_body), min_body_rate=rate)
    client = connect(server)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n")
    elapsed = drip(client, b"x" * 40)
    assert client.response().body == b"x" * 40
    assert elapsed > 2 * SHORT


def test_an_idle_connection_is_closed_by_the_keep_alive_clock(serve, connect):
    client = connect(serve(read_timeout=60_000, keep_alive_timeout=SHORT))
    elapsed, rest = took(lambda: client.get().response() and client.read_all())
    assert rest == b""
    assert in_time(elapsed)


def test_each_request_starts_the_keep_alive_clock_again(serve, connect):
    client = connect(serve(keep_alive_timeout=SHORT, max_requests_per_connection=0))
    start = last = time.monotonic()
    while last - start < 2 * SHORT / 1000:
        last = time.monotonic()
        assert client.get().response().status == 404
    assert client.read_all() == b""
    assert in_time((time.monotonic() - last) * 1000)


def test_a_reader_that_stalls_is_closed_by_the_write_clock(serve, connect):
    server = serve(lambda request, response: response.write(b"x" * 50_000_000), write_timeout=SHORT)
    gone = []
    server.on_disconnect(gone.append)
    elapsed, _ = took(lambda: connect(server).get() and wait_until(lambda: gone))
    assert in_time(elapsed)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_an_answer_that_is_given_up_does_not_look_complete(serve, connect, secure):
    server = serve(
        lambda request, response: response.stream([b"x" * 1_000_000] * 50),
        secure=secure,
        write_timeout=SHORT,
    )
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server).send("GET / HTTP/1.0\r\n\r\n")  # until the end of the connection
    if secure:
        client.socket.suppress_ragged_eofs = False
    wait_until(lambda: gone)
    with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
        client.take(50_000_000)


def test_the_time_a_handler_takes_is_not_the_clients(serve, connect):
    silence = 3 * SHORT  # longer than a busy machine keeps this thread from sending

    def handler(request, response):
        time.sleep(2 * silence / 1000)
        response.write(b"x" * (20_000_000 if request.path == "/large" else 1))

    server = serve(handler, keep_alive_timeout=silence, write_timeout=silence)
    client = connect(server)
    assert client.get().response().status == 200
    time.sleep(silence / 1000 / 3)
    client.get("/large")
    time.sleep(2 * silence / 1000 + silence / 1000 / 3)
    assert len(client.response().body) == 20_000_000


def test_a_stalled_handshake_is_closed_by_its_clock(serve, certificates):
    server = serve(secure=True, handshake_timeout=SHORT)
    start = time.monotonic()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01\x02\x00")
        assert client.recv(100) == b""
    assert in_time((time.monotonic() - start) * 1000)


def test_lingering_is_ended_by_its_clock(serve, connect, monkeypatch):
    monkeypatch.setattr(running, "LINGER_MS", SHORT)
    server = serve()
    gone = []
    server.on_disconnect(gone.append)
    start = time.monotonic()
    client = connect(server).send("BAD\r\n\r\n")
    assert client.response().status == 400
    wait_until(lambda: gone)  # the client never closes
    assert in_time((time.monotonic() - start) * 1000)


def send_for(client, seconds: float) -> None:
    """Go on with a body that has been refused, without a look at the answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.send(b"x" * 10_000)
        time.sleep(0.01)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_lingering_goes_on_while_bytes_come_so_that_the_refusal_is_read(
    serve, connect, monkeypatch, secure
):
    silence = 4 * SHORT  # longer than a busy machine keeps this thread from sending
    monkeypatch.setattr(running, "LINGER_MS", silence)
    client = connect(serve(max_body_size=1000, secure=secure))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
    send_for(client, 1.5 * silence / 1000)
    assert client.response().status == 413


def test_lingering_has_an_end_however_much_comes(serve, connect, monkeypatch):
    monkeypatch.setattr(running, "LINGER_ALL_MS", 2 * SHORT)
    server = serve(max_body_size=1000)
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
    with pytest.raises(OSError, match=r"reset|pipe"):
        send_for(client, 5)
    wait_until(lambda: gone)


@pytest.mark.parametrize("name", ["read_timeout", "keep_alive_timeout", "write_timeout"])
def test_zero_switches_a_clock_off(serve, connect, name):
    server = serve(lambda request, response: None, **{name: 0})
    assert connect(server).get().response().status == 200


def test_a_normal_client_is_answered_in_50_ms_whatever_the_others_do(serve, connect):
    def handler(request, response):
        response.write(b"x" * (50_000_000 if request.path == "/large" else 13))

    plain = serve(handler, read_timeout=10_000, write_timeout=10_000)
    secure = serve(handler, secure=True)
    for _ in range(12):
        connect(plain)  # sends nothing
    dripping = connect(plain)
    slow_reader = connect(plain).get("/large")
    with socket.create_connection((secure.host, secure.port), timeout=10) as stalled:
        stalled.sendall(b"\x16\x03\x01\x02\x00")
        client = http.client.HTTPConnection(plain.host, plain.port, timeout=10)
        times = []
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n":
            dripping.send(bytes([byte]))
            slow_reader.socket.recv(1000)

            def exchange():
                client.request("GET", "/")
                return client.getresponse().read()

            elapsed, body = took(exchange)
            assert body == b"x" * 13
            times.append(elapsed)
        client.close()
        assert connect(secure).get().response().status == 200
    assert sorted(times)[len(times) // 2] < 50
    assert max(times[1:]) < 500  # one hiccup of a shared machine is not the server's
