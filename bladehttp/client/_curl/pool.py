"""Pool: idle engines, the last used one first.

LIFO keeps warm connections in use and lets the others age: 100 threads over 8 handles are as fast
as 100 handles. There are never more engines than threads that are at work at the same time.
"""

import ctypes
import os
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from bladehttp.exceptions import ClientClosed

LOOK = 1.0
"""Least time between two checks of idle engines, in seconds."""


class Limits(Protocol):
    """The limits of a pool; `Settings` has them."""

    @property
    def max_idle_connections(self) -> int | None: ...
    @property
    def idle_timeout(self) -> int | None: ...


class Kept(Protocol):
    """An object that a pool keeps.

    Attributes:
        idle_since: When it was released, in terms of `time.monotonic`.
        is_inherited: Whether it belongs to the parent process, which may be using it.
    """

    idle_since: float
    is_inherited: bool

    def may_be_kept(self) -> bool:
        """Whether it can be used again."""
        raise NotImplementedError

    def is_open(self, limits: Limits) -> bool:
        """Close connections that are of no use; return whether any is left."""
        raise NotImplementedError

    def close(self) -> None: ...


T = TypeVar("T", bound=Kept)

_pools: "weakref.WeakSet[Pool[Any]]" = weakref.WeakSet()
_made: "weakref.WeakSet[Kept]" = weakref.WeakSet()

INHERITED = "a stream or send_many that was begun before a fork belongs to the parent process"


class Pool(Generic[T]):
    """The idle engines or schedulers of one client.

    There is no lock: `append` and `pop` of a list are atomic. `close` first sets ``closed`` and
    then empties the list; `release` first appends an engine and then reads ``closed``. So each
    engine is closed once.

    Attributes:
        closed: Whether it has been closed: `acquire` raises, and released engines are closed.
    """

    __slots__ = ("__weakref__", "_idle", "_look_at", "_make", "_sibling", "closed")

    def __init__(self, make: Callable[[], T], sibling: "Pool[Any] | None" = None) -> None:
        """Create a pool.

        Args:
            make: Creates an engine when none is idle.
            sibling: Another pool, which is checked when this one is.
        """
        self.closed = False
        self._sibling = sibling
        self._look_at = 0.0
        self._make = make
        self._idle: list[T] = []
        _pools.add(self)

    def acquire(self) -> T:
        """Return the engine that was released last, or a new one.

        Raises:
            ClientClosed: The pool has been closed.
        """
        if self.closed:
            raise ClientClosed("client has been closed")
        try:
            return self._idle.pop()
        except IndexError:
            engine = self._make()
            _made.add(engine)
            return engine

    def release(self, engine: T, limits: Limits) -> None:
        """Keep an engine if it is reusable; close those that were idle for too long.

        Args:
            engine: The engine.
            limits: How many engines are kept, and for how long.
        """
        if engine.is_inherited:
            return
        if not engine.may_be_kept():
            engine.close()
            return
        engine.idle_since = now = monotonic()
        idle = self._idle
        idle.append(engine)
        if self.closed:
            self._empty()
        elif len(idle) > 1 or now >= self._look_at:  # one is always allowed
            self._tidy(limits, now)

    def _tidy(self, limits: Limits, now: float) -> None:
        """Close engines beyond the limit, and from time to time too old or dead ones."""
        most = limits.max_idle_connections
        if most is not None and len(self._idle) > most:
            self._close_oldest()
        if now >= self._look_at and (len(self._idle) > 1 or self._sibling is not None):
            self._look_at = now + LOOK
            self._look(limits, now, but=1)
            if self._sibling is not None:
                self._sibling._look(limits, now, but=0)

    def _close_oldest(self) -> None:
        try:
            engine = self._idle.pop(0)
        except IndexError:  # another thread has taken it
            return
        engine.close()

    def _look(self, limits: Limits, now: float, but: int) -> None:
        """Check all but the youngest engines; close those beyond a limit and dead ones.

        One is taken out at a time: a thread that finds none idle meanwhile makes one.
        """
        most, longest = limits.max_idle_connections, limits.idle_timeout
        oldest = now - longest / 1000 if longest else 0.0
        kept = 0
        for _ in range(len(self._idle) - but):
            try:
                engine = self._idle.pop(kept)  # no other thread can take it now
            except IndexError:
                break
            is_wanted = most is None or len(self._idle) < most
            if is_wanted and engine.idle_since > oldest and engine.is_open(limits):
                self._idle.insert(kept, engine)
                kept += 1
            else:
                engine.close()
        if self.closed:
            self._empty()

    def close(self) -> None:
        """Close the idle engines now and the others when they are released."""
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
        """The number of idle engines."""
        return len(self._idle)

    def forget(self) -> None:
        """Start empty in a forked child."""
        self._idle = []


def _forget_all() -> None:
    """Neither use nor close the inherited engines in a forked child, those in use included.

    Their connections belong to the parent: reading from one here would take the parent's bytes, and
    closing it would send a TLS close_notify into the parent's conversation. Not even the end of the
    interpreter may free them, hence the reference that is never released.
    """
    for engine in list(_made):
        engine.is_inherited = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    for pool in list(_pools):
        pool.forget()


os.register_at_fork(after_in_child=_forget_all)
