"""Callbacks: functions that libcurl calls, and the exceptions raised in them.

pycurl prints an exception of most callbacks and drops it. So it is stored, libcurl gets the result
with which it aborts the transfer, and the caller of the transfer gets the exception.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import pycurl

Call = TypeVar("Call", bound=Callable[..., Any])

FAILED: dict[int, int | None] = {
    pycurl.OPENSOCKETFUNCTION: pycurl.SOCKET_BAD,
    pycurl.PREREQFUNCTION: pycurl.PREREQFUNC_ABORT,
    pycurl.READFUNCTION: pycurl.READFUNC_ABORT,
    pycurl.SEEKFUNCTION: pycurl.SEEKFUNC_FAIL,
    pycurl.SOCKOPTFUNCTION: pycurl.SOCKOPT_ERROR,
    pycurl.WRITEFUNCTION: 0,  # fewer bytes than were passed
    pycurl.HEADERFUNCTION: 0,
    pycurl.XFERINFOFUNCTION: 1,
}
"""The result with which libcurl aborts a transfer, by the option of the callback. The others cannot
abort one."""


def storing_errors(
    callback: Callable[..., Any], store: Callable[[BaseException], None], failed: Any = None
) -> Callable[..., Any]:
    """Return a callback for libcurl.

    Args:
        callback: The function. A Ctrl-C can be raised in any line of it.
        store: Called with an exception that it raises.
        failed: The result for libcurl in that case.
    """

    def call(*arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised again by the loop or the transfer
            store(error)
            return failed

    return call


def unpause(curl: Any) -> None:
    """Continue a paused transfer in both directions; an error ends it, and it reports that."""
    with suppress(pycurl.error):
        curl.pause(pycurl.PAUSE_CONT)
