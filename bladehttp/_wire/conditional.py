"""Conditional requests: does the client's copy match the current representation?

RFC 9110 section 13, for GET and HEAD of an existing resource.
"""

import re
from collections.abc import Mapping

from bladehttp._data.dates import parse_http_date

# RFC 9110 section 8.8.3:  entity-tag = [ weak ] opaque-tag
#                          weak = %s"W/"
#                          opaque-tag = DQUOTE *( %x21 / %x23-7E / obs-text ) DQUOTE
entity_tags = re.compile(r'(W/)?("[!\x23-\x7e\x80-\xff]*")').findall


def evaluate_preconditions(fields: Mapping[str, str], tag: str | None, modified: int) -> int | None:
    """Return the status to answer instead of the content, None to send the content.

    In the order of RFC 9110 section 13.2.2; invalid dates are ignored.

    Args:
        fields: The request's fields, the names in any case.
        tag: The current entity tag, None if there is none.
        modified: The current Last-Modified, in seconds since 1970.

    Returns:
        304 if the client has the current representation, 412 if a precondition fails, or None.
    """
    if "If-Match" in fields:
        if not _has(fields["If-Match"], tag, weak=False):
            return 412
    elif _is_newer(modified, fields.get("If-Unmodified-Since")):
        return 412
    if "If-None-Match" in fields:
        return 304 if _has(fields["If-None-Match"], tag, weak=True) else None
    return 304 if _is_newer(modified, fields.get("If-Modified-Since")) is False else None


def range_applies(value: str | None, tag: str | None, modified: int, now: int) -> bool:
    """Return whether If-Range lets Range count: RFC 9110 section 13.1.5.

    Args:
        value: The value of If-Range, None if there is no such field.
        tag: The current entity tag, None if there is none.
        modified: The current Last-Modified, in seconds since 1970.
        now: The current time in the same seconds. A date is a strong validator only when its second
            is over (section 8.8.2.2).
    """
    if value is None:
        return True
    if '"' in value:
        return value == tag and not value.startswith("W/")
    return modified < now and parse_http_date(value) == modified


def _has(value: str, tag: str | None, *, weak: bool) -> bool:
    """Return whether a list of entity tags, or "*", includes a tag (section 8.8.3.2)."""
    if value.strip(" \t") == "*":
        return True
    own = entity_tags(tag or "")
    if not own:  # none, or one of a handler without its quotes
        return False
    ours_weak, ours = own[0]
    return any(
        theirs == ours and (weak or not (their_weak or ours_weak))
        for their_weak, theirs in entity_tags(value)
    )


def _is_newer(modified: int, date: str | None) -> bool | None:
    """Return whether a modification is after a date, None for an invalid date."""
    seconds = None if date is None else parse_http_date(date)
    return None if seconds is None else modified > seconds
