"""The write clock measures what the client takes, not what the kernel takes from the server."""

import contextlib
import logging
import shutil
import socket
import subprocess
import threading
import time

import pytest
from support import PATIENCE, Raw, wait_until

from bladehttp.server._net import send_queue, send_queue as client_progress

LATE = 5
"""Seconds a clock may be late on a busy machine. Without it these connections would stay open."""

SHORT = 300
"""The write_timeout here, in milliseconds."""

SIZE = 1_000_000
BODY = bytes(range(256)) * (SIZE // 256) + b"x" * (SIZE % 256)

linux = pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="asks Linux's kernel")


@pytest.fixture
def big_file(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(BODY)
    return path


def by_write(response, path):
    response.write(BODY)


def by_stream(response, path):
    response.stream(BODY[at : at + 10_000] for at in range(0, SIZE, 10_000))


def by_file(response, path):
    response.file(path)


def by_channel(response, path):
    channel = response.channel()

    def feed():
        for at in range(0, SIZE, 10_000):
            while not channel.write(b"") or channel._size > 100_000:
                if channel.closed:
                    return
                time.sleep(0.001)
            channel.write(BODY[at : at + 10_000])
        channel.close()

    threading.Thread(target=feed).start()


def by_deferral(response, path):
    deferred = response.defer()

    def answer():
        response.write(BODY)
        deferred.send()

    threading.Thread(target=answer).start()


WAYS = [by_write, by_stream, by_file, by_channel, by_deferral]
KINDS = ["tcp", "tls", "unix"]

kinds_and_ways = pytest.mark.parametrize(
    ("kind", "way"),
    [
        *[pytest.param("tcp", way, id=f"tcp-{way.__name__}") for way in WAYS],
        *[pytest.param(kind, way, id=f"{kind}-{way.__name__}")
          for kind in KINDS[1:] for way in (by_write, by_file)],
    ],
)  # fmt: skip


def client_of(server, certificates) -> Raw:
    if server.host.startswith("unix:"):
        client = Raw.__new__(Raw)
        client.socket, client.buffer = socket.socket(socket.AF_UNIX), b""
        client.socket.settimeout(PATIENCE)
        client.socket.connect(server.host.removeprefix("unix:"))
        return client
    context = certificates.client_context() if server.is_secure else None
    return Raw(server.port, server.host, context)


@pytest.fixture
def serving(serve, certificates, tmp_path, big_file):
    """Start a server of one kind that answers in one way."""

    def start(kind, way, **settings):
        def handler(request, response):
            if request.path != "/small":
                way(response, big_file)

        settings = {"write_timeout": SHORT, **settings}
        if kind == "unix":
            settings["host"] = f"unix:{tmp_path / 'sock'}"
        return serve(handler, secure=kind == "tls", **settings)

    return start


def read_slowly(client, rate, until):
    """Read at a steady rate, in bytes a second, until so many bytes are here."""
    begun = time.monotonic()
    while len(client.buffer) < until:
        data = client.socket.recv(16_384)
        assert data, f"closed after {len(client.buffer)} bytes"
        client.buffer += data
        time.sleep(max(0, begun + len(client.buffer) / rate - time.monotonic()))


@linux
@kinds_and_ways
def test_a_client_that_reads_steadily_gets_all_however_slowly(
    serving, certificates, kind, way, caplog
):
    server = serving(kind, way)
    with client_of(server, certificates) as client:
        client.get()
        read_slowly(client, 300_000, 400_000)  # the kernel is silent for half a second of it
        assert client.response().body == BODY
    assert "received nothing" not in caplog.text


@linux
@kinds_and_ways
def test_a_client_that_takes_nothing_is_reset_after_the_clock_and_named(
    serving, certificates, kind, way, caplog
):
    server = serving(kind, way)
    gone = []
    server.on_disconnect(lambda client: gone.append(time.monotonic()))
    with client_of(server, certificates) as client:
        begun = time.monotonic()
        client.get("/dead?x")
        wait_until(lambda: gone)
        assert SHORT * 0.95 <= (gone[0] - begun) * 1000 <= SHORT * 1.2 + 300  # a loaded machine
        with pytest.raises((OSError, AssertionError)):
            client.take(SIZE)
    (record,) = [record for record in caplog.records if "received nothing" in record.message]
    assert record.levelno == logging.WARNING
    assert (
        "received nothing for 0.3 s of the response to GET /dead?x: reset after " in record.message
    )


@linux
def test_a_stream_that_pauses_does_not_hide_a_client_that_takes_nothing(serving, certificates):
    server = serving("tcp", lambda response, path: None)
    channels, gone = [], []
    server.on_receive(lambda request, response: channels.append(response.channel()))
    server.on_disconnect(lambda client: gone.append(time.monotonic()))
    with client_of(server, certificates) as client:
        client.get()
        wait_until(lambda: channels)
        for _ in range(20):  # all of it goes to the kernel: the stream is never blocked
            channels[0].write(b"x" * 20_000)
        begun = time.monotonic()
        while not gone:
            channels[0].write(b"x")
            time.sleep(0.01)
        assert (gone[0] - begun) * 1000 <= SHORT * 1.2 + LATE * 1000
        assert not channels[0].write(b"x")


def test_a_stream_whose_client_takes_all_pauses_as_long_as_it_likes(serve, connect):
    channels = []
    server = serve(lambda request, response: channels.append(response.channel()), write_timeout=50)
    client = connect(server).get()
    wait_until(lambda: channels)
    for _ in range(2):
        assert channels[0].write(b"x" * 100_000)
        client.take(90_000)
        time.sleep(0.3)
    assert channels[0].write(b"end")
    channels[0].close()
    while b"end\r\n0\r\n\r\n" not in client.buffer:
        assert client.more()


@linux
def test_a_connection_is_not_idle_while_its_client_still_takes_the_answer(
    serving, certificates, caplog
):
    """All of it is in the kernel long before: closing would throw it away with the next request."""
    server = serving("tcp", lambda response, path: response.write(BODY[:400_000]),
                     keep_alive_timeout=500, write_timeout=2000)  # fmt: skip
    with client_of(server, certificates) as client:
        client.get()
        read_slowly(client, 300_000, 350_000)
        assert client.response().body == BODY[:400_000]
        assert client.get("/small").response().status == 200
    assert caplog.messages == []


@linux
def test_a_client_that_leaves_the_kernels_part_of_an_answer_is_reset(serving, certificates):
    """Nothing waits in the server itself."""
    server = serving("tcp", lambda response, path: response.write(BODY[:220_000]))
    gone = []
    server.on_disconnect(lambda client: gone.append(time.monotonic()))
    with client_of(server, certificates) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begun = time.monotonic()
        client.get()
        wait_until(lambda: gone)
        assert (gone[0] - begun) * 1000 <= SHORT * 1.2 + 500
        with pytest.raises((OSError, AssertionError)):
            client.take(220_500)


@linux
@pytest.mark.parametrize("fields", [["Connection: close"], []], ids=["close", "kept"])
def test_an_answer_that_ends_the_connection_is_taken_to_its_end(serving, certificates, fields):
    server = serving("tcp", by_write)
    with client_of(server, certificates) as client:
        client.get("/", *fields)
        read_slowly(client, 2_000_000, SIZE // 2)
        time.sleep(SHORT / 1000 / 2)
        assert client.response().body == BODY


@pytest.mark.parametrize("way", [by_write, by_stream, by_file], ids=lambda way: way.__name__)
def test_what_is_counted_is_what_the_client_took(serving, certificates, way):
    server = serving("tcp", way, write_timeout=10_000)
    seen = []
    server.on_answered(seen.append)
    with client_of(server, certificates) as client:
        client.get()
        client.take(100_000)
    wait_until(lambda: seen)
    assert 100_000 - 500 <= seen[0].sent <= 500_000
    with client_of(server, certificates) as client:
        assert client.get().response().body == BODY
        wait_until(lambda: len(seen) == 2)
    assert SIZE <= seen[1].sent <= SIZE * 1.02  # what frames a stream counts, too


@linux
def test_a_client_that_reads_in_bursts_rests_as_long_as_these_pay_for(serving, certificates):
    """As curl --limit-rate does: a megabyte at once, then nothing for seconds."""
    server = serving("tcp", lambda response, path: response.write(b"x" * 4_000_000))
    with client_of(server, certificates) as client:
        client.get()
        client.take(1_000_000)
        time.sleep(4 * SHORT / 1000)
        assert client.take(2_000_000) == b"x" * 2_000_000


@linux
def test_curl_with_a_limited_rate_gets_the_whole_file(serving, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = serving("tcp", lambda response, path: response.write(b"x" * 5_000_000))
    target = tmp_path / "got"
    command = ["curl", "-sS", "--limit-rate", "2M", "-o", str(target), server.url]
    subprocess.run(command, check=True, timeout=PATIENCE)
    assert target.stat().st_size == 5_000_000


@linux
def test_a_client_elsewhere_is_given_the_time_its_kernel_may_hide(monkeypatch):
    """Of a program on another machine the kernel knows what that one's kernel has taken."""
    monkeypatch.setattr(send_queue, "_ask", _unknown)
    left, right = socket.socketpair()
    with left, right:
        progress = client_progress.ClientProgress(left, 0, 100.0, 2.0)
        sent = left.send(b"x" * 80_000)
        right.recv(80_000)
        assert not progress.has_stopped(sent, 100.1)
        assert not progress.has_stopped(sent, 103.0)
        assert progress.has_stopped(sent, 100.0 + 80_000 / client_progress.SLOWEST)


def _unknown(question):
    raise ValueError("no such socket")


@linux
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_the_kernel_knows_what_a_program_of_this_machine_has_not_read(family):
    if family == socket.AF_UNIX:
        left, right = socket.socketpair()
    else:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        with socket.create_server((host, 0), family=family) as listener:
            right = socket.create_connection(listener.getsockname()[:2])
            left, _ = listener.accept()
    with left, right:
        peer = send_queue.Peer(left)
        assert peer.unread() == 0
        left.send(b"x" * 1000)
        wait_until(lambda: peer.unread() == 1000)
        right.recv(300)
        assert peer.unread() == 700
        left.close()
        assert send_queue.unacknowledged(left) == 0


def test_a_socket_that_is_not_connected_has_no_known_peer():
    with contextlib.closing(socket.socket()) as alone:
        assert send_queue.Peer(alone).unread() is None


def test_kept_connections_are_asked_for_when_they_are_silent(serve, connect):
    """A client that has gone without a word is found out where no clock of ours runs."""
    options = []
    server = serve()

    def look(sock):
        options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))

    server.on_connect(look)
    connect(server).get().response()
    assert options == [1, 60, 128 * 1024]
