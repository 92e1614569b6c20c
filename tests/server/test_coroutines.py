"""Coroutine functions as handlers, guards, on_receive and none_handler."""

import asyncio
import contextvars
import gc
import logging
import os
import socket
import subprocess
import sys
import threading
from functools import partial

import pytest
from server_doors import DOORS, ask
from support import Raw, wait_until

import bladehttp as http
from bladehttp.server import HttpServer, compress
from bladehttp.testing import BladeServer

PATIENCE = 10
RESET = b"\1\0\0\0\0\0\0\0"


def of(*callbacks, route=None, **options) -> HttpServer:
    """A server with the handler of GET / and, before it, others by the name of their method."""
    server = HttpServer(0, **options)
    for name, function in callbacks:
        getattr(server, name)(function)
    if route is not None:
        server.handle("GET", "/", route)
    return server


async def waits(request, response):
    await asyncio.sleep(0)
    response.write("waited")


@pytest.fixture(params=DOORS.values(), ids=list(DOORS))
def at(request):
    """Open a server behind each door, and close its event loop at the end."""
    opened = []

    def start(server: HttpServer) -> int:
        opened.append((server, request.param(server)))
        return opened[-1][1].__enter__()

    yield start
    for server, context in opened:
        context.__exit__(None, None, None)
        server.close()


def names():
    return [thread.name for thread in threading.enumerate()]


def test_a_coroutine_handler_answers(at):
    port = at(of(route=waits))
    assert ask(port).body == b"waited"
    assert ask(port, "/absent").status == 404
    assert ask(port, method="POST").status == 405


class Callable:
    async def __call__(self, request, response):
        response.write("called")

    async def method(self, request, response):
        response.write("called")


async def three(word, request, response):
    response.write(word)


@pytest.mark.parametrize(
    "handler",
    [Callable(), Callable().method, partial(three, "called")],
    ids=["object", "method", "partial"],
)
def test_whatever_is_a_coroutine_function_is_awaited(at, handler):
    assert ask(at(of(route=handler))).body == b"called"


def test_without_a_coroutine_function_there_is_no_event_loop():
    program = (
        "import sys, threading, bladehttp as http\n"
        "with http.server(0) as server:\n"
        "    server.handle('GET', '/', lambda request, response: response.write('x'))\n"
        "    import socket\n"
        "    sock = socket.create_connection(('127.0.0.1', server.port))\n"
        "    sock.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
        "    assert sock.makefile('rb').read().endswith(b'x')\n"
        "    sock.close()\n"
        "    print('asyncio' in sys.modules, threading.active_count())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stdout.split() == ["False", "2"]


def test_the_event_loop_starts_with_the_first_request_and_ends_with_the_server():
    server = of(route=waits)
    with server:
        assert "bladehttp-asyncio" not in names()
        assert ask(server.port).status == 200
        assert "bladehttp-asyncio" in names()
    assert "bladehttp-asyncio" not in names()
    with server:  # and another run has another
        assert ask(server.port).status == 200


def test_a_coroutine_without_a_thread_is_500_and_is_closed(monkeypatch):
    start = threading.Thread.start

    def fails(thread):
        if thread.name == "bladehttp-asyncio":
            raise RuntimeError("can't start new thread")
        start(thread)

    server = of(route=waits)
    with server:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fails)
            assert ask(server.port).status == 500
        gc.collect()  # a coroutine that was not closed warns
        assert ask(server.port).body == b"waited"


def test_the_chain_goes_on_in_order_and_on_the_servers_thread(at):
    seen = []

    def note(name):
        def callback(request, response):
            seen.append((name, threading.current_thread().name == "bladehttp-asyncio"))

        async def coroutine(request, response):
            await asyncio.sleep(0.001)
            callback(request, response)

        return coroutine if name.startswith("async") else callback

    server = of(
        ("before_request", note("guard")),
        ("before_request", note("async guard")),
        ("before_request", note("last guard")),
        ("on_receive", note("async receive")),
        ("on_receive", note("receive")),
        route=note("async route"),
    )
    assert ask(at(server)).status == 200
    order = ["guard", "async guard", "last guard", "async receive", "receive", "async route"]
    assert seen == [(name, name.startswith("async")) for name in order]


ROUTES = {"no routes": (), "its route": (("GET", "/"),), "another path": (("GET", "/else"),)}
ROUTES |= {"another method": (("POST", "/"),), "both": (("GET", "/"), ("GET", "/else"))}


