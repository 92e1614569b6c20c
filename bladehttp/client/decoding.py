"""Decoding: Content-Encoding undone, completely or not at all (RFC 9110 section 8.4).

libcurl could do it, but it calls a truncated gzip stream a success with short data and a
second gzip member an error (measured, docs/decisions/0012).
"""

import zlib
from collections.abc import Callable

from bladehttp.exceptions import BodyTooLarge, DecodingError

EITHER_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS


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
        if limit is not None and size > limit:
            raise BodyTooLarge(f"decoded body is longer than max_body_size ({limit} bytes)")
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
    # RFC 1950 section 2.2: CM is 8 and the first two octets are a multiple of 31
    is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
    return inflate(data, EITHER_ZLIB_OR_GZIP if is_zlib else RAW_DEFLATE, limit, partial)


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
