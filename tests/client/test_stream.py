"""Bodies received while they are read."""

import gzip
import random
import threading
import time
import tracemalloc
import zlib
from queue import SimpleQueue
from typing import Any

import brotli
import pytest
from sending import DOORS
from support import PATIENCE, wait_until

import bladehttp
from bladehttp import Retry
from bladehttp.client import HttpClient
from bladehttp.exceptions import (
    BodyTooLarge,
    ConnectError,
    DecodingError,
    IncompleteBody,
    ReceiveTimeout,
    TotalTimeout,
)

MIB = 1 << 20


def test_a_body_comes_in_pieces(client: HttpClient, peers: Any, reply: Any) -> None:
    body = random.Random(1).randbytes(5 * MIB)
    peer = peers(reply(body, "200 OK", "X: y"))
    with client.stream(peer.url) as response:
        assert (response.status, response.headers["X"], response.url) == (200, "y", peer.url + "/")
        pieces = list(response.iter_bytes())
    assert b"".join(pieces) == body
    assert len(pieces) > 1
    with client.stream(peer.url) as response:
        sizes = [len(piece) for piece in response.iter_bytes(MIB + 1)]
    assert sizes == [MIB + 1] * 4 + [5 * MIB - 4 * (MIB + 1)]
    assert client.get(peer.url).body == body
    assert peer.connections == 1


def test_a_response_is_there_before_anything_of_its_body_is(client: HttpClient) -> None:
    channels: SimpleQueue[Any] = SimpleQueue()
    with bladehttp.server(0) as server:
        server.on_receive(lambda request, response: channels.put(response.channel()))
        with client.stream(server.url) as response:
            channel = channels.get(timeout=10)
            assert response.status == 200
            channel.write("one")
            pieces = response.iter_bytes()
            assert next(pieces) == b"one"
            channel.close()
            assert list(pieces) == []


