"""events: streams of server-sent events, connected to again, from our own server and others."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import pytest
from support import run_async, wait_until

from bladehttp import AsyncHttpClient, Event, HttpServer
from bladehttp.client import HttpClient
from bladehttp.client._exchange import event_source
from bladehttp.exceptions import (
    BodyTooLarge,
    ConnectError,
    HttpException,
    HttpStatusError,
    IncompleteBody,
    ProtocolError,
    ReceiveTimeout,
    TotalTimeout,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
STREAM = "Content-Type: text/event-stream"

Listen = Callable[..., list[Event]]


def plain(url: str, count: int | None = None, /, **arguments: Any) -> list[Event]:
    with HttpClient() as client, closing(client.events(url, **arguments)) as events:
        return list(islice(events, count))


def awaited(url: str, count: int | None = None, /, **arguments: Any) -> list[Event]:
    async def main() -> list[Event]:
        found: list[Event] = []
        async with AsyncHttpClient() as client:
            events: Any = client.events(url, **arguments)
            try:
                while count is None or len(found) < count:
                    found.append(await anext(events))
            except StopAsyncIteration:
                pass
            finally:
                await events.aclose()
        return found

    return run_async(main())


both = pytest.mark.parametrize("listen", [plain, awaited])


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again without the standard's three seconds."""
    monkeypatch.setattr(event_source, "FIRST_DELAY", 1)
    monkeypatch.setattr(event_source, "LEAST_DELAY", 1)


@both
def test_events_with_reconnection(peers: Any, reply: Any, listen: Listen) -> None:
    bodies = [
        b"retry: 1\nid: 1\ndata: a\n\ndata: lost",
        b"",
        b": nothing\n\n",
        b"event: x\ndata: b\nid: \xc3\xa4\n\n",
    ]
    peer = peers(
        lambda seen: (
            reply(bodies[len(peer.requests) - 1], "200 OK", STREAM)
            if len(peer.requests) <= len(bodies)
            else reply(b"", "204 No Content")
        )
    )
    assert listen(peer.url + "/?q=1") == [Event("a", id="1", retry=1), Event("b", "x", "ä")]
    assert [seen.get("Last-Event-ID") for seen in peer.requests] == [None, "1", "1", "1", "Ã¤"]
    for seen in peer.requests:
        assert (seen.target, seen.get("Accept")) == ("/?q=1", "text/event-stream")
        assert seen.get("Cache-Control") == "no-store"


