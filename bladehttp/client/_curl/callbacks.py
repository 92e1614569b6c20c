"""Callbacks: functions that libcurl calls, and the exceptions raised in them.

pycurl prints an exception of a callback and drops it. So it is stored, libcurl is given the result
with which the transfer is aborted, and the loop raises it to the caller.
"""

from collections.abc import Callable
from typing import Any


def guarded(
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
        except BaseException as error:  # noqa: BLE001 - raised again by the loop
            store(error)
            return failed

    return call
