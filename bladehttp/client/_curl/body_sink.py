"""Sinks: where libcurl writes the body of a response that is received as a whole.

`BodySink` collects the body. The body of a followed redirect is neither kept nor decoded, nor does
it count against ``max_body_size``. Up to LONGEST_DROPPED it is received and dropped, so that the
connection can be reused; a longer one aborts the transfer, which closes the connection (over HTTP/2
it resets the stream). If the connection ends with the response anyway, the body is not awaited.

`DecodingSink` decodes the body while it is received, for an event loop. Decoding a whole body at
once would stall the loop: 100 MB of gzip take 0.3 s, and a few KiB can hold as much. So each turn
of the loop decodes at most STEP bytes over all bodies together. Beyond that libcurl pauses the
transfer and keeps the chunk until the rest of it is decoded.
"""

from collections import deque
from collections.abc import Callable, Generator
from io import BytesIO
from math import inf
from typing import Any, Protocol

import pycurl

from bladehttp._data.decoders import ContentDecoder, blocks_of
from bladehttp.client._config.options import Settings
from bladehttp.client._curl.callbacks import unpause
from bladehttp.client._curl.response_head import BLANK, ResponseHead, coding_to_decode
from bladehttp.client._request.redirects import NEXT_METHOD
from bladehttp.exceptions import BodyTooLarge, DecodingError, HttpException

LONGEST_DROPPED = 64 * 1024
"""Longest body of a redirect that is received so that its connection can be reused, in bytes."""

REDIRECT = b"3"


class BodySink:
    """Collect a body.

    Most bodies come in one chunk, which is the body. Others are written to a BytesIO, whose bytes
    need no copy.

    Attributes:
        hear: Appends a header line to ``lines``. CURLOPT_HEADERFUNCTION.
        lines: The header lines received so far.
        error: The exception that decoding raised; None here, since nothing is decoded.
        is_busy: Whether the transfer is paused until received bytes are decoded.
        is_decoded: Whether the collected bytes are decoded.
    """

    error: HttpException | None = None
    is_busy: bool = False
    is_decoded: bool = False

    __slots__ = ("_buffer", "_left", "_only", "_seen", "hear", "lines")

    def __init__(self) -> None:
        """Create an empty sink; `begin` empties it for each response."""
        self.lines: list[bytes] = []
        self.hear = self.lines.append
        self._only: bytes | None = None
        self._buffer: BytesIO | None = None
        self._left = inf
        self._seen = -1

    def begin(self, settings: Settings) -> None:
        """Empty the sink for the next response.

        Args:
            settings: The settings of the request.
        """
        self.lines.clear()
        self._only = self._buffer = None
        follows = settings.follow_redirect
        self._left = LONGEST_DROPPED if follows else inf
        self._seen = 0 if follows else -1

    def write(self, chunk: bytes) -> int:
        """Append a chunk, or abort the transfer. CURLOPT_WRITEFUNCTION."""
        size = len(chunk)
        self._left -= size
        if self._left < 0 and not self._is_wanted():
            return 0
        if self._only is None:
            self._only = chunk
        else:
            self._append(chunk)
        return size

    def _append(self, chunk: bytes) -> None:
        if self._buffer is None:
            self._buffer = BytesIO()
            self._buffer.write(self._only or b"")
            self._only = b""
        self._buffer.write(chunk)

    def take(self) -> bytes:
        """Return the collected bytes and release them."""
        only, buffer = self._only, self._buffer
        self._only = self._buffer = None
        return only or b"" if buffer is None else buffer.getvalue()

    def _is_wanted(self) -> bool:
        """Whether a body longer than LONGEST_DROPPED is collected: it is not that of a redirect."""
        if is_redirect(self.lines):
            return False
        self._left = inf
        return True

    def is_over(self) -> bool:
        """Whether the transfer can end now. Cheap unless new header lines have arrived."""
        lines, seen = self.lines, self._seen
        if seen < 0 or len(lines) == seen:
            return False
        self._seen = len(lines)
        if lines[0][9:10] == b"2" and lines.index(lines[-1]) == len(lines) - 1:
            return False  # nearly always: one head, and no redirect
        return lines[-1] in BLANK and is_redirect(lines) and ResponseHead(lines).ends_connection

    def finish(self, has_ended: bool) -> bool:
        """Finish decoding, if the body has ended; return whether there was no error."""
        raise NotImplementedError

    def take_error(self) -> HttpException:
        """Return ``error``, and release it: its traceback refers to the sink."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the collected bytes."""
        self._only = self._buffer = None


NO_SINK = BodySink()
"""The sink of a handle whose body goes elsewhere; its `is_over` is always False."""


def is_redirect(lines: list[bytes]) -> bool:
    """Whether header lines are the complete head of a redirect that can be followed."""
    status = next((line for line in reversed(lines) if line.startswith(b"HTTP/")), b"")
    if status.partition(b" ")[2][:1] != REDIRECT:
        return False
    received = ResponseHead(lines)
    return received.is_whole and received.status in NEXT_METHOD and bool(received.location)


STEP = 512 * 1024
"""Bytes that are decoded or produced per turn of the loop: 2 to 5 ms."""


