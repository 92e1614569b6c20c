"""Answers that are given after the handler has returned, and what is called later."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest
from server_doors import ask, under_wsgi
from support import Raw, is_not_of_slowness, wait_until

from bladehttp import HttpClient
from bladehttp.server import HttpServer

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


@pytest.mark.usefixtures("no_collector")
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


@pytest.mark.parametrize("decide", ["send", "fail"])
def test_one_of_those_who_answer_at_once_decides(deferring, connect, threads, decide):
    server, waiting = deferring
    errors = []
    server.on_error(lambda error, sock: errors.append(error))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            connection = connect(server).get("/later")
            _, response, deferred = waiting.get(timeout=PATIENCE)
            response.write("once")
            barrier = threading.Barrier(8)

            def answer(number, deferred=deferred, barrier=barrier):
                barrier.wait(PATIENCE)
                is_last = number == 7
                return deferred.send() if decide == "send" or is_last else deferred.fail(OSError())

            decided = list(pool.map(answer, range(8)))
            assert decided.count(True) == 1
            failed = decide == "fail" and not decided[7]
            assert connection.response().status == (500 if failed else 200)
            assert connection.get("/now").response().body == b"now"  # and no second answer
            assert (len(errors), errors.clear()) == (int(failed), None)


def test_a_timeout_and_an_answer_at_once_give_one_answer(serve, connect):
    decided, workers = SimpleQueue(), []

    def handler(request, response):
        deferred = response.defer(1)
        response.write("sent")

        def work():
            time.sleep(0.001)  # as long as the timeout
            decided.put(deferred.send())

        workers.append(threading.Thread(target=work))
        workers[-1].start()

    connection = connect(serve(handler))
    for _ in range(30):
        response = connection.get().response()
        assert response.status == (200 if decided.get(timeout=PATIENCE) else 503)
    for worker in workers:
        worker.join(PATIENCE)


def test_an_error_that_decides_is_reported_though_the_server_closes(deferring, connect):
    server, waiting = deferring
    errors, results = [], []
    server.on_error(lambda error, sock: errors.append((str(error), error.request.path)))
    connections = [connect(server).get("/later") for _ in range(4)]
    deferred = [waiting.get(timeout=PATIENCE)[2] for _ in connections]

    @server.on_disconnect
    def fail_all(client):  # of the first that is closed; the others are still to be answered
        if not results:
            results.extend(each.fail(ValueError("late")) for each in deferred)

    server.close()
    assert sorted(results) == [False, True, True, True]
    assert errors == [("late", "/later")] * 3


def test_an_error_of_a_worker_is_reported_though_the_server_closes_before_its_next_turn():
    server, errors = HttpServer(0), []
    server.on_error(lambda error, sock: errors.append(str(error)))
    started, go, gone = threading.Event(), threading.Event(), []
    server.on_disconnect(gone.append)

    @server.handle("GET", "/", offload=True)
    def fails(request, response):
        started.set()
        assert go.wait(PATIENCE)
        raise ValueError("on a thread")

    server.step()
    with Raw(server.port) as client:
        client.get()
        wait_until(lambda: server.step(10) and started.is_set())
        (worker,) = (each for each in threading.enumerate() if "worker" in each.name)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wait_until(lambda: server.step(10) and gone)
    go.set()
    server.call_soon(lambda: None)
    wait_until(lambda: server._dispatcher.thread._waiting or not worker.is_alive())
    assert not errors  # on the server's thread, which is this one
    server.close()
    assert errors == ["on a thread"]
    worker.join(PATIENCE)


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


@pytest.mark.parametrize("of_route", [True, False], ids=["route", "server"])
def test_an_offloaded_handler_that_takes_too_long_is_503(serve, connect, caplog, of_route):
    server = serve()
    if not of_route:
        server.close()
        server.handler_timeout = 20
        server.start()
    options = {"handler_timeout": 20} if of_route else {}
    go, wrote = threading.Event(), threading.Event()

    @server.handle("GET", "/", offload=True, **options)
    def slow(request, response):
        assert go.wait(PATIENCE)
        response.write("late")
        wrote.set()

    connection = connect(server).get("/")
    answer = connection.response()
    assert (answer.status, answer.body) == (503, b"503 - Service Unavailable.")
    go.set()
    assert wrote.wait(PATIENCE)
    assert connection.get("/absent").response().status == 404  # and nothing of it comes later
    assert "deferred response not sent within 20 ms: GET /" in caplog.text


def test_a_route_may_wait_longer_than_the_servers_timeout(serve, connect):
    server = serve()
    server.close()
    server.handler_timeout = 1
    server.start()
    server.handle("GET", "/", lambda request, response: time.sleep(0.05), True, handler_timeout=0)
    assert connect(server).get("/").response().status == 200


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


@pytest.fixture
def caplog(caplog):
    """With the warnings of slow handlers, which other tests do without."""
    caplog.handler.removeFilter(is_not_of_slowness)
    return caplog


FORM = (
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    + b"x" * 2_000_000
    + b"\r\n--B--\r\n"
)


@pytest.mark.parametrize("name", ["raw_body", "body", "files", "open"])
def test_a_long_content_is_gone_with_its_client_and_the_error_says_so(serve, connect, name):
    came, go, errors = threading.Event(), threading.Event(), []

    def read(request, response):
        came.set()
        assert go.wait(PATIENCE)
        request.open() if name == "open" else getattr(request, name)

    server = serve()
    server.handle("POST", "/", read, offload=True)
    server.on_error(lambda error, _: errors.append(str(error)))
    head = f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(FORM)}"
    client = connect(server).send(f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n").send(FORM)
    assert came.wait(PATIENCE)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.socket.close()
    wait_until(lambda: server.stats.active == 0)
    go.set()
    wait_until(lambda: errors)
    assert errors == [
        "content is not available: the request has been answered, or its client has left"
    ]


def test_a_slow_handler_is_named_in_the_log(serve, client, caplog):
    server = serve(slow_handler_time=50)

    @server.handle("GET", "/slow/{x}")
    def slow(request, response):
        time.sleep(0.06)  # the work of a handler

    assert client.get(f"{server.url}/slow/1").status == 200
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(messages) == 1
    assert messages[0].startswith("GET /slow/{x} blocked the server for ")


def slow(*_):
    time.sleep(0.06)  # the work of a callback


def slow_chunks(response, quick_chunks=0):
    def chunks():
        yield from [b"x" * 70_000] * quick_chunks
        slow()
        yield b"end"

    response.stream(chunks())


FUNCTION = r"[\w.]+\.slow"
REQUEST = r"GET /\w* from 127\.0\.0\.1"

SLOW = {
    "after_request": (lambda server: server.after_request(slow), f"{FUNCTION} for {REQUEST}"),
    "on_reply": (lambda server: server.on_reply(slow), f"{FUNCTION} for {REQUEST}"),
    "on_answered": (lambda server: server.on_answered(slow), f"{FUNCTION} for {REQUEST}"),
    "on_error": (lambda server: server.on_error(slow), f"{FUNCTION} for {REQUEST}"),
    "on_connect": (lambda server: server.on_connect(slow), FUNCTION),
    "on_disconnect": (lambda server: server.on_disconnect(slow), FUNCTION),
    "call_soon": (lambda server: server.call_soon(slow), FUNCTION),
    "call_later": (lambda server: server.call_later(1, slow), FUNCTION),
}


def warned_of(caplog, pattern):
    """Wait for a warning of a blocked server; under load there may be others."""
    whole = re.compile(pattern + r" blocked the server for \d+ ms").fullmatch
    wait_until(lambda: any(whole(record.getMessage()) for record in caplog.records), pattern)


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_callback_is_named_in_the_log(serve, connect, caplog, kind):
    register, what = SLOW[kind]
    server = serve(slow_handler_time=50)
    server.handle("GET", "/bad", lambda q, p: p.write(1))
    register(server)
    assert connect(server).get("/bad", "Connection: close").response().status == 500
    warned_of(caplog, f"{kind} {what}")


@pytest.mark.parametrize("quick_chunks", [0, 20], ids=["at first", "later"])
@pytest.mark.parametrize("offload", [False, True], ids=["loop", "offloaded"])
def test_a_slow_stream_is_named_in_the_log(serve, connect, caplog, offload, quick_chunks):
    server = serve(slow_handler_time=50)
    handler = lambda q, p: slow_chunks(p, quick_chunks)  # noqa: E731 - for two ways
    server.handle("GET", "/x", handler, offload)
    assert connect(server).get("/x").response().body.endswith(b"end")
    warned_of(caplog, f"stream for {REQUEST}")


def test_a_handler_is_not_blamed_for_a_slow_after_request_before_it(serve, connect, caplog):
    server = serve(lambda q, p: p.write("x"), slow_handler_time=200)  # a busy machine's is shorter
    server.after_request(lambda request, response: time.sleep(0.25))
    connection = connect(server).send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    assert [connection.response().status for _ in range(3)] == [200] * 3
    warned_of(caplog, f"after_request .* for {REQUEST}")
    assert {record.getMessage().split()[0] for record in caplog.records} == {"after_request"}


def test_nothing_is_said_of_slow_callbacks_that_do_not_block_the_server(caplog):
    server = HttpServer(0, slow_handler_time=50)
    server.after_request(slow)
    with under_wsgi(server) as port:
        assert ask(port).status == 404
    with HttpServer(0, slow_handler_time=0) as server:
        server.after_request(slow)
        assert ask(server.port).status == 404
    assert not caplog.records


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
