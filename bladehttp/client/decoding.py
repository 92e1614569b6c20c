"""Decoding: Content-Encoding undone, completely or not at all (RFC 9110 section 8.4).

libcurl could do it, but it calls a truncated gzip stream a success with short data and a
second gzip member an error (measured, docs/decisions/0012).
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from bladehttp.exceptions import BodyTooLarge, DecodingError
from bladehttp.pieces import through

EITHER_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS


def check_size(size: int, limit: int | None) -> None:
    """Raise if there is more than allowed.

    Raises:
        BodyTooLarge: Likewise.
    """
    if limit is not None and size > limit:
        raise BodyTooLarge(f"decoded body is longer than max_body_size ({limit} bytes)")


def inflate(data: bytes, wbits: int, limit: int | None, partial: bool) -> bytes:
    """Return what compressed data holds, every member of it.

    Args:
        data: The whole stream, or with ``partial`` its beginning.
        wbits: Its format; see `zlib.decompressobj`.
        limit: The most bytes to make of it, None for no limit.
        partial: Whether a stream that ends early is taken for what it has.

    Raises:
        DecodingError: The stream is damaged or ends early.
        BodyTooLarge: There is more in it than ``limit``.
    """
    pieces: list[bytes] = []
    size = 0
    while data:
        stream = zlib.decompressobj(wbits)
        # one byte more than allowed tells too much from just enough; 0 would be no limit
        room = 0 if limit is None else limit - size + 1
        pieces.append(stream.decompress(data, room))
        size += len(pieces[-1])
        check_size(size, limit)
        if not stream.eof:
            if partial:
                break
            raise DecodingError(f"compressed body ends early, after {size} decoded bytes")
        data = stream.unused_data.lstrip(b"\0")  # gzip allows padding with zeros
    return b"".join(pieces)


def decode_gzip(data: bytes, limit: int | None, partial: bool) -> bytes:
    """Undo gzip (RFC 1952)."""
    return inflate(data, EITHER_ZLIB_OR_GZIP, limit, partial)


def decode_deflate(data: bytes, limit: int | None, partial: bool) -> bytes:
    """Undo deflate: zlib (RFC 1950), or the bare stream (RFC 1951) that some servers send."""
    return inflate(data, EITHER_ZLIB_OR_GZIP if is_zlib(data) else RAW_DEFLATE, limit, partial)


def is_zlib(data: bytes) -> bool:
    """Whether data begins as RFC 1950 section 2.2 says: CM is 8, two octets a multiple of 31."""
    return data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0


Decoder = Callable[[bytes, int | None, bool], bytes]

CODINGS: dict[str, Decoder] = {"gzip": decode_gzip, "deflate": decode_deflate}
"""The codings that are asked for."""

ALIASES = {"x-gzip": "gzip"}  # RFC 9110 section 8.4.1.3


def decode(body: bytes, content_encoding: str, limit: int | None, partial: bool = False) -> bytes:
    """Return a body with its codings undone, the last applied first.

    Args:
        body: The content as received.
        content_encoding: The value of Content-Encoding.
        limit: The most bytes of any step, None for no limit.
        partial: Whether a stream that ends early is taken for what it has.

    Raises:
        DecodingError: A coding is unknown, or the body is not in it.
        BodyTooLarge: It becomes more than ``limit``.
    """
    for name in reversed(content_encoding.lower().split(",")):
        coding = name.strip(" \t")
        if not body or coding in ("identity", ""):
            continue
        decoder = CODINGS.get(ALIASES.get(coding, coding))
        if decoder is None:
            raise DecodingError(f"Content-Encoding {coding[:40]!r} is not known")
        try:
            body = decoder(body, limit, partial)
        except zlib.error as error:
            raise DecodingError(f"body is not {coding}: {error}") from error
    return body


STEP = 256 * 1024
"""The most bytes that are made at a time of a stream: a few KiB can hold a gigabyte."""


class Inflater:
    """One coding of a stream undone while it comes: gzip with all its members, or deflate."""

    def __init__(self, coding: str, limit: int | None) -> None:
        """Take the coding, and the most bytes to make of it, None for no limit."""
        self._coding = coding
        self._limit = limit
        self._size = 0
        self._stream: Any = None
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next piece holds, at most STEP bytes at a time.

        Raises:
            DecodingError: It is not in the coding.
            BodyTooLarge: It becomes more than allowed.
        """
        data = self._waiting + data
        self._waiting = b""
        while data:
            if self._stream is None:
                if len(data) < 2:  # the format of deflate shows in two bytes
                    self._waiting = data
                    return
                self._stream = zlib.decompressobj(self._format(data))
            made = self._made(data)
            if made:
                yield made
            if self._stream.eof:
                data, self._stream = self._stream.unused_data.lstrip(b"\0"), None
            else:
                data = self._stream.unconsumed_tail

    def _format(self, data: bytes) -> int:
        return (
            RAW_DEFLATE if self._coding == "deflate" and not is_zlib(data) else EITHER_ZLIB_OR_GZIP
        )

    def _made(self, data: bytes) -> bytes:
        try:
            made: bytes = self._stream.decompress(data, STEP)
        except zlib.error as error:
            raise DecodingError(f"body is not {self._coding}: {error}") from error
        self._size += len(made)
        check_size(self._size, self._limit)
        return made

    def finish(self) -> Iterator[bytes]:
        """Yield what is left.

        Raises:
            DecodingError: The stream ends early.
            BodyTooLarge: As of `feed`.
        """
        while self._stream is not None and not self._stream.eof:
            made = self._made(self._stream.unconsumed_tail)
            if not made:
                break
            yield made
        if self._waiting.strip(b"\0") or (self._stream is not None and not self._stream.eof):
            raise DecodingError("compressed body ends early")


class Decoding:
    """All codings of a stream undone while it comes, the last applied first; see `decode`."""

    def __init__(self, content_encoding: str, limit: int | None) -> None:
        """Take the value of Content-Encoding, and the most bytes of any step.

        Raises:
            DecodingError: A coding is unknown.
        """
        names = (name.strip(" \t") for name in reversed(content_encoding.lower().split(",")))
        codings = [ALIASES.get(name, name) for name in names if name not in ("identity", "")]
        for coding in codings:
            if coding not in CODINGS:
                raise DecodingError(f"Content-Encoding {coding[:40]!r} is not known")
        self._steps = [Inflater(coding, limit) for coding in codings]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next piece holds.

        Raises:
            DecodingError: It is not in a coding.
            BodyTooLarge: It becomes more than allowed.
        """
        pieces: Iterator[bytes] = iter((data,))
        for step in self._steps:
            pieces = chain.from_iterable(map(step.feed, pieces))
        return pieces

    def finish(self) -> Iterator[bytes]:
        """Yield what is left.

        Raises:
            DecodingError: A coding ends early.
            BodyTooLarge: As of `feed`.
        """
        pieces: Iterator[bytes] = iter(())
        for step in self._steps:
            pieces = through(step, pieces)
        return pieces
