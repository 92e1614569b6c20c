"""Decoders of a request's body framing, and the store they fill.

At each call a decoder takes the available bytes from the buffer and returns whether the body is
complete.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from io import BytesIO
from typing import IO, Protocol

from bladehttp._data.headers import Pairs
from bladehttp._wire import grammar
from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp._wire.limits import Limits
from bladehttp.exceptions import ProtocolError

# RFC 9110 section 6.5.1: fields that frame, route, authenticate or modify a request, or say how
# to read it, mean nothing in a trailer section and are dropped there, as is Connection's kind.
FORBIDDEN_TRAILERS = frozenset(
    "authorization cache-control connection content-encoding content-length content-range "
    "content-type cookie expect host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since keep-alive max-forwards pragma proxy-authorization "
    "proxy-connection range set-cookie te trailer transfer-encoding upgrade "
    "x-forwarded-for x-forwarded-host x-forwarded-proto forwarded".split()
)


KEPT_FIRST = 64 * 1024
"""Bytes in memory of a body whose announced length exceeds the memory limit: the first 64 KiB, then
the file. So an announcement alone creates no file, and few bytes are copied twice."""


AT_ONCE = 1 << 20
"""Most bytes of small chunks taken in one call."""


class StoredBody:
    """Stores the bytes of a body: in memory up to a limit, in a temporary file beyond."""

    __slots__ = ("_announced", "_first", "_more", "_spool", "file", "size")

    def __init__(self, spool: int, announced: int = 0) -> None:
        """Keep up to ``spool`` bytes in memory, fewer if more than that is announced.

        Args:
            spool: In bytes.
            announced: The exact length; 0 or less if it is not known.
        """
        # The first chunk as it is: most bodies are one chunk. Chunks of few bytes each would take
        # twenty times their size as separate objects.
        self._first = b""
        self._more: BytesIO | None = None
        self._spool = spool if announced <= spool else min(spool, KEPT_FIRST)
        # A growing buffer is moved repeatedly, so the announced length is allocated at once: with
        # the second chunk, so that a mere announcement costs nothing.
        self._announced = announced if 0 < announced <= self._spool else 0
        self.file: IO[bytes] | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size += len(data)
        if self.file is None and self.size <= self._spool:
            self._keep(data)
            return
        if self.file is None:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the request
            self.file.write(self.getvalue())
            self._forget()
        self.file.write(data)

    def _keep(self, data: bytes) -> None:
        if self._more is not None:
            self._more.write(data)
        elif not self._first:
            self._first = data
        else:
            self._more = BytesIO(bytes(self._announced))
            self._more.write(self._first)
            self._more.write(data)
            self._first = b""

    def _forget(self) -> None:
        self._first = b""
        self._more = None

    def getvalue(self) -> bytes:
        """Return the bytes in memory: all of them, or b"" if they are in the file."""
        # BytesIO.getvalue returns its bytes without a copy.
        return self._first if self._more is None else self._more.getvalue()

    def close(self) -> None:
        """Discard the bytes."""
        self._forget()
        if self.file is not None:
            with suppress(OSError):  # no room for what was not written yet
                self.file.close()


class Decoder(Protocol):
    """Takes one body out of a buffer.

    Attributes:
        trailers: The trailer fields, forbidden ones left out. Complete when the body is.
    """

    trailers: Pairs

    def take(self, buffer: ReceiveBuffer, stored: StoredBody) -> bool:
        """Move available bytes from the buffer to the store; True when the body is complete."""
        raise NotImplementedError


class FixedLength:
    """A body of Content-Length bytes (RFC 9112 section 6.2)."""

    __slots__ = ("_missing",)
    trailers: Pairs = ()

    def __init__(self, length: int) -> None:
        self._missing = length

    def take(self, buffer: ReceiveBuffer, stored: StoredBody) -> bool:
        data = buffer.take(self._missing)
        if data:
            self._missing -= len(data)
            stored.write(data)
        return not self._missing


class _Part(IntEnum):
    """The next part of a chunked body."""

    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILER = 3
    END = 4


class Chunked:
    """A chunked body with its trailer section (RFC 9112 section 7.1)."""

    __slots__ = (
        "_extensions",
        "_field",
        "_limits",
        "_missing",
        "_next",
        "_trailer_bytes",
        "trailers",
    )

    def __init__(self, limits: Limits, field: Callable[[bytes], tuple[str, str]]) -> None:
        """Decode with limits; ``field`` parses one trailer line."""
        self.trailers: Pairs = ()
        self._limits = limits
        self._field = field
        self._next = _Part.SIZE
        self._missing = 0
        self._extensions = 0
        self._trailer_bytes = 0

    def take(self, buffer: ReceiveBuffer, stored: StoredBody) -> bool:
        while self._next is not _Part.END:
            following = STEPS[self._next](self, buffer, stored)
            if following is None:
                return False
            self._next = following
        return True

    def _size(self, buffer: ReceiveBuffer, stored: StoredBody) -> _Part | None:
        most = self._limits.body
        small = buffer.take_small_chunks(
            AT_ONCE if most is None else min(AT_ONCE, most - stored.size)
        )
        if small:
            stored.write(small)
        line = buffer.take_line(self._limits.chunk_line, too_long=400)
        if line is None:
            return None
        match = grammar.chunk_line(line)
        if match is None:
            raise ProtocolError(f"not a chunk size: {line[:40]!r}")
        digits, extensions = match.groups()
        self._extensions += len(extensions)
        if self._extensions > self._limits.chunk_extensions:
            raise ProtocolError("too many chunk extensions")
        self._missing = int(digits, 16)
        if self._limits.body is not None and stored.size + self._missing > self._limits.body:
            raise ProtocolError(f"the body is longer than {self._limits.body} bytes", status=413)
        return _Part.DATA if self._missing else _Part.TRAILER

    def _data(self, buffer: ReceiveBuffer, stored: StoredBody) -> _Part | None:
        data = buffer.take(self._missing)
        if data:
            self._missing -= len(data)
            stored.write(data)
        return None if self._missing else _Part.DATA_END

    def _data_end(self, buffer: ReceiveBuffer, _: StoredBody) -> _Part | None:
        return _Part.SIZE if buffer.take_crlf() else None

    def _trailer(self, buffer: ReceiveBuffer, _: StoredBody) -> _Part | None:
        line = buffer.take_line(self._limits.field_line, too_long=431)
        if line is None:
            return None
        if not line:
            self.trailers = tuple(
                f for f in self.trailers if f[0].lower() not in FORBIDDEN_TRAILERS
            )
            return _Part.END
        self._trailer_bytes += len(line) + 2
        if self._trailer_bytes > self._limits.trailers:
            raise ProtocolError(
                f"the trailer section is longer than {self._limits.trailers} bytes", status=431
            )
        if len(self.trailers) >= self._limits.fields:
            raise ProtocolError(f"more than {self._limits.fields} trailer fields", status=431)
        self.trailers += (self._field(line),)
        return _Part.TRAILER


STEPS: dict[_Part, Callable[[Chunked, ReceiveBuffer, StoredBody], _Part | None]] = {
    _Part.SIZE: Chunked._size,
    _Part.DATA: Chunked._data,
    _Part.DATA_END: Chunked._data_end,
    _Part.TRAILER: Chunked._trailer,
}
"""Part to the method that takes it and returns the next part, None if bytes are missing."""
