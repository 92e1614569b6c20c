"""Multi: a CurlMulti and two ways to drive it.

All at once: ``CurlMulti.select()`` waits, and ``perform()`` looks at every transfer, without a line
of Python per transfer. That is cheapest where many are ready, but expensive where few of many are,
and select(2) cannot wait for descriptors from 1024 on. Then it switches to the second way for good.

One by one: libcurl reports the events that it awaits on each descriptor, and is told which
descriptors are ready. An event loop (`EventLoopDriver`) or poll(2) (`PollSet`) waits for them.
"""

import os
import select
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic, sleep
from typing import Any

import pycurl

from bladehttp.client._config.options import as_idle_time
from bladehttp.client._curl.engine import (
    ACTIONS,
    EARLY,
    INTEREST,
    LONGEST_POLL,
    SET_SIZE,
    poll_time,
)
from bladehttp.client._curl.pool import MultiCloser, make_multi


class PollSet:
    """Descriptors watched with poll(2).

    A kept connection is unwatched when a response has ended and watched again when the next request
    is sent, mostly before the next wait. So changes are collected, and poll(2) is told the
    difference.

    Attributes:
        change: Called with a descriptor and libcurl's interest in it.
    """

    __slots__ = ("_changes", "_poll", "_watched", "change")

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: dict[int, int] = {}
        self._changes: dict[int, int] = {}
        self.change = self._changes.__setitem__

    def wait(self, until: float) -> list[tuple[int, int]]:
        """Return the events that arrive until a time in terms of `time.monotonic`."""
        watched, changes = self._watched, self._changes
        for descriptor, interest in changes.items():
            if watched.get(descriptor, pycurl.POLL_REMOVE) == interest:
                continue
            if interest == pycurl.POLL_REMOVE:
                del watched[descriptor]
                self._poll.unregister(descriptor)
            else:
                watched[descriptor] = interest
                self._poll.register(descriptor, INTEREST[interest])
        changes.clear()
        return self._poll.poll(poll_time(monotonic(), until))


Watch = Callable[[int, int], None]
Events = list[tuple[int, int]]

FEW = 16
"""If fewer than one of so many transfers is ready, watching each descriptor is cheaper: a look at a
waiting transfer costs 1 us, two changes of interest and a call for a ready one 10."""

OFTEN = 32
"""Number of consecutive waits for which that must hold."""

NUDGE = 0.005
"""Longest time for which libcurl may forget a transfer of a shared connection, in seconds."""


