"""Answers that are given after the handler has returned, and what is called later."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from bladehttp import HttpClient

PATIENCE = 10
GET = "GET {} HTTP/1.1\r\nHost: a\r\n\r\n"
RESET = b"\1\0\0\0\0\0\0\0"


@pytest.fixture
def client():
    with HttpClient() as client:
        yield client


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def deferring(serve):
    """A server that defers what it is asked, and where it puts (request, response, deferred)."""
    waiting = SimpleQueue()

    def later(request, response):
        waiting.put((request, response, response.defer(0)))

    server = serve()
    server.handle("GET", "/later", later)
    server.handle("GET", "/now", lambda request, response: response.write("now"))
    return server, waiting


def test_a_deferred_answer_is_sent_from_another_thread(deferring, threads, client):
    server, waiting = deferring
    asked = threads.submit(client.get, f"{server.url}/later")
    _, response, deferred = waiting.get(timeout=PATIENCE)
    response.json({"later": True})
    assert deferred.send()
    assert not deferred.send()
    assert asked.result(PATIENCE).json() == {"later": True}


def test_an_answer_may_be_given_before_the_handler_returns(serve, client):
    server = serve(lambda request, response: response.defer().send())
    assert client.get(server.url).status == 200


def test_others_are_answered_while_an_answer_is_deferred(deferring, connect):
    server, waiting = deferring
    first = connect(server).get("/later")
    _, _, deferred = waiting.get(timeout=PATIENCE)
    assert connect(server).get("/now").response().body == b"now"
    deferred.send()
    assert first.response().status == 200


def test_a_deferred_answer_that_does_not_come_is_503(serve, client):
    kept = []
    server = serve(lambda request, response: kept.append(response.defer(timeout=20)))
    response = client.get(server.url)
    assert (response.status, kept[0].send(), kept[0].given_up) == (503, False, True)


def test_what_a_deferred_answer_fails_with_is_500_and_reported(serve, client):
    server = serve(lambda request, response: response.defer().fail(ValueError("later")))
    errors = []
    server.on_error(lambda error, sock: errors.append(str(error)))
    assert client.get(server.url).status == 500
    assert errors == ["later"]


def test_an_answer_is_deferred_once(serve, client):
    def twice(request, response):
        response.defer()
        response.defer()

    server = serve(twice)
    errors = []
    server.on_error(lambda error, sock: errors.append(type(error)))
    assert client.get(server.url).status == 500
    assert errors == [RuntimeError]


def test_a_handler_that_raises_gives_up_what_it_deferred(serve, client):
    kept = []

    def raising(request, response):
        kept.append(response.defer())
        raise ValueError("afterwards")

    assert client.get(serve(raising).url).status == 500
    assert (kept[0].given_up, kept[0].send()) == (True, False)


def test_pipelined_requests_are_answered_in_order_around_a_deferred_one(deferring, connect):
    server, waiting = deferring
    connection = connect(server).get("/later").get("/now").get("/later")
    for _ in range(2):
        _, response, deferred = waiting.get(timeout=PATIENCE)
        response.write("late")
        deferred.send()
    assert [connection.response().body for _ in range(3)] == [b"late", b"now", b"late"]


def test_a_client_that_goes_is_seen_while_its_answer_is_deferred(deferring, connect):
    server, waiting = deferring
    gone = threading.Event()
    server.on_disconnect(lambda client: gone.set())
    connection = connect(server).get("/later")
    request, _, deferred = waiting.get(timeout=PATIENCE)
    assert not request.disconnected
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.socket.close()
    assert gone.wait(PATIENCE)
    assert (request.disconnected, deferred.send()) == (True, False)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_a_client_that_has_sent_its_last_byte_gets_its_deferred_answer(serve, connect, secure):
    waiting = SimpleQueue()
    server = serve(lambda q, p: waiting.put((q, p, p.defer(0))), secure=secure)
    connection = connect(server).get("/")
    request, response, deferred = waiting.get(timeout=PATIENCE)
    if not secure:  # TLS of the ssl module is shut both ways at once
        connection.shut()
        seen = threading.Event()

        def look():
            if request.disconnected:
                seen.set()
            else:
                server.call_later(1, look)

        server.call_soon(look)
        assert seen.wait(PATIENCE)
    response.write("late")
    assert deferred.send()
    assert connection.response().body == b"late"
    assert secure or connection.at_end()


def test_what_comes_while_an_answer_is_deferred_is_bounded_and_does_not_spin(deferring, connect):
    server, waiting = deferring
    connection = connect(server).get("/later")
    waiting.get(timeout=PATIENCE)
    connection.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.send(GET.format("/now") * 1_000_000)  # far more than the kernel keeps
    used = SimpleQueue()
    server.call_soon(lambda: used.put(time.thread_time()))
    server.call_later(100, lambda: used.put(time.thread_time()))
    begun = used.get(timeout=PATIENCE)
    assert used.get(timeout=PATIENCE) - begun < 0.05


def test_shutdown_waits_for_a_deferred_answer(deferring, connect):
    server, waiting = deferring
    connection = connect(server).get("/later")
    _, _, deferred = waiting.get(timeout=PATIENCE)
    server.call_later(20, deferred.send)
    server.shutdown()
    assert connection.response().status == 200
    assert connection.at_end()


def test_close_gives_a_deferred_answer_up(deferring, connect):
    server, waiting = deferring
    connect(server).get("/later")
    request, _, deferred = waiting.get(timeout=PATIENCE)
    server.close()
    assert (request.disconnected, deferred.send()) == (True, False)


# Offloaded handlers


def test_an_offloaded_handler_runs_on_another_thread(serve, client):
    server = serve()

    @server.handle("GET", "/", offload=True)
    def where(request, response):
        response.write(threading.current_thread().name)

    assert client.get(server.url).text.startswith("bladehttp-worker")


@pytest.fixture
def blocking(serve):
    """A server with an offloaded handler that returns when it is told to."""
    server = serve(max_workers=1, max_offloaded=1)
    started, go = threading.Event(), threading.Event()

    @server.handle("GET", "/slow", offload=True)
    def slow(request, response):
        started.set()
        assert go.wait(PATIENCE)

    server.handle("GET", "/now", lambda request, response: response.write("now"))
    yield server, started, go
    go.set()


def test_an_offloaded_handler_keeps_nobody_waiting(blocking, connect):
    server, started, go = blocking
    first = connect(server).get("/slow")
    assert started.wait(PATIENCE)
    assert connect(server).get("/now").response().body == b"now"
    go.set()
    assert first.response().status == 200


def test_more_than_the_queue_takes_is_503(blocking, connect):
    server, started, go = blocking
    first = connect(server).get("/slow")
    assert started.wait(PATIENCE)
    full = connect(server).get("/slow").response()
    assert (full.status, full.header["retry-after"]) == (503, "1")
    go.set()
    assert first.response().status == 200


def test_what_an_offloaded_handler_raises_is_500(serve, client):
    server = serve()
    errors = []
    server.on_error(lambda error, sock: errors.append(str(error)))

    @server.handle("GET", "/", offload=True)
    def fails(request, response):
        raise ValueError("on a thread")

    assert client.get(server.url).status == 500
    assert errors == ["on a thread"]


def test_one_connection_has_its_offloaded_answers_in_order(serve, connect):
    server = serve()

    @server.handle("GET", "/{ms}", offload=True)
    def slow(request, response):
        time.sleep(int(request.params["ms"]) / 1000)  # the work of a handler
        response.write(request.params["ms"])

    connection = connect(server).get("/20").get("/0").get("/10")
    assert [connection.response().body for _ in range(3)] == [b"20", b"0", b"10"]


def test_a_client_that_goes_from_an_offloaded_handler_does_no_harm(blocking, connect):
    server, started, go = blocking
    gone = threading.Event()
    server.on_disconnect(lambda client: gone.set())
    connection = connect(server).get("/slow")
    assert started.wait(PATIENCE)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.socket.close()
    assert gone.wait(PATIENCE)
    go.set()
    assert connect(server).get("/now").response().body == b"now"


def test_a_slow_handler_is_named_in_the_log(serve, client, caplog):
    server = serve(slow_handler_time=50)

    @server.handle("GET", "/slow/{x}")
    def slow(request, response):
        time.sleep(0.06)  # the work of a handler

    assert client.get(f"{server.url}/slow/1").status == 200
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(messages) == 1
    assert messages[0].startswith("GET /slow/{x} blocked the server for ")


# What is called later


def test_functions_are_called_on_the_servers_thread(serve):
    server = serve()
    called, done = [], threading.Event()
    server.call_later(30, lambda: (called.append("later"), done.set()))
    server.call_later(1, lambda: called.append("sooner"))
    server.call_soon(lambda: called.append(threading.current_thread().name))
    server.call_later(10, lambda: called.append("cancelled")).cancel()
    assert done.wait(PATIENCE)
    assert called == [f"bladehttp-{server.port}", "sooner", "later"]


def test_a_timer_can_set_the_next(serve):
    server = serve()
    times, done = [], threading.Event()

    def tick():
        times.append(time.monotonic())
        if len(times) == 3:
            done.set()
        else:
            server.call_later(5, tick)

    server.call_later(5, tick)
    assert done.wait(PATIENCE)
    assert times[2] - times[0] >= 0.01


def test_what_a_called_function_raises_is_reported(serve, client):
    server = serve()
    errors = SimpleQueue()
    server.on_error(lambda error, sock: errors.put((str(error), sock)))

    def fails():
        raise ValueError("soon")

    server.call_soon(fails)
    assert errors.get(timeout=PATIENCE) == ("soon", None)
    assert client.get(server.url).status == 404


def test_nothing_is_called_by_a_server_that_does_not_listen(serve):
    server = serve()
    server.close()
    with pytest.raises(RuntimeError, match="does not listen"):
        server.call_soon(print)
