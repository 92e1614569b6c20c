"""Engine: one kept CurlMulti with one kept easy handle, driven by our own loop.

The easy handle's ``perform()`` is not used: it handles Ctrl-C only at its end, and libcurl's
low-speed clock counts whole seconds. Here every transferred byte passes our wait, which a signal
interrupts at once and which makes the clocks exact without a callback.

The wait is ``CurlMulti.select()``: no line of Python is between libcurl and the kernel. select(2)
cannot wait for descriptors from 1024 on. libcurl reports each descriptor that it opens, and at the
first one that is too large the engine switches to poll(2) for good.

One thread uses an engine at a time (pool.py). An engine whose run was cut short by anything but its
own clocks is not ``is_reusable``: it is closed instead of kept.
"""

import select
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil
from time import monotonic
from typing import NamedTuple

import pycurl

from bladehttp.client._curl.body_sink import NO_SINK, BodySink
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.pool import MultiCloser, make_multi

INTEREST = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
TROUBLE = (0, select.POLLERR, select.POLLHUP, select.POLLERR | select.POLLHUP, select.POLLNVAL)

ACTIONS = {
    readable | writable | trouble: (
        (pycurl.CSELECT_IN if readable else 0)
        | (pycurl.CSELECT_OUT if writable else 0)
        | (pycurl.CSELECT_ERR if trouble else 0)
    )
    for readable in (0, select.POLLIN)
    for writable in (0, select.POLLOUT)
    for trouble in TROUBLE
}
"""Action flags for `socket_action` by the events of poll(2)."""

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

LONGEST_POLL = 0.5
"""Seconds. A signal that arrives between Python's last check and the wait does not interrupt the
wait, so a Ctrl-C would otherwise take until the next event."""

INTERRUPTED = -1
"""The result of a wait that was cut short."""

EARLY = 0.001
"""Seconds. A wait that ends earlier by more than this, with no descriptor ready, did not wait."""

SET_SIZE = 1024
"""FD_SETSIZE: the first descriptor that select(2) cannot wait for."""


