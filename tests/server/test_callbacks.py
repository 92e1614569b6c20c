"""The order of Blade's callbacks, and what happens when one raises."""

import contextlib
import os
import socket
import threading

import pytest
from support import wait_until

from bladehttp.server import HttpServer


@pytest.fixture
def events():
    return []


@pytest.fixture
def recording(serve, events) -> HttpServer:
    """A server whose callbacks note that they were called."""
    server = HttpServer(0)
    server.on_connect(lambda client: events.append("connect"))
    server.on_disconnect(lambda client: events.append("disconnect"))
    server.on_receive(lambda request, response: events.append(f"first {request.path}"))
    server.on_receive(lambda request, response: events.append(f"second {request.path}"))
    server.handle("GET", "/routed", lambda request, response: events.append("route"))
    server.on_reply(lambda response: events.append(f"reply {response.status}"))
    with server:
        yield server


def gone(events):
    wait_until(lambda: "disconnect" in events)
    return events


def test_callbacks_run_in_order_and_once_each_connection(recording, events, connect):
    client = connect(recording)
    client.get("/a").response()
    client.get("/routed").response()
    client.close()
    assert gone(events) == [
        "connect",
        "first /a",
        "second /a",
        "reply 404",
        "first /routed",
        "second /routed",
        "route",
        "reply 200",
        "disconnect",
    ]


def test_a_refused_request_reaches_no_on_receive(recording, events, connect):
    client = connect(recording).send("GET / HTTP/1.1\r\n\r\n")
    assert client.response().status == 400
    client.close()
    assert gone(events) == ["connect", "reply 400", "disconnect"]


def test_a_client_that_sends_nothing_is_connected_and_disconnected(recording, events, connect):
    connect(recording).close()
    assert gone(events) == ["connect", "disconnect"]


def test_pipelined_requests_are_answered_in_order(recording, events, connect):
    client = connect(recording).get("/1").get("/2").get("/3")
    assert [client.response().status for _ in range(3)] == [404, 404, 404]
    assert [event for event in events if event.startswith("first")] == [
        "first /1",
        "first /2",
        "first /3",
    ]


def test_callbacks_write_to_the_same_response(serve, connect):
    server = serve()
    server.on_receive(lambda request, response: response.write("one "))
    server.on_receive(lambda request, response: response.write(b"two "))
    server.handle("GET", "/", lambda request, response: response.write("three"))
    assert connect(server).get("/").response().body == b"one two three"


def test_registration_returns_the_function_and_so_decorates():
    server = HttpServer(0)

    def one(_):
        pass

    def two(_, __):
        pass

    assert [server.on_connect(one), server.on_disconnect(one), server.on_reply(one)] == [one] * 3
    assert [server.on_receive(two), server.on_error(two), server.none_handler(two)] == [two] * 3
    assert server.handle("GET", "/", two) is two


@pytest.mark.parametrize("kind", ["on_connect", "on_disconnect", "on_reply"])
def test_a_callback_of_one_argument_may_not_want_two(kind):
    with pytest.raises(TypeError, match=f"{kind} takes a function of 1 arguments"):
        getattr(HttpServer(0), kind)(lambda a, b: None)


@pytest.mark.parametrize("kind", ["on_receive", "on_error", "none_handler"])
def test_a_callback_of_two_arguments_may_not_want_one(kind):
    with pytest.raises(TypeError, match=f"{kind} takes a function of 2 arguments"):
        getattr(HttpServer(0), kind)(lambda a: None)


def test_a_callback_is_a_function():
    with pytest.raises(TypeError, match="on_receive takes a function, not str"):
        HttpServer(0).on_receive("handler")


def test_a_builtin_that_does_not_tell_its_arguments_is_believed():
    assert HttpServer(0).on_connect(print) is print
    assert HttpServer(0).on_connect(dict) is dict


class Failures:
    """Collects what on_error is called with."""

    def __init__(self, server):
        self.errors = []
        server.on_error(self.note)

    def note(self, error, client):
        self.errors.append((type(error), str(error), client.fileno() >= 0))


def boom(*_):
    raise RuntimeError("boom")


def test_a_raising_handler_answers_500_and_calls_on_error(serve, connect):
    server = serve(boom)
    failures = Failures(server)
    client = connect(server)
    response = client.get().response()
    assert (response.status, response.body) == (500, b"500 - Internal Server Error.")
    assert failures.errors == [(RuntimeError, "boom", True)]


def test_the_connection_goes_on_after_a_500(serve, connect):
    server = serve(lambda request, response: boom() if request.path == "/boom" else None)
    client = connect(server)
    assert client.get("/boom").response().status == 500
    assert client.get("/").response().status == 200


