"""Pool: idle engines, the one used last first.

LIFO keeps the warm connections in use and lets the others grow old: 100 threads over 8 handles are
as fast as 100 handles. There are never more engines than threads at work at the same time.

Closing of a CurlMulti that may have a name lookup under way, without waiting for it.

libcurl looks names up in threads of its own, and joins them when a multi is closed: `close` takes
as long as getaddrinfo(3), seconds with a name server that does not answer. No option changes that
(CURLOPT_QUICK_EXIT does not, measured with libcurl 8.23.0). Everything else returns at once, taking
a handle off and closing it too. So such a multi is closed by a daemon thread of its own: neither
the caller nor an event loop waits, nor does the end of the process.

Until then one reference is kept that nothing gives back: to destroy the object would wait as well,
wherever the interpreter's end or the garbage collector does it.
"""

import ctypes
import os
import sys
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import pycurl

from bladehttp.exceptions import ClientClosed, SocketException


def make_multi() -> Any:
    """Return a new CurlMulti.

    Raises:
        SocketException: No descriptor is left for it.
    """
    try:
        return pycurl.CurlMulti()
    except pycurl.error as error:
        raise SocketException(f"opening a connection: no descriptor is left ({error})") from error


LOOK = 1.0
"""Least time between two looks at what is idle, in seconds."""


class Limits(Protocol):
    """What a pool keeps to; `Settings` has them."""

    @property
    def max_idle_connections(self) -> int | None: ...
    @property
    def idle_timeout(self) -> int | None: ...


class Kept(Protocol):
    """What a pool keeps.

    Attributes:
        idle_since: When it came back, in terms of `time.monotonic`.
        is_reusable: Whether it may be used again.
    """

    idle_since: float

    @property
    def is_reusable(self) -> bool: ...
    def is_open(self, limits: Limits) -> bool:
        """Close connections that are of no use; whether there is any left."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Kept)

_pools: "weakref.WeakSet[Pool[Any]]" = weakref.WeakSet()


class Pool(Generic[T]):
    """The idle engines of one client, or others that drive handles.

    There is no lock: `append` and `pop` of a list are atomic. `close` first says so and then
    empties the list, `release` first puts an engine back and then looks; so each is closed once.

    Attributes:
        closed: Whether it has been closed: `acquire` raises, and what comes back is closed.
    """

    __slots__ = ("__weakref__", "_idle", "_look_at", "_make", "_sibling", "closed")

    def __init__(self, make: Callable[[], T], sibling: "Pool[Any] | None" = None) -> None:
        """Make a pool.

        Args:
            make: Makes what is missing.
            sibling: Another pool, which is looked after when this one is.
        """
        self.closed = False
        self._sibling = sibling
        self._look_at = 0.0
        self._make = make
        self._idle: list[T] = []
        _pools.add(self)

    def acquire(self) -> T:
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

    def release(self, engine: T, limits: Limits) -> None:
        """Take an engine back, unless it is not sound; close those that were idle for too long.

        Args:
            engine: The engine.
            limits: How many are kept, and for how long.
        """
        if not engine.is_reusable:
            engine.close()
            return
        engine.idle_since = now = monotonic()
        self._idle.append(engine)
        if self.closed:
            self._empty()
            return
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
        """Look at all but the youngest, and close those that are too many, too old or dead."""
        most, longest = limits.max_idle_connections, limits.idle_timeout
        oldest = now - longest / 1000 if longest else 0.0
        kept: list[T] = []
        for _ in range(len(self._idle) - but):
            try:
                engine = self._idle.pop(0)  # no other thread has it from now on
            except IndexError:
                break
            is_wanted = most is None or len(self._idle) + len(kept) < most
            if is_wanted and engine.idle_since > oldest and engine.is_open(limits):
                kept.append(engine)
            else:
                engine.close()
        self._idle[:0] = kept
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


def may_be_resolving(getinfo: Callable[[int], Any]) -> bool:
    """Whether a transfer that was cut short may have left a name lookup behind.

    Args:
        getinfo: ``getinfo`` of its handle.
    """
    if getinfo(pycurl.REDIRECT_COUNT):
        return True  # the times add up over the hops that libcurl follows by itself
    return not (getinfo(pycurl.REQUEST_SIZE) or getinfo(pycurl.NAMELOOKUP_TIME))


class MultiCloser:
    """How one CurlMulti is closed.

    Attributes:
        is_held: Whether a name lookup may be under way, so that closing must not be waited for.
    """

    __slots__ = ("_multi", "is_held")

    def __init__(self, multi: Any) -> None:
        self._multi = multi
        self.is_held = False

    def note(self, getinfo: Callable[[int], Any]) -> None:
        """Look at a transfer that was cut short: it may have left a name lookup behind."""
        if not self.is_held and may_be_resolving(getinfo):
            self.is_held = True
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._multi))

    def close(self) -> None:
        """Close the multi, in a thread where that may have to wait."""
        if not self.is_held:
            self._multi.close()
        elif not sys.is_finalizing():  # else the process's end closes it
            thread = threading.Thread(target=self._close, name="bladehttp-close", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # from CPython 3.12 on the interpreter's end allows none
                return

    def _close(self) -> None:
        self._multi.close()
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(self._multi))
