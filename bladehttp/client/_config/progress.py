"""Progress: a function of the caller's that is told how far a body has come."""

from collections.abc import Callable
from typing import Any

Report = Callable[[int, int | None], object]
"""Called with the bytes done and those there will be, None where that is not known."""


class Progress:
    """What libcurl tells of a transfer, told on (CURLOPT_XFERINFOFUNCTION).

    What the caller's function raises is kept in ``error`` and ends the transfer; pycurl would print
    and lose it.
    """

    __slots__ = ("_last", "_report", "_upwards", "error")

    def __init__(self, report: Report, upwards: bool) -> None:
        """Take the function, and whether it is the request's body that counts."""
        self._report = report
        self._upwards = upwards
        self._last = 0
        self.error: BaseException | None = None

    def __call__(self, to_receive: int, received: int, to_send: int, sent: int) -> int:
        """Tell on what has changed; 1 ends the transfer."""
        done, total = (sent, to_send) if self._upwards else (received, to_receive)
        if self.error is not None:
            return 1
        if done == self._last:
            return 0
        self._last = done
        try:
            self._report(done, total if total > 0 else None)
        except BaseException as error:  # noqa: BLE001 - raised again by the transfer
            self.error = error
            return 1
        return 0


def check_report(name: str, value: Any) -> Report:
    """Accept a function."""
    if not callable(value):
        raise TypeError(f"{name} is a function, not {value!r}"[:200])
    report: Report = value
    return report