class Resumable(Protocol):
    """Work that is done in steps."""

    def step(self) -> bool:
        """Do a part of the work; return whether all of it is done."""
        raise NotImplementedError


class DecodingBudget:
    """The bytes that may be decoded in this turn of the loop, and the work deferred to the next.

    Attributes:
        left: Bytes that may still be decoded in this turn.
    """

    __slots__ = ("_again", "_waiting", "left")

    def __init__(self, again: Callable[[], None]) -> None:
        """Create a budget.

        Args:
            again: Schedules `run` for the next turn of the loop.
        """
        self._again = again
        self._waiting: deque[Resumable] = deque()
        self.left = STEP

    def wait(self, work: Resumable) -> None:
        """Defer work to the next turn of the loop."""
        if not self._waiting:
            self._again()
        self._waiting.append(work)

    def run(self) -> None:
        """Continue deferred work, in the order in which it was deferred."""
        self.left = STEP
        waiting = self._waiting
        while waiting and self.left > 0:
            work = waiting.popleft()
            if not work.step():
                waiting.append(work)
        if waiting:
            self._again()


class DecodingSink(BodySink):
    """Collect a body and decode it, if it has a content coding and is wanted.

    Attributes:
        error: The exception that decoding raised, or None.
        is_busy: Whether libcurl is paused until a chunk is decoded.
        is_decoded: Whether the collected bytes are decoded.
    """

    __slots__ = (
        "_budget",
        "_costs",
        "_curl",
        "_decoder",
        "_follows",
        "_is_known",
        "_settings",
        "_taken",
        "_touch",
        "error",
        "is_busy",
        "is_decoded",
    )  # fmt: skip

    _settings: Settings
    _begin, _collect = BodySink.begin, BodySink.write  # super() takes as long as they do

    def __init__(self, budget: DecodingBudget, curl: Any, touch: Callable[[Any], None]) -> None:
        """Create a sink; `begin` empties it for each response.

        Args:
            budget: The decoding budget of the loop.
            curl: The handle of the transfers.
            touch: Called with the handle after its pause has ended.
        """
        super().__init__()
        self._budget = budget
        self._curl = curl
        self._touch = touch

    def begin(self, settings: Settings) -> None:
        self._begin(settings)
        self._settings = settings
        self._is_known = self.is_busy = self.is_decoded = False
        self._costs: Generator[int, None, None] | None = None
        self._taken = 0  # bytes that libcurl keeps and will deliver again
        self.error: HttpException | None = None

    def write(self, chunk: bytes) -> int:
        """Decode a chunk, abort the transfer, or pause it. CURLOPT_WRITEFUNCTION."""
        if not self._is_known:
            self._open()
        if not self.is_decoded:
            return self._collect(chunk)
        if self.is_busy:
            return int(pycurl.WRITEFUNC_PAUSE)
        size = len(chunk)
        known, self._taken = min(self._taken, size), max(0, self._taken - size)
        if known < size:
            self._costs = self._decoded(chunk[known:])
            if not self._decode_more():
                self.is_busy = True
                self._taken = size
                self._budget.wait(self)
                return int(pycurl.WRITEFUNC_PAUSE)
        return 0 if self.error is not None else size

    def _open(self) -> None:
        """Decide whether the body is decoded."""
        self._is_known = True
        if b"".join(self.lines).lower().find(b"content-encoding") < 0:
            return  # nearly always
        received = ResponseHead(self.lines)
        coding = coding_to_decode(self._settings.accept_encoding, received.status, received.headers)
        if not coding or (self._settings.follow_redirect and is_redirect(self.lines)):
            return
        self._decoder = ContentDecoder(coding, self._settings.max_body_size)
        self.is_decoded = True

    def _decoded(self, chunk: bytes) -> Generator[int, None, None]:
        """Decode a chunk; yield the cost of each step, bytes made or read, for the budget."""
        for block in blocks_of(chunk):
            for made in self._decoder.feed(block):
                self._append(made)
                yield len(made)
            yield len(block)

    def _decode_more(self) -> bool:
        """Decode within the budget; return whether the chunk is done or has failed."""
        budget = self._budget
        try:
            while self._costs is not None:
                if budget.left <= 0:
                    return False
                done = next(self._costs, None)
                if done is None:
                    self._costs = None
                else:
                    budget.left -= done
        except (DecodingError, BodyTooLarge) as error:
            self._costs, self.error = None, error
        return True

    def step(self) -> bool:
        """Continue with the chunk that libcurl keeps; see `DecodingBudget`."""
        if not self.is_busy:
            return True  # it was aborted
        if not self._decode_more():
            return False
        self.is_busy = False
        unpause(self._curl)
        self._touch(self._curl)
        return True

    def finish(self, has_ended: bool) -> bool:
        try:
            if has_ended and self.error is None:
                for made in self._decoder.finish():
                    self._append(made)
        except (DecodingError, BodyTooLarge) as error:
            self.error = error
        return self.error is None

    def take_error(self) -> HttpException:
        error, self.error = self.error, None
        assert error is not None
        return error

    def close(self) -> None:
        """Release the collected bytes."""
        super().close()
        self._costs = None
        self.is_busy = False
