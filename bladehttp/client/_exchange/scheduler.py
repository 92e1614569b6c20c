"""Scheduler: many exchanges at once over one CurlMulti, each with its own clocks.

It has no loop of its own: its driver calls `step` at `next_step_at`. `HttpClient.send_many` calls
`wait` before; `EventLoopDriver` gives it a waiter, and has that tell libcurl which descriptors are
ready.

Many exchanges share an HTTP/2 connection, so the silence of one shows only in its byte counts. They
are sampled before events are handled, at most every 20 ms, and a change is attributed to the
events before: a clock never runs out early, and at most 20 ms late.
"""

from collections.abc import Callable
from contextvars import copy_context
from heapq import heapify, heappop, heappush
from math import inf
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.body_sink import DecodingBudget
from bladehttp.client._curl.connections import PROBATION
from bladehttp.client._curl.engine import RECEIVE, SUCCESS, TOTAL, Outcome
from bladehttp.client._curl.pool import Limits
from bladehttp.client._curl.resend import is_repeatable
from bladehttp.client._curl.shared_handle import Shared, SharedHandle
from bladehttp.client._curl.sharing import ConnectionSharing
from bladehttp.client._curl.waiters import SocketWaiter
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._request.url import Origin
from bladehttp.exceptions import ClientClosed

Result = HttpResponse | Exception
T = TypeVar("T")

PAUSE = 0.02
"""Least time between two samples of the byte counts, in seconds; about 1 % of a core at 100."""

QUEUED = "max_host_connections are in use: waiting for"


class ScheduledHandle(SharedHandle):
    """A handle that runs one exchange after another.

    Attributes:
        exchange: The exchange that runs on it; unset while none does.
        last: When its byte count was last seen to change.
        moved: The byte count at that time.
    """

    __slots__ = ("exchange", "last", "moved")

    exchange: Exchange
    last: float
    moved: int


class DelayedExchange(NamedTuple):
    """An exchange that is continued at a time; the number makes each one unique."""

    due: float
    number: int
    exchange: Exchange


