"""Connection: one client, from its first byte to on_disconnect.

The only place where transport, reader, dispatcher and writer meet. The tables of `states` say which
step may follow; each method here does one step and names the event it causes.
"""

from collections.abc import Callable
from time import monotonic

from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.head import NO_FIELDS, FieldBlock
from bladehttp._wire.proxy import ProxyReader
from bladehttp._wire.reader import (
    IDLE_READER,
    Request,
    RequestReader,
    WholeRequest,
    parse_whole_request,
)
from bladehttp._wire.request_line import RequestLine, check_target
from bladehttp.exceptions import ProtocolError
from bladehttp.server._connection import opening
from bladehttp.server._connection.context import ServerContext
from bladehttp.server._connection.outbox import TURN_S
from bladehttp.server._connection.sender import Sender
from bladehttp.server._connection.state_machine import StateMachine
from bladehttp.server._connection.states import (
    BODY,
    HANDLE,
    IDLE,
    IDLE_PLAN,
    ON_REQUEST,
    PAUSED,
    PHASE_EVENTS,
    READING,
    Event,
    State,
)
from bladehttp.server._files.file_response import apply_conditions
from bladehttp.server._net.loop import READ, WRITE
from bladehttp.server._net.transport import RECEIVE, PlainHttpError, PlainTransport, Transport

new_request = HttpRequest.from_wire  # by a name of its own, as `new_response` is

REQUESTS_PER_TURN = 32
"""Most pipelined requests answered before other connections have their turn."""

HIGH_WATER = 256 * 1024
"""No further pipelined request is taken while more bytes than this are waiting to be sent."""

RECEIVES_PER_TURN = 16
"""Most receives from one connection before others have their turn."""

RATE_BEGINS = 20
"""Seconds of a body in which its rate is not checked: Apache's RequestReadTimeout body=20."""

LINGER_BYTES = 1024 * 1024 * 1024
"""Most bytes discarded after a response that was sent before the request had been read."""


