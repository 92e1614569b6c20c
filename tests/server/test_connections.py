"""Keep-alive, pipelining, framing on a live connection, errors that close it."""

import socket
import struct

import pytest
from support import wait_until

from bladehttp.server._connection.states import State


def echo(request, response):
    response.write(request.raw_body or request.path)


def test_a_connection_is_used_again(serve, connect):
    server = serve(echo)
    client = connect(server)
    assert [client.get(f"/{n}").response().body for n in range(3)] == [b"/0", b"/1", b"/2"]
    assert server.stats.connections == 1


@pytest.mark.parametrize(
    ("version", "connection", "answered", "kept"),
    [
        ("1.1", None, None, True),
        ("1.1", "keep-alive", None, True),
        ("1.1", "close", "close", False),
        ("1.1", "Close", "close", False),
        ("1.1", "keep-alive, close", "close", False),
        ("1.1", "x, close , y", "close", False),
        ("1.1", "closed", None, True),
        ("1.0", None, "close", False),
        ("1.0", "keep-alive", "keep-alive", True),
        ("1.0", "Keep-Alive", "keep-alive", True),
        ("1.0", "keep-alive, close", "close", False),
        ("1.2", None, None, True),
    ],
)
def test_connection_is_kept_as_rfc_9112_section_9_3_says(
    serve, connect, version, connection, answered, kept
):
    client = connect(serve(echo))
    field = f"Connection: {connection}\r\n" if connection else ""
    client.send(f"GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n")
    response = client.response()
    assert (response.status, response.get("Connection")) == (200, answered)
    if kept:
        assert client.get().response().status == 200
    else:
        assert client.at_end()


def test_connection_options_are_read_over_all_lines(serve, connect):
    client = connect(serve(echo)).get("/", "Connection: keep-alive", "Connection: close")
    assert client.response().get("Connection") == "close"
    assert client.at_end()


