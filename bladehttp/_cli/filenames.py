"""-O and -J: names for downloaded files that cannot lead elsewhere.

A name of a URL or a server is one segment: what stands before a slash or a backslash is left out.
It is not hidden, has no control characters, and is no longer than file systems take.
"""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote_to_bytes

from bladehttp._cli.exits import FileNotWritten
from bladehttp._data.references import parse_reference

# RFC 6266 section 4.1: parameters are tokens or quoted strings; some servers send no type first
find_parameters = re.compile(
    r'(?:^|;)\s*(?P<name>[\w!#$&+.^`|~-]+\*?)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^;\s]*))'
).finditer

unescaped = re.compile(r"\\(.)").sub

# RFC 8187 section 3.2.1: charset'language'value; the two charsets that RFC 5987 requires
split_extended = re.compile(
    r"(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^']*)", re.IGNORECASE
).fullmatch

unsafe = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]").sub
"""Control characters, and those of Unicode that turn the direction of a text."""

LONGEST_NAME = 200
"""Most bytes of a name: 255 less the suffixes of an incomplete file."""


def name_of_url(url: str) -> str:
    """Return the last segment of a URL's path, as it stands there.

    Raises:
        FileNotWritten: The path ends in a slash.
    """
    name = safe_name(parse_reference(url).path.rpartition("/")[2])
    if not name:
        raise FileNotWritten("the URL has no name for a file: -o FILE gives one")
    return name


def name_of_field(value: str) -> str:
    """Return the name in a Content-Disposition field, "" if there is none.

    ``filename*`` wins over ``filename`` (RFC 6266 section 4.3). A name sent as UTF-8 bytes is
    taken for one.
    """
    given: dict[str, str] = {}
    for found in find_parameters(value):
        text = found["token"] if found["quoted"] is None else unescaped(r"\1", found["quoted"])
        given.setdefault(found["name"].lower(), text)
    extended = split_extended(given.get("filename*", ""))
    if extended:
        octets = unquote_to_bytes(extended["value"])
        name = safe_name(octets.decode(extended["charset"], "replace"))
        if name:
            return name
    return safe_name(as_utf8(given.get("filename", "")))


def as_utf8(text: str) -> str:
    """Return a text of a field, whose characters are octets, as UTF-8 if it is valid."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def safe_name(text: str) -> str:
    """Return a name without directories, a dot at its beginning and control characters."""
    last = unsafe("", text.replace("\\", "/").rpartition("/")[2]).strip()
    name = re.sub(r"^\.+", "_", last) if last.strip(".") else ""
    return shortened(name.encode("utf-8", "replace").decode())


def shortened(name: str) -> str:
    """Return a name of at most LONGEST_NAME bytes, its suffix kept."""
    suffix = PurePosixPath(name).suffix[:20]
    longest = LONGEST_NAME - len(suffix.encode())
    stem = name.removesuffix(suffix)
    return stem.encode()[:longest].decode("utf-8", "ignore") + suffix
