"""Progress: calls a function of the caller's with the progress of a body."""

from collections.abc import Callable
from typing import Any

Report = Callable[[int, int | None], object]
"""Called with the bytes done and the total, None if the total is not known."""


class Progress:
    """Passes libcurl's progress on to the caller's function. CURLOPT_XFERINFOFUNCTION."""

    __slots__ = ("_last", "_report", "_upwards")

    def __init__(self, report: Report, upwards: bool) -> None:
        """Create a callback.

        Args:
            report: The caller's function.
            upwards: Whether the request's body counts instead of the response's.
        """
        self._report = report
        self._upwards = upwards
        self._last = 0

    def __call__(self, to_receive: int, received: int, to_send: int, sent: int) -> int:
        """Report a change."""
        done, total = (sent, to_send) if self._upwards else (received, to_receive)
        if done != self._last:
            self._last = done
            self._report(done, total if total > 0 else None)
        return 0


def check_report(name: str, value: Any) -> Report:
    """Accept a function."""
    if not callable(value):
        raise TypeError(f"{name} is a function, not {value!r}"[:200])
    report: Report = value
    return report
