"""Bodies that are written piece by piece from other threads, and server-sent events."""

import socket
import threading
from queue import SimpleQueue

import pytest
from support import wait_until

from bladehttp import HttpClient, HttpResponse
from bladehttp._message.deferred import CHANNEL_LIMIT, END, NOT_YET, Channel
from bladehttp._message.sse import Events

PATIENCE = 10
RESET = b"\1\0\0\0\0\0\0\0"


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def opened(request, serve):
    """A server whose answers are channels, and where it puts (request, channel)."""
    channels = SimpleQueue()
    server = serve(lambda q, p: channels.put((q, p.channel())), secure=request.param)
    return server, channels


@pytest.fixture
def events(serve):
    """A server whose answers are events, and where it puts (request, events)."""
    opened = SimpleQueue()
    server = serve(lambda q, p: opened.put((q, p.events(heartbeat=0))))
    return server, opened


def test_pieces_go_out_as_they_are_written(opened, connect):
    server, channels = opened
    connection = connect(server).get()
    _, channel = channels.get(timeout=PATIENCE)
    while connection.line():
        pass
    for piece in ("one", b"two", "zwölf"):
        assert channel.write(piece)
        data = piece.encode() if isinstance(piece, str) else piece
        assert connection.line() == b"%x" % len(data)
        assert connection.take(len(data) + 2) == data + b"\r\n"
    channel.close()
    assert connection.take(5) == b"0\r\n\r\n"
    assert not channel.write("more")
    connection.get()  # the connection is good for another request
    assert channels.get(timeout=PATIENCE)


@pytest.mark.parametrize("opened", [False], ids=["plain"], indirect=True)
def test_a_client_that_has_sent_its_last_byte_gets_what_is_written(opened, connect):
    server, channels = opened
    connection = connect(server).get().shut()
    request, channel = channels.get(timeout=PATIENCE)
    for _ in range(3):
        assert channel.write("more")
    wait_until(lambda: request.disconnected)
    assert channel.write("last")
    channel.close()
    assert connection.response().body == b"moremoremorelast"


def test_what_is_written_before_the_handler_returns_is_sent(serve, connect):
    def handler(request, response):
        with response.channel() as channel:
            channel.write("all")

    assert connect(serve(handler)).get().response().body == b"all"


def test_a_channel_is_closed_for_an_answer_without_a_body(serve, connect):
    channels = []
    server = serve(lambda q, p: channels.append(p.channel()))
    assert connect(server).get(method="HEAD").response("HEAD").status == 200
    assert (channels[0].closed, channels[0].write("x")) == (True, False)


def test_a_channel_ends_by_closing_for_http_1_0(serve, connect):
    channels = SimpleQueue()
    server = serve(lambda q, p: channels.put(p.channel()))
    connection = connect(server).send("GET / HTTP/1.0\r\n\r\n")
    channel = channels.get(timeout=PATIENCE)
    channel.write("all")
    channel.close()
    assert connection.read_all().endswith(b"\r\n\r\nall")


def offloaded(serve, handler, **settings):
    server = serve(**settings)
    server.handle("GET", "/", handler, offload=True)
    return server


@pytest.mark.parametrize("kind", ["channel", "events"])
def test_chunks_of_an_offloaded_handler_are_sent_while_it_runs(serve, connect, kind):
    go, results = SimpleQueue(), SimpleQueue()

    def handler(request, response):
        channel = getattr(response, kind)()
        response.headers["X-Before"] = "1"
        write = channel.send if kind == "events" else channel.write
        while (text := go.get(timeout=PATIENCE)) is not None:
            results.put(write(text))
        channel.close()
        results.put(write("late"))

    connection = connect(offloaded(serve, handler)).get()
    fields = []
    for number, text in enumerate(("one", "two", "three")):
        go.put(text)
        assert results.get(timeout=PATIENCE)
        while not number and (line := connection.line()):
            fields.append(line)
        assert text.encode() in connection.take(int(connection.line(), 16) + 2)
    assert b"X-Before: 1" in fields
    go.put(None)
    assert connection.take(5) == b"0\r\n\r\n"
    assert not results.get(timeout=PATIENCE)
    connection.get()  # the connection is good for another request
    go.put(None)
    assert connection.response().body == b""


