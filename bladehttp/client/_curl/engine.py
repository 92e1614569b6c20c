"""Engine: one kept `Multi` with one kept easy handle, driven by our own loop.

The easy handle's ``perform()`` is not used: it handles Ctrl-C only at its end, and libcurl's
low-speed clock counts whole seconds. Here every transferred byte passes our wait, which a signal
interrupts at once and which makes the clocks exact without a callback.

With the `SelectWaiter` no line of Python is between libcurl and the kernel. libcurl reports each
descriptor that it opens; at the first one that is too large for select(2) the `PollWaiter` takes
over for good.

One thread uses an engine at a time (pool.py). An engine whose run was cut short by anything but its
own clocks may not be kept: it is closed.
"""

import select
from time import monotonic
from typing import NamedTuple

import pycurl

from bladehttp.client._curl.body_sink import NO_SINK, BodySink
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.multi import EARLY, Multi
from bladehttp.client._curl.waiters import LONGEST_WAIT

LONGEST_WAIT_MS = LONGEST_WAIT * 1000

RECEIVE = "receive_timeout"
TOTAL = "total_timeout"


class Outcome(NamedTuple):
    """How a transfer ended.

    Attributes:
        code: libcurl's error number, 0 for success.
        text: libcurl's error message.
        expired: The clock of ours that ran out: RECEIVE, TOTAL or None.
    """

    code: int = 0
    text: str = ""
    expired: str | None = None


SUCCESS = Outcome()

INTERRUPT_REQUESTED = BaseException()
"""Sentinel: a callback asked `step` to return. Any other value is an exception to re-raise."""


MOST_TURNS = 64
"""Most reads after an `interrupt`, so that a stream delivers large chunks."""


class Engine(Handle):
    """A kept handle and the loop that drives it, one transfer at a time."""

    __slots__ = ("__weakref__", "idle_since", "is_inherited")

    idle_since: float

    def __init__(self) -> None:
        super().__init__(Multi())
        self.is_inherited = False
        self.multi.running = (self.curl,)

    def run(self, receive_timeout_s: float, deadline: float) -> Outcome:
        """Run the transfer that the handle is set up for.

        Args:
            receive_timeout_s: Longest time without a byte in either direction once connected.
            deadline: When the transfer must be over, in terms of `time.monotonic`.

        Raises:
            BaseException: An exception of a signal handler, such as KeyboardInterrupt.
        """
        multi = self.multi
        self.ended_cleanly = False
        multi.add(self.curl)
        outcome = None
        try:
            outcome = self._drive(receive_timeout_s, deadline, self.sink)
        finally:
            if self.opened:
                self.record_connections()
            multi.remove(self.curl)
            if outcome is not SUCCESS:
                multi.note_end(self.getinfo)
        self.ended_cleanly = True
        return outcome or SUCCESS

    def start(self) -> None:
        """Start the transfer that the handle is set up for; `step` continues it."""
        self.ended_cleanly = False
        self.multi.add(self.curl)

    def finish(self) -> None:
        """Remove the handle, at the end of the transfer or before; before, call it with care.

        A transfer that is removed before its end makes the engine not reusable.
        """
        if self.opened:
            self.record_connections()
        self.multi.abort(self.curl)
        self._forget_interrupt()  # one of a response without content

    def interrupt(self) -> None:
        """Have `step` return when libcurl does; called by callbacks."""
        if self.multi.interruption is None:
            self.multi.interrupt(INTERRUPT_REQUESTED)

    def _forget_interrupt(self) -> None:
        if self.multi.interruption is INTERRUPT_REQUESTED:
            self.multi.interruption = None

    def step(self, receive_timeout_s: float, deadline: float) -> Outcome | None:
        """Continue the transfer until its end, or until a callback calls `interrupt`: None then.

        The receive_timeout clock restarts: between two calls the peer is not waited for.

        Args:
            receive_timeout_s: See `run`.
            deadline: See `run`.

        Raises:
            BaseException: An exception of a signal handler.
        """
        self._forget_interrupt()
        return self._drive(receive_timeout_s, deadline, NO_SINK)

    def ended(self) -> Outcome | None:
        """Return the outcome of the transfer, None if it has not ended."""
        _, done, failed = self.multi.info_read()
        if failed:
            return Outcome(*failed[0][1:])
        return SUCCESS if done else None

    def _drive(self, receive_timeout_s: float, deadline: float, sink: BodySink) -> Outcome | None:
        """Run until the transfer ends or is interrupted, a clock runs out, or ``sink`` is over."""
        multi, outcome, lines = self.multi, None, sink.lines
        running = multi.perform()[1]
        now = last = monotonic()
        while running and multi.interruption is None and not (lines and sink.is_over()):
            until = self._wait_until(now, last + receive_timeout_s, deadline)
            ready = multi.wait(until - now) if until > now else 0
            now = monotonic()
            if ready > 0:
                last = now
            elif expired := self._expired(now, last + receive_timeout_s, deadline):
                outcome = Outcome(expired=expired)
                break
            elif now >= last + receive_timeout_s:
                last = now  # libcurl watches the time to connect; check again later
            elif not ready and now < until - EARLY:
                multi.change_to_poll()  # select(2) found no descriptor in its range
            running = multi.perform()[1]
        if multi.interruption is None:
            return outcome or self.ended()
        if multi.interruption is not INTERRUPT_REQUESTED:
            raise multi.interruption
        self._drain(running)
        return outcome

    def _drain(self, running: int) -> None:
        """After an interrupt, continue as long as bytes are ready without waiting."""
        multi = self.multi
        for _ in range(MOST_TURNS):
            if not running or multi.wait(0) <= 0:
                return
            running = multi.perform()[1]

    def _wait_until(self, now: float, silent: float, deadline: float) -> float:
        """Return when to stop waiting: the first of libcurl's timers and our clocks."""
        milliseconds = self.multi.timeout()
        until = now + (milliseconds / 1000 if 0 <= milliseconds < LONGEST_WAIT_MS else LONGEST_WAIT)
        if silent < until:  # noqa: PLR1730 - min() costs ten times as much
            until = silent
        if deadline < until:  # noqa: PLR1730
            until = deadline
        return until

    def _expired(self, now: float, silent: float, deadline: float) -> str | None:
        """Return the clock that has run out, None if only libcurl's timer has."""
        if now >= deadline:
            return TOTAL
        return RECEIVE if now >= silent and self._connected() else None

    def _connected(self) -> bool:
        # zero until the request is about to be sent; set again from zero for each transfer
        return bool(self.getinfo(pycurl.PRETRANSFER_TIME))

    def forget_closed(self) -> None:
        self.connections.forget_closed()

    def await_probation(self, origin: object) -> bool:
        connections = self.connections
        if connections.keeps(origin):
            return False  # nearly always
        while connection := connections.on_probation(origin):
            connection.wait()
        return connections.closes_after_response(origin)

    def is_open(self, limits: object = None) -> bool:  # noqa: ARG002 - of `Kept`
        """Whether the last used connection is still open and has no bytes to read."""
        descriptor = self.getinfo(pycurl.ACTIVESOCKET)
        if descriptor < 0:
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the connections and both handles."""
        super().close()
        self.multi.close()
