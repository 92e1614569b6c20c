"""The clocks: each one tells its name, ends in time and leaves the client usable."""

import io
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import pycurl
import pytest
from sending import awaited, many, one

from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings
from bladehttp.client._curl.engine import Engine
from bladehttp.client._curl.waiters import PollWaiter
from bladehttp.exceptions import (
    ConnectTimeout,
    ReceiveTimeout,
    SocketException,
    TimeoutException,
    TotalTimeout,
)

LATE = 2000
"""Milliseconds a clock may be late on a busy machine before a test fails."""


class Stopwatch:
    def __enter__(self) -> Self:
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.milliseconds = (time.monotonic() - self.started) * 1000


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port whose queue of connections is full: a connection to it is never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        yield port
        for filler in fillers:
            filler.close()


@pytest.fixture
def silent(peers: Any) -> Any:
    """A peer that reads a request and says nothing more."""

    def handle(connection: Any) -> None:
        request = connection.read_request()
        peer.requests.append(request)
        if request.target == "/half":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
        if request.target != "/ok":
            connection.socket.recv(1)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = peers.raw(handle)
    return peer


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connect_timeout(client: HttpClient, deaf: int, scheme: str) -> None:
    client.connect_timeout = 100
    client.receive_timeout = 20  # does not run before there is a connection
    with Stopwatch() as watch, pytest.raises(ConnectTimeout) as caught:
        client.get(f"{scheme}://127.0.0.1:{deaf}/")
    assert 95 <= watch.milliseconds < 100 + LATE
    assert isinstance(caught.value, SocketException | TimeoutError)
    assert (caught.value.code, caught.value.code_name) == (28, "E_OPERATION_TIMEDOUT")
    assert f"connecting to 127.0.0.1:{deaf}: " in str(caught.value)


def test_a_tls_handshake_that_is_never_answered_is_part_of_connecting(
    client: HttpClient, peers: Any
) -> None:
    peer = peers.raw(lambda connection: connection.socket.recv(1) and connection.read_head())
    client.connect_timeout = 100
    client.receive_timeout = 20
    with pytest.raises(ConnectTimeout):
        client.get(f"https://127.0.0.1:{peer.port}/")


@pytest.mark.parametrize("door", [one, many, awaited])
def test_a_tls_handshake_behind_a_proxy_is_part_of_connecting(peers: Any, door: Any) -> None:
    def proxy(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n")
        connection.socket.recv(1 << 20)  # the ClientHello
        connection.socket.recv(1)

    clocks = {"connect_timeout": 300, "receive_timeout": 100}
    url = peers.raw(proxy).url
    with door("https://a.test", proxy=url, **clocks) as send, pytest.raises(ConnectTimeout):
        send("GET", None)


@pytest.mark.parametrize("door", [one, many, awaited])
def test_a_server_that_ignores_expect_is_not_silent(peers: Any, door: Any) -> None:
    with door(peers().url, receive_timeout=900) as send:
        assert send("POST", iter([b"a"])).body == b"ok"


def test_receive_timeout_is_exact(client: HttpClient, silent: Any) -> None:
    client.receive_timeout = 150
    late = []
    for _ in range(5):
        with Stopwatch() as watch, pytest.raises(ReceiveTimeout) as caught:
            client.get(silent.url)
        late.append(watch.milliseconds - 150)
    assert min(late) >= 0
    assert min(late) < 20
    assert str(caught.value) == (
        f"no byte to or from 127.0.0.1:{silent.port}: receive_timeout is over (150 ms)"
    )
    assert (caught.value.url, caught.value.request.method) == (silent.url + "/", "GET")
    assert caught.value.response is None
    assert isinstance(caught.value, TimeoutError)
    assert client.get(silent.url + "/ok").body == b"ok"


def test_receive_timeout_in_the_middle_of_a_body_keeps_what_came(
    client: HttpClient, silent: Any
) -> None:
    with pytest.raises(ReceiveTimeout) as caught:
        client.get(silent.url + "/half", receive_timeout=100)
    assert (caught.value.response.status, caught.value.response.body) == (200, b"half ")


def test_receive_timeout_is_no_limit_for_the_whole(client: HttpClient, peers: Any) -> None:
    ticks = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            ticks.wait(0.05)
            connection.send(b"x")

    with Stopwatch() as watch:
        assert client.get(peers.raw(handle).url, receive_timeout=300).body == b"x" * 8
    assert watch.milliseconds > 300


@pytest.mark.parametrize("door", [one, many, awaited])
@pytest.mark.parametrize("slow", ["head", "chunk size"])
def test_a_line_that_comes_byte_by_byte_is_no_silence(peers: Any, door: Any, slow: str) -> None:
    before, line, after = {
        "head": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 12, b"\r\nContent-Length: 2\r\n\r\nok"),
        "chunk size": (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"2;extension=" + b"y" * 4,
            b"\r\nok\r\n0\r\n\r\n",
        ),
    }[slow]

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(before)
        for byte in line:
            over.wait(0.08)
            connection.send(bytes([byte]))
        connection.send(after)

    over = threading.Event()
    with door(peers.raw(handle).url, receive_timeout=1000) as send:
        assert send("GET", None).body == b"ok"
        over.set()