def test_many_short_chunks_wake_the_server_once_until_it_has_taken_them():
    woken, channel = [], Channel()
    channel.attach(lambda: woken.append(True))
    for _ in range(1000):
        assert channel.write("x")
    assert (len(woken), channel.take(), channel.take()) == (1, b"x" * 1000, NOT_YET)
    channel.write("y")
    channel.close()
    assert (len(woken), channel.take(), channel.take()) == (2, b"y", END)


def test_what_was_written_before_the_server_attaches_wakes_it():
    woken, channel = [], Channel()
    channel.write("x")
    channel.attach(lambda: woken.append(True))
    assert woken == [True]


def test_an_empty_write_of_an_offloaded_handler_sends_the_head(serve, connect):
    go = threading.Event()

    def handler(request, response):
        with response.channel() as channel:
            channel.write("")
            assert go.wait(PATIENCE)
            channel.write("body")

    connection = connect(offloaded(serve, handler)).get()
    assert connection.line() == b"HTTP/1.1 200 OK"
    while connection.line():
        pass
    go.set()
    assert connection.line() == b"4"


def test_an_offloaded_handler_waits_for_its_client(serve, connect):
    chunk, results = b"x" * 10_000, []

    def handler(request, response):
        with response.channel() as channel:
            results.extend(channel.write(chunk, timeout=PATIENCE * 1000) for _ in range(1000))

    connection = connect(offloaded(serve, handler)).get()
    assert connection.response().body == chunk * 1000
    assert results == [True] * 1000


def test_a_wait_for_room_ends_with_its_timeout(serve, connect):
    done = SimpleQueue()

    def handler(request, response):
        channel = response.channel()
        while channel.write(b"x" * CHANNEL_LIMIT, timeout=20):
            pass
        done.put(channel.closed)

    connection = connect(offloaded(serve, handler)).get()
    assert done.get(timeout=PATIENCE)
    assert not connection.read_all().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("timeout", "error"), [(0.5, TypeError), (True, TypeError), (-1, ValueError)]
)
def test_a_time_to_wait_for_room_is_milliseconds(timeout, error):
    with pytest.raises(error, match="timeout"):
        Channel().write(b"x", timeout)


@pytest.mark.parametrize("kind", ["channel", "events"])
def test_the_servers_own_thread_cannot_wait_for_room(serve, connect, kind):
    errors = []

    def handler(request, response):
        with getattr(response, kind)() as channel:
            channel.write("x", timeout=1)

    server = serve(handler)
    server.on_error(lambda error, client: errors.append(type(error)))
    assert connect(server).get().response().status == 500
    assert errors == [RuntimeError]


def test_an_error_of_an_offloaded_handler_after_its_first_write_resets_and_is_reported(
    serve, connect
):
    errors, go = SimpleQueue(), threading.Event()

    def handler(request, response):
        response.channel().write("part")
        assert go.wait(PATIENCE)
        raise ValueError("half-way")

    server = offloaded(serve, handler)
    server.on_error(lambda error, client: errors.put((str(error), error.request.path)))
    connection = connect(server).get()
    while connection.line():
        pass
    assert connection.take(9) == b"4\r\npart\r\n"
    go.set()
    with pytest.raises(ConnectionResetError):
        connection.more()
    assert errors.get(timeout=PATIENCE) == ("half-way", "/")
    assert errors.empty()


def test_an_error_of_an_offloaded_handler_before_its_first_write_is_500(serve, connect):
    def handler(request, response):
        response.channel()
        raise ValueError("early")

    connection = connect(offloaded(serve, handler)).get()
    assert [connection.response().status, connection.get().response().status] == [500, 500]


