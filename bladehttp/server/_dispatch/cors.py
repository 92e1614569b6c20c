"""CORS: which scripts of other origins may read responses (Fetch standard, section 3.2).

A browser sends the origin of a script with its requests, and shows the script a response only if it
names that origin. Before a request that is not simple it asks, with OPTIONS: a preflight, without
credentials. The server's part is fields only, and no protection: who is no browser reads anyhow.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bladehttp._data.headers import Headers, is_token
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.negotiation import with_member
from bladehttp.server._dispatch.own_responses import answer_with_status

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""Methods a preflight allows unless told."""

MAX_AGE = 600
"""Seconds unless told. Browsers keep a preflight for 5 s without, Chromium for 2 hours at most."""

DEFAULT_PORTS = {"http": ":80", "https": ":443"}

ASKS_FOR_PRIVATE = "Access-Control-Request-Private-Network"

is_origin = partial(re.fullmatch, r"[a-z][a-z0-9+.-]*://[^\s/?#@]+")

Origin = str | re.Pattern[str]


class Cors:
    """A function for before_request and after_request; see `cors`."""

    __slots__ = (
        "_credentials",
        "_expose",
        "_headers",
        "_max_age",
        "_methods",
        "_origins",
        "_patterns",
        "_private_network",
    )

    def __init__(
        self,
        origins: Iterable[Origin],
        credentials: bool,
        methods: Sequence[str],
        headers: Sequence[str] | None,
        expose: Sequence[str],
        max_age: int | None,
        private_network: bool,
    ) -> None:
        """Take the arguments of `cors`, checked."""
        given = list(origins)
        self._origins = frozenset(each for each in given if isinstance(each, str))
        self._patterns = [each for each in given if isinstance(each, re.Pattern)]
        self._credentials = credentials
        self._methods = ", ".join(methods)
        self._headers = None if headers is None else ", ".join(headers)
        self._expose = ", ".join(expose)
        self._max_age = max_age
        self._private_network = private_network

    def __call__(self, request: HttpRequest, response: HttpResponse) -> None:
        """Answer a preflight, and add the fields to any other response."""
        asked = request.headers
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in asked
        if is_preflight and "Origin" in asked:
            self._answer(asked, response)
        else:
            self._add_origin(asked, response.headers)

    def _answer(self, asked: Headers, response: HttpResponse) -> None:
        """Answer a preflight, unless that has been done: the function may be registered twice."""
        if not self._is_allowed(asked["Origin"]):
            if response.status != 403:
                self._begin_answer(response, 403)
                response.body = f"403 - Forbidden. Origin {asked['Origin']} is not allowed."
            return
        if "Access-Control-Allow-Methods" in response.headers:
            return
        self._begin_answer(response, 204)
        fields = response.headers
        self._add_origin(asked, fields)
        fields["Access-Control-Allow-Methods"] = self._methods
        self._add_headers(asked, fields)
        if self._max_age is not None:
            fields["Access-Control-Max-Age"] = str(self._max_age)
        if self._private_network:
            fields["Vary"] = with_member(fields.get("Vary"), ASKS_FOR_PRIVATE)
            if asked.get(ASKS_FOR_PRIVATE) == "true":
                fields["Access-Control-Allow-Private-Network"] = "true"

    def _begin_answer(self, response: HttpResponse, status: int) -> None:
        """Replace what others have answered: a guard that wants credentials, an error."""
        response.close()
        response.headers = Headers()
        answer_with_status(response, status)
        if status == 204:
            response.headers, response.body = Headers(), b""
        if not self._is_public:
            response.headers["Vary"] = "Origin"

    def _add_headers(self, asked: Headers, fields: Headers) -> None:
        """Allow the listed headers, or those that are asked for."""
        allowed = self._headers
        if allowed is None:
            fields["Vary"] = with_member(fields.get("Vary"), "Access-Control-Request-Headers")
            names = asked.get("Access-Control-Request-Headers", "").split(",")
            allowed = ", ".join(name.strip(" \t") for name in names if is_token(name.strip(" \t")))
        if allowed:
            fields["Access-Control-Allow-Headers"] = allowed

    def _add_origin(self, asked: Headers, fields: Headers) -> None:
        """Name the origin if it is allowed. Fields of a handler's own stay as they are."""
        if not self._is_public:  # also without an Origin: a cache has to keep both apart
            fields["Vary"] = with_member(fields.get("Vary"), "Origin")
        origin = asked.get("Origin")
        if "Access-Control-Allow-Origin" in fields:
            return
        if self._is_public:
            fields["Access-Control-Allow-Origin"] = "*"
        elif origin is not None and self._is_allowed(origin):
            fields["Access-Control-Allow-Origin"] = origin
        else:
            return
        if self._credentials:
            fields["Access-Control-Allow-Credentials"] = "true"
        if self._expose:
            fields["Access-Control-Expose-Headers"] = self._expose

    @property
    def _is_public(self) -> bool:
        """Whether scripts of every origin may read."""
        return "*" in self._origins

    def _is_allowed(self, origin: str) -> bool:
        if self._is_public or origin in self._origins:
            return True
        return any(pattern.fullmatch(origin) for pattern in self._patterns)


