"""Resumption: what a response to a download is good for, decided by a table.

Three things count: what is kept on disk, what was asked for, and what came. Nothing here opens a
file or a socket or reads a clock. A response is never trusted further than it can be checked:

- A 200 or 203 is the whole representation (RFC 9110 section 15.3.1).
- A 206 continues what is kept only under the same strong validator (section 15.3.7.3), if its
  Content-Range is valid and begins exactly where the kept bytes end, and if it is not coded.
- Any other status says nothing about the representation: the files stay as they are.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import NamedTuple

from bladehttp._data.decoders import ALIASES, REGISTERED
from bladehttp._wire.dates import parse_http_date
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
before the Date that the same server has put beside it."""

OTHER_CLOCK = 60
"""The same where there is no Date, so that our own clock stands in for it (section 6.6.1)."""


class Asked(Enum):
    """What a request was for."""

    WHOLE = auto()
    """The whole representation: no Range field."""
    REST = auto()
    """What follows the kept bytes: a Range field of ours, with If-Range."""
    RANGE = auto()
    """What a Range field of the caller's says."""


class Verdict(Enum):
    """What to do with a response."""

    KEEP = auto()
    """Leave every file as it is, and return the response."""
    WRITE = auto()
    """Write its body from the first byte on, in place of what is kept."""
    APPEND = auto()
    """Append its body to what is kept."""
    ASK_AGAIN = auto()
    """Drop what is kept and ask for the whole."""
    REFUSE = auto()
    """Fail: it cannot be used, and another request would bring the same."""


class ContentRange(NamedTuple):
    """The value of a Content-Range field.

    Attributes:
        first: Position of the first byte.
        last: Position of the last byte, inclusive.
        complete: Length of the whole representation, None where it is not said.
    """

    first: int
    last: int
    complete: int | None

    @property
    def length(self) -> int:
        """How many bytes it covers."""
        return self.last - self.first + 1

    @property
    def is_whole(self) -> bool:
        """Whether that is the whole representation."""
        return self.first == 0 and self.length == self.complete


