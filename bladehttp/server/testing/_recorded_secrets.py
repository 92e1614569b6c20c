"""Secrets of a recording: their recognition by name, and their removal.

A value that was recognised once, in a request or a response, is removed wherever it is found in
the whole recording: servers repeat tokens in other places.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from bladehttp._data.headers import Headers
from bladehttp._data.multidict import MultiDict
from bladehttp._data.secret_names import SECRET, SENSITIVE_HEADERS, is_sensitive
from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp.server.testing._values import short

ANYTHING = {"$any": True}
"""In a request: any value."""

NOT_SECRET = frozenset(
    {"access-control-allow-credentials", "proxy-authenticate", "www-authenticate"}
)
"""Fields of responses that are like secret ones by their names."""

WITH_URLS = frozenset({"content-location", "link", "location", "refresh"})
"""Fields of responses with URLs in their values."""

LEAST_HIDDEN = 6
"""Characters of the shortest value that is searched for in other places."""

is_secret_name = re.compile(
    r"passw|pwd|secret|token|jwt|credential|signature|cookie|(api|access|private)[_-]?key|"
    r"session[_-]?id|authorization|^(auth|otp|pin|sig|key)$",
    re.IGNORECASE,
).search
"""Whether a member of JSON, or a field of a query or a form, holds a secret by its name."""

secret_parameter = re.compile(r"([?&]([^=&\s#]+)=)([^&\s#>\"]+)")

cookie_value = re.compile(r"^([^=;]*=)([^;]*)")


class SecretNames:
    """The names of a recording whose values are secret."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        """Take names to add, in any case.

        Raises:
            TypeError: They are not str, or one str.
        """
        given = [names] if isinstance(names, str) else list(names)
        if isinstance(names, str) or not all(isinstance(name, str) for name in given):
            raise TypeError(f"secrets is a list of names, not {short(names)}")
        self._names = frozenset(name.lower() for name in given)

    def has(self, name: str) -> bool:
        """Return whether a field of a query or a form holds a secret."""
        return name.lower() in self._names or is_secret_name(name) is not None

    def has_field(self, name: str) -> bool:
        """Return whether a field of a head holds a secret."""
        lower = name.lower()
        is_known = lower not in NOT_SECRET and is_sensitive(name, SENSITIVE_HEADERS)
        return is_known or lower in self._names

    def has_member(self, name: str, value: Any) -> bool:
        """Return whether a member of JSON is secret: text, and any value of a name that was added.

        Numbers and flags of names that are just like secret ones (``max_tokens``) are not.
        """
        return name.lower() in self._names or (isinstance(value, str) and self.has(name))

    def without_field(self, name: str, value: str) -> str:
        """Return the value of a field of a response without its secret."""
        if name.lower() == "set-cookie":
            return cookie_value.sub(rf"\g<1>{SECRET}", value)
        if self.has_field(name):
            return SECRET
        if name.lower() in WITH_URLS:
            return secret_parameter.sub(self._without_parameter, value)
        return value

    def _without_parameter(self, parameter: re.Match[str]) -> str:
        is_secret = parameter[2] == "code" or self.has(parameter[2])
        return f"{parameter[1]}{SECRET}" if is_secret else parameter[0]

    def without_members(self, value: Any, placeholder: Any) -> Any:
        """Return JSON with a placeholder in place of its secret members."""
        if isinstance(value, dict):
            return {
                name: placeholder
                if self.has_member(name, each)
                else self.without_members(each, placeholder)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.without_members(each, placeholder) for each in value]
        return value

    def values(
        self, request: HttpRequest, headers: Headers, entry: dict[str, Any]
    ) -> Iterator[str]:
        """Yield the secrets of a request and its response.

        Args:
            request: The request.
            headers: The fields of the response.
            entry: Its entry, with secrets.
        """
        for name, value in request.headers.pairs():
            if self.has_field(name):
                yield from (value, *value.split())
        for name in request.cookies:
            yield from request.cookies.get_all(name)
        for value in headers.get_all("Set-Cookie"):
            match = cookie_value.match(value)
            yield from [match[2]] if match else []
        yield from self._of_fields(request.queries)
        with suppress(ContentError):
            yield from self._of_members(request.body)
        yield from self._of_members(entry["response"].get("json"))

    def _of_fields(self, fields: MultiDict[Any]) -> Iterator[str]:
        for name in filter(self.has, fields):
            yield from (each for each in fields.get_all(name) if isinstance(each, str))

    def _of_members(self, value: Any) -> Iterator[str]:
        if isinstance(value, MultiDict):
            yield from self._of_fields(value)
        if isinstance(value, dict):
            for name, each in value.items():
                if isinstance(each, str) and self.has(name):
                    yield each
                else:
                    yield from self._of_members(each)
        elif isinstance(value, list):
            for each in value:
                yield from self._of_members(each)


def hidden(entry: dict[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """Return an entry without secrets, wherever they are.

    Requests have a pattern instead, so that they are still recognised.
    """
    words = sorted({each for each in secrets if len(each) >= LEAST_HIDDEN}, key=len, reverse=True)
    if not words:
        return entry
    find = re.compile("|".join(map(re.escape, words)))
    request = dict(entry["request"])
    body = request.pop("body", None)
    request = _mapped(request, lambda text: _pattern_without(find, text))
    if body is not None:
        text = body if isinstance(body, str) else "".join(body)
        request["body"] = ANYTHING if find.search(text) else body
    response = _mapped(entry["response"], lambda text: find.sub(SECRET, text))
    return {**entry, "request": request, "response": response}


def _pattern_without(find: re.Pattern[str], text: str) -> Any:
    parts = find.split(text)
    return text if len(parts) == 1 else {"$pattern": ".*".join(map(re.escape, parts))}


def _mapped(value: Any, change: Callable[[str], Any]) -> Any:
    """Return JSON with every text changed, except patterns, names and base64."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    if isinstance(value, dict):
        kept = ("$pattern", "body_base64")
        return {k: each if k in kept else _mapped(each, change) for k, each in value.items()}
    return value
