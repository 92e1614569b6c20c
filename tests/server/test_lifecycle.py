"""Starting, stopping, and what is left afterwards: nothing."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import Raw, child, nothing_left, wait_until

from bladehttp.exceptions import HttpException
from bladehttp.server import HttpServer


def test_port_zero_takes_a_free_port_and_port_then_holds_it():
    with HttpServer(0) as server:
        assert server.port > 0
        assert server.socket.getsockname() == ("127.0.0.1", server.port)
        assert server.url == f"http://127.0.0.1:{server.port}"


def test_the_socket_is_there_while_it_listens():
    server = HttpServer(0)
    assert server.socket is None
    with server:
        assert server.socket.fileno() > 0
    assert server.socket is None


def test_defaults_are_blades():
    server = HttpServer(3000)
    assert (server.port, server.host, server.is_secure) == (3000, "127.0.0.1", False)
    assert (server.read_timeout, server.write_timeout) == (2000, 2000)
    assert (server.reuse_address, server.resuse_address) == (True, True)
    assert (server.cert_file, server.private_key_file, server.verify_certs) == (None, None, False)


def test_resuse_address_is_reuse_address():
    server = HttpServer(0)
    server.resuse_address = False
    assert server.reuse_address is False
    with server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


def test_a_misspelt_property_raises():
    with pytest.raises(AttributeError):
        HttpServer(0).read_timout = 5


def test_properties_can_be_given_by_name():
    server = HttpServer(0, read_timeout=5, trusted_proxies=["10.0.0.1"])
    assert (server.read_timeout, server.write_timeout) == (5, 2000)
    with pytest.raises(TypeError, match="no property 'read_timout'"):
        HttpServer(0, read_timout=5)


@pytest.mark.parametrize("port", ["80", 80.0, None, True])
def test_a_port_is_an_int(port):
    with pytest.raises(TypeError, match="port is an int"):
        HttpServer(port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_0_to_65535(port):
    with pytest.raises(ValueError, match="port is 0 to 65535"):
        HttpServer(port)


def test_a_host_is_a_str():
    with pytest.raises(TypeError, match="host is a str"):
        HttpServer(0, 127)


def test_a_port_in_use_is_an_error_of_start():
    with HttpServer(0) as server, nothing_left(), pytest.raises(OSError, match="in use"):
        HttpServer(server.port).start()


def test_a_host_without_address_is_an_error_of_start():
    with pytest.raises(OSError, match=r"not known|resolution|No address"):
        HttpServer(0, "no-such-host.invalid").start()


def test_listening_twice_is_an_error():
    with HttpServer(0) as server, pytest.raises(RuntimeError, match="listening at http"):
        server.start()


def test_ipv6_works():
    with HttpServer(0, "::1") as server:
        seen = []
        server.on_receive(lambda request, response: seen.append((request.ip, request.ipv6)))
        with Raw(server.port, "::1") as client:
            assert client.get().response().status == 200
        assert seen == [("::1", True)]
        assert server.url == f"http://[::1]:{server.port}"


def test_a_name_may_be_bound():
    with HttpServer(0, "localhost") as server, Raw(server.port, "localhost") as client:
        assert client.get().response().status == 404


def test_listen_serves_on_the_calling_thread_until_close():
    server = HttpServer(0)
    threads = []
    server.on_receive(lambda request, response: threads.append(threading.current_thread()))

    def ask():
        wait_until(lambda: server.socket is not None)
        with Raw(server.port) as client:
            client.get().response()
        server.close()
        assert server.socket is None  # close() waits

    asker = threading.Thread(target=ask)
    asker.start()
    server.listen()
    asker.join()
    assert threads == [threading.current_thread()]


def test_listen_tells_when_it_can_be_connected_to():
    server = HttpServer(0)
    told = []

    def ready():
        with socket.create_connection(("127.0.0.1", server.port)):
            told.append(threading.current_thread())
        server.close()

    server.listen(ready=ready)
    assert told == [threading.current_thread()]


def test_an_exception_of_ready_is_reported():
    server = HttpServer(0)
    errors = []

    @server.on_error
    def end(error, client):
        errors.append((type(error), client))
        server.close()

    server.listen(ready=lambda: {}["missing"])
    assert errors == [(KeyError, None)]


def test_ready_that_would_not_run_is_refused_before_anything_is_bound():
    async def ready():
        pass

    server = HttpServer(0)
    with pytest.raises(TypeError, match="listen takes a function that runs when it is called"):
        server.listen(ready=ready)
    assert server.socket is None


def test_close_waits_until_all_is_closed():
    server = HttpServer(0).start()
    client = Raw(server.port)
    client.get().response()
    server.close()
    assert client.at_end()
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_close_is_idempotent_and_harmless_before_start():
    server = HttpServer(0)
    server.close()
    server.start()
    server.close()
    server.close()


def test_close_from_many_threads_at_once():
    server = HttpServer(0).start()
    threads = [threading.Thread(target=server.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.socket is None


def test_a_server_can_listen_again_on_its_port():
    server = HttpServer(0)
    ports = []
    for _ in range(3):
        with server, Raw(server.port) as client:
            assert client.get().response().status == 404
            ports.append(server.port)
    assert len(set(ports)) == 1


def test_every_connection_is_disconnected_once_when_the_server_closes():
    server = HttpServer(0)
    events = []
    server.on_connect(lambda client: events.append("connect"))
    server.on_disconnect(lambda client: events.append("disconnect"))
    with server:
        clients = [Raw(server.port) for _ in range(5)]
        wait_until(lambda: len(events) == 5)
    assert events == ["connect"] * 5 + ["disconnect"] * 5
    for client in clients:
        client.close()


def test_stats_tell_how_many_connections_are_open(serve, connect):
    server = serve()
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.get().response()
    assert (server.stats.connections, server.stats.active, server.stats.requests) == (3, 3, 3)
    clients[0].close()
    wait_until(lambda: server.stats.active == 2)
    server.close()
    assert (server.stats.connections, server.stats.active) == (3, 0)


def test_create_start_stop_join_200_times_leaves_nothing():
    with nothing_left():
        for _ in range(200):
            HttpServer(0).start().close()


def test_create_start_stop_join_takes_under_2_ms():
    """In a process of its own, without the development mode and the coverage of this one."""
    script = Path(__file__).parent / "start_stop.py"
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    printed = subprocess.check_output([sys.executable, script], env=environment, timeout=60)
    processor, clock = map(float, printed.split())
    assert processor < 2
    assert clock < 1


def test_ctrl_c_ends_listen_with_everything_closed():
    script = """
