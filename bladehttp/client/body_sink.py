"""BodySink: where libcurl writes the body of a response that is received as a whole.

The body of a redirect that is followed is read by nobody, so it is neither kept nor decoded, nor
counted against ``max_body_size``. While it is short it is received all the same, since the
connection can be used again after it. Beyond LONGEST_DROPPED the transfer is aborted, which closes
the connection (over HTTP/2 it resets the stream). If the connection ends with the response
anyway, nothing of the body is waited for.
"""

from io import BytesIO
from math import inf

from bladehttp.client.received import BLANK, Received
from bladehttp.client.redirects import NEXT_METHOD
from bladehttp.exceptions import HttpException

LONGEST_DROPPED = 64 * 1024
"""The longest body of a redirect that is received for the sake of its connection, in bytes."""

REDIRECT = b"3"


class BodySink:
    """Collects a body.

    Attributes:
        getvalue: Returns what was collected.
        lines: The header lines received so far.
        error: Why what was collected cannot be decoded; None here, where nothing is.
        is_busy: Whether the transfer waits for what was received to be decoded.
        is_decoded: Whether what was collected is decoded.
    """

    error: HttpException | None = None
    is_busy: bool = False
    is_decoded: bool = False

    __slots__ = ("_buffer", "_left", "_seen", "_write", "getvalue", "lines")

    def __init__(self, lines: list[bytes], follows: bool) -> None:
        """Make an empty one.

        Args:
            lines: The list that the header lines go to.
            follows: Whether redirects are followed.
        """
        self.lines = lines
        self._buffer = buffer = BytesIO()
        self._write, self.getvalue = buffer.write, buffer.getvalue
        self._left = LONGEST_DROPPED if follows else inf
        self._seen = 0 if follows else -1

    def write(self, piece: bytes) -> int:
        """Take a piece, or abort the transfer. CURLOPT_WRITEFUNCTION."""
        self._left -= len(piece)
        if self._left < 0 and not self._is_wanted():
            return 0
        return self._write(piece)

    def _is_wanted(self) -> bool:
        """Whether a body beyond LONGEST_DROPPED is collected all the same."""
        if leads_on(self.lines):
            return False
        self._left = inf
        return True

    def is_over(self) -> bool:
        """Whether the rest need not be waited for. Cheap unless header lines have come since."""
        lines, seen = self.lines, self._seen
        if seen < 0 or len(lines) == seen:
            return False
        self._seen = len(lines)
        if lines[0][9:10] == b"2" and lines.index(lines[-1]) == len(lines) - 1:
            return False  # nearly always: one head, and no redirect
        return lines[-1] in BLANK and leads_on(lines) and Received(lines).ends_connection

    def finish(self) -> None:
        """Take what is left, at the end of the body: nothing here."""

    def close(self) -> None:
        """Forget what was collected."""
        self._buffer.close()


NO_SINK = BodySink([], follows=False)
"""What a handle has whose body goes elsewhere; it is never over."""


def leads_on(lines: list[bytes]) -> bool:
    """Whether header lines are those of a redirect that can be followed, its head whole."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    if status.partition(b" ")[2][:1] != REDIRECT:
        return False
    received = Received(lines)
    return received.is_whole and received.status in NEXT_METHOD and bool(received.location)
