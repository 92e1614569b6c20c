"""What the parts of a request target stand for, once somebody wants to know."""

import re

# RFC 3986 section 2.1: pct-encoded = "%" HEXDIG HEXDIG; beside it raw octets beyond ASCII
encoded_octet = re.compile(r"%[0-9A-Fa-f]{2}|[\x80-\xff]")
encoded_run = re.compile(f"(?:{encoded_octet.pattern})+")


def decode_path(path: str) -> str:
    """Return a path percent-decoded as UTF-8; the pieces that cannot be are as they were sent."""
    if "%" not in path and path.isascii():
        return path
    return encoded_run.sub(_decode_run, path)


def _decode_run(match: re.Match[str]) -> str:
    octets = encoded_octet.findall(match[0])
    raw = bytes(int(octet[1:], 16) if octet[0] == "%" else ord(octet) for octet in octets)
    text, start = "", 0
    while start < len(raw):
        try:
            return text + raw[start:].decode()
        except UnicodeDecodeError as error:
            bad, end = start + error.start, start + error.end
            text += raw[start:bad].decode() + "".join(octets[bad:end])
            start = end
    return text


def host_name(authority: str) -> str:
    """Return the host of ``host[:port]``, the brackets of an IPv6 address taken off."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
