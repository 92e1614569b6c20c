"""Pool: idle engines, the one used last first.

LIFO keeps the warm connections in use and lets the others grow old: 100 threads over 8 handles are
as fast as 100 handles. There are never more engines than threads at work at the same time.
"""

import ctypes
import os
import threading
import weakref

from bladehttp.client.engine import Engine
from bladehttp.exceptions import ClientClosed

_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


class Pool:
    """The idle engines of one client.

    Attributes:
        closed: Whether it has been closed: `take` raises, and what comes back is closed.
        lock: Held for a moment by whoever changes the pool, or its client's properties.
    """

    __slots__ = ("__weakref__", "_idle", "closed", "lock")

    def __init__(self) -> None:
        self.closed = False
        self._renew()
        _pools.add(self)

    def _renew(self) -> None:
        self._idle: list[Engine] = []
        self.lock = threading.Lock()

    def take(self) -> Engine:
        """Return the engine that came back last, or a new one.

        Raises:
            ClientClosed: The pool has been closed.
        """
        with self.lock:
            if self.closed:
                raise ClientClosed("client has been closed")
            if self._idle:
                return self._idle.pop()
        return Engine()

    def give(self, engine: Engine) -> None:
        """Take an engine back, or close it if it is not sound or came too late."""
        with self.lock:
            if engine.sound and not self.closed:
                self._idle.append(engine)
                return
        engine.close()

    def close(self) -> None:
        """Close the idle engines, and each of the others when it comes back."""
        with self.lock:
            self.closed = True
            idle, self._idle = self._idle, []
        for engine in idle:
            engine.close()

    @property
    def idle(self) -> int:
        """How many engines wait."""
        return len(self._idle)

    def forget(self) -> None:
        """Start anew in a forked child, the inherited engines neither used nor closed.

        Their connections are the parent's: closing one here would send a TLS close_notify in the
        middle of the parent's conversation. Not even the interpreter's end may free them, hence
        the reference that nothing gives back. The lock may be held by a thread that is no more.
        """
        for engine in self._idle:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
        self._renew()


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(after_in_child=_forget_all)
