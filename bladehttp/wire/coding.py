"""Content codings of request bodies, undone under a limit on what comes out.

A few kilobytes of gzip can hold gigabytes, so the limit is checked with every block.
"""

import io
import zlib
from typing import IO

from bladehttp.exceptions import ProtocolError
from bladehttp.wire.body import BodySink
from bladehttp.wire.limits import Limits
from bladehttp.wire.reader import Request

BLOCK = 64 * 1024
"""Bytes given to zlib, and taken from it, at a time."""

# RFC 9110 section 8.4.1: deflate is the zlib format (RFC 1950), gzip that of RFC 1952, x-gzip the
# same. zlib's window bits: 15 + 16 for gzip, 15 for its own format.
WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

MOST_CODINGS = 3
"""Content codings one after another. Nobody has a use for more than one."""

MOST_MEMBERS = 100
"""Members of a gzip body: an empty one has 20 bytes and costs as much as a full one."""


def undo_encoding(message: Request, limits: Limits) -> None:
    """Replace a request's content by what it is with its Content-Encoding undone.

    The fields stay as they were sent.

    Raises:
        ProtocolError: 413 if it is longer than `Limits.body` then, 400 if it is not in the
            coding it names or ends early, 415 for a coding that is not known.
    """
    value = message.fields.index.get("content-encoding", "")
    codings = [coding.strip(" \t").lower() for coding in value.split(",") if coding.strip(" \t")]
    if not message.body and message.file is None:
        return
    if len(codings) > MOST_CODINGS:
        raise ProtocolError("too many content codings")
    for coding in reversed(codings):
        if coding == "identity":
            continue
        if coding not in WINDOW_BITS:
            raise ProtocolError(f"unknown content coding {coding[:40]!r}", status=415)
        source = message.file or io.BytesIO(message.body)
        with source:
            message.body, message.file = _inflated(source, WINDOW_BITS[coding], limits)


def _inflated(source: IO[bytes], bits: int, limits: Limits) -> tuple[bytes, IO[bytes] | None]:
    sink = BodySink(limits.spool)
    try:
        _inflate(source, bits, sink, limits)
    except ProtocolError:
        sink.close()
        raise
    except zlib.error as error:
        sink.close()
        raise ProtocolError(f"the body's Content-Encoding cannot be undone: {error}") from error
    if sink.file is not None:
        sink.file.seek(0)
    return sink.getvalue(), sink.file


def _inflate(source: IO[bytes], bits: int, sink: BodySink, limits: Limits) -> None:
    member, members = zlib.decompressobj(bits), 1
    while data := source.read(BLOCK):
        while data:
            if member.eof:  # RFC 1952 section 2.2: a gzip file is a series of members
                member, members = zlib.decompressobj(bits), members + 1
                if members > MOST_MEMBERS:
                    raise ProtocolError("too many members in a gzip body")
            sink.write(member.decompress(data, BLOCK))
            if limits.body is not None and sink.size > limits.body:
                raise ProtocolError(f"the body is longer than {limits.body} bytes", status=413)
            data = member.unconsumed_tail or member.unused_data
    if not member.eof:
        raise ProtocolError("the body ends before its Content-Encoding does")
