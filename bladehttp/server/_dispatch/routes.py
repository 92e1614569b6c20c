"""Routes: which handler a method and a path lead to.

Three kinds, tried in this order, each for the method of the request:

1. exact paths, ``/users/me``;
2. templates, ``/users/{id}`` and ``/files/{rest:path}``: segment by segment from the left a
   literal comes before ``{name}``, and that before ``{name:path}``;
3. prefixes, the longest first: paths that end in "/" ("/" itself excepted, which is Blade's
   rule) and mounted handlers.

All are compared with the decoded path, as callbacks see it. So ``{name}`` never holds a "/", not
even one sent as ``%2F``.

A method and a path lead to one handler: a second registration is an error, since one of both would
never be called. The path without "/" that a mounted handler answers is left to a route of its own.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter
from typing import Any, TypedDict

from bladehttp._data.headers import TCHAR
from bladehttp._data.multidict import Required
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._wire.target import decode_path
from bladehttp.server._dispatch.callbacks import name_of

Handler = Callable[[HttpRequest, HttpResponse], Any]


class RouteOptions(TypedDict, total=False):
    """The keyword arguments of `HttpServer.handle`: properties of the server for one route."""

    max_body_size: int | None
    handler_timeout: int


is_method = re.compile(rf"[{TCHAR}]+").fullmatch

parameter = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}").fullmatch
parameter_of_flask = re.compile(r"<(?:([a-z]+)(?:\([^)]*\))?:)?([A-Za-z_][A-Za-z0-9_]*)>").search


Parameters = tuple[tuple[str, int], ...]
"""Names of the parameters in a path, and the places of their segments."""


@dataclass(frozen=True, slots=True)
class Route:
    """One registered handler.

    Attributes:
        handler: The function.
        name: Method and path as registered, for logs.
        parameters: Each name in the path, and the place of its segment.
        offload: Whether it runs on a worker thread.
        options: Properties of the server that differ for this route.
        yields: Whether another route may be set in its place.
    """

    handler: Handler
    name: str
    parameters: Parameters = ()
    offload: bool = False
    options: RouteOptions = field(default_factory=RouteOptions)
    yields: bool = False


ANY = "*"
"""Stands for every method that has no route of its own; only of mounted handlers."""

Methods = dict[str, Route]
"""The routes of one path, by method."""

NO_METHODS: Methods = {}

Params = dict[str, str]
"""Parameter names of a template to their values in one path."""


class Kind(IntEnum):
    """A segment of a template, in the order in which they are tried."""

    LITERAL = 0
    ONE = 1
    """``{name}``: any one segment."""
    REST = 2
    """``{name:path}``: the whole rest of the path, "/" included."""


Kinds = tuple[Kind, ...]


class Shape:
    """The templates whose segments are of the same kinds in the same places.

    Attributes:
        has_rest: Whether the last kind is `Kind.REST`.
    """

    __slots__ = ("_key_of", "_ones", "_routes", "has_rest")

    def __init__(self, kinds: Kinds) -> None:
        """Start without templates."""
        self.has_rest: bool = kinds[-1] is Kind.REST
        self._ones = [place for place, kind in enumerate(kinds) if kind is Kind.ONE]
        # Of one place it is the segment itself, else a tuple. The first is always there: "".
        self._key_of = itemgetter(*(at for at, kind in enumerate(kinds) if kind is Kind.LITERAL))
        self._routes: dict[object, Methods] = {}

    def methods(self, segments: list[str]) -> Methods:
        """Return the table for the routes of a template, given by its segments."""
        return self._routes.setdefault(self._key_of(segments), {})

    def match(self, segments: list[str]) -> Methods:
        """Return the routes the segments of a path lead to, {} for none."""
        methods = self._routes.get(self._key_of(segments), NO_METHODS)
        for place in self._ones if methods else ():
            if not segments[place]:
                return NO_METHODS
        return methods


class Templates:
    """The routes with parameters, by shape.

    A shape with a path of its length is one look-up, however many templates have it.
    """

    __slots__ = ("_all", "_by_count", "_open")

    def __init__(self) -> None:
        """Start without any."""
        self._all: dict[Kinds, Shape] = {}
        self._by_count: dict[int, list[Shape]] = {}  # number of segments to shapes, in order
        self._open: list[Shape] = []  # those of any greater number

    def methods(self, kinds: Kinds, segments: list[str]) -> Methods:
        """Return the table for the routes of a template."""
        shape = self._all.get(kinds)
        if shape is None:
            shape = self._all[kinds] = Shape(kinds)
            longest = max(map(len, self._all))
            self._by_count = {count: self._shapes_of(count) for count in range(longest + 1)}
            self._open = self._shapes_of(longest + 1)
        return shape.methods(segments)

    def _shapes_of(self, count: int) -> list[Shape]:
        return [
            self._all[kinds]
            for kinds in sorted(self._all)
            if len(kinds) == count or (self._all[kinds].has_rest and len(kinds) < count)
        ]

    def shapes_for(self, segments: list[str]) -> list[Shape]:
        """Return the shapes that a path may have, in the order to be tried."""
        return self._by_count.get(len(segments), self._open)


def params_of(route: Route, shape: Shape, segments: list[str]) -> Params:
    """Return the parameters of a route in the segments of a path that match its shape."""
    params: Params = Required()
    for name, place in route.parameters:
        params[name] = segments[place]
    if shape.has_rest:
        name, place = route.parameters[-1]
        params[name] = "/".join(segments[place:])
    return params


class Routes:
    """The routes of one server.

    Attributes:
        limit_bodies: Whether a route has a ``max_body_size`` of its own.
    """

    __slots__ = ("_all", "_exact", "_longest", "_prefixes", "_templates", "limit_bodies")

    def __init__(self) -> None:
        """Start without any."""
        self._exact: dict[str, Methods] = {}
        self._templates = Templates()
        self._prefixes: dict[str, Methods] = {}
        self._longest = 0  # of the prefixes: no more of a path has to be looked at
        self._all: Methods = {}
        self.limit_bodies: bool = False

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        offload: bool = False,
        options: RouteOptions | None = None,
    ) -> None:
        """Set the handler of a method, in capitals or not, and a path.

        Raises:
            TypeError: The method or the path is not a str.
            ValueError: The path does not begin with "/", is percent-encoded or has a query, its
                braces are not parameters, it has one in Flask's form, ``<name>``, the method is no
                token (RFC 9110 section 9.1), or it has a handler there already.
        """
        if not isinstance(method, str) or not isinstance(path, str):
            raise TypeError(f"a route's method and path are str, not {method!r} and {path!r}")
        if not path.startswith("/") and path != "*":
            raise ValueError(f"a route's path begins with '/', unlike {path!r}")
        if not is_method(method):
            raise ValueError(f"not a method: {method!r}")
        check_decoded(path)
        method = method.upper()
        names, methods = self._place(path)
        route = Route(handler, f"{method} {path}", names, offload, options or RouteOptions())
        is_prefix = path.endswith("/") and path != "/" and not names
        check_free(methods, method, route)
        if is_prefix:
            self._add_prefix(path, method, route)
        methods[method] = self._all[method] = route
        self.limit_bodies = self.limit_bodies or "max_body_size" in route.options

    def mount(
        self,
        method: str,
        path: str,
        handler: Handler,
        offload: bool = False,
        options: RouteOptions | None = None,
    ) -> None:
        """Set the handler of a path and every path below it, also for the path "/".

        Args:
            method: The method, or `ANY`.
            path: The path, with or without "/" at the end.
            handler: The handler.
            offload: Whether it runs on a worker thread.
            options: Properties of the server that differ for it.

        Raises:
            ValueError: The path does not begin with "/", is percent-encoded or has braces or a
                query, or the method has a handler for all paths below it already.
        """
        if "{" in path or "}" in path:
            raise ValueError(f"a path to mount at has no parameters, unlike {path!r}")
        if not path.startswith("/"):
            raise ValueError(f"a path to mount at begins with '/', unlike {path!r}")
        check_decoded(path)
        path = path.rstrip("/")
        name = f"{'any method' if method == ANY else method} {path}/"
        route = Route(handler, name, (), offload, options or RouteOptions(), yields=True)
        self._add_prefix(f"{path}/", method, route)
        self._all[method] = route
        self.limit_bodies = self.limit_bodies or "max_body_size" in route.options
        if path:
            self._exact.setdefault(path, {}).setdefault(method, route)

    def find(self, method: str, path: str) -> tuple[Route, Params | None] | None:
        """Return the route of a method and a path and its parameters, None for none.

        HEAD uses the route of GET unless it has one of its own.
        """
        exact, other = self._exact.get(path), method if method == "HEAD" else ANY
        if exact is not None:
            route = exact.get(method) or exact.get(other)
            if route is not None:
                return route, None
        segments = path.split("/")
        for shape in self._templates.shapes_for(segments):
            route = shape.match(segments).get(method)
            if route is not None:
                return route, params_of(route, shape, segments)
        for methods in self._prefixed(path):
            route = methods.get(method) or methods.get(other)
            if route is not None:
                return route, None
        return self.find("GET", path) if method == "HEAD" else None

    def allowed(self, path: str) -> list[str]:
        """Return the methods of a path, [] for a path without routes.

        Args:
            path: "*" stands for every path (RFC 9110 section 9.3.7).
        """
        found = set(self._all) if path == "*" else set()
        segments = path.split("/")
        for methods in (
            self._exact.get(path, NO_METHODS),
            *(shape.match(segments) for shape in self._templates.shapes_for(segments)),
            *self._prefixed(path),
        ):
            found.update(methods)
        found.discard(ANY)
        if "GET" in found:
            found.add("HEAD")
        return sorted({*found, "OPTIONS"}) if found else []

    def _place(self, path: str) -> tuple[Parameters, Methods]:
        """Return the parameters in a path and the table for its routes."""
        if "{" not in path and "}" not in path:
            return (), self._exact.setdefault(path, {})
        segments = path.split("/")
        kinds, parameters = [Kind.LITERAL] * len(segments), []
        for place, segment in enumerate(segments):
            match = parameter(segment)
            if match is not None:
                parameters.append((match[1], place))
                kinds[place] = Kind.ONE if match[2] is None else Kind.REST
            elif "{" in segment or "}" in segment:
                raise ValueError(f"{segment!r} in a route is not {{name}} or {{name:path}}")
            if place and kinds[place - 1] is Kind.REST:
                raise ValueError(f"nothing can follow {segments[place - 1]!r} in a route")
        check_unique([name for name, _ in parameters])
        return tuple(parameters), self._templates.methods(tuple(kinds), segments)

    def _add_prefix(self, path: str, method: str, route: Route) -> None:
        methods = self._prefixes.setdefault(path, {})
        taken = methods.get(method) or methods.get(ANY)
        if method == ANY:
            taken = next(iter(methods.values()), None)
        if taken is not None:
            raise ValueError(already(route, taken))
        methods[method] = route
        self._longest = max(self._longest, len(path))

    def _prefixed(self, path: str) -> Iterator[Methods]:
        """Yield the routes of the prefixes of a path, the longest first."""
        end = path.rfind("/", 0, self._longest)
        while end >= 0:
            prefixed = self._prefixes.get(path[: end + 1])
            if prefixed is not None:
                yield prefixed
            end = path.rfind("/", 0, end)


def check_free(methods: Methods, method: str, route: Route) -> None:
    """Raise if a method has a route already that does not yield.

    Raises:
        ValueError: It has.
    """
    taken = methods.get(method)
    if taken is not None and not taken.yields:
        raise ValueError(already(route, taken))


def already(route: Route, taken: Route) -> str:
    """Return the message for a route whose place another has."""
    as_what = "" if taken.name == route.name else f" as {taken.name}"
    return f"{route.name} has a handler already{as_what}: {name_of(taken.handler)}"


def check_unique(names: list[str]) -> None:
    """Raise if a name occurs twice.

    Raises:
        ValueError: One does.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"a route has a parameter twice: {', '.join(names)}")


def check_decoded(path: str) -> None:
    """Raise if a path cannot be that of a request, or hardly: routes see it decoded, and no query.

    Raises:
        ValueError: As said, with the path that may be meant.
    """
    if "?" in path:
        raise ValueError(f"a route's path has no query, unlike {path!r}: see request.queries")
    match = parameter_of_flask(path)
    if match is not None:
        name = f"{{{match[2]}{':path' if match[1] == 'path' else ''}}}"
        raise ValueError(f"a parameter of a route is {name}, not {match[0]!r}")
    decoded = decode_path(path)
    if decoded != path:
        raise ValueError(f"a route's path is not percent-encoded: {decoded!r}, not {path!r}")