def cors(
    origins: Origin | Iterable[Origin],
    *,
    credentials: bool = False,
    methods: Iterable[str] = METHODS,
    headers: Iterable[str] | None = None,
    expose: Iterable[str] = (),
    max_age: int | None = MAX_AGE,
    private_network: bool = False,
) -> Cors:
    """Return a function that lets scripts of other origins read responses (CORS).

        policy = cors("https://app.example")
        server.before_request(policy)  # preflights, before other guards
        server.after_request(policy)  # every other response, errors and refusals, too

    A preflight is answered with 204 whatever the path, that of another origin with 403. Any other
    response to another origin is sent as it is, without fields: the browser keeps it from the
    script. A response with Access-Control-Allow-Origin already is left alone.

    Args:
        origins: One or several origins, such as "https://app.example"; patterns
            (``re.compile``), which have to match the whole origin; "null" for sandboxed pages and
            files; or "*" for every one.
        credentials: Whether scripts may send cookies and read the response. Not with "*".
        methods: The methods a preflight allows.
        headers: The request headers a preflight allows. None: those that are asked for.
        expose: The response headers scripts may read, beyond the safelisted ones. "*" for all of
            them, without credentials.
        max_age: Seconds for which a browser keeps the answer to a preflight. None: 5, its default.
        private_network: Whether pages of the Internet may reach a server of a private network, as
            Chromium asks for (Private Network Access).

    Raises:
        TypeError: An argument is of another type.
        ValueError: An origin is none (it has a path, or no scheme), a name is no token, or
            credentials are allowed to "*".
    """
    allowed = [_checked_origin(each) for each in _several(origins)]
    given = [_tokens("methods", methods), _tokens("expose", expose)]
    if not allowed:
        raise ValueError("cors needs an origin, or '*' for every one")
    if "*" in allowed and credentials:
        raise ValueError("credentials need a list of origins: with '*' any site could act as users")
    if "*" in allowed and len(allowed) > 1:
        raise ValueError("origins are a list, or '*' for every one, not both")
    if "*" in given[1] and credentials:
        raise ValueError("expose '*' has no meaning with credentials: name the headers")
    check_age(max_age)
    asked = None if headers is None else _tokens("headers", headers)
    return Cors(allowed, credentials, given[0], asked, given[1], max_age, private_network)


def _several(origins: Any) -> list[Any]:
    return [origins] if isinstance(origins, str | re.Pattern) else list(origins)


def _checked_origin(origin: Any) -> Origin:
    """Return an origin as browsers send it: in lower case, without a default port."""
    if isinstance(origin, re.Pattern):
        return origin
    if not isinstance(origin, str):
        raise TypeError(f"an origin is a str or a pattern, not {origin!r}"[:200])
    if origin in {"*", "null"}:
        return origin
    lower = origin.lower()
    if not is_origin(lower):
        raise ValueError(
            f"an origin is scheme://host or scheme://host:port, without a path, not {origin[:80]!r}"
        )
    return lower.removesuffix(DEFAULT_PORTS.get(urlsplit(lower).scheme, " "))


def check_age(max_age: Any) -> None:
    """Raise if an age is neither seconds nor None.

    Raises:
        TypeError: It is of another type.
        ValueError: It is negative.
    """
    if max_age is None:
        return
    if not isinstance(max_age, int) or isinstance(max_age, bool):
        raise TypeError(f"max_age is seconds, an int, or None, not {max_age!r}"[:200])
    if max_age < 0:
        raise ValueError(f"max_age is 0 or more, not {max_age}")


def _tokens(name: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str):
        raise TypeError(f"{name} is a list of names, not the str {values!r}"[:200])
    names = list(values)
    for each in names:
        if not isinstance(each, str) or not is_token(each):
            raise ValueError(f"{name} is a list of names, and {each!r} is none"[:200])
    return names
