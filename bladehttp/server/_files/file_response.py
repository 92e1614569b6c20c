"""Responses from open files: entity tags, conditions, ranges.

RFC 9110 sections 8.8 (validators), 13 (conditions) and 14 (ranges). Entity tags are strong
validators (section 8.8.3).
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO

from bladehttp._data.dates import format_http_date
from bladehttp._data.headers import Headers
from bladehttp._data.media_types import UNKNOWN
from bladehttp._message.file_body import FileBody, FileSlice, WholeFile
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.conditional import evaluate_preconditions, range_applies
from bladehttp._wire.ranges import Range, content_range, last_boundary, parse_ranges, part_head
from bladehttp.server._dispatch.own_responses import answer_with_status
from bladehttp.server._files.safe_open import OpenedFile

Tagger = Callable[[OpenedFile, str | None], str]
"""Makes the entity tag of a file and its content coding; None for the coding: identity."""

MOST_HASHED = 16 * 1024 * 1024
"""Longest file, in bytes, that is hashed for its tag: about 20 ms."""

FIRST_SECOND = -62_135_596_800
"""The first second of the year 1, the first that datetime supports."""

MOST_DIGESTS = 4096
"""Most digests of content in the cache."""

DIGESTS: dict[tuple[int, ...], str] = {}
"""Identity of one version of a file (device, inode, size, times) to the digest of its content."""


def tag_by_time(found: OpenedFile, coding: str | None) -> str:
    """Return a tag made of the time of modification and the size.

    The same on every machine that has the file with its time, as a validator behind a load balancer
    must be. nginx and Werkzeug use the same two.
    """
    return f'"{found.info.st_mtime_ns:x}-{found.info.st_size:x}{_suffix(coding)}"'


def tag_by_content(found: OpenedFile, coding: str | None) -> str:
    """Return a tag made of the content, for files whose times mean nothing.

    The content is hashed once for each version of a file. A file over `MOST_HASHED` gets its tag by
    time, since hashing would block other clients.
    """
    info = found.info
    if info.st_size > MOST_HASHED:
        return tag_by_time(found, coding)
    version = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    digest = DIGESTS.get(version)
    if digest is None:
        state = blake2b(digest_size=12)
        for block in FileSlice(found.file, 0, info.st_size).blocks():
            state.update(block)
        if len(DIGESTS) >= MOST_DIGESTS:
            DIGESTS.clear()
        digest = DIGESTS[version] = state.hexdigest()
    return f'"{digest}{_suffix(coding)}"'


def _suffix(coding: str | None) -> str:
    """Return the part of a tag that tells a file from its compressed sibling."""
    return f"-{coding}" if coding else ""


TAGGERS: dict[bool | str | None, Tagger | None] = {
    None: tag_by_time,
    True: tag_by_time,
    False: None,
    "content": tag_by_content,
}
"""The argument ``tag`` of `HttpServer.serve_files` to the function that makes entity tags."""


@dataclass(frozen=True, slots=True)
class Representation:
    """A selected representation: a file, or its compressed sibling.

    Attributes:
        found: The open file.
        media_type: The media type of the requested file.
        coding: The content coding of the sibling, None for the file itself.
        varies: Whether other clients may get another representation.
    """

    found: OpenedFile
    media_type: str
    coding: str | None
    varies: bool

    def fields(self) -> dict[str, str]:
        """Return Content-Encoding and Vary."""
        coding = {} if self.coding is None else {"Content-Encoding": self.coding}
        return coding | {"Vary": "Accept-Encoding"} if self.varies else coding


def send_file(
    representation: Representation,
    tag_of: Tagger | None,
    fields: Mapping[str, str],
    request: HttpRequest,
    response: HttpResponse,
) -> None:
    """Respond with a file, with ranges of it, or with 304, 412 or 416.

    Args:
        representation: The file; closed when the response has been sent.
        tag_of: Makes its entity tag; None: no tag.
        fields: Fields for 200, 206 and 304 only.
        request: The request.
        response: The response to fill in.
    """
    info = representation.found.info
    whole = FileSlice(representation.found.file, 0, info.st_size)
    response.source = FileBody(whole.file, [whole])
    now = int(time.time())
    # Never later than Date (RFC 9110 section 8.8.2.1).
    modified = max(FIRST_SECOND, min(int(info.st_mtime), now))
    tag = tag_of(representation.found, representation.coding) if tag_of is not None else None
    validators = {"Last-Modified": format_http_date(modified)} | ({"ETag": tag} if tag else {})
    fields = {**fields, **representation.fields(), **validators}
    status = evaluate_preconditions(request.headers, tag, modified)
    ranges = None if status else _ranges(request, tag, modified, now, info.st_size)
    if status == 304:
        _not_modified(response, fields)
    elif status is not None:
        refuse(response, status)
    elif ranges == []:
        refuse(response, 416)
        response.headers["Content-Range"] = content_range(None, info.st_size)
    else:
        response.headers["Content-Type"] = representation.media_type
        add_missing(response.headers, fields | {"Accept-Ranges": "bytes"})
        send_content(response, whole, ranges)


def _not_modified(response: HttpResponse, fields: Mapping[str, str]) -> None:
    """Respond with 304 and the fields of the file (RFC 9110 section 15.4.5)."""
    response.close()
    response.status = 304
    response.headers.pop("Content-Length", None)
    add_missing(response.headers, fields)
    response.headers.pop("Content-Type", None)
    response.headers.pop("Content-Encoding", None)


def _ranges(
    request: HttpRequest, tag: str | None, modified: int, now: int, size: int
) -> list[Range] | None:
    """Return the requested ranges, [] if none can be satisfied, None for the whole file."""
    asked = request.headers
    if request.method != "GET" or "Range" not in asked:
        return None
    if not range_applies(asked.get("If-Range"), tag, modified, now):
        return None
    return parse_ranges(asked["Range"], size)


def apply_conditions(request: HttpRequest, response: HttpResponse) -> None:
    """Apply conditions and ranges to a response of `HttpResponse.file`."""
    body = response.source
    if type(body) is not WholeFile or response.status != 200:
        return
    if request.method not in {"GET", "HEAD"}:
        return
    if response.headers.get("Content-Length") != str(body.length):  # changed by the handler
        return
    own = response.headers.get("ETag")
    found = OpenedFile(body.file, body.info, body.name)
    representation = Representation(
        found, response.headers.get("Content-Type", UNKNOWN), None, varies=False
    )
    send_file(representation, tag_by_time if own is None else lambda *_: own, {}, request, response)


def add_missing(headers: Headers, fields: Mapping[str, str]) -> None:
    """Add fields, except those that a handler has set; Vary is always appended."""
    headers.extend([pair for pair in fields.items() if pair[0] == "Vary" or pair[0] not in headers])


REPRESENTATION_FIELDS = (
    "Accept-Ranges",
    "CDN-Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "ETag",
    "Expires",
    "Last-Modified",
    "Surrogate-Control",
)
"""Fields that describe a file or its freshness, and do not belong to an error response."""


def refuse(response: HttpResponse, status: int) -> None:
    """Respond with an error in place of a file. No cache may take it for the file."""
    response.close()
    for name in REPRESENTATION_FIELDS:
        response.headers.pop(name, None)
    answer_with_status(response, status)


def send_content(response: HttpResponse, whole: FileSlice, ranges: list[Range] | None) -> None:
    """Respond with a whole file (None) or with ranges of it."""
    headers = response.headers
    if ranges is None:
        send_parts(response, whole.file, [whole])
    elif len(ranges) == 1:
        headers["Content-Range"] = content_range(ranges[0], whole.length)
        send_parts(response, whole.file, [part_of(whole, ranges[0])], 206)
    else:
        boundary, kind = secrets.token_hex(16), headers["Content-Type"]
        parts: list[bytes | FileSlice] = []
        for asked in ranges:
            parts += (part_head(asked, whole.length, kind, boundary), part_of(whole, asked))
        headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        send_parts(response, whole.file, [*parts, last_boundary(boundary)], 206)


def part_of(whole: FileSlice, asked: Range) -> FileSlice:
    """Return a range of a file."""
    return FileSlice(whole.file, asked.start, asked.stop - asked.start)


def send_parts(
    response: HttpResponse, file: FileIO, parts: Sequence[bytes | FileSlice], status: int = 200
) -> None:
    """Respond with slices of a file and the bytes between them."""
    body = FileBody(file, parts)
    response.status = status
    response.headers["Content-Length"] = str(body.length)
    response.source = body
