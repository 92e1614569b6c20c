"""AsyncBatch: the requests of one `AsyncHttpClient.send_many`, taken as there is room."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import Context, copy_context
from math import inf
from time import monotonic
from typing import Any

from bladehttp._message.response import HttpResponse
from bladehttp.client._asyncio.event_loop import EventLoopDriver
from bladehttp.client._asyncio.hooks import await_response_hooks, start_hooks_task
from bladehttp.client._asyncio.slots import AsyncSlots
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.scheduler import Result
from bladehttp.client._exchange.send_many import Batch
from bladehttp.exceptions import ClientClosed


class AsyncBatch:
    """The requests of one `send_many` that are under way.

    Attributes:
        reason: The exception that aborts the requests still under way; see
            `EventLoopDriver.abort`.
    """

    def __init__(
        self, running: Callable[[], EventLoopDriver], driver: EventLoopDriver, batch: Batch
    ) -> None:
        """Create a batch.

        Args:
            running: Returns the driver. Called for each request: the client may close meanwhile.
            driver: The driver at the start.
            batch: The requests and results.
        """
        self.reason: BaseException | None = None
        self._news = asyncio.Event()  # there may be a result, or the requests are at their end
        self._may_take = asyncio.Event()  # another request may be taken
        self._running = running
        self._batch = batch
        self._loop = driver.loop
        self._slots = AsyncSlots(driver.loop, batch.concurrency, driver.host_limit, self._admit)
        self._under_way: dict[Exchange, EventLoopDriver] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._taking: asyncio.Task[None] | None = None
        self._hook_tasks: dict[Exchange, asyncio.Task[None]] = {}

    def start(self, requests: AsyncIterator[Any]) -> None:
        """Start taking requests."""
        self._taking = self._loop.create_task(self._take_all(requests))

    async def _take_all(self, requests: AsyncIterator[Any]) -> None:
        """Take the requests as there is room, and start them as slots are free.

        Raises:
            BaseException: An exception of the caller's iterable.
        """
        batch = self._batch
        batch.has_ended(monotonic())
        try:
            while True:
                while not batch.free_capacity:
                    self._may_take.clear()
                    self._arm()
                    await self._may_take.wait()
                given = await anext(requests)
                if given is not None:
                    self._take(given)
                    continue
                batch.pause()
                if not batch.is_waiting:
                    return
        except StopAsyncIteration:
            batch.end()
        finally:
            self._news.set()

    def _arm(self) -> None:
        """Schedule taking more requests if nothing ends for some time."""
        stalls_at = self._batch.stalls_at
        if self._timer is None and stalls_at < inf:
            delay = max(0.001, stalls_at - monotonic())
            self._timer = self._loop.call_later(delay, self._on_timer, context=Context())

    def _on_timer(self) -> None:
        self._timer = None
        self._batch.look_ahead(monotonic())
        self._may_take.set()

    def _take(self, given: Any) -> None:
        exchange = self._batch.take(given, self._batch.making())
        if exchange is None:
            self._news.set()
        elif self._slots.enter(exchange):
            self._begin(exchange)
        else:
            exchange.context = copy_context()

    def _begin(self, exchange: Exchange) -> None:
        driver = self._under_way[exchange] = self._running()
        driver.start(exchange, self._done)

    def _admit(self, exchange: Exchange) -> None:
        """Start a request that has waited for its slot."""
        exchange.restart_clocks()
        try:
            self._begin(exchange)
        except ClientClosed as error:
            self._error = error
            self._news.set()

    def _done(self, exchange: Exchange, result: Result) -> None:
        del self._under_way[exchange]
        if exchange.awaitables:
            settling = self._await_hooks(exchange, result)
            self._hook_tasks[exchange] = self._loop.create_task(settling, context=Context())
        else:
            self._put(exchange, result)

    async def _await_hooks(self, exchange: Exchange, result: Result) -> None:
        try:
            await await_response_hooks(exchange)
            if isinstance(result, HttpResponse):
                exchange.check_status(result)
        except Exception as error:  # noqa: BLE001 - returned as a result
            self._put_awaited(exchange, exchange.annotate(error))
        else:
            self._put_awaited(exchange, result)

    def _put_awaited(self, exchange: Exchange, result: Result) -> None:
        self._hook_tasks.pop(exchange, None)
        self._put(exchange, result)

    def _put(self, exchange: Exchange, result: Result) -> None:
        self._batch.put([(exchange, result)], monotonic())
        self._slots.leave(exchange)
        self._news.set()
        self._may_take.set()

    async def next(self) -> Result | None:
        """Return the next result, None after the last.

        Raises:
            ClientClosed: The client was closed before a slot was free for a request.
            BaseException: An exception of the caller's iterable.
        """
        batch = self._batch
        if batch.caller_has_result and batch.is_waiting:
            batch.is_waiting = False
            self._may_take.set()
        batch.caller_has_result = False
        while not batch.over:
            if batch.ready:
                batch.caller_has_result = True
                self._may_take.set()
                return batch.ready.popleft()
            if self._taking is not None and self._taking.done():
                self._taking.result()
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return None

    async def close(self) -> None:
        """Stop taking requests, and abort those under way.

        The exceptions are released: their tracebacks refer to this batch.
        """
        taking, self._taking = self._taking, None
        if taking is not None:
            taking.cancel()
        try:
            if taking is not None:
                await asyncio.wait((taking,))
        finally:
            await self._abort()
            self.reason = self._error = None
            self._hook_tasks.clear()

    async def _abort(self) -> None:
        self._slots.close()
        if self._timer is not None:
            self._timer.cancel()
        for exchange, driver in self._under_way.items():
            driver.abort(exchange, self.reason)
        for exchange, task in self._hook_tasks.items():
            task.cancel()
            exchange.notify_abort(self.reason or asyncio.CancelledError())
        exchanges = [*self._under_way, *self._hook_tasks]
        tasks = [task for task in map(start_hooks_task, exchanges) if task is not None]
        if tasks:
            await asyncio.wait(tasks)
        self._batch.close()
