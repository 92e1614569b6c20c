"""Closing of a CurlMulti that may have a name lookup under way, without waiting for it.

libcurl looks names up in threads of its own, and joins them when a multi is closed: `close` takes
as long as getaddrinfo(3), seconds with a name server that does not answer. No option changes that
(CURLOPT_QUICK_EXIT does not, measured with libcurl 8.23.0). Everything else returns at once, taking
a handle off and closing it too. So such a multi is closed by a daemon thread of its own: neither
the caller nor an event loop waits, nor does the end of the process.

Until then one reference is kept that nothing gives back: to destroy the object would wait as well,
wherever the interpreter's end or the garbage collector does it.
"""

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

import pycurl


def may_look_up(ask: Callable[[int], Any]) -> bool:
    """Whether a transfer that was cut short may have left a name lookup behind.

    Args:
        ask: ``getinfo`` of its handle.
    """
    if ask(pycurl.REDIRECT_COUNT):
        return True  # the times add up over the hops that libcurl follows by itself
    return not (ask(pycurl.REQUEST_SIZE) or ask(pycurl.NAMELOOKUP_TIME))


class Closing:
    """How one CurlMulti is closed.

    Attributes:
        is_held: Whether a name lookup may be under way, so that closing must not be waited for.
    """

    __slots__ = ("_multi", "is_held")

    def __init__(self, multi: Any) -> None:
        self._multi = multi
        self.is_held = False

    def note(self, ask: Callable[[int], Any]) -> None:
        """Look at a transfer that was cut short: it may have left a name lookup behind."""
        if not self.is_held and may_look_up(ask):
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
