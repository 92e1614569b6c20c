"""Workers: threads for handlers that would keep the loop from everybody else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


class Workers:
    """A bounded pool of threads behind a bounded queue; it is started when it is first used."""

    __slots__ = ("_busy", "_lock", "_most", "_pool", "_threads")

    def __init__(self, threads: int, most: int) -> None:
        """Limit what they do.

        Args:
            threads: Most functions that run at a time.
            most: Most that run or wait to.
        """
        self._threads = threads
        self._most = most
        self._busy = 0
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], None]) -> bool:
        """Have a function called by a thread; False if there is no room for it."""
        with self._lock:
            if self._busy >= self._most:
                return False
            self._busy += 1
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "bladehttp-worker")
        self._pool.submit(work).add_done_callback(self._done)
        return True

    def close(self) -> None:
        """Call nothing more that waits. What runs is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, work: object) -> None:
        del work
        with self._lock:
            self._busy -= 1
