"""send_many: a `Batch` of requests, taken as there is room, and run by a poll loop."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import copy_context
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from bladehttp._message.response_head import RequestInfo
from bladehttp.client._config.options import Settings
from bladehttp.client._curl.errors import annotate
from bladehttp.client._curl.pool import INHERITED, Pool
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.scheduler import Result, Scheduler
from bladehttp.client._exchange.slots import STALL, Slots

Make = Callable[[Any], Exchange]

CALLER_PAUSE = 0.01
"""Seconds. A longer time between two results is the caller's, and does not count in any clock."""


NOT_REQUESTS = (str, bytes, bytearray, memoryview, Mapping)
"""Iterables that would be taken apart: a single URL or request."""

MOST_AHEAD = 1000
"""Most requests that are taken while some of them wait for a stalled host."""


class Batch:
    """Requests on their way in and results on their way out.

    ``concurrency`` requests are taken at first, and never more results than that are held back,
    either for their order or until the caller takes them. If nothing ends for a while, all of them
    may wait for one host; then more are taken, MOST_AHEAD of them in the end, so that requests to
    other hosts can proceed.

    Attributes:
        making: Returns the function that turns a request into an exchange, with the client's
            current hooks.
        ready: The results to return, in order.
        is_waiting: Whether there is no request now; they are asked for again after the next result.
        caller_has_result: Whether the caller works on a result, and may have more requests because
            of it.
        stalls_at: When more are taken if nothing has ended, in terms of `time.monotonic`.
    """

    def __init__(self, making: Callable[[], Make], concurrency: int, ordered: bool) -> None:
        self.making = making
        self.concurrency = self._window = concurrency
        self._ahead = max(concurrency, MOST_AHEAD)
        self.stalls_at = inf
        self.is_waiting = self.caller_has_result = False
        self._ordered = ordered
        self._has_more = True
        self._taken = self._under_way = 0
        self._numbers: dict[Exchange, int] = {}  # of those under way, if their order matters
        self.ready: deque[Result] = deque()
        self._held: dict[int, Result] = {}
        self._next = 0

    @property
    def free_capacity(self) -> int:
        """The number of requests that may be taken now."""
        if not self._has_more or self.is_waiting:
            return 0
        held = self.concurrency - len(self.ready) - len(self._held)
        return max(0, self._window - self._under_way) if held > 0 else 0

    def look_ahead(self, now: float) -> None:
        """Take more requests if nothing has ended for some time."""
        if self.stalls_at <= now:
            if self._under_way and not self.is_waiting:
                self._window = min(2 * self._window, self._ahead)
            self._set_clock(now)

    def has_ended(self, now: float) -> None:
        """Record that an exchange has ended."""
        if self._under_way < self.concurrency:
            self._window = self.concurrency
        self._set_clock(now)

    def _set_clock(self, now: float) -> None:
        may_look = self._has_more and self._window < self._ahead
        self.stalls_at = now + STALL if may_look else inf

    def take(self, given: Any, make: Make) -> Exchange | None:
        """Return the exchange for a request; None for a bad one, whose error becomes its result."""
        number = self._taken
        self._taken += 1
        try:
            exchange = make(given)
        except Exception as error:  # noqa: BLE001 - returned as a result
            annotate(error, _sent(given), None)
            self._put(number, error)
            return None
        self._under_way += 1
        if self._ordered:
            self._numbers[exchange] = number
        return exchange

    def end(self) -> None:
        """Record that there are no more requests."""
        self._has_more = False

    def pause(self) -> None:
        """Record that there is no request now; without a result to come there will be none."""
        if self._under_way or self.ready or self.caller_has_result:
            self.is_waiting = True
        else:
            self.end()

    def put(self, ended: list[tuple[Exchange, Result]], now: float) -> None:
        """Store the results of exchanges that have ended."""
        self._under_way -= len(ended)
        if self._ordered:
            for exchange, result in ended:
                self._put(self._numbers.pop(exchange), result)
        else:
            self.ready.extend([result for _, result in ended])
        self.has_ended(now)

    def _put(self, number: int, result: Result) -> None:
        if not self._ordered:
            self.ready.append(result)
            return
        self._held[number] = result
        while self._next in self._held:
            self.ready.append(self._held.pop(self._next))
            self._next += 1

    def close(self) -> None:
        """Release the results that will not be taken."""
        self.ready.clear()
        self._held.clear()

    @property
    def over(self) -> bool:
        """Whether every request was taken and every result returned."""
        return not (self._has_more or self._under_way or self.ready)


