"""Validators: the accepted values of a property. Each returns the value to keep, or raises.

They check the value alone; the existence of a file is checked when a request is made.
"""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any

from bladehttp._data.auth import Auth
from bladehttp._data.form_values import urlencoded
from bladehttp._data.headers import is_field_value
from bladehttp.exceptions import InsecureWarning, InvalidHeader

has_control = re.compile(r"[\x00-\x1f\x7f]").search

ENCODED = ' {}"<>^`|\\'
"""The ASCII characters that are percent-encoded in path, query and fragment."""

SENT_AS_GIVEN = "".join(char for char in map(chr, range(0x21, 0x7F)) if char not in ENCODED)


LONGEST_TEXT = 8_000_000
"""Longest text that libcurl accepts as an option, in bytes (CURL_MAX_INPUT_LENGTH)."""

Check = Callable[[str, Any], Any]

# a SHA-256 is 32 octets, which are 43 characters of base64 and one "="
is_key_list = partial(re.fullmatch, r"sha256//[A-Za-z0-9+/]{43}=(;sha256//[A-Za-z0-9+/]{43}=)*")


def flag(name: str, value: Any) -> bool:
    """Accept True and False only: 0 and "false" are likely mistakes."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}"[:200])
    return value


def insecure(name: str, value: Any) -> bool:
    """Accept a flag that removes protection; warn if it is set to True.

    Python's default filter shows the warning once per line of code.
    """
    if flag(name, value):
        depth, frame = 1, sys._getframe()
        while frame.f_back is not None and _is_ours(frame):
            depth, frame = depth + 1, frame.f_back
        message = f"{name} is on: connections can be listened to and tampered with"
        warnings.warn(message, InsecureWarning, stacklevel=depth)
    return bool(value)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "bladehttp"


def choice(*allowed: str) -> Check:
    """Return a check that accepts only these values."""

    def check(name: str, value: Any) -> str:
        if text(name, value) not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}"[:200])
        return str(value)

    return check


def query_text(name: str, value: Any) -> str:
    """Accept a mapping, pairs or an encoded str; return it encoded."""
    if isinstance(value, str):
        return value.removeprefix("?")
    return urlencoded(name, value)


def whole_number(name: str, value: Any) -> int:
    """Accept an int that is not negative, except bool."""
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


def check_length(name: str, value: str, error: type[ValueError] = ValueError) -> None:
    """Raise an error for a text that libcurl would refuse."""
    size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if size > LONGEST_TEXT:
        raise error(f"{name} has {size} bytes, and libcurl accepts {LONGEST_TEXT}")


def text(name: str, value: Any) -> str:
    """Accept a str that libcurl accepts."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {value!r}"[:200])
    check_length(name, value)
    return value


def secret_text(name: str, value: Any) -> str:
    """Accept a str that error messages do not show."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    return value


def field_text(name: str, value: Any) -> str:
    """Accept a str that is valid as the value of a field."""
    if isinstance(value, str):
        check_length(name, value, InvalidHeader)
    if not is_field_value(text(name, value)):
        raise InvalidHeader(
            f"{name} holds a control character or one beyond Latin-1: {value[:80]!r}"
        )
    return str(value)


def path(name: str, value: Any) -> str:
    """Accept a path as str, bytes or os.PathLike."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise TypeError(f"{name} is a path, not {value!r}"[:200])
    check_length(name, os.fsdecode(value))
    return os.fsdecode(value)


def certificate_paths(name: str, value: Any) -> tuple[str, ...] | None:
    """Accept a path, (certificate, key) or (certificate, key, password); None for none.

    A key of None means the file of the certificate.
    """
    if value is None:
        return None
    if not isinstance(value, tuple | list):
        return (path(name, value),)
    if len(value) not in (2, 3):
        raise TypeError(f"{name} is a path, (certificate, key) or (certificate, key, password)")
    certificate, key, *password = value
    key = certificate if key is None else key
    secrets = (secret_text(f"{name}: a password", each) for each in password)
    return (path(name, certificate), path(name, key), *secrets)


def pinned(name: str, value: Any) -> str:
    """Accept "sha256//" and base64, several separated by ";", or the path of a key file."""
    given = path(name, value)
    if given.startswith("sha256//") and not is_key_list(given):
        raise ValueError(f"{name} is sha256// and 44 characters of base64, not {given!r}"[:200])
    return given


def optional(check: Check) -> Check:
    """Return a check that accepts None too."""
    return lambda name, value: None if value is None else check(name, value)


def login_or_function(name: str, value: Any) -> str | tuple[str, str] | Callable[..., object]:
    """Accept (name, password), a bearer token as a str, or a function."""
    if not callable(value):
        return credentials(name, value)
    function: Callable[..., object] = value
    return function


def credentials(name: str, value: Any) -> str | tuple[str, str]:
    """Accept (name, password), or a bearer token as a str."""
    if isinstance(value, str):
        if not field_text(name, value).strip():
            raise ValueError(f"{name} is an empty bearer token; None is for no authentication")
        return str(value)
    if not isinstance(value, tuple | list) or [type(part) for part in value] != [str, str]:
        raise TypeError(f"{name} is (name, password) or a bearer token, of str, or a function")
    if any(has_control(part) for part in value):
        raise ValueError(f"{name} holds control characters")
    for part in value:
        check_length(f"a part of {name}", part, InvalidHeader)
    return value[0], value[1]


def method_bits(name: str, value: Any) -> Auth:
    """Accept an Auth, or its number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is an Auth, not {value!r}"[:200])
    return Auth(value)


def name_patterns(name: str, value: Any) -> tuple[str, ...]:
    """Accept field names, with "*" as a wildcard."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is a list of field names, not {value!r}"[:200])
    return tuple(text(f"{name}: a field name", each).lower() for each in value)
