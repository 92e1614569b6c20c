"""Names and values of a query, an urlencoded form and a multipart form: one rule for all three.

A value of None leaves the name out. A list, a tuple or another iterable repeats the name, without
its Nones. Text and bytes are sent unchanged, a member of an enumeration as its value, a number or
another object as its `str`. A value without a text form that a server can read (a dict, a file, a
function) is a TypeError instead of being sent as its repr.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any
from urllib.parse import urlencode

BYTES = (bytes, bytearray, memoryview)


def pairs_of(what: str, given: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the (name, value) pairs of a mapping or of an iterable of pairs, unchanged.

    A mapping with `get_all`, such as `HttpRequest.query`, yields every value of a name.

    Args:
        what: The argument's name, for error messages.
        given: The mapping or the pairs.

    Raises:
        TypeError: It is neither.
    """
    if hasattr(given, "get_all"):
        yield from ((name, value) for name in given for value in given.get_all(name))
    elif isinstance(given, Mapping) or hasattr(given, "items"):
        yield from given.items()
    elif isinstance(given, (str, *BYTES)) or not isinstance(given, Iterable):
        raise TypeError(f"{what} is a dict or a list of (name, value) pairs, not {_named(given)}")
    else:
        for pair in given:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                reason = f"{what} has pairs of name and value, not {_named(pair)}"
                raise TypeError(f"{reason}: write {{name: value}} or [(name, value)]")
            yield pair[0], pair[1]


def fields_of(what: str, given: Any) -> list[tuple[str | bytes, str | bytes]]:
    """Return names and values as text or bytes, one pair for each item of a value.

    Args:
        what: The argument's name, for error messages.
        given: A mapping or an iterable of pairs.

    Raises:
        TypeError: It is neither, or a name or a value has no text form.
    """
    return [
        (text_of(what, name, name), text_of(what, name, each))
        for name, value in pairs_of(what, given)
        for each in unfolded(value)
    ]


def unfolded(value: Any) -> Iterable[Any]:
    """Return the items of a value: none for None, several for an iterable."""
    if value is None:
        return ()
    is_one = isinstance(value, (str, *BYTES, Mapping)) or hasattr(value, "read")
    if is_one or not isinstance(value, Iterable):
        return (value,)
    return [each for each in value if each is not None]


def text_of(what: str, name: object, value: Any) -> str | bytes:
    """Return a value as text or bytes.

    Raises:
        TypeError: It has no text form.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "read"):
        raise TypeError(f"{what}: {name!r} is a file: write files={{{name!r}: file}}"[:300])
    if value is None or isinstance(value, Iterable) or callable(value):
        reason = f"{what}: {name!r} is {_named(value)}, which has no form as text"
        raise TypeError(f"{reason}: write json.dumps(value), or json= for all of it"[:300])
    return str(value)


def urlencoded(what: str, given: Any) -> str:
    """Return a mapping or pairs as application/x-www-form-urlencoded text; see `fields_of`."""
    return urlencode(fields_of(what, given))


def _named(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {value!r}"[:100]
