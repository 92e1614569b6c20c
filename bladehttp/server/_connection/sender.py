"""Sender: how a response leaves a connection.

Response -> writer -> outbox -> transport. Reading requests is in `connection`.
"""

import logging
from abc import abstractmethod
from time import monotonic
from typing import Any

from bladehttp._message.aborts import Abort
from bladehttp._message.deferred import Channel, Deferred
from bladehttp._message.file_body import FileBody
from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.head import RequestLine
from bladehttp._wire.writer import Reply
from bladehttp.server._connection.context import ServerContext
from bladehttp.server._connection.outbox import JOINED, Outbox, StreamError
from bladehttp.server._connection.serialise import serialise, serialise_whole
from bladehttp.server._connection.state_machine import StateMachine
from bladehttp.server._connection.states import (
    FINISH,
    HANDED_OVER,
    IDLE,
    IDLE_PLAN,
    PAUSED,
    PLANS,
    READING,
    REPLIED,
    WRITE,
    Event,
    State,
)
from bladehttp.server._dispatch.access_log import Answered, ResponseRecord
from bladehttp.server._files.file_response import apply_conditions
from bladehttp.server._net.loop import READ
from bladehttp.server._net.send_queue import SAMPLES, ClientProgress, unacknowledged
from bladehttp.server._net.transport import Transport

log = logging.getLogger("bladehttp.server")


