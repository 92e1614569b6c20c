"""Sharing: which transfers of a crowd wait for the connection of another, to share it.

With CURLOPT_PIPEWAIT libcurl lets all but the first wait until it is known whether the connection
is HTTP/2: 48 k/s over one connection against 16 k/s over a hundred. But where it turns out
to be HTTP/1 libcurl lets them wait on, for the whole of the first response. So the first to a
new origin is watched, and as soon as it has a connection the others are begun anew.
"""

from typing import Any

import pycurl

from bladehttp.client.connections import MULTIPLEXED

Origin = tuple[str, str, int]


class Sharing:
    """What is known of the origins, and the transfers that are first at one.

    Attributes:
        shared: Whether there is an origin whose connections may be shared.
    """

    __slots__ = ("_first", "_waits", "shared")

    def __init__(self) -> None:
        self.shared = False
        self._first: dict[Origin, Any] = {}
        self._waits: dict[Origin, bool] = {}

    def join(self, curl: Any, origin: Origin) -> bool:
        """Return whether a transfer waits. Without TLS nothing is agreed on, and none does."""
        if origin[0] != "https":
            return False
        self.shared = True
        waits = self._waits.get(origin, True)
        if waits and origin not in self._waits:
            self._first.setdefault(origin, curl)
        return waits

    def multiplexes(self, origin: Origin) -> bool:
        """Whether the connections to an origin are known to carry many requests at once."""
        return bool(self._waits) and origin in self._waits and self._waits[origin]

    def decided(self) -> list[Origin]:
        """Return the origins for which those that wait are to wait no more."""
        if not self._first:
            return []
        connected = [
            origin for origin, curl in self._first.items() if curl.getinfo(pycurl.REQUEST_SIZE)
        ]
        return [origin for origin in connected if self._decide(origin)]

    def _decide(self, origin: Origin) -> bool:
        del self._first[origin]
        self._waits[origin] = False
        return True

    def leave(self, curl: Any, origin: Origin) -> bool:
        """Learn from the end of one over TLS; whether those that wait are to wait no more."""
        version = curl.getinfo(pycurl.INFO_HTTP_VERSION)
        first = self._first.get(origin) is curl and self._decide(origin)
        if version:
            self._waits[origin] = version in MULTIPLEXED
        return first
