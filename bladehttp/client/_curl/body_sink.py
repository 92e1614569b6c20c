"""BodySink: where libcurl writes the body of a response that is received as a whole.

The body of a redirect that is followed is read by nobody, so it is neither kept nor decoded, nor
counted against ``max_body_size``. While it is short it is received all the same, since the
connection can be used again after it. Beyond LONGEST_DROPPED the transfer is aborted, which closes
the connection (over HTTP/2 it resets the stream). If the connection ends with the response
anyway, nothing of the body is waited for.

DecodingSink: a body that is decoded while it is received, in steps, on an event loop.

A loop must not stand still for as long as a whole body takes to be decoded: 100 MB of gzip take
0.3 s, and a few KiB can hold as much. So what comes is decoded at once, but never more than STEP
bytes, of all bodies together, before the loop has its turn. Where there is more, libcurl pauses the
transfer, and keeps the piece until the rest of it is decoded.
"""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from io import BytesIO
from math import inf
from typing import Any, Protocol

import pycurl

from bladehttp._data.decoders import ContentDecoder, blocks_of
from bladehttp.client._config.options import Settings
from bladehttp.client._curl.response_head import BLANK, ResponseHead
from bladehttp.client._request.redirects import NEXT_METHOD
from bladehttp.exceptions import BodyTooLarge, DecodingError, HttpException

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
        if is_redirect(self.lines):
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
        return lines[-1] in BLANK and is_redirect(lines) and ResponseHead(lines).ends_connection

    def finish(self) -> None:
        """Take what is left, at the end of the body: nothing here."""

    def close(self) -> None:
        """Forget what was collected."""
        self._buffer.close()


NO_SINK = BodySink([], follows=False)
"""What a handle has whose body goes elsewhere; it is never over."""


def is_redirect(lines: list[bytes]) -> bool:
    """Whether header lines are those of a redirect that can be followed, its head whole."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    if status.partition(b" ")[2][:1] != REDIRECT:
        return False
    received = ResponseHead(lines)
    return received.is_whole and received.status in NEXT_METHOD and bool(received.location)


STEP = 512 * 1024
"""Bytes that are decoded or made of it before the loop has its turn: 2 to 5 ms."""

PARTIAL_CONTENT = 206


class Resumable(Protocol):
    """What is done in steps."""

    def step(self) -> bool:
        """Do some of it; return whether all is done."""


class DecodingBudget:
    """What may be decoded before the loop has its turn, and what waits for the next.

    Attributes:
        left: The bytes that may be decoded yet.
    """

    __slots__ = ("_again", "_waiting", "left")

    def __init__(self, again: Callable[[], None]) -> None:
        """Take what has `run` called in the loop's next turn."""
        self._again = again
        self._waiting: deque[Resumable] = deque()
        self.left = STEP

    def wait(self, work: Resumable) -> None:
        """Have something go on in the loop's next turn."""
        if not self._waiting:
            self._again()
        self._waiting.append(work)

    def run(self) -> None:
        """Go on with what waits, the one that has waited longest first."""
        self.left = STEP
        waiting = self._waiting
        while waiting and self.left > 0:
            work = waiting.popleft()
            if not work.step():
                waiting.append(work)
        if waiting:
            self._again()


class DecodingSink(BodySink):
    """Collects a body and decodes it, if it is coded and wanted.

    Attributes:
        error: Why it cannot be decoded, or None.
        is_busy: Whether libcurl waits until a piece of it is decoded.
        is_decoded: Whether what was collected is decoded.
    """

    __slots__ = (
        "_budget",
        "_curl",
        "_decoder",
        "_follows",
        "_is_known",
        "_pieces",
        "_settings",
        "_taken",
        "_touch",
        "error",
        "is_busy",
        "is_decoded",
    )  # fmt: skip

    def __init__(
        self,
        lines: list[bytes],
        settings: Settings,
        budget: DecodingBudget,
        curl: Any,
        touch: Callable[[Any], None],
    ) -> None:
        """Make an empty one.

        Args:
            lines: As of `BodySink`.
            settings: Of the request.
            budget: What may be decoded at a time.
            curl: The handle of the transfer.
            touch: Called with the handle when it has been made to go on.
        """
        super().__init__(lines, settings.follow_redirect)
        self._settings = settings
        self._budget = budget
        self._curl = curl
        self._touch = touch
        self._is_known = self.is_busy = self.is_decoded = False
        self._pieces: Generator[int, None, None] | None = None
        self._taken = 0  # bytes that libcurl will give again, as it was told to keep them
        self.error: HttpException | None = None

    def write(self, piece: bytes) -> int:
        """Take a piece, abort the transfer, or have it pause. CURLOPT_WRITEFUNCTION."""
        if not self._is_known:
            self._open()
        if not self.is_decoded:
            return super().write(piece)
        if self.is_busy:
            return int(pycurl.WRITEFUNC_PAUSE)
        size = len(piece)
        known, self._taken = min(self._taken, size), max(0, self._taken - size)
        if known < size:
            self._pieces = self._decoded(piece[known:])
            if not self._decode_more():
                self.is_busy = True
                self._taken = size
                self._budget.wait(self)
                return int(pycurl.WRITEFUNC_PAUSE)
        return 0 if self.error is not None else size

    def _open(self) -> None:
        """Find out whether the body is to be decoded."""
        self._is_known = True
        if b"".join(self.lines).lower().find(b"content-encoding") < 0:
            return  # nearly always
        received = ResponseHead(self.lines)
        if self._settings.accept_encoding is None or received.status == PARTIAL_CONTENT:
            return
        if self._settings.follow_redirect and is_redirect(self.lines):
            return
        coding = received.headers.get("Content-Encoding", "")
        self._decoder = ContentDecoder(coding, self._settings.max_body_size)
        self.is_decoded = True

    def _decoded(self, piece: bytes) -> Generator[int, None, None]:
        """Decode a piece, and yield how much was done at a time."""
        for block in blocks_of(piece):
            for made in self._decoder.feed(block):
                self._write(made)
                yield len(made)
            yield len(block)

    def _decode_more(self) -> bool:
        """Decode as much as may be now; return whether the piece is done, or at fault."""
        budget = self._budget
        try:
            while self._pieces is not None:
                if budget.left <= 0:
                    return False
                done = next(self._pieces, None)
                if done is None:
                    self._pieces = None
                else:
                    budget.left -= done
        except (DecodingError, BodyTooLarge) as error:
            self._pieces, self.error = None, error
        return True

    def step(self) -> bool:
        """Go on with the piece that libcurl keeps; see `DecodingBudget`."""
        if not self.is_busy:
            return True  # it was aborted
        if not self._decode_more():
            return False
        self.is_busy = False
        with suppress(pycurl.error):  # what it met ends the transfer, which tells of it
            self._curl.pause(pycurl.PAUSE_CONT)
        self._touch(self._curl)
        return True

    def finish(self) -> None:
        """Take what is left, at the end of the body.

        Raises:
            DecodingError: The body is not in its coding, or ends early.
            BodyTooLarge: It is longer than ``max_body_size``.
        """
        if self.error is not None:
            raise self.error
        if self.is_decoded:
            for made in self._decoder.finish():
                self._write(made)

    def close(self) -> None:
        """Forget what was collected."""
        super().close()
        self._pieces = None
        self.is_busy = False
