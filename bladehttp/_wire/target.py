"""The parts of a request target, decoded."""

import re

# RFC 3986 section 2.1: pct-encoded = "%" HEXDIG HEXDIG; beside it raw octets beyond ASCII
encoded_octet = re.compile(r"%[0-9A-Fa-f]{2}|[\x80-\xff]")
encoded_run = re.compile(f"(?:{encoded_octet.pattern})+")

has_escaped_octet = re.compile("[\udc80-\udcff]").search


def decode_path(path: str) -> str:
    """Return a path percent-decoded as UTF-8; undecodable octets stay as they were sent."""
    if "%" not in path and path.isascii():
        return path
    return encoded_run.sub(_decode_run, path)


def _decode_run(match: re.Match[str]) -> str:
    octets = encoded_octet.findall(match[0])
    raw = bytes(int(octet[1:], 16) if octet[0] == "%" else ord(octet) for octet in octets)
    text = raw.decode("utf-8", "surrogateescape")
    if not has_escaped_octet(text):
        return text
    pieces, at = [], 0  # one pass: each character has taken 1 to 4 of the octets
    for character in text:
        is_octet = "\udc80" <= character <= "\udcff"
        pieces.append(octets[at] if is_octet else character)
        at += 1 if is_octet else len(character.encode())
    return "".join(pieces)


def host_name(authority: str) -> str:
    """Return the host of ``host[:port]``, the brackets of an IPv6 address taken off."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
