"""JSON formatted for reading: indented, and otherwise as it was sent.

Decoding and encoding would change it: 1.10 would become 1.1, a large number inf, and of two members
of one name only the last would be left.
"""

import json
import re
from collections.abc import Iterator

tokens = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+').finditer

INDENT = "  "
OPENING = ("[", "{")
CLOSING = ("]", "}")


def indented(text: str) -> str | None:
    """Return JSON with a line for each member, None if the text is not JSON (RFC 8259)."""
    text = text.removeprefix("\ufeff")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    depth = 0
    before = ""
    for match in tokens(text):
        piece = match[0]
        if piece in CLOSING:
            depth -= 1
            if before not in OPENING:  # an empty one stays on its line
                yield f"\n{INDENT * depth}"
        elif before in (*OPENING, ","):
            yield f"\n{INDENT * depth}"
        yield _readable(piece)
        if piece in OPENING:
            depth += 1
        elif piece == ":":
            yield " "
        before = piece


def _readable(piece: str) -> str:
    r"""Return a token, its \u escapes decoded if it is a string."""
    if piece.startswith('"') and "\\u" in piece:
        return json.dumps(json.loads(piece), ensure_ascii=False)
    return piece
