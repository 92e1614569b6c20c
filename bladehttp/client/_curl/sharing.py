"""ConnectionSharing: which transfers of a `SharedMulti` wait to share the connection of another.

With CURLOPT_PIPEWAIT libcurl has all but the first transfer wait until it is known whether the
connection is HTTP/2: 48 k/s over one connection against 16 k/s over a hundred. But if it turns out
to be HTTP/1, libcurl has them wait for the whole of the first response. So the first transfer to a
new origin is watched, and as soon as it has a connection the others are restarted.
"""

import pycurl

from bladehttp.client._curl.connections import MULTIPLEXED
from bladehttp.client._curl.handle import Handle
from bladehttp.client._request.url import Origin


class ConnectionSharing:
    """The origins whose version is known, and the first transfer to each other one.

    Attributes:
        shared: Whether there is an origin whose connections may be shared.
    """

    __slots__ = ("_first", "_waits", "shared")

    def __init__(self) -> None:
        self.shared = False
        self._first: dict[Origin, Handle] = {}
        self._waits: dict[Origin, bool] = {}

    def join(self, handle: Handle, origin: Origin) -> bool:
        """Return whether a transfer waits. Without TLS no version is negotiated, and none waits."""
        if origin[0] != "https":
            return False
        self.shared = True
        waits = self._waits.get(origin)
        if waits is None:
            self._first.setdefault(origin, handle)
            return True
        return waits

    def multiplexes(self, origin: Origin) -> bool:
        """Whether connections to an origin are known to carry several requests at once."""
        return bool(self._waits) and origin in self._waits and self._waits[origin]

    def decided(self) -> list[Origin]:
        """Return the origins whose waiting transfers must not wait any longer."""
        if not self._first:
            return []
        connected = [
            origin for origin, each in self._first.items() if each.getinfo(pycurl.REQUEST_SIZE)
        ]
        return [origin for origin in connected if self._decide(origin)]

    def _decide(self, origin: Origin) -> bool:
        del self._first[origin]
        self._waits[origin] = False
        return True

    def leave(self, handle: Handle, origin: Origin) -> bool:
        """Learn from the end of a transfer over TLS; return whether others must stop waiting."""
        first = self._first.get(origin) is handle and self._decide(origin)
        if handle.has_opened or not self._waits.get(origin):  # a known connection stays as it is
            version = handle.getinfo(pycurl.INFO_HTTP_VERSION)
            if version:
                self._waits[origin] = version in MULTIPLEXED
        return first
