r"""The words of a request that are not options: method, URLs and items.

An item is HTTPie's: a name, a separator and a value, the separator being the first of ITEM_KINDS in
the word, and the longest at its place. "\:", "\=" and "\@" are the characters themselves.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bladehttp._cli.files import read_text
from bladehttp._cli.options import WrongUsage

# RFC 3986 section 3.1, and the slashes before a host: "localhost:8000" has no scheme
has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match

# ":8000/x" and ":/x": a field has a name, so these are the local host
is_local = re.compile(r":[0-9]*(?:[/?#].*)?", re.DOTALL).fullmatch

# a host with a dot, or the local one, before a port or a path: no name of a field or of a member
is_host = re.compile(
    r"(?:localhost|\[[0-9A-Fa-f:.]+\]|[\w-]+(?:\.[\w-]+)+)(?::[0-9]+)?(?:[/?#].*)?", re.DOTALL
).fullmatch

# HTTPie's rule for methods of its own; lower-case ones are those of the commands
is_method = re.compile(r"[A-Z][A-Z-]*").fullmatch

ITEM_KINDS = (":=@", "==@", ":=", "==", "=@", "=", ":@", ":", "@")
"""The separators; of two at one place the first here is meant."""

find_separator = re.compile(
    r"(?P<name>(?:\\[:=@]|[^:=@])*?)(?P<kind>{})(?P<value>.*)".format("|".join(ITEM_KINDS)),
    re.DOTALL,
).fullmatch

unescaped = re.compile(r"\\([:=@;])").sub


class Item(NamedTuple):
    """An item: its name, its separator and its value."""

    name: str
    kind: str
    value: str


@dataclass
class Items:
    """The items of a request, by their use.

    Attributes:
        headers: Fields; a value of None leaves the field out.
        queries: Names and values to add to the URL.
        data: Names and values of the body, str or, of ``:=``, what the JSON stands for.
        files: Names and paths of files to upload.
    """

    headers: list[tuple[str, str | None]] = field(default_factory=list)
    queries: list[tuple[str, str]] = field(default_factory=list)
    data: list[tuple[str, Any]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)


def is_url(word: str) -> bool:
    """Whether a word after the first is a URL: it looks like one, or has no separator."""
    return bool(has_scheme(word) or is_local(word) or is_host(word)) or parse_item(word) is None


def parse_item(word: str) -> Item | None:
    r"""Return the item in a word, None for a word without a separator.

    >>> parse_item(r"a\:b:=1")
    Item(name='a:b', kind=':=', value='1')
    """
    if word.endswith(";") and not find_separator(word):
        return Item(word[:-1], ";", "")
    found = find_separator(word)
    if found is None:
        return None
    name, kind, value = found["name"], found["kind"], found["value"]
    return Item(unescaped(r"\1", name), kind, unescaped(r"\1", value))


def split_words(words: Sequence[str], method: str | None) -> tuple[str | None, list[str], Items]:
    """Return the method, the URLs and the items among words.

    Args:
        words: The words that are not options; the first may be a method.
        method: The method that a command or an option has given.

    Raises:
        WrongUsage: There is an item that cannot be used.
        OSError: The file of an item cannot be read.
    """
    rest = list(words)
    if method is None and len(rest) > 1 and is_method(rest[0]):
        method = rest.pop(0)
    urls, items = [with_scheme(word) for word in rest[:1]], Items()
    for word in rest[1:]:
        item = None if is_url(word) else parse_item(word)
        if item is None:
            urls.append(with_scheme(word))
        else:
            add_item(items, item)
    return method, urls, items


def with_scheme(text: str) -> str:
    """Return a URL with a scheme, as curl and HTTPie do: "localhost:8000/x" is http.

    https cannot be the default: it would be refused by the servers on this machine, for which the
    scheme is left out most.
    """
    text = text.strip(" ")
    if has_scheme(text):
        return text
    if is_local(text):
        return f"http://localhost{'' if text[1:2] in ('', *'/?#') else ':'}{text[1:]}"
    return f"http://{text}"


def add_item(items: Items, item: Item) -> None:
    """Add an item to those of its use.

    Raises:
        WrongUsage: It has no name, or a value that is not JSON.
        OSError: Its file cannot be read.
    """
    name, kind, value = item
    if not name:
        raise WrongUsage(f"an item has a name before its {kind}")
    if kind.endswith("@") and kind != "@":
        kind, value = kind[:-1], read_text(value)
        value = value if kind == "=" else value.removesuffix("\n").removesuffix("\r")
    if kind in (":", ";"):
        items.headers.append((name, value.strip() if value or kind == ";" else None))
    elif kind == "==":
        items.queries.append((name, value))
    elif kind == "@":
        items.files.append((name, value))
    else:
        items.data.append((name, as_json(name, value) if kind == ":=" else value))


def as_json(name: str, value: str) -> Any:
    """Return the value of an item ``name:=json``.

    Raises:
        WrongUsage: It is not JSON.
    """
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"value of {name}:= is not JSON: {error}") from error


def file_part(text: str) -> tuple[str, Path, str | None]:
    """Return filename, path and type of ``path`` or ``path;type=MIME``."""
    path, _, kind = text.partition(";type=")
    return Path(path).name, Path(path), kind or None
