"""The values of options: times, sizes, fields and the like, as they are typed."""

import ipaddress
import re

from bladehttp._data.auth import Auth
from bladehttp._data.host_names import to_ascii

is_time = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)(ms|s|m|)").fullmatch

UNITS = {"ms": 1, "s": 1000, "": 1000, "m": 60_000}
"""Milliseconds of the units of time."""

is_size = re.compile(r"([0-9]+)([kmgt]?)b?", re.IGNORECASE).fullmatch

is_connected = re.compile(
    r"(\[[^\[\]]+\]|[^:\[\]]*):([0-9]{0,5}):(\[[^\[\]]+\]|[^:\[\]]*):([0-9]{0,5})"
).fullmatch

FACTORS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}

SCHEMES = ("http", "https")

METHODS = ("basic", "digest", "ntlm", "negotiate", "any", "anysafe")

LONGEST_NUMBER = 15
"""Most digits of a number; more are a mistake."""


def number(text: str) -> int:
    """Return a whole number.

    Raises:
        ValueError: There are other characters, or too many digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise ValueError(f"expected a whole number, not {text[:40]!r}")
    return int(text)


def milliseconds(text: str) -> int:
    """Return the milliseconds of a time in seconds, such as 1.5, or with a unit, such as 500ms.

    A time above 0 is at least a millisecond, as 0 means no limit.

    Raises:
        ValueError: It is none.
    """
    found = is_time(text)
    if found is None or len(text) > LONGEST_NUMBER:
        raise ValueError(f"expected seconds, such as 1.5, or 500ms, not {text[:40]!r}")
    exact = float(found[1]) * UNITS[found[2]]
    return max(round(exact), 1 if exact else 0)


def size(text: str) -> int:
    """Return the bytes of a size, such as 10M; units are of 1024.

    Raises:
        ValueError: It is none.
    """
    found = is_size(text)
    if found is None or len(text) > LONGEST_NUMBER:
        raise ValueError(f"expected bytes, such as 5000 or 10M, not {text[:40]!r}")
    return int(found[1]) * FACTORS[found[2].lower()]


def colour(text: str) -> str:
    """Return when to colour.

    Raises:
        ValueError: It is not always, never or auto.
    """
    if text not in ("always", "never", "auto"):
        raise ValueError(f"expected always, never or auto, not {text[:40]!r}")
    return text


def auth_method(text: str) -> Auth:
    """Return a method of authentication.

    Raises:
        ValueError: There is none of that name.
    """
    if text.lower() not in METHODS:
        raise ValueError(f"expected one of {', '.join(METHODS)}, not {text[:40]!r}")
    return Auth[text.upper()]


def resolved(text: str) -> tuple[str, str]:
    """Return "host:port" and address of HOST:PORT:ADDRESS; of several addresses the first.

    Raises:
        ValueError: It is not of that form.
    """
    parts = text.removeprefix("+").split(":", 2)
    host, port, address = parts if len(parts) == 3 else ("", "", "")
    address = address.partition(",")[0].strip("[]")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        host = ""
    if not (host and port.isdigit()):
        raise ValueError(f"expected HOST:PORT:ADDRESS, not {text[:80]!r}")
    return f"{host}:{port}", address


def connected(text: str) -> str:
    """Return the entry of CURLOPT_CONNECT_TO for HOST:PORT:TO:PORT, the hosts in ASCII.

    An empty first host or port stands for any, an empty second one for that of the URL.

    Raises:
        ValueError: It is not of that form.
    """
    found = is_connected(text)
    if found is None:
        raise ValueError(f"expected HOST:PORT:TO:PORT, not {text[:80]!r}")
    host, port, to_host, to_port = found.groups()
    return f"{to_ascii(host)}:{port}:{to_ascii(to_host)}:{to_port}"


def schemes(text: str) -> frozenset[str]:
    """Return the schemes that are left of http and https: "=https", "-http", "all".

    Raises:
        ValueError: None is left.
    """
    left = set(SCHEMES)
    for word in filter(None, text.lower().split(",")):
        sign, name = (word[0], word[1:]) if word[0] in "=+-" else ("+", word)
        named = set(SCHEMES) if name == "all" else {name}.intersection(SCHEMES)
        left = {"=": named, "+": left | named, "-": left - named}[sign]
    if not left:
        raise ValueError("neither http nor https is left")
    return frozenset(left)


def field(text: str) -> tuple[str, str | None] | str:
    """Return name and value of a field, or the path of ``@FILE``.

    The value is None for ``Name:``, which leaves the field out, and "" for ``Name;``.

    Raises:
        ValueError: There is neither a colon nor a semicolon after a name.
    """
    if text.startswith("@") and len(text) > 1:
        return text[1:]
    name, colon, value = text.partition(":")
    if not colon and text.rstrip().endswith(";"):
        return text.rstrip()[:-1].strip(), ""
    if not (colon and name.strip()):  # the text may hold a secret
        raise ValueError("expected 'Name: value', and there is no name before a colon")
    return name.strip(), value.strip() or None
