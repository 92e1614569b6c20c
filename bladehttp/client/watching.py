"""Watching: the descriptors of a crowd that has no event loop, watched by poll(2)."""

import select
from time import monotonic

import pycurl

from bladehttp.client.engine import INTEREST, poll_time


class Watching:
    """Descriptors, watched by poll(2).

    A connection that is kept is watched no more when a response has ended, and again when the next
    request is sent, which mostly is before the next wait. poll(2) is told what is different then.

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
        """Return the events that have come by a time, in terms of `time.monotonic`."""
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
