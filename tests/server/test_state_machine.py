"""A connection under random treatment: its tables hold in every state it gets into."""

import socket
import ssl

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bladehttp.server import HttpServer
from bladehttp.server._connection.states import PLANS, READING, State

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /raise HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HT",
    b"TP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"\r\n",
    b"BAD\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100,
]


def handler(request, response):
    if request.path == "/raise":
        raise RuntimeError("asked for")
    if request.path == "/stream":
        response.stream(b"x" * 50_000 for _ in range(40))
    else:
        response.write(b"x" * (3_000_000 if request.path == "/large" else 10))


class Treatment(RuleBasedStateMachine):
    """One connection of a server whose loop is stepped here, its clocks run out at will.

    No rule has a precondition: when the kernel hands bytes over is not the machine's to know,
    and what it draws must not depend on it.
    """

    secure = False
    certificates = None

    @initialize(proxied=st.sampled_from([False, False, False, True]), ready=st.booleans())
    def connect(self, proxied, ready):
        self.server = HttpServer(0, is_secure=self.secure)
        self.server.proxy_protocol = proxied
        if self.secure:
            self.server.load_certs(self.certificates.cert_file, self.certificates.key_file)
        self.server.on_receive(handler)
        self.calls = []
        self.server.on_connect(lambda client: self.calls.append("connect"))
        self.server.on_disconnect(lambda client: self.calls.append("disconnect"))
        self.errors = []
        self.server.on_error(lambda error, client: self.errors.append(str(error)))
        self.running = self.server._begin(owner=None)
        self.client = socket.create_connection((self.server.host, self.server.port))
        self.client.setblocking(False)
        self.connection = None
        while self.connection is None:
            self.running.loop.step(0)
            self.connection = next(iter(self.running.context.connections), None)
        self.seen = {self.connection.state}
        self.tls = None
        while ready and self.state in {State.PROXY, State.HANDSHAKE}:
            self.introduce(b"PROXY UNKNOWN\r\n") if self.state is State.PROXY else self.shake(3)

    @property
    def state(self):
        return self.connection.state

    def step(self):
        for _ in range(3):
            self.running.loop.step(0)
            self.seen.add(self.state)

    def send(self, data):
        try:
            self.client.send(data)
        except OSError:
            pass
        self.step()

    @rule(header=st.sampled_from([b"PROXY UNKNOWN\r\n", b"PROXY UNK", b"NOWN\r\n", b"GET / HT"]))
    def introduce(self, header):
        if self.state is State.PROXY:
            self.send(header)

    @rule(part=st.integers(1, 3))
    def shake(self, part):
        """Do part of the handshake: the client's flights are cut in pieces."""
        if not self.secure or self.state is not State.HANDSHAKE:
            return
        if self.tls is None:
            self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
            context = self.certificates.client_context()
            self.tls = context.wrap_bio(self.into, self.out, server_hostname="localhost")
            self.flight = b""
        try:
            self.into.write(self.client.recv(65536))
        except OSError:
            pass
        try:
            self.tls.do_handshake()
        except ssl.SSLError:
            pass
        self.flight += self.out.read()
        size = len(self.flight) * part // 3
        piece, self.flight = self.flight[:size], self.flight[size:]
        self.send(piece)

    @rule(number=st.integers(0, len(REQUESTS) - 1))
    def ask(self, number):
        data = REQUESTS[number]
        if self.tls is not None and not self.flight and self.state is not State.HANDSHAKE:
            try:
                self.tls.write(data)
                data = self.out.read()
            except ssl.SSLError:
                return
        self.send(data)

    @rule(size=st.sampled_from([1, 1000, 100_000, 10_000_000]))
    def take(self, size):
        while size > 0:
            try:
                data = self.client.recv(min(size, 65536))
            except OSError:
                break
            if not data:
                break
            size -= len(data)
            self.step()

    @rule()
    def wait(self):
        self.step()

    @rule(which=st.integers(0, 2))
    def run_out_of_time(self, which):
        plan = PLANS[self.state]
        names = [name for name in (plan.progress, *plan.absolute) if name and name != "silence"]
        names += ["write"] if plan.tracks_delivery else []
        if names:
            before = self.state
            self.expire(names[which % len(names)])
            self.seen.add(self.state)
            assert self.state in {State.CLOSED, State.FINISH, State.LINGER}, before

    def expire(self, name):
        if name == "write":  # it only looks: what the client does is its own
            if self.state is not State.CLOSED:
                self.connection._sender._abort_stalled(1)
        elif self.connection in (clock := self.running.context.clocks[name]).waiting:
            clock.disarm(self.connection)
            self.connection.close() if name == "keep_alive" else self.connection.on_deadline(name)

    @rule(really=st.sampled_from([False, False, False, True]))
    def shut(self, really):
        if not really:
            return
        try:
            self.client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.step()

    @invariant()
    def the_tables_hold(self):
        if not hasattr(self, "connection"):
            return
        connection, clocks = self.connection, self.running.context.clocks
        plan = PLANS[self.state]
        armed = {name for name, clock in clocks.items() if connection in clock.waiting}
        assert armed - {"write"} == {name for name in (plan.progress, *plan.absolute) if name}
        assert plan.tracks_delivery or "write" not in armed
        open_ = self.state is not State.CLOSED
        assert (connection in self.running.context.connections) is open_
        assert (connection.transport.socket.fileno() >= 0) is open_
        if open_ and not (connection.transport.blocked or connection.transport.ended):
            assert connection._interest == plan.interest
        assert self.state is not State.HANDLE  # callbacks are over when a step is
        if self.state in READING:
            outbox = connection._sender.outbox
            assert (outbox.pending, outbox.streaming) == (0, False)

    @invariant()
    def nothing_is_the_servers_fault(self):
        assert set(getattr(self, "errors", ())) <= {"asked for"}

    def teardown(self):
        if not hasattr(self, "connection"):
            return
        for _ in range(5):  # every waiting state times out: none needs more than these steps
            if self.state is not State.CLOSED:
                plan = PLANS[self.state]
                for name in (plan.progress, *plan.absolute, *["write"] * plan.tracks_delivery):
                    if name and name != "silence":
                        self.expire(name)
        assert self.state is State.CLOSED
        assert self.calls in ([], ["connect", "disconnect"])
        self.client.close()
        self.running.close()
        self.server._runtime = None


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_tables_hold_whatever_a_client_does(certificates, secure):
    machine = type("Machine", (Treatment,), {"secure": secure, "certificates": certificates})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=150, stateful_step_count=30, deadline=None)
    )
