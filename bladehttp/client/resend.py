"""Once: libcurl sends a request again by itself when a kept connection turns out dead; not these.

The server may have acted on what it read before it closed (docs/decisions/0016).
"""

import pycurl

from bladehttp.client.engine import Outcome


class Once:
    """A guard for one transfer that must not be sent twice. CURLOPT_PREREQFUNCTION.

    libcurl calls it each time it is about to send. Between two rounds of authentication, or after a
    417, header lines have arrived; where none have, the request would be repeated.
    """

    __slots__ = ("_lines", "_seen", "tripped")

    def __init__(self, lines: list[bytes]) -> None:
        """Take the list that the header lines go to."""
        self._lines = lines
        self._seen = -1
        self.tripped = False

    def __call__(self, *_: object) -> int:
        if len(self._lines) == self._seen:
            self.tripped = True
            return int(pycurl.PREREQFUNC_ABORT)
        self._seen = len(self._lines)
        return int(pycurl.PREREQFUNC_OK)

    def outcome(self, method: str) -> Outcome:
        """Return what happened in truth, for the error that libcurl makes of being stopped."""
        return Outcome(
            pycurl.E_RECV_ERROR,
            f"kept connection was lost before a response, and {method} is not sent twice",
        )
