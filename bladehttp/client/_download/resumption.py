"""Resumption: how a response to a download is used, decided by a table.

Three things count: the kept bytes on disk, the request, and the response. Nothing here opens a file
or a socket or reads a clock. A response is trusted only as far as it can be checked:

- A 200 or 203 is the whole representation (RFC 9110 section 15.3.1).
- A 206 continues the kept bytes only under the same strong validator (section 15.3.7.3), if its
  Content-Range is valid and starts exactly where the kept bytes end, and if it is not coded.
- Any other status says nothing about the representation: the files stay unchanged.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import NamedTuple

from bladehttp._data.dates import parse_http_date
from bladehttp._data.decoders import ALIASES, REGISTERED
from bladehttp._wire.ranges import parse_ranges

# RFC 9110 section 14.4: Content-Range = range-unit SP ( range-resp / unsatisfied-range )
#                        range-resp = first-pos "-" last-pos "/" ( complete-length / "*" )
# Unit names are case-insensitive. 18 digits are more than any file has.
range_resp = partial(
    re.fullmatch, r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", flags=re.IGNORECASE
)

# RFC 9110 section 8.8.3: opaque-tag = DQUOTE *etagc DQUOTE; a weak one begins with W/
is_strong_tag = partial(re.fullmatch, r'"[\x21\x23-\x7e\x80-\xff]*"')

SAME_CLOCK = 1
"""RFC 9110 section 8.8.2.2: a Last-Modified is a strong validator if it is at least one second
before the Date of the same response."""

OTHER_CLOCK = 60
"""The same without a Date, when our own clock replaces it (section 6.6.1)."""


class RequestKind(Enum):
    """The kind of a request."""

    WHOLE = auto()
    """The whole representation: no Range field."""
    REST = auto()
    """The rest after the kept bytes: our own Range field, with If-Range."""
    RANGE = auto()
    """The range in a Range field of the caller's."""


class Verdict(Enum):
    """How a response is used."""

    KEEP = auto()
    """Leave every file unchanged, and return the response."""
    WRITE = auto()
    """Replace the kept bytes by its body."""
    APPEND = auto()
    """Append its body to the kept bytes."""
    ASK_AGAIN = auto()
    """Drop the kept bytes and ask for the whole."""
    REFUSE = auto()
    """Fail: it cannot be used, and another request would not help."""


class ContentRange(NamedTuple):
    """The value of a Content-Range field.

    Attributes:
        first: Position of the first byte.
        last: Position of the last byte, inclusive.
        complete: Length of the whole representation, None if it is not stated.
    """

    first: int
    last: int
    complete: int | None

    @property
    def length(self) -> int:
        """The number of bytes in the range."""
        return self.last - self.first + 1

    @property
    def is_whole(self) -> bool:
        """Whether the range is the whole representation."""
        return self.first == 0 and self.length == self.complete


@dataclass(frozen=True, slots=True)
class Kept:
    """The beginning of a representation, on disk.

    Attributes:
        length: Number of bytes.
        validator: Its strong validator, "" if nothing is kept.
        complete: Length of the whole representation, None if it is not known.
    """

    length: int = 0
    validator: str = ""
    complete: int | None = None


@dataclass(frozen=True, slots=True)
class ResponseSummary:
    """The claims of a response about its content.

    Attributes:
        status: Its status.
        content_range: Its Content-Range, None if there is none or it is not valid.
        validator: The result of `strong_validator` for its fields.
        is_coded: Whether it has a Content-Encoding.
        length: Its Content-Length, None if there is none.
        accepts_ranges: False if it states that ranges are not served.
    """

    status: int
    content_range: ContentRange | None = None
    validator: str = ""
    is_coded: bool = False
    length: int | None = None
    accepts_ranges: bool = True

    @property
    def is_consistent(self) -> bool:
        """Whether its Content-Range is valid and agrees with the rest."""
        part = self.content_range
        if part is None or self.is_coded:
            return False
        return self.length is None or self.length == part.length

    @property
    def can_be_continued(self) -> bool:
        """Whether the rest of its body could be requested if it ended early."""
        return bool(self.validator) and not self.is_coded and self.accepts_ranges


class Request(NamedTuple):
    """A request of a download.

    Attributes:
        kind: Its kind.
        kept: The kept bytes on disk.
        range_field: The Range field of the caller's, "" if there is none.
    """

    kind: RequestKind
    kept: Kept
    range_field: str = ""


def continues(request: Request, response: ResponseSummary) -> bool:
    """Whether a 206 starts exactly where the kept bytes end."""
    kept, part = request.kept, response.content_range
    if not response.is_consistent or part is None or part.first != kept.length:
        return False
    if not kept.validator or response.validator != kept.validator:
        return False
    return complete_length(kept, part) is not None


def complete_length(kept: Kept, part: ContentRange) -> int | None:
    """Return the length of the whole, None if it is not known or two claims differ."""
    if None not in (kept.complete, part.complete) and kept.complete != part.complete:
        return None
    complete = kept.complete if part.complete is None else part.complete
    return complete if complete is not None and part.last < complete else None


def answers_range(request: Request, response: ResponseSummary) -> bool:
    """Whether a 206 is exactly the one range that the caller has asked for."""
    part = response.content_range
    if not response.is_consistent or part is None:
        return False
    length = part.last + 1 if part.complete is None else part.complete
    return parse_ranges(request.range_field, length) == [(part.first, part.last + 1)]