@pytest.mark.parametrize(
    "head", ["204 No Content\r\n", "304 Not Modified\r\n", "200 OK\r\nContent-Length: 0\r\n"]
)
def test_a_response_without_a_body_that_nobody_reads_leaves_its_connection(
    client: HttpClient, peers: Any, head: str
) -> None:
    peer = peers(f"HTTP/1.1 {head}\r\n".encode())
    for _ in range(2):
        with client.stream(peer.url) as response:
            assert response.source is None
    assert peer.connections == 1


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"", None],
    ids=["an interim response", "half a head", "an answer to be retried"],
)
def test_only_the_response_that_counts_is_given(
    peers: Any, reply: Any, door: Any, first: bytes | None
) -> None:  # fmt: skip
    slowly = threading.Event()  # a client that does not wait has the first part only
    left = [b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nb", b"usy"] if first is None else []
    whole = reply(b"ok", "200 OK")

    def handle(connection: Any) -> None:
        while True:
            connection.read_request()
            parts = [left.pop(0), left.pop(0)] if left else [whole[:20], whole[20:]]
            for part in [first or b"", *parts]:
                connection.send(part)
                slowly.wait(0.03)

    with door(peers.raw(handle).url, retry=Retry(1, backoff=0)) as send:
        response = send("GET", None)
        assert (response.status, response.body) == (200, b"ok")


def test_a_response_is_there_before_its_body_is_complete(client: HttpClient, peers: Any) -> None:
    go_on = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        go_on.wait(10)
        connection.send(b"3\r\ntwo\r\n0\r\nT: end\r\n\r\n")
        connection.read_request()

    with client.stream(peers.raw(handle).url) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"one"
        go_on.set()
        assert list(pieces) == [b"two"]
        assert response.trailers == {"T": "end"}


@pytest.mark.parametrize(
    ("body", "lines"),
    [(b"a\nb\r\n\nc", ["a", "b", "", "c"]), (b"a\n", ["a"]), (b"", []),
     ("\xe4\u20ac\n".encode() * 3, ["\xe4\u20ac"] * 3), (b"\xff\n", ["\ufffd"])],
)  # fmt: skip
def test_lines(client: HttpClient, peers: Any, body: bytes, lines: list[str]) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client.stream(peers(head + chunks + b"0\r\n\r\n").url) as response:
        assert list(response.iter_lines()) == lines


@pytest.mark.parametrize("status", ["204 None", "304 Same", "200 OK"])
def test_no_body_at_all(client: HttpClient, peers: Any, reply: Any, status: str) -> None:
    peer = peers(reply(b"", status, length=status.startswith("2") and "204" not in status))
    for _ in range(2):
        with client.stream(peer.url, "HEAD" if status == "200 OK" else "GET") as response:
            assert list(response.iter_bytes()) == list(response.iter_lines()) == []
    assert peer.connections == 1


def test_other_requests_follow_a_stream_without_a_body(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    pause = threading.Event()

    def respond(request: Any) -> bytes:
        pause.wait(0.01)  # a client that does not wait has nothing then
        return bytes(reply(b"", "204 None", length=False) if request.target == "/" else reply(b"x"))

    peer = peers(respond)
    with client.stream(peer.url) as response:
        assert response.status == 204
    assert [client.get(peer.url + "/x").body for _ in range(2)] == [b"x"] * 2
    with client.stream(peer.url + "/x") as response:
        assert response.read() == b"x"
    assert peer.connections == 1


def test_redirects_are_followed_and_their_bodies_not_given(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/":
            return reply(b"x" * 3 * MIB, "302 Found", "Location: /to")
        if seen.target == "/nowhere":
            return reply(b"no location", "302 Found")
        return reply(b"there " + seen.body)

    peer = peers(respond)
    with client.stream(peer.url, "POST", b"data") as response:
        assert b"".join(response.iter_bytes()) == b"there "
        assert (response.redirects, response.history[0].status) == (1, 302)
    with client.stream(peer.url + "/nowhere") as response:
        assert (response.status, list(response.iter_bytes())) == (302, [b"no location"])
    with client.stream(peer.url, follow_redirect=False) as response:
        assert sum(map(len, response.iter_bytes())) == 3 * MIB


def test_read_takes_the_rest(client: HttpClient, peers: Any, reply: Any) -> None:
    with client.stream(peers(reply(b'{"a": 1}', "404 No")).url) as response:
        assert response.read() == b'{"a": 1}'
        assert (response.json(), list(response.iter_bytes(3))) == (
            {"a": 1}, [b'{"a', b'": ', b"1}"])  # fmt: skip
        with pytest.raises(bladehttp.HttpStatusError):
            response.raise_for_status()


def endless(connection: Any) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.send(b"100000\r\n" + bytes(MIB) + b"\r\n")


def test_leaving_early_closes_this_connection_and_leaves_the_client_sound(
    client: HttpClient, peers: Any
) -> None:
    endless_peer, peer = peers.raw(endless), peers()
    for _ in range(3):
        with client.stream(endless_peer.url) as response:
            pieces = response.iter_bytes()
            assert next(pieces)
        with pytest.raises(ValueError, match="stream is closed"):
            for _ in pieces:
                pass
        with pytest.raises(ValueError, match="stream is closed"):
            next(response.iter_bytes())
        assert client.get(peer.url).body == b"ok"
    with pytest.raises(KeyError), client.stream(endless_peer.url) as response:
        raise KeyError
    assert client.get(peer.url).body == b"ok"


def test_memory_stays_constant_and_the_server_waits(client: HttpClient, peers: Any) -> None:
    sent: list[int] = []
    full, block = threading.Event(), bytes(MIB)

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (1 << 40))
        sent.append(connection.send_until_full(block, 100))
        full.set()
        for _ in range(100):
            connection.send(block)

    tracemalloc.start()
    try:
        with client.stream(peers.raw(handle).url) as response:
            pieces = response.iter_bytes()
            got = len(next(pieces))
            assert full.wait(10)
            assert sent[0] < 50
            tracemalloc.reset_peak()
            for piece in pieces:
                got += len(piece)
                if got > 100 * MIB:
                    break
        assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw", "two members", "both", "br"])
def test_codings_are_undone_while_streaming(client: HttpClient, peers: Any, coding: str) -> None:
    text = b"".join(b"%d " % number for number in range(200_000))
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": ("gzip", gzip.compress(text)),
        "deflate": ("deflate", zlib.compress(text)),
        "raw": ("deflate", raw.compress(text) + raw.flush()),
        "two members": (
            "x-gzip",
            gzip.compress(text[:1000]) + gzip.compress(text[1000:]) + bytes(9),
        ),
        "br": ("br", brotli.compress(text, quality=1)),
        "both": ("deflate, identity, gzip", gzip.compress(zlib.compress(text))),
    }
    name, body = bodies[coding]
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[:1], body[1:2], body[2:30], body[30:-4], body[-4:])
    )  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"
    url = peers(head.encode() + chunks + b"0\r\n\r\n").url
    with client.stream(url) as response:
        assert b"".join(response.iter_bytes()) == text
    with client.stream(url, accept_encoding=None) as response:
        assert b"".join(response.iter_bytes()) == body


