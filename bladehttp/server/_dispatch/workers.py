"""Workers and Coroutines: where handlers run that would block the loop, with bounds."""

import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from importlib import import_module
from queue import SimpleQueue
from typing import Any, Protocol

Work = Callable[[], object]

Done = Callable[[Any, BaseException | None], None]
"""Called with the value of a coroutine, or with the exception it ended with."""


class Workers:
    """A bounded pool of threads behind a bounded queue; each starts when there is work for it.

    They are daemons, so that one that hangs keeps no process alive. (Those of
    `concurrent.futures` are waited for when the interpreter ends.)
    """

    __slots__ = ("_busy", "_count", "_here", "_lock", "_most", "_queue", "_threads")

    def __init__(self, threads: int, most: int) -> None:
        """Set the limits of the pool.

        Args:
            threads: Most functions that run at a time.
            most: Most functions that run or wait.
        """
        self._threads = threads
        self._most = most
        self._busy = 0
        self._count = 0
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._here = threading.local()

    def submit(self, work: Work) -> bool:
        """Call a function on a worker thread; False if the queue is full."""
        with self._lock:
            if self._busy >= self._most:
                return False
            needs_thread = self._busy >= self._count and self._count < self._threads
            if needs_thread:
                name = f"bladehttp-worker_{self._count}"
                threading.Thread(target=self._run, name=name, daemon=True).start()
                self._count += 1
            self._busy += 1
            self._queue.put(work)
        return True

    def is_own_thread(self) -> bool:
        """Whether the caller runs on one of the worker threads."""
        return getattr(self._here, "is_worker", False)

    def close(self) -> None:
        """Drop the waiting calls. Running calls are not waited for."""
        with self._lock:
            while not self._queue.empty():
                self._queue.get()
                self._busy -= 1
            for _ in range(self._count):
                self._queue.put(None)
            self._count = 0

    def _run(self) -> None:
        self._here.is_worker = True
        while (work := self._queue.get()) is not None:
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1
                del work  # and what it refers to, while the thread waits


class Running(Protocol):
    """A coroutine on its way."""

    def cancel(self) -> None:
        """Cancel it. From any thread."""


class Coroutines:
    """Coroutines on an asyncio loop, whose thread starts with the first.

    Attributes:
        most: Most coroutines that run at a time.
    """

    __slots__ = ("_busy", "_lock", "_loop", "most")

    def __init__(self) -> None:
        """Start nothing yet."""
        self._busy = 0
        self._lock = threading.Lock()
        self._loop: Any = None  # an `event_loop.EventLoop`: asyncio is not loaded without need
        self.most: int = 0

    def start(
        self, coroutine: Coroutine[Any, Any, Any], context: Context, done: Done
    ) -> Running | None:
        """Run a coroutine in a context; None if there are too many, and it is closed.

        Args:
            coroutine: The coroutine.
            context: The context.
            done: Called when it has ended, on the thread of the asyncio loop.
        """

        def ended(value: Any, error: BaseException | None) -> None:
            with self._lock:
                self._busy -= 1
            done(value, error)

        with self._lock:
            if self._busy >= self.most:
                coroutine.close()
                return None
            try:
                self._begin()
            except BaseException:  # no thread or no descriptor can be had
                coroutine.close()
                raise
            running: Running = self._loop.start(coroutine, context, ended)
            self._busy += 1
        return running

    def _begin(self) -> None:
        if self._loop is None:
            module = import_module("bladehttp.server._dispatch.event_loop")
            self._loop = module.EventLoop()

    def is_own_thread(self) -> bool:
        """Whether the caller runs on the thread of the asyncio loop."""
        loop = self._loop
        return loop is not None and bool(loop.is_own_thread())

    def close(self) -> None:
        """Cancel what runs and end the thread. The next coroutine starts another."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()

    def forget(self) -> None:
        """Leave the loop to the parent, in a forked child."""
        self._busy, self._lock, self._loop = 0, threading.Lock(), None
