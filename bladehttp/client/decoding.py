"""Decoding: Content-Encoding undone, completely or not at all (RFC 9110 section 8.4).

libcurl could do it, but it calls a truncated gzip stream a success with short data and a
second gzip member an error (measured, docs/decisions/0012). br (RFC 7932) is undone where the
package brotli is installed, which can make a little at a time since its release 1.2.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from bladehttp.exceptions import BodyTooLarge, DecodingError
from bladehttp.pieces import through

try:
    import brotli
except ImportError:
    brotli = None

HAS_BROTLI = hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data")
EITHER_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS


def open_gzip(_: bytes) -> Any:
    """Return what undoes gzip (RFC 1952), or zlib where that is sent in its place."""
    return zlib.decompressobj(EITHER_ZLIB_OR_GZIP)


def open_deflate(data: bytes) -> Any:
    """Return what undoes deflate: zlib (RFC 1950), or the bare stream that some servers send.

    Args:
        data: Its beginning, two bytes at least.
    """
    # RFC 1950 section 2.2: CM is 8, and the first two octets are a multiple of 31
    is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
    return zlib.decompressobj(EITHER_ZLIB_OR_GZIP if is_zlib else RAW_DEFLATE)


CODINGS: dict[str, Callable[[bytes], Any]] = {"gzip": open_gzip, "deflate": open_deflate}
"""The codings that are asked for, and what makes an object like `zlib.decompressobj` for each."""

DAMAGED: tuple[type[Exception], ...] = (zlib.error,)

if HAS_BROTLI:
    CODINGS["br"] = lambda _: Brotli()
    DAMAGED += (brotli.error,)

ALIASES = {"x-gzip": "gzip"}  # RFC 9110 section 8.4.1.3


class Brotli:
    """A brotli stream (RFC 7932) with the methods of `zlib.decompressobj`.

    Attributes:
        eof: Whether its end has been reached.
        unconsumed_tail: Never anything: brotli keeps what it has not yet come to itself.
        unused_data: Never anything: it refuses what comes after the end.
    """

    unconsumed_tail = unused_data = b""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._stream.is_finished())

    def decompress(self, data: bytes, limit: int) -> bytes:
        """Return what is made of data, at most about so many bytes at a time."""
        return bytes(self._stream.process(data, output_buffer_limit=limit))


STEP = 256 * 1024
"""The most bytes that are made at a time of a stream: a few KiB can hold a gigabyte."""


class Inflater:
    """One coding of a body undone while it comes, every member of a gzip stream."""

    def __init__(self, coding: str, limit: int | None) -> None:
        """Take the coding, and the most bytes to make of it, None for no limit."""
        self._coding = coding
        self._limit = limit
        self._size = 0
        self._members = 0
        self._stream: Any = None
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next piece holds, about STEP bytes at a time at the most.

        Raises:
            DecodingError: It is not in the coding.
            BodyTooLarge: It becomes more than allowed.
        """
        data = self._waiting + data
        self._waiting = b""
        if self._members and self._stream is None:
            data = data.lstrip(b"\0")  # gzip allows padding with zeros
        while data:
            if self._stream is None and not self._opened(data):
                return
            made = self._made(data)
            while made:
                yield made
                made = self._made(self._stream.unconsumed_tail)
            data = b""
            if self._stream.eof:
                self._members += 1
                data = self._stream.unused_data.lstrip(b"\0")
                self._stream = None

    def _opened(self, data: bytes) -> bool:
        """Begin a stream, unless what has come does not tell yet what it is."""
        if len(data) < 2 and self._coding != "br":  # which may be one byte long in all
            self._waiting = data
            return False
        self._stream = CODINGS[self._coding](data)
        return True

    def _made(self, data: bytes) -> bytes:
        if self._stream.eof:
            return b""
        try:
            made: bytes = self._stream.decompress(data, STEP)
        except DAMAGED as error:
            raise DecodingError(f"body is not {self._coding}: {error}") from error
        self._size += len(made)
        if self._limit is not None and self._size > self._limit:
            text = f"decoded body is longer than max_body_size ({self._limit} bytes)"
            raise BodyTooLarge(text)
        return made

    def finish(self) -> Iterator[bytes]:
        """Yield nothing: all has been given.

        Raises:
            DecodingError: The stream ends early.
        """
        if self._stream is not None or self._waiting.strip(b"\0"):
            raise DecodingError(f"compressed body ends early, after {self._size} decoded bytes")
        yield from ()


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
    if not body:
        return body
    stage = Decoding(content_encoding, limit)
    pieces = list(stage.feed(body))
    if not partial:
        pieces += stage.finish()
    return b"".join(pieces)
