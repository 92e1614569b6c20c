"""Matching: the criteria of an expected request, and the description of differences.

Each function makes one `Criterion`. Values are compared by ``==``, so that ``unittest.mock.ANY``
and similar objects work.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bladehttp._data.headers import Headers, HeadersLike
from bladehttp._data.multidict import MissingValueError
from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp._wire.grammar import PATH
from bladehttp.server._dispatch.callbacks import check_callable
from bladehttp.server._dispatch.dispatcher import not_found
from bladehttp.server._dispatch.routes import Params, Routes

Differences = Iterable[str]

is_query = re.compile(rf"[?{PATH}]*").fullmatch

LONGEST = 200
"""Most characters of one value in a text."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One property that a request has to have.

    Attributes:
        text: Its description, "" for none.
        differences: How a request differs, empty if it does not.
    """

    text: str
    differences: Callable[[HttpRequest], Differences]


def short(value: object) -> str:
    """Return a value's repr, cut if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def method_is(wanted: str) -> Criterion:
    """Compare the method, in capitals or not."""
    name = wanted.upper()

    def differences(request: HttpRequest) -> Differences:
        if request.method != name:
            yield f"the method is {short(request.method)}"

    return Criterion(name, differences)


def path_matcher(wanted: str | re.Pattern[str]) -> Callable[[str], Params | None]:
    """Return a function from a path to its parameters, or to None for another path.

    Raises:
        ValueError: It is not a path, holds a query, or its braces are not parameters.
    """
    if isinstance(wanted, re.Pattern):
        fullmatch = wanted.fullmatch
        return lambda path: match.groupdict("") if (match := fullmatch(path)) else None
    if "?" in wanted:
        raise ValueError(f"a path has no query, that is an argument of its own: {wanted!r}")
    routes = Routes()
    routes.add("GET", wanted, not_found)
    if "{" not in wanted:
        return lambda path: {} if path == wanted else None

    def params(path: str) -> Params | None:
        found = routes.find("GET", path)
        return None if found is None else found[1]

    return params


def path_is(wanted: str | re.Pattern[str], params: Callable[[str], Params | None]) -> Criterion:
    """Compare the path by the function of `path_matcher`."""
    text = wanted if isinstance(wanted, str) else f"a path like {wanted.pattern!r}"

    def differences(request: HttpRequest) -> Differences:
        if params(request.path) is None:
            yield f"the path is {short(request.path)}"

    return Criterion(text, differences)


def query_is(wanted: str | Mapping[str, Any]) -> Criterion:
    """Compare the whole query: a str as it is sent, a mapping whatever the order of its fields.

    A value that is a list stands for a field that is repeated; numbers for their digits.

    Raises:
        TypeError: It is neither.
        ValueError: It is a str with characters that a request target cannot have.
    """
    if not isinstance(wanted, str | Mapping):
        raise TypeError(f"query is a str or a dict, not {type(wanted).__name__}")
    if isinstance(wanted, str):
        if not is_query(wanted):
            raise ValueError(f"query as a str is percent-encoded, as it is sent, not {wanted!r}")
        return Criterion(f"query {wanted!r}", lambda request: _raw_query(request, wanted))
    fields = {name: _values(value) for name, value in wanted.items()}

    def differences(request: HttpRequest) -> Differences:
        queries = request.queries
        sent = {name: queries.get_all(name) for name in queries}
        if sent != fields:
            yield f"the query is {short(dict(queries))}" if sent else "there is no query"

    return Criterion(f"query {short(dict(wanted))}", differences)


def _raw_query(request: HttpRequest, wanted: str) -> Differences:
    sent = request.request_uri.partition("?")[2]
    if sent != wanted:
        yield f"the query is {short(sent)}"


def _values(value: Any) -> list[Any]:
    values = value if isinstance(value, list | tuple) else [value]
    return [str(each) if isinstance(each, int | float) else each for each in values]


