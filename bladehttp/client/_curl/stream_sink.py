"""StreamSink: where libcurl writes the body of a response that is read while it is received."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

import pycurl

from bladehttp.client._curl.body_sink import LONGEST_DROPPED
from bladehttp.client._curl.callbacks import unpause
from bladehttp.client._curl.response_head import BLANK

QUEUED_CHUNKS = 64
"""Most chunks that wait to be read, of 16 KiB each or as large as they are received."""


def ignored() -> None:
    """Ignore a notice: the transfer is over."""


class StreamSink:
    """A queue of chunks that libcurl writes a body to.

    Attributes:
        chunks: The received chunks.
        is_full: Whether libcurl keeps a chunk and has paused.
        is_open: Whether the body is read in chunks. The body of a redirect is dropped, that of a
            response that may be retried is collected.
    """

    __slots__ = ("_dropped", "_most", "_notify", "chunks", "is_full", "is_open")

    def __init__(self, notify: Callable[[], None], most: float = QUEUED_CHUNKS) -> None:
        """Create an empty sink.

        Args:
            notify: Called whenever a chunk or the end of a head is received.
            most: Most chunks in the queue at a time.
        """
        self._notify = notify
        self._most = most
        self._dropped: int | None = None
        self.is_full = False
        self.chunks: deque[bytes] = deque()
        self.is_open = False

    def write(self, data: bytes) -> int:
        """Queue a chunk, or have libcurl keep it and pause. CURLOPT_WRITEFUNCTION."""
        if self._dropped is not None:
            self._dropped += len(data)
            return len(data) if self._dropped <= LONGEST_DROPPED else 0
        self._notify()
        if len(self.chunks) >= self._most:
            self.is_full = True
            return int(pycurl.WRITEFUNC_PAUSE)
        self.chunks.append(data)
        return len(data)

    @property
    def has_begun(self) -> bool:
        """Whether a byte of the body was received."""
        return self.is_full or bool(self.chunks)

    def header_callback(self, lines: list[bytes]) -> Callable[[bytes], None]:
        """Return the CURLOPT_HEADERFUNCTION, which also reports the end of each head."""

        def on_header(line: bytes) -> None:
            lines.append(line)
            if line in BLANK:
                self._notify()

        return on_header

    def collect(self) -> None:
        """Collect chunks without a limit from now on."""
        self._most = inf

    def drop(self) -> None:
        """Drop all chunks from now on, and abort the transfer beyond LONGEST_DROPPED."""
        if self._dropped is None:
            self._dropped = sum(map(len, self.chunks))
            self.chunks.clear()

    def open(self) -> None:
        """Have the body read in chunks."""
        self.is_open = True
        self._most = QUEUED_CHUNKS

    def resume(self, curl: Any) -> None:
        """End libcurl's pause, if there is one."""
        if self.is_full:
            self.is_full = False
            unpause(curl)

    def take(self) -> bytes:
        """Close the sink and return the collected body; empty for one that is read in chunks."""
        collected = b"" if self.is_open else b"".join(self.chunks)
        self.close()
        return collected

    def close(self) -> None:
        """Release the collected chunks, and the stream that is notified."""
        self._notify = ignored
        self.is_full = False
        if not self.is_open:
            self.chunks.clear()
