"""Progress of a client that takes an answer: whether it still reads, or has stopped.

A client is looked at `SAMPLES` times in each write_timeout. It has stopped when it has taken
nothing for that long and what it took before does not pay for a longer rest. That second rule
is for honest clients which do not read steadily:

- curl --limit-rate 100K reads a megabyte at once and rests for nine seconds.
- A client on another machine that reads 30 KB/s: its kernel takes 128 KB ahead and says nothing
  more until half of them are read, 4 seconds later. Nobody can tell it from one that has
  stopped by then.

Each byte pays for 1/`SLOWEST` of a second. Of a client on this machine the kernel knows what its
program has read, so one that reads nothing is found out at once.
"""

import socket

from bladehttp.server.send_queue import Peer, unacknowledged

SAMPLES = 16
"""How often a client is looked at in a write_timeout: how late its end can be noticed."""

SLOWEST = 6 * 1024
"""Bytes per second below which, on average, a client counts as stopped."""

UNPAID = 64 * 1024
"""Of a client on this machine the first bytes pay for nothing: one that stops at the beginning
of an answer is reset when its time is over."""

LONGEST_REST = 30
"""Most write_timeouts that are paid for: 60 s by default, nginx's send_timeout."""


class ClientProgress:
    """How much of an answer one client has taken, and since when it has taken nothing."""

    __slots__ = ("_paid_until", "_peer", "_since", "_socket", "_taken", "_timeout", "_unpaid")

    def __init__(self, sock: socket.socket, taken: int, since: float, timeout: float) -> None:
        """Begin.

        Args:
            sock: The connection's socket.
            taken: Bytes that the client had taken when the answer began.
            since: When it was last seen to take something, in seconds.
            timeout: Seconds it may take nothing.
        """
        self._socket = sock
        self._peer = Peer(sock)
        self._taken = taken
        self._since = self._paid_until = since
        self._timeout = timeout
        self._unpaid = 0 if self._peer.unread() is None else UNPAID

    def has_stopped(self, sent: int, now: float) -> bool:
        """Look at the client again.

        Args:
            sent: Bytes that were handed to the kernel so far.
            now: The time, in seconds.

        Returns:
            Whether it counts as gone.
        """
        taken = sent - self._left()
        if taken > self._taken:
            self._pay(taken - self._taken, now)
            self._since = now
            self._taken = taken  # never less: what is read and not acknowledged counts twice
        return now - self._since >= self._timeout and now >= self._paid_until

    def _left(self) -> int:
        """Return how many bytes were sent and not taken, as far as is known."""
        unread = self._peer.unread()
        if unread is None:
            return unacknowledged(self._socket)
        if self._socket.family == socket.AF_UNIX:  # what is sent is there at once
            return unread
        return unread + unacknowledged(self._socket)

    def _pay(self, count: int, now: float) -> None:
        free = min(self._unpaid, count)
        self._unpaid -= free
        paid_until = max(self._paid_until, self._since) + (count - free) / SLOWEST
        self._paid_until = min(paid_until, now + LONGEST_REST * self._timeout)
