"""Answering with an open file: what it is, conditions, ranges.

RFC 9110 sections 8.8 (validators), 13 (conditions) and 14 (ranges).

Entity tags of files: strong validators (RFC 9110 section 8.8.3).
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO

from bladehttp._data.headers import Headers
from bladehttp._data.media_types import UNKNOWN
from bladehttp._message.file_body import FileBody, FileSlice, WholeFile
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.conditional import range_applies, status_instead
from bladehttp._wire.dates import format_http_date
from bladehttp._wire.ranges import Range, content_range, last_boundary, parse_ranges, part_head
from bladehttp.server._dispatch.dispatcher import answer_with_status
from bladehttp.server._files.safe_open import OpenedFile

Tagger = Callable[[OpenedFile, str | None], str]
"""Makes the entity tag of a file and the coding it is in; None: it is as it was asked for."""

MOST_HASHED = 16 * 1024 * 1024
"""Longest file, in bytes, that is read for its tag: about 20 ms."""

MOST_DIGESTS = 4096
"""Digests of content that are kept."""

DIGESTS: dict[tuple[int, ...], str] = {}
"""What identifies a version of a file on this machine to the digest of its content."""


def tag_by_time(found: OpenedFile, coding: str | None) -> str:
    """Return a tag made of the time of modification and the size.

    It is the same on every machine that has the file with its time, as a validator behind a
    load balancer has to be. nginx and Werkzeug use the same two.
    """
    return f'"{found.info.st_mtime_ns:x}-{found.info.st_size:x}{_suffix(coding)}"'


def tag_by_content(found: OpenedFile, coding: str | None) -> str:
    """Return a tag made of the content, for files whose times mean nothing.

    The content is read once for each version of a file. A file that is too long to be read while
    others wait gets its tag by its time.
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
    """A file and a sibling that holds it compressed may have one time and one size."""
    return f"-{coding}" if coding else ""


TAGGERS: dict[bool | str | None, Tagger | None] = {
    None: tag_by_time,
    True: tag_by_time,
    False: None,
    "content": tag_by_content,
}
"""The argument ``tag`` of `HttpServer.serve_files` to how an entity tag is made."""


@dataclass(frozen=True, slots=True)
class Representation:
    """A file to send, or a sibling that holds it compressed.

    Attributes:
        found: What is sent.
        media_type: Of what was asked for.
        coding: How that is encoded, None if it is not.
        varies: Whether another client could get another of them.
    """

    found: OpenedFile
    media_type: str
    coding: str | None
    varies: bool

    def fields(self) -> dict[str, str]:
        """Return the fields that say how it is encoded and what that depends on."""
        coding = {} if self.coding is None else {"Content-Encoding": self.coding}
        return coding | {"Vary": "Accept-Encoding"} if self.varies else coding


def send_file(
    representation: Representation,
    tag_of: Tagger | None,
    fields: Mapping[str, str],
    request: HttpRequest,
    response: HttpResponse,
) -> None:
    """Answer with a file, with parts of it, or that a condition is not met.

    Args:
        representation: The file; closed when the answer has been sent.
        tag_of: Makes its entity tag; None: it has none.
        fields: To be sent with the file, or with 304, and with nothing else.
        request: Whose headers are asked.
        response: Filled in.
    """
    info = representation.found.info
    whole = FileSlice(representation.found.file, 0, info.st_size)
    response.source = FileBody(whole.file, [whole])
    now = int(time.time())
    modified = min(int(info.st_mtime), now)  # never later than Date (RFC 9110 8.8.2.1)
    tag = tag_of(representation.found, representation.coding) if tag_of is not None else None
    validators = {"Last-Modified": format_http_date(modified)} | ({"ETag": tag} if tag else {})
    fields = {**fields, **representation.fields(), **validators}
    status = status_instead(request.headers, tag, modified)
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
    """Answer 304, which has the fields that the file would have (RFC 9110 section 15.4.5)."""
    response.close()
    response.status = 304
    response.headers.pop("Content-Length", None)
    add_missing(response.headers, fields)
    response.headers.pop("Content-Type", None)
    response.headers.pop("Content-Encoding", None)


def _ranges(
    request: HttpRequest, tag: str | None, modified: int, now: int, size: int
) -> list[Range] | None:
    """Return the ranges that are asked for, [] if the file has none of them, None for all of it."""
    asked = request.headers
    if request.method != "GET" or "Range" not in asked:
        return None
    if not range_applies(asked.get("If-Range"), tag, modified, now):
        return None
    return parse_ranges(asked["Range"], size)


def complete(request: HttpRequest, response: HttpResponse) -> None:
    """Answer as the request asks for the file of `HttpResponse.file`: 200, 206, 304, 412 or 416."""
    body = response.source
    if type(body) is not WholeFile or response.status != 200:
        return
    if request.method not in {"GET", "HEAD"}:
        return
    if response.headers.get("Content-Length") != str(body.length):  # the handler has its own idea
        return
    own = response.headers.get("ETag")
    found = OpenedFile(body.file, body.info, body.name)
    representation = Representation(
        found, response.headers.get("Content-Type", UNKNOWN), None, varies=False
    )
    send_file(representation, tag_by_time if own is None else lambda *_: own, {}, request, response)


def add_missing(headers: Headers, fields: Mapping[str, str]) -> None:
    """Add fields, except those that an on_receive has set already; Vary is added to its own."""
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
"""Fields about a file, or about how long it may be kept, not about an error in its place."""


def refuse(response: HttpResponse, status: int) -> None:
    """Answer with an error in place of a file. No cache may take it for the file."""
    response.close()
    for name in REPRESENTATION_FIELDS:
        response.headers.pop(name, None)
    answer_with_status(response, status)


def send_content(response: HttpResponse, whole: FileSlice, ranges: list[Range] | None) -> None:
    """Answer with all of a file (None) or with some ranges of it."""
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
    """Answer with slices of a file and what belongs between them."""
    body = FileBody(file, parts)
    response.status = status
    response.headers["Content-Length"] = str(body.length)
    response.source = body