class Scheduler:
    """Exchanges that run at the same time, and idle handles for more.

    Attributes:
        before_start: Called before each request of an exchange whose hooks may be awaited; False
            holds the exchange back until `start_held`, `resume_held` or `fail`. None: none is held
            back.
        limit: Sets the most connections to one host; None for no limit.
        multi: The multi that drives libcurl.
        is_reusable: Whether it may be kept for more; False after an exception has interrupted it.
        is_inherited: Whether it belongs to the parent process; see `Pool`.
    """

    __slots__ = (
        "__weakref__",
        "_check_at",
        "_counter",
        "_delayed",
        "_ended",
        "_idle",
        "_last",
        "_looked",
        "_over_at",
        "_running",
        "_shared",
        "_sharing",
        "_sweeper",
        "before_start",
        "idle_since",
        "is_inherited",
        "is_reusable",
        "limit",
        "multi",
    )  # fmt: skip

    idle_since: float

    def __init__(
        self, waiter: SocketWaiter | None = None, budget: DecodingBudget | None = None
    ) -> None:
        """Create a scheduler.

        Args:
            waiter: Waits for libcurl's descriptors; None: `wait` does.
            budget: The budget for decoding bodies while they are received; None decodes them at
                their end.
        """
        self.is_reusable = True
        self.is_inherited = False
        self.before_start: Callable[[Exchange], bool] | None = None
        self._idle: list[ScheduledHandle] = []
        self._sharing = ConnectionSharing()
        self._running: dict[Any, ScheduledHandle] = {}
        self._delayed: list[DelayedExchange] = []
        self._ended: list[tuple[Exchange, Result]] = []
        self._counter = 0
        self._check_at = self._over_at = inf
        self._last = self._looked = 0.0
        self._shared = shared = Shared(budget, self.resume)
        self._sweeper = shared.sweeper
        self.multi = shared.multi
        self.limit = shared.multi.limit
        self.multi.running = self._running
        self.multi.before_events, self.multi.after_events = self._sample_if_due, self._note_activity
        if waiter is not None:
            self.multi.wait_with(waiter)

    def may_be_kept(self) -> bool:
        """Return ``is_reusable``; see `Kept`."""
        return self.is_reusable

    def __len__(self) -> int:
        """The number of exchanges that have not ended."""
        return len(self._running) + len(self._delayed)

    def start(self, exchange: Exchange) -> None:
        """Start an exchange in the context of the caller, or continue it; `step` returns it."""
        if exchange.context is None:
            exchange.context = copy_context()
        request = exchange.request
        if not (request.is_plain or is_repeatable(request)) and self._has_to_wait(exchange):
            return
        if self.before_start is not None and exchange.may_await and not self.before_start(exchange):
            return
        self.start_held(exchange)

    def start_held(self, exchange: Exchange) -> None:
        """Start an exchange that `before_start` has held back."""
        handle = self._idle.pop() if self._idle else ScheduledHandle(self._shared)
        handle.exchange = exchange
        context: Any = exchange.context
        try:
            context.run(exchange.prepare, handle)
        except Exception as error:  # noqa: BLE001 - returned as a result
            self._put_back(handle)
            self.fail(exchange, error)
            return
        curl, origin = handle.curl, exchange.request.url.origin
        if handle.waits or origin[0] == "https":
            handle.set_pipewait(self._sharing.join(handle, origin))
        handle.moved = 0
        handle.last = now = monotonic()
        self._running[curl] = handle
        self.multi.start(curl)
        if now + exchange.receive_timeout_s < self._check_at or exchange.deadline < self._check_at:
            self._watch_clocks(exchange, now)

    def resume_held(self, exchange: Exchange) -> None:
        """Continue an exchange once its hooks or its auth were awaited."""
        try:
            response = run_in_context(exchange, exchange.settle)
        except Exception as error:  # noqa: BLE001 - returned as a result
            self.fail(exchange, error)
            return
        if response is None:
            self.start_held(exchange)
        else:
            self._ended.append((exchange, response))

    def _has_to_wait(self, exchange: Exchange) -> bool:
        """Delay an exchange until it is known whether its server keeps connections."""
        connection = self._shared.connections.on_probation(exchange.request.url.origin)
        if connection is None:
            return False
        self._begin_at(connection.since + PROBATION, exchange)
        return True

    def _begin_at(self, due: float, exchange: Exchange) -> None:
        self._counter += 1
        heappush(self._delayed, DelayedExchange(due, self._counter, exchange))

    def _watch_clocks(self, exchange: Exchange, last: float) -> None:
        """Check the clocks no later than one of an exchange's may run out."""
        self._check_at = min(self._check_at, exchange.deadline, last + exchange.receive_timeout_s)

    def host_limit(self, exchange: Exchange) -> int | None:
        """Return the most requests under way to the host of an exchange, None for no limit.

        It equals the limit of connections, unless these are known to carry several requests at
        once.
        """
        limit = exchange.request.settings.max_host_connections
        if limit is None or self._sharing.multiplexes(exchange.request.url.origin):
            return None
        return limit

    def wait(self, until: float = inf) -> None:
        """Wait for an event, `next_step_at` or a time, whichever is first; `step` is due then."""
        self.multi.wait_until(min(self.next_step_at(), until))

    def next_step_at(self) -> float:
        """Return the latest time at which `step` must be called, in terms of `time.monotonic`."""
        if self._ended:
            return 0.0
        due = self._delayed[0].due if self._delayed else inf
        return min(self.multi.due(), self._check_at, self._over_at, due)

    def step(self) -> list[tuple[Exchange, Result]]:
        """Do everything that is due; return the exchanges that have ended.

        Raises:
            BaseException: An exception that interrupted a callback of libcurl, such as
                KeyboardInterrupt.
        """
        multi = self.multi
        if multi.must_perform:
            self._perform()
        now = monotonic()
        if multi.nudge_at <= now:
            multi.nudge()
        elif self._sharing.shared:
            multi.plan_nudge()
        while self._delayed and self._delayed[0].due <= now:
            self.start(heappop(self._delayed).exchange)
        if self._check_at <= now:
            self._expire(now)
        if self._over_at <= now:
            self._complete_ended_bodies()
        self._read_info()
        for origin in self._sharing.decided():
            self._release(origin)
        multi.raise_interruption()
        ended, self._ended = self._ended, []
        multi.found += len(ended)
        return ended

    def _perform(self) -> int:
        """Have libcurl do what is due; return the number of transfers that have not ended."""
        self._sample_if_due()
        self.multi.is_due = False
        left = self.multi.perform()[1]
        self._note_activity()
        return left

    def send_now(self) -> None:
        """Have libcurl send what was started, outside of a step; results are left to `step`."""
        multi = self.multi
        if multi.is_due:
            multi.is_due = self._perform() < len(self._running) or multi.interruption is not None

    def _read_info(self) -> None:
        """Finish the transfers that libcurl reports as ended."""
        left = 1
        while left:
            left, succeeded, failed = self.multi.info_read()
            for curl in succeeded:
                self._finish(self._running[curl], SUCCESS)
            for curl, code, text in failed:
                if self._running[curl].has_only_waited(code):
                    self.multi.restart(curl)
                else:
                    self._finish(self._running[curl], Outcome(code, text))

    def _finish(self, handle: ScheduledHandle, outcome: Outcome) -> None:
        exchange = handle.exchange
        context: Any = exchange.context
        self._take_off(handle, outcome)
        try:
            response = context.run(exchange.finish, outcome)
        except Exception as error:  # noqa: BLE001 - returned as a result
            self._put_back(handle)
            self.fail(exchange, error)
            return
        self._put_back(handle)
        if response is not None:
            self._ended.append((exchange, response))
        elif exchange.not_before:
            self._begin_at(exchange.not_before, exchange)
        else:
            self.start(exchange)

    def fail(self, exchange: Exchange, error: Exception) -> None:
        """Record that an exchange has ended with an exception."""
        self._ended.append((exchange, exchange.annotate(error)))

    def _take_off(self, handle: ScheduledHandle, outcome: Outcome | None = None) -> None:
        curl, origin = handle.curl, handle.exchange.request.url.origin
        if handle.opened:
            handle.record_connections()
        del self._running[curl]
        if outcome is SUCCESS:
            self.multi.remove(curl)
        else:
            self.multi.abort(curl)
        if origin[0] == "https" and self._sharing.leave(handle, origin):
            self._release(origin)

    def _release(self, origin: Origin) -> None:
        """Restart the transfers that have waited to share a connection."""
        for curl, handle in self._running.items():
            if handle.exchange.request.url.origin == origin and handle.is_queued:
                handle.set_pipewait(self._sharing.join(handle, origin))
                self.multi.restart(curl)

    def _put_back(self, handle: ScheduledHandle) -> None:
        del handle.exchange  # an idle one keeps neither request nor response
        handle.context = None
        if handle.may_be_kept():
            self._idle.append(handle)
        else:
            handle.close()

    def _sample_if_due(self) -> None:
        """Sample the byte counts before libcurl is called, if the last sample is old enough."""
        now = monotonic()
        if now - self._looked >= PAUSE:
            self._sample_byte_counts()
            self._looked = now

    def _note_activity(self) -> None:
        """Record that bytes may have moved, and check soon for bodies that are no longer needed."""
        self._last = now = monotonic()
        if self._over_at == inf and self._running:
            self._over_at = now + PAUSE

    def _complete_ended_bodies(self) -> None:
        """End the transfers whose body is not needed any further; see `BodySink.is_over`."""
        self._over_at = inf
        for handle in list(self._running.values()):
            if handle.sink.lines and handle.sink.is_over():
                self._finish(handle, SUCCESS)

    def _sample_byte_counts(self) -> None:
        """Record which transfers have moved bytes, at the latest at the time of the last events."""
        for handle in self._running.values():
            moved = handle.bytes_moved(handle.exchange.request.body is not None)
            if moved != handle.moved:
                handle.moved = moved
                handle.last = self._last

    def _expire(self, now: float) -> None:
        """End the exchanges whose clock has run out, and set the time of the next check."""
        self._sample_byte_counts()
        self._check_at = inf
        for handle in list(self._running.values()):
            exchange = handle.exchange
            if not handle.moved or handle.sink.is_busy or _waits_for_caller(exchange):
                handle.last = now  # libcurl watches the time to connect
            if exchange.deadline <= now:
                self._finish(handle, Outcome(text=self._wait_reason(handle), expired=TOTAL))
            elif _is_silent(handle, now):
                self._finish(handle, Outcome(expired=RECEIVE))
            else:
                self._watch_clocks(exchange, handle.last)

    def _wait_reason(self, handle: ScheduledHandle) -> str:
        """Return the reason why a transfer waits inside libcurl, "" if it does not wait."""
        return QUEUED if self.multi.is_limited and handle.is_queued else ""

    def resume(self, curl: Any) -> None:
        """Resume a paused transfer and restart its receive_timeout clock."""
        handle = self._running[curl]
        handle.last = monotonic()
        self.multi.is_due = True
        self._watch_clocks(handle.exchange, handle.last)

    def complete(self, curl: Any) -> None:
        """End a transfer whose body is not needed any further; its connection is closed."""
        self._finish(self._running[curl], SUCCESS)

    def abort(self, exchange: Exchange, reason: BaseException) -> None:
        """Abort an exchange if it has not ended; `step` does not return it any more.

        Args:
            exchange: The exchange.
            reason: The exception that its hooks get; see `Exchange.abort`.
        """
        self._ended = [pair for pair in self._ended if pair[0] is not exchange]
        self._delayed = [waiting for waiting in self._delayed if waiting.exchange is not exchange]
        heapify(self._delayed)
        for handle in list(self._running.values()):
            if handle.exchange is exchange:
                self._abort(handle, reason)

    def abort_all(self, reason: BaseException) -> None:
        """Abort every exchange, for a reason as of `abort`."""
        self._ended.clear()
        self._delayed.clear()
        for handle in list(self._running.values()):
            self._abort(handle, reason)

    def _abort(self, handle: ScheduledHandle, reason: BaseException) -> None:
        self._take_off(handle)
        handle.exchange.abort(reason)
        self._put_back(handle)

    def trim(self, limits: Limits) -> None:
        """Close idle connections beyond a limit, if there may be so many."""
        most = limits.max_idle_connections
        if most is not None and len(self._idle) > most:
            self.sweep(limits)

    def sweep(self, limits: Limits) -> None:
        """Close idle connections beyond a limit, too old ones, and those closed by the server."""
        self._sweeper.sweep(limits.max_idle_connections, limits.idle_timeout)
        while self._idle[limits.max_idle_connections or len(self._idle) :]:
            self._idle.pop(0).close()

    def is_open(self, limits: Limits) -> bool:
        """Close connections that are of no use; return whether any is left."""
        self.sweep(limits)
        return self.has_connections

    @property
    def has_connections(self) -> bool:
        """Whether a connection is open, in use or idle."""
        return self._sweeper.has_connections

    def extend_clocks(self, seconds: float) -> None:
        """Exclude ``seconds`` from every running clock: the caller was not iterating."""
        for handle in self._running.values():
            handle.last += seconds
            handle.exchange.deadline += seconds
        self._last += seconds
        self._check_at += seconds

    def close(self, reason: BaseException | None = None) -> None:
        """Abort every exchange, as `abort` does, and close all connections and handles."""
        self.abort_all(reason or ClientClosed("client has been closed"))
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._sweeper.close()
        self.multi.close()


def run_in_context(exchange: Exchange, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in the context of the caller of an exchange."""
    context = exchange.context
    return function(*arguments) if context is None else context.run(function, *arguments)


def _is_silent(handle: ScheduledHandle, now: float) -> bool:
    """Whether no byte has come for ``receive_timeout``; if one has, record when."""
    longest = handle.exchange.receive_timeout_s
    if handle.last + longest <= now:
        handle.last = max(handle.last, now - handle.silence_s())
    return handle.last + longest <= now


def _waits_for_caller(exchange: Exchange) -> bool:
    """Whether libcurl waits for the caller's data instead of the peer."""
    body = exchange.request.body
    return body is not None and body.waits
