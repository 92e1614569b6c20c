"""Every way a handler, a worker, a stream, a callback or a timer can end is answered and told."""

import asyncio
import concurrent.futures
import contextlib
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest
from server_doors import DOORS, ask
from support import Raw, child, wait_until

import bladehttp as http
from bladehttp.server import HttpServer


class Custom(BaseException):
    """No Exception, and nobody else's."""


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


class Told:
    """What on_error of a server was told."""

    def __init__(self, server: HttpServer) -> None:
        self.errors: list[BaseException] = []
        server.on_error(lambda error, client: self.errors.append(error))

    def kinds(self) -> list[type]:
        return [type(error) for error in self.errors]


def raising(error):
    def handler(*_):
        raise error

    return handler


FAILURES = [
    LookupError,
    Custom,
    GeneratorExit,
    StopIteration,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    pytest.fail.Exception,
    pytest.skip.Exception,
    pytest.exit.Exception,
]
ENDINGS = [SystemExit, KeyboardInterrupt]
every_failure = pytest.mark.parametrize("kind", FAILURES, ids=lambda kind: kind.__name__)
every_error = pytest.mark.parametrize("kind", FAILURES + ENDINGS, ids=lambda kind: kind.__name__)
every_ending = pytest.mark.parametrize("kind", ENDINGS, ids=lambda kind: kind.__name__)

HANDLERS = {
    "before_request": lambda server, handler: server.before_request(handler),
    "on_receive": lambda server, handler: server.on_receive(handler),
    "route": lambda server, handler: server.handle("GET", "/bad", handler),
    "offloaded": lambda server, handler: server.handle("GET", "/bad", handler, offload=True),
    "none_handler": lambda server, handler: server.none_handler(handler),
    "after_request": lambda server, handler: server.after_request(handler),
}
every_handler = pytest.mark.parametrize("place", HANDLERS.values(), ids=list(HANDLERS))


# Handlers


@every_failure
@every_handler
def test_whatever_a_handler_raises_is_500_logged_and_told(door, place, kind, caplog):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    place(server, lambda request, response: raising(error)() if request.path == "/bad" else None)
    with door(server) as port:
        response = ask(port, "/bad?a=b")
        assert (response.status, response.body) == (500, b"500 - Internal Server Error.")
        assert ask(port, "/good").status in {200, 404}
    assert told.errors == [error]
    assert (error.request.method, error.request.path) == ("GET", "/bad")
    (record,) = caplog.records
    assert record.getMessage() == f"GET /bad?a=b from 127.0.0.1: {error!r}"
    assert record.exc_info[1] is error


@every_ending
@pytest.mark.parametrize(
    "place",
    [place for name, place in HANDLERS.items() if name != "offloaded"],
    ids=[name for name in HANDLERS if name != "offloaded"],
)
def test_what_ends_a_thread_ends_the_server_with_the_client_answered(place, kind, caplog):
    server, error, gone = HttpServer(0), kind("mine"), []
    told = Told(server)
    server.on_disconnect(gone.append)
    place(server, raising(error))
    server.start()
    with Raw(server.port) as client, Raw(server.port) as other:
        wait_until(lambda: server.stats.connections == 2)
        response = client.get("/bad").response()
        assert (response.status, response.get("Connection")) == (500, "close")
        assert client.at_end()
        assert other.at_end()
        wait_until(lambda: server.socket is None)
    assert told.errors == [error]
    assert error.request.path == "/bad"
    assert len(gone) == 2
    assert len(caplog.records) == 1
    with server:  # and it can start again
        assert server.socket is not None


@every_ending
def test_what_ends_a_worker_ends_nothing_else(kind, caplog):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.handle("GET", "/bad", raising(error), offload=True)
    server.handle("GET", "/good", lambda request, response: response.write("well"))
    with server, Raw(server.port) as client:
        assert client.get("/bad").response().status == 500
        assert client.get("/good").response().body == b"well"
        server.shutdown()
    assert told.errors == [error]
    assert len(caplog.records) == 1


