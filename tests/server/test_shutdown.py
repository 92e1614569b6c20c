"""Draining: nobody who has asked is cut off."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from support import PATIENCE, Raw, child, wait_until

from bladehttp.server import HttpServer, _runtime as draining
from bladehttp.server._net.signals import end_by_signals


def closing(server, timeout=5000):
    thread = threading.Thread(target=server.shutdown, args=(timeout,))
    thread.start()
    wait_until(lambda: server.socket is None or server.socket.fileno() < 0)
    return thread


def test_an_idle_connection_is_closed_after_a_moment(serve, connect):
    server = serve()
    client = connect(server)
    client.get().response()
    start = time.monotonic()
    server.shutdown()
    assert draining.MOMENT * 0.95 <= time.monotonic() - start < draining.MOMENT + 1
    assert client.at_end()


def test_without_connections_it_takes_as_long_as_a_handshake(serve):
    server = serve()
    start = time.monotonic()
    server.shutdown()
    assert time.monotonic() - start < draining.TCP_HANDSHAKE + 0.3


@pytest.mark.parametrize("asked_before", [True, False], ids=["kept", "new"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_what_an_idle_connection_asks_meanwhile_is_answered(serve, connect, secure, asked_before):
    server = serve(lambda request, response: response.write("answered"), secure=secure)
    client = connect(server)
    if asked_before:
        client.get().response()
    wait_until(lambda: server.stats.connections == 1)
    thread = closing(server)
    response = client.get().response()
    assert (response.body, response.get("Connection")) == (b"answered", "close")
    assert client.at_end()
    thread.join()


@pytest.mark.parametrize("kind", ["own", "inherited", "unix"])
def test_connections_that_wait_to_be_accepted_are_answered(kind, tmp_path):
    """The loop has not turned since they came."""
    sock = socket.create_server(("127.0.0.1", 0)) if kind == "inherited" else None
    host = f"unix:{tmp_path / 'sock'}" if kind == "unix" else "127.0.0.1"
    server = HttpServer(0, host, socket=sock)
    server.on_receive(lambda request, response: response.write("answered"))
    server.step()
    clients = []
    for _ in range(20):
        if kind == "unix":
            client = socket.socket(socket.AF_UNIX)
            client.connect(host.removeprefix("unix:"))
        else:
            client = socket.create_connection((server.host, server.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        clients.append(client)
    server._runtime._draining.start(5)
    while server.step(10):
        pass
    for client in clients:
        with client:
            assert b"answered" in client.recv(1000)
    if sock is not None:
        sock.close()


def test_a_connection_that_is_begun_while_the_listener_closes_finds_the_next_one():
    """Its first packet is dropped, not refused: it comes again to whoever listens by then."""
    old, new = HttpServer(0, reuse_port=True), HttpServer(0, reuse_port=True)
    new.on_receive(lambda request, response: response.write("new"))
    old.step()
    old._runtime.listener.stop_new_connections()
    new.port = old.port
    clients = [socket.socket() for _ in range(10)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", old.port))
    old.close()
    with new:
        for client in clients:
            client.settimeout(10)
            with client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") if is_connected(
                    client
                ) else None
                assert b"new" in client.recv(1000)


def is_connected(client) -> bool:
    """Wait until a connection is made."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_WRITE)
        return bool(selector.select(10))


def test_what_is_not_answered_in_time_gets_503(serve, connect, caplog):
    deferred = []
    server = serve(lambda request, response: deferred.append(response.defer(0)))
    waiting = connect(server).get()
    wait_until(lambda: deferred)
    uploading = connect(server).send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nha")
    probe = connect(server).send("GET / HT")
    wait_until(lambda: server.stats.connections == 3)
    start = time.monotonic()
    thread = closing(server, 300)
    for client in waiting, uploading, probe:
        response = client.response()
        assert (response.status, response.get("Connection")) == (503, "close")
        assert client.at_end()
    assert 0.25 <= time.monotonic() - start < 2
    thread.join()
    assert not deferred[0].send()
    assert caplog.messages == [
        "deferred response not sent before the server ended: GET / from 127.0.0.1"
    ]


def test_the_property_says_how_long_a_shutdown_waits(serve, connect):
    deferred = []
    server = serve(
        lambda request, response: deferred.append(response.defer(0)), shutdown_timeout=300
    )
    client = connect(server).get()
    wait_until(lambda: server.stats.requests == 1)
    start = time.monotonic()
    server.shutdown()
    assert 0.29 <= time.monotonic() - start < 2
    assert client.response().status == 503