def called(has_coroutines, guards, receives, routes):
    """Ask a server with some callbacks; return their order and the answer."""
    seen = []

    def note(name, answers):
        def callback(request, response):
            seen.append(name)
            if answers:
                response.write(name)

        return callback

    server = HttpServer(0)
    if has_coroutines:
        server.none_handler(waits)
    server.none_handler(note("none_handler", True))
    for kind, does in (("before_request", guards), ("on_receive", receives)):
        if does is not None:
            getattr(server, kind)(note(kind, does == "answers"))
            getattr(server, kind)(note(f"second {kind}", False))
    for method, path in routes:
        server.handle(method, path, note(f"{method} {path}", True))
    with server:
        assert server._dispatcher.has_coroutines == has_coroutines
        answer = ask(server.port)
    return seen, answer.status, answer.body, answer.get("Allow")


@pytest.mark.parametrize("routes", ROUTES.values(), ids=list(ROUTES))
@pytest.mark.parametrize("receives", [None, "notes", "answers"])
@pytest.mark.parametrize("guards", [None, "notes", "answers"])
def test_a_coroutine_function_changes_no_order(guards, receives, routes):
    """The dispatcher and the chain call the same functions, and answer the same."""
    by_chain = called(True, guards, receives, routes)
    assert by_chain == called(False, guards, receives, routes)


def test_a_coroutine_guard_ends_the_chain(at):
    async def guard(request, response):
        await asyncio.sleep(0)
        if request.path == "/written":
            response.status = 401
        else:
            http.abort(403, "no")

    port = at(of(("before_request", guard), route=lambda request, response: 1 // 0))
    assert ask(port, "/written").status == 401
    answer = ask(port)
    assert (answer.status, answer.body) == (403, b"no")


def test_none_handler_may_be_a_coroutine_function_of_files_too(at, tmp_path):
    async def missing(request, response):
        await asyncio.sleep(0)
        response.json({"missing": request.path}, status=404)

    server = of(("none_handler", missing))
    server.serve_files("/static", tmp_path)
    port = at(server)
    assert ask(port, "/x").body == b'{"missing": "/x"}'
    assert ask(port, "/static/x").body == b'{"missing": "/static/x"}'


number = contextvars.ContextVar("number")


def test_callbacks_share_one_context_and_requests_do_not(at):
    async def guard(request, response):
        number.set(request.queries["number"])
        await asyncio.sleep(0.005)

    def middle(request, response):
        response.headers["X-Middle"] = number.get()
        number.set(number.get() + "!")

    async def route(request, response):
        await asyncio.sleep(0)
        response.write(number.get())

    port = at(of(("before_request", guard), ("on_receive", middle), route=route))
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: ask(port, f"/?number={n}")}))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {n: (answer.header["x-middle"], answer.body) for n, answer in answers.items()}
    assert found == {n: (str(n), f"{n}!".encode()) for n in range(5)}


def test_a_handler_asks_others_by_the_asyncio_client(at):
    with BladeServer() as upstream:
        upstream.expect("GET", "/a", times=None).respond("a")
        upstream.expect("GET", "/b", times=None).respond("b")

        async def route(request, response):
            async with http.AsyncHttpClient(base_url=upstream.url) as client:
                both = await asyncio.gather(client.get("/a"), client.get("/b"))
            response.write("".join(each.text for each in both))

        assert ask(at(of(route=route))).body == b"ab"


def test_many_wait_at_a_time_on_one_thread():
    barrier = []

    async def route(request, response):
        barrier[:] = barrier or [asyncio.Barrier(50)]
        await barrier[0].wait()

    with of(route=route) as server:
        clients = [Raw(server.port).get() for _ in range(50)]
        assert [client.response().status for client in clients] == [200] * 50
        assert names().count("bladehttp-asyncio") == 1
        for client in clients:
            client.close()


def test_more_coroutines_than_may_run_are_503():
    go = threading.Event()

    async def route(request, response):
        await asyncio.to_thread(go.wait, PATIENCE)

    with of(route=route, max_offloaded=1) as server, Raw(server.port) as first:
        first.get()
        wait_until(lambda: server._dispatcher.coroutines._busy == 1)
        full = ask(server.port)
        go.set()
        assert first.response().status == 200
        assert (full.status, full.header["retry-after"]) == (503, "1")
        assert ask(server.port).status == 200