class Multi:
    """A CurlMulti and its way of waiting.

    Attributes:
        found: Number of transfers that have ended since the last wait; the scheduler counts them.
        info_read: Returns the transfers that have ended.
        is_due: Whether libcurl must be called although its timer has not run out.
        nudge_at: When `nudge` is due, in terms of `time.monotonic`.
        remove: Removes an easy handle.
    """

    __slots__ = (
        "_broom",
        "_closing",
        "_error",
        "_in_vain",
        "_limit",
        "_multi",
        "_opened",
        "_perform",
        "_running",
        "_sockets",
        "_wait",
        "_watch",
        "found",
        "info_read",
        "is_due",
        "nudge_at",
        "remove",
    )  # fmt: skip

    _watch: Watch
    _perform: Callable[[], object]
    _wait: Callable[[float], Events]

    def __init__(self, running: Collection[Any]) -> None:
        """Create a multi that is driven all at once.

        Args:
            running: The easy handles that are added; the caller keeps them.
        """
        self.is_due = False
        self.nudge_at = inf
        self._running = running
        self._error: BaseException | None = None
        self._sockets: set[int] = set()
        self._broom: Any = None
        self._opened: dict[int, int] = {}  # descriptor -> number of the socket (inode)
        self.found = self._in_vain = 0
        self._limit: int | None = None
        self._multi = make_multi()
        self._closing = MultiCloser(self._multi)
        self._perform, self._wait = self._multi.perform, self._select
        self.info_read, self.remove = self._multi.info_read, self._multi.remove_handle

    def watch_with(self, watch: Watch) -> None:
        """Drive it by `handle_events` from now on; ``watch`` is called with libcurl's interests."""
        self._watch = watch
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._perform = partial(self._multi.socket_action, pycurl.SOCKET_TIMEOUT, 0)

    def limit(self, host_connections: int | None) -> None:
        """Set the most connections to one host; None for no limit."""
        if host_connections != self._limit:
            self._limit = host_connections
            self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, host_connections or 0)

    @property
    def is_limited(self) -> bool:
        """Whether the connections to one host are limited."""
        return self._limit is not None

    def add(self, curl: Any) -> None:
        """Add a transfer, which libcurl starts when it is called for its timers.

        It is ready at once, although libcurl often asks (`timeout`) to be called in a millisecond.
        """
        self._multi.add_handle(curl)
        self.is_due = True

    def abort(self, curl: Any) -> None:
        """Remove a transfer that has not succeeded."""
        self._multi.remove_handle(curl)
        self._closing.note(curl.getinfo)

    def restart(self, curl: Any) -> None:
        """Remove a transfer and add it again."""
        self._multi.remove_handle(curl)
        self.add(curl)

    def due(self) -> float:
        """Return when libcurl must be called, in terms of `time.monotonic`."""
        if self.is_due:
            return 0.0
        milliseconds = self._multi.timeout()
        due = inf if milliseconds < 0 else monotonic() + milliseconds / 1000
        return min(due, self.nudge_at)

    @property
    def must_perform(self) -> bool:
        """Whether `perform` is due now."""
        return self.is_due or self._multi.timeout() == 0

    def perform(self) -> None:
        """Call libcurl for its timers, or for every transfer."""
        self.is_due = False
        self._perform()

    def wait(self, until: float) -> Events:
        """Wait for an event or a time; for drivers without an event loop.

        Args:
            until: In terms of `time.monotonic`.

        Returns:
            Events for `handle_events`. Always empty while `select` waits: `perform` is due.
        """
        return self._wait(until)

    def _select(self, until: float) -> Events:
        now = monotonic()
        until = min(until, now + LONGEST_POLL)
        if until <= now:
            return []
        if not self._running:
            sleep(until - now)
            return []
        ready = self._multi.select(until - now)
        self.is_due = ready != 0
        if self._is_too_dear(ready) or (not ready and monotonic() < until - EARLY):
            self._change_to_poll()  # or select(2) found no descriptor in its range
        return []

    def _is_too_dear(self, ready: int) -> bool:
        """Whether, for some time, few of many transfers were ready or have ended."""
        found, self.found = max(ready, self.found), 0
        self._in_vain = self._in_vain + 1 if found * FEW < len(self._running) else 0
        return self._in_vain >= OFTEN

    def _change_to_poll(self, _: float = 0.0) -> Events:
        """Wait with poll(2) from now on."""
        watching = PollSet()
        self.watch_with(watching.change)
        self._wait = watching.wait
        self.is_due = True
        for curl in tuple(self._running):
            with suppress(pycurl.error):  # an error ends the transfer, which reports it
                curl.pause(pycurl.PAUSE_RECV)
                curl.pause(pycurl.PAUSE_CONT)  # makes libcurl report its descriptor
        return []

    def handle_events(self, events: Events) -> None:
        """Pass ready descriptors to libcurl, with the events of poll(2) or epoll(7)."""
        socket_action = self._multi.socket_action
        for descriptor, event in events:
            socket_action(descriptor, ACTIONS[event])

    def plan_nudge(self) -> None:
        """Schedule `nudge` if there are connections that carry several transfers."""
        if self.nudge_at == inf and 0 < len(self._sockets) < len(self._running):
            self.nudge_at = monotonic() + NUDGE

    def nudge(self) -> None:
        """Have libcurl run every transfer of every connection.

        Bytes that libcurl reads for another transfer of an HTTP/2 connection are buffered, and
        sometimes it fails to run that transfer (docs/decisions/0031). A needless call does no harm.
        """
        self.nudge_at = inf
        for descriptor in tuple(self._sockets):
            self._multi.socket_action(descriptor, 0)

    def raise_error(self) -> None:
        """Raise the exception that a callback has stored.

        Raises:
            BaseException: KeyboardInterrupt, for example, or an exception of ``watch``.
        """
        if self._error is not None:
            raise self._error

    def _on_socket(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        # pycurl prints and drops exceptions raised here
        try:
            if what == pycurl.POLL_REMOVE:
                self._sockets.discard(descriptor)
            else:
                self._sockets.add(descriptor)
            self._watch(descriptor, what)
        except BaseException as error:  # noqa: BLE001 - raised again by `raise_error`
            self._error = error

    @property
    def has_connections(self) -> bool:
        """Whether a connection is open, in use or idle."""
        self._opened = {
            descriptor: number
            for descriptor, number in self._opened.items()
            if inode_of(descriptor) == number
        }
        return bool(self._opened)

    def sweep(self, most: int | None, longest: int | None) -> None:
        """Close idle connections that exceed a limit or that the server has closed.

        libcurl does that when it looks for a connection, once a second at most. So it is given a
        transfer that fails at once: its server is a Unix socket that does not exist.

        Args:
            most: Number of connections that may stay; None for no limit.
            longest: Longest idle time, in milliseconds; None for no limit.
        """
        multi, broom = self._multi, self._broom
        if broom is None:
            broom = self._broom = pycurl.Curl()
            for option, value in SWEEP_OPTIONS:
                broom.setopt(option, value)
        for option, seconds in as_idle_time(longest):
            broom.setopt(option, seconds)
        if most is not None:
            multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, most + len(self._running) + 1)
        multi.add_handle(broom)
        self._perform()
        multi.remove_handle(broom)
        if most is not None:
            multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, 0)

    def note_descriptor(self, descriptor: int) -> None:
        """Record a descriptor that libcurl opens."""
        self._opened[descriptor] = inode_of(descriptor)
        if descriptor >= SET_SIZE and self._wait == self._select:
            self._wait = self._change_to_poll

    def store_error(self, error: BaseException) -> None:
        """Store an exception raised in a callback; `raise_error` raises it again."""
        self._error = error

    def close(self) -> None:
        """Close the connections."""
        if self._broom is not None:
            self._broom.close()
        self._closing.close()


SWEEP_OPTIONS = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROXY, ""),
    (pycurl.URL, "http://localhost/"),
    (pycurl.UNIX_SOCKET_PATH, "/nonexistent/bladehttp"),
)


def inode_of(descriptor: int) -> int:
    """Return the inode of a descriptor, which reveals a reused number; 0 if it is closed."""
    try:
        return os.fstat(descriptor).st_ino
    except (OSError, OverflowError):
        return 0
