"""Sender: how a response leaves a connection, unless it is whole and leaves at once.

Response -> writer -> outbox -> transport. Reading requests, and the plain way of a response, are in
`connection`.
"""

import logging
from time import monotonic
from typing import Any

from bladehttp._message.aborts import Abort
from bladehttp._message.deferred import Channel, Deferred, OfCoroutine
from bladehttp._message.file_body import FileBody
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.request_line import RequestLine
from bladehttp._wire.writer import CONTINUE, Reply
from bladehttp.exceptions import ProtocolError
from bladehttp.server._connection.outbox import JOINED, Outbox, StreamError
from bladehttp.server._connection.serialise import serialise
from bladehttp.server._connection.state_machine import StateMachine
from bladehttp.server._connection.states import (
    FINISH,
    HANDED_OVER,
    IDLE,
    PAUSED,
    PLANS,
    READING,
    REPLIED,
    WRITE,
    Event,
    State,
)
from bladehttp.server._dispatch.access_log import ResponseRecord
from bladehttp.server._net.send_queue import SAMPLES, ClientProgress, unacknowledged

log = logging.getLogger("bladehttp.server")


class Sender:
    """Sends the responses of one connection that are not whole, or do not leave at once.

    A connection gets it with the first of them. It changes the state of the connection, as each
    step of sending does.

    Attributes:
        outbox: The bytes to send.
        record: The record of the last response, for on_answered; None for none.
    """

    __slots__ = ("_connection", "_deferred", "_holds_file", "_mark", "outbox", "record")

    def __init__(self, connection: StateMachine, sent: int) -> None:
        """Send over a connection, on which so many bytes were sent before."""
        self._connection = connection
        self._deferred: Deferred | None = None
        self._holds_file = False
        self._mark = 0  # bytes sent on the connection before the response that is watched
        self.outbox = Outbox(sent)
        self.record: ResponseRecord | None = None

    def queue(self, whole: bytes) -> None:
        """Put a whole response into the outbox."""
        self.outbox.add(whole)
        self._connection.transition(REPLIED)

    def block(self, whole: memoryview, sent: int) -> None:
        """Go on with a whole response of which so many bytes were sent: no more are taken now."""
        self._mark = self.outbox.sent
        self.outbox.sent += sent
        if sent < len(whole):
            self.outbox.add(whole[sent:])
        self._connection.transition(Event.BLOCKED)

    def reply(
        self, request: HttpRequest, response: HttpResponse, method: str, minor: int, keep: bool
    ) -> None:
        """Put any response into the outbox, head first.

        Args:
            request: The request, or the understood part of a refused one.
            response: The response.
            method: The method of the request as it was sent.
            minor: The minor HTTP version of the request.
            keep: Whether the connection may be kept open.
        """
        outbox, connection = self.outbox, self._connection
        dispatcher = connection.context.dispatcher
        self._mark = outbox.sent + outbox.pending
        mark = outbox.mark()
        try:
            reply, body = self._put(response, method, minor, keep)
        except Exception as error:  # noqa: BLE001 - an unsendable response is the handler's error
            outbox.take_back(mark)
            response = self._replacement(error, request, response)
            reply, body = self._put(response, method, minor, keep=False)
        if dispatcher.callbacks["answered"]:
            self._start_record(response, len(body))
        goes_on = outbox.streaming or (len(body) > JOINED and self.record is not None)
        if not goes_on:
            self.end_exchange()
        if not reply.keep_alive:
            connection.transition(Event.REPLIED_LAST)
        else:
            connection.transition(Event.BLOCKED if goes_on else REPLIED)
        if dispatcher.callbacks["reply"] and connection.is_connected:
            connection.call_on_reply(request, response)

    def _replacement(
        self, error: Exception, request: HttpRequest, response: HttpResponse
    ) -> HttpResponse:
        """Return the response that replaces one that cannot be sent."""
        reason = error.reason if isinstance(error, StreamError) else error
        dispatcher, client = self._connection.context.dispatcher, self._connection.transport.socket
        return dispatcher.replace_unsendable(reason, request, response, client, serialise)

    def refuse(self, error: ProtocolError, request: HttpRequest) -> None:
        """Answer a client's error, as the last response on the connection.

        Args:
            error: The error.
            request: The request, or the understood part of it.
        """
        connection, context = self._connection, self._connection.context
        context.stats.refused += 1
        connection.lingers = True
        response = context.dispatcher.refuse(error, request, connection.transport.socket)
        self.reply(request, response, request.method, 1, keep=False)

    def fail(self, error: Exception, request: HttpRequest) -> None:
        """Report an error of the server and answer 500, as the last response."""
        connection, dispatcher = self._connection, self._connection.context.dispatcher
        connection.lingers = True
        client = connection.transport.socket
        response = dispatcher.failures.server_error(error, client, request)
        response = dispatcher.run_after_request(request, response, client)
        self.reply(request, response, request.method, 1, keep=False)

    def answer_expectation(self, request: HttpRequest, minor: int) -> None:
        """Send 100 (Continue), or the final response if the body will not be read.

        RFC 9110 section 10.1.1: a final status is sent if the server will not read the body.

        Args:
            request: The request without its body.
            minor: The minor HTTP version of the request.
        """
        connection, context = self._connection, self._connection.context
        response = context.dispatcher.answer_early(request)
        if response is None:
            self.outbox.add(CONTINUE)
            return
        connection.begun = context.loop.now
        connection.request = request
        connection.lingers = True
        client = connection.transport.socket
        response = context.dispatcher.run_after_request(request, response, client)
        self.reply(request, response, request.method, minor, keep=False)

    def _put(
        self, response: HttpResponse, method: str, minor: int, keep: bool
    ) -> tuple[Reply, bytes]:
        """Put a response into the outbox, and return its head, and its body if that is here.

        Raises:
            StreamError: Its stream fails before the first chunk.
            ValueError: It cannot be sent; or TypeError or InvalidHeader. See `serialise`.
        """
        reply, body = serialise(response, method, minor, keep)
        self.outbox.add(reply.head)
        if body:
            self.outbox.add(body)
        if response.source is not None:
            self._stream(response.source, reply)
            self.outbox.first()
        return reply, body

    def _stream(self, source: Any, reply: Reply) -> None:
        """Send a streamed body chunk by chunk after its head."""
        if isinstance(source, FileBody):
            self._holds_file = True
            self._connection.context.files += 1
        self.outbox.stream(source, reply.coding, reply.length, self._check_time)
        if isinstance(source, Channel):
            self._attach_channel(source)

    def _check_time(self, seconds: float) -> None:
        """Log a stream whose source has blocked the loop too long."""
        connection, context = self._connection, self._connection.context
        if seconds > context.slow:
            context.dispatcher.notices.warn_slow("stream", seconds, connection.request)
            context.loop.now = monotonic()

    def defer(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> None:
        """Continue when a deferred response is ready."""
        connection, deferred = self._connection, response.deferred
        loop = connection.context.loop
        assert deferred is not None
        connection.request = request
        self._deferred = deferred
        connection.line = line
        connection.transition(Event.DEFERRED)

        def answer() -> None:
            if self._deferred is deferred:  # else the client has gone
                connection.run_guarded(self._send_deferred, request, response, line, keep)

        deferred.then(lambda: loop.call_soon(answer))
        if deferred.timeout:
            timer = loop.call_later(deferred.timeout / 1000, deferred.give_up)
            deferred.then(timer.cancel)

    def _send_deferred(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> None:
        """Send a deferred response, then continue with the requests received meanwhile."""
        connection, deferred = self._connection, self._deferred
        assert deferred is not None
        self._deferred = None
        connection.transition(Event.ANSWERED)
        client = connection.transport.socket
        context = connection.context
        response = context.dispatcher.settle_deferred(
            request, response, deferred, client, is_ending=context.is_ending
        )
        whole = connection.reply(request, response, line, keep)
        if whole is not None:
            self.queue(whole)
        self.send()

    def ends_with_client(self) -> bool:
        """Whether nobody reads the response of a client that has sent its last byte."""
        if self._connection.state in PAUSED:
            return self.outbox.is_endless
        return isinstance(self._deferred, OfCoroutine) and self._deferred.ends_with_client

    def expire_deferred(self) -> None:
        """Answer 503 in place of a deferred response that is not ready."""
        if self._deferred is not None:
            self._deferred.give_up()

    def _attach_channel(self, channel: Channel) -> None:
        """Send the chunks of a channel as they are written."""
        connection = self._connection
        loop = connection.context.loop

        def feed() -> None:
            if connection.state in PAUSED:
                connection.run_guarded(self._resume_stream)
            elif channel.has_overflowed and self.outbox.is_sending(channel):
                connection.run_guarded(channel.take)  # raises, though the client may take no more

        channel.attach(lambda: loop.call_soon(feed))
        if channel.heartbeat:
            self._await_heartbeat(channel)

    def _await_heartbeat(self, channel: Channel) -> None:
        """Send a heartbeat of a channel after each interval, until it is closed."""
        connection = self._connection

        def beat() -> None:
            if not channel.closed:
                connection.run_guarded(channel.beat)
                self._await_heartbeat(channel)

        connection.context.loop.call_later(channel.heartbeat / 1000, beat)

    def _resume_stream(self) -> None:
        self._connection.transition(Event.FED)
        self.send()

    def _start_record(self, response: HttpResponse, size: int) -> None:
        """Start the record of a response that on_answered will receive."""
        outbox, connection = self.outbox, self._connection
        begun = connection.begun or connection.context.loop.now
        if self.record is not None:  # the client sent the next request: it has this response
            self._finish_record(self.record, outbox.sent)
        begins = outbox.sent + outbox.pending
        if not outbox.streaming:
            begins -= size
        whole = None if outbox.streaming else size
        self.record = ResponseRecord(connection.request, response, begun, begins, whole)

    def flush(self) -> None:
        """Send as much as the client takes now."""
        connection, streams = self._connection, self.outbox.streaming
        sent = self.outbox.send(connection.transport)
        if streams:  # its time is not that of the next connection's handler
            connection.context.loop.now = monotonic()
        if sent and connection.state is IDLE:  # nearly always
            return
        if not sent:
            if connection.state in READING:
                connection.transition(Event.BLOCKED)
            elif self.outbox.starved and not connection.transport.blocked:
                connection.transition(Event.STARVED)
        elif connection.state is WRITE:
            self.end_exchange()
            connection.transition(Event.SENT)
        elif connection.state is FINISH:
            self._finish()

    def send(self) -> None:
        """Send as much as the client takes now; with all of it sent, let the connection go on."""
        self.flush()
        if self._connection.state is IDLE:
            self._connection.go_on()

    def _finish(self) -> None:
        """Everything was sent and nothing more will be read: shut down or close."""
        connection = self._connection
        self.end_exchange()
        connection.transport.finish()
        if connection.transport.blocked:  # again when close_notify has gone
            return
        is_over = connection.has_client_finished() and not (
            connection.plan.tracks_delivery and connection.is_undelivered()
        )
        connection.transition(Event.SENT_LAST if is_over else Event.SENT)

    def end_exchange(self) -> None:
        """Release the request: the response is short and queued, or the kernel has all of it."""
        connection, record, outbox = self._connection, self.record, self.outbox
        if self._holds_file:
            self._holds_file = False
            connection.context.files -= 1
        connection.close_request()
        if record is None:
            return
        if outbox.sent - self._mark > JOINED and connection.is_undelivered():
            connection.change_clocks(PLANS[WRITE])  # finished when the client has it all
        else:
            self._finish_record(record, outbox.sent + outbox.pending)

    def _finish_record(self, record: ResponseRecord, sent: int) -> None:
        connection, now = self._connection, monotonic()
        self.record = None
        connection.begun = 0.0
        context, client = connection.context, connection.transport.socket
        parts = record.closed(connection.client, sent, now)
        context.loop.now = context.dispatcher.notices.call_on_answered(parts, client, now)

    def check_delivery(self) -> None:
        """Check whether the client still receives: one tick of the write clock."""
        connection, context = self._connection, self._connection.context
        now, clock = context.loop.now, context.clocks["write"]
        if connection.state in HANDED_OVER and not connection.is_undelivered():
            self._on_delivered()
            return
        timeout = clock.seconds * SAMPLES
        progress = connection.progress
        if progress is None:
            since = now - clock.seconds
            progress = ClientProgress(connection.transport.socket, self._mark, since, timeout)
            connection.progress = progress
        if progress.has_stopped(self._handed_over(), now):
            self._abort_stalled(timeout)
        else:
            clock.arm(connection, now)

    def _on_delivered(self) -> None:
        """Note that the client has received everything."""
        connection = self._connection
        connection.progress = None
        self._mark = self.outbox.sent
        if connection.state not in PAUSED and self.record is not None:
            self._finish_record(self.record, self.outbox.sent)
        if connection.state is State.DELIVER:
            connection.transition(Event.DELIVERED)
        elif connection.state is State.LINGER and connection.has_client_finished():
            connection.close()

    def _abort_stalled(self, timeout: float) -> None:
        """Reset a connection whose client has stopped receiving."""
        connection, line = self._connection, self._connection.line
        log.warning(
            "client %s:%d received nothing for %g s of the response to %s: reset after %d bytes",
            connection.client.ip,
            connection.client.port,
            timeout,
            f"{line.method} {line.target}" if line else "a malformed request",
            self._acknowledged() - self._mark,
        )
        connection.reset()

    def _acknowledged(self) -> int:
        """Return the number of bytes the client has received since the connection was opened."""
        unsent = unacknowledged(self._connection.transport.socket)
        return max(self._mark, self._handed_over() - unsent)

    def _handed_over(self) -> int:
        """Return the number of bytes the kernel has taken since the connection was opened."""
        return self.outbox.sent - self._connection.transport.waiting

    def lose(self) -> None:
        """Give everything up: the connection is lost, or is closed."""
        connection = self._connection
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.give_up()
            self._report_unsent(deferred)
        if self.outbox.has_more:
            connection.reset_on_close()  # a partial response must not look complete
        try:
            self.outbox.close()
        except BaseException as error:  # noqa: BLE001 - a stream's close() is the user's code
            connection.report(error)
        if self.record is not None:
            self._finish_record(self.record, self._acknowledged())
        self.end_exchange()

    def _report_unsent(self, deferred: Deferred) -> None:
        """Report the failure of a deferred response whose client left before it was answered."""
        error = deferred.take_failure()
        if error is not None and not isinstance(error, Abort):
            connection = self._connection
            client, notices = connection.transport.socket, connection.context.dispatcher.notices
            notices.report(error, client, connection.request, ends=False)