@dataclass(frozen=True, slots=True)
class Kept:
    """The beginning of a representation, on disk.

    Attributes:
        length: Bytes of it.
        validator: A strong one, "" if nothing is kept.
        complete: Length of the whole representation, None where it is not known.
    """

    length: int = 0
    validator: str = ""
    complete: int | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """What a response says of itself.

    Attributes:
        status: Its status.
        content_range: Its Content-Range, None if there is none or it is not valid.
        validator: What `strong_validator` makes of its fields.
        is_coded: Whether it has a Content-Encoding.
        length: Its Content-Length, None if there is none.
        accepts_ranges: False if it says that ranges are not served.
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
        """Whether the rest of its body could be asked for, should it end early."""
        return bool(self.validator) and not self.is_coded and self.accepts_ranges


class Request(NamedTuple):
    """What was asked for.

    Attributes:
        asked: What kind of request it was.
        kept: What was on disk.
        range_field: The Range field of the caller's, "" if there is none.
    """

    asked: Asked
    kept: Kept
    range_field: str = ""


def continues(request: Request, came: Came) -> bool:
    """Whether a 206 goes on exactly where the kept bytes end."""
    kept, part = request.kept, came.content_range
    if not came.is_consistent or part is None or part.first != kept.length:
        return False
    if not kept.validator or came.validator != kept.validator:
        return False
    return complete_length(kept, part) is not None


def complete_length(kept: Kept, part: ContentRange) -> int | None:
    """Return the length of the whole, None if it is not known or there are two of them."""
    if None not in (kept.complete, part.complete) and kept.complete != part.complete:
        return None
    complete = kept.complete if part.complete is None else part.complete
    return complete if complete is not None and part.last < complete else None


def answers_range(request: Request, came: Came) -> bool:
    """Whether a 206 is the one range that the caller asked for, all of it."""
    part = came.content_range
    if not came.is_consistent or part is None:
        return False
    length = part.last + 1 if part.complete is None else part.complete
    return parse_ranges(request.range_field, length) == [(part.first, part.last + 1)]


def is_whole(_: Request, came: Came) -> bool:
    """Whether a 206 that nobody asked for is the whole representation."""
    part = came.content_range
    return came.is_consistent and part is not None and part.is_whole


def is_no_part(_: Request, came: Came) -> bool:
    """Whether a 200 does not call itself a part: Content-Range means nothing there, but is sent."""
    return came.content_range is None or came.content_range.is_whole


def never(_: Request, __: Came) -> bool:
    """Never."""
    return False


class Rule(NamedTuple):
    """A row of the table: what is checked, and the verdicts if it holds and if it does not."""

    holds: Callable[[Request, Came], bool]
    verdict: Verdict
    otherwise: Verdict


TABLE: dict[tuple[int, Asked], Rule] = {
    # status             asked             what is checked  it holds         it does not
    (200, Asked.WHOLE): Rule(is_no_part, Verdict.WRITE, Verdict.REFUSE),
    (200, Asked.REST): Rule(is_no_part, Verdict.WRITE, Verdict.ASK_AGAIN),
    (200, Asked.RANGE): Rule(is_no_part, Verdict.WRITE, Verdict.REFUSE),
    (206, Asked.WHOLE): Rule(is_whole, Verdict.WRITE, Verdict.REFUSE),
    (206, Asked.REST): Rule(continues, Verdict.APPEND, Verdict.ASK_AGAIN),
    (206, Asked.RANGE): Rule(answers_range, Verdict.WRITE, Verdict.REFUSE),
    (416, Asked.REST): Rule(never, Verdict.KEEP, Verdict.ASK_AGAIN),
}
"""What is not in here is `Verdict.KEEP`. A 203 is judged as a 200: a proxy has changed the
representation on the way (RFC 9110 section 15.3.4), which is whole all the same."""

JUDGED_AS = {203: 200}


def decide(request: Request, came: Came) -> Verdict:
    """Return what to do with a response."""
    status = JUDGED_AS.get(came.status, came.status)
    rule = TABLE.get((status, request.asked))
    if rule is None:
        return Verdict.KEEP
    return rule.verdict if rule.holds(request, came) else rule.otherwise


def resumable(kept: Kept) -> Kept:
    """Return what of the kept bytes to go on from.

    All but the last byte of what seems to be whole: a range has at least one byte, and only a
    response to one shows that the representation has not changed.
    """
    if not kept.validator or not kept.length:
        return Kept()
    if kept.complete is None or kept.length < kept.complete:
        return kept
    if kept.length > kept.complete or kept.complete == 1:
        return Kept()
    return Kept(kept.complete - 1, kept.validator, kept.complete)


def came_with(status: int, fields: Mapping[str, str], received: float) -> Came:
    """Return what a response says of itself.

    Args:
        status: Its status.
        fields: Its fields; those of one name are joined, which makes two Content-Ranges invalid.
        received: When it came, in seconds since 1970.
    """
    is_multipart = fields.get("Content-Type", "").lower().startswith("multipart/byteranges")
    return Came(
        status,
        None if is_multipart else parse_content_range(fields.get("Content-Range", "")),
        strong_validator(fields, received),
        is_coded(fields),
        # RFC 9112 section 6.3: Transfer-Encoding overrides the Content-Length
        None if "Transfer-Encoding" in fields else parse_length(fields.get("Content-Length", "")),
        fields.get("Accept-Ranges", "").strip().lower() != "none",
    )


def parse_content_range(value: str) -> ContentRange | None:
    """Return what a Content-Range field says, None if it is not valid or not of bytes.

    RFC 9110 section 14.4: it is invalid if the last position is before the first, or the complete
    length is not beyond it, and a recipient must not combine such a part with what it has.
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
    """Return a Content-Length, None if it is no number."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def is_coded(fields: Mapping[str, str]) -> bool:
    """Whether a Content-Encoding names a coding; see `decoders.REGISTERED`."""
    names = (name.strip(" \t") for name in fields.get("Content-Encoding", "").lower().split(","))
    return any(ALIASES.get(name, name) in REGISTERED for name in names)


def strong_validator(fields: Mapping[str, str], received: float) -> str:
    """Return what tells two representations apart to the byte, "" if nothing does.

    A strong ETag, else a Last-Modified that is one in the sense of RFC 9110 section 8.8.2.2: a
    representation that was changed twice within a second has the same one before and after, so it
    has to be older than the answer.
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
