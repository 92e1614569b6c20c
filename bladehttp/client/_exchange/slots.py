"""Slots: how many requests run at once, and whose turn is next.

A request holds a slot from its start to its end. Requests without a slot wait in one queue per host
(origin), and the hosts take turns. A host at its own limit (``max_host_connections``) delays only
its own requests. A dead or slow host does not delay the others: if the hosts that hold more than
their share of the slots have released none for STALL seconds, each other host may hold a share
beyond the limit, and all of them together no more than as many again.

A share is the number of slots divided by the number of hosts. With fewer slots than hosts, above
all with one slot, there is no share, and only the order matters.

Nothing here uses a clock, an event loop or libcurl. `AsyncSlots` drives it on asyncio, `run_batch`
for `HttpClient.send_many`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from math import inf

from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._request.url import Origin

STALL = 0.1
"""Seconds after which a host that has given no place back stands still."""

LimitOf = Callable[[Exchange], int | None]


class Host:
    """The requests to one host.

    Attributes:
        origin: The origin.
        held: The number of requests that hold a slot.
        since: When one of them last took or released a slot.
        waiting: The requests that wait for a slot, in order; the values are unused.
    """

    __slots__ = ("held", "origin", "since", "waiting")

    def __init__(self, origin: Origin, now: float) -> None:
        self.origin = origin
        self.held = 0
        self.since = now
        self.waiting: OrderedDict[Exchange, None] = OrderedDict()


class Slots:
    """The slots of one client, or of one `send_many`.

    Attributes:
        most: Number of slots.
        queue: The hosts with requests that wait, the next one first; the values are unused.
        taken: Number of slots that are held.
    """

    __slots__ = ("_hosts", "_limit_of", "most", "queue", "taken")

    def __init__(self, most: int, limit_of: LimitOf) -> None:
        """Create slots.

        Args:
            most: Number of slots.
            limit_of: Returns the most slots that the host of a request may hold, None for no limit.
        """
        self.most = most
        self.taken = 0
        self._limit_of = limit_of
        self._hosts: dict[Origin, Host] = {}
        self.queue: OrderedDict[Host, None] = OrderedDict()

    def enter(self, exchange: Exchange, now: float) -> bool:
        """Give a request a slot if one is free; else queue it, and `admit` yields it later."""
        origin = exchange.request.url.origin
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = Host(origin, now)
        exchange.host = host
        if not host.waiting and (
            (self.taken < self.most and exchange.request.settings.max_host_connections is None)
            or self._has_room(host, exchange, self._share(now))
        ):
            self._hold(host, now)
            return True
        if not host.waiting:
            self.queue[host] = None
        host.waiting[exchange] = None
        return False

    def admit(self, now: float) -> Iterator[Exchange]:
        """Give slots to waiting requests, and yield these."""
        blocked = 0
        while blocked < len(self.queue):
            share = self._share(now)
            if self.taken >= self.most and not share:
                return
            host = next(iter(self.queue))
            self.queue.move_to_end(host)
            exchange = next(iter(host.waiting))
            if not self._has_room(host, exchange, share):
                blocked += 1
                continue
            blocked = 0
            self._unqueue(host, exchange)
            self._hold(host, now)
            yield exchange

    def _unqueue(self, host: Host, exchange: Exchange) -> None:
        del host.waiting[exchange]
        if not host.waiting:
            del self.queue[host]

    def _hold(self, host: Host, now: float) -> None:
        if not host.held:
            host.since = now
        host.held += 1
        self.taken += 1

    def _has_room(self, host: Host, exchange: Exchange, share: int) -> bool:
        limit = self._limit_of(exchange)
        if limit is not None and host.held >= limit:
            return False
        return self.taken < self.most or host.held < share

    def _share(self, now: float) -> int:
        """Return how many slots a host may hold when none is left, 0 for none."""
        if len(self._hosts) < 2 or not self.most <= self.taken < 2 * self.most:
            return 0
        share = self.most // len(self._hosts)
        return share if share and self._stalls_at(share) <= now else 0

    def _stalls_at(self, share: int) -> float:
        """Return when the hosts that hold more than a share count as stalled."""
        last = max((host.since for host in self._hosts.values() if host.held > share), default=inf)
        return last + STALL

    @property
    def stalls_at(self) -> float:
        """When `admit` may yield a request although no slot was released."""
        if len(self._hosts) < 2 or not self.queue:
            return inf
        if not self.most <= self.taken < 2 * self.most:
            return inf
        share = self.most // len(self._hosts)
        if not any(host.held < share for host in self.queue):
            return inf
        return self._stalls_at(share)

    def leave(self, exchanges: Iterable[Exchange], now: float) -> None:
        """Release the slots of requests, or remove them from their queues."""
        for exchange in exchanges:
            host: Host = exchange.host  # a redirect may have led to another
            if host.waiting and exchange in host.waiting:
                self._unqueue(host, exchange)
            else:
                host.held -= 1
                host.since = now
                self.taken -= 1
            if not (host.held or host.waiting):
                del self._hosts[host.origin]

    def reason(self, exchange: Exchange) -> str:
        """Return the reason why a request waits."""
        limit = self._limit_of(exchange)
        if limit is not None and self._hosts[exchange.request.url.origin].held >= limit:
            return f"max_host_connections ({limit}) are in use"
        return f"concurrency ({self.most}) requests are under way"