def errors_in(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


class Waiting:
    """A handler that waits for ever, and what becomes of it."""

    def __init__(self):
        self.started, self.cancelled = threading.Event(), threading.Event()

    async def __call__(self, request, response):
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def is_over(self):
        """Whether it was cancelled, or so late on a busy machine that it had not begun."""
        return self.cancelled.is_set() or not self.started.is_set()


@pytest.mark.parametrize("leave", ["close", "shut"])
def test_a_coroutine_is_cancelled_when_its_client_leaves(leave, caplog):
    waiting = Waiting()
    told = []
    with of(route=waiting) as server, Raw(server.port) as client:
        server.on_error(lambda error, sock: told.append(error))
        client.get()
        assert waiting.started.wait(PATIENCE)
        getattr(client, leave)()
        assert waiting.cancelled.wait(PATIENCE)
        wait_until(lambda: server.stats.active == 0)
    assert (told, errors_in(caplog)) == ([], [])


def test_a_coroutine_is_cancelled_at_its_deadline(at, caplog):
    waiting = Waiting()
    server = HttpServer(0)
    server.handle("GET", "/", waiting, handler_timeout=20)
    port = at(server)
    answer = ask(port)
    assert (answer.status, answer.body) == (503, b"503 - Service Unavailable.")
    wait_until(waiting.is_over)


def test_the_servers_deadline_holds_for_guards(at):
    waiting = Waiting()
    port = at(of(("before_request", waiting), handler_timeout=20))
    assert ask(port).status == 503
    wait_until(waiting.is_over)


@pytest.mark.parametrize("ending", ["close", "shutdown"])
def test_a_coroutine_is_cancelled_when_the_server_ends(ending, caplog):
    waiting = Waiting()
    server = of(route=waiting).start()
    with Raw(server.port) as client:
        client.get()
        assert waiting.started.wait(PATIENCE)
        server.shutdown(50) if ending == "shutdown" else server.close()
        assert waiting.cancelled.is_set()
        data = client.read_all()
    assert data.startswith(b"HTTP/1.1 503") == (ending == "shutdown")


def test_shutdown_waits_for_coroutines():
    started = threading.Event()

    async def route(request, response):
        started.set()
        await asyncio.sleep(0.05)
        response.write("done")

    server = of(route=route).start()
    with Raw(server.port) as client:
        client.get()
        assert started.wait(PATIENCE)
        server.shutdown(PATIENCE * 1000)
        assert client.response().body == b"done"


def test_a_coroutine_may_close_its_server():
    server = None

    async def route(request, response):
        await asyncio.sleep(0)
        server.close()

    server = of(route=route).start()
    with Raw(server.port) as client:
        client.get()
        wait_until(lambda: server.socket is None)


def test_step_serves_coroutines():
    server = of(route=waits)
    server.step(0)
    with Raw(server.port) as client:
        client.get()
        client.socket.setblocking(False)
        data = b""
        while not data.endswith(b"waited"):
            server.step(10)
            try:
                data += client.socket.recv(65536)
            except BlockingIOError:
                pass
    server.close()


class Own(BaseException):
    pass


ENDINGS = {
    "ValueError": (ValueError("x"), 500),
    "BaseException": (Own("x"), 500),
    "CancelledError": (asyncio.CancelledError(), 500),
    "KeyboardInterrupt": (KeyboardInterrupt(), 500),
    "SystemExit": (SystemExit(1), 500),
    "Abort": (http.Abort(409), 409),
}


@pytest.mark.parametrize("where", ["before_request", "on_receive", "route", "none_handler"])
@pytest.mark.parametrize(("error", "status"), ENDINGS.values(), ids=list(ENDINGS))
def test_every_ending_is_answered_and_told_of(error, status, where):
    told = []

    async def fails(request, response):
        await asyncio.sleep(0)
        raise error

    server = of(route=fails) if where == "route" else of((where, fails))
    server.on_error(lambda error, sock: told.append((error, error.request.path)))
    with server:
        assert ask(server.port).status == status
        assert ask(server.port).status == status  # and it goes on
    assert told == ([] if status == 409 else [(error, "/")] * 2)


@pytest.mark.parametrize("kind", ["value", "missing", "bool"])
def test_a_value_is_an_error_as_of_other_handlers(at, kind):
    async def route(request, response):
        if kind == "missing":
            return request.queries["absent"]
        return {} if kind == "value" else True

    assert ask(at(of(route=route))).status == (400 if kind == "missing" else 500)


@pytest.mark.parametrize("later", ["defer", "offload", "delay", "fails"])
def test_a_function_after_a_coroutine_may_answer_later(later):
    async def guard(request, response):
        await asyncio.sleep(0)

    def route(request, response):
        if later == "fails":
            response.defer().fail(ValueError("later"))
            return
        response.write(later)
        if later == "defer":
            threading.Thread(target=response.defer().send).start()
        elif later == "delay":
            response.delay(10)

    server = of(("before_request", guard))
    server.handle("GET", "/", route, offload=later == "offload")
    with server:
        answer = ask(server.port)
    assert (answer.status, answer.body) == (
        (500, b"500 - Internal Server Error.") if later == "fails" else (200, later.encode())
    )


def test_a_deferred_response_after_a_coroutine_expires():
    async def guard(request, response):
        await asyncio.sleep(0)

    server = of(
        ("before_request", guard), route=lambda request, response: response.defer(10) and None
    )
    with server:
        assert ask(server.port).status == 503


def test_a_coroutine_after_a_deferred_response_is_an_error():
    server = of(("on_receive", lambda request, response: response.defer() and None), route=waits)
    with server:
        assert ask(server.port).status == 500


def test_a_coroutine_writes_to_a_channel_while_it_waits():
    go = threading.Event()

    async def route(request, response):
        with response.channel() as channel:
            channel.write("first ")
            await asyncio.to_thread(go.wait, PATIENCE)
            channel.write("second")

    with of(route=route) as server, Raw(server.port) as client:
        client.get()
        while client.line():
            pass
        assert (client.line(), client.take(8)) == (b"6", b"first \r\n")
        go.set()
        assert (client.line(), client.take(6)) == (b"6", b"second")


@pytest.mark.parametrize("packs", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("kind", ["channel", "events"])
def test_a_coroutine_that_writes_is_cancelled_when_its_client_leaves(kind, packs, caplog):
    told, cancelled = [], threading.Event()

    async def route(request, response):
        response.content_type("text/plain")
        stream = getattr(response, kind)()
        stream.write("x" * 2000)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = of(route=route)
    server.on_error(lambda error, sock: told.append(error))
    if packs:
        server.after_request(compress())
    with server, Raw(server.port) as client:
        client.get("/", "Accept-Encoding: gzip")
        while client.line():
            pass
        assert client.line()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        assert cancelled.wait(PATIENCE)
        wait_until(lambda: server._dispatcher.coroutines._busy == 0)
    assert (told, errors_in(caplog)) == ([], [])


def test_pipelined_requests_are_answered_in_order():
    async def route(request, response):
        await asyncio.sleep(int(request.params["ms"]) / 1000)
        response.write(request.params["ms"])

    server = HttpServer(0)
    server.handle("GET", "/{ms}", route)
    with server, Raw(server.port) as client:
        client.get("/20").get("/0").get("/10")
        assert [client.response().body for _ in range(3)] == [b"20", b"0", b"10"]


def test_a_forked_child_has_an_event_loop_of_its_own():
    server = of(route=waits)
    with server:
        assert ask(server.port).status == 200
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                server.port = 0
                with server:
                    code = 0 if ask(server.port).body == b"waited" else 2
            finally:
                os._exit(code)
        os.close(reader), os.close(writer)
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize(
    "name", ["after_request", "on_reply", "on_connect", "on_answered", "on_error"]
)
def test_callbacks_that_nothing_waits_for_are_no_coroutine_functions(name):
    async def callback(*arguments):
        pass

    with pytest.raises(TypeError, match="is a coroutine function"):
        getattr(HttpServer(0), name)(callback)


def test_a_coroutine_function_is_not_offloaded():
    with pytest.raises(ValueError, match="not for coroutine functions"):
        HttpServer(0).handle("GET", "/", waits, offload=True)


def test_the_fixture_serves_coroutines():
    with BladeServer() as server:
        server.handle("GET", "/", waits)
        server.expect("GET", "/expected").respond("expected")
        assert ask(server.port).body == b"waited"
        assert ask(server.port, "/expected").body == b"expected"
