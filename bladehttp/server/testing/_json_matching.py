"""Comparison of JSON with what is expected, by the innermost places that differ."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bladehttp._message.request import HttpRequest
from bladehttp.server.testing._values import compares_itself, fits, short

SCALARS = (str, int, float, type(None), re.Pattern)


class Subset:
    """A value that may have more names than are given; made by `subset`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        """Take a dict or a list."""
        self.value: Any = value

    def __repr__(self) -> str:
        return f"subset({self.value!r})"


def subset(value: Any) -> Any:
    """Expect at least these names: of JSON, of a query, of a form or of files.

        server.expect("POST", "/users", json=subset({"name": "Ada", "address": {"city": "London"}}))

    The dicts inside may have more names as well; a list has as many items as are given. A subset
    may be anywhere in the expected value: ``json={"items": [subset({"id": 1}), ANY]}``.

    Args:
        value: A dict, or for JSON a list too.

    Raises:
        TypeError: It is neither.
    """
    if not isinstance(value, Mapping | list | tuple):
        raise TypeError(f"subset takes a dict or a list, not {short(value)}")
    return Subset(value)


def parsed(request: HttpRequest) -> Any:
    """Return the body of a request as JSON, whatever its Content-Type.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return json.loads(request.raw_body)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def in_json(value: Any, place: str = "$") -> Any:
    """Return a value as JSON has it: keys of a dict as str, tuples as lists.

    Raises:
        TypeError: JSON has no such value.
    """
    if isinstance(value, Subset):
        return Subset(in_json(value.value, place))
    if isinstance(value, Mapping):
        names = {_json_key(key): each for key, each in value.items()}
        return {name: in_json(each, _place(place, name)) for name, each in names.items()}
    if isinstance(value, list | tuple):
        return [in_json(each, f"{place}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, re.Pattern) and not isinstance(value.pattern, str):
        raise TypeError(f"a pattern in JSON is one of text, not {short(value)} at {place}")
    if not (isinstance(value, SCALARS) or compares_itself(value)):
        raise TypeError(f"JSON has no value such as {short(value)} at {place}")
    return value


def _json_key(key: Any) -> str:
    return key if isinstance(key, str) else str(next(iter(json.loads(json.dumps({key: 0})))))


def _place(place: str, name: str) -> str:
    return f"{place}.{name}" if name.isidentifier() else f"{place}[{short(name)}]"


def json_differences(
    sent: Any, wanted: Any, place: str = "$", is_subset: bool = False
) -> Iterator[str]:
    """Yield where a value differs from the one that is wanted.

    Args:
        sent: The value.
        wanted: From `in_json`.
        place: The value's place, as JSONPath.
        is_subset: Whether dicts may have more names.
    """
    if isinstance(wanted, Subset):
        wanted, is_subset = wanted.value, True
    if isinstance(sent, dict) and isinstance(wanted, dict):
        yield from _by_name(sent, wanted, place, is_subset)
    elif isinstance(sent, list) and isinstance(wanted, list) and len(sent) == len(wanted):
        for index, (one, other) in enumerate(zip(sent, wanted, strict=True)):
            yield from json_differences(one, other, f"{place}[{index}]", is_subset)
    elif not fits(sent, wanted) or _differ_in_type(sent, wanted):
        yield f"JSON: {place} is {_json(sent)}, not {_json(wanted)}"


def _by_name(
    sent: dict[str, Any], wanted: dict[str, Any], place: str, is_subset: bool
) -> Iterator[str]:
    for name in wanted if is_subset else {**wanted, **sent}:
        there = _place(place, name)
        if name not in sent:
            yield f"JSON: {there} is not there"
        elif name not in wanted:
            yield f"JSON: {there} is there: {short(sent[name])}"
        else:
            yield from json_differences(sent[name], wanted[name], there, is_subset)


def _differ_in_type(sent: Any, wanted: Any) -> bool:
    """Whether one is true or false and the other a number, which Python takes for equal."""
    return isinstance(sent, bool) != isinstance(wanted, bool) and isinstance(wanted, int | float)


def _json(value: Any) -> str:
    """Return a value as it is told: true and false as JSON has them, to tell them from 1 and 0."""
    return str(value).lower() if isinstance(value, bool) else short(value)
