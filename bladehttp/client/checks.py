"""Checks: what a property accepts. Each returns the value as it is kept, or raises.

They look at the value alone; whether a file is there is looked at when a request is made.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from bladehttp.auth import Auth
from bladehttp.client.url import has_control
from bladehttp.exceptions import InvalidHeader
from bladehttp.headers import is_field_value

Check = Callable[[str, Any], Any]


def flag(name: str, value: Any) -> bool:
    """Accept True and False only: 0 and "false" are as likely a mistake."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}"[:200])
    return value


def whole_number(name: str, value: Any) -> int:
    """Accept an int that is not negative; bool is not meant."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is an int, not {value!r}"[:200])
    if value < 0:
        raise ValueError(f"{name} is not negative, but {value!r} is"[:200])
    return value


def at_least_one(name: str, value: Any) -> int:
    """Accept an int above 0."""
    if whole_number(name, value) == 0:
        raise ValueError(f"{name} is at least 1")
    return int(value)


def milliseconds(name: str, value: Any) -> int:
    """Accept a time in milliseconds; None is 0."""
    return whole_number(f"{name} (milliseconds)", 0 if value is None else value)


def text(name: str, value: Any) -> str:
    """Accept a str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {value!r}"[:200])
    return value


def field_text(name: str, value: Any) -> str:
    """Accept a str that can be sent as the value of a field."""
    if not is_field_value(text(name, value)):
        raise InvalidHeader(
            f"{name} holds a control character or one beyond Latin-1: {value[:80]!r}"
        )
    return str(value)


def path(name: str, value: Any) -> str:
    """Accept a path as str, bytes or os.PathLike."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(f"{name} is a path, not {value!r}"[:200])
    return os.fsdecode(value)


def optional(check: Check) -> Check:
    """Return a check that accepts None too."""
    return lambda name, value: None if value is None else check(name, value)


def credentials(name: str, value: Any) -> str | tuple[str, str]:
    """Accept (name, password), or a bearer token as a str."""
    if isinstance(value, str):
        return field_text(name, value)
    if not isinstance(value, tuple | list) or [type(part) for part in value] != [str, str]:
        raise TypeError(f"{name} is (name, password) or a bearer token, both of str")
    if any(has_control(part) for part in value):
        raise ValueError(f"{name} holds control characters")
    return value[0], value[1]


def method_bits(name: str, value: Any) -> Auth:
    """Accept an Auth, or its number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is an Auth, not {value!r}"[:200])
    return Auth(value)


def name_patterns(name: str, value: Any) -> tuple[str, ...]:
    """Accept field names, each with "*" where anything may stand."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is a list of field names, not {value!r}"[:200])
    return tuple(text(name, each).lower() for each in value)
