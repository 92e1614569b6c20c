"""Connection: one client, from its first byte to on_disconnect.

The only place where transport, reader, dispatch and writer meet. What may happen when is
in the tables of `states`; the methods here do one step each and name the event it makes.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache

from bladehttp.exceptions import ProtocolError
from bladehttp.request import ClientInfo, HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.server.dispatch import checked_headers, error_response
from bladehttp.server.loop import READ, WRITE
from bladehttp.server.outbox import Outbox
from bladehttp.server.service import Service
from bladehttp.server.states import PHASE_EVENTS, READING, UNASKED, Event, State
from bladehttp.server.transport import PlainHttpError, PlainTransport, Transport
from bladehttp.server.watched import Watched
from bladehttp.wire.coding import undo_encoding
from bladehttp.wire.proxy import ProxyReader
from bladehttp.wire.reader import Phase, Request, RequestReader
from bladehttp.wire.writer import CONTINUE, Coding, Reply, write_head

log = logging.getLogger("bladehttp.server")

REQUESTS_PER_TURN = 32
"""Most pipelined requests answered before other connections have their turn."""

HIGH_WATER = 256 * 1024
"""No further pipelined request is taken while more than this waits to be sent."""

LINGER_BYTES = 64 * 1024 * 1024
"""Most bytes discarded after an answer that came before the request had been read."""


class Connection(Watched):
    """One client's connection."""

    __slots__ = (
        "_connected",
        "_discarded",
        "_introduction",
        "_lingers",
        "_outbox",
        "_reader",
        "_request",
        "_served",
    )

    def __init__(self, service: Service, transport: Transport, client: ClientInfo) -> None:
        """Take over a socket that was accepted; `open` starts it."""
        super().__init__(service, transport, client)
        self._introduction: ProxyReader | None = None
        self._reader = RequestReader(service.parser)
        self._outbox = Outbox()
        self._request: HttpRequest | None = None
        self._served = 0
        self._discarded = 0
        self._connected = False  # on_connect was called, so on_disconnect has to be
        self._lingers = False

    def open(self) -> None:
        """Start: with the PROXY header, the handshake, or the first request."""
        self._service.connections.add(self)
        self._guarded(self._settle if self._service.proxy_protocol else self._introduced)

    def close_when_done(self) -> None:
        """End it unless it is in the middle of a request or an answer."""
        nothing_has_come = self._reader.phase is Phase.IDLE and not self._reader.buffered
        if self.state in UNASKED or (self.state in READING and nothing_has_come):
            self.close()

    def on_ready(self, events: int) -> None:
        """Serve what the socket is ready for."""
        if self.state is State.CLOSED:  # by a callback of another connection in the same batch
            return
        self._guarded(READY[self.state], self, events)

    def on_deadline(self, clock: str) -> None:
        """Give up waiting: with 408 if part of a request has come, else without a word."""
        waits_for_client = clock in {"read", "header", "request"}
        if waits_for_client and self._reader.phase in {Phase.HEAD, Phase.BODY}:
            error = ProtocolError("the request did not arrive in time", status=408)
            self._guarded(self._refuse_and_flush, error)
        else:
            self.close()

    def _let_go(self) -> None:
        self._reader.close()
        if self._outbox or self.transport.blocked:  # part of an answer is not to look like all
            self._cut_off()
        try:
            self._outbox.close()
        except Exception as error:  # noqa: BLE001 - a stream's close() is somebody's code
            self._report(error)
        self._end_exchange()

    def _gone(self) -> None:
        if self._connected:
            self._connected = False
            self._service.dispatcher.call("disconnect", self.client, self.transport.socket)

    def _introduce(self, events: int) -> None:
        """Read a PROXY header, and not a byte of what follows it."""
        del events
        reader = self._introduction = self._introduction or ProxyReader()
        try:
            while reader.wanted:
                data = self.transport.socket.recv(reader.wanted)
                if not data:
                    raise ConnectionResetError("the proxy left during its introduction")
                reader.feed(data)
        except BlockingIOError:
            return
        except ProtocolError as error:
            self._service.stats.refused += 1
            raise ConnectionResetError(str(error)) from error
        if reader.source is not None:
            ip, port = reader.source.ip, reader.source.port
            self.client = ClientInfo(ip, port, ipv6=":" in ip)
        self._introduced()

    def _introduced(self) -> None:
        self._become(Event.INTRODUCED)
        if not self._service.is_secure:
            self._secured()

    def _shake(self, events: int = READ) -> None:
        del events
        try:
            if self.transport.handshake():
                self._identify()
                self._secured()
                self._receive(READ)  # the first request may have come with the last of it
        except PlainHttpError:
            self.transport = PlainTransport(self.transport.socket)
            self._refuse_and_flush(ProtocolError("plain HTTP on a TLS port"))

    def _identify(self) -> None:
        certificate = self.transport.certificate()
        if certificate:
            self.client = replace(self.client, certificate=certificate)

    def _secured(self) -> None:
        self._become(Event.SECURED)
        self._connected = True
        self._service.dispatcher.call("connect", self.transport.socket, self.transport.socket)

    def _receive(self, events: int) -> None:
        if events & WRITE:
            self.transport.flush()
        data = self.transport.receive()
        if data:
            self._reader.feed(data)
            self._advance()
        elif self.state is State.IDLE:  # part of a TLS record is not yet part of a request
            self.transport.progressed = False
        if self.transport.ended:
            self._ended()

    def _send(self, events: int) -> None:
        del events
        self._flush()
        if self.state is State.IDLE:  # all sent: go on with what was pipelined
            self._advance()
            if self.transport.ended:
                self._ended()

    def _discard(self, events: int) -> None:
        if events & WRITE:
            self.transport.flush()
        self._discarded += self.transport.discard()
        if self.transport.ended or self._discarded > LINGER_BYTES:
            self.close()

    def _advance(self) -> None:
        """Answer every request that is complete, up to a turn's worth, and send the answers."""
        for _ in range(REQUESTS_PER_TURN):
            if self._outbox.pending > HIGH_WATER or not self._take():
                break
        self._flush()
        if self.state is State.IDLE and self._reader.buffered:
            self._become(Event.BLOCKED)  # more is waiting: it comes after the others' turn

    def _take(self) -> bool:
        """Answer the next request; False if there is none to go on with."""
        try:
            message = self._reader.take_request()
        except ProtocolError as error:
            self._refuse(error)
            return False
        except OSError as error:  # a temporary file cannot be made or written
            self._fail(error)
            return False
        if message is not None:
            self._serve(message)
            return self.state is State.IDLE and self._reader.buffered > 0
        self._become(PHASE_EVENTS[self._reader.phase])
        if self._reader.needs_continue:
            self._reader.needs_continue = False
            self._outbox.add(CONTINUE)
        return False

    def _ended(self) -> None:
        """The client has sent its last byte: finish what is being answered, else close."""
        if self.state not in READING:
            return
        try:
            self._reader.feed_eof()
        except ProtocolError as error:
            self._refuse_and_flush(error)
        else:
            self.close()

    def _serve(self, message: Request) -> None:
        service = self._service
        service.stats.requests += 1
        self._served += 1
        self._become(Event.REQUEST)
        head = message.head
        if head.method == "CONNECT":  # a 2xx would turn the connection into a tunnel
            self._refuse(ProtocolError("no tunnels here", status=501))
            return
        try:
            if service.decode_request_body:
                undo_encoding(message, service.parser.limits)
            self._request = request = HttpRequest.from_wire(
                message, service.parser.limits, self.client, service.is_secure
            )
        except ProtocolError as error:
            message.close()
            self._refuse(error, head.method)
            return
        except Exception as error:  # noqa: BLE001 - no temporary file, no memory, a fault of ours
            message.close()
            self._fail(error, head.method)
            return
        if service.proxies:
            service.proxies.apply(request)
        response = service.dispatcher.respond(request, self.transport.socket)
        keep = head.keep_alive and not service.draining and self._served != service.max_requests
        self._lingers = head.keep_alive or bool(self._reader.buffered)
        self._reply(response, head.method, head.minor, keep)

    def _refuse(self, error: ProtocolError, method: str = "") -> None:
        """Answer with an error that is the client's, as the last thing on the connection."""
        self._service.stats.refused += 1
        log.debug("refused %s with %d: %s", self.client.ip, error.status, error)
        self._lingers = True
        self._reply(error_response(error.status), method or self._reader.method, 1, keep=False)

    def _fail(self, error: Exception, method: str = "") -> None:
        """Report an error that is the server's, and answer 500 as the last thing."""
        self._lingers = True
        response = self._service.dispatcher.failed(error, self.transport.socket)
        self._reply(response, method or self._reader.method, 1, keep=False)

    def _refuse_and_flush(self, error: ProtocolError) -> None:
        self._refuse(error)
        self._flush()

    def _reply(self, response: HttpResponse, method: str, minor: int, keep: bool) -> None:
        """Put an answer into the outbox."""
        try:
            reply = _write(response, method, minor, keep)
        except Exception as error:  # noqa: BLE001 - what cannot be sent is the handler's fault
            response.close()
            response = self._service.dispatcher.failed(error, self.transport.socket)
            reply = _write(response, method, minor, keep=False)
        outbox, dispatcher = self._outbox, self._service.dispatcher
        if response.source is not None:
            outbox.add(reply.head)
            outbox.stream(response.source, reply.coding, reply.length)
        elif reply.coding is Coding.LENGTH:
            outbox.add(reply.head, response.body)
        else:
            outbox.add(reply.head)
        if not outbox.streaming:
            self._end_exchange()
        if not reply.keep_alive:
            self._become(Event.REPLIED_LAST)
        else:
            self._become(Event.BLOCKED if outbox.streaming else Event.REPLIED)
        if self._connected and dispatcher.callbacks["reply"]:
            dispatcher.call("reply", response, self.transport.socket)

    def _flush(self) -> None:
        """Send what the client takes now. All is sent when the transport has nothing left, too."""
        if self._outbox:
            self._outbox.send(self.transport)
        else:
            self.transport.flush()
        if self._outbox or self.transport.blocked:
            if self.state in READING:
                self._become(Event.BLOCKED)
        elif self.state is State.WRITE:
            self._end_exchange()
            self._become(Event.SENT)
        elif self.state is State.FINISH:
            self._finish()

    def _finish(self) -> None:
        """All is sent and nothing more will be read."""
        self._end_exchange()
        self.transport.finish()
        if self.transport.blocked:  # again when close_notify has gone
            return
        quiet = self.transport.ended or not self._lingers
        self._become(Event.SENT_LAST if quiet else Event.SENT)

    def _end_exchange(self) -> None:
        if self._request is not None:
            self._request.close()
            self._request = None


def _write(response: HttpResponse, method: str, minor: int, keep: bool) -> Reply:
    return write_head(
        response.status,
        response.reason,
        checked_headers(response).pairs(),
        len(response.body) if response.source is None else None,
        date=http_date(int(time.time())),
        method=method,
        minor=minor,
        keep_alive=keep,
    )


@lru_cache(maxsize=1)
def http_date(second: int) -> str:
    """Return a time as Date has it (RFC 9110 section 5.6.7); made once a second."""
    return formatdate(second, usegmt=True)


READY: dict[State, Callable[[Connection, int], None]] = {
    State.PROXY: Connection._introduce,
    State.HANDSHAKE: Connection._shake,
    State.HEAD: Connection._receive,
    State.BODY: Connection._receive,
    State.IDLE: Connection._receive,
    State.WRITE: Connection._send,
    State.FINISH: Connection._send,
    State.LINGER: Connection._discard,
}
"""State to what is done when the socket is ready."""
