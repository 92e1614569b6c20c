"""Pool: idle engines, the one used last first.

LIFO keeps the warm connections in use and lets the others grow old: 100 threads over 8 handles are
as fast as 100 handles. There are never more engines than threads at work at the same time.
"""

import ctypes
import os
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from bladehttp.exceptions import ClientClosed


class Kept(Protocol):
    """What a pool keeps."""

    @property
    def sound(self) -> bool: ...
    def close(self) -> None: ...


T = TypeVar("T", bound=Kept)

_pools: "weakref.WeakSet[Pool[Any]]" = weakref.WeakSet()


class Pool(Generic[T]):
    """The idle engines of one client, or others that drive handles.

    There is no lock: `append` and `pop` of a list are atomic. `close` first says so and then
    empties the list, `give` first puts an engine back and then looks; so each is closed once.

    Attributes:
        closed: Whether it has been closed: `take` raises, and what comes back is closed.
    """

    __slots__ = ("__weakref__", "_idle", "_make", "closed")

    def __init__(self, make: Callable[[], T]) -> None:
        """Make a pool that makes what it has not."""
        self.closed = False
        self._make = make
        self._idle: list[T] = []
        _pools.add(self)

    def take(self) -> T:
        """Return the engine that came back last, or a new one.

        Raises:
            ClientClosed: The pool has been closed.
        """
        if self.closed:
            raise ClientClosed("client has been closed")
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give(self, engine: T) -> None:
        """Take an engine back; one that is not sound is closed."""
        if not engine.sound:
            engine.close()
            return
        self._idle.append(engine)
        if self.closed:
            self._empty()

    def close(self) -> None:
        """Close the idle engines, and each of the others when it comes back."""
        self.closed = True
        self._empty()

    def _empty(self) -> None:
        while True:
            try:
                engine = self._idle.pop()
            except IndexError:
                return
            engine.close()

    @property
    def idle(self) -> int:
        """How many engines wait."""
        return len(self._idle)

    def forget(self) -> None:
        """Start anew in a forked child, the inherited engines neither used nor closed.

        Their connections are the parent's: closing one here would send a TLS close_notify in the
        middle of the parent's conversation. Not even the interpreter's end may free them, hence
        the reference that nothing gives back.
        """
        for engine in self._idle:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
        self._idle = []


def _forget_all() -> None:
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(after_in_child=_forget_all)
