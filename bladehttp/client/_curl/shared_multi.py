"""SharedMulti: a CurlMulti that carries many transfers, driven by a `Scheduler`."""

from collections.abc import Callable
from math import inf
from time import monotonic, sleep
from typing import Any

import pycurl

from bladehttp.client._curl.multi import EARLY, Multi
from bladehttp.client._curl.waiters import LONGEST_WAIT, Events

FEW = 16
"""If fewer than one of so many transfers is ready, watching each descriptor is cheaper: a look at a
waiting transfer costs 1 us, two changes of interest and a call for a ready one 10."""

OFTEN = 32
"""Number of consecutive waits for which that must hold."""

NUDGE = 0.005
"""Longest time for which libcurl may forget a transfer of a shared connection, in seconds."""


class SharedMulti(Multi):
    """A CurlMulti that carries many transfers.

    Attributes:
        before_events, after_events: Called before and after libcurl is told of ready descriptors.
        found: Number of transfers that have ended since the last wait; the scheduler counts them.
        is_due: Whether libcurl must be called although its timer has not run out.
        nudge_at: When `nudge` is due, in terms of `time.monotonic`.
    """

    __slots__ = (
        "_in_vain",
        "_limit",
        "after_events",
        "before_events",
        "found",
        "is_due",
        "nudge_at",
    )  # fmt: skip

    before_events: Callable[[], None]
    after_events: Callable[[], None]
    _handle_events = Multi.handle_events  # super() takes as long as it does

    def __init__(self) -> None:
        super().__init__()
        self.is_due = False
        self.nudge_at = inf
        self.found = self._in_vain = 0
        self._limit: int | None = None

    def limit(self, host_connections: int | None) -> None:
        """Set the most connections to one host; None for no limit."""
        if host_connections != self._limit:
            self._limit = host_connections
            self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, host_connections or 0)

    @property
    def is_limited(self) -> bool:
        """Whether the connections to one host are limited."""
        return self._limit is not None

    def start(self, curl: Any) -> None:
        """Start a transfer.

        It is ready at once, although libcurl often asks (`timeout`) to be called in a millisecond.
        """
        self.add(curl)
        self.is_due = True

    def restart(self, curl: Any) -> None:
        """Remove a transfer and start it again."""
        self.remove(curl)
        self.start(curl)

    def due(self) -> float:
        """Return when libcurl must be called, in terms of `time.monotonic`."""
        if self.is_due:
            return 0.0
        milliseconds = self.timeout()
        due = inf if milliseconds < 0 else monotonic() + milliseconds / 1000
        return min(due, self.nudge_at)

    @property
    def must_perform(self) -> bool:
        """Whether `perform` is due now."""
        return self.is_due or self.timeout() == 0

    def wait_until(self, until: float) -> None:
        """Wait for an event or a time in terms of `time.monotonic`, LONGEST_WAIT at most."""
        seconds = max(0.0, min(until - monotonic(), LONGEST_WAIT))
        if not self.selects:
            self.wait(seconds)
        elif seconds:
            self._select(seconds)

    def _select(self, seconds: float) -> None:
        if not self.running:
            sleep(seconds)
            return
        until = monotonic() + seconds
        ready = self.wait(seconds)
        if not self.selects:
            return
        self.is_due = ready != 0
        if self._is_too_expensive(ready) or (not ready and monotonic() < until - EARLY):
            self.change_to_poll()  # or select(2) found no descriptor in its range

    def _is_too_expensive(self, ready: int) -> bool:
        """Whether, for some time, few of many transfers were ready or have ended."""
        found, self.found = max(ready, self.found), 0
        self._in_vain = self._in_vain + 1 if found * FEW < len(self.running) else 0
        return self._in_vain >= OFTEN

    def change_to_poll(self, _: float = 0.0) -> int:
        self.is_due = True
        return super().change_to_poll()

    def handle_events(self, events: Events) -> None:
        self.before_events()
        self._handle_events(events)
        self.after_events()

    def plan_nudge(self) -> None:
        """Schedule `nudge` if there are connections that carry several transfers."""
        if self.nudge_at == inf and 0 < len(self.waiter.watched) < len(self.running):
            self.nudge_at = monotonic() + NUDGE

    def nudge(self) -> None:
        """Have libcurl run every transfer of every connection.

        Bytes that libcurl reads for another transfer of an HTTP/2 connection are buffered, and
        sometimes it fails to run that transfer (docs/decisions/0031). A needless call does no harm.
        """
        self.nudge_at = inf
        for descriptor in tuple(self.waiter.watched):
            self._multi.socket_action(descriptor, 0)

    def raise_interruption(self) -> None:
        """Raise the exception that a callback has stored.

        Raises:
            BaseException: KeyboardInterrupt, for example, or an exception of the waiter.
        """
        if self.interruption is not None:
            raise self.interruption
