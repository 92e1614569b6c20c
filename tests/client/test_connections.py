"""Kept connections: one is known to be alive and clean before a request is written to it."""

import asyncio
import os
import select
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pycurl
import pytest
from sending import DOORS
from support import wait_until

from bladehttp import AsyncHttpClient, HttpClient, HttpException, ReadError
from bladehttp.client._curl.connections import HTTP_2, Connections, has_alert


@pytest.fixture(params=DOORS, ids=[door.__name__ for door in DOORS])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["plain", "tls"])
def context(request: pytest.FixtureRequest, server_context: ssl.SSLContext) -> Any:
    return server_context if request.param == "tls" else None


@pytest.fixture
def closing(peers: Any, context: Any) -> Any:
    """A peer that closes after each answer and does not say so."""

    def handle(connection: Any) -> None:
        seen = connection.read_request()
        peer.requests.append(seen)
        status = "307 Temporary Redirect" if seen.target == "/hop" else "200 OK"
        connection.send(
            f"HTTP/1.1 {status}\r\nLocation: /\r\nContent-Length: {len(seen.body)}\r\n\r\n".encode()
            + seen.body
        )

    peer = peers.raw(handle, context)
    return peer


def test_a_connection_that_the_server_has_closed_is_not_written_to(
    closing: Any, door: Any, certificates: Any
) -> None:
    with door(closing.url, ca_cert=certificates.ca_file) as send:
        for n in range(6):
            for method in ("POST", "PATCH", "PUT"):
                assert send(method, f"{method} {n}").body == f"{method} {n}".encode()
    assert len(closing.requests) == closing.connections == 18


def test_nor_between_the_hops_of_a_redirect(closing: Any, door: Any, certificates: Any) -> None:
    with door(closing.url, ca_cert=certificates.ca_file) as send:
        for n in range(4):
            response = send("POST", f"{n}", "/hop")
            assert (response.body, response.redirects) == (f"{n}".encode(), 1)
    assert [seen.target for seen in closing.requests] == ["/hop", "/"] * 4


