"""EventLoop: one asyncio loop on a thread of its own, for coroutine functions as handlers.

The only module of the server that knows asyncio; it is imported, and its thread started, by the
first request that needs it.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

GRACE_S = 2.0
"""Seconds that cancelled tasks have for their ``finally`` when the loop is closed."""

Done = Callable[[Any, BaseException | None], None]
"""Called with the value of a coroutine, or with the exception it ended with."""


class Running:
    """A coroutine on its way."""

    __slots__ = ("_coroutine", "_done", "_is_cancelled", "_loop", "_task")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], done: Done
    ) -> None:
        """Take a coroutine for a loop; `start` runs on the thread of the loop."""
        self._coroutine = coroutine
        self._done = done
        self._is_cancelled = False
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None

    def start(self, context: Context) -> None:
        """Make a task of it."""
        self._task = self._loop.create_task(self._settled(), context=context)
        self._task.add_done_callback(self._finished)
        if self._is_cancelled:
            self._task.cancel()

    def cancel(self) -> None:
        """Cancel it. From any thread; harmless when it is over."""
        self._is_cancelled = True
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # the loop is closed
            pass

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _settled(self) -> tuple[Any, BaseException | None]:
        """Return how it ended. KeyboardInterrupt and SystemExit would end the loop otherwise."""
        try:
            return await self._coroutine, None
        except BaseException as error:  # noqa: BLE001 - handed on
            return None, error

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._coroutine.close()  # cancelled before it began, it has not run
        value, error = (None, asyncio.CancelledError()) if task.cancelled() else task.result()
        self._done(value, error)
        self._task = None  # it has the exception, as `_done` may, whose traceback leads here
        del self._done


class EventLoop:
    """An asyncio loop on a daemon thread."""

    __slots__ = ("_end", "_loop", "_thread")

    def __init__(self) -> None:
        """Start the thread.

        Raises:
            OSError: There are no descriptors for the loop.
            RuntimeError: There is no thread.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="bladehttp-asyncio", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise

    def start(self, coroutine: Coroutine[Any, Any, Any], context: Context, done: Done) -> Running:
        """Run a coroutine in a context. From any thread; ``done`` is called on the loop's."""
        running = Running(self._loop, coroutine, done)
        self._loop.call_soon_threadsafe(running.start, context)
        return running

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the thread of the loop."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Cancel what runs, and wait for a moment until it has ended."""
        self._loop.call_soon_threadsafe(self._stop)
        if not self.is_own_thread():
            self._thread.join(GRACE_S + 1)

    def _stop(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._end = self._loop.create_task(self._stop_after(tasks))

    async def _stop_after(self, tasks: set[asyncio.Task[Any]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
        await self._loop.shutdown_asyncgens()
        self._loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