@both
def test_arguments_hold_for_every_connection(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(
        lambda seen: (
            reply(b"data: a\n\n", "200 OK", STREAM)
            if len(peer.requests) < 3
            else reply(b"", "204 No Content")
        )
    )
    url = peer.url
    assert len(listen(url, headers={"Accept": "a/b"}, auth="token", last_event_id="7")) == 2
    assert [seen.get("Accept") for seen in peer.requests] == ["a/b"] * 3
    assert [seen.get("Authorization") for seen in peer.requests] == ["Bearer token"] * 3
    assert [seen.get("Last-Event-ID") for seen in peer.requests] == ["7"] * 3


@both
def test_a_lost_connection_is_made_again(peers: Any, listen: Listen) -> None:
    peer = peers.once(HEAD + b"Content-Length: 999\r\n\r\nid: 1\ndata: a\n\n", reset=False)
    assert listen(peer.url, 3) == [Event("a", id="1")] * 3
    assert peer.requests[-1].get("Last-Event-ID") == "1"


@both
def test_silence_is_a_lost_connection(peers: Any, listen: Listen) -> None:
    def handle(connection: Any) -> None:
        peer.requests.append(connection.read_request())
        connection.send(HEAD + b"\r\ndata: a\n\n")
        connection.socket.recv(1)

    peer = peers.raw(handle)
    assert listen(peer.url, 2, receive_timeout=400) == [Event("a")] * 2
    assert len(peer.requests) >= 2


@both
@pytest.mark.parametrize(
    ("status", "field", "error"),
    [
        ("200 OK", "Content-Type: text/html", ProtocolError),
        ("200 OK", "X-A: b", ProtocolError),
        ("201 Created", STREAM, ProtocolError),
        ("206 Partial Content", STREAM, ProtocolError),
        ("304 Not Modified", STREAM, ProtocolError),
        ("404 Not Found", STREAM, HttpStatusError),
        ("503 Service Unavailable", "Content-Type: text/plain", HttpStatusError),
    ],
)
def test_another_response_is_an_error(
    peers: Any, reply: Any, listen: Listen, status: str, field: str, error: type[Exception]
) -> None:
    peer = peers(reply(b"", status, field))
    with pytest.raises(error, match=status[:3]):
        listen(peer.url)
    assert len(peer.requests) == 1


@both
@pytest.mark.parametrize("mime", ["Text/Event-Stream;charset=utf-8", "text/event-stream ;x"])
def test_the_type_may_have_parameters(peers: Any, reply: Any, listen: Listen, mime: str) -> None:
    peer = peers(reply(b"data: a\n\n", "200 OK", f"Content-Type: {mime}"))
    assert listen(peer.url, 1) == [Event("a")]


@both
def test_a_first_connection_that_fails_is_an_error(listen: Listen) -> None:
    with pytest.raises(ConnectError):
        listen("http://127.0.0.1:1/")


@both
def test_later_failures_are_bounded(peers: Any, reply: Any, listen: Listen) -> None:
    def handle(connection: Any) -> None:
        peer.requests.append(connection.read_request())
        if len(peer.requests) == 1:
            connection.send(HEAD + b"\r\ndata: a\n\n")
        connection.hang_up()

    peer = peers.raw(handle)
    with pytest.raises(HttpException):
        listen(peer.url, failures=2)
    assert len(peer.requests) == 4


@both
def test_connections_without_a_byte_are_bounded(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(reply(b"", "200 OK", STREAM))
    with pytest.raises(HttpException, match="3 connections have ended without any byte"):
        listen(peer.url, failures=2)
    assert len(peer.requests) == 3


@both
def test_a_long_delay_is_cut(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(reply(b"retry: 999999999\ndata: a\n\n", "200 OK", STREAM))
    started = time.monotonic()
    assert len(listen(peer.url, 3, longest_delay=10)) == 3
    assert time.monotonic() - started < 5


def test_delays_double_and_are_bounded(client: HttpClient) -> None:
    class Response:
        status = 200
        headers = {"Content-Type": "text/event-stream"}  # noqa: RUF012

        def raise_for_status(self) -> None: ...

    request = client._prepare("http://127.0.0.1/")
    source = event_source.EventSource(request, "", None, 1000, 99)
    source.next_request()
    source.is_over(Response())  # type: ignore[arg-type]
    source.received()
    assert list(source.parser.feed(b"retry: 50\n\n")) == []
    delays = [source.delay_after(None)]
    for _ in range(70):
        source.next_request()
        delays.append(source.delay_after(ReceiveTimeout()))
    assert delays[:7] == [0.05, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert delays[-1] == 1.0


def test_a_server_that_says_retry_0_is_not_asked_without_a_pause(client: HttpClient) -> None:
    source = event_source.EventSource(client._prepare("http://127.0.0.1/"), "", None, 1000, 99)
    source._was_open = True
    for stream, delay in ((b"retry: 0\n\n", event_source.LEAST_DELAY / 1000),
                          (b"retry: 0\ndata\n\n", 0)):  # fmt: skip
        source.next_request()
        source.received()
        list(source.parser.feed(stream))
        assert source.delay_after(None) == delay


@both
def test_the_callers_own_limits_end_it(peers: Any, listen: Listen) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(HEAD + b"\r\n")
        connection.socket.recv(1)

    with pytest.raises(TotalTimeout):
        listen(peers.raw(handle).url, total_timeout=50)


@both
def test_an_event_that_is_too_long_is_an_error(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(reply(b"data: " + b"x" * 100 + b"\n\n", "200 OK", STREAM))
    with pytest.raises(BodyTooLarge, match="longer than 50 bytes"):
        listen(peer.url, max_event_size=50)
    assert len(peer.requests) == 1


@both
def test_a_post_is_sent_once(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(reply(b"data: a\n\ndata: [DONE]\n\n", "200 OK", STREAM))
    found = listen(peer.url, method="POST", json={"stream": True})
    assert ([event.data for event in found], len(peer.requests)) == (["a", "[DONE]"], 1)
    cut = peers.once(HEAD + b"Content-Length: 99\r\n\r\ndata: a\n\n")
    with pytest.raises(IncompleteBody):
        listen(cut.url, method="POST", json={"stream": True})
    assert len(cut.requests) == 1


@both
def test_an_id_that_no_field_can_hold_is_not_sent(peers: Any, reply: Any, listen: Listen) -> None:
    peer = peers(reply(b"id: a\x01b\ndata: a\n\n", "200 OK", STREAM))
    assert [event.id for event in listen(peer.url, 2)] == ["a\x01b"] * 2
    assert peer.requests[1].get("Last-Event-ID") is None


@pytest.mark.parametrize("make", [HttpClient, AsyncHttpClient])
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("failures", -1, ValueError),
        ("failures", 1.5, TypeError),
        ("longest_delay", "1", TypeError),
        ("max_event_size", 0, ValueError),
        ("last_event_id", 7, TypeError),
        ("timeout", 1, TypeError),
    ],
)
def test_arguments_are_checked_at_once(
    make: Any, name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=name):
        make().events("http://127.0.0.1:1/", **{name: value})


def test_events_of_a_stream_go_on_where_they_stopped(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    with client.stream(peers(reply(b"data: a\n\ndata: b\n\ndata: c")).url) as response:
        assert next(response.iter_events()) == Event("a")
        assert list(response.iter_events()) == [Event("b")]


def test_events_of_an_awaited_stream(peers: Any, reply: Any) -> None:
    async def main() -> list[Event]:
        async with AsyncHttpClient() as client, client.stream(url) as response:
            with pytest.raises(TypeError, match="async for"):
                response.iter_events()
            first = await anext(response.aiter_events())
            return [first, *[event async for event in response.aiter_events()]]

    url = peers(reply(b"data: a\n\ndata: b\n\n")).url
    assert run_async(main()) == [Event("a"), Event("b")]


@both
def test_our_own_server(listen: Listen) -> None:
    server, connected = HttpServer(0), []

    @server.handle("GET", "/")
    def events(request: Any, response: Any) -> None:
        connected.append(request.headers.get("Last-Event-ID"))
        channel = response.events()
        if len(connected) == 1:
            channel.send("a\nb\r\nc", event="x", id=1, retry=5)
            channel.send({"ü": [1]})
        channel.send("", id="2")
        channel.close()

    with server:
        found = listen(server.url, 4)
    assert found == [
        Event("a\nb\nc", "x", "1", 5), Event('{"ü": [1]}', id="1"), Event("", id="2"),
        Event("", id="2"),
    ]  # fmt: skip
    assert connected == [None, "2"]


@pytest.fixture
def foreign() -> Iterator[str]:
    """A server of another make: sse-starlette on uvicorn."""
    responses = pytest.importorskip("starlette.responses")
    sse, uvicorn = pytest.importorskip("sse_starlette"), pytest.importorskip("uvicorn")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        last = dict(scope["headers"]).get(b"last-event-id", b"0").decode()

        async def events() -> Any:
            for number in range(int(last) + 1, int(last) + 3):
                yield sse.ServerSentEvent(f"{number}\nü", event="tick", id=str(number), retry=5)

        is_over = int(last) >= 4
        response = responses.Response(status_code=204) if is_over else sse.EventSourceResponse(
            events()
        )  # fmt: skip
        await response(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, ws="none", lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    listener.close()


@both
def test_a_foreign_server(foreign: str, listen: Listen) -> None:
    found = listen(foreign)
    assert found == [Event(f"{n}\nü", "tick", str(n), 5) for n in (1, 2, 3, 4)]