CHALLENGE = (
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the end is to come with the answer")
@pytest.mark.parametrize("count", [1, 2], ids=["of a new connection", "of a kept one"])
def test_nor_between_the_rounds_of_a_request(peers: Any, door: Any, reply: Any, count: int) -> None:
    late: list[bytes] = []

    def handle(connection: Any) -> None:
        while seen := connection.read_request():
            peer.requests.append(seen)
            is_last = connection.number == 1 and seen.target == "/private"
            if is_last:
                connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            is_known = seen.target == "/" or seen.get("Authorization") is not None
            connection.send(reply(b"ok") if is_known else CHALLENGE)
            if is_last:
                connection.socket.shutdown(socket.SHUT_WR)
                late.append(connection.socket.recv(1000))
                return

    peer = peers.raw(handle)
    with door(peer.url, auth=("ada", "secret")) as send:
        targets = ["/"] * (count - 1) + ["/private"]
        assert [send("GET", None, target).body for target in targets] == [b"ok"] * count
    wait_until(lambda: late)
    assert late == [b""]


def test_nor_with_data_that_can_be_read_only_once(
    closing: Any, door: Any, certificates: Any
) -> None:
    with door(closing.url, ca_cert=certificates.ca_file) as send:
        for n in range(4):
            for method in ("POST", "PUT"):
                body = f"{method} {n}".encode()
                assert send(method, iter([body[:3], body[3:]])).body == body
    assert len(closing.requests) == 8


@pytest.mark.parametrize("concurrency", [1, 20])
def test_nor_by_many_at_once(closing: Any, certificates: Any, concurrency: int) -> None:
    bodies = [f"{n}".encode() for n in range(60)]
    requests = [{"url": closing.url, "method": "POST", "data": body} for body in bodies]
    with HttpClient(ca_cert=certificates.ca_file) as client:
        results = list(client.send_many(requests, concurrency))
    assert sorted(each.body for each in results) == sorted(bodies)
    assert sorted(seen.body for seen in closing.requests) == sorted(bodies)


def test_nor_by_many_tasks(closing: Any, certificates: Any) -> None:
    bodies = [f"{n}".encode() for n in range(60)]

    async def main() -> list[Any]:
        async with AsyncHttpClient(
            closing.url, ca_cert=certificates.ca_file, concurrency=20
        ) as client:
            return await asyncio.gather(*(client.post("/", body) for body in bodies))

    assert [each.body for each in asyncio.run(main())] == bodies
    assert sorted(seen.body for seen in closing.requests) == sorted(bodies)


@pytest.fixture
def chatty(peers: Any, context: Any, reply: Any) -> Any:
    """A peer that answers once more than it was asked on its first connection."""

    def handle(connection: Any) -> None:
        while True:
            peer.requests.append(connection.read_request())
            connection.send(reply(f"{connection.number}".encode()))
            if connection.number == 1:
                peer.may_talk.wait(10)
                connection.send(reply(b"unasked"))
                peer.has_talked.set()

    peer = peers.raw(handle, context)
    peer.may_talk, peer.has_talked = threading.Event(), threading.Event()
    return peer


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_server_sends_unasked_is_nobodys_answer(
    chatty: Any, door: Any, certificates: Any, method: str
) -> None:
    data = None if method == "GET" else "x"
    with door(chatty.url, ca_cert=certificates.ca_file) as send:
        assert send(method, data).body == b"1"
        chatty.may_talk.set()
        chatty.has_talked.wait(10)
        assert [send(method, data).body for _ in range(3)] == [b"2"] * 3
    assert len(chatty.requests) == 4


def test_a_download_is_not_what_a_server_has_sent_unasked(
    client: HttpClient, chatty: Any, certificates: Any, tmp_path: Path
) -> None:
    client.ca_cert = certificates.ca_file
    assert client.get(chatty.url).body == b"1"
    chatty.may_talk.set()
    chatty.has_talked.wait(10)
    client.download(chatty.url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"2"


def test_a_connection_that_lives_is_kept(
    peers: Any, context: Any, door: Any, certificates: Any
) -> None:
    peer = peers(context=context)
    with door(peer.url, ca_cert=certificates.ca_file) as send:
        for method in ("GET", "POST", "PUT", "POST", "GET"):
            assert send(method, None if method == "GET" else "x").body == b"ok"
    assert (peer.connections, len(peer.requests)) == (1, 5)


def test_a_connection_that_is_not_used_has_no_say(client: HttpClient, peers: Any) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    closed, alive = peers.raw(handle), peers()
    for _ in range(3):
        client.get(closed.url)
        assert [client.post(alive.url, "x").body for _ in range(3)] == [b"ok"] * 3
    assert (closed.connections, alive.connections) == (3, 1)


def test_a_response_that_is_there_before_the_request_is_read(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    def handle(connection: Any) -> None:  # a server that is full
        connection.send(reply(b"full", "503 Service Unavailable", "Connection: close"))
        connection.read_request()

    peer = peers.raw(handle)
    for _ in range(2):
        assert client.post(peer.url, "x").body == b"full"


def test_the_callers_own_look_is_called_too(peers: Any, door: Any) -> None:
    seen: list[Any] = []

    def look(*address: Any) -> int:
        seen.append(address)
        return int(pycurl.PREREQFUNC_OK)

    peer = peers()
    with door(peer.url, curl_options={pycurl.PREREQFUNCTION: look}) as send:
        for method in ("GET", "POST", "GET"):
            assert send(method, None if method == "GET" else "x").body == b"ok"
    assert [address[2] for address in seen] == [peer.port] * 3
    with (
        door(peer.url, curl_options={pycurl.PREREQFUNCTION: lambda *_: 1}) as send,
        pytest.raises(HttpException),
    ):
        send("POST", "x")


def test_a_request_that_was_read_is_not_sent_twice(
    peers: Any, door: Any, context: Any, certificates: Any
) -> None:
    def handle(connection: Any) -> None:
        peer.requests.append(connection.read_request())
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.requests.append(connection.read_request())

    peer = peers.raw(handle, context)
    with door(peer.url, ca_cert=certificates.ca_file) as send:
        send("GET", None)
        with pytest.raises(ReadError, match=r"lost before a response, and POST is not sent twice$"):
            send("POST", "pay")
        assert [seen.method for seen in peer.requests] == ["GET", "POST"]
        assert send("POST", "pay").body == b"ok"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "socket")


def test_a_unix_socket_that_the_server_has_closed_is_not_written_to(
    peers: Any, door: Any, context: Any, certificates: Any, path: str
) -> None:
    def handle(connection: Any) -> None:
        seen = connection.read_request()
        peer.requests.append(seen)
        connection.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(seen.body) + seen.body
        )

    peer = peers.raw(handle, context, path)
    with door(peer.url, unix_socket=path, ca_cert=certificates.ca_file) as send:
        for n in range(4):
            for method in ("POST", "PATCH", "PUT"):
                assert send(method, f"{method} {n}").body == f"{method} {n}".encode()
            assert send("POST", iter([b"on", b"ce"])).body == b"once"
    assert len(peer.requests) == peer.connections == 16


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_comes_unasked_over_a_unix_socket_is_nobodys_answer(
    peers: Any, door: Any, context: Any, certificates: Any, reply: Any, path: str, method: str
) -> None:
    may_talk, has_talked = threading.Event(), threading.Event()

    def handle(connection: Any) -> None:
        while True:
            peer.requests.append(connection.read_request())
            connection.send(reply(b"%d" % connection.number))
            if connection.number == 1:
                may_talk.wait(10)
                connection.send(reply(b"unasked"))
                has_talked.set()

    peer = peers.raw(handle, context, path)
    data = None if method == "GET" else "x"
    with door(peer.url, unix_socket=path, ca_cert=certificates.ca_file) as send:
        assert send(method, data).body == b"1"
        may_talk.set()
        has_talked.wait(10)
        assert [send(method, data).body for _ in range(3)] == [b"2"] * 3
    assert len(peer.requests) == 4


def test_a_unix_socket_that_lives_is_kept(peers: Any, door: Any, path: str, reply: Any) -> None:
    def handle(connection: Any) -> None:
        while True:
            peer.requests.append(connection.read_request())
            connection.send(reply(b"ok"))

    peer = peers.raw(handle, path=path)
    with door(peer.url, unix_socket=path) as send:
        for method in ("GET", "POST", "PUT", "POST", "GET"):
            assert send(method, None if method == "GET" else "x").body == b"ok"
    assert (peer.connections, len(peer.requests)) == (1, 5)


def test_a_request_that_was_read_from_a_unix_socket_is_not_sent_twice(
    peers: Any, door: Any, path: str, reply: Any
) -> None:
    def handle(connection: Any) -> None:
        peer.requests.append(connection.read_request())
        connection.send(reply(b"ok"))
        peer.requests.append(connection.read_request())

    peer = peers.raw(handle, path=path)
    with door(peer.url, unix_socket=path) as send:
        send("GET", None)
        with pytest.raises(ReadError, match=r"POST is not sent twice$"):
            send("POST", "pay")
        assert [seen.method for seen in peer.requests] == ["GET", "POST"]
        assert send("POST", "pay").body == b"ok"


@pytest.mark.parametrize("concurrency", [1, 20])
def test_nor_are_many_sent_to_a_unix_socket_that_is_closed(
    peers: Any, path: str, reply: Any, concurrency: int
) -> None:
    def handle(connection: Any) -> None:
        seen = connection.read_request()
        peer.requests.append(seen)
        connection.send(reply(seen.body))

    peer = peers.raw(handle, path=path)
    bodies = [b"%d" % n for n in range(60)]
    requests = [{"url": peer.url, "method": "POST", "data": body} for body in bodies]
    with HttpClient(unix_socket=path) as client:
        results = list(client.send_many(requests, concurrency))
    assert sorted(getattr(each, "body", repr(each)) for each in results) == sorted(bodies)
    assert sorted(seen.body for seen in peer.requests) == sorted(bodies)


FRAME = b"\x17\x03\x03\x00\x1a" + bytes(26)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (b"", False),
        (FRAME, False),
        (b"\x15\x03\x03\x00\x1a" + bytes(26), True),
        (b"\x17\x03\x03\x00\x13" + bytes(19), True),
        (FRAME + b"\x17\x03\x03\x00\x13" + bytes(19), True),
        (FRAME + b"\x17\x03\x03\x00", False),
        (FRAME[:20], False),
        (b"\x00\x00\x13\x06\x00\x00\x00\x00\x00" + bytes(19), False),
    ],
    ids=["nothing", "frame", "TLS 1.2", "TLS 1.3", "after a frame", "cut header", "cut", "no TLS"],
)
def test_an_alert_is_found_among_records(records: bytes, expected: bool) -> None:
    assert has_alert(records) is expected


