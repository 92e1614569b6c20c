"""Host names: the ASCII form of an internationalized name, which DNS, TLS and HTTP use.

UTS 46 maps the name (non-transitional: "ß" stays a letter of its own), then IDNA 2008 (RFC 5891)
encodes each label. The package idna does both; Python's codec of that name is IDNA 2003, which
turns "faß.de" into the domain of another owner. idna and its tables are imported for the first
non-ASCII name (docs/decisions/0067).
"""

import re
from importlib import import_module
from typing import Any

from bladehttp.exceptions import InvalidUrl

LONGEST_NAME = 253
"""Octets of a whole name without its last dot (RFC 1035 section 2.3.4)."""

# what DNS allows where nothing is internationalized; "_" is used though it is no host's letter
is_ascii_label = re.compile(r"[A-Za-z0-9_-]{1,63}").fullmatch


def to_ascii(host: str) -> str:
    """Return a host name in ASCII; one that is ASCII already is returned as it is.

    A dot may be U+3002, U+FF0E or U+FF61. ASCII labels are not checked, but for their characters:
    "_" is used in names that DNS knows.

    Raises:
        InvalidUrl: The name has no such form, or is longer than DNS allows.
    """
    if host.isascii():
        return host
    if len(host) > LONGEST_NAME:
        raise InvalidUrl(f"host name has more than {LONGEST_NAME} characters: {host[:80]!r}")
    idna = import_module("idna")
    try:
        labels = idna.uts46_remap(host, std3_rules=False).split(".")
        encoded = ".".join([label and _encoded(idna, label) for label in labels])
    except UnicodeError as error:
        raise InvalidUrl(f"host {host[:80]!r} has no IDNA form: {error}") from error
    is_empty = not encoded or encoded.startswith(".") or ".." in encoded
    if is_empty or len(encoded.rstrip(".")) > LONGEST_NAME:
        raise InvalidUrl(f"host {host[:80]!r} is not a name")
    return encoded


def _encoded(idna: Any, label: str) -> str:
    if label.isascii():
        if not is_ascii_label(label):
            raise UnicodeError(f"{label[:63]!r} is not a label")
        return label
    return str(idna.alabel(label), "ascii")


def list_to_ascii(hosts: str) -> str:
    """Return a list of hosts, separated by commas or blanks, with each name in ASCII.

    A leading dot, "*" and networks stay as they are.
    """
    if hosts.isascii():
        return hosts
    return ",".join(
        "." * host.startswith(".") + to_ascii(host.removeprefix("."))
        for host in hosts.replace(",", " ").split()
    )
