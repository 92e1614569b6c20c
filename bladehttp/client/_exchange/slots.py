"""Places: how many requests are under way at once, and whose is next.

A request has a place from its start to its end. Those that find none wait in a queue for each host
(origin), and the hosts take turns. A host at its own limit (``max_host_connections``) delays its
own requests only. Nor does a host that is dead or slow delay the others: where the hosts that hold
more than their share of the places have given none back for STALL seconds, each of the others may
hold a share beyond the limit, and all of them together no more than as many again.

A share is the number of places divided by the number of hosts: with fewer places than hosts, one
place above all, nobody has a share, and the order is all there is.

Nothing here knows a clock, an event loop or libcurl. turns.py runs it on asyncio, batch.py for
`HttpClient.send_many`.

ConnectionSharing: which transfers of a crowd wait for the connection of another, to share it.

With CURLOPT_PIPEWAIT libcurl lets all but the first wait until it is known whether the connection
is HTTP/2: 48 k/s over one connection against 16 k/s over a hundred. But where it turns out
to be HTTP/1 libcurl lets them wait on, for the whole of the first response. So the first to a
new origin is watched, and as soon as it has a connection the others are begun anew.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pycurl

from bladehttp.client._curl.connections import MULTIPLEXED
from bladehttp.client._exchange.exchange import Exchange

Origin = tuple[str, str, int]


class ConnectionSharing:
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


STALL = 0.1
"""Seconds after which a host that has given no place back stands still."""

LimitOf = Callable[[Exchange], int | None]


class Host:
    """The requests to one host.

    Attributes:
        origin: The host.
        held: How many have a place.
        since: When one of them last got or gave back a place while it stood still otherwise.
        waiting: Those that wait for one, in order; the values mean nothing.
    """

    __slots__ = ("held", "origin", "since", "waiting")

    def __init__(self, origin: Origin, now: float) -> None:
        self.origin = origin
        self.held = 0
        self.since = now
        self.waiting: OrderedDict[Exchange, None] = OrderedDict()


class Slots:
    """The places of one client, or of one `send_many`.

    Attributes:
        most: How many there are.
        taken: How many are taken.
    """

    __slots__ = ("_holders", "_hosts", "_limit_of", "_queue", "most", "taken")

    def __init__(self, most: int, limit_of: LimitOf) -> None:
        """Make them.

        Args:
            most: How many there are.
            limit_of: Returns the most places that the host of a request may hold, None for any.
        """
        self.most = most
        self.taken = 0
        self._limit_of = limit_of
        self._hosts: dict[Origin, Host] = {}
        # the hosts with requests that wait, the next one first
        self._queue: OrderedDict[Host, None] = OrderedDict()
        self._holders: dict[Exchange, Host] = {}

    def enter(self, exchange: Exchange, now: float) -> bool:
        """Give a request a place if there is one for it; else it waits, and `admit` returns it."""
        origin = exchange.request.url.origin
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin, now)
        if not host.waiting and (
            (self.taken < self.most and exchange.request.settings.max_host_connections is None)
            or self._has_room(host, exchange, self._share(now))
        ):
            self._hold(host, exchange, now)
            return True
        if not host.waiting:
            self._queue[host] = None
        host.waiting[exchange] = None
        return False

    def admit(self, now: float) -> Iterator[Exchange]:
        """Give places to those that wait, and yield them."""
        blocked = 0
        while blocked < len(self._queue):
            share = self._share(now)
            if self.taken >= self.most and not share:
                return
            host = next(iter(self._queue))
            self._queue.move_to_end(host)
            exchange = next(iter(host.waiting))
            if not self._has_room(host, exchange, share):
                blocked += 1
                continue
            blocked = 0
            self._unqueue(host, exchange)
            self._hold(host, exchange, now)
            yield exchange

    def _unqueue(self, host: Host, exchange: Exchange) -> None:
        del host.waiting[exchange]
        if not host.waiting:
            del self._queue[host]

    def _hold(self, host: Host, exchange: Exchange, now: float) -> None:
        if not host.held:
            host.since = now
        host.held += 1
        self.taken += 1
        self._holders[exchange] = host

    def _has_room(self, host: Host, exchange: Exchange, share: int) -> bool:
        limit = self._limit_of(exchange)
        if limit is not None and host.held >= limit:
            return False
        return self.taken < self.most or host.held < share

    def _share(self, now: float) -> int:
        """Return how many places a host may hold where there are none left, 0 for none."""
        if len(self._hosts) < 2 or not self.most <= self.taken < 2 * self.most:
            return 0
        share = self.most // len(self._hosts)
        return share if share and self._stalls_at(share) <= now else 0

    def _stalls_at(self, share: int) -> float:
        """Return when the hosts that hold more than a share are thought to stand still."""
        last = max((host.since for host in self._hosts.values() if host.held > share), default=inf)
        return last + STALL

    @property
    def stalls_at(self) -> float:
        """When `admit` may have something to yield though no place was given back."""
        if len(self._hosts) < 2 or not self._queue:
            return inf
        if not self.most <= self.taken < 2 * self.most:
            return inf
        share = self.most // len(self._hosts)
        if not any(host.held < share for host in self._queue):
            return inf
        return self._stalls_at(share)

    @property
    def waits(self) -> bool:
        """Whether there are requests that wait."""
        return bool(self._queue)

    def leave(self, exchange: Exchange, now: float) -> None:
        """Take the place back, or take the request out of the queue."""
        host = self._holders.pop(exchange, None)
        if host is not None:
            host.held -= 1
            host.since = now
            self.taken -= 1
        else:
            host = self._hosts[exchange.request.url.origin]
            self._unqueue(host, exchange)
        if not host.held and not host.waiting:
            del self._hosts[host.origin]

    def reason(self, exchange: Exchange) -> str:
        """Return what a request that waits waits for."""
        limit = self._limit_of(exchange)
        if limit is not None and self._hosts[exchange.request.url.origin].held >= limit:
            return f"max_host_connections ({limit}) are in use"
        return f"concurrency ({self.most}) requests are under way"
