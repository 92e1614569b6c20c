"""Replay: a recording, or a file written by hand, as expectations."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from bladehttp._data.decoders import codings_of
from bladehttp._data.encoders import encoders
from bladehttp._data.headers import Headers
from bladehttp._message.request import HttpRequest, authority_of
from bladehttp._message.response import HttpResponse
from bladehttp.server.testing._expectation import Expectation
from bladehttp.server.testing._json_matching import subset
from bladehttp.server.testing._values import short

FORMAT = 1
"""The version of the format."""

SERVER = "{server}"
"""In a field of a response: the origin that the request was sent to."""

DOCUMENT_KEYS = ("format", "upstream", "expectations")

ENTRY_KEYS = ("request", "response", "times", "ordered")

REQUEST_KEYS = (
    *("method", "path", "query", "headers", "cookies", "form", "files", "json"),
    *("body", "body_base64"),
)

FIELDS = ("query", "form")

RESPONSE_KEYS = ("status", "headers", "json", "body", "body_base64", "delay")


class Anything:
    """Equals everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "anything"


def expectations_of(
    path: str | PathLike[str], repeat: bool
) -> tuple[list[Expectation], list[Expectation]]:
    """Return an expectation for each entry of a file, and those that repeat a last response.

    Args:
        path: The file.
        repeat: Whether requests that come more often get the last response again.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a recording; the message names the file and the entry.
    """
    name = fspath(path)
    with _errors_of(name):
        entries = _entries(Path(name).read_text("utf-8"))
    last = {_key(entry): number for number, entry in enumerate(entries)} if repeat else {}
    expected, repeated = [], []
    for number, entry in enumerate(entries):
        with _errors_of(f"{name}: expectation {number + 1}"):
            _check_keys(entry, ENTRY_KEYS)
            times = entry.get("times", 1)
            expected.append(_expectation(entry, times, entry.get("ordered", False)))
            if last.get(_key(entry)) == number and times is not None:
                repeated.append(_expectation(entry, None, False))
    return expected, repeated


def _expectation(entry: dict[str, Any], times: Any, ordered: Any) -> Expectation:
    arguments, response = _request(entry), _response(entry)
    if not isinstance(ordered, bool):
        raise TypeError(f"ordered is true or false, not {short(ordered)}")
    return Expectation(times=times, ordered=ordered, **arguments).respond(**response)


@contextmanager
def _errors_of(place: str) -> Iterator[None]:
    """Name a place in an error."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from error


def _entries(text: str) -> list[Any]:
    """Return the entries of a file.

    Raises:
        TypeError: A value is of another type.
        ValueError: It is not JSON, or of another format.
    """
    document = json.loads(text, object_pairs_hook=_once)
    _check_keys(document, DOCUMENT_KEYS)
    version = document.get("format", FORMAT)
    if version != FORMAT:
        raise ValueError(f"format is {FORMAT}, not {short(version)}")
    entries = document.get("expectations")
    if not isinstance(entries, list):
        raise TypeError(f"expectations is a list, not {short(entries)}")
    return entries


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. A name that is there twice is most likely a slip."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"{next(each for each in names if names.count(each) > 1)!r} is there twice"
        )
    return made


def _check_keys(value: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object with {', '.join(keys)}, not {short(value)}")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {short(key)}, expected one of {', '.join(keys)}")


def _key(entry: Any) -> str:
    """Return a text that is the same for the same request."""
    return json.dumps(entry.get("request"), sort_keys=True) if isinstance(entry, dict) else ""


def _part(entry: dict[str, Any], name: str, keys: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of one part of an entry, its body under "body"."""
    part = entry.get(name, {})
    with _errors_of(name):
        _check_keys(part, keys)
        bodies = [key for key in part if key in ("json", "body", "body_base64")]
        if len(bodies) > 1:
            raise ValueError(f"expected one body, not {' and '.join(bodies)}")
        for key, value in part.items():
            yield _body(key, value) if key in bodies and key != "json" else (key, value)


def _body(key: str, value: Any) -> tuple[str, Any]:
    if key == "body_base64":
        if not isinstance(value, str):
            raise TypeError(f"body_base64 is a text, not {short(value)}")
        return "body", b64decode(value, validate=True)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "body", "".join(value)
    if not isinstance(value, str | dict):
        raise TypeError(f"body is a text or a list of lines, not {short(value)}")
    return "body", value


def _request(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `BladeServer.expect`."""
    parts = _part(entry, "request", REQUEST_KEYS)
    wanted = {key: _wanted(_as_text(value) if key in FIELDS else value) for key, value in parts}
    return {"method": None, "path": None} | wanted


def _as_text(value: Any) -> Any:
    """Return the fields of a query or a form with true and false as they are sent: as words."""
    if isinstance(value, dict):
        return {name: each if name == "$any" else _as_text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return json.dumps(value) if isinstance(value, bool) else value


def _wanted(value: Any) -> Any:
    """Return a value of a request with its operators replaced by matchers.

    Raises:
        TypeError: The value of an operator is of another type.
        ValueError: A pattern is malformed, or an operator is not alone.
    """
    if isinstance(value, list):
        return [_wanted(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = next((name for name in value if name in MATCHERS), None)
    if found is None:
        return {name: _wanted(each) for name, each in value.items()}
    if len(value) > 1:
        raise ValueError(f"{found} is the only key of its object, not one of {short(value)}")
    return MATCHERS[found](value[found])


def _pattern(value: Any) -> re.Pattern[str]:
    if not isinstance(value, str):
        raise TypeError(f"$pattern is a text, not {short(value)}")
    try:
        return re.compile(value, re.DOTALL)
    except re.error as error:
        raise ValueError(f"$pattern {short(value)}: {error}") from error


MATCHERS: dict[str, Callable[[Any], Any]] = {
    "$any": lambda _: Anything(),
    "$pattern": _pattern,
    "$subset": lambda value: subset(_wanted(value)),
}


def _response(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Expectation.respond`."""
    response = dict(_part(entry, "response", RESPONSE_KEYS))
    is_coded = "body_base64" in entry.get("response", {})
    headers = response.pop("headers", {})
    if not isinstance(headers, dict):
        raise TypeError(f"response: headers is an object, not {short(headers)}")
    response["headers"] = fields = [
        (name, each)
        for name, value in headers.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    if any(SERVER in str(value) for _, value in fields):
        response["handler"] = set_origin
    codings = [
        coding for name, value in fields if name.lower() == "content-encoding"
        for coding in codings_of(value)
    ]  # fmt: skip
    if codings and not is_coded and {"json", "body"} & response.keys():
        response["body"] = _coded(codings, response)
    return response


def set_origin(request: HttpRequest, response: HttpResponse) -> None:
    """Replace `SERVER` in the fields of a response."""
    authority = authority_of(request)
    origin = f"{request.scheme}://{authority}" if authority else ""
    pairs = response.headers.pairs()
    if any(SERVER in value for _, value in pairs):
        response.headers = Headers((name, value.replace(SERVER, origin)) for name, value in pairs)


def _coded(codings: list[str], response: dict[str, Any]) -> bytes:
    """Return a body in a content coding.

    Raises:
        ValueError: There is no encoder of it here.
    """
    if len(codings) > 1 or codings[0] not in encoders():
        known = ", ".join(encoders())
        raise ValueError(f"response: body of Content-Encoding {codings}, expected one of {known}")
    value = response.pop("json", None)
    body = response.pop("body", None)
    content = json.dumps(value) if body is None else body
    encoder = encoders()[codings[0]]()
    return encoder.feed(content.encode()) + encoder.finish()
