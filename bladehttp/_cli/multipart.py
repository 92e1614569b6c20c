"""-F: the parts of a multipart form, in curl's grammar.

    NAME=TEXT              NAME=@PATH             NAME=<PATH
    ...;type=MIME          ...;filename=NAME

A text, path or filename may be in double quotes, with a backslash before quotes and backslashes;
without them it ends at the next ";" that begins one of the two parameters.
"""

import re
from pathlib import Path
from typing import Any

from bladehttp._cli.files import STDIN, read_bytes, reading, stdin
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.request_options import Part

quoted = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).match

parameters = re.compile(r";\s*(?P<name>type|filename)=", re.IGNORECASE).search

unescaped = re.compile(r'\\(["\\])').sub

FilePart = tuple[str, Any]
"""A name and a file as `HttpClient.send_request` takes them in ``files``."""


def parts_of(given: list[Part]) -> list[FilePart]:
    """Return the parts of a form in order.

    Raises:
        WrongUsage: One has no name.
        FileNotRead: A file cannot be read.
    """
    return [_part(part) for part in given]


def _part(part: Part) -> FilePart:
    name, sign, value = part.text.partition("=")
    if not (sign and name):
        raise WrongUsage("-F takes NAME=VALUE, and there is no name before a =")
    if part.is_literal:
        return name, (None, value.encode())
    source = value[:1] if value[:1] in ("@", "<") else ""
    content, given = _split(value[len(source) :])
    kind, filename = given.get("type"), given.get("filename")
    if source == "@":
        return name, _file(content, filename, kind)
    data = read_bytes(content) if source else content.encode()
    return name, (filename, data, kind)


def _file(path: str, filename: str | None, kind: str | None) -> tuple[str, Any, str | None]:
    if path == STDIN:
        return filename or STDIN, stdin().read(), kind
    with reading():
        Path(path).open("rb").close()
    return filename or Path(path).name, Path(path), kind


def _split(text: str) -> tuple[str, dict[str, str]]:
    """Return the content of a part and its parameters."""
    content, rest = _value(text)
    given: dict[str, str] = {}
    while found := parameters(rest):
        given[found["name"].lower()], rest = _value(rest[found.end() :])
    return content, given


def _value(text: str) -> tuple[str, str]:
    """Return a text up to the next parameter, without blanks before it, unquoted, and the rest."""
    text = text.lstrip(" \t")
    if found := quoted(text):
        return unescaped(r"\1", found[1]), text[found.end() :]
    begin = parameters(text)
    end = begin.start() if begin else len(text)
    return text[:end], text[end:]