def is_whole(_: Request, response: ResponseSummary) -> bool:
    """Whether an unrequested 206 is the whole representation."""
    part = response.content_range
    return response.is_consistent and part is not None and part.is_whole


def is_no_part(_: Request, response: ResponseSummary) -> bool:
    """Whether a 200 does not claim to be a part; Content-Range means nothing there, but is sent."""
    return response.content_range is None or response.content_range.is_whole


def never(_: Request, __: ResponseSummary) -> bool:
    """Never."""
    return False


class Rule(NamedTuple):
    """A row of the table: the check, and the verdicts if it passes and if it fails."""

    holds: Callable[[Request, ResponseSummary], bool]
    verdict: Verdict
    otherwise: Verdict


TABLE: dict[tuple[int, RequestKind], Rule] = {
    # status             kind                    check          passes         fails
    (200, RequestKind.WHOLE): Rule(is_no_part, Verdict.WRITE, Verdict.REFUSE),
    (200, RequestKind.REST): Rule(is_no_part, Verdict.WRITE, Verdict.ASK_AGAIN),
    (200, RequestKind.RANGE): Rule(is_no_part, Verdict.WRITE, Verdict.REFUSE),
    (206, RequestKind.WHOLE): Rule(is_whole, Verdict.WRITE, Verdict.REFUSE),
    (206, RequestKind.REST): Rule(continues, Verdict.APPEND, Verdict.ASK_AGAIN),
    (206, RequestKind.RANGE): Rule(answers_range, Verdict.WRITE, Verdict.REFUSE),
    (416, RequestKind.REST): Rule(never, Verdict.KEEP, Verdict.ASK_AGAIN),
}
"""Any other status is `Verdict.KEEP`. A 203 is judged as a 200: a proxy has changed the
representation on the way (RFC 9110 section 15.3.4), which is whole all the same."""

JUDGED_AS = {203: 200}


def decide(request: Request, response: ResponseSummary) -> Verdict:
    """Return how a response is used."""
    status = JUDGED_AS.get(response.status, response.status)
    rule = TABLE.get((status, request.kind))
    if rule is None:
        return Verdict.KEEP
    return rule.verdict if rule.holds(request, response) else rule.otherwise


def resumable(kept: Kept) -> Kept:
    """Return the kept bytes to continue from.

    Of a representation that seems complete, all but the last byte: a range has at least one byte,
    and only the response to a range request shows that the representation has not changed.
    """
    if not kept.validator or not kept.length:
        return Kept()
    if kept.complete is None or kept.length < kept.complete:
        return kept
    if kept.length > kept.complete or kept.complete == 1:
        return Kept()
    return Kept(kept.complete - 1, kept.validator, kept.complete)


def summarize(status: int, fields: Mapping[str, str], received: float) -> ResponseSummary:
    """Return the claims of a response about its content.

    Args:
        status: Its status.
        fields: Its fields; those of the same name are joined, which makes two Content-Ranges
            invalid.
        received: When it was received, in seconds since 1970.
    """
    is_multipart = fields.get("Content-Type", "").lower().startswith("multipart/byteranges")
    return ResponseSummary(
        status,
        None if is_multipart else parse_content_range(fields.get("Content-Range", "")),
        strong_validator(fields, received),
        is_coded(fields),
        # RFC 9112 section 6.3: Transfer-Encoding overrides the Content-Length
        None if "Transfer-Encoding" in fields else parse_length(fields.get("Content-Length", "")),
        fields.get("Accept-Ranges", "").strip().lower() != "none",
    )


def parse_content_range(value: str) -> ContentRange | None:
    """Return the parsed Content-Range field, None if it is not valid or not in bytes.

    RFC 9110 section 14.4: it is invalid if the last position is before the first, or the complete
    length is not beyond it, and a recipient must not combine such a part with its own.
    """
    match = range_resp(value.strip(" \t"))
    if match is None:
        return None
    complete = None if match[3] == "*" else int(match[3])
    part = ContentRange(int(match[1]), int(match[2]), complete)
    if part.last < part.first or (complete is not None and part.last >= complete):
        return None
    return part


def parse_length(value: str) -> int | None:
    """Return a Content-Length, None if it is not a number."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def is_coded(fields: Mapping[str, str]) -> bool:
    """Whether a Content-Encoding names a coding; see `decoders.REGISTERED`."""
    names = (name.strip(" \t") for name in fields.get("Content-Encoding", "").lower().split(","))
    return any(ALIASES.get(name, name) in REGISTERED for name in names)


def strong_validator(fields: Mapping[str, str], received: float) -> str:
    """Return a validator that tells representations apart to the byte, "" if there is none.

    It is a strong ETag, or a Last-Modified that is strong by RFC 9110 section 8.8.2.2: a
    representation that is changed twice within a second keeps its Last-Modified, so it must be
    older than the answer.
    """
    tag = fields.get("ETag", "").strip(" \t")
    if is_strong_tag(tag):
        return tag
    modified = parse_http_date(fields.get("Last-Modified", ""))
    if modified is None:
        return ""
    date = parse_http_date(fields.get("Date", ""))
    age, least = (received, OTHER_CLOCK) if date is None else (date, SAME_CLOCK)
    return fields["Last-Modified"].strip(" \t") if age - modified >= least else ""