class Engine(Handle):
    """A kept handle and the loop that drives it, one transfer at a time."""

    __slots__ = (
        "_add",
        "_closing",
        "_info_read",
        "_interruption",
        "_multi",
        "_perform",
        "_poll",
        "_remove",
        "_timeout",
        "_wait",
        "idle_since",
    )  # fmt: skip

    idle_since: float

    _perform: Callable[[], tuple[int, int]]  # runs the transfer; returns whether it still runs
    _wait: Callable[[float], int]  # waits up to so many seconds; returns the number ready

    def __init__(self) -> None:
        super().__init__()
        self._interruption: BaseException | None = None
        self._poll = select.poll()
        self._multi = multi = make_multi()
        self._closing = MultiCloser(multi)
        self._perform, self._wait = multi.perform, multi.select
        # looked up once: pycurl creates an object for a method at every look-up
        self._add, self._remove = multi.add_handle, multi.remove_handle
        self._timeout, self._info_read = multi.timeout, multi.info_read

    def run(self, receive_timeout_s: float, deadline: float) -> Outcome:
        """Run the transfer that the handle is set up for.

        Args:
            receive_timeout_s: Longest time without a byte in either direction once connected.
            deadline: When the transfer must be over, in terms of `time.monotonic`.

        Raises:
            BaseException: An exception of a signal handler, such as KeyboardInterrupt.
        """
        self.ended_cleanly = False
        self._add(self.curl)
        outcome = None
        try:
            outcome = self.step(receive_timeout_s, deadline, self.sink)
        finally:
            if self.opened:
                self.record_connections()
            self._remove(self.curl)
            if outcome is not SUCCESS:
                self._closing.note(self.getinfo)
        self.ended_cleanly = True
        return outcome or SUCCESS

    def start(self) -> None:
        """Start the transfer that the handle is set up for; `step` continues it."""
        self.ended_cleanly = False
        self._add(self.curl)

    def finish(self) -> None:
        """Remove the handle, at the end of the transfer or before; before, call it with care.

        A transfer that is removed before its end makes the engine not reusable.
        """
        if self.opened:
            self.record_connections()
        self._remove(self.curl)
        self._closing.note(self.getinfo)

    def interrupt(self) -> None:
        """Have `step` return when libcurl does; called by callbacks."""
        if self._interruption is None:
            self._interruption = INTERRUPT_REQUESTED

    def step(
        self, receive_timeout_s: float, deadline: float, sink: BodySink = NO_SINK
    ) -> Outcome | None:
        """Continue the transfer until its end, or until a callback calls `interrupt`: None then.

        The receive_timeout clock restarts: between two calls the peer is not waited for.

        Args:
            receive_timeout_s: See `run`.
            deadline: See `run`.
            sink: The sink of the body. When it is over, None is returned as well.

        Raises:
            BaseException: An exception of a signal handler.
        """
        if self._interruption is INTERRUPT_REQUESTED:
            self._interruption = None  # left over from an earlier transfer without content
        return self._drive(receive_timeout_s, deadline, sink)

    def ended(self) -> Outcome | None:
        """Return the outcome of the transfer, None if it has not ended."""
        _, done, failed = self._info_read()
        if failed:
            return Outcome(*failed[0][1:])
        return SUCCESS if done else None

    def _drive(self, receive_timeout_s: float, deadline: float, sink: BodySink) -> Outcome | None:
        """Run until the transfer ends or is interrupted, a clock runs out, or ``sink`` is over."""
        outcome, lines = None, sink.lines
        running = self._perform()[1]
        now = last = monotonic()
        while running and self._interruption is None and not (lines and sink.is_over()):
            until = min(now + self._longest_wait_s(), last + receive_timeout_s, deadline)
            ready = self._wait(until - now) if until > now else 0
            now = monotonic()
            if ready > 0:
                last = now
            elif expired := self._expired(now, last + receive_timeout_s, deadline):
                outcome = Outcome(expired=expired)
                break
            elif now >= last + receive_timeout_s:
                last = now  # libcurl watches the time to connect; check again later
            elif not ready and now < until - EARLY:
                self._change_to_poll(0)  # select(2) found no descriptor in its range
            running = self._perform()[1]
        if self._interruption is None:
            return outcome or self.ended()
        if self._interruption is not INTERRUPT_REQUESTED:
            raise self._interruption
        self._drain(running)
        return outcome

    def _drain(self, running: int) -> None:
        """After an interrupt, continue as long as bytes are ready without waiting."""
        for _ in range(MOST_TURNS):
            if not running or self._wait(0) <= 0:
                return
            running = self._perform()[1]

    def _longest_wait_s(self) -> float:
        """Return the longest wait that libcurl's timers allow, in seconds."""
        milliseconds = self._timeout()
        return milliseconds / 1000 if 0 <= milliseconds < LONGEST_POLL * 1000 else LONGEST_POLL

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
        while connection := connections.on_probation(origin):
            connection.wait()
        return connections.closes_after_response(origin)

    def _on_open(self, descriptor: int, purpose: int) -> int:
        if descriptor >= SET_SIZE and self._wait != self._poll_for:
            self._wait = self._change_to_poll
        return super()._on_open(descriptor, purpose)

    def _store_error(self, error: BaseException) -> None:
        self._interruption = error

    def _change_to_poll(self, _: float) -> int:
        """Wait with poll(2) from now on."""
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        with suppress(pycurl.error):  # an error ends the transfer, which reports it
            self.curl.pause(pycurl.PAUSE_RECV)
            self.curl.pause(pycurl.PAUSE_CONT)  # makes libcurl report its open descriptors
        self._perform = partial(self._multi.socket_action, pycurl.SOCKET_TIMEOUT, 0)
        self._wait = self._poll_for
        return INTERRUPTED

    def _poll_for(self, seconds: float) -> int:
        events = self._poll.poll(poll_time(0, seconds))
        for descriptor, event in events:
            self._multi.socket_action(descriptor, ACTIONS[event])
        return len(events)

    def _on_socket(self, what: int, descriptor: int, *_: object) -> None:
        try:  # as above
            if what == pycurl.POLL_REMOVE:
                self._poll.unregister(descriptor)
            else:
                self._poll.register(descriptor, INTEREST[what])
        except BaseException as error:  # noqa: BLE001 - raised again by the loop
            self._interruption = error

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
        self._closing.close()


def poll_time(now: float, until: float) -> int:
    """Return a timeout for poll(2) in milliseconds, rounded up."""
    return max(0, ceil(min(until - now, LONGEST_POLL) * 1000))
