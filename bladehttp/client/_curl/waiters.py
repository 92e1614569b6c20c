"""Waiters: three ways to wait for the transfers of a CurlMulti. A `Multi` has one at a time.

================  ==========================================================================
`SelectWaiter`    ``CurlMulti.select()`` waits and ``perform()`` looks at every transfer,
                  without a line of Python per transfer. Cheapest for one transfer, and where
                  many of many are ready. Expensive where few of many are, and select(2)
                  cannot wait for descriptors from SET_SIZE on.
`PollWaiter`      libcurl reports the events that it awaits on each descriptor, poll(2) waits
                  for them, and libcurl is told which descriptors are ready.
`LoopWaiter`      The same on asyncio's event loop (_asyncio/waiter.py), which waits in
                  place of `wait`.
================  ==========================================================================

The first changes to the second for good where it is not fit.
"""

import select
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import partial
from math import ceil
from typing import Any, Protocol

import pycurl

from bladehttp.client._curl.callbacks import storing_errors

Events = list[tuple[int, int]]
"""Descriptors that are ready and their events, of poll(2) or epoll(7)."""

INTEREST = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
"""Events of poll(2) by libcurl's interest in a descriptor (CURL_POLL_)."""

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

POLL_REMOVE = pycurl.POLL_REMOVE  # once: an attribute of a module costs more than a global

LONGEST_WAIT = 0.5
"""Seconds. A signal that arrives between Python's last check and the wait does not interrupt the
wait, so a Ctrl-C would otherwise take until the next event."""

SET_SIZE = 1024
"""FD_SETSIZE: the first descriptor that select(2) cannot wait for."""


class Waiter(Protocol):
    """A way to wait.

    Attributes:
        watched: The descriptors that libcurl waits for; empty if these are not known.
    """

    @property
    def watched(self) -> Collection[int]: ...
    def perform(self) -> tuple[int, int]:
        """Run the transfers whose timer has run out.

        If the waiter cannot tell which descriptors are ready, run all others too.

        Returns:
            libcurl's code, and the number of transfers that have not ended.
        """
        raise NotImplementedError

    def wait(self, seconds: float, /) -> int:
        """Wait until a descriptor is ready, and return the number ready.

        libcurl has been told of them if they are known one by one; else `perform` is due.
        """
        raise NotImplementedError


class SelectWaiter:
    """Wait with select(2), in libcurl's own code."""

    watched: Collection[int] = ()

    def __init__(self, multi: Any) -> None:
        """Create the waiter of a CurlMulti."""
        # looked up once: pycurl creates an object for a method at every look-up
        self.perform: Callable[[], tuple[int, int]] = multi.perform
        self.wait: Callable[[float], int] = multi.select


class SocketWaiter(ABC):
    """A waiter that libcurl reports each descriptor to. CURLMOPT_SOCKETFUNCTION.

    Attributes:
        watched: The descriptors that libcurl waits for, and the interest in each (CURL_POLL_).
    """

    __slots__ = ("_on_events", "_run_timers", "watched")

    _on_events: Callable[[Events], None]
    _run_timers: Callable[[], tuple[int, int]]

    def __init__(self) -> None:
        self.watched: dict[int, int] = {}

    def attach(
        self,
        multi: Any,
        handle: Callable[[Events], None],
        store: Callable[[BaseException], None],
    ) -> None:
        """Have a CurlMulti report its descriptors from now on.

        Args:
            multi: The CurlMulti.
            handle: Called with the events of ready descriptors.
            store: Called with an exception of `watch`.
        """
        self._on_events = handle
        multi.setopt(pycurl.M_SOCKETFUNCTION, storing_errors(self.note, store))
        self._run_timers = partial(multi.socket_action, pycurl.SOCKET_TIMEOUT, 0)

    def note(self, interest: int, descriptor: int, *_: object) -> None:
        """Note libcurl's interest in a descriptor. CURLMOPT_SOCKETFUNCTION."""
        watched = self.watched
        is_new = descriptor not in watched
        if interest != POLL_REMOVE:
            watched[descriptor] = interest
        elif not is_new:
            del watched[descriptor]
        self.watch(descriptor, interest, is_new)

    @abstractmethod
    def watch(self, descriptor: int, interest: int, is_new: bool) -> None:
        """Have a descriptor watched for another interest (CURL_POLL_).

        Args:
            descriptor: The descriptor.
            interest: The interest; POLL_REMOVE for none any more.
            is_new: Whether it was not watched before.
        """

    @abstractmethod
    def poll(self, seconds: float) -> Events:
        """Return the events that arrive within some seconds."""

    def perform(self) -> tuple[int, int]:
        """Run the transfers whose timer has run out; see `Waiter`."""
        return self._run_timers()

    def wait(self, seconds: float) -> int:
        """Wait until a descriptor is ready, and tell libcurl; see `Waiter`."""
        events = self.poll(seconds)
        if events:
            self._on_events(events)
        return len(events)


class PollWaiter(SocketWaiter):
    """Wait with poll(2).

    A kept connection is unwatched when a response has ended and watched again when the next request
    is sent, mostly before the next wait. So changes are collected, and poll(2) is told the
    difference.
    """

    __slots__ = ("_changed", "_poll", "_registered")

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.poll()
        self._registered: dict[int, int] = {}
        self._changed: dict[int, int] = {}

    def watch(self, descriptor: int, interest: int, is_new: bool) -> None:  # noqa: ARG002
        self._changed[descriptor] = interest

    def poll(self, seconds: float) -> Events:
        registered = self._registered
        for descriptor, interest in self._changed.items():
            if registered.get(descriptor, POLL_REMOVE) == interest:
                continue
            if interest == POLL_REMOVE:
                del registered[descriptor]
                self._poll.unregister(descriptor)
            else:
                registered[descriptor] = interest
                self._poll.register(descriptor, INTEREST[interest])
        self._changed.clear()
        # rounded up: a wait that is too short would not have waited
        return self._poll.poll(max(0, ceil(min(seconds, LONGEST_WAIT) * 1000)))