import bladehttp, sys
server = bladehttp.server(0)
server.on_connect(lambda client: print("connected", flush=True))
server.on_disconnect(lambda client: print("disconnected", flush=True))
import threading
def tell():
    while server.socket is None: pass
    print(server.port, flush=True)
threading.Thread(target=tell).start()
try:
    server.listen()
except KeyboardInterrupt:
    print("interrupted", server.socket, flush=True)
"""
    command = [sys.executable, "-X", "dev", "-c", script]
    with (
        child(command, stdout=subprocess.PIPE, text=True) as process,
        Raw(int(process.stdout.readline())),
    ):
        assert process.stdout.readline() == "connected\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "disconnected\ninterrupted None\n"


def test_close_from_a_signal_handler_ends_listen():
    server = HttpServer(0)
    old = signal.signal(signal.SIGUSR1, lambda *_: server.close())
    fired = threading.Event()

    def kill():
        wait_until(lambda: server.socket is not None)
        os.kill(os.getpid(), signal.SIGUSR1)
        fired.set()
        # a wake-up for the case that select was restarted: the handler's own is what counts
        fired.wait()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        server.listen()
    finally:
        killer.join()
        signal.signal(signal.SIGUSR1, old)


def test_what_is_no_exception_ends_the_loop_cleanly():
    server = HttpServer(0)
    gone = []
    server.on_disconnect(gone.append)

    @server.on_receive
    def leave(request, response):
        raise SystemExit(3)

    def ask():
        wait_until(lambda: server.socket is not None)
        with Raw(server.port) as client:
            client.get().read_all()

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(SystemExit):
        server.listen()
    asker.join()
    assert len(gone) == 1
    assert server.socket is None


@pytest.mark.parametrize("kind", ["on_disconnect", "stream"])
def test_what_is_no_exception_leaves_nothing_open(kind):
    server = HttpServer(0)
    gone = []

    def leave(at):
        if kind == at:
            raise SystemExit(3)

    class Stream:
        def __iter__(self):
            return iter([b"x" * 65536] * 1000)

        def close(self):
            leave("stream")

    server.on_disconnect(lambda client: gone.append(client) or leave("on_disconnect"))
    server.on_receive(lambda request, response: response.stream(Stream()))

    def ask():
        wait_until(lambda: server.socket is not None)
        clients = [Raw(server.port).get() for _ in range(3)]
        for client in clients:
            client.more()
        clients[0].close()  # the others are closed by the server
        for client in clients[1:]:
            client.read_all()
            client.close()

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(SystemExit):
        server.listen()
    asker.join()
    assert len(gone) == 3


def test_our_own_requests_work_with_http_client(serve):
    server = serve(lambda request, response: response.json(request.body))
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for number in range(3):
        connection.request("POST", "/", f'{{"n": {number}}}', {"Content-Type": "application/json"})
        assert connection.getresponse().read() == b'{"n": %d}' % number
    connection.close()


def test_a_secure_server_without_certificate_does_not_listen():
    with pytest.raises(HttpException, match="needs load_certs"):
        HttpServer(0, is_secure=True).start()


def test_the_server_shows_where_it_is():
    assert repr(HttpServer(3000)) == "<HttpServer http://127.0.0.1:3000>"


def test_the_thread_is_a_daemon_with_a_name():
    with HttpServer(0) as server:
        thread = next(t for t in threading.enumerate() if t.name == f"bladehttp-{server.port}")
        assert thread.daemon


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("max_connections", None, TypeError),
        ("max_workers", 0, ValueError),
        ("max_body_size", "1000", TypeError),
        ("spool_size", None, TypeError),
        ("read_timeout", -1, ValueError),
        ("read_timeout", None, TypeError),
        ("read_timeout", 0.5, TypeError),
        ("unix_mode", "660", TypeError),
        ("backlog", "x", TypeError),
    ],
    ids=str,
)
def test_a_number_is_checked_where_it_is_set(name, value, error):
    with pytest.raises(error, match=name):
        setattr(HttpServer(0), name, value)
    with pytest.raises(error, match=name):
        HttpServer(0, **{name: value})