class Sender(StateMachine):
    """The sending half of a connection."""

    __slots__ = (
        "_begun",
        "_connected",
        "_deferred",
        "_holds_file",
        "_line",
        "_lingers",
        "_mark",
        "_outbox_in_use",
        "_record",
        "_request",
        "_sent",
    )

    def __init__(self, context: ServerContext, transport: Transport, client: ClientInfo) -> None:
        super().__init__(context, transport, client)
        self._outbox_in_use: Outbox | None = None
        self._request: HttpRequest | None = None
        self._deferred: Deferred | None = None
        self._record: ResponseRecord | None = None
        self._begun = 0.0  # when the request was complete; 0 for one that never was
        self._connected = False  # on_connect was called, so on_disconnect must follow
        self._line: RequestLine | None = None  # of the last request
        self._holds_file = False
        self._lingers = True
        self._mark = 0  # bytes sent on the connection before this response
        self._sent = 0  # bytes sent before there was an outbox

    @abstractmethod
    def _advance(self) -> None:
        """Everything was sent: continue with the requests received meanwhile."""

    @abstractmethod
    def _on_eof(self) -> None:
        """Everything was sent and the client has sent its last byte."""

    @property
    def _outbox(self) -> Outbox:
        """The outbox: a connection whose responses were all sent at once has none yet."""
        outbox = self._outbox_in_use
        if outbox is None:
            outbox = self._outbox_in_use = Outbox(self._sent)
        return outbox

    def _reply(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> bytes | None:
        """Return the whole response to a request if it is complete, else put it into the outbox."""
        context = self._context
        dispatcher, loop = context.dispatcher, context.loop
        callbacks, has_response_callbacks = dispatcher.callbacks, dispatcher.has_response_callbacks
        if response.source is not None:
            apply_conditions(request, response)
        if has_response_callbacks and callbacks["after"]:
            response = dispatcher.run_after_request(request, response, self.transport.socket)
            loop.now = monotonic()
        keep = keep and not context.draining
        self._line = line
        whole = None
        if keep and line.is_plain and self._record is None:
            whole = serialise_whole(response, int(loop.now + loop.epoch))
        if whole is None:
            self._request = request
            self._reply_in_parts(request, response, line.method, line.minor, keep)
            return None
        if self._request is not None:
            self._end_exchange()
        if not has_response_callbacks:
            return whole
        self._queue(whole)
        self._call_for_whole(request, response)
        return None

    def _queue(self, whole: bytes) -> None:
        """Put a whole response into the outbox."""
        self._outbox.add(whole)
        self._transition(REPLIED)

    def _call_for_whole(self, request: HttpRequest, response: HttpResponse) -> None:
        """Call on_answered and on_reply for a response that was queued whole."""
        callbacks = self._context.dispatcher.callbacks
        if callbacks["answered"]:
            self._call_on_answered(request, response)
        if callbacks["reply"]:
            self._call_on_reply(request, response)

    def _send_at_once(self, whole: bytes) -> bool:
        """Send a whole response past the outbox, which is empty. The last step of most requests.

        Returns:
            Whether the connection is as idle as before: there is no state to apply.
        """
        transport, outbox = self.transport, self._outbox_in_use
        sent = transport.send(whole)
        if outbox is None:
            self._sent += sent
        else:
            outbox.sent += sent
        if sent < len(whole) or transport.blocked:
            if sent < len(whole):
                self._outbox.add(memoryview(whole)[sent:])
            self._transition(Event.BLOCKED)
            return False
        self.state = IDLE
        if self._plan is not IDLE_PLAN or self._interest != READ or transport.ended:
            return False
        transport.progressed = False
        context = self._context
        context.clocks["keep_alive"].arm(self, context.loop.now)
        return True

    def _reply_in_parts(
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
        outbox, dispatcher = self._outbox, self._context.dispatcher
        self._mark = outbox.sent + outbox.pending
        mark = outbox.mark()
        try:
            reply, body = self._put(response, method, minor, keep)
        except Exception as error:  # noqa: BLE001 - an unsendable response is the handler's error
            outbox.take_back(mark)
            reason = error.reason if isinstance(error, StreamError) else error
            client = self.transport.socket
            response = dispatcher.replace_unsendable(reason, request, response, client, serialise)
            reply, body = self._put(response, method, minor, keep=False)
        if dispatcher.callbacks["answered"]:
            self._start_record(response, len(body))
        goes_on = outbox.streaming or (len(body) > JOINED and self._record is not None)
        if not goes_on:
            self._end_exchange()
        if not reply.keep_alive:
            self._transition(Event.REPLIED_LAST)
        else:
            self._transition(Event.BLOCKED if goes_on else REPLIED)
        if dispatcher.callbacks["reply"] and self._connected:
            self._call_on_reply(request, response)

    def _put(
        self, response: HttpResponse, method: str, minor: int, keep: bool
    ) -> tuple[Reply, bytes]:
        """Put a response into the outbox, and return its head, and its body if that is here.

        Raises:
            StreamError: Its stream fails before the first chunk.
            ValueError: It cannot be sent; or TypeError or InvalidHeader. See `serialise`.
        """
        reply, body = serialise(response, method, minor, keep)
        self._outbox.add(reply.head)
        if body:
            self._outbox.add(body)
        if response.source is not None:
            self._stream(response.source, reply)
            self._outbox.first()
        return reply, body

    def _call_on_answered(self, request: HttpRequest, response: HttpResponse) -> None:
        """Call on_answered for a response that is queued whole, without a record in between."""
        milliseconds = (monotonic() - self._begun) * 1000
        self._begun = 0.0
        fields = (self.client, request, response, len(response.body), milliseconds)
        # A named tuple's own constructor takes three times the instructions.
        self._call("answered", Answered._make(fields), request)

    def _call_on_reply(self, request: HttpRequest, response: HttpResponse) -> None:
        self._context.dispatcher.notices.call_on_reply(request, response, self.transport.socket)
        self._context.loop.now = monotonic()

    def _current_request(self) -> HttpRequest | None:
        return self._request

    def _stream(self, source: Any, reply: Reply) -> None:
        """Send a streamed body chunk by chunk after its head."""
        if isinstance(source, FileBody):
            self._holds_file = True
            self._context.files += 1
        self._outbox.stream(source, reply.coding, reply.length, self._check_time)
        if isinstance(source, Channel):
            self._attach_channel(source)

    def _check_time(self, seconds: float) -> None:
        """Log a stream whose source has blocked the loop too long."""
        if seconds > self._context.slow:
            self._context.dispatcher.notices.warn_slow("stream", seconds, self._request)
            self._context.loop.now = monotonic()

    def _await_deferred(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> None:
        """Continue when a deferred response is ready."""
        loop, deferred = self._context.loop, response.deferred
        assert deferred is not None
        self._request = request
        self._deferred = deferred
        self._line = line
        self._transition(Event.DEFERRED)

        def answer() -> None:
            if self._deferred is deferred:  # else the client has gone
                self._run_guarded(self._send_deferred, request, response, line, keep)

        deferred.then(lambda: loop.call_soon(answer))
        if deferred.timeout:
            timer = loop.call_later(deferred.timeout / 1000, deferred.give_up)
            deferred.then(timer.cancel)

    def _send_deferred(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> None:
        """Send a deferred response, then continue with the requests received meanwhile."""
        deferred, self._deferred = self._deferred, None
        assert deferred is not None
        self._transition(Event.ANSWERED)
        client = self.transport.socket
        response = self._context.dispatcher.settle_deferred(request, response, deferred, client)
        whole = self._reply(request, response, line, keep)
        if whole is not None:
            self._queue(whole)
        self._send(0)

    def _expire_deferred(self) -> None:
        """Answer 503 in place of a deferred response that is not ready."""
        if self._deferred is not None:
            self._deferred.give_up()

    def _attach_channel(self, channel: Channel) -> None:
        """Send the chunks of a channel as they are written."""
        loop, seconds = self._context.loop, channel.heartbeat / 1000

        def feed() -> None:
            if self.state in PAUSED:
                self._run_guarded(self._resume_stream)
            elif channel.has_overflowed and self._outbox.is_sending(channel):
                self._run_guarded(channel.take)  # raises, though the client may never take more

        def beat() -> None:
            if not channel.closed:
                self._run_guarded(channel.beat)
                loop.call_later(seconds, beat)

        channel.attach(lambda: loop.call_soon(feed))
        if seconds:
            loop.call_later(seconds, beat)

    def _resume_stream(self) -> None:
        self._transition(Event.FED)
        self._send(0)

    def _start_record(self, response: HttpResponse, size: int) -> None:
        """Start the record of a response that on_answered will receive."""
        outbox = self._outbox
        begun = self._begun or self._context.loop.now
        if self._record is not None:  # the client sent the next request: it has this response
            self._finish_record(self._record, outbox.sent)
        begins = outbox.sent + outbox.pending
        if not outbox.streaming:
            begins -= size
        whole = None if outbox.streaming else size
        self._record = ResponseRecord(self._request, response, begun, begins, whole)

    def _flush(self) -> None:
        """Send as much as the client takes now."""
        sent = self._outbox.send(self.transport)
        if sent and self.state is IDLE:  # nearly always
            return
        if not sent:
            if self.state in READING:
                self._transition(Event.BLOCKED)
            elif self._outbox.starved and not self.transport.blocked:
                self._transition(Event.STARVED)
        elif self.state is WRITE:
            self._end_exchange()
            self._transition(Event.SENT)
        elif self.state is FINISH:
            self._finish()

    def _send(self, events: int) -> None:
        del events
        self._flush()
        if self.state is IDLE:  # all sent: go on with what was pipelined
            self._advance()
            if self.transport.ended:
                self._on_eof()

    def _finish(self) -> None:
        """Everything was sent and nothing more will be read: shut down or close."""
        self._end_exchange()
        self.transport.finish()
        if self.transport.blocked:  # again when close_notify has gone
            return
        is_over = self._has_client_finished() and not (
            self._plan.tracks_delivery and self._is_undelivered()
        )
        self._transition(Event.SENT_LAST if is_over else Event.SENT)

    def _has_client_finished(self) -> bool:
        """Whether the client will send no bytes that have to be discarded."""
        return self.transport.ended or not self._lingers

    def _end_exchange(self) -> None:
        """Release the request: the response is short and queued, or the kernel has all of it."""
        if self._holds_file:
            self._holds_file = False
            self._context.files -= 1
        if self._request is not None:
            self._request.close()
            self._request = None
        record, outbox = self._record, self._outbox
        if record is None:
            return
        if outbox.sent - self._mark > JOINED and self._is_undelivered():
            self._change_clocks(PLANS[WRITE])  # the record is finished when the client has it all
        else:
            self._finish_record(record, outbox.sent + outbox.pending)

    def _finish_record(self, record: ResponseRecord, sent: int) -> None:
        self._record = None
        self._begun = 0.0
        answered = record.closed(self.client, sent, monotonic())
        self._call("answered", answered, answered.request)

    def _is_undelivered(self) -> bool:
        if not self._context.clocks["write"].seconds:
            return False  # the write clock is off: no later check
        return unacknowledged(self.transport.socket) > 0

    def _awaits_delivery(self) -> bool:
        """Whether the end of the last response is still to be noticed.

        A record that was kept has to be finished, also if the last acknowledgement has arrived
        since: without the write clock it would be finished when the connection is closed.
        """
        return self._record is not None or self._is_undelivered()

    def _check_delivery(self) -> None:
        """Check whether the client still receives: one tick of the write clock."""
        now, clock = self._context.loop.now, self._context.clocks["write"]
        if self.state in HANDED_OVER and not self._is_undelivered():
            self._on_delivered()
            return
        timeout = clock.seconds * SAMPLES
        progress = self._progress
        if progress is None:
            since = now - clock.seconds
            progress = ClientProgress(self.transport.socket, self._mark, since, timeout)
            self._progress = progress
        if progress.has_stopped(self._handed_over(), now):
            self._abort_stalled(timeout)
        else:
            clock.arm(self, now)

    def _on_delivered(self) -> None:
        """Note that the client has received everything."""
        self._progress = None
        self._mark = self._outbox.sent
        if self.state not in PAUSED and self._record is not None:
            self._finish_record(self._record, self._outbox.sent)
        if self.state is State.DELIVER:
            self._transition(Event.DELIVERED)
        elif self.state is State.LINGER and self._has_client_finished():
            self.close()

    def _abort_stalled(self, timeout: float) -> None:
        """Reset a connection whose client has stopped receiving."""
        line = self._line
        log.warning(
            "client %s:%d received nothing for %g s of the response to %s: reset after %d bytes",
            self.client.ip,
            self.client.port,
            timeout,
            f"{line.method} {line.target}" if line else "a malformed request",
            self._acknowledged() - self._mark,
        )
        self._reset()

    def _acknowledged(self) -> int:
        """Return the number of bytes the client has received since the connection was opened."""
        return max(self._mark, self._handed_over() - unacknowledged(self.transport.socket))

    def _handed_over(self) -> int:
        """Return the number of bytes the kernel has taken since the connection was opened."""
        return self._outbox.sent - self.transport.waiting

    def _release_state(self) -> None:
        if self._request is not None:
            self._request.disconnected = True
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.give_up()
            self._report_unsent(deferred)
        outbox = self._outbox_in_use
        if self.transport.blocked or (outbox is not None and outbox.has_more):
            self._reset_on_close()  # a partial response must not look complete
        try:
            if outbox is not None:
                outbox.close()
        except BaseException as error:  # noqa: BLE001 - a stream's close() is the user's code
            self._report(error)
        if self._record is not None:
            self._finish_record(self._record, self._acknowledged())
        self._end_exchange()

    def _report_unsent(self, deferred: Deferred) -> None:
        """Report the failure of a deferred response whose client left before it was answered."""
        error = deferred.failure
        if error is not None and not isinstance(error, Abort):
            client = self.transport.socket
            self._context.dispatcher.notices.report(error, client, self._request, ends=False)

    def _on_closed(self) -> None:
        if self._connected:
            self._connected = False
            self._call("disconnect", self.client)
