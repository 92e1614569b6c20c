"""ReceiveBuffer: received bytes, taken line by line or by count, in linear time.

Received data stays the bytes object it arrived in as long as nothing is left over from before: a
request that arrives at once, or a block of a large body, is not copied.
"""

from bladehttp.exceptions import ProtocolError

HEX_DIGITS = "0123456789abcdefABCDEF"
SMALL_SIZES = {
    digits.encode(): int(digits, 16)
    for first in ("", *HEX_DIGITS)
    for digits in map(first.__add__, HEX_DIGITS)
    if int(digits, 16)
}
"""The size lines of chunks of up to 255 bytes, without leading zeros, to the sizes."""

MOST_DIGITS = 16
"""Digits of a chunk's size, leading zeros included; see `grammar.chunk_line`."""


class ReceiveBuffer:
    """Bytes that were received and have not been taken yet."""

    __slots__ = ("_data", "_scanned", "_start")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._start = 0  # the first byte not taken
        self._scanned = 0  # no line ends before here

    def __len__(self) -> int:
        return len(self._data) - self._start

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        start = self._start
        if start == len(self._data):
            self._data = data
            self._start = self._scanned = 0
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        if start:
            del self._data[:start]  # cheap: a bytearray only moves its beginning
            self._scanned -= start
            self._start = 0
        self._data += data

    def clear(self) -> None:
        """Discard everything."""
        self._data = b""
        self._start = self._scanned = 0

    def peek_head(self) -> tuple[bytes, bytes] | None:
        """Return the first line without its CRLF, and the bytes up to the empty line, included.

        Nothing is checked. None if the empty line is missing.
        """
        data, start = self._data, self._start
        end = data.find(b"\r\n\r\n", self._scanned) + 4
        if end < 4:
            return None
        line_end = data.find(b"\r\n", start)
        if type(data) is bytes:
            return data[start:line_end], data[line_end + 2 : end]
        return bytes(data[start:line_end]), bytes(data[line_end + 2 : end])

    def take_before(self, lines: bytes, longest: int) -> bytes | None:
        """Take the first line and the bytes after its CRLF, if they are `lines`.

        Args:
            lines: The bytes.
            longest: Most bytes of the line, which has at least one.

        Returns:
            The line without its CRLF.
        """
        data, start = self._data, self._start
        end = data.find(b"\r\n", start, start + longest + 2)
        if end <= start or not data.startswith(lines, end + 2):
            return None
        self._start = self._scanned = end + 2 + len(lines)
        return bytes(data[start:end])

    def peek(self, count: int) -> bytes:
        """Return up to ``count`` bytes without taking them."""
        return bytes(self._data[self._start : self._start + count])

    def skip(self, count: int) -> None:
        """Take ``count`` bytes that were peeked at."""
        self._start += count
        self._scanned = self._start

    def take(self, count: int) -> bytes:
        """Take up to ``count`` bytes."""
        data = bytes(self._data[self._start : self._start + count])
        self._start += len(data)
        self._scanned = self._start
        return data

    def take_small_chunks(self, most: int) -> bytes:
        """Take complete small chunks, and return their data joined.

        It stops before a chunk that is long, the last one, has extensions, is incomplete or
        malformed: those are parsed line by line, at ten times the cost.

        Args:
            most: Most bytes of data to take.
        """
        data, at, chunks = self._data, self._start, []
        while True:
            end = data.find(b"\r\n", at, at + MOST_DIGITS + 2)
            digits = bytes(data[at : max(end, at)]).lstrip(b"0")
            size = SMALL_SIZES.get(digits, most + 1)
            following = end + 2 + size
            if size > most or data[following : following + 2] != b"\r\n":
                break
            chunks.append(data[end + 2 : following])
            most -= size
            at = following + 2
        if chunks:
            self._start = self._scanned = at
        return b"".join(chunks)

    def take_line(self, limit: int, too_long: int) -> bytes | None:
        """Take one line and return it without its CRLF; None if its end was not received yet.

        The verdict is that of the first deciding byte, however the bytes were split: a CR without
        LF, an LF without CR, or no end within ``limit``.

        Args:
            limit: Most bytes of the line, CRLF included.
            too_long: Status of the error beyond it.

        Raises:
            ProtocolError: A bare CR or LF (RFC 9112 section 2.2), or the line is too long.
        """
        data = self._data
        window = min(len(data), self._start + limit)
        newline = data.find(b"\n", self._scanned, window)
        end = newline if newline >= 0 else window
        carriage = data.find(b"\r", self._scanned, end)
        if newline >= 0 and carriage == newline - 1 >= self._start:
            line = bytes(data[self._start : carriage])
            self._start = self._scanned = newline + 1
            return line
        if 0 <= carriage < end - 1:
            raise ProtocolError("CR without LF")
        if newline >= 0:
            raise ProtocolError("LF without CR")
        if window - self._start >= limit:
            raise ProtocolError(f"a line is longer than {limit} bytes", status=too_long)
        self._scanned = end if carriage < 0 else carriage
        return None

    def take_crlf(self) -> bool:
        """Take exactly CRLF; False if it was not received yet.

        Raises:
            ProtocolError: The next bytes are not CRLF.
        """
        found = self._data[self._start : self._start + 2]
        if found == b"\r\n":
            self.skip(2)
            return True
        if found not in (b"", b"\r"):
            raise ProtocolError("no CRLF after a chunk's data")
        return False