def _sent(given: Any) -> RequestInfo:
    """Return the known facts of a request that could not be made."""
    if isinstance(given, Mapping):
        return RequestInfo(str(given.get("method", "GET")), str(given.get("url", "")), given)
    return RequestInfo("GET", str(given), given)


def arguments(given: Any) -> Mapping[str, Any]:
    """Return the arguments of `send_request` for an item of `send_many`.

    Raises:
        TypeError: It is neither a URL nor a dict with one.
    """
    if isinstance(given, str):
        return {"url": given}
    if not isinstance(given, (dict, Mapping)):  # dict first: an abstract class is asked in Python
        raise TypeError(f"a request is a URL or a dict, not {given!r}"[:200])
    if "url" not in given:
        raise TypeError("a request has no url")
    return given


def check_requests(requests: Any) -> None:
    """Check the argument of `send_many`.

    Raises:
        TypeError: It is an iterable whose items are not requests: a str, bytes or a dict.
    """
    if isinstance(requests, NOT_REQUESTS):
        raise TypeError(f"requests is a list of URLs and dicts, not {requests!r}"[:200])


def run_batch(
    pool: Pool[Scheduler], batch: Batch, requests: Iterator[Any], settings: Settings
) -> Iterator[Result]:
    """Run requests and yield the results.

    Raises:
        ClientClosed: The client has been closed.
        RuntimeError: It was begun before a fork, and this is the child.
        BaseException: An exception of the caller's iterable or of a signal handler.
    """
    scheduler = pool.acquire()
    try:
        scheduler.limit(settings.max_host_connections)
        yield from _loop(scheduler, batch, requests)
    except BaseException as error:
        if not scheduler.is_inherited:
            scheduler.abort_all(error)
        scheduler.is_reusable = isinstance(error, GeneratorExit)
        raise
    finally:
        batch.close()
        if scheduler.is_reusable and not scheduler.is_inherited:
            scheduler.trim(settings)
        pool.release(scheduler, settings)


def _loop(scheduler: Scheduler, batch: Batch, requests: Iterator[Any]) -> Iterator[Result]:
    slots = Slots(batch.concurrency, scheduler.host_limit)
    batch.has_ended(monotonic())
    while not batch.over:
        _take(scheduler, batch, slots, requests)
        before = monotonic()
        is_asked_again = batch.is_waiting and bool(batch.ready)
        while batch.ready:
            yield batch.ready.popleft()
        if scheduler.is_inherited:
            raise RuntimeError(INHERITED)
        now = monotonic()
        if now - before > CALLER_PAUSE:
            # the caller's time does not count as silence of the peers
            scheduler.extend_clocks(now - before)
            batch.stalls_at += now - before
        if is_asked_again:
            batch.is_waiting = False
            continue
        if scheduler:
            scheduler.wait(min(slots.stalls_at, batch.stalls_at))
        _take_results(scheduler.step(), batch, slots)
        for exchange in slots.admit(monotonic()) if slots.queue else ():
            exchange.restart_clocks()
            scheduler.start(exchange)


def _take_results(ended: list[tuple[Exchange, Result]], batch: Batch, slots: Slots) -> None:
    """Store the results of exchanges and release their slots."""
    now = monotonic()
    if ended:
        slots.leave([exchange for exchange, _ in ended], now)
        batch.put(ended, now)
        ended.clear()  # the tracebacks of exceptions refer to frames that have it
    else:
        batch.look_ahead(now)


def _take(scheduler: Scheduler, batch: Batch, slots: Slots, requests: Iterator[Any]) -> None:
    """Take as many requests as there is room for, and start those that get a slot."""
    while capacity := batch.free_capacity:
        make = batch.making()
        for given in islice(requests, capacity):
            if given is None:
                batch.pause()
                return
            capacity -= 1
            exchange = batch.take(given, make)
            if exchange is None:
                break  # its error takes up capacity
            if slots.enter(exchange, exchange.started):
                scheduler.start(exchange)
            else:
                exchange.context = copy_context()
        else:
            if capacity:
                batch.end()
