"""StateMachine: applies the tables of `states` to a socket.

`states.TRANSITIONS` and `states.PLANS` say which state follows and which events and clocks belong
to it; this module sets them. It reads and writes nothing.
"""

import logging
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.reader import Request
from bladehttp._wire.request_line import RequestLine
from bladehttp.server._connection.context import ServerContext
from bladehttp.server._connection.outbox import StreamError
from bladehttp.server._connection.states import CLOSED, IDLE, PLANS, TRANSITIONS, Event, Plan, State
from bladehttp.server._net.loop import READ, WRITE
from bladehttp.server._net.send_queue import ClientProgress, has_left, unacknowledged
from bladehttp.server._net.transport import PlainTransport, Transport

log = logging.getLogger("bladehttp.server")

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0: close() sends RST, so no client takes the response as complete."""

LINGER_LEAST = 2.0
"""Seconds a connection lingers at the least, even if its place is needed."""

NO_PLAN = Plan(0)
"""The plan before the first state is applied."""


class StateMachine(ABC):
    """A client's socket on the loop, with the state of its connection.

    Attributes:
        begun: When the last request was complete, on the clock of the loop; 0 for one that never
            was.
        client: Address and certificate of the client.
        context: The state shared by the connections of one run.
        is_connected: Whether on_connect was called, so that on_disconnect must follow.
        line: The line of the last request that was answered, None before the first.
        lingers: Whether the client may still send bytes when the last response was sent.
        plan: The plan that is set: that of the state once a step is over.
        progress: How much the client has received; None unless the write clock has found it slow.
        request: The request being answered, while its content or its response takes time.
        state: The current state of `states`.
        transport: Moves bytes to and from the socket.
    """

    __slots__ = (
        "_interest",
        "begun",
        "client",
        "context",
        "is_connected",
        "line",
        "lingers",
        "plan",
        "progress",
        "request",
        "state",
        "transport",
    )

    def __init__(self, context: ServerContext, transport: Transport, client: ClientInfo) -> None:
        self.context: ServerContext = context
        self.transport: Transport = transport
        self.client: ClientInfo = client
        self.state: State = State.PROXY
        self.plan: Plan = NO_PLAN
        self._interest = 0
        self.progress: ClientProgress | None = None
        self.is_connected: bool = False
        self.request: HttpRequest | None = None
        self.line: RequestLine | None = None
        self.lingers: bool = True
        self.begun: float = 0.0

    @abstractmethod
    def on_ready(self, events: int) -> None:
        """Process the events the socket is ready for."""

    @abstractmethod
    def on_deadline(self, clock: str) -> None:
        """Handle the expiry of a clock."""

    @abstractmethod
    def close_when_done(self) -> None:
        """Close the connection as soon as no request is pending."""

    @abstractmethod
    def abort(self) -> None:
        """Close the connection now, with 503 if a request is unanswered."""

    @abstractmethod
    def reply(
        self, request: HttpRequest, response: HttpResponse, line: RequestLine, keep: bool
    ) -> bytes | None:
        """Return the whole response to a request, None if it goes another way."""

    @abstractmethod
    def go_on(self) -> None:
        """Everything was sent: continue with the requests received meanwhile."""

    @abstractmethod
    def _has_early_bytes(self) -> bool:
        """Whether bytes of a next request arrived before the current one was answered."""

    @abstractmethod
    def _awaits_delivery(self) -> bool:
        """Whether the delivery of the last response is still to be noticed."""

    @abstractmethod
    def _release_state(self) -> None:
        """Release resources on the transition to CLOSED, before the socket is closed."""

    def close(self) -> None:
        """Close the connection now, in any state. Closing twice is harmless."""
        if self.state is not CLOSED:
            self.transition(Event.LOST)

    def run_guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run a step and apply the new state; an exception ends this connection only."""
        try:
            step(*arguments)
            self.apply_state()
        except Exception as error:  # noqa: BLE001 - one connection's, not the loop's
            self.on_error(error)

    def on_error(self, error: Exception) -> None:
        if isinstance(error, OSError):
            log.debug("client %s left: %r", self.client.ip, error)
            self.close()
            return
        # Any other error is the stream's or the server's: close this connection only.
        self.report(error.reason if isinstance(error, StreamError) else error)
        self.reset()

    def call(self, kind: str, argument: object) -> None:
        """Call the one-argument callbacks of a kind."""
        dispatcher = self.context.dispatcher
        if dispatcher.callbacks[kind]:
            dispatcher.notices.call(kind, argument, self.transport.socket)
            self.context.loop.now = monotonic()  # callbacks may outlast a clock

    def report(self, error: BaseException) -> None:
        """Report an error that occurred while a response was being sent."""
        self.context.dispatcher.notices.report(error, self.transport.socket, self.request)

    def call_on_reply(self, request: HttpRequest, response: HttpResponse) -> None:
        """Call on_reply for a response that is queued."""
        self.context.dispatcher.notices.call_on_reply(request, response, self.transport.socket)
        self.context.loop.now = monotonic()

    def request_of(self, message: Request) -> HttpRequest:
        """Return the understood part of a request that no handler will answer."""
        context = self.context
        line, fields = message.line, message.fields
        request = HttpRequest.from_wire(line, fields, self.client, context.is_secure)
        if context.proxies is not None:
            context.proxies.apply(request)
        return request

    def close_request(self) -> None:
        """Release the request: it was answered."""
        request, self.request = self.request, None
        if request is not None:
            request.close()

    def has_client_finished(self) -> bool:
        """Whether the client will send no bytes that have to be discarded."""
        return self.transport.ended or not self.lingers

    def is_undelivered(self) -> bool:
        """Whether the client has not received all that was sent; False without a write clock."""
        if not self.context.clocks["write"].seconds:
            return False
        return unacknowledged(self.transport.socket) > 0

    def transition(self, event: Event) -> None:
        """Change the state by `TRANSITIONS`, and release everything when it is CLOSED."""
        self.state = state = TRANSITIONS[self.state][event]
        if state is CLOSED:
            self._release()

    def apply_state(self) -> None:
        """Set the events and clocks of the current state: once per event, after all transitions."""
        context, transport = self.context, self.transport
        if context.draining:
            self.close_when_done()
        if transport.socket.fileno() < 0:  # closed, maybe by a callback
            self.close()
            return
        plan = PLANS[self.state]
        if plan is not self.plan:
            plan = self._change_plan(plan)
        elif transport.progressed and plan.progress:
            context.clocks[plan.progress].arm(self, context.loop.now)
        transport.progressed = False
        interest = plan.interest
        if transport.blocked:
            interest |= WRITE
        if transport.ended or (plan.detects_disconnect and self._has_early_bytes()):
            interest &= ~READ
        if interest != self._interest or not interest:
            self._watch(interest)

    def _watch(self, interest: int) -> None:
        """Watch the socket for other events; one without any is looked at from time to time."""
        loop = self.context.loop
        if interest != self._interest:
            loop.watch(self.transport.socket, self._interest, interest, self.on_ready)
            self._interest = interest
        if not interest:
            self.context.clocks["unwatched"].arm(self, loop.now)

    def _change_plan(self, plan: Plan) -> Plan:
        """Switch to a plan; to that of DELIVER while the last response is undelivered."""
        if self.state is IDLE and self.plan.tracks_delivery and self._awaits_delivery():
            self.transition(Event.UNDELIVERED)
            plan = PLANS[self.state]
        self.change_clocks(plan)
        return plan

    def _watch_delivery(self, wanted: bool) -> None:
        """Start the write clock if it is not running, or stop it."""
        clock = self.context.clocks["write"]
        if not wanted:
            clock.disarm(self)
            self.progress = None
        elif self not in clock.waiting:
            clock.arm(self, self.context.loop.now)

    def _has_lingered(self) -> bool:
        """Whether the client has had time to read the last response."""
        clock = self.context.clocks["linger"]
        begun = clock.waiting.get(self, 0.0) - clock.seconds
        return self.context.loop.now - begun >= LINGER_LEAST

    def is_recyclable(self) -> bool:
        """Whether the connection may be closed for another: idle, delivered, no bytes waiting.

        A lingering connection may be, too, after its client had time to read the response.
        """
        if self.state is State.LINGER:
            return self._has_lingered() and not self.is_undelivered()
        return self.state is IDLE and not (self.has_arrived() or self.is_undelivered())

    def close_if_left(self) -> None:
        """Close for a client that has left while its socket was not watched."""
        if not self._interest and has_left(self.transport.socket):
            self.close()

    def postpone_close(self) -> None:
        """Stay open for a client that has not received all of the last response."""
        if self.state is IDLE:
            self.transition(Event.UNDELIVERED)
        else:
            self.context.clocks["silence"].arm(self, self.context.loop.now)

    def has_arrived(self) -> bool:
        """Whether received bytes are waiting in the kernel."""
        try:
            return bool(self.transport.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def change_clocks(self, plan: Plan) -> None:
        clocks, now = self.context.clocks, self.context.loop.now
        old = self.plan
        if plan.tracks_delivery or old.tracks_delivery:
            self._watch_delivery(plan.tracks_delivery)
        if old.progress and old.progress != plan.progress:
            clocks[old.progress].disarm(self)
        if plan.progress:
            clocks[plan.progress].arm(self, now)
        for name in old.absolute:
            if name not in plan.absolute:
                clocks[name].disarm(self)
        for name in plan.absolute:
            if name not in old.absolute:
                clocks[name].arm(self, now)
        self.plan = plan

    def _release(self) -> None:
        self.change_clocks(PLANS[State.CLOSED])
        if self._interest:
            self.context.loop.watch(self.transport.socket, self._interest, 0, self.on_ready)
            self._interest = 0
        try:
            self._release_state()
        finally:  # a BaseException ends the loop, which counts this connection as closed
            self.context.clocks["unwatched"].disarm(self)
            self.transport.close()
            self.context.remove(self)
            if self.is_connected:
                self.is_connected = False
                self.call("disconnect", self.client)

    def reset(self) -> None:
        """Close with RST, so that a partial response cannot look complete."""
        if self.state is not CLOSED:
            self.reset_on_close()
            self.close()

    def reset_on_close(self) -> None:
        """Make close() send RST, without TLS close_notify."""
        self.transport = PlainTransport(self.transport.socket)
        with suppress(OSError):  # closed by a callback
            self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
