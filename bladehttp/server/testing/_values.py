"""Comparison of single values, and their description in differences.

A value is compared by ``==``, so that ``unittest.mock.ANY`` and similar objects work; a pattern has
to match the whole value.
"""

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 200
"""Most characters of one value in a text."""

PLAIN = (str, bytes, bytearray, memoryview, int, float, list, tuple, set, frozenset, Mapping)
"""Types whose ``==`` is that of data."""


def short(value: object) -> str:
    """Return a value's repr, cut if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def compares_itself(value: object) -> bool:
    """Return whether a value decides by a ``__eq__`` of its own what it equals, as ANY does."""
    own = type(value).__eq__ is not object.__eq__
    return own and value is not None and not isinstance(value, (*PLAIN, re.Pattern))


def is_text(value: object) -> bool:
    """Return whether a value can be compared with text."""
    if isinstance(value, re.Pattern):
        return isinstance(value.pattern, str)
    return isinstance(value, str) or compares_itself(value)


def fits(sent: Any, wanted: Any) -> bool:
    """Return whether a value that was sent is as wanted.

    Args:
        sent: str or bytes; a pattern of text does not fit bytes that are not UTF-8.
        wanted: A value, or a pattern.
    """
    if not isinstance(wanted, re.Pattern):
        return bool(sent == wanted)
    if isinstance(sent, bytes) and isinstance(wanted.pattern, str):
        try:
            sent = sent.decode()
        except UnicodeDecodeError:
            return False
    return type(sent) is type(wanted.pattern) and wanted.fullmatch(sent) is not None


def fit_all(sent: list[str], wanted: list[Any]) -> bool:
    """Return whether every value sent under a name is as wanted, in this order."""
    return len(sent) == len(wanted) and all(map(fits, sent, wanted))


def text_values(what: str, fields: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values wanted for each name of a query or a form; numbers as their digits.

    Raises:
        TypeError: A name is not a str, or a value is none of text.
    """
    return {name: _values(what, name, value) for name, value in fields.items()}


def _values(what: str, name: object, value: Any) -> list[Any]:
    if not isinstance(name, str):
        raise TypeError(f"{what}: a name is a str, not {short(name)}")
    values = value if isinstance(value, list | tuple) else [value]
    values = [str(each) if isinstance(each, int | float) else each for each in values]
    for each in values:
        if not is_text(each):
            raise TypeError(
                f"{what}: the value of {short(name)} is a str, a number, a pattern of text or a "
                f"list of them, not {short(each)}"
            )
    return values


def by_name(pairs: Any) -> dict[str, Any]:
    """Return pairs as a dict, with a list for a name that is repeated.

    Raises:
        TypeError: They are not pairs.
    """
    fields: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"expected pairs of a name and a value, not {short(pair)}")
        fields.setdefault(pair[0], []).append(pair[1])
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