def test_receive_timeout_runs_while_uploading(client: HttpClient, peers: Any) -> None:
    done = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_head()
        done.wait(10)

    peer = peers.raw(handle)
    with Stopwatch() as watch, pytest.raises(ReceiveTimeout):
        client.post(peer.url, io.BytesIO(bytes(64 << 20)), receive_timeout=200, no_expect=True)
    done.set()
    assert 195 <= watch.milliseconds < 200 + LATE


def test_a_slow_upload_that_moves_is_no_silence(client: HttpClient, peers: Any) -> None:
    ticks = threading.Event()

    def slow() -> Iterator[bytes]:
        for _ in range(6):
            ticks.wait(0.1)
            yield b"x"

    peer = peers()
    assert client.post(peer.url, slow(), receive_timeout=300).body == b"ok"
    assert peer.last.body == b"x" * 6


def test_total_timeout_runs_over_redirects(client: HttpClient, peers: Any, reply: Any) -> None:
    ticks = threading.Event()

    def respond(_: Any) -> bytes:
        ticks.wait(0.05)
        return reply(b"", "302 Found", "Location: /again")

    peer = peers(respond)
    client.total_timeout = 200
    client.max_redirects = 1000
    with Stopwatch() as watch, pytest.raises(TotalTimeout, match=r"total_timeout is over \(200 ms"):
        client.get(peer.url)
    assert 195 <= watch.milliseconds < 200 + LATE
    assert len(peer.requests) > 1


def test_total_timeout_runs_while_connecting(client: HttpClient, deaf: int) -> None:
    with pytest.raises(TotalTimeout):
        client.get(f"http://127.0.0.1:{deaf}/", total_timeout=100)


def test_total_timeout_ends_what_never_pauses(client: HttpClient, peers: Any) -> None:
    def flood(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.send(bytes(4096))

    with Stopwatch() as watch, pytest.raises(TotalTimeout):
        client.get(peers.raw(flood).url, total_timeout=100)
    assert 95 <= watch.milliseconds < 100 + LATE


@pytest.mark.parametrize("none", [0, None])
def test_no_limit_means_none(client: HttpClient, peers: Any, none: int | None) -> None:
    client.receive_timeout = client.total_timeout = client.connect_timeout = none
    assert client.get(peers().url).body == b"ok"
    assert (client.receive_timeout, client.total_timeout, client.connect_timeout) == (0, none, 0)


def test_every_clock_is_a_timeout_error() -> None:
    for cls in (ConnectTimeout, ReceiveTimeout, TotalTimeout):
        assert issubclass(cls, TimeoutException)
        assert issubclass(cls, TimeoutError)


def test_ctrl_c_ends_a_silent_wait_at_once(client: HttpClient, silent: Any) -> None:
    pressed: list[float] = []

    def press() -> None:
        while not silent.requests:
            threading.Event().wait(0.001)
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        client.get(silent.url)
    elapsed = time.monotonic() - pressed[0]
    thread.join()
    assert elapsed < 0.1 + LATE / 1000
    assert client.get(silent.url + "/ok").body == b"ok"


def test_a_signal_that_raises_nothing_does_not_disturb(client: HttpClient, peers: Any) -> None:
    arrived = []
    before = signal.signal(signal.SIGUSR1, lambda *_: arrived.append(1))

    def respond(_: Any) -> bytes:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    try:
        assert client.get(peers(respond).url).body == b"ok"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert arrived == [1]


class BrokenWaiter(PollWaiter):
    """One that fails when libcurl calls it."""

    def watch(self, descriptor: int, interest: int, is_new: bool) -> None:
        raise KeyError(descriptor, interest)


def test_what_happens_in_libcurls_own_callbacks_is_not_lost(peers: Any) -> None:
    engine = Engine()
    engine.configure(Settings().curl)
    engine.curl.setopt(pycurl.URL, peers().url)
    engine.multi.wait_with(BrokenWaiter())
    with pytest.raises(KeyError):
        engine.run(1.0, time.monotonic() + 1)
    assert not engine.may_be_kept()
    engine.close()