def test_what_a_handler_wrote_before_it_raised_is_not_sent(serve, connect):
    def half(request, response):
        response.write("secret")
        response.headers["X-Half"] = "1"
        boom()

    response = connect(serve(half)).get().response()
    assert b"secret" not in response.body
    assert response.get("X-Half") is None


@pytest.mark.parametrize("kind", ["on_connect", "on_disconnect", "on_reply"])
def test_a_raising_callback_is_reported_and_the_answer_arrives(serve, connect, kind):
    server = serve(lambda request, response: response.write("fine"))
    failures = Failures(server)
    getattr(server, kind)(boom)
    client = connect(server)
    assert client.get().response().body == b"fine"
    client.close()
    wait_until(lambda: failures.errors)
    assert failures.errors[0][:2] == (RuntimeError, "boom")


def test_a_raising_on_error_is_survived(serve, connect):
    server = serve(boom)
    server.on_error(boom)
    failures = Failures(server)
    client = connect(server)
    assert [client.get().response().status for _ in range(2)] == [500, 500]
    assert len(failures.errors) == 2


def test_on_disconnect_is_told_whose_connection_it_was(serve, connect):
    server = serve()
    infos = []
    server.on_disconnect(infos.append)
    client = connect(server)
    address = client.socket.getsockname()
    client.close()
    wait_until(lambda: infos)
    assert (infos[0].ip, infos[0].port, infos[0].ipv6) == (*address, False)


def test_on_connect_gets_the_clients_socket(serve, connect):
    server = serve()
    peers = []
    server.on_connect(lambda client: peers.append(client.getpeername()))
    client = connect(server)
    client.get().response()
    assert peers == [client.socket.getsockname()]


@pytest.mark.parametrize("kind", ["on_connect", "on_receive", "on_reply", "on_disconnect"])
def test_any_callback_may_close_the_server(serve, connect, kind):
    server = serve(lambda request, response: response.write("x"))
    closed = threading.Event()

    def close(*_):
        server.close()
        closed.set()

    if kind == "on_receive":
        server.on_receive(close)
    else:
        getattr(server, kind)(lambda _: close())
    disconnects = []
    server.on_disconnect(disconnects.append)
    client = connect(server)
    with contextlib.suppress(OSError):  # closed already
        client.get().shut().read_all()
    assert closed.wait(10)
    wait_until(lambda: server.socket is None)
    assert len(disconnects) == 1


@pytest.mark.parametrize("end", ["close", "detach", "shutdown"])
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_on_connect_may_turn_a_client_away(serve, connect, secure, end):
    ends = {
        "close": lambda client: client.close(),
        "detach": lambda client: os.close(client.detach()),
        "shutdown": lambda client: client.shutdown(socket.SHUT_RDWR),
    }
    server = serve(secure=secure, max_connections=0)
    connects, disconnects = [], []
    server.on_connect(lambda client: connects.append(1) or connects[1:] or ends[end](client))
    server.on_disconnect(disconnects.append)
    with contextlib.suppress(OSError):
        connect(server).get().read_all()
    wait_until(lambda: len(disconnects) == 1)
    assert connect(server).get().response().status == 404


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_on_error_may_close_the_client(serve, connect, secure):
    server = serve(boom, secure=secure)
    server.on_error(lambda error, client: client.close())
    disconnects = []
    server.on_disconnect(disconnects.append)
    for served in range(3):
        with contextlib.suppress(OSError):
            assert connect(server).get().read_all() == b""
        wait_until(lambda served=served: len(disconnects) == served + 1)


def test_on_error_may_close_the_server(serve, connect):
    server = serve(boom)
    server.on_error(lambda error, client: server.close())
    client = connect(server).get()
    client.read_all()
    wait_until(lambda: server.socket is None)


def test_none_handler_answers_when_nothing_else_does(serve, connect):
    response = connect(serve()).get("/nowhere").response()
    assert (response.status, response.get("Content-Type"), response.body) == (
        404,
        "text/plain; charset=utf-8",
        b"404 - Not Found.",
    )


def test_none_handler_can_be_replaced(serve, connect):
    server = serve()
    server.none_handler(lambda request, response: response.write("mine"))
    response = connect(server).get("/nowhere").response()
    assert (response.status, response.body) == (200, b"mine")


def test_none_handler_does_not_run_beside_an_on_receive(serve, connect):
    assert connect(serve(lambda request, response: None)).get("/nowhere").response().status == 200


@pytest.mark.parametrize("method", ["PATCH", "PROPFIND", "M-SEARCH", "get", "X!#$"])
def test_any_well_formed_method_reaches_the_handler(serve, connect, method):
    server = serve(lambda request, response: response.write(request.method))
    assert connect(server).get(method=method).response().body == method.encode()


def test_connect_is_not_implemented(serve, connect):
    client = connect(serve(lambda request, response: None))
    client.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert client.response().status == 501
    assert client.at_end()