def test_what_follows_a_request_with_connection_close_is_not_answered(serve, connect):
    server = serve(echo)
    client = connect(server).send(
        "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert client.response().body == b"/1"
    assert client.at_end()
    assert server.stats.requests == 1


def test_what_follows_an_error_is_not_answered(serve, connect):
    server = serve(echo)
    client = connect(server).send("BAD\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 400
    assert client.at_end()
    assert server.stats.requests == 0


def test_requests_before_an_error_are_answered_first(serve, connect):
    client = connect(serve(echo)).send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n")
    assert client.response().body == b"/1"
    response = client.response()
    assert (response.status, response.get("Connection")) == (400, "close")
    assert client.at_end()


def test_an_error_has_date_length_and_close(serve, connect):
    response = connect(serve()).send("GET / HTTP/3.0\r\n\r\n").response()
    assert (response.status, response.reason) == (505, "HTTP Version Not Supported")
    assert response.get("Connection") == "close"
    assert response.get("Content-Length") == str(len(response.body))
    assert response.get("Date").endswith(" GMT")


def test_many_pipelined_requests_are_all_answered_in_order(serve, connect):
    client = connect(serve(echo))
    client.send("".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(500)))
    assert [client.response().body for _ in range(500)] == [b"/%d" % n for n in range(500)]


def test_a_pipelined_request_may_arrive_in_pieces(serve, connect):
    client = connect(serve(echo))
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HT")
    assert client.response().body == b"/1"
    client.send("TP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().body == b"/2"


def test_a_pipelining_client_that_does_not_read_is_not_read_either(serve, connect):
    block = b"x" * 65536
    server = serve(
        lambda request, response: response.write(block),
        write_timeout=20_000,
        max_requests_per_connection=0,
    )
    client = connect(server)
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
    wait_until(lambda: server.stats.requests > 3)
    handled = server.stats.requests
    for _ in range(2000):
        assert len(client.response().body) == 65536
    assert handled < 2000
    assert server.stats.requests == 2000


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_responses_that_a_client_does_not_read_wait_whole_for_it(serve, connect, secure):
    """Each request is sent when those before it are answered, until the kernel takes no more."""
    server = serve(lambda q, p: p.write(q.path[1:].zfill(60_000)), secure=secure, write_timeout=0)
    client = connect(server)
    assert client.get("/0").response().body == b"0" * 60_000
    (connection,) = server._runtime.context.connections
    bodies = []
    while connection.state is not State.WRITE:
        bodies.append(b"%060000d" % len(bodies))
        client.get(f"/{len(bodies) - 1}")
        wait_until(
            lambda: server.stats.requests == len(bodies) + 1 or connection.state is State.WRITE
        )
    assert [client.response().body for _ in bodies] == bodies
    assert client.get("/1").response().body == bodies[1]
    responses = len(bodies) + 2  # all of the same length
    outbox = connection._sender.outbox
    wait_until(lambda: outbox.sent // 60_000 == responses)  # counted after the client may have it
    assert outbox.sent % responses == 0


def test_a_body_is_not_taken_for_a_request(serve, connect):
    smuggled = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
    client = connect(serve(echo)).send(
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}"
        "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert client.response().body == smuggled.encode()
    assert client.response().body == b"/next"


def test_a_request_may_arrive_byte_by_byte(serve, connect):
    client = connect(serve(echo))
    for (
        byte
    ) in b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
        client.send(bytes([byte]))
    assert client.response().body == b"hello"


def test_a_client_that_has_shut_its_side_still_gets_its_answer(serve, connect):
    client = connect(serve(echo)).get("/half").shut()
    assert client.response().body == b"/half"
    assert client.at_end()


@pytest.mark.parametrize(
    "part", ["GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"]
)
def test_a_client_that_ends_within_a_request_is_answered_400(serve, connect, part):
    client = connect(serve(echo)).send(part).shut()
    assert client.response().status == 400
    assert client.at_end()


def test_continue_is_sent_when_the_body_is_wanted(serve, connect):
    client = connect(serve(echo))
    client.get("/", "Expect: 100-continue", "Content-Length: 5", method="POST")
    assert client.response().status == 100
    client.send("hello")
    assert client.response().body == b"hello"


def test_continue_is_left_out_when_the_body_is_here_already(serve, connect):
    client = connect(serve(echo))
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert client.response().body == b"hello"


def test_continue_is_not_sent_for_a_body_that_is_too_long(serve, connect):
    client = connect(serve(echo, max_body_size=10))
    client.get("/", "Expect: 100-continue", "Content-Length: 11", method="POST")
    assert client.response().status == 413
    assert client.at_end()


def test_continue_is_not_sent_to_http_1_0(serve, connect):
    client = connect(serve(echo))
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    client.send("hello")
    assert client.response().body == b"hello"


def test_continue_comes_after_the_answers_before_it(serve, connect):
    client = connect(serve(echo))
    client.send(
        "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    )
    assert client.response().body == b"/first"
    assert client.response().status == 100
    client.send("x")
    assert client.response().body == b"x"


def test_another_expectation_is_answered_417(serve, connect):
    assert connect(serve(echo)).get("/", "Expect: 200-maybe").response().status == 417


def test_a_client_still_uploading_sees_its_413(serve, connect):
    client = connect(serve(echo, max_body_size=1000))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
    client.send(b"x" * 20_000_000)
    assert client.response().status == 413
    assert client.at_end()


def test_a_chunked_body_is_refused_at_the_chunk_that_is_too_long(serve, connect):
    client = connect(serve(echo, max_body_size=1000))
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3E8\r\n" + "x" * 1000
    )
    client.send("\r\n1\r\n")
    assert client.response().status == 413


def test_a_connection_ends_after_its_last_request(serve, connect):
    client = connect(serve(echo, max_requests_per_connection=2))
    assert client.get().response().get("Connection") is None
    assert client.get().response().get("Connection") == "close"
    assert client.at_end()


def test_upgrade_is_ignored(serve, connect):
    client = connect(serve(echo)).get("/", "Connection: Upgrade", "Upgrade: websocket")
    assert client.response().status == 200


def test_the_preface_of_http_2_is_answered_505(serve, connect):
    client = connect(serve(echo)).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.response().status == 505
    assert client.at_end()


def test_a_tls_handshake_at_a_plain_port_is_refused_at_once(serve, connect):
    client = connect(serve(echo)).send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert client.response().status == 400
    assert client.at_end()


def test_an_error_to_head_has_no_body(serve, connect):
    client = connect(serve(echo)).send("HEAD / HTTP/1.1\r\n\r\n")
    assert client.response("HEAD").status == 400
    assert client.at_end()


def test_a_client_that_resets_is_no_error(serve, connect):
    server = serve(lambda request, response: response.write(b"x" * 10_000_000))
    errors = []
    server.on_error(lambda error, client: errors.append(error))
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server).get()
    client.more()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: gone)
    assert errors == []


RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("kind", ["deferred", "channel"])
@pytest.mark.parametrize("more", [b"", b"GET / HTTP/1.1\r\n"], ids=["half-closed", "pipelined"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_client_that_leaves_while_its_socket_is_not_watched_is_noticed(
    serve, connect, kind, more, secure
):
    requests = []

    def handler(request, response):
        requests.append(request)
        response.defer(0) if kind == "deferred" else response.channel()

    server = serve(handler, secure=secure)
    clock = server._runtime.context.clocks["unwatched"]
    clock.seconds = 0.05
    client = connect(server).get()
    client.send(more) if more else client.shut()
    wait_until(lambda: requests and clock.waiting)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.socket.close()
    wait_until(lambda: server.stats.active == 0)
    assert requests[0].disconnected


def test_a_client_that_only_sends_no_more_is_waited_for(serve, connect):
    deferred = []
    server = serve(lambda request, response: deferred.append(response.defer(0)))
    clock = server._runtime.context.clocks["unwatched"]
    clock.seconds = 0.01
    client = connect(server).get().shut()
    wait_until(lambda: clock.waiting)
    server.call_later(50, deferred[0].send)  # looked at before, five times
    assert client.response().status == 200
    assert client.at_end()
    wait_until(lambda: not clock.waiting)
