"""Matching: the criteria of an expected request, and the description of differences.

Each function makes one `Criterion`. How single values are compared is in `_values`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp._wire.grammar import PATH
from bladehttp.server._dispatch.callbacks import check_callable
from bladehttp.server._dispatch.own_responses import not_found
from bladehttp.server._dispatch.routes import Params, Routes
from bladehttp.server.testing import _form_matching as form_matching
from bladehttp.server.testing._json_matching import Subset, in_json, json_differences, parsed
from bladehttp.server.testing._values import (
    by_name,
    compares_itself,
    fit_all,
    fits,
    is_text,
    short,
    text_values,
)

Differences = Iterable[str]

is_query = re.compile(rf"[?{PATH}]*").fullmatch


@dataclass(frozen=True, slots=True)
class Criterion:
    """One property that a request has to have.

    Attributes:
        text: Its description, "" for none.
        differences: How a request differs, empty if it does not.
    """

    text: str
    differences: Callable[[HttpRequest], Differences]


def method_is(wanted: Any) -> Criterion:
    """Compare the method, in capitals or not."""
    method = wanted.upper() if isinstance(wanted, str) else wanted

    def differences(request: HttpRequest) -> Differences:
        if not fits(request.method, method):
            yield f"the method is {short(request.method)}"

    return Criterion(str(method), differences)


def path_matcher(wanted: Any) -> Callable[[str], Params | None]:
    """Return a function from a path to its parameters, or to None for another path.

    Raises:
        ValueError: It is not a path, holds a query, or its braces are not parameters.
    """
    if isinstance(wanted, re.Pattern):
        fullmatch = wanted.fullmatch
        return lambda path: match.groupdict("") if (match := fullmatch(path)) else None
    if not isinstance(wanted, str):
        return lambda path: {} if path == wanted else None
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


def path_is(wanted: Any, params: Callable[[str], Params | None]) -> Criterion:
    """Compare the path by the function of `path_matcher`."""
    text = f"a path like {wanted.pattern!r}" if isinstance(wanted, re.Pattern) else str(wanted)

    def differences(request: HttpRequest) -> Differences:
        if params(request.path) is None:
            yield f"the path is {short(request.path)}"

    return Criterion(text, differences)


def query_is(wanted: Any) -> Criterion:
    """Compare the whole query: text as it is sent, a mapping whatever the order of its fields.

    A value that is a list stands for a field that is repeated; numbers for their digits.

    Raises:
        TypeError: It is neither.
        ValueError: It is a str with characters that a request target cannot have.
    """
    text = f"query {short(wanted)}"
    if isinstance(wanted, str) and not is_query(wanted):
        raise ValueError(f"query as a str is percent-encoded, as it is sent, not {wanted!r}")
    if is_text(wanted):
        return Criterion(text, lambda request: _raw_query(request, wanted))
    fields, is_subset = _without_subset(wanted)
    if not isinstance(fields, Mapping):
        raise TypeError(f"query is a str or a dict, not {type(wanted).__name__}")
    values = text_values("query", fields)

    def differences(request: HttpRequest) -> Differences:
        sent = request.queries
        names = values if is_subset else {**values, **sent}
        if not all(fit_all(sent.get_all(name), values.get(name, [])) for name in names):
            yield f"the query is {short(dict(sent))}" if sent else "there is no query"

    return Criterion(text, differences)


def _raw_query(request: HttpRequest, wanted: Any) -> Differences:
    sent = request.request_uri.partition("?")[2]
    if not fits(sent, wanted):
        yield f"the query is {short(sent)}"


def _without_subset(wanted: Any) -> tuple[Any, bool]:
    """Return the value of a subset, or another value, and whether it is one."""
    return (wanted.value, True) if isinstance(wanted, Subset) else (wanted, False)


def headers_have(wanted: Any) -> Criterion:
    """Compare the fields that are named; others may be there. None: that one may not.

    Raises:
        TypeError: A value is a number or the like, which no field is.
        ValueError: Cookie is among them, which is not among a request's headers.
    """
    fields = _named_values("field", wanted)
    if any(name.lower() == "cookie" for name in fields):
        raise ValueError("cookies are in request.cookies, and compared by cookies=")

    def differences(request: HttpRequest) -> Differences:
        for name, value in fields.items():
            yield from _named(name, request.headers, value)

    return Criterion(f"headers {short(fields)}", differences)


def cookies_have(wanted: Any) -> Criterion:
    """Compare the cookies that are named; others may be there. None: that one may not.

    Raises:
        TypeError: A value is a number or the like, which no cookie is.
    """
    fields = _named_values("cookie", wanted)

    def differences(request: HttpRequest) -> Differences:
        for name, value in fields.items():
            yield from _named(name, request.cookies, value, "cookie ")

    return Criterion(f"cookies {short(fields)}", differences)


def _named_values(what: str, wanted: Any) -> dict[str, Any]:
    """Return the wanted values by name, a list for the name of several pairs that are not all str.

    Raises:
        TypeError: A value is no text.
    """
    if compares_itself(wanted):
        return {}
    if isinstance(wanted, str | bytes) or not hasattr(wanted, "__iter__"):
        raise TypeError(f"expected a dict or pairs with a str for each {what}, not {short(wanted)}")
    fields = dict(wanted) if isinstance(wanted, Mapping) else by_name(wanted)
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None and not is_text(each):
                raise TypeError(f"the value of a {what} is a str, unlike {name}: {short(each)}")
    return fields


def _named(name: str, values: Any, wanted: Any, what: str = "") -> Differences:
    """Compare one field or cookie."""
    sent = values.get(name)
    if isinstance(wanted, list):
        every = values.get_all(name)
        if not fit_all(every, wanted):
            yield f"{what}{name} is {short(every)}" if every else f"there is no {what}{name}"
    elif wanted is None:
        if sent is not None:
            yield f"{what}{name} is there: {short(sent)}"
    elif sent is None:
        yield f"there is no {what}{name}"
    elif not fits(sent, wanted):
        yield f"{what}{name} is {short(sent)}"


def body_is(wanted: Any) -> Criterion:
    """Compare the body as it was sent; a str, and a pattern of one, as UTF-8.

    Raises:
        TypeError: It is neither text nor bytes.
    """
    if not isinstance(wanted, bytes | bytearray | memoryview | re.Pattern) and not is_text(wanted):
        raise TypeError(f"body is str or bytes, not {short(wanted)}; json= compares JSON")
    content = wanted.encode() if isinstance(wanted, str) else wanted

    def differences(request: HttpRequest) -> Differences:
        if not fits(request.raw_body, content):
            yield f"the body is {short(request.raw_body)}"

    return Criterion(f"body {short(wanted)}", differences)


def json_is(wanted: Any) -> Criterion:
    """Compare the body as JSON, whatever its Content-Type.

    Raises:
        TypeError: JSON has no such value.
    """
    wanted = in_json(wanted)

    def differences(request: HttpRequest) -> Differences:
        try:
            sent = parsed(request)
        except ValueError:
            return [f"the body is not JSON: {short(request.raw_body)}"]
        return json_differences(sent, wanted)

    return Criterion(f"JSON {short(wanted)}", differences)


def form_is(wanted: Any) -> Criterion:
    """Compare the fields of a form, urlencoded or multipart, whatever their order.

    Raises:
        TypeError: It is neither a dict nor pairs, or a value is no text.
    """
    return _of_form("form", wanted, form_matching.wanted_fields, form_matching.form_differences)


def files_are(wanted: Any) -> Criterion:
    """Compare the files of a multipart form.

    Raises:
        TypeError: It is not a dict of contents, or of dicts with filename, mime and content.
        ValueError: A file has another key.
    """
    return _of_form("files", wanted, form_matching.wanted_files, form_matching.files_differences)


def _of_form(
    what: str,
    wanted: Any,
    values_of: Callable[[Any], dict[str, list[Any]]],
    compare: Callable[[HttpRequest, dict[str, list[Any]], bool], Differences],
) -> Criterion:
    fields, is_subset = _without_subset(wanted)
    if compares_itself(fields):
        fields, is_subset = {}, True
    values = values_of(fields)
    text = f"{what} {short(wanted)}"
    return Criterion(text, lambda request: compare(request, values, is_subset))


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
        except KeyError as error:
            yield f"{name} says no: {error} is missing"

    return Criterion(f"where {name}", differences)
