"""Connection: one client, from its first byte to on_disconnect.

The only place where transport, reader, dispatcher and writer meet. The tables of `states` say which
step may follow; each method here does one step and names the event it causes.
"""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from bladehttp._message.deferred import OfCoroutine
from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._wire.head import NO_FIELDS, FieldBlock, RequestLine, check_target
from bladehttp._wire.proxy import ProxyReader
from bladehttp._wire.reader import (
    IDLE_READER,
    Phase,
    Request,
    RequestReader,
    WholeRequest,
    parse_whole_request,
)
from bladehttp._wire.writer import CONTINUE
from bladehttp.exceptions import ProtocolError
from bladehttp.server._connection.context import ServerContext
from bladehttp.server._connection.sender import Sender
from bladehttp.server._connection.states import (
    BODY,
    HANDLE,
    IDLE,
    PAUSED,
    PHASE_EVENTS,
    READING,
    Event,
    State,
)
from bladehttp.server._net.loop import READ, WRITE
from bladehttp.server._net.transport import (
    RECEIVE,
    PlainHttpError,
    PlainTransport,
    Transport,
    receive_proxy_header,
)

REQUESTS_PER_TURN = 32
"""Most pipelined requests answered before other connections have their turn."""

HIGH_WATER = 256 * 1024
"""No further pipelined request is taken while more bytes than this are waiting to be sent."""

RECEIVES_PER_TURN = 16
"""Most receives from one connection before others have their turn."""

TURN_S = 0.01
"""Seconds after which a turn ends early: a body in small chunks costs much time per byte."""

RATE_BEGINS = 20
"""Seconds of a body in which its rate is not checked: Apache's RequestReadTimeout body=20."""

LINGER_BYTES = 1024 * 1024 * 1024
"""Most bytes discarded after a response that was sent before the request had been read."""


