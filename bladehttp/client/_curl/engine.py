"""Engine: one kept CurlMulti with one kept easy handle, driven by our own loop.

Why not ``perform()`` of the easy handle: it delivers Ctrl-C only at its end, and libcurl's clock
for silence has whole seconds. Here every byte that moves passes our wait, which a signal
interrupts at once, and which makes the clocks exact without a callback.

The wait is ``CurlMulti.select()``: no line of Python is between libcurl and the kernel. select(2)
knows no descriptor of 1024 and more; libcurl tells of each it opens, and with the first one that
is too large the engine changes to poll(2), for good.

One thread uses an engine at a time (pool.py). An engine whose run was cut short by anything but
its own clocks is not ``is_reusable`` and is closed, not kept.
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
"""Events of poll, and what `socket_action` is told of them."""

RECEIVE = "receive_timeout"
TOTAL = "total_timeout"


class Outcome(NamedTuple):
    """How a transfer ended.

    Attributes:
        code: libcurl's error number, 0 for none.
        text: What it says about it.
        expired: The clock of ours that ran out: RECEIVE, TOTAL or None.
    """

    code: int = 0
    text: str = ""
    expired: str | None = None


SUCCESS = Outcome()

INTERRUPT_REQUESTED = BaseException()
"""Why an engine halts when a callback has asked for it; never raised."""


MOST_TURNS = 64
"""How often libcurl reads on after a `interrupt` at the most: a stream is read in large pieces."""

LONGEST_POLL = 0.5
"""Seconds. A signal that comes between Python's last look for one and the wait does not interrupt
it, and a Ctrl-C would wait for the server to say something."""

INTERRUPTED = -1
"""What a wait returns that was cut short."""

EARLY = 0.001
"""Seconds. A wait that ends sooner than it was told, and with nothing ready, did not wait."""

SET_SIZE = 1024
"""FD_SETSIZE: the first descriptor that select(2) cannot wait for."""


class Engine(Handle):
    """A kept handle and what drives it, one transfer at a time."""

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

    _perform: Callable[[], tuple[int, int]]  # runs the transfer, and says whether it still runs
    _wait: Callable[[float], int]  # waits for so many seconds, and says how many are ready

    def __init__(self) -> None:
        super().__init__()
        self._interruption: BaseException | None = None
        self._poll = select.poll()
        self._multi = multi = make_multi()
        self._closing = MultiCloser(multi)
        self._perform, self._wait = multi.perform, multi.select
        # looked up once, as pycurl makes an object for a method at every look-up
        self._add, self._remove = multi.add_handle, multi.remove_handle
        self._timeout, self._info_read = multi.timeout, multi.info_read

    def run(self, receive_timeout_s: float, deadline: float) -> Outcome:
        """Run the transfer the handle is set up for.

        Args:
            receive_timeout_s: Longest time without a byte in either direction once connected.
            deadline: When it must be over, in terms of `time.monotonic`.

        Raises:
            BaseException: Whatever a signal handler raises, KeyboardInterrupt first of all.
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
        """Begin the transfer the handle is set up for; `step` goes on with it."""
        self.ended_cleanly = False
        self._add(self.curl)

    def finish(self) -> None:
        """End the transfer, at its end or before. Before, the engine is not sound any more."""
        if self.opened:
            self.record_connections()
        self._remove(self.curl)
        self._closing.note(self.getinfo)

    def interrupt(self) -> None:
        """Have `step` return when libcurl does; for callbacks."""
        if self._interruption is None:
            self._interruption = INTERRUPT_REQUESTED

    def step(
        self, receive_timeout_s: float, deadline: float, sink: BodySink = NO_SINK
    ) -> Outcome | None:
        """Go on with the transfer until its end, or until a callback calls `interrupt`: None then.

        The clock of silence starts anew: between two calls nobody waits for anything.

        Args:
            receive_timeout_s: As of `run`.
            deadline: As of `run`.
            sink: Where the body goes. When it is over, None is returned as well.

        Raises:
            BaseException: Whatever a signal handler raises.
        """
        if self._interruption is INTERRUPT_REQUESTED:
            self._interruption = None  # maybe of the transfer before, a stream that had no content
        return self._drive(receive_timeout_s, deadline, sink)

    def ended(self) -> Outcome | None:
        """Return how the transfer has ended, None if it has not."""
        _, done, failed = self._info_read()
        if failed:
            return Outcome(*failed[0][1:])
        return SUCCESS if done else None

    def _drive(self, receive_timeout_s: float, deadline: float, sink: BodySink) -> Outcome | None:
        """Run until libcurl has done or is to halt, or a clock has run out, or ``sink`` is over."""
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
                last = now  # the time to connect is libcurl's to watch; ask again later
            elif not ready and now < until - EARLY:
                self._change_to_poll(0)  # select found no descriptor that it knows
            running = self._perform()[1]
        if self._interruption is None:
            return outcome or self.ended()
        if self._interruption is not INTERRUPT_REQUESTED:
            raise self._interruption
        self._drain(running)
        return outcome

    def _drain(self, running: int) -> None:
        """Go on, after a callback wanted to halt, as long as nothing has to be waited for."""
        for _ in range(MOST_TURNS):
            if not running or self._wait(0) <= 0:
                return
            running = self._perform()[1]

    def _longest_wait_s(self) -> float:
        """Return for how many seconds libcurl may be left alone where nothing happens."""
        milliseconds = self._timeout()
        return milliseconds / 1000 if 0 <= milliseconds < LONGEST_POLL * 1000 else LONGEST_POLL

    def _expired(self, now: float, silent: float, deadline: float) -> str | None:
        """Return the clock that has run out, None if it is only libcurl's timer."""
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
        """Wait by poll(2) from now on."""
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        with suppress(pycurl.error):  # what it met ends the transfer, which tells of it
            self.curl.pause(pycurl.PAUSE_RECV)
            self.curl.pause(pycurl.PAUSE_CONT)  # has libcurl tell of the descriptors there are
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

    def is_open(self, _: object = None) -> bool:
        """Whether the connection that was used last is still open, and nothing waits there."""
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
    """Return how long to poll, in milliseconds; one that has begun counts whole."""
    return max(0, ceil(min(until - now, LONGEST_POLL) * 1000))
