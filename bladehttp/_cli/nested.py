r"""Nested JSON from the names of items, in HTTPie's notation.

    a[b]=1           {"a": {"b": "1"}}
    a[]=1 a[]=2      {"a": ["1", "2"]}
    a[1]=x           {"a": [null, "x"]}
    []:=1            [1]

``\[`` and ``\]`` are the characters themselves.
"""

import re
from collections.abc import Iterable
from typing import Any

from bladehttp._cli.options import WrongUsage

MOST_ELEMENTS = 1000
"""Longest list that an index can ask for: a typing error is not to fill the memory."""

# a character, or a bracket after a backslash
CHARACTERS = r"(?:\\[\[\]]|[^\[\]])*"

split_name = re.compile(rf"(?P<root>{CHARACTERS}?)(?P<rest>(?:\[{CHARACTERS}?\])*)").fullmatch

find_keys = re.compile(rf"\[({CHARACTERS}?)\]").findall

unescaped = re.compile(r"\\([\[\]])").sub

Key = str | int | None
"""A key of an object, an index of a list, or None for its end."""


def nested(pairs: Iterable[tuple[str, Any]]) -> Any:
    """Return the value that names and values describe.

    Raises:
        WrongUsage: A name cannot be read, or two names want different things in one place.
    """
    top: list[Any] = [None]
    for name, value in pairs:
        place: Any = 0
        holder: Any = top
        for key in keys_of(name):
            holder[place] = holder = opened(holder[place], key, name)
            place = position(holder, key)
        holder[place] = value
    return top[0]


def keys_of(name: str) -> list[Key]:
    """Return the keys in a name.

    Raises:
        WrongUsage: Its brackets do not match.
    """
    found = split_name(name)
    if found is None:
        raise WrongUsage(f"brackets of the item {name[:80]!r} do not match: \\[ is the character")
    root = [unescaped(r"\1", found["root"])] if found["root"] else []
    return [*root, *map(key_of, find_keys(found["rest"]))]


def key_of(text: str) -> Key:
    """Return the key between two brackets."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    return unescaped(r"\1", text) if text else None


def opened(value: Any, key: Key, name: str) -> Any:
    """Return the object or list that has the key, a new one in the place of None.

    Raises:
        WrongUsage: There is something else already.
    """
    kind = dict if isinstance(key, str) else list
    if value is None:
        return kind()
    if type(value) is not kind:
        raise WrongUsage(f"item {name[:80]!r} is within another that is no {kind.__name__}")
    return value


def position(holder: Any, key: Key) -> Any:
    """Return where the key is in an object or a list, which is made long enough.

    Raises:
        WrongUsage: The index is too large.
    """
    if isinstance(holder, dict):
        holder.setdefault(key)
        return key
    place = len(holder) if key is None else int(key)
    if place >= MOST_ELEMENTS:
        raise WrongUsage(f"index {place} of an item is not below {MOST_ELEMENTS}")
    holder += [None] * (place + 1 - len(holder))
    return place