def test_a_client_that_leaves_an_offloaded_handler_closes_its_channel(serve, connect):
    results, gone = SimpleQueue(), threading.Event()

    def handler(request, response):
        channel = response.channel()
        results.put(channel.write("x"))
        assert gone.wait(PATIENCE)
        results.put(channel.write("y", timeout=PATIENCE * 1000))

    server = offloaded(serve, handler)
    server.on_disconnect(lambda client: gone.set())
    connection = connect(server).get()
    assert connection.line() == b"HTTP/1.1 200 OK"
    assert results.get(timeout=PATIENCE)  # else it may tell that the client has left
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
    assert not results.get(timeout=PATIENCE)


def test_an_answer_without_a_body_closes_the_channel_of_an_offloaded_handler(serve, connect):
    results = SimpleQueue()

    def handler(request, response):
        channel = response.channel()
        channel.write("x")
        wait_until(lambda: channel.closed)
        results.put(channel.write("y"))

    assert connect(offloaded(serve, handler)).get(method="HEAD").response("HEAD").status == 200
    assert not results.get(timeout=PATIENCE)


def test_many_threads_write_to_one_channel(serve, connect):
    channels = SimpleQueue()
    server = serve(lambda q, p: channels.put(p.channel()))
    connection = connect(server).get()
    channel = channels.get(timeout=PATIENCE)
    pieces = [b"%d" % n * 100 for n in range(8)]
    threads = [
        threading.Thread(target=lambda piece=piece: [channel.write(piece) for _ in range(200)])
        for piece in pieces
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    channel.close()
    body = connection.response().body
    assert sorted(body) == sorted(b"".join(pieces) * 200)


def test_a_client_that_goes_closes_its_channel(opened, connect):
    server, channels = opened
    gone = threading.Event()
    server.on_disconnect(lambda client: gone.set())
    connection = connect(server).get()
    request, channel = channels.get(timeout=PATIENCE)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.socket.close()
    assert gone.wait(PATIENCE)
    assert (request.disconnected, channel.closed, channel.write("x")) == (True, True, False)


def test_a_client_that_takes_too_little_is_reset(serve, connect):
    channels = SimpleQueue()
    server = serve(lambda q, p: channels.put(p.channel()), write_timeout=0)
    gone = threading.Event()
    server.on_disconnect(lambda client: gone.set())
    connect(server).get()
    channel = channels.get(timeout=PATIENCE)
    written = 0
    while channel.write(b"x" * 65536):
        written += 65536
        assert written < 1 << 28
    assert gone.wait(PATIENCE)
    assert channel.closed


def test_a_client_that_takes_nothing_more_is_reset(serve, connect):
    """Also if its socket never becomes writable again, and no clock runs."""
    channels, errors, gone = SimpleQueue(), [], threading.Event()
    server = serve(lambda q, p: channels.put(p.channel()), write_timeout=0)
    server.on_error(lambda error, sock: errors.append(error))
    server.on_disconnect(lambda client: gone.set())
    client = connect(server)
    client.get()
    channel = channels.get(timeout=PATIENCE)
    # More than the kernel takes at once, so that the rest waits behind it for a client that reads.
    assert channel.write(b"x" * (1 << 24))
    assert channel.write(b"y", timeout=PATIENCE * 1000)  # waits until that was taken
    while channel.write(b"x" * 65536):
        pass
    assert gone.wait(PATIENCE)
    assert [type(error) for error in errors] == [BufferError]


def test_shutdown_ends_events_and_waits_for_other_channels(serve, connect):
    server = serve()
    channels = SimpleQueue()
    server.handle("GET", "/events", lambda q, p: channels.put(p.events()))
    server.handle("GET", "/report", lambda q, p: channels.put(p.channel()))
    watching = connect(server).get("/events")
    channels.get(timeout=PATIENCE)
    reading = connect(server).get("/report")
    report = channels.get(timeout=PATIENCE)
    server.call_later(20, lambda: (report.write("all of it"), report.close()))
    server.shutdown()
    assert watching.response().body == b""
    assert reading.response().body == b"all of it"


# Iterated over, as a WSGI server does it


def test_iterating_waits_for_the_pieces():
    channel = Channel()
    threading.Timer(0.01, lambda: (channel.write("a"), channel.write("b"), channel.close())).start()
    assert b"".join(channel) == b"ab"


def test_iterating_gives_a_sign_of_life():
    events = Events(heartbeat=10)
    assert next(events) == b":\n\n"


def test_a_piece_larger_than_the_limit_is_taken_if_nothing_waits():
    channel = Channel()
    assert channel.write(b"x" * (CHANNEL_LIMIT + 1))
    assert not channel.write(b"x")
    with pytest.raises(BufferError):
        channel.take()


# Events


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"data": "hello"}, "data: hello\n\n"),
        ({"data": "a\nb\r\nc\rd"}, "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ({"data": {"ö": [1]}}, 'data: {"ö": [1]}\n\n'),
        ({"data": ""}, "data: \n\n"),
        (
            {"data": "x", "event": "tick", "id": 7, "retry": 500},
            "id: 7\nevent: tick\nretry: 500\ndata: x\n\n",
        ),
    ],
    ids=["text", "lines", "JSON", "empty", "all fields"],
)
def test_an_event_as_the_standard_writes_it(events, connect, sent, expected):
    server, opened = events
    connection = connect(server).get()
    _, stream = opened.get(timeout=PATIENCE)
    assert stream.send(**sent)
    stream.close()
    response = connection.response()
    assert response.header["content-type"] == "text/event-stream; charset=utf-8"
    assert response.header["cache-control"] == "no-store"
    assert response.body.decode() == expected


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_field_that_would_end_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} of an event"):
        Events().send("x", **{field: value})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"retry": -1}, ValueError),
        ({"retry": 1.5}, TypeError),
        ({"retry": "5"}, TypeError),
        ({"data": {"a": float("nan")}}, ValueError),
        ({"data": object()}, TypeError),
    ],
    ids=["negative", "fraction", "str", "NaN", "no JSON"],
)
def test_an_event_that_no_browser_reads_is_refused(wrong, error):
    with pytest.raises(error):
        Events().send(**wrong)


