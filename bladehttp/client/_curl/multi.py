"""Multi: a CurlMulti, the waiter that it is driven with, and the exceptions of its callbacks.

An `Engine` has one transfer at a time on it. A `SharedMulti` carries many transfers of a scheduler.

Closing a CurlMulti whose name lookup may be running must not be waited for. libcurl resolves names
in threads of its own and joins them when a multi is closed, so `close` takes as long as
getaddrinfo(3): seconds with a name server that does not answer. No option changes that
(CURLOPT_QUICK_EXIT does not, measured with libcurl 8.23.0). Everything else returns at once,
removing and closing a handle included. So a daemon thread closes such a multi: neither the caller
nor an event loop nor the end of the process waits.

Until then one reference is held that is never released: destroying the object would wait as well,
at the end of the interpreter or in the garbage collector.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import pycurl

from bladehttp.client._curl.waiters import (
    ACTIONS,
    SET_SIZE,
    Events,
    PollWaiter,
    SelectWaiter,
    SocketWaiter,
    Waiter,
)
from bladehttp.exceptions import SocketException

EARLY = 0.001
"""Seconds. A wait that ends earlier by more than this, with no descriptor ready, did not wait."""

INTERRUPTED = -1
"""The result of a wait that was cut short."""


class Multi:
    """A CurlMulti and its way of waiting; select(2) at first.

    Attributes:
        add: Adds an easy handle, whose transfer starts when libcurl is called.
        info_read: Returns the transfers that have ended.
        interruption: The exception that a callback has raised, to be raised again by the driver;
            None for none.
        perform: `perform` of the waiter.
        remove: Removes an easy handle.
        running: The easy handles that are added; their owner keeps the collection up to date.
        timeout: Returns the milliseconds until libcurl's next timer, -1 for none.
        wait: `wait` of the waiter.
        waiter: The waiter.
    """

    __slots__ = (
        "_is_held",
        "_multi",
        "add",
        "info_read",
        "interruption",
        "perform",
        "remove",
        "running",
        "timeout",
        "wait",
        "waiter",
    )  # fmt: skip

    perform: Callable[[], tuple[int, int]]
    wait: Callable[[float], int]

    def __init__(self) -> None:
        """Create a multi.

        Raises:
            SocketException: No descriptor is left for it.
        """
        self._multi = multi = _curl_multi()
        self._is_held = False
        self.running: Collection[Any] = ()
        self.interruption: BaseException | None = None
        # looked up once: pycurl creates an object for a method at every look-up
        self.add, self.remove = multi.add_handle, multi.remove_handle
        self.timeout, self.info_read = multi.timeout, multi.info_read
        self._use(SelectWaiter(multi))

    def _use(self, waiter: Waiter) -> None:
        self.waiter, self.perform, self.wait = waiter, waiter.perform, waiter.wait

    def wait_with(self, waiter: SocketWaiter) -> None:
        """Wait with a waiter that libcurl reports each descriptor to, from now on."""
        waiter.attach(self._multi, self.handle_events, self.interrupt)
        self._use(waiter)

    @property
    def selects(self) -> bool:
        """Whether select(2) waits, and libcurl looks at every transfer."""
        return isinstance(self.waiter, SelectWaiter)

    def change_to_poll(self, _: float = 0.0) -> int:
        """Wait with poll(2) from now on; in place of a wait it is one that was cut short."""
        self.wait_with(PollWaiter())
        for curl in tuple(self.running):
            with suppress(pycurl.error):  # an error ends the transfer, which reports it
                curl.pause(pycurl.PAUSE_RECV)
                curl.pause(pycurl.PAUSE_CONT)  # makes libcurl report its descriptors
        return INTERRUPTED

    def note_descriptor(self, descriptor: int) -> None:
        """Note a descriptor that libcurl opens; select(2) may not be able to wait for it."""
        if descriptor >= SET_SIZE and self.selects:
            self.wait = self.change_to_poll

    def handle_events(self, events: Events) -> None:
        """Tell libcurl which descriptors are ready."""
        socket_action = self._multi.socket_action
        for descriptor, event in events:
            socket_action(descriptor, ACTIONS[event])

    def set_most_connections(self, most: int) -> None:
        """Set the most connections, idle ones included; 0 for no limit."""
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, most)

    def interrupt(self, error: BaseException) -> None:
        """Store an exception raised in a callback."""
        self.interruption = error

    def abort(self, curl: Any) -> None:
        """Remove a transfer that has not succeeded."""
        self.remove(curl)
        self.note_end(curl.getinfo)

    def note_end(self, getinfo: Callable[[int], Any]) -> None:
        """Check a transfer that has not succeeded for a name lookup that may still run."""
        if not self._is_held and may_be_resolving(getinfo):
            self._is_held = True
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._multi))

    def close(self) -> None:
        """Close the connections, in a thread if closing may block."""
        self.interruption = None  # its traceback leads here
        if not self._is_held:
            self._multi.close()
        elif not sys.is_finalizing():  # else the end of the process closes it
            thread = threading.Thread(target=self._close, name="bladehttp-close", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # from CPython 3.12 on, not allowed at the end of the interpreter
                return

    def _close(self) -> None:
        self._multi.close()
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(self._multi))


def _curl_multi() -> Any:
    try:
        return pycurl.CurlMulti()
    except pycurl.error as error:
        raise SocketException(f"opening a connection: no descriptor is left ({error})") from error


def may_be_resolving(getinfo: Callable[[int], Any]) -> bool:
    """Whether an aborted transfer may have left a name lookup running.

    Args:
        getinfo: ``getinfo`` of its handle.
    """
    if getinfo(pycurl.REDIRECT_COUNT):
        return True  # the times add up over the hops that libcurl follows by itself
    return not (getinfo(pycurl.REQUEST_SIZE) or getinfo(pycurl.NAMELOOKUP_TIME))
