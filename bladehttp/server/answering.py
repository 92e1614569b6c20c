"""Answering: how a response goes out on a connection, and what comes after it.

The way out of a `Connection`: response -> writer -> outbox -> transport. How requests come in
is not known here.
"""

from abc import abstractmethod
from email.utils import formatdate
from functools import lru_cache
from time import monotonic, time

from bladehttp.broken import Raw, length_of
from bladehttp.later import Channel, Deferred
from bladehttp.request import ClientInfo, HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.server.answered import Account
from bladehttp.server.dispatch import checked_headers
from bladehttp.server.outbox import Outbox
from bladehttp.server.service import Service
from bladehttp.server.states import FINISH, IDLE, PAUSED, READING, REPLIED, WRITE, Event
from bladehttp.server.transport import Transport
from bladehttp.server.watched import Watched
from bladehttp.wire.head import RequestHead
from bladehttp.wire.writer import LENGTH, Coding, Reply, write_head


class Answering(Watched):
    """A connection's way out."""

    __slots__ = (
        "_account",
        "_begun",
        "_connected",
        "_deferred",
        "_lingers",
        "_outbox",
        "_request",
    )

    def __init__(self, service: Service, transport: Transport, client: ClientInfo) -> None:
        super().__init__(service, transport, client)
        self._outbox = Outbox()
        self._request: HttpRequest | None = None
        self._deferred: Deferred | None = None
        self._account: Account | None = None
        self._begun = 0.0  # when the request was there; 0 for one that never was
        self._connected = False  # on_connect was called, so on_disconnect has to be
        self._lingers = True

    @abstractmethod
    def _keeps(self, head: RequestHead) -> bool:
        """Whether the connection can be kept after the answer to a request."""

    @abstractmethod
    def _advance(self) -> None:
        """All is sent: go on with the requests that have come meanwhile."""

    @abstractmethod
    def _ended(self) -> None:
        """All is sent and the client has sent its last byte."""

    def _reply(self, response: HttpResponse, method: str, minor: int, keep: bool) -> None:
        """Put an answer into the outbox."""
        try:
            reply, body = _write(response, method, minor, keep)
        except Exception as error:  # noqa: BLE001 - what cannot be sent is the handler's fault
            self._service.dispatcher.discard(response, self.transport.socket)
            response = self._service.dispatcher.failed(error, self.transport.socket)
            reply, body = _write(response, method, minor, keep=False)
        outbox, source = self._outbox, response.source
        outbox.add(reply.head, body)
        if source is not None:
            if isinstance(source, Channel):
                self._listen(source)
            outbox.stream(source, reply.coding, reply.length)
        streaming = source is not None and outbox.streaming
        callbacks = self._service.dispatcher.callbacks
        if callbacks["answered"]:
            self._open_account(response, len(body))
        if not streaming:
            self._end_exchange()
        if not reply.keep_alive:
            self._become(Event.REPLIED_LAST)
        else:
            self._become(Event.BLOCKED if streaming else REPLIED)
        if self._connected and callbacks["reply"]:
            self._call("reply", response)

    def _wait(self, response: HttpResponse, deferred: Deferred, head: RequestHead) -> None:
        """Go on when a deferred answer is given."""
        loop = self._service.loop
        self._deferred = deferred
        self._become(Event.DEFERRED)

        def answer() -> None:
            if self._deferred is deferred:  # else the client has gone
                self._guarded(self._answer, response, deferred, head)

        deferred.then(lambda: loop.call_soon(answer))
        if deferred.timeout:
            timer = loop.call_later(deferred.timeout / 1000, deferred.give_up)
            deferred.then(timer.cancel)

    def _answer(self, response: HttpResponse, deferred: Deferred, head: RequestHead) -> None:
        """Send a deferred answer, and go on with the requests that have come meanwhile."""
        self._deferred = None
        self._become(Event.ANSWERED)
        response = self._service.dispatcher.settled(response, deferred, self.transport.socket)
        self._reply(response, head.method, head.minor, self._keeps(head))
        self._send(0)

    def _listen(self, channel: Channel) -> None:
        """Send what is written to a channel as it comes."""
        loop, seconds = self._service.loop, channel.heartbeat / 1000

        def feed() -> None:
            if self.state in PAUSED:
                self._guarded(self._feed)

        def beat() -> None:
            if not channel.closed:
                channel.beat()
                loop.call_later(seconds, beat)

        channel.attach(lambda: loop.call_soon(feed))
        if seconds:
            loop.call_later(seconds, beat)

    def _feed(self) -> None:
        self._become(Event.FED)
        self._send(0)

    def _open_account(self, response: HttpResponse, size: int) -> None:
        """Keep what on_answered will be told when the answer is over."""
        outbox = self._outbox
        begun = self._begun or self._service.loop.now
        body_begins = outbox.sent + outbox.pending if outbox.streaming else None
        self._account = Account(self._request, response, begun, size, body_begins)

    def _flush(self) -> None:
        """Send what the client takes now."""
        if not self._outbox.send(self.transport):
            if self.state in READING:
                self._become(Event.BLOCKED)
            elif self._outbox.starved and not self.transport.blocked:
                self._become(Event.STARVED)
        elif self.state is WRITE:
            self._end_exchange()
            self._become(Event.SENT)
        elif self.state is FINISH:
            self._finish()

    def _send(self, events: int) -> None:
        del events
        self._flush()
        if self.state is IDLE:  # all sent: go on with what was pipelined
            self._advance()
            if self.transport.ended:
                self._ended()

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
        if self._account is not None:
            self._close_account(self._account)

    def _close_account(self, account: Account) -> None:
        self._account = None
        self._begun = 0.0
        self._call("answered", account.closed(self.client, self._outbox.sent, monotonic()))

    def _let_go(self) -> None:
        if self._request is not None:
            self._request.disconnected = True
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.give_up()
        if self._outbox.streaming or self._outbox.pending or self.transport.blocked:
            self._cut_off()  # part of an answer is not to look like all
        try:
            self._outbox.close()
        except Exception as error:  # noqa: BLE001 - a stream's close() is somebody's code
            self._report(error)
        self._end_exchange()

    def _gone(self) -> None:
        if self._connected:
            self._connected = False
            self._call("disconnect", self.client)


def _write(response: HttpResponse, method: str, minor: int, keep: bool) -> tuple[Reply, bytes]:
    """Return a response's head, and its body if that is here as a whole and to be sent."""
    source = response.source
    if type(source) is Raw:
        return Reply(b"", Coding.CLOSE, 0, keep_alive=False), b""
    body = response.body if source is None else b""
    reply = write_head(
        response.status,
        response.reason,
        checked_headers(response).as_tuple(),
        len(body) if source is None else length_of(source),
        date=http_date(int(time())),
        method=method,
        minor=minor,
        keep_alive=keep,
    )
    return reply, body if reply.coding is LENGTH else b""


@lru_cache(maxsize=1)
def http_date(second: int) -> str:
    """Return a time as Date has it (RFC 9110 section 5.6.7); made once a second."""
    return formatdate(second, usegmt=True)