def headers_have(wanted: HeadersLike) -> Criterion:
    """Compare the fields that are named; others may be there.

    Raises:
        TypeError: A value is a number or the like, which no field is.
        ValueError: Cookie is among them, which is not among a request's headers.
    """
    given: Any = wanted if isinstance(wanted, Mapping) else Headers(wanted)
    fields: dict[str, Any] = dict(given)
    for name, value in fields.items():
        if value is None or isinstance(value, bytes | int | float):
            raise TypeError(f"the value of a field is a str, unlike {name}: {short(value)}")
    if any(name.lower() == "cookie" for name in fields):
        raise ValueError("cookies are in request.cookies: where=lambda request: ...")

    def differences(request: HttpRequest) -> Differences:
        for name, value in fields.items():
            sent = request.headers.get(name)
            if sent is None:
                yield f"there is no {name}"
            elif sent != value:
                yield f"{name} is {short(sent)}"

    return Criterion(f"headers {short(fields)}", differences)


def body_is(wanted: Any) -> Criterion:
    """Compare the body as it was sent; a str as UTF-8.

    Raises:
        TypeError: It is of a type for JSON only.
    """
    if wanted is None or isinstance(wanted, dict | list | int | float):
        raise TypeError(f"body is str or bytes, not {short(wanted)}; json= compares JSON")
    content = wanted.encode() if isinstance(wanted, str) else wanted

    def differences(request: HttpRequest) -> Differences:
        if request.raw_body != content:
            yield f"the body is {short(request.raw_body)}"

    return Criterion(f"body {short(wanted)}", differences)


def json_is(wanted: Any) -> Criterion:
    """Compare the body as JSON, whatever its Content-Type."""
    wanted = _in_json(wanted)

    def differences(request: HttpRequest) -> Differences:
        try:
            sent = json.loads(request.raw_body)
        except (ValueError, RecursionError):
            return [f"the body is not JSON: {short(request.raw_body)}"]
        return _json_differences(sent, wanted, "$")

    return Criterion(f"JSON {short(wanted)}", differences)


def _in_json(value: Any) -> Any:
    """Return a value as JSON has it: keys of a dict as str, tuples as lists."""
    if isinstance(value, Mapping):
        return {_json_key(key): _in_json(each) for key, each in value.items()}
    return [_in_json(each) for each in value] if isinstance(value, list | tuple) else value


def _json_key(key: Any) -> str:
    return key if isinstance(key, str) else str(next(iter(json.loads(json.dumps({key: 0})))))


def _json_differences(sent: Any, wanted: Any, place: str) -> Differences:
    """Yield where two values differ, by the innermost places that do."""
    if isinstance(sent, dict) and isinstance(wanted, dict):
        for name in {**wanted, **sent}:
            there = f"{place}.{name}" if name.isidentifier() else f"{place}[{short(name)}]"
            if name not in sent:
                yield f"JSON: {there} is not there"
            elif name not in wanted:
                yield f"JSON: {there} is there: {short(sent[name])}"
            else:
                yield from _json_differences(sent[name], wanted[name], there)
    elif isinstance(sent, list) and isinstance(wanted, list) and len(sent) == len(wanted):
        for index, (one, other) in enumerate(zip(sent, wanted, strict=True)):
            yield from _json_differences(one, other, f"{place}[{index}]")
    elif sent != wanted or _differ_in_type(sent, wanted):
        yield f"JSON: {place} is {_json(sent)}, not {_json(wanted)}"


def _differ_in_type(sent: Any, wanted: Any) -> bool:
    """Whether one is true or false and the other a number, which Python takes for equal."""
    return isinstance(sent, bool) != isinstance(wanted, bool) and isinstance(wanted, int | float)


def _json(value: Any) -> str:
    """Return a value as it is told: true and false as JSON has them, to tell them from 1 and 0."""
    return str(value).lower() if isinstance(value, bool) else short(value)


def holds(where: Callable[[HttpRequest], object]) -> Criterion:
    """Ask a function. One that finds the content malformed, or a field missing, says no.

    Raises:
        TypeError: It does not take one argument.
    """
    check_callable(where, 1, "where")
    name = getattr(where, "__name__", repr(where))

    def differences(request: HttpRequest) -> Differences:
        try:
            if not where(request):
                yield f"{name} says no"
        except ContentError as error:
            yield f"{name} says no: {error}"
        except MissingValueError as error:
            yield f"{name} says no: {error} is missing"

    return Criterion(f"where {name}", differences)