class Connection(Sender):
    """One client's connection."""

    __slots__ = (
        "_arriving_s",
        "_discarded",
        "_fields",
        "_proxy_reader",
        "_reader",
        "_served",
    )

    def __init__(self, context: ServerContext, transport: Transport, client: ClientInfo) -> None:
        """Take over an accepted socket; `open` starts it."""
        super().__init__(context, transport, client)
        self._proxy_reader: ProxyReader | None = None
        self._reader = IDLE_READER  # a reader of its own while a request is incomplete
        self._fields = NO_FIELDS  # of the last complete request
        self._served = 0
        self._discarded = 0
        self._arriving_s = 0.0  # seconds since the current request's body began

    def open(self) -> None:
        """Start with the PROXY header, the handshake, or the first request."""
        self._context.add(self)
        if not self._context.proxy_protocol:
            self._proxy_header_done()
        # After the accept loop the first bytes of many connections are here already. A connection
        # that is answered and closed at once is never registered with the selector.
        self._context.loop.call_soon(lambda: self.on_ready(READ))

    def close_when_done(self) -> None:
        """Close as soon as no request is pending.

        A request may be on its way: an idle connection is closed by its clock, which is short while
        the server drains.
        """
        clock = self._context.clocks["keep_alive"]
        if self.state is IDLE and self not in clock.waiting:  # its keep-alive clock was off
            clock.arm(self, self._context.loop.now)
        elif self.state in PAUSED:
            self._outbox.close_event_stream()

    def abort(self) -> None:
        """Close now, with 503 if a request is unanswered."""
        if self.state is State.WAIT:
            self._run_guarded(self._expire_deferred)
        elif self.state in READING and self._reader.phase in {Phase.HEAD, Phase.BODY}:
            error = ProtocolError("server is stopping", status=503)
            self._run_guarded(self._refuse_and_flush, error)
        else:
            self.close()

    def on_ready(self, events: int) -> None:
        """Process the events the socket is ready for, then apply the new state."""
        try:
            is_settled = READY[self.state](self, events)
            if not is_settled:
                self._apply_state()
        except Exception as error:  # noqa: BLE001 - ends one connection, not the loop
            self._on_error(error)

    def on_deadline(self, clock: str) -> None:
        """Handle the expiry of a clock: 408 if part of a request was received, else just close.

        So the clocks "handshake" and "linger" close, and "keep_alive" a connection that is idle.
        """
        if clock == "write":
            self._run_guarded(self._check_delivery)
            return
        if clock in {"keep_alive", "silence"} and self._is_undelivered():
            self._run_guarded(self._postpone_close)
            return
        if clock in {"keep_alive", "read"} and self._has_arrived():
            self._context.clocks[clock].arm(self, self._context.loop.now)
            return  # it is readable: the loop will serve it
        if clock == "body_rate" and not self._is_body_slow():
            return
        waits_for_client = clock in {"read", "header", "request", "body_rate"}
        if waits_for_client and self._reader.phase in {Phase.HEAD, Phase.BODY}:
            error = ProtocolError("request did not arrive in time", status=408)
            self._run_guarded(self._refuse_and_flush, error)
        else:
            self.close()

    def _is_body_slow(self) -> bool:
        """Check the rate of the arriving body; restart the clock if it is fast enough."""
        clock = self._context.clocks["body_rate"]
        self._arriving_s += clock.seconds
        paid_for = RATE_BEGINS + self._reader.received / self._context.min_body_rate
        if self._arriving_s >= paid_for:
            return True
        clock.arm(self, self._context.loop.now)
        return False

    def is_recyclable(self) -> bool:
        """Whether the connection may be closed for another: idle, delivered, no bytes waiting.

        A lingering connection may be, too, after its client had time to read the response.
        """
        if self.state is State.LINGER:
            return self._has_lingered() and not self._is_undelivered()
        return self.state is IDLE and not (self._has_arrived() or self._is_undelivered())

    def _postpone_close(self) -> None:
        """Stay open for a client that has not received all of the last response."""
        if self.state is IDLE:
            self._transition(Event.UNDELIVERED)
        else:
            self._context.clocks["silence"].arm(self, self._context.loop.now)

    def _release_state(self) -> None:
        self._reader.close()
        super()._release_state()

    def _read_proxy_header(self, events: int) -> None:
        """Read a PROXY header, and no byte beyond it."""
        del events
        reader = self._proxy_reader = self._proxy_reader or ProxyReader()
        try:
            is_complete = receive_proxy_header(self.transport.socket, reader)
        except ProtocolError as error:
            self._context.stats.refused += 1
            raise ConnectionResetError(str(error)) from error
        if not is_complete:
            return
        if reader.source is not None:
            ip, port = reader.source.ip, reader.source.port
            self.client = ClientInfo(ip, port, ipv6=":" in ip)
        self._proxy_header_done()

    def _proxy_header_done(self) -> None:
        self._transition(Event.INTRODUCED)
        if not self._context.is_secure:
            self._handshake_done()

    def _handshake(self, events: int = READ) -> None:
        del events
        try:
            if self.transport.handshake():
                self._identify()
                self._handshake_done()
                self._receive(READ)  # the first request may follow the handshake at once
        except PlainHttpError:
            self.transport = PlainTransport(self.transport.socket)
            self._refuse_and_flush(ProtocolError("plain HTTP on a TLS port"))

    def _identify(self) -> None:
        certificate = self.transport.certificate()
        if certificate:
            self.client = replace(self.client, certificate=certificate)

    def _handshake_done(self) -> None:
        self._transition(Event.SECURED)
        self._connected = True
        self._call("connect", self.transport.socket)

    def _receive(self, events: int) -> bool:
        """Receive bytes, and answer the requests that are complete.

        Returns:
            Whether the connection is as idle as before: there is no state to apply.
        """
        transport = self.transport
        if events & WRITE:
            transport.flush()
        data, whole = transport.receive(), None
        if self._reader is IDLE_READER:
            whole = parse_whole_request(data, self._context.parser, self._fields)
        if whole is not None:  # the usual case: exactly one request
            if self._serve(whole):
                return True
        elif data:
            self._receive_part(data)
        elif self.state is IDLE:  # part of a TLS record is no progress
            transport.progressed = False
        if transport.ended:
            self._on_eof()
        return False

    def _serve(self, whole: WholeRequest) -> bool:
        """Answer a request that has come whole, with nothing before or behind it.

        Returns:
            Whether the connection is as idle as before: there is no state to apply.
        """
        line, fields, keep_alive, body = whole
        if fields.lines:
            self._fields = fields
        content = Request(line, fields, keep_alive, body) if body else None
        response = self._handle(line, fields, keep_alive, content)
        if response is not None:
            return self._send_at_once(response)
        self._flush()
        return False

    def _receive_part(self, data: bytes) -> None:
        """Continue with part of a request, and with a body of which more may be waiting.

        Up to a turn's worth.
        """
        self._feed_and_advance(data)
        if self.state is not BODY or len(data) < RECEIVE:
            return
        until = self._context.loop.now + TURN_S
        for _ in range(RECEIVES_PER_TURN):
            if monotonic() > until:
                return
            data = self.transport.receive()
            if data:
                self._feed_and_advance(data)
            if self.state is not BODY or len(data) < RECEIVE:
                return

    def _feed_and_advance(self, data: bytes) -> None:
        """Feed received bytes to the reader and answer the requests they complete."""
        self._feed_reader(data)
        self._advance()

    def _feed_reader(self, data: bytes) -> None:
        """Feed received bytes to the reader; start one if none is active."""
        if self._reader is IDLE_READER:
            self._reader = RequestReader(self._context.parser, self._fields)
            self._arriving_s = 0.0
        self._reader.feed(data)

    def _detect_disconnect(self, events: int) -> None:
        """Read while a response is deferred or a stream pauses, to see whether the client leaves.

        A client that has sent its last byte may still read a response (RFC 9112 section 9.6). A
        client of server-sent events does not send its last byte before it leaves, and for a
        coroutine it counts as gone, as for Go's handlers: its work can be cancelled.
        """
        if events & WRITE:
            self.transport.flush()
        data = self.transport.receive()
        if data:
            self._feed_reader(data)
        if self.transport.ended and self._request is not None:
            self._request.disconnected = True
        if self.transport.ended and self._ends_with_client():
            self.close()

    def _ends_with_client(self) -> bool:
        """Whether nobody reads the response of a client that has sent its last byte."""
        if self.state in PAUSED:
            return self._outbox.is_endless
        return isinstance(self._deferred, OfCoroutine) and self._deferred.ends_with_client

    def _has_early_bytes(self) -> bool:
        return bool(self._reader.buffer)

    def _discard(self, events: int) -> None:
        if events & WRITE:
            self.transport.flush()
        self._discarded += self.transport.discard()
        if self.transport.ended or self._discarded > LINGER_BYTES:
            self.close()

    def _advance(self) -> None:
        """Answer every complete request, up to a turn's worth, and send the responses."""
        left, reader, outbox = REQUESTS_PER_TURN, self._reader, self._outbox
        while left and outbox.pending <= HIGH_WATER:
            left -= 1
            message = self._take_request()
            if message is None:
                break
            whole = self._handle(message.line, message.fields, message.keep_alive, message)
            if whole is not None:
                self._queue(whole)
            if not reader.buffer:
                self._fields, self._reader = reader.last, IDLE_READER
                break
            if self.state is not IDLE:
                break
        self._flush()
        if self.state is IDLE and reader.buffer:
            self._transition(Event.BLOCKED)  # more requests wait until the next turn

    def _take_request(self) -> Request | None:
        """Return the next complete request; None: it is incomplete, or is refused."""
        message = None
        try:
            message = self._reader.take_request()
        except ProtocolError as error:
            self._refuse(error)
        except OSError as error:  # a temporary file cannot be created or written
            self._fail(error)
        else:
            if message is None:
                self._await_bytes()
        return message

    def _await_bytes(self) -> None:
        """Wait for missing bytes of a request; send 100 (Continue) if the client expects it."""
        self._transition(PHASE_EVENTS[self._reader.phase])
        if self._reader.needs_continue:
            self._reader.needs_continue = False
            self._send_continue()

    def _send_continue(self) -> None:
        """Send 100 (Continue), or the final response if the body will not be read.

        RFC 9110 section 10.1.1: a final status is sent if the server will not read the body.
        """
        message = self._reader.arriving
        assert message is not None
        request = self._partial_request(message)
        dispatcher, client = self._context.dispatcher, self.transport.socket
        response = dispatcher.answer_early(request)
        if response is None:
            self._outbox.add(CONTINUE)
            return
        self._begun = self._context.loop.now
        self._request = request
        self._lingers = True
        response = dispatcher.run_after_request(request, response, client)
        self._reply_in_parts(request, response, request.method, message.line.minor, keep=False)

    def _on_eof(self) -> None:
        """The client has sent its last byte: finish the current response, else close."""
        if self.state not in READING:
            return
        try:
            self._reader.feed_eof()
        except ProtocolError as error:
            self._refuse_and_flush(error)
        else:
            self.close()

    def _handle(
        self, line: RequestLine, fields: FieldBlock, keep_alive: bool, content: Request | None
    ) -> bytes | None:
        """Answer a complete request.

        Args:
            line: Its line.
            fields: Its fields.
            keep_alive: Whether the client lets the connection be used again.
            content: The same with its body; may be None for one without.

        Returns:
            The whole response, to be sent, or None: it is in the outbox, or will be.
        """
        context = self._context
        context.stats.requests += 1
        self._served += 1
        self.state = HANDLE
        request = HttpRequest.from_wire(line, fields, self.client, context.is_secure)
        if context.proxies is not None:
            context.proxies.apply(request)
        if fields.body_length and content is not None:
            self._receive_content(request, content)
        if not line.is_plain and (error := check_target(line, request.scheme)) is not None:
            self._refuse(error, request)
            return None
        if not keep_alive:
            self._lingers = bool(self._reader.buffer)
        response = context.dispatcher.respond(request, self.transport.socket, context.workers)
        loop, now = context.loop, monotonic()
        took = now - loop.now
        self._begun, loop.now = loop.now, now
        if took > context.slow:
            context.dispatcher.warn_slow_handler(request, took)
        keep = keep_alive and self._served != context.max_requests
        if response.deferred is None:
            return self._reply(request, response, line, keep)
        self._await_deferred(request, response, line, keep)
        return None

    def _receive_content(self, request: HttpRequest, content: Request) -> None:
        context = self._context
        limits = context.parser.limits_for(content.line, content.fields)
        request.receive_content(content, limits, context.decode_request_body)
        self._request = request  # its temporary files are closed later

    def _refuse(self, error: ProtocolError, request: HttpRequest | None = None) -> None:
        """Answer a client's error, as the last response on the connection.

        Args:
            error: The error.
            request: The request; None: the part of it that was received.
        """
        self._context.stats.refused += 1
        request = request or self._partial_request(self._reader.partial)
        self._lingers = True
        response = self._context.dispatcher.refuse(error, request, self.transport.socket)
        self._reply_in_parts(request, response, request.method, 1, keep=False)

    def _fail(self, error: Exception) -> None:
        """Report an error of the server and answer 500, as the last response."""
        self._lingers = True
        dispatcher, client = self._context.dispatcher, self.transport.socket
        request = self._partial_request(self._reader.partial)
        response = dispatcher.run_after_request(
            request, dispatcher.failures.server_error(error, client, request), client
        )
        self._reply_in_parts(request, response, request.method, 1, keep=False)

    def _partial_request(self, message: Request) -> HttpRequest:
        """Return the understood part of a request that no handler will answer."""
        context = self._context
        request = HttpRequest.from_wire(
            message.line, message.fields, self.client, context.is_secure
        )
        if context.proxies is not None:
            context.proxies.apply(request)
        return request

    def _refuse_and_flush(self, error: ProtocolError) -> None:
        self._refuse(error)
        self._flush()


def _ignore(connection: Connection, events: int) -> None:
    """Do nothing: a callback of another connection in the same batch closed this one."""
    del connection, events


READY: dict[State, Callable[[Connection, int], bool | None]] = {
    State.PROXY: Connection._read_proxy_header,
    State.HANDSHAKE: Connection._handshake,
    State.HEAD: Connection._receive,
    State.BODY: Connection._receive,
    State.IDLE: Connection._receive,
    State.WAIT: Connection._detect_disconnect,
    State.PAUSE: Connection._detect_disconnect,
    State.LAST_PAUSE: Connection._detect_disconnect,
    State.WRITE: Connection._send,
    State.FINISH: Connection._send,
    State.DELIVER: Connection._receive,
    State.LINGER: Connection._discard,
    State.CLOSED: _ignore,
}
"""State to the method for a ready socket; one that returns True has settled everything."""
