"""HTTP/2: what was not processed is sent again, what broke off is told."""

import asyncio
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h2_peer as h2
import pycurl
import pytest
from sending import DOORS
from support import PATIENCE

from bladehttp import AsyncHttpClient, HttpClient, HttpException, IncompleteBody, Retry


@pytest.fixture
def http2(peers: Any, certificates: Any) -> Any:
    """Make a peer that speaks HTTP/2 by a handler of connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert_file, certificates.key_file)
    h2.with_http2(context)

    def make(handler: Any) -> Any:
        return peers.raw(h2.serving(handler), context)

    return make


@pytest.fixture(params=DOORS, ids=[door.__name__ for door in DOORS])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


React = Callable[[h2.Http2, h2.Request], bool]


def accept(connection: h2.Http2, request: h2.Request) -> bool:
    connection.answer(request.stream, b"ok")
    return False


def refuse(connection: h2.Http2, request: h2.Request) -> bool:
    connection.reset(request.stream, h2.REFUSED_STREAM)
    return False


def reacting(react: React, seen: list[bytes] | None = None) -> Callable[[h2.Http2], None]:
    """Return a handler that notes each body and reacts to its request, until that returns True."""

    def handle(connection: h2.Http2) -> None:
        is_over = False
        while not is_over:
            request = connection.read()
            if seen is not None:
                seen.append(request.body)
            is_over = react(connection, request)

    return handle


def go_away(connection: h2.Http2, request: h2.Request) -> None:
    connection.go_away(max(request.stream - 2, 0))


@pytest.mark.parametrize("way", [refuse, go_away], ids=["REFUSED_STREAM", "GOAWAY"])
@pytest.mark.parametrize("kept", [0, 1], ids=["new", "kept"])
@pytest.mark.parametrize("data", ["bytes", "generator"])
def test_what_was_not_processed_is_sent_again(
    http2: Any, door: Any, certificates: Any, way: Any, kept: int, data: str
) -> None:
    done: list[bytes] = []
    left = [way]

    def handle(connection: h2.Http2) -> None:
        while True:
            request = connection.read()
            if len(done) == kept and left:
                left.pop()(connection, request)
                continue
            done.append(request.body)
            connection.answer(request.stream, b"%d" % connection.number)

    peer = http2(handle)
    with door(peer.url, ca_cert=certificates.ca_file) as send:
        for n in range(kept):
            assert send("POST", f"{n}").body == b"1"
        body: Any = b"pay" if data == "bytes" else [b"p", b"ay"]
        response = send("POST", body)
        assert (response.status, response.body, response.version) == (200, b"2", "2")
    assert done == [b"0"] * kept + [b"pay"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("pause", [0.0, 1.1], ids=["at once", "after libcurl's second"])
def test_a_connection_that_only_tls_has_ended_is_not_used(
    http2: Any, door: Any, certificates: Any, method: str, pause: float
) -> None:
    may_end, is_ended, is_over = threading.Event(), threading.Event(), threading.Event()

    def handle(connection: h2.Http2) -> None:
        connection.answer(connection.read().stream, b"%d" % connection.number)
        may_end.wait(PATIENCE)
        connection.socket.settimeout(0)
        with suppress(ssl.SSLError):  # what it would read is not the end
            connection.socket.unwrap()  # close_notify, as of servers of asyncio
        is_ended.set()
        is_over.wait(PATIENCE)

    with door(http2(handle).url, ca_cert=certificates.ca_file) as send:
        assert send("GET", None).body == b"1"
        may_end.set()
        assert is_ended.wait(PATIENCE)
        time.sleep(pause)
        assert send(method, None).body == b"2"
        is_over.set()


def test_one_that_is_refused_again_and_again_is_told_of(
    http2: Any, client: HttpClient, certificates: Any
) -> None:
    client.ca_cert = certificates.ca_file
    told: list[Any] = []
    client.on_retry = [lambda request, why, delay: told.append(why)]
    with pytest.raises(HttpException):
        client.post(http2(reacting(refuse)).url, "x", retry=Retry(1, backoff=0))
    assert len(told) == 1  # it was not processed: Retry may


@pytest.mark.parametrize(("times", "status"), [(5, 200), (6, None)])
def test_what_is_refused_is_sent_again_five_times(
    http2: Any, door: Any, certificates: Any, times: int, status: int | None
) -> None:
    seen: list[bytes] = []

    def react(connection: h2.Http2, request: h2.Request) -> bool:
        return (refuse if len(seen) <= times else accept)(connection, request)

    with door(http2(reacting(react, seen)).url, ca_cert=certificates.ca_file) as send:
        if status is None:
            with pytest.raises(HttpException):
                send("POST", "pay")
        else:
            assert send("POST", "pay").status == status
    assert seen == [b"pay"] * 6


def test_what_was_refused_and_then_read_is_not_sent_once_more(
    http2: Any, door: Any, certificates: Any
) -> None:
    seen: list[bytes] = []

    def react(connection: h2.Http2, request: h2.Request) -> bool:
        return len(seen) > 1 or refuse(connection, request)

    with (
        door(
            http2(reacting(react, seen)).url,
            ca_cert=certificates.ca_file,
            retry=Retry(2, backoff=0),
        ) as send,
        pytest.raises(HttpException),
    ):
        send("POST", "pay")
    assert seen == [b"pay", b"pay"]


def test_what_is_refused_and_cannot_be_read_again_is_told_of(
    http2: Any, door: Any, certificates: Any
) -> None:
    seen: list[bytes] = []

    given = (piece for piece in [b"p", b"ay"])
    peer = http2(reacting(refuse, seen))
    with door(peer.url, ca_cert=certificates.ca_file) as send, pytest.raises(HttpException):
        send("POST", given)
    assert seen == [b"pay"]


def test_what_may_have_been_done_is_not_done_twice(
    http2: Any, door: Any, certificates: Any
) -> None:
    seen: list[bytes] = []

    def react(connection: h2.Http2, request: h2.Request) -> bool:
        return request.body == b"pay" or accept(connection, request)

    with door(http2(reacting(react, seen)).url, ca_cert=certificates.ca_file) as send:
        assert send("POST", "first").body == b"ok"
        with pytest.raises(HttpException):
            send("POST", "pay")
    assert seen == [b"first", b"pay"]


def test_the_words_of_a_refusal_in_a_body_are_none(
    http2: Any, door: Any, certificates: Any
) -> None:
    seen: list[bytes] = []

    def react(connection: h2.Http2, request: h2.Request) -> bool:
        return len(seen) > 1 or accept(connection, request)

    with door(http2(reacting(react, seen)).url, ca_cert=certificates.ca_file) as send:
        send("POST", "first")
        with pytest.raises(HttpException):
            send("POST", "HTTP/2 stream 3 refused by server")
    assert seen == [b"first", b"HTTP/2 stream 3 refused by server"]


def test_the_wire_is_logged_while_refusals_are_looked_for(
    http2: Any, door: Any, certificates: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bladehttp.client.wire")
    with door(http2(reacting(accept)).url, ca_cert=certificates.ca_file) as send:
        send("POST", "pay")
    assert any(record.getMessage().startswith("> POST / HTTP/2") for record in caplog.records)


def test_the_callers_own_log_is_left_alone(http2: Any, door: Any, certificates: Any) -> None:
    lines: list[bytes] = []
    options = {
        pycurl.VERBOSE: 1,
        pycurl.DEBUGFUNCTION: lambda kind, text: lines.append(text),
    }
    with door(
        http2(reacting(accept)).url, ca_cert=certificates.ca_file, curl_options=options
    ) as send:
        send("POST", "pay")
    assert any(line.startswith(b"POST / HTTP/2") for line in lines)


@pytest.mark.parametrize("concurrency", [1, 20])
def test_none_of_many_is_lost_or_doubled(
    http2: Any, certificates: Any, client: HttpClient, concurrency: int
) -> None:
    done, lock = Counter[bytes](), threading.Lock()

    def handle(connection: h2.Http2) -> None:
        for n in range(1_000_000):
            request = connection.read()
            if n == 29:  # what comes after the 30th is not processed
                connection.go_away(request.stream)
            if n <= 29:
                with lock:
                    done[request.body] += 1
                connection.answer(request.stream, request.body)

    url = http2(handle).url
    bodies = [b"%d" % n for n in range(200)]
    client.ca_cert = certificates.ca_file
    results = list(
        client.send_many(
            [{"url": url, "method": "POST", "data": body} for body in bodies], concurrency
        )
    )
    assert sorted(each.body for each in results) == sorted(bodies)  # type: ignore[union-attr]
    assert done == Counter(bodies)
    done.clear()

    async def main() -> list[Any]:
        async with AsyncHttpClient(
            url, ca_cert=certificates.ca_file, concurrency=concurrency
        ) as tasks:
            return await asyncio.gather(*(tasks.post("/", body) for body in bodies))

    assert [each.body for each in asyncio.run(main())] == bodies
    assert done == Counter(bodies)


BREAKS = {
    "reset": lambda connection, stream: connection.reset(stream, h2.INTERNAL_ERROR),
    "reset without an error": lambda connection, stream: connection.reset(stream, 0),
    "cancel": lambda connection, stream: connection.reset(stream, h2.CANCEL),
    "short": lambda connection, stream: connection.frame(h2.DATA, stream, b"", h2.END_STREAM),
    "going away": lambda connection, stream: connection.go_away(0, h2.INTERNAL_ERROR),
}


@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_that_breaks_off_is_incomplete(
    http2: Any, door: Any, certificates: Any, kind: str, method: str
) -> None:
    def handle(connection: h2.Http2) -> None:
        stream = connection.read().stream
        connection.head(stream, h2.field(b"content-length", b"100"))
        connection.frame(h2.DATA, stream, b"short")
        BREAKS[kind](connection, stream)
        connection.socket.recv(1)

    data = None if method == "GET" else "x"
    with (
        door(http2(handle).url, ca_cert=certificates.ca_file) as send,
        pytest.raises(IncompleteBody) as caught,
    ):
        send(method, data)

    if kind == "short":
        assert "5 of 100 bytes" in str(caught.value)
    if "stream" not in door.__name__:
        assert caught.value.partial == b"short"
