"""The beginning of a body as one line of an error message."""

import codecs
import re
from functools import partial

from bladehttp._data.charsets import text_of, without_bom

LONGEST = 200
"""Characters of a body in an error message, at most."""

LOOKED_AT = 4096
"""Bytes of a body that are looked at for them."""

is_text = partial(
    re.fullmatch,
    r"text/.*|application/(?:.*\+)?(?:json|xml)|application/(?:x-www-form-urlencoded|javascript)",
)


def readable(body: bytes, content_type: str, charset: str) -> str:
    """Return the beginning of a body that is text, "" for any other.

    A body without a Content-Type is text if it is UTF-8.
    """
    head = body[:LOOKED_AT]
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and not is_text(media_type):
        return ""
    if not media_type:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            return ""
    return text_of(*without_bom(head, charset))


def one_line(text: str) -> str:
    """Return a text without line ends and control characters, shortened."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(shown.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