class Opener:
    """A handle that has opened one connection."""

    origin = ("https", "a.test", 443)

    def __init__(self, descriptor: int) -> None:
        self.opened = [descriptor]
        self.lines: list[bytes] = []


def test_a_file_with_the_descriptor_of_a_closed_connection_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    connections = Connections()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as kept,
        (tmp_path / "file").open("rb", buffering=0) as file,
    ):
        connections.record(Opener(kept.fileno()), kept.getsockname()[1], HTTP_2)
        os.dup2(file.fileno(), kept.fileno())  # closes the socket, as libcurl does without a word
        connections.note_ends(Opener.origin, is_busy=False)
        assert file.read() == b"theirs"


@pytest.mark.parametrize("is_busy", [False, True])
def test_while_requests_run_connections_of_all_origins_are_looked_at(is_busy: bool) -> None:
    """Any may be idle; those that are not are read by libcurl."""
    connections, another = Connections(), ("https", "b.test", 443)
    connections.versions[another] = HTTP_2
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as kept,
    ):
        connections.record(Opener(kept.fileno()), kept.getsockname()[1], HTTP_2)
        peer, _ = listener.accept()
        peer.sendall(b"\x15\x03\x03\x00\x02\x01\x00")  # close_notify
        select.select([kept], [], [])
        connections.note_ends(another, is_busy=is_busy)
        assert connections._by_descriptor[kept.fileno()].is_ending is is_busy
        connections.note_ends(Opener.origin, is_busy=False)
        assert connections._by_descriptor[kept.fileno()].is_ending
        peer.close()