@every_ending
@every_handler
def test_what_ends_a_thread_of_a_wsgi_server_is_500_there(place, kind):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    place(server, raising(error))
    with DOORS["wsgi"](server) as port:
        assert [ask(port, "/bad").status for _ in range(2)] == [500, 500]
    assert told.errors == [error, error]


@pytest.mark.parametrize("kind", ["SystemExit(3)", "KeyboardInterrupt()"])
def test_listen_raises_what_a_handler_ended_with_and_the_client_is_answered(kind):
    script = f"""
import threading, sys, logging
logging.disable()
import bladehttp
server = bladehttp.server(0)
def leave(request, response):
    raise {kind}
server.on_receive(leave)
def tell():
    while server.socket is None: pass
    print(server.port, flush=True)
threading.Thread(target=tell).start()
try:
    server.listen()
except BaseException as error:
    print(repr(error), server.socket, flush=True)
"""
    arguments = [sys.executable, "-X", "dev", "-c", script]
    with child(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert ask(int(process.stdout.readline())).status == 500
        assert process.stdout.read() == f"{kind} None\n"


def test_ctrl_c_in_a_handler_answers_its_client():
    script = """
import threading, signal, sys, time, logging
logging.disable()
signal.signal(signal.SIGINT, signal.default_int_handler)
import bladehttp
server = bladehttp.server(0)
def work(request, response):
    print("working", flush=True)
    time.sleep(60)
server.on_receive(work)
def tell():
    while server.socket is None: pass
    print(server.port, flush=True)
threading.Thread(target=tell).start()
try:
    server.listen()
except KeyboardInterrupt:
    print("interrupted", server.socket, flush=True)
"""
    arguments = [sys.executable, "-X", "dev", "-c", script]
    with (
        child(arguments, stdout=subprocess.PIPE, text=True) as process,
        Raw(int(process.stdout.readline())) as client,
    ):
        client.get()
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        assert client.response().status == 500
        assert process.stdout.read() == "interrupted None\n"


@every_error
def test_a_step_raises_what_ends_its_thread_and_goes_on_after_anything_else(kind):
    server, error = HttpServer(0), kind("mine")
    server.on_receive(raising(error))
    server.step()
    try:
        with Raw(server.port) as client:
            client.get()
            with contextlib.ExitStack() as expected:
                if kind in ENDINGS:
                    expected.enter_context(pytest.raises(kind))
                for _ in range(10):
                    server.step(50)
                    if server.stats.requests:
                        break
            assert client.response().status == 500
            assert (server.socket is None) == (kind in ENDINGS)
    finally:
        server.close()


# What a handler returns, and functions that never run


async def coroutine(*_):
    raise AssertionError("nobody waits for it")


def generator(*_):
    yield


async def asynchronous_generator(*_):
    yield


class CallableCoroutine:
    async def __call__(self, *_):
        raise AssertionError("nobody waits for it")


RETURNED = {
    "dict": lambda: {"a": 1},
    "empty dict": dict,
    "str": lambda: "text",
    "bytes": lambda: b"",
    "int": lambda: 404,
    "zero": lambda: 0,
    "bool": lambda: True,
    "tuple": lambda: ("text", 201),
    "another response": lambda: http.HttpResponse("text"),
    "coroutine": coroutine,
    "generator": generator,
}


@pytest.mark.parametrize("value", RETURNED.values(), ids=list(RETURNED))
@every_handler
def test_a_handler_that_returns_something_is_an_error_that_names_it(door, place, value, caplog):
    server = HttpServer(0)
    told = Told(server)

    def lost_answer(request, response):
        return value()

    place(server, lost_answer)
    with door(server) as port:
        assert ask(port, "/bad").status == 500
    (error,) = told.errors
    assert type(error) is TypeError
    assert "lost_answer returned " in str(error)
    assert error.request.path == "/bad"
    assert "lost_answer returned" in caplog.records[0].getMessage()


@every_handler
def test_a_handler_may_return_its_response(door, place):
    server = HttpServer(0)

    def fluent(request, response):
        response.status = 202
        return response

    place(server, fluent)
    with door(server) as port:
        assert ask(port, "/bad").status == 202


@pytest.mark.parametrize("value", [None, True, (None, None), (None, False)])
def test_a_lambda_may_return_what_holds_no_answer(door, value):
    server = HttpServer(0)
    server.on_receive(lambda request, response: value)
    with door(server) as port:
        assert ask(port).status == 200


@pytest.mark.parametrize("value", [{}, "x", (None, 201), [None], 0])
def test_a_lambda_may_not_return_an_answer(door, value):
    server = HttpServer(0)
    server.on_receive(lambda request, response: value)
    with door(server) as port:
        assert ask(port).status == 500


REGISTRATIONS = {
    **HANDLERS,
    **{
        name: lambda server, function, name=name: getattr(server, name)(function)
        for name in (
            "on_connect",
            "on_disconnect",
            "on_reply",
            "on_answered",
            "on_error",
            "call_soon",
        )
    },
    "call_later": lambda server, function: server.call_later(1, function),
}
NEVER_RUN = {
    "coroutine function": coroutine,
    "partial of one": partial(coroutine),
    "object whose call is one": CallableCoroutine(),
    "method that is one": CallableCoroutine().__call__,
    "generator function": generator,
    "asynchronous generator function": asynchronous_generator,
}


AWAITED = {"before_request", "on_receive", "route", "none_handler"}
"""Registrations that take coroutine functions: see test_coroutines.py."""

REFUSED = {
    f"{where}-{what}": (REGISTRATIONS[where], function)
    for where in REGISTRATIONS
    for what, function in NEVER_RUN.items()
    if where not in {*AWAITED, "offloaded"} or "generator" in what
}


@pytest.mark.parametrize(("register", "function"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_not_run_is_refused_where_it_is_registered(register, function):
    with (
        HttpServer(0) as server,
        pytest.raises(
            TypeError, match=r"takes a function that runs when it is called, and .* is an? "
        ),
    ):
        register(server, function)


# Callbacks that answer nothing


CALLBACKS = ["on_connect", "on_disconnect", "on_reply", "on_answered"]


@every_error
@pytest.mark.parametrize("callback", CALLBACKS)
def test_what_a_callback_raises_is_told_and_the_answer_arrives(callback, kind, caplog):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.on_receive(lambda request, response: response.write("fine"))
    getattr(server, callback)(raising(error))
    server.start()
    with Raw(server.port) as client:
        if callback == "on_connect" and kind in ENDINGS:  # there was no request yet
            assert client.at_end()
        else:
            assert client.get("/a").response().body == b"fine"
    wait_until(lambda: told.errors)
    if kind in ENDINGS:
        wait_until(lambda: server.socket is None)
    server.close()
    assert set(told.errors) == {error}
    where = "/a" if callback in {"on_reply", "on_answered"} else None
    assert (error.request and error.request.path) == where
    assert all(repr(error) in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("callback", CALLBACKS)
def test_what_a_callback_returns_is_ignored_unless_it_never_ran(callback):
    server = HttpServer(0)
    told = Told(server)
    getattr(server, callback)(lambda _: {"a": 1})
    getattr(server, callback)(lambda _: coroutine(1))
    with server, Raw(server.port) as client:
        client.get().response()
    wait_until(lambda: told.errors)
    assert told.kinds()[0] is TypeError
    assert "returned coroutine" in str(told.errors[0])


@every_error
def test_what_on_error_raises_is_logged_and_the_others_are_told(kind, caplog):
    server = HttpServer(0)
    server.on_error(raising(kind("second")))
    told = Told(server)
    server.on_receive(raising(LookupError("first")))
    server.start()
    with Raw(server.port) as client:
        assert client.get().response().status == 500
    if kind in ENDINGS:
        wait_until(lambda: server.socket is None)
    server.close()
    assert told.kinds() == [LookupError]
    assert [record.getMessage() for record in caplog.records] == [
        "GET / from 127.0.0.1: LookupError('first')",
        "on_error callback failed",
    ]


@pytest.mark.parametrize("later", [False, True], ids=["call_soon", "call_later"])
@every_error
def test_what_a_timer_raises_is_told(kind, later):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.start()
    if later:
        server.call_later(1, raising(error))
    else:
        server.call_soon(raising(error))
    wait_until(lambda: told.errors)
    if kind in ENDINGS:
        wait_until(lambda: server.socket is None)
    else:
        assert ask(server.port).status == 404
    server.close()
    assert (told.errors, error.request) == ([error], None)


def test_a_timer_that_returns_a_coroutine_is_told_of():
    server = HttpServer(0)
    told = Told(server)
    with server:
        server.call_soon(lambda: coroutine(1))
        wait_until(lambda: told.errors)
    assert told.kinds() == [TypeError]


# Streams: the head has gone


def broken_stream(error, where):
    class Source:
        def __iter__(self):
            return self

        def __next__(self):
            if where == "piece":
                raise error
            raise StopIteration

        def close(self):
            if where == "close":
                raise error

    return Source()


@every_error
def test_what_a_stream_raises_resets_and_is_told(kind, caplog):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.on_receive(lambda request, response: response.stream(broken_stream(error, "piece")))
    server.start()
    with Raw(server.port) as client:
        sent = client.get("/a", "Connection: close").read_all()
    assert sent.endswith(b"\r\n0\r\n\r\n") == (kind is StopIteration)
    if kind in ENDINGS:
        wait_until(lambda: server.socket is None)
    server.close()
    if kind is StopIteration:  # which is how an iterator ends
        assert told.errors == []
        return
    (told_of,) = told.errors
    assert told_of is error
    assert error.request.path == "/a"
    assert caplog.records[0].getMessage() == f"GET /a from 127.0.0.1: {error!r}"


@every_error
def test_what_closing_a_stream_raises_is_told(kind):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.on_receive(lambda request, response: response.stream(broken_stream(error, "close")))
    server.start()
    with Raw(server.port) as client:
        client.get("/a", "Connection: close").read_all()
    wait_until(lambda: told.errors)
    if kind in ENDINGS:
        wait_until(lambda: server.socket is None)
    server.close()
    assert set(told.errors) == {error}


@every_error
def test_what_a_stream_raises_under_wsgi_ends_its_connection_only(kind):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)
    server.handle(
        "GET", "/a", lambda request, response: response.stream(broken_stream(error, "piece"))
    )
    with DOORS["wsgi"](server) as port:
        with Raw(port) as client:
            client.get("/a").read_all()
        assert ask(port, "/b").status == 404
    assert told.errors == ([] if kind is StopIteration else [error])


# Answers given later


@every_error
def test_a_deferred_answer_may_fail_with_anything(door, kind):
    server, error = HttpServer(0), kind("mine")
    told = Told(server)

    @server.handle("GET", "/a")
    def later(request, response):
        deferred = response.defer()
        threading.Thread(target=deferred.fail, args=(error,)).start()

    with door(server) as port:
        assert [ask(port, "/a").status for _ in range(2)] == [500, 500]
    assert told.errors == [error, error]
    assert error.request.path == "/a"


def test_an_answer_that_nobody_gives_is_503_and_logged_with_its_request(door, caplog):
    server = HttpServer(0)
    told = Told(server)

    @server.handle("GET", "/a")
    def never(request, response):
        response.defer(timeout=10)

    with door(server) as port:
        assert ask(port, "/a").status == 503
    assert told.errors == []
    (record,) = caplog.records
    assert record.getMessage() == "deferred response not sent within 10 ms: GET /a from 127.0.0.1"


def test_what_a_worker_raises_when_its_client_has_gone_is_told_all_the_same(caplog):
    server, running, may_fail = HttpServer(0), threading.Event(), threading.Event()
    told = Told(server)
    requests = []

    @server.handle("GET", "/a", offload=True)
    def slow(request, response):
        requests.append(request)
        running.set()
        may_fail.wait(10)
        raise LookupError("too late")

    with server:
        with Raw(server.port) as client:
            client.get("/a")
            running.wait(10)
        wait_until(lambda: requests[0].disconnected)
        may_fail.set()
        wait_until(lambda: told.errors)
    assert told.errors[0].request.path == "/a"
    assert caplog.records[0].getMessage() == "GET /a from 127.0.0.1: LookupError('too late')"


# What on_error is told


class FrozenError(Exception):
    def __setattr__(self, name, value):
        raise AttributeError(name)


class PropertyError(Exception):
    @property
    def request(self):
        return "its own"


def test_an_error_that_takes_no_attributes_has_the_request(door):
    server = HttpServer(0)
    told = Told(server)
    server.on_receive(raising(FrozenError()))
    with door(server) as port:
        ask(port, "/a")
    assert told.errors[0].request.path == "/a"


def test_an_error_keeps_a_property_of_that_name(door):
    server = HttpServer(0)
    told = Told(server)
    server.on_receive(raising(PropertyError()))
    with door(server) as port:
        assert ask(port, "/a").status == 500
    assert told.errors[0].request == "its own"


def test_an_error_of_a_request_within_a_handler_has_the_request_that_was_being_answered():
    server = HttpServer(0)
    told = Told(server)

    @server.on_receive
    def proxy(request, response):
        with http.HttpClient() as client:
            client.get("http://127.0.0.1:1/elsewhere")

    with server:
        ask(server.port, "/a")
    (error,) = told.errors
    assert isinstance(error, http.ConnectError)
    assert (error.request.path, error.url) == ("/a", "http://127.0.0.1:1/elsewhere")


def test_a_long_target_is_cut_in_the_log(caplog):
    server = HttpServer(0)
    server.on_receive(raising(LookupError()))
    with server:
        ask(server.port, "/" + "x" * 5000)
    assert len(caplog.records[0].getMessage()) < 300


# on_reply comes after the head


CHANGES = {
    "header": lambda response: response.headers.update({"X-Late": "1"}),
    "status": lambda response: setattr(response, "status", 500),
    "body": lambda response: response.write("late"),
    "reason": lambda response: setattr(response, "reason", "Lazy"),
    "headers replaced": lambda response: setattr(response, "headers", {"X": 5}),
    "stream": lambda response: response.stream([b"late"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_change_in_on_reply_is_told_to_be_too_late(door, change):
    server = HttpServer(0)
    told = Told(server)
    server.handle("GET", "/a", lambda request, response: response.write("in time"))

    @server.on_reply
    def too_late(response):
        change(response)

    with door(server) as port:
        response = ask(port, "/a")
    assert (response.status, response.reason, response.get("X-Late")) == (200, "OK", None)
    (error,) = told.errors
    told_how = ("too_late changed a response whose head is sent: use after_request", "body already")
    assert any(text in str(error) for text in told_how)
    assert error.request.path == "/a"


def test_an_on_reply_may_look_at_everything(door):
    server, seen = HttpServer(0), []
    told = Told(server)

    @server.on_reply
    def look(response):
        seen.append((response.status, response.headers["Content-Type"], response.body))

    with door(server) as port:
        ask(port, "/a")
    assert seen == [(404, "text/plain; charset=utf-8", b"404 - Not Found.")]
    assert told.errors == []