@pytest.mark.parametrize("cut", [1, 5, -10, -4, -1])
def test_a_truncated_gzip_stream_is_no_success(
    client: HttpClient, peers: Any, reply: Any, cut: int
) -> None:
    body = gzip.compress(random.Random(2).randbytes(10_000))[:cut]
    peer = peers(reply(body, "200 OK", "Content-Encoding: gzip"))
    with client.stream(peer.url) as response, pytest.raises(DecodingError, match="ends early") as e:
        for _ in response.iter_bytes():
            pass
    assert (e.value.url, e.value.response.status) == (peer.url + "/", 200)


def test_what_is_no_gzip_and_what_is_too_much(client: HttpClient, peers: Any, reply: Any) -> None:
    bomb = gzip.compress(bytes(50 * MIB))
    url = peers(reply(bomb, "200 OK", "Content-Encoding: gzip")).url
    with client.stream(url) as response:
        assert max(map(len, response.iter_bytes())) <= MIB
    for coding, body, error in (
        ("gzip", bomb, BodyTooLarge),
        ("br", brotli.compress(bytes(50 * MIB), quality=1), BodyTooLarge),
        ("gzip", b"plain text", DecodingError),
        ("zstd", b"x", DecodingError),
    ):  # fmt: skip
        peer = peers(reply(body, "200 OK", f"Content-Encoding: {coding}"))
        with client.stream(peer.url, max_body_size=MIB) as response, pytest.raises(error):
            for _ in response.iter_bytes():
                pass


def test_a_body_that_ends_early_raises_where_it_is_read(client: HttpClient, peers: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    with client.stream(peer.url) as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"half"
        with pytest.raises(IncompleteBody) as caught:
            next(pieces)
    assert (caught.value.partial, caught.value.url) == (b"", peer.url + "/")
    assert client.get(peers().url).body == b"ok"


def test_what_fails_before_the_head_raises_at_once(client: HttpClient, peers: Any) -> None:
    with pytest.raises(ConnectError), client.stream("http://127.0.0.1:1/"):
        pass
    with pytest.raises(bladehttp.InvalidUrl), client.stream("http://"):
        pass
    assert client.get(peers().url).body == b"ok"


def dripping(connection: Any) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
    connection.socket.recv(1)


def test_the_clocks_count_only_the_time_spent_waiting(client: HttpClient, peers: Any) -> None:
    for clock, error in (("receive_timeout", ReceiveTimeout), ("total_timeout", TotalTimeout)):
        with client.stream(peers.raw(dripping).url, **{clock: 400}) as response:
            pieces = response.iter_bytes()
            assert next(pieces) == b"one"
            began = time.monotonic()
            while time.monotonic() - began < 0.5:
                pass  # the reader is busy for longer than the clock allows for waiting
            began = time.monotonic()
            with pytest.raises(error):
                next(pieces)
            assert time.monotonic() - began > 0.2


def test_the_bytes_of_a_whole_response_can_be_iterated_too(client: HttpClient, peers: Any) -> None:
    response = client.get(peers().url)
    assert (list(response.iter_bytes()), list(response.iter_bytes(1))) == ([b"ok"], [b"o", b"k"])
    assert (list(response.iter_lines()), response.read()) == (["ok"], b"ok")
    with pytest.raises(ValueError, match="chunk_size"):
        next(response.iter_bytes(0))


def test_streams_may_run_side_by_side(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(lambda seen: reply(seen.target.encode() * 100_000))
    with client.stream(peer.url + "/a") as one, client.stream(peer.url + "/b") as two:
        for first, second in zip(one.iter_bytes(2), two.iter_bytes(2), strict=True):
            assert (first, second) == (b"/a", b"/b")


def test_a_stream_over_tls(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    peer = peers(reply(bytes(3 * MIB)), server_context)
    with client.stream(peer.url, ca_cert=certificates.ca_file) as response:
        assert response.certificate is not None
        assert sum(map(len, response.iter_bytes())) == 3 * MIB


def test_a_stream_is_received_by_one_thread_at_a_time(client: HttpClient, peers: Any) -> None:
    more = threading.Event()

    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        more.wait(PATIENCE)
        connection.send(b"b")

    rest: list[bytes] = []
    with client.stream(peers.raw(handle).url) as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"a"
        other = threading.Thread(target=lambda: rest.extend(chunks))
        other.start()
        wait_until(lambda: response.source._is_receiving)
        with pytest.raises(RuntimeError, match="another thread"):
            next(response.iter_bytes())
        more.set()
        other.join(PATIENCE)
    assert rest == [b"b"]
