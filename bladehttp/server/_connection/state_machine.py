"""Watched: a socket whose interest and clocks follow its state. It knows nothing of requests.

What may happen when is in the tables of `states`; here they are carried out.
"""

import logging
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from bladehttp._message.request import ClientInfo, HttpRequest
from bladehttp.server._connection.context import ServerContext
from bladehttp.server._connection.outbox import StreamError
from bladehttp.server._connection.states import CLOSED, IDLE, PLANS, TRANSITIONS, Event, Plan, State
from bladehttp.server._net.loop import READ, WRITE
from bladehttp.server._net.send_queue import ClientProgress
from bladehttp.server._net.transport import PlainTransport, Transport

log = logging.getLogger("bladehttp.server")

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER, on with no time: close sends RST, which no client takes for a complete body."""

NO_PLAN = Plan(0)
"""Before the first state is settled in."""


class StateMachine(ABC):
    """One client's socket on the loop.

    Attributes:
        state: Where it is in the tables of `states`.
        transport: What it is reached by.
        client: Whose it is.
    """

    __slots__ = (
        "_context",
        "_interest",
        "_plan",
        "_progress",
        "client",
        "state",
        "transport",
    )

    def __init__(self, context: ServerContext, transport: Transport, client: ClientInfo) -> None:
        self._context = context
        self.transport = transport
        self.client = client
        self.state = State.PROXY
        self._plan = NO_PLAN
        self._interest = 0
        self._progress: ClientProgress | None = None  # while it is looked at

    @abstractmethod
    def on_ready(self, events: int) -> None:
        """Serve what the socket is ready for."""

    @abstractmethod
    def on_deadline(self, clock: str) -> None:
        """Give up what a clock that has run out stands for."""

    @abstractmethod
    def close_when_done(self) -> None:
        """End it as soon as nothing is asked and nothing answered."""

    @abstractmethod
    def is_recyclable(self) -> bool:
        """Whether it may be closed for another: nothing is asked, answered, or on its way here."""

    @abstractmethod
    def abort(self) -> None:
        """End it now, with 503 if it has asked and got no answer."""

    @abstractmethod
    def _current_request(self) -> HttpRequest | None:
        """Return the request that is being answered, None for none."""

    @abstractmethod
    def _has_early_bytes(self) -> bool:
        """Whether something has come that is not to be looked at now."""

    @abstractmethod
    def _is_undelivered(self) -> bool:
        """Whether the client has not taken all that was sent."""

    @abstractmethod
    def _release_state(self) -> None:
        """Release what belongs to the state that has just become CLOSED; the socket is next."""

    @abstractmethod
    def _on_closed(self) -> None:
        """The socket is closed."""

    def close(self) -> None:
        """End it now, whatever it is doing. Again does no harm."""
        if self.state is not CLOSED:
            self._transition(Event.LOST)

    def _run_guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run one step and settle in the new state, so that nothing it meets goes further."""
        try:
            step(*arguments)
            self._apply_state()
        except Exception as error:  # noqa: BLE001 - one connection's, not the loop's
            self._on_error(error)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, OSError):
            log.debug("client %s left: %r", self.client.ip, error)
            self.close()
            return
        # Else a stream's fault, or ours: it ends this connection.
        self._report(error.reason if isinstance(error, StreamError) else error)
        self._reset()

    def _call(self, kind: str, argument: object, request: HttpRequest | None = None) -> None:
        """Call the callbacks of a kind that takes one argument, if there are any."""
        dispatcher = self._context.dispatcher
        if dispatcher.callbacks[kind]:
            dispatcher.call(kind, argument, self.transport.socket, request)
            self._context.loop.now = monotonic()  # they may take longer than a clock runs

    def _report(self, error: BaseException) -> None:
        """Report an error that happened while the answer to a request was being sent, or none."""
        self._context.dispatcher.report(error, self.transport.socket, self._current_request())

    def _transition(self, event: Event) -> None:
        """Change the state as the table says. The only place where it changes."""
        self.state = state = TRANSITIONS[self.state][event]
        if state is CLOSED:
            self._release()

    def _apply_state(self) -> None:
        """Make interest and clocks those of the state: once an event, however many changes."""
        context, transport = self._context, self.transport
        if context.draining:
            self.close_when_done()
        if transport.socket.fileno() < 0:  # closed, maybe by a callback
            self.close()
            return
        plan = PLANS[self.state]
        if plan is not self._plan:
            plan = self._change_plan(plan)
        elif transport.progressed and plan.progress:
            context.clocks[plan.progress].arm(self, context.loop.now)
        transport.progressed = False
        interest = plan.interest
        if transport.blocked:
            interest |= WRITE
        if transport.ended or (plan.detects_disconnect and self._has_early_bytes()):
            interest &= ~READ
        if interest != self._interest:
            context.loop.watch(transport.socket, self._interest, interest, self.on_ready)
            self._interest = interest

    def _change_plan(self, plan: Plan) -> Plan:
        """Take up what the state asks for, or what it does while something is not delivered."""
        if self.state is IDLE and self._plan.tracks_delivery and self._is_undelivered():
            self._transition(Event.UNDELIVERED)
            plan = PLANS[self.state]
        self._change_clocks(plan)
        return plan

    def _watch_delivery(self, wanted: bool) -> None:
        """Have the write clock run, if it does not, or stop it."""
        clock = self._context.clocks["write"]
        if not wanted:
            clock.disarm(self)
            self._progress = None
        elif self not in clock.waiting:
            clock.arm(self, self._context.loop.now)

    def _change_clocks(self, plan: Plan) -> None:
        clocks, now = self._context.clocks, self._context.loop.now
        old = self._plan
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
        self._plan = plan

    def _release(self) -> None:
        self._change_clocks(PLANS[State.CLOSED])
        if self._interest:
            self._context.loop.watch(self.transport.socket, self._interest, 0, self.on_ready)
            self._interest = 0
        try:
            self._release_state()
        finally:  # what is no Exception ends the loop, which takes this one for closed
            self.transport.close()
            self._context.remove(self)
            self._on_closed()

    def _reset(self) -> None:
        """Close so that the client cannot take what it has for the whole."""
        if self.state is not CLOSED:
            self._reset_on_close()
            self.close()

    def _reset_on_close(self) -> None:
        """Make closing a reset, and without close_notify."""
        self.transport = PlainTransport(self.transport.socket)
        with suppress(OSError):  # closed by a callback
            self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
