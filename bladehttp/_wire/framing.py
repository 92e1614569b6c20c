"""How long a request's body is: RFC 9112 section 6.3, as one function.

This is where request smuggling is decided. Wherever the RFC lets a recipient choose between
repairing and refusing, it refuses: two parties that repair differently are the attack.
"""

from collections.abc import Sequence

from bladehttp._data.headers import is_token
from bladehttp._wire import grammar
from bladehttp.exceptions import ProtocolError

CHUNKED = -1
"""Stands for a length: the body is chunked."""

# 18 digits are under 2**63; a longer Content-Length is beyond any limit and not even converted.
LONGEST_LENGTH = 18


def body_length(content_lengths: Sequence[str], transfer_encodings: Sequence[str]) -> int:
    """Return the body's length in bytes, 0 for none, or CHUNKED.

    Args:
        content_lengths: The values of all Content-Length lines.
        transfer_encodings: The values of all Transfer-Encoding lines.

    Raises:
        ProtocolError: 400 if ambiguous or malformed, 501 for an unknown transfer coding, 413 for a
            length beyond every limit.
    """
    if transfer_encodings:
        if content_lengths:  # section 6.1: "may reject"; it is how requests are smuggled
            raise ProtocolError("both Transfer-Encoding and Content-Length")
        _check_chunked(", ".join(transfer_encodings))
        return CHUNKED
    if not content_lengths:
        return 0
    if len(content_lengths) > 1:  # RFC 9110 section 8.6: "may reject", equal or not
        raise ProtocolError("more than one Content-Length")
    digits = content_lengths[0]
    if not grammar.content_length(digits):
        raise ProtocolError(f"Content-Length is not a number: {digits[:40]!r}")
    digits = digits.lstrip("0")
    if len(digits) > LONGEST_LENGTH:
        raise ProtocolError("Content-Length is beyond any limit", status=413)
    return int(digits or "0")


def _check_chunked(value: str) -> None:
    """Accept "chunked" alone, in any case.

    Section 6.3: where it is not the last coding "the server MUST respond with the 400 (Bad
    Request) status code", which goes before the 501 that section 6.1 wants for an unknown one.
    Section 6.1: only once; section 7: it has no parameters, "their presence ought to be treated
    as an error". Empty list elements are refused with the rest.
    """
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if codings == ["chunked"]:
        return
    unknown = [c for c in codings if is_token(c) and c != "chunked"]
    if unknown and codings[-1] == "chunked" and codings.count("chunked") == 1:
        raise ProtocolError(f"unknown transfer coding {unknown[0][:40]!r}", status=501)
    raise ProtocolError(f"Transfer-Encoding does not end in one chunked: {value[:40]!r}")
