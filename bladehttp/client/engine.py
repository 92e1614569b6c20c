"""Engine: one kept CurlMulti with one kept easy handle, driven by our own poll loop.

Why not ``perform()``: it delivers Ctrl-C only at its end, and libcurl's clock for silence has whole
seconds. A multi driven by `socket_action` costs about the same, is interrupted at once, and every
byte that moves passes our poll, which makes the clocks exact without a callback. Why not
``CurlMulti.select()``: it knows neither libcurl's timers nor descriptors >= 1024.

One thread uses an engine at a time (pool.py). An engine whose run was cut short by anything but
its own clocks is not ``sound`` and is closed, not kept.
"""

import select
from math import ceil, inf
from time import monotonic
from typing import NamedTuple

import pycurl

from bladehttp.client.handle import Handle

INTEREST = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
TROUBLE = select.POLLERR | select.POLLHUP | select.POLLNVAL

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

HALT = BaseException()
"""Why an engine halts when a callback has asked for it; never raised."""


class Engine(Handle):
    """A kept handle and what drives it, one transfer at a time."""

    __slots__ = ("_halted", "_multi", "_poll", "_timer")

    def __init__(self) -> None:
        super().__init__()
        self._timer: list[int] = []
        self._halted: BaseException | None = None
        self._poll = select.poll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._timer.append)  # no frame

    def run(self, silence: float, deadline: float) -> Outcome:
        """Run the transfer the handle is set up for.

        Args:
            silence: The longest time without a byte in either direction once connected, in seconds.
            deadline: When it must be over, in terms of `time.monotonic`.

        Raises:
            BaseException: Whatever a signal handler raises, KeyboardInterrupt first of all.
        """
        self.start()
        try:
            outcome = self.proceed(silence, deadline)
        finally:
            self.stop()
        self.sound = True
        return outcome or SUCCESS

    def start(self) -> None:
        """Begin the transfer the handle is set up for; `proceed` goes on with it."""
        self.sound = False
        self._timer.clear()
        self._multi.add_handle(self.curl)

    def stop(self) -> None:
        """End the transfer, at its end or before. Before, the engine is not sound any more."""
        self._multi.remove_handle(self.curl)

    def halt(self) -> None:
        """Have `proceed` return when libcurl does; for callbacks."""
        if self._halted is None:
            self._halted = HALT

    def proceed(self, silence: float, deadline: float) -> Outcome | None:
        """Go on with the transfer until its end, or until a callback calls `halt`: None then.

        The clock of silence starts anew: between two calls nobody waits for anything.

        Args:
            silence: As of `run`.
            deadline: As of `run`.

        Raises:
            BaseException: Whatever a signal handler raises.
        """
        if self._halted is HALT:
            self._halted = None
        outcome = self._drive(silence, deadline)
        if self._halted is not None and self._halted is not HALT:
            raise self._halted
        return outcome

    def _drive(self, silence: float, deadline: float) -> Outcome | None:
        now = last = monotonic()
        running, due = 1, now  # a new transfer, and one that was halted, begins with the timer
        while running and self._halted is None:
            if due <= now:
                due = inf
                running = self._tick()
            elif events := self._poll.poll(poll_time(now, min(due, last + silence, deadline))):
                last = monotonic()
                running = self._act(events)
            elif expired := self._expired(now, last + silence, deadline):
                return Outcome(expired=expired)
            elif now >= last + silence:
                last = now  # the time to connect is libcurl's to watch; ask again later
            now = monotonic()
            if self._timer:
                due = self._take_timer(now)
        return self._result() if self._halted is None else None

    def _tick(self) -> int:
        """Tell libcurl that its timer is due; return how many transfers are still running."""
        running: int = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)[1]
        if not self._timer:
            # It was too early: libcurl's clock (CLOCK_MONOTONIC_RAW) may run slower than ours. It
            # does not say again what it said already, and would never be called.
            self._timer.append(self._multi.timeout())
        return running

    def _act(self, events: list[tuple[int, int]]) -> int:
        """Tell libcurl of events; return how many transfers are still running."""
        running = 1
        for descriptor, event in events:
            running = self._multi.socket_action(descriptor, action(event))[1]
        return running

    def _take_timer(self, now: float) -> float:
        """Return when libcurl wants to be called, by the last it has said."""
        milliseconds = self._timer[-1]
        self._timer.clear()
        return inf if milliseconds < 0 else now + milliseconds / 1000

    def _expired(self, now: float, silent: float, deadline: float) -> str | None:
        """Return the clock that has run out, None if it is only libcurl's timer."""
        if now >= deadline:
            return TOTAL
        return RECEIVE if now >= silent and self._connected() else None

    def _connected(self) -> bool:
        # zero until the request is about to be sent; set again from zero for each transfer
        return bool(self.curl.getinfo(pycurl.PRETRANSFER_TIME))

    def _result(self) -> Outcome:
        failed = self._multi.info_read()[2]
        return Outcome(*failed[0][1:]) if failed else SUCCESS

    def _on_socket(self, what: int, descriptor: int, *_: object) -> None:
        # pycurl would print what is raised here and lose it: a Ctrl-C can arrive in any line
        try:
            if what == pycurl.POLL_REMOVE:
                self._poll.unregister(descriptor)
            else:
                self._poll.register(descriptor, INTEREST[what])
        except BaseException as error:  # noqa: BLE001 - raised again by the loop
            self._halted = error

    def close(self) -> None:
        """Close the connections and both handles."""
        super().close()
        self._multi.close()


def poll_time(now: float, until: float) -> int | None:
    """Return how long to poll, in milliseconds, None for ever; one that has begun counts whole."""
    return None if until == inf else max(0, ceil((until - now) * 1000))


def action(event: int) -> int:
    """Return what `socket_action` is told of a poll event."""
    if event == select.POLLIN:
        return int(pycurl.CSELECT_IN)  # nearly always
    return (
        (pycurl.CSELECT_IN if event & select.POLLIN else 0)
        | (pycurl.CSELECT_OUT if event & select.POLLOUT else 0)
        | (pycurl.CSELECT_ERR if event & TROUBLE else 0)
    )
