"""Workers: a bounded thread pool for handlers that would block the loop."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], object]


class Workers:
    """A bounded pool of threads behind a bounded queue; each starts when there is work for it.

    They are daemons, so that one that hangs keeps no process alive. (Those of
    `concurrent.futures` are waited for when the interpreter ends.)
    """

    __slots__ = ("_busy", "_count", "_lock", "_most", "_queue", "_threads")

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
        while (work := self._queue.get()) is not None:
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1
                del work  # and what it refers to, while the thread waits
