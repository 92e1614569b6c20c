"""Ranges of bytes: parsing Range, and responses in several parts.

RFC 9110 section 14. A server may ignore Range (section 14.2), and it is ignored where only an
attacker would use it (section 14.6 names many small and overlapping ranges).
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

MOST_RANGES = 32
"""Ranges answered in one response. PDF readers ask for a handful."""

# RFC 9110 section 14.1.1:  ranges-specifier = range-unit "=" range-set
#                           range-set = 1#range-spec; unit names are case-insensitive
# RFC 9110 section 14.1.2:  int-range = first-pos "-" [ last-pos ]
#                           suffix-range = "-" suffix-length
ranges_specifier = partial(re.fullmatch, r"bytes=(.*)", flags=re.IGNORECASE)
range_spec = partial(re.fullmatch, r"(?=.?[0-9])([0-9]*)-([0-9]*)")

FAR = 10**18
"""The value of a position with more than 18 digits: beyond the end of every file."""


class Range(NamedTuple):
    """Some bytes of a representation: from ``start`` up to, but not including, ``stop``."""

    start: int
    stop: int


def parse_ranges(value: str, length: int) -> list[Range] | None:
    """Return the ranges of a Range field, in its order.

    Args:
        value: The value of the field.
        length: Bytes of the representation.

    Returns:
        None if the field is to be ignored: another unit, malformed, more than `MOST_RANGES`,
        overlapping ranges, or an empty representation. [] if none can be satisfied (416).
    """
    match = ranges_specifier(value)
    if match is None or not length:
        return None
    specs = [spec for part in match[1].split(",") if (spec := part.strip(" \t"))]
    if not 0 < len(specs) <= MOST_RANGES:
        return None
    ranges = []
    for spec in specs:
        limits = range_spec(spec)
        asked = limits and _range(limits[1], limits[2], length)
        if asked is None:
            return None
        if asked.start < asked.stop:
            ranges.append(asked)
    return None if _overlap(ranges) else ranges


def _range(first: str, last: str, length: int) -> Range | None:
    """Return the range of one spec: an empty range if unsatisfiable, None if it is invalid."""
    if not first:
        return Range(max(0, length - _position(last)), length)
    start, end = _position(first), _position(last) if last else FAR
    if end < start:
        return None
    return Range(min(start, length), min(end + 1, length))


def _position(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= 18 else FAR


def _overlap(ranges: Iterable[Range]) -> bool:
    reached = 0
    for start, stop in sorted(ranges):
        if start < reached:
            return True
        reached = stop
    return False


def content_range(asked: Range | None, length: int) -> str:
    """Return the value of Content-Range; None is for 416 (RFC 9110 section 14.4)."""
    return f"bytes */{length}" if asked is None else f"bytes {asked[0]}-{asked[1] - 1}/{length}"


def part_head(asked: Range, length: int, content_type: str, boundary: str) -> bytes:
    """Return the bytes before one part of multipart/byteranges (RFC 9110 section 14.6)."""
    return (
        f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
        f"Content-Range: {content_range(asked, length)}\r\n\r\n"
    ).encode("latin-1")


def last_boundary(boundary: str) -> bytes:
    """Return the bytes after the last part."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")