def test_a_heartbeat_is_sent_in_silence(serve, connect):
    streams = []
    server = serve(lambda q, p: streams.append(p.events(heartbeat=10)))
    connection = connect(server).get()
    while connection.line():
        pass
    assert connection.take(16) == b"3\r\n:\n\n\r\n" * 2
    streams[0].close()


def test_a_client_reads_events_as_they_come(serve):
    opened = SimpleQueue()

    def watch(request, response):
        events = response.events()
        events.send("0")
        opened.put(events)

    with HttpClient() as client, client.stream(serve(watch).url) as response:
        stream = opened.get(timeout=PATIENCE)
        lines = response.iter_lines()
        for n in range(3):
            assert (next(lines), next(lines)) == (f"data: {n}", "")
            stream.send(str(n + 1))
        assert (next(lines), next(lines)) == ("data: 3", "")
        stream.close()
        assert list(lines) == []


# Raw answers


def test_a_raw_answer_goes_out_as_it_is(serve, connect):
    server = serve(lambda q, p: p.raw(b"HTTP/1.1 200 OK\r\nContent-Le"))
    assert connect(server).get().read_all() == b"HTTP/1.1 200 OK\r\nContent-Le"


def test_a_raw_answer_may_come_in_pieces_and_end_in_a_reset(serve, connect):
    def pieces():
        yield b"HTTP/1.1 200 OK\r\n"
        raise ConnectionError("as the test wants it")

    server = serve(lambda q, p: p.raw(pieces()))
    connection = connect(server).get()
    with pytest.raises(ConnectionResetError):
        list(iter(connection.more, False))


def test_a_raw_answer_closes_its_pieces_when_it_is_not_sent():
    closed = []

    class Pieces:
        def __iter__(self):
            return iter(())

        def close(self):
            closed.append(True)

    response = HttpResponse()
    response.raw(Pieces())
    response.close()
    assert closed == [True]


def test_a_chunk_of_another_type_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="a chunk of a stream is str or bytes, not 1"):
        HttpResponse().channel().write(1)
