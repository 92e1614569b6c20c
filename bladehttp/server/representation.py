"""Answering with an open file: what it is, conditions, ranges.

RFC 9110 sections 8.8 (validators), 13 (conditions) and 14 (ranges).
"""

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO

from bladehttp.files import FileBody, FileSlice
from bladehttp.headers import Headers
from bladehttp.request import HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.server.beneath import Found
from bladehttp.server.dispatch import answer_plainly
from bladehttp.wire.conditional import range_applies, status_instead
from bladehttp.wire.dates import format_http_date
from bladehttp.wire.ranges import Range, content_range, last_boundary, parse_ranges, part_head


@dataclass(frozen=True, slots=True)
class Picked:
    """A file to send, or a sibling that holds it compressed.

    Attributes:
        found: What is sent.
        media_type: Of what was asked for.
        coding: How that is encoded, None if it is not.
        varies: Whether another client could get another of them.
    """

    found: Found
    media_type: str
    coding: str | None
    varies: bool

    def fields(self) -> dict[str, str]:
        """Return the fields that say how it is encoded and what that depends on."""
        coding = {} if self.coding is None else {"Content-Encoding": self.coding}
        return coding | {"Vary": "Accept-Encoding"} if self.varies else coding


def send_file(
    picked: Picked,
    tagged: bool,
    fields: Mapping[str, str],
    request: HttpRequest,
    response: HttpResponse,
) -> None:
    """Answer with a file, with parts of it, or that a condition is not met.

    Args:
        picked: The file; closed when the answer has been sent.
        tagged: Whether it has an entity tag.
        fields: To be sent besides.
        request: Whose headers are asked.
        response: Filled in.
    """
    info, asked = picked.found.info, request.headers
    whole = FileSlice(picked.found.file, 0, info.st_size)
    response.source = FileBody(whole.file, [whole])
    response.headers["Content-Type"] = picked.media_type
    now = int(time.time())
    modified = min(int(info.st_mtime), now)  # never later than Date (RFC 9110 8.8.2.1)
    fields = {**fields, **picked.fields(), "Last-Modified": format_http_date(modified)}
    tag = entity_tag(info) if tagged else None
    if tag is not None:
        fields["ETag"] = tag
    status = status_instead(asked, tag, modified)
    if status is not None:
        add_missing(response.headers, fields)
        send_status(response, status)
        return
    add_missing(response.headers, fields | {"Accept-Ranges": "bytes"})
    ranges = None
    may_range = request.method == "GET" and "Range" in asked
    if may_range and range_applies(asked.get("If-Range"), tag, modified, now):
        ranges = parse_ranges(asked["Range"], info.st_size)
    send_content(response, whole, ranges)


def add_missing(headers: Headers, fields: Mapping[str, str]) -> None:
    """Add fields, except those that an on_receive has set already; Vary is added to its own."""
    headers.extend([pair for pair in fields.items() if pair[0] == "Vary" or pair[0] not in headers])


def entity_tag(info: os.stat_result) -> str:
    """Return a strong validator: all that changes when a file is written or replaced, hashed.

    The size and the time of modification can be those of another version, where files are
    copied with their times; the inode and the time of its last change are not.
    """
    state = f"{info.st_dev} {info.st_ino} {info.st_size} {info.st_mtime_ns} {info.st_ctime_ns}"
    return f'"{blake2b(state.encode(), digest_size=12).hexdigest()}"'


def send_status(response: HttpResponse, status: int) -> None:
    """Answer with a status in place of the file."""
    response.close()
    response.headers.pop("Content-Encoding", None)
    if status == 304:
        response.status = status
        del response.headers["Content-Type"]
    else:
        answer_plainly(response, status)


def send_content(response: HttpResponse, whole: FileSlice, ranges: list[Range] | None) -> None:
    """Answer with all of a file (None) or with some ranges of it, [] for none that it has."""
    headers = response.headers
    if ranges is None:
        send_pieces(response, whole.file, [whole])
    elif not ranges:
        send_status(response, 416)
        headers["Content-Range"] = content_range(None, whole.length)
    elif len(ranges) == 1:
        headers["Content-Range"] = content_range(ranges[0], whole.length)
        send_pieces(response, whole.file, [part_of(whole, ranges[0])], 206)
    else:
        boundary, kind = secrets.token_hex(16), headers["Content-Type"]
        pieces: list[bytes | FileSlice] = []
        for asked in ranges:
            pieces += (part_head(asked, whole.length, kind, boundary), part_of(whole, asked))
        headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        send_pieces(response, whole.file, [*pieces, last_boundary(boundary)], 206)


def part_of(whole: FileSlice, asked: Range) -> FileSlice:
    """Return a range of a file."""
    return FileSlice(whole.file, asked.start, asked.stop - asked.start)


def send_pieces(
    response: HttpResponse, file: FileIO, pieces: Sequence[bytes | FileSlice], status: int = 200
) -> None:
    """Answer with slices of a file and what belongs between them."""
    body = FileBody(file, pieces)
    response.status = status
    response.headers["Content-Length"] = str(body.length)
    response.source = body