@pytest.mark.parametrize("wait", ["time.sleep(60)", "threading.Event().wait()"])
def test_an_offloaded_handler_that_hangs_does_not_hold_the_process(wait):
    script = f"""
import bladehttp, threading, time
server = bladehttp.server(0)
@server.handle("GET", "/", offload=True)
def hang(request, response):
    print("hangs", flush=True)
    {wait}
def tell():
    while server.socket is None: time.sleep(0.001)
    print(server.port, flush=True)
threading.Thread(target=tell).start()
server.listen(signals=True, shutdown_timeout=300)
"""
    command = [sys.executable, "-X", "dev", "-c", script]
    with (
        child(command, stdout=subprocess.PIPE, text=True) as process,
        Raw(int(process.stdout.readline())) as client,
    ):
        client.get()
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        assert client.response().status == 503
        assert process.wait(10) == 0
        assert time.monotonic() - start < 5


def test_a_request_that_has_begun_is_answered_with_connection_close(serve, connect):
    server = serve(lambda request, response: response.write("answered"))
    client = connect(server).send("GET / HTTP/1.1\r\nHo")
    wait_until(lambda: server.stats.connections == 1)
    probe = connect(server)
    probe.get().response()  # what the first client sent has been read by now
    thread = closing(server)
    client.send("st: a\r\n\r\n")
    response = client.response()
    assert (response.body, response.get("Connection")) == (b"answered", "close")
    assert client.at_end()
    thread.join()


def test_an_answer_on_its_way_arrives_whole(serve, connect):
    server = serve(lambda request, response: response.write(b"x" * 30_000_000))
    client = connect(server).get()
    client.more()
    thread = closing(server)
    assert len(client.response().body) == 30_000_000
    assert client.at_end()
    thread.join()


def test_what_is_not_done_in_time_is_cut_off(serve, connect):
    server = serve(lambda request, response: response.write(b"x" * 30_000_000))
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server).get()
    client.more()
    start = time.monotonic()
    server.shutdown(200)
    assert 0.19 <= time.monotonic() - start < 2
    assert len(gone) == 1
    assert len(client.read_all()) < 30_000_000


def test_a_timeout_of_zero_is_close(serve, connect):
    server = serve()
    connect(server).send("GET")
    server.shutdown(0)
    assert server.socket is None


def test_nothing_more_is_accepted(serve, connect):
    server = serve()
    connect(server).send("GET / HTTP/1.1\r\nHo")
    connect(server).get().response()
    thread = closing(server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=10)
    server.close()
    thread.join()


def test_shutdown_is_harmless_when_nothing_runs():
    HttpServer(0).shutdown()


def test_a_handler_may_shut_the_server_down_and_is_answered(serve, connect):
    server = serve()
    server.on_receive(lambda request, response: (response.write("last"), server.shutdown()))
    client = connect(server).get()
    assert client.response().body == b"last"
    assert client.at_end()
    wait_until(lambda: server.socket is None)


def ends(server):
    def handler(request, response):
        server.shutdown()
        response.write("last")

    return handler


def ends_in_a_coroutine(server):
    async def handler(request, response):
        ends(server)(request, response)

    return handler


def ends_in_an_application(server):
    def application(environ, start_response):
        server.shutdown()
        start_response("200 OK", [])
        return [b"last"]

    return application


