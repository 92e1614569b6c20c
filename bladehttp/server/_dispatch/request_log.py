"""RequestLog: the last requests of a server, for inspection in a test or a console."""

from collections import deque

from bladehttp._message.request import HttpRequest

RECORDED = 1000
"""Most requests kept."""

RECORDED_BYTES = 16 * 1024 * 1024
"""Most bytes of their bodies together; one request is kept however long its body is."""


class RequestLog:
    """Keeps requests up to a number and a size, then drops the oldest."""

    __slots__ = ("_bytes", "_entries")

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[tuple[HttpRequest, int]] = deque()
        self._bytes = 0

    def add(self, request: HttpRequest) -> None:
        """Record a request, before callbacks see it."""
        entries, size = self._entries, request.size
        entries.append((request, size))
        self._bytes += size
        while len(entries) > RECORDED or (self._bytes > RECORDED_BYTES and len(entries) > 1):
            self._bytes -= entries.popleft()[1]

    def requests(self) -> tuple[HttpRequest, ...]:
        """Return the requests, the oldest first. From any thread."""
        entries = tuple(self._entries)  # at once: nothing is added meanwhile
        return tuple(request for request, _ in entries)
