"""Sweeper: closes idle connections of a `SharedMulti`."""

import os
from typing import Any

import pycurl

from bladehttp.client._config.options import as_idle_time
from bladehttp.client._curl.multi import Multi

SWEEP_OPTIONS = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROXY, ""),
    (pycurl.URL, "http://localhost/"),
    (pycurl.UNIX_SOCKET_PATH, "/nonexistent/bladehttp"),
)


class Sweeper:
    """Closes the idle connections of one multi that exceed a limit or that the server has closed.

    libcurl does that when it looks for a connection, once a second at most. So it is given a
    transfer that fails at once: its server is a Unix socket that does not exist.
    """

    __slots__ = ("_broom", "_multi", "_opened")

    def __init__(self, multi: Multi) -> None:
        """Create the sweeper of a multi."""
        self._multi = multi
        self._broom: Any = None
        self._opened: dict[int, int] = {}  # descriptor -> number of the socket (inode)

    def note_descriptor(self, descriptor: int) -> None:
        """Record a descriptor that libcurl opens."""
        self._opened[descriptor] = inode_of(descriptor)

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
            multi.set_most_connections(most + len(multi.running) + 1)
        multi.add(broom)
        multi.perform()
        multi.remove(broom)
        if most is not None:
            multi.set_most_connections(0)

    def close(self) -> None:
        """Close the handle that sweeps."""
        if self._broom is not None:
            self._broom.close()


def inode_of(descriptor: int) -> int:
    """Return the inode of a descriptor, which reveals a reused number; 0 if it is closed."""
    try:
        return os.fstat(descriptor).st_ino
    except (OSError, OverflowError):
        return 0