WAYS = {
    "loop": lambda server: server.handle("GET", "/", ends(server)),
    "offloaded": lambda server: server.handle("GET", "/", ends(server), offload=True),
    "coroutine": lambda server: server.handle("GET", "/", ends_in_a_coroutine(server)),
    "application": lambda server: server.mount("/", ends_in_an_application(server)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_handler_of_any_kind_is_answered_when_it_shuts_the_server_down(serve, connect, way):
    server = serve()
    way(server)
    client = connect(server).get()
    assert client.response().body == b"last"
    assert client.at_end()
    wait_until(lambda: server.socket is None)


def test_on_disconnect_is_called_once_for_each_connection(serve, connect):
    server = serve(lambda request, response: None)
    events = []
    server.on_connect(lambda client: events.append(1))
    server.on_disconnect(lambda client: events.append(-1))
    for _ in range(5):
        connect(server).get().response()
    server.shutdown()
    assert events == [1] * 5 + [-1] * 5


def refuses(address) -> bool:
    try:
        socket.create_connection(address, timeout=10).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was in the backlog of the listener that is being closed
        return False
    return False


SCRIPT = """
import bladehttp, threading, time
server = bladehttp.server(0)
server.on_receive(lambda request, response: response.write(b"x" * 30_000_000))
server.on_disconnect(lambda client: print("disconnected", flush=True))
def tell():
    while server.socket is None: time.sleep(0.001)
    print(server.port, flush=True)
threading.Thread(target=tell).start()
server.listen(signals=True)
print("ended", flush=True)
"""


@pytest.fixture
def process():
    command = [sys.executable, "-X", "dev", "-c", SCRIPT]
    with child(command, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains(process, number):
    with Raw(int(process.stdout.readline())) as client:
        client.get().more()
        process.send_signal(number)
        assert len(client.response().body) == 30_000_000
        assert client.at_end()
    assert process.stdout.read() == "disconnected\nended\n"
    assert process.wait() == 0


def test_the_second_signal_closes(process):
    with Raw(int(process.stdout.readline())) as client:
        client.get().more()
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(client.socket.getpeername()))
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().endswith("disconnected\nended\n")
        assert len(client.read_all()) < 30_000_000


TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
"""Makes standard input the terminal of a session that has none."""


def test_a_closed_terminal_ends_it():
    ours, terminal = os.openpty()
    command = [sys.executable, "-c", TAKE_TERMINAL + SCRIPT]
    options = {"stdin": terminal, "stdout": subprocess.PIPE, "start_new_session": True}
    with child(command, **options) as process:
        os.close(terminal)
        with Raw(int(process.stdout.readline())) as client:
            client.get().more()
            os.close(ours)
            assert process.wait(PATIENCE) == -signal.SIGHUP


def test_what_a_program_does_on_sighup_stays():
    seen = []
    before = signal.signal(signal.SIGHUP, seen.append)
    try:
        server = HttpServer(0)
        with end_by_signals(server.shutdown, server.close):
            assert signal.getsignal(signal.SIGHUP) == seen.append
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_for_the_main_thread():
    errors = []

    def listen():
        try:
            HttpServer(0).listen(signals=True)
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert "main thread" in errors[0]


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    server = HttpServer(0)
    server.on_receive(lambda request, response: server.close())

    def ask():
        wait_until(lambda: server.socket is not None)
        with Raw(server.port) as client:
            client.get().read_all()

    thread = threading.Thread(target=ask)
    thread.start()
    server.listen(signals=True)
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_no_server_and_the_parent_goes_on(serve, connect):
    server = serve(lambda request, response: response.write("parent"))
    client = connect(server)
    client.get().response()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            server.close()  # nothing to close here
            if server.socket is None:
                with HttpServer(0) as own, Raw(own.port) as other:
                    code = 0 if other.get().response().status == 404 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert client.get().response().body == b"parent"
    assert connect(server).get().response().body == b"parent"


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_handler_may_fork(serve, connect):
    children = []

    def handler(request, response):
        child = os.fork()
        if child == 0:
            os._exit(0)
        children.append(child)
        response.write("parent")

    server = serve(handler)
    client = connect(server)
    assert client.get().response().body == b"parent"
    assert client.get().response().body == b"parent"
    for forked in children:
        os.waitpid(forked, 0)


def test_a_handshake_that_stalls_does_not_hold_a_shutdown_up(serve):
    server = serve(secure=True)
    with Raw(server.port) as client:
        client.send(b"\x16\x03\x01\x02\x00")
        wait_until(lambda: server.stats.connections == 1)
        start = time.monotonic()
        server.shutdown()
        assert time.monotonic() - start < 2


def test_a_server_whose_thread_cannot_be_started_is_closed(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    server = HttpServer(0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="start new thread"):
            server.start()
    assert server.socket is None
    server.close()
    with server, Raw(server.port) as client:
        assert client.get().response().status == 404


def test_a_signal_before_the_first_step_ends_listen(monkeypatch):
    """The handler runs on the thread that will run the loop and must not wait for itself."""
    server = HttpServer(0)
    begin = HttpServer._begin

    def begin_and_signal(*arguments):
        running = begin(*arguments)
        server.close()
        return running

    monkeypatch.setattr(HttpServer, "_begin", begin_and_signal)
    server.listen()
    assert server.socket is None
