"""The event loop: a selector, a wake-up socket and deadlines. It knows no HTTP.

One thread owns the loop and everything registered with it; other threads pass functions with
`call_soon`. The loop sleeps until an event or the next deadline, never on a tick.
"""

import selectors
import socket
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from heapq import heappop, heappush
from time import monotonic
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LONGEST_SLEEP_S = 24 * 60 * 60
"""Longest wait for an event; the loop then looks again. epoll takes no more than 24.8 days."""

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Deadlines(Generic[T]):
    """One clock: all items wait equally long, so the first armed is the first due.

    That makes it a FIFO: arming, disarming and finding the next deadline cost the same with one
    item and with ten thousand (a heap took five times as long).

    Attributes:
        seconds: The waiting time; 0 switches the clock off.
        waiting: Item to its deadline, the earliest first. Read only.
    """

    __slots__ = ("_expired", "seconds", "waiting")

    def __init__(self, seconds: float, expired: Callable[[T], None]) -> None:
        """Call ``expired`` with each item that was not disarmed in time."""
        self.seconds: float = seconds
        self._expired = expired
        self.waiting: OrderedDict[T, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self.waiting)

    def arm(self, item: T, now: float) -> None:
        """Start or restart the clock of an item."""
        if self.seconds:
            self.waiting[item] = now + self.seconds
            self.waiting.move_to_end(item)

    def disarm(self, item: T) -> None:
        """Stop the clock of an item, if it runs."""
        self.waiting.pop(item, None)

    def oldest(self) -> T | None:
        """Return the item that has waited longest."""
        return next(iter(self.waiting), None)

    def expire(self, now: float) -> None:
        """Remove every item that is due and pass it to ``expired``."""
        while self.waiting:
            item, due = next(iter(self.waiting.items()))
            if due > now:
                return
            del self.waiting[item]
            self._expired(item)


class Timer:
    """A function to be called later, unless cancelled.

    Attributes:
        due: The time of the call, on the monotonic clock.
    """

    __slots__ = ("_call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due: float = due
        self._call: Callable[[], object] | None = call

    def __lt__(self, other: "Timer") -> bool:
        return self.due < other.due

    @property
    def is_over(self) -> bool:
        """Whether it was called or cancelled."""
        return self._call is None

    def cancel(self) -> None:
        """Cancel the call. From any thread; harmless if repeated or too late."""
        self._call = None

    def fire(self) -> None:
        """Call the function, once."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Loop:
    """Waits for sockets and deadlines and calls their registered functions.

    Attributes:
        now: The last reading of the monotonic clock, in seconds: at wake-up, or after a callback
            that may have taken long.
    """

    def __init__(self, owner: int | None = None) -> None:
        """Open the selector and the socket pair for wake-ups.

        Args:
            owner: Identifier of the thread that will run the loop; None: the one that does.
        """
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()  # a pipe cannot be selected on Windows
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, READ, self._woken)
        self._soon: deque[Callable[[], None]] = deque()
        self._clocks: list[Deadlines[Any]] = []
        self._timers: list[Timer] = []  # a heap: they wait differently long
        self._thread = owner
        self._running = True
        self._asleep = False
        self._closed = False
        self._error: BaseException | None = None  # what `end` was given
        self.now: float = monotonic()

    def clock(self, seconds: float, expired: Callable[[T], None]) -> Deadlines[T]:
        """Return a new clock, checked by the loop."""
        clock = Deadlines(seconds, expired)
        self._clocks.append(clock)
        return clock

    def watch(self, sock: socket.socket, old: int, new: int, call: Callable[[int], None]) -> None:
        """Change the events a socket is watched for; 0 is none.

        Args:
            sock: The socket.
            old: The events it is watched for now.
            new: The new events. Call only if they differ: each change is a system call.
            call: Called with the events that are ready.
        """
        if self._closed:
            return  # in a forked child: the registrations are the parent's
        if not old:
            self._selector.register(sock, new, call)
        elif not new:
            self._selector.unregister(sock)
        else:
            self._selector.modify(sock, new, call)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function on the loop's thread. From any thread and from signal handlers."""
        self._soon.append(function)
        if self._asleep:
            self._wake()

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        """Call a function on the loop's thread after some seconds. From any thread."""
        timer = Timer(monotonic() + seconds, function)
        if self.is_own_thread():
            heappush(self._timers, timer)
        else:
            self.call_soon(lambda: heappush(self._timers, timer))
        return timer

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the loop's thread."""
        return threading.get_ident() == self._thread

    def stop(self) -> None:
        """Make `run` return. From any thread and from signal handlers; harmless if repeated."""
        self._running = False
        self._wake()

    def end(self, error: BaseException) -> None:
        """Raise an error at the end of the current step. On the loop's thread only."""
        self._error = self._error or error
        self._running = False

    @property
    def stopped(self) -> bool:
        """Whether `stop` or `end` was called."""
        return not self._running

    @property
    def closed(self) -> bool:
        """Whether `close` was called: no function is called any more."""
        return self._closed

    def run(self) -> None:
        """Run until `stop`."""
        while self._running:
            self.step(None)

    def step(self, timeout: float | None) -> None:
        """Wait once, at most ``timeout`` seconds (None: no limit), and process the events.

        Raises:
            BaseException: The error passed to `end`.
        """
        self._thread = threading.get_ident()
        self._asleep = True  # from here on call_soon wakes
        due = self._next_due()
        ready = self._selector.select(self._select_timeout(due, timeout))
        self._asleep = False
        self.now = monotonic()
        for key, events in ready:
            key.data(events)
        for _ in range(len(self._soon)):  # functions they add wait for the next step
            self._soon.popleft()()
            self.now = monotonic()
        if due is not None and due <= self.now:
            for clock in self._clocks:
                clock.expire(self.now)
            self._fire(self.now)
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def close(self) -> None:
        """Close the selector and the socket pair."""
        self._running = False
        self._closed = True
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    def _next_due(self) -> float | None:
        """Return when the first clock or timer is due, None if none runs."""
        dues = [next(iter(clock.waiting.values())) for clock in self._clocks if clock.waiting]
        while self._timers and self._timers[0].is_over:
            heappop(self._timers)
        if self._timers:
            dues.append(self._timers[0].due)
        return min(dues) if dues else None

    def _select_timeout(self, due: float | None, timeout: float | None) -> float | None:
        if self._soon:
            return 0
        patience = LONGEST_SLEEP_S if due is None else min(due - monotonic(), LONGEST_SLEEP_S)
        return max(0.0, patience if timeout is None else min(patience, timeout))

    def _fire(self, now: float) -> None:
        """Fire every due timer; timers they add wait for the next step."""
        due = []
        while self._timers and self._timers[0].due <= now:
            due.append(heappop(self._timers))
        for timer in due:
            timer.fire()
            self.now = monotonic()

    def _wake(self) -> None:
        try:
            self._wake_out.send(b"\0")
        except OSError:
            pass  # full: it will wake anyhow; closed: nothing to wake

    def _woken(self, events: int) -> None:  # noqa: ARG002 - what the selector calls
        self._wake_in.recv(4096)
