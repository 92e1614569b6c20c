"""What a connection does in corners that a normal client does not lead it into."""

import socket
import ssl

import pytest
from support import Raw, wait_until

from bladehttp.server import HttpServer
from bladehttp.server._connection.connection import Connection
from bladehttp.server._connection.states import State


@pytest.fixture
def stepped():
    """A server whose loop is stepped by the test, so that it decides what comes together."""
    server = HttpServer(0)
    running = server._begin(owner=None)
    yield server, running
    running.close()
    server._runtime = None


def accepted(running, count):
    while len(running.context.connections) < count:
        running.loop.step(1)
    return list(running.context.connections)


def test_a_connection_closed_by_another_of_the_same_batch_is_left_alone(stepped):
    server, running = stepped
    served = []

    def handler(request, response):
        served.append(request.port)
        for connection in list(running.context.connections):
            if connection.client.port != request.port:
                connection.close()
                connection.close()  # again does no harm

    server.on_receive(handler)
    with Raw(server.port) as one, Raw(server.port) as two:
        accepted(running, 2)
        one.get()
        two.get()
        running.loop.step(1)
        running.loop.step(0)
        assert len(served) == 1
        assert len(running.context.connections) == 1


def test_a_fault_of_our_own_ends_one_connection_and_is_reported(serve, connect, monkeypatch):
    server = serve(lambda request, response: response.write("fine"))
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    other = connect(server)
    other.get().response()
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "_handle", lambda *_: 1 / 0)
        assert connect(server).get().read_all() == b""
    assert errors == ["division by zero"]
    assert other.get().response().body == b"fine"


def test_a_stream_whose_close_raises_is_reported(serve, connect):
    class Source:
        def __iter__(self):
            return iter([b"x"] * 1_000_000)

        def close(self):
            raise RuntimeError("cannot close")

    server = serve(lambda request, response: response.stream(Source()))
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    client = connect(server).get()
    client.more()
    client.close()
    wait_until(lambda: errors)
    assert errors == ["cannot close"]


def test_a_handler_may_replace_what_the_request_has(serve, connect):
    def handler(request, response):
        request.files = request.body_file = request.body = None
        response.write("fine")

    client = connect(serve(handler))
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1200000\r\n\r\n").send(
        b"x" * 1_200_000
    )
    assert client.response().body == b"fine"


def test_a_handler_may_close_the_clients_socket(serve, connect):
    sockets = []
    server = serve(lambda request, response: sockets[0].close())
    server.on_connect(sockets.append)
    gone = []
    server.on_disconnect(gone.append)
    assert connect(server).get().at_end()
    wait_until(lambda: len(gone) == 1)
    sockets.clear()
    assert connect(server).get().at_end()


class TlsClient:
    """The client's side of TLS over memory, so that records can be kept back."""

    def __init__(self, server, certificates):
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = certificates.client_context()
        self.tls = context.wrap_bio(self.into, self.out, server_hostname="localhost")
        self.raw = socket.create_connection((server.host, server.port), timeout=10)
        self.until_done(self.tls.do_handshake)

    def until_done(self, call):
        while True:
            try:
                result = call()
                self.raw.sendall(self.out.read())
                return result
            except ssl.SSLWantReadError:
                self.raw.sendall(self.out.read())
                data = self.raw.recv(65536)
                if not data:
                    return b""
                self.into.write(data)


def test_a_tls_client_that_says_goodbye_with_its_request_gets_the_whole_answer(serve, certificates):
    server = serve(lambda request, response: response.write(b"x" * 20_000_000), secure=True)
    gone = []
    server.on_disconnect(gone.append)
    client = TlsClient(server, certificates)
    client.tls.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.raw.sendall(client.out.read())
    size = 0
    while data := client.raw.recv(65536):
        size += len(data)
    assert size > 20_000_000
    wait_until(lambda: gone)
    client.raw.close()


def test_tls_records_that_the_socket_does_not_take_wait(serve, certificates):
    """Alerts and close_notify behind a large answer: nothing is lost and nothing spins."""
    server = serve(lambda request, response: response.write(b"x" * 5_000_000), secure=True)
    client = TlsClient(server, certificates)
    client.tls.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" * 2)
    client.raw.sendall(client.out.read())
    body = b""
    while data := client.until_done(lambda: client.tls.read(65536)):
        body += data
    assert len(body) > 5_000_000
    client.raw.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_client_gone_while_its_answer_is_made_is_no_error(serve, connect, secure):
    clients = []

    def handler(request, response):
        clients[0].socket.close()
        response.write(b"x" * 1_000_000)

    server = serve(handler, secure=secure)
    errors = []
    server.on_error(lambda error, client: errors.append(error))
    gone = []
    server.on_disconnect(gone.append)
    clients.append(connect(server))
    clients[0].get()
    wait_until(lambda: gone)
    assert errors == []


def test_states_are_visible_for_debugging(stepped):
    server, running = stepped
    with Raw(server.port) as client:
        (connection,) = accepted(running, 1)
        assert connection.state is State.HEAD
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        running.loop.step(1)
        assert connection.state is State.BODY


def test_small_answers_are_not_held_back(serve, connect):
    delays = []
    server = serve()
    server.on_connect(
        lambda sock: delays.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    )
    connect(server).get().response()
    assert delays == [1]