class Connection(StateMachine):
    """One client's connection: reads requests and sends plain responses, others by its `Sender`."""

    __slots__ = (
        "_arriving_s",
        "_discarded",
        "_fields",
        "_proxy_reader",
        "_reader",
        "_sender_if_made",
        "_sent",
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
        self._sender_if_made: Sender | None = None
        self._sent = 0  # bytes sent before there was a sender
        self._arriving_s = 0.0  # since the current request's body began

    @property
    def _sender(self) -> Sender:
        """The sender; a connection whose responses were all sent at once has none yet."""
        sender = self._sender_if_made
        if sender is None:
            sender = self._sender_if_made = Sender(self, self._sent)
        return sender

    def open(self) -> None:
        """Start with the PROXY header, the handshake, or the first request."""
        self.context.add(self)
        opening.begin(self)
        # After the accept loop the first bytes of many connections are here already. A connection
        # that is answered and closed at once is never registered with the selector.
        self.context.loop.call_soon(lambda: self.on_ready(READ))

    def close_when_done(self) -> None:
        """Close as soon as no request is pending.

        A request may be on its way: an idle connection is closed by its clock, which is short while
        the server drains.
        """
        clock = self.context.clocks["keep_alive"]
        if self.state is IDLE and self not in clock.waiting:  # its keep-alive clock was off
            clock.arm(self, self.context.loop.now)
        elif self.state in PAUSED:
            self._sender.outbox.close_event_stream()

    def abort(self) -> None:
        """Close now, with 503 if a request is unanswered."""
        if self.state is State.WAIT:
            self.run_guarded(self._sender.expire_deferred)
        elif self.state in READING and self._reader.is_within_request:
            error = ProtocolError("server is stopping", status=503)
            self.run_guarded(self._refuse_and_flush, error)
        else:
            self.close()

    def on_ready(self, events: int) -> None:
        """Process the events the socket is ready for, then apply the new state."""
        try:
            is_settled = READY[self.state](self, events)
            if not is_settled:
                self.apply_state()
        except Exception as error:  # noqa: BLE001 - ends one connection, not the loop
            self.on_error(error)

    def on_deadline(self, clock: str) -> None:
        """Handle the expiry of a clock: 408 if part of a request was received, else just close.

        So the clocks "handshake" and "linger" close, and "keep_alive" a connection that is idle.
        """
        if clock == "unwatched":
            self.run_guarded(self.close_if_left)
            return
        if clock == "write":
            self.run_guarded(self._sender.check_delivery)
            return
        if clock in {"keep_alive", "silence"} and self.is_undelivered():
            self.run_guarded(self.postpone_close)
            return
        if clock in {"keep_alive", "read"} and self.has_arrived():
            self.context.clocks[clock].arm(self, self.context.loop.now)
            return  # it is readable: the loop will serve it
        if clock == "body_rate" and not self._is_body_slow():
            return
        waits_for_client = clock in {"read", "header", "request", "body_rate"}
        if waits_for_client and self._reader.is_within_request:
            error = ProtocolError("request did not arrive in time", status=408)
            self.run_guarded(self._refuse_and_flush, error)
        else:
            self.close()

    def _is_body_slow(self) -> bool:
        """Check the rate of the arriving body; restart the clock if it is fast enough."""
        clock = self.context.clocks["body_rate"]
        self._arriving_s += clock.seconds
        paid_for = RATE_BEGINS + self._reader.received / self.context.min_body_rate
        if self._arriving_s >= paid_for:
            return True
        clock.arm(self, self.context.loop.now)
        return False

    def _release_state(self) -> None:
        self._reader.close()
        if self.request is not None:
            self.request.disconnected = True
        if self.transport.blocked:
            self.reset_on_close()  # a partial response must not look complete
        sender, self._sender_if_made = self._sender_if_made, None
        if sender is not None:
            sender.lose()
        self.close_request()

    def _awaits_delivery(self) -> bool:
        sender = self._sender_if_made
        # A record that was kept has to be finished, also if the last acknowledgement has arrived
        # since: without the write clock it would be finished when the connection is closed.
        return (sender is not None and sender.record is not None) or self.is_undelivered()

    def _read_proxy_header(self, events: int) -> None:
        del events
        self._proxy_reader = self._proxy_reader or ProxyReader()
        opening.read_proxy_header(self, self._proxy_reader)

    def _handshake(self, events: int = READ) -> None:
        del events
        try:
            if opening.handshake(self):
                self._receive(READ)
        except PlainHttpError:
            self.transport = PlainTransport(self.transport.socket)
            self._refuse_and_flush(ProtocolError("plain HTTP on a TLS port"))

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
            whole = parse_whole_request(data, self.context.parser, self._fields)
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
        self._sender.flush()
        return False

    def _send_at_once(self, whole: bytes) -> bool:
        """Send a whole response, before which nothing waits. The last step of most requests.

        Returns:
            Whether the connection is as idle as before: there is no state to apply.
        """
        transport, sender = self.transport, self._sender_if_made
        sent = transport.send(whole)
        if sent < len(whole) or transport.blocked:
            self._sender.block(memoryview(whole), sent)
            return False
        if sender is None:
            self._sent += sent
        else:
            sender.outbox.sent += sent
        self.state = IDLE  # of HANDLE by REPLIED
        if self.plan is not IDLE_PLAN or self._interest != READ or transport.ended:
            return False
        transport.progressed = False
        context = self.context
        context.clocks["keep_alive"].arm(self, context.loop.now)
        return True

    def _send(self, events: int) -> None:
        del events
        self._sender.send()

    def _receive_part(self, data: bytes) -> None:
        """Continue with part of a request, and with a body of which more may be waiting.

        Up to a turn's worth.
        """
        self._feed_reader(data)
        self._advance()
        if self.state is not BODY or len(data) < RECEIVE:
            return
        until = self.context.loop.now + TURN_S
        for _ in range(RECEIVES_PER_TURN):
            if monotonic() > until:
                return
            data = self.transport.receive()
            if data:
                self._feed_reader(data)
                self._advance()
            if self.state is not BODY or len(data) < RECEIVE:
                return

    def _feed_reader(self, data: bytes) -> None:
        """Feed received bytes to the reader; start one if none is active."""
        if self._reader is IDLE_READER:
            self._reader = RequestReader(self.context.parser, self._fields)
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
        if self.transport.ended and self.request is not None:
            self.request.disconnected = True
        if self.transport.ended and self._sender.ends_with_client():
            self.close()

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
        left, reader, sender = REQUESTS_PER_TURN, self._reader, self._sender
        while left and sender.outbox.pending <= HIGH_WATER:
            left -= 1
            message = self._take_request()
            if message is None:
                break
            whole = self._handle(message.line, message.fields, message.keep_alive, message)
            if whole is not None:
                sender.queue(whole)
            if not reader.buffer:
                self._fields, self._reader = reader.last, IDLE_READER
                break
            if self.state is not IDLE:
                break
        sender.flush()
        if self.state is IDLE and reader.buffer:
            self.transition(Event.BLOCKED)  # more requests wait until the next turn

    def go_on(self) -> None:
        """Everything was sent: continue with the requests received meanwhile."""
        self._advance()
        if self.transport.ended:
            self._on_eof()

    def _take_request(self) -> Request | None:
        """Return the next complete request; None: it is incomplete, or is refused."""
        message = None
        try:
            message = self._reader.take_request()
        except ProtocolError as error:
            self._refuse(error)
        except OSError as error:  # a temporary file cannot be created or written
            self._sender.fail(error, self._refused_request())
        else:
            if message is None:
                self._await_bytes()
        return message

    def _await_bytes(self) -> None:
        """Wait for missing bytes of a request; send 100 (Continue) if the client expects it."""
        self.transition(PHASE_EVENTS[self._reader.phase])
        if self._reader.needs_continue:
            self._reader.needs_continue = False
            message = self._reader.partial
            self._sender.answer_expectation(self.request_of(message), message.line.minor)

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
        context = self.context
        context.stats.requests += 1
        self._served += 1
        self.state = ON_REQUEST[self.state]
        request = new_request(line, fields, self.client, context.is_secure)
        if context.proxies is not None:
            context.proxies.apply(request)
        if fields.body_length and content is not None:
            self._receive_content(request, content)
        if not line.is_plain and (error := check_target(line, request.scheme)) is not None:
            self.request = request
            self._sender.refuse(error, request)
            return None
        if not keep_alive:
            self.lingers = bool(self._reader.buffer)
        response = context.dispatcher.respond(request, self.transport.socket, context.workers)
        loop = context.loop
        self.begun = begun = loop.now
        loop.now = now = monotonic()
        if now - begun > context.slow:
            context.dispatcher.warn_slow_handler(request, now - begun)
        keep = keep_alive and self._served != context.max_requests
        if response.deferred is None:
            return self.reply(request, response, line, keep)
        self._sender.defer(request, response, line, keep)
        return None

    def reply(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> bytes | None:
        """Return the response to a request as bytes, or None: it is for the sender.

        Bytes if its body is in memory and short, nothing of it is to be decided, the connection is
        kept, and no response before it is still on its way.
        """
        context = self.context
        dispatcher, loop = context.dispatcher, context.loop
        if response.source is not None:
            response = dispatcher.changed(
                apply_conditions, request, response, self.transport.socket
            )
        if dispatcher.has_response_callbacks and dispatcher.callbacks["after"]:
            response = dispatcher.run_after_request(request, response, self.transport.socket)
            loop.now = monotonic()
        keep = keep and not context.draining
        self.line = line
        whole, sender = None, self._sender_if_made
        if keep and line.is_plain and (sender is None or sender.record is None):
            whole = context.writer.write(response, loop.now)
        if whole is None:
            self.request = request
            self._sender.reply(request, response, line.method, line.minor, keep)
            return None
        if self.request is not None:
            self.close_request()
        if dispatcher.has_response_callbacks:
            now, size = loop.now, context.writer.length
            parts = self.client, request, response, size, (now - self.begun) * 1000.0
            self.begun = 0.0
            loop.now = dispatcher.notices.call_on_answered(parts, self.transport.socket, now)
            if dispatcher.callbacks["reply"]:
                self.call_on_reply(request, response)
        return whole if self.state is HANDLE else None  # a callback may have closed it

    def _receive_content(self, request: HttpRequest, content: Request) -> None:
        limits = self.context.parser.limits_for(content.line, content.fields)
        request.receive_content(content, limits, self.context.decode_request_body)
        self.request = request  # its temporary files are closed later

    def _refuse(self, error: ProtocolError) -> None:
        """Answer a client's error, as the last response on the connection."""
        self._sender.refuse(error, self._refused_request())

    def _refuse_and_flush(self, error: ProtocolError) -> None:
        self._refuse(error)
        self._sender.flush()

    def _refused_request(self) -> HttpRequest:
        """Return the understood part of a refused request. With a whole head it is told of."""
        request = self.request_of(self._reader.partial)
        if self._reader.has_head:
            self.request = request
        return request


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
