"""EventLoopDriver: runs a scheduler on asyncio's event loop.

Callbacks and timers of the loop get an empty context: they serve all requests, and would otherwise
keep the context variables of the request that happened to create them. Of the loop only add_reader,
remove_reader, call_soon, call_later, create_task, create_future and is_closed are used, of a timer
only cancel. Everything
runs in the loop's thread.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Protocol

from bladehttp.client._asyncio.hooks import await_hooks
from bladehttp.client._asyncio.slots import AsyncSlots
from bladehttp.client._asyncio.upload import AsyncBody
from bladehttp.client._asyncio.waiter import LoopWaiter
from bladehttp.client._curl.body_sink import STEP, DecodingBudget
from bladehttp.client._curl.pool import Limits
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.scheduler import Result, Scheduler, run_in_context
from bladehttp.exceptions import ClientClosed, TotalTimeout

Done = Callable[[Exchange, Result], None]


SWEEP = 2.0
"""Seconds between two looks at idle connections, while there are any."""


class Observer(Protocol):
    """An object that acts after libcurl has reported something."""

    def on_progress(self) -> None: ...


class EventLoopDriver:
    """Runs a scheduler on an event loop.

    Attributes:
        closed: Whether it has been closed, by the client or after an error.
        leave: Releases the slot of an exchange, or ends its wait.
        loop: The event loop.
        pid: The process that it belongs to.
    """

    __slots__ = (
        "_bodies",
        "_budget",
        "_has_sent",
        "_hook_tasks",
        "_is_due",
        "_limits",
        "_news",
        "_scheduler",
        "_slots",
        "_started",
        "_sweeper",
        "_timer",
        "_timer_at",
        "_waiter",
        "_waiting",
        "closed",
        "leave",
        "loop",
        "pid",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, concurrency: int) -> None:
        self.loop = loop
        self.pid = os.getpid()
        self.closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._is_due = self._has_sent = False
        self._started: dict[Exchange, Done] = {}
        self._bodies: dict[Exchange, AsyncBody] = {}
        self._news: list[Observer] = []
        self._waiter = LoopWaiter(loop, self._ready)
        self._sweeper: asyncio.TimerHandle | None = None
        self._limits: Limits
        self._budget = DecodingBudget(self._decode_soon)
        self._scheduler = Scheduler(self._waiter, self._budget)
        self._scheduler.before_start = self._call_request_hooks
        self._hook_tasks: dict[Exchange, asyncio.Task[None]] = {}
        self._waiting: dict[Exchange, asyncio.Future[None]] = {}
        self._slots = AsyncSlots(loop, concurrency, self.host_limit, self._admit)
        self.leave = self._slots.leave

    def host_limit(self, exchange: Exchange) -> int | None:
        """Return the most requests under way to a host; see `Scheduler.host_limit`."""
        return self._scheduler.host_limit(exchange)

    def enter(self, exchange: Exchange) -> bool:
        """Give an exchange a slot of the client; False: `wait` for one. `leave` releases it.

        Raises:
            ClientClosed: The driver has been closed.
        """
        if self.closed:
            raise ClientClosed("client has been closed")
        return self._slots.enter(exchange)

    async def wait(self, exchange: Exchange) -> None:
        """Wait for a slot.

        Raises:
            TotalTimeout: None is free in time.
            ClientClosed: The client is closed meanwhile.
        """
        future = self._waiting[exchange] = self.loop.create_future()
        timer = None
        if exchange.deadline < inf:
            delay = max(0.0, exchange.deadline - monotonic())
            timer = self.loop.call_later(delay, self._expire, exchange, context=Context())
        try:
            await future
        except BaseException:
            self.leave(exchange)
            raise
        finally:
            del self._waiting[exchange], future  # its exception has a traceback that leads here
            if timer is not None:
                timer.cancel()
        if self.closed:
            self.leave(exchange)
            raise ClientClosed("client has been closed")
        exchange.restart_stopwatch()

    def _admit(self, exchange: Exchange) -> None:
        future = self._waiting[exchange]
        if not future.done():
            future.set_result(None)

    def _expire(self, exchange: Exchange) -> None:
        future, why = self._waiting[exchange], self._slots.slots.reason(exchange)
        if not future.done():
            future.set_exception(self._total_timeout(exchange, f"waiting, as {why}, for"))

    @staticmethod
    def _total_timeout(exchange: Exchange, what: str) -> TotalTimeout:
        request = exchange.request
        text = f"{what} {request.url.host_port}: total_timeout is over"
        error = TotalTimeout(f"{text} ({request.settings.total_timeout} ms)")
        return exchange.annotate(error)

    def start(self, exchange: Exchange, done: Done) -> None:
        """Start an exchange; ``done`` is called with it and its result, in a later turn."""
        self._scheduler.limit(exchange.request.settings.max_host_connections)
        body = exchange.request.body
        if body is not None and isinstance(body, AsyncBody):
            context = exchange.context = exchange.context or copy_context()
            context.run(body.start, self.resume)
            self._bodies[exchange] = body
        self._started[exchange] = done
        self._limits = exchange.request.settings
        if self._sweeper is None:
            self._sweep_later()
        self._scheduler.start(exchange)
        if not self._has_sent:
            self._send_now()
        self._arm()

    def _send_now(self) -> None:
        """Send the first request since the last step at once.

        In a turn of its own it would cost a tenth more. Others wait for the next turn, which sends
        all that were started in this one.
        """
        self._has_sent = True
        try:
            self._scheduler.send_now()
        except BaseException as error:
            self.close(error)
            raise

    def abort(self, exchange: Exchange, reason: BaseException | None = None) -> None:
        """Abort an exchange if it has not ended; its ``done`` is not called any more.

        Args:
            exchange: The exchange.
            reason: The exception that its hooks get; None for a CancelledError.
        """
        if exchange in self._started:
            reason = reason or asyncio.CancelledError()
            self._abort(exchange, reason)
            self._end(exchange)
            self._arm()

    def _abort(self, exchange: Exchange, reason: BaseException) -> None:
        self._scheduler.abort(exchange, reason)
        exchange.notify_abort(reason)  # the scheduler does not know it while its hooks are awaited

    def _end(self, exchange: Exchange) -> Done:
        """Forget an exchange, and return its ``done``."""
        if exchange in self._bodies:
            self._bodies.pop(exchange).stop()
        if exchange in self._hook_tasks:
            self._hook_tasks.pop(exchange).cancel()
        return self._started.pop(exchange)

    def _call_request_hooks(self, exchange: Exchange) -> bool:
        """Call the hooks before a request; return whether there is nothing to await."""
        try:
            run_in_context(exchange, exchange.announce)
        except Exception as error:  # noqa: BLE001 - returned as a result
            self._scheduler.fail(exchange, error)
            return False
        if not exchange.awaitables:
            return True
        task = self.loop.create_task(self._await_hooks(exchange), context=Context())
        self._hook_tasks[exchange] = task
        task.add_done_callback(partial(self._hooks_done, exchange), context=Context())
        return False

    async def _await_hooks(self, exchange: Exchange) -> None:
        limit = exchange.deadline - monotonic() if exchange.deadline < inf else None
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                await await_hooks(exchange)
        except TimeoutError as error:
            if clock.expired():
                raise self._total_timeout(exchange, "waiting for a hook before asking") from error
            raise
        finally:
            del clock  # it refers to the task, and so to the exception that the task ends with

    def _hooks_done(self, exchange: Exchange, task: "asyncio.Task[None]") -> None:
        """Continue an exchange whose hooks were awaited, unless it was aborted meanwhile."""
        if self._hook_tasks.get(exchange) is not task:
            return
        del self._hook_tasks[exchange]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._scheduler.resume_held(exchange)
        else:
            failed = error if isinstance(error, Exception) else ClientClosed("hook was cancelled")
            run_in_context(exchange, exchange.notify_error, failed)
            self._scheduler.fail(exchange, failed)
        self._arm()

    def notify(self, observer: Observer) -> None:
        """Call `on_progress` of an observer as soon as libcurl has returned."""
        self._news.append(observer)

    def resume(self, curl: Any) -> None:
        """Resume a transfer that was paused for the caller."""
        self._scheduler.resume(curl)
        self._arm()

    def complete(self, curl: Any) -> None:
        """End a transfer whose body is not needed any further."""
        self._scheduler.complete(curl)
        self._arm()

    def _sweep_later(self) -> None:
        self._sweeper = self.loop.call_later(SWEEP, self._sweep, context=Context())

    def _sweep(self) -> None:
        self._sweeper = None
        self._scheduler.sweep(self._limits)
        if self._scheduler.has_connections:
            self._sweep_later()
        self._arm()

    def _decode_soon(self) -> None:
        self.loop.call_soon(self._decode, context=Context())

    def _decode(self) -> None:
        if not self.closed:
            self._budget.run()
            self._arm()

    def _ready(self) -> None:
        self._budget.left = STEP
        self._waiter.wait(0)
        self._step()

    def _step(self) -> None:
        self._has_sent = False
        try:
            self._step_scheduler()
        except BaseException as error:
            self.close(error)
            raise
        if not self.closed:
            self._arm()

    def _step_scheduler(self) -> None:
        ended = self._scheduler.step()
        news, self._news = self._news, []
        for each in dict.fromkeys(news) if news else ():
            each.on_progress()
        self._deliver(ended)

    def _arm(self) -> None:
        """Schedule the next step; a timer that is too early may stay."""
        if self._is_due:
            return
        next_step_at = 0.0 if self._news else self._scheduler.next_step_at()
        if next_step_at == 0.0:
            self._is_due = True
            self.loop.call_soon(self._step_soon, context=Context())
            return
        if self._timer is not None:
            if self._timer_at <= next_step_at:
                return
            self._timer.cancel()
        self._timer, self._timer_at = None, next_step_at
        if next_step_at < inf:
            # not call_at: the loop's clock need not be ours
            delay = max(0.0, next_step_at - monotonic())
            self._timer = self.loop.call_later(delay, self._step_by_timer, context=Context())

    def _step_soon(self) -> None:
        self._is_due = False
        self._budget.left = STEP
        if not self.closed:
            self._step()

    def _step_by_timer(self) -> None:
        self._timer = None
        self._step()

    def close(self, reason: BaseException) -> None:
        """Close every connection and end every exchange with an exception. Idempotent."""
        if self.closed:
            return
        self.closed = True
        ended: list[tuple[Exchange, Result]]
        ended = [(exchange, self._aborted(exchange, reason)) for exchange in list(self._started)]
        for timer in (self._timer, self._sweeper):
            if timer is not None:
                timer.cancel()
        self._scheduler.close()
        self._waiter.close()
        self._slots.close()
        if self.loop.is_closed():  # no task waits any more, and nothing can be called
            self._started.clear()
            self._bodies.clear()
            return
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ClientClosed("client has been closed"))
        self._deliver(ended)

    def _deliver(self, ended: list[tuple[Exchange, Result]]) -> None:
        """End exchanges, and empty the list: tracebacks refer to the frames that have it."""
        for exchange, result in ended:
            if exchange in self._started:  # a hook may have closed the client
                self._end(exchange)(exchange, result)
        ended.clear()

    def forget(self) -> None:
        """Leave everything untouched in a forked child: it belongs to the parent; see `Pool`."""
        self.closed = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    def _aborted(self, exchange: Exchange, reason: BaseException) -> ClientClosed:
        """Abort an exchange and return its exception."""
        error = ClientClosed("transfer has been aborted")
        error.__cause__ = reason
        self._abort(exchange, error)
        return error
