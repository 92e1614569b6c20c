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


@dataclass(frozen=True, slots=True)
class Route:
    """One registered handler.

    Attributes:
        handler: The function.
        name: Method and path as registered, for logs.
        parameters: The names in the path, in order.
        offload: Whether it runs on a worker thread.
        options: Properties of the server that differ for this route.
        yields: Whether another route may be set in its place.
    """

    handler: Handler
    name: str
    parameters: tuple[str, ...] = ()
    offload: bool = False
    options: RouteOptions = field(default_factory=RouteOptions)
    yields: bool = False


ANY = "*"
"""Stands for every method that has no route of its own; only of mounted handlers."""

Methods = dict[str, Route]
"""The routes of one path, by method."""

Params = dict[str, str]
"""Parameter names of a template to their values in one path."""


Match = tuple[Methods, tuple[str, ...]]
"""The routes of a template, and the values of its parameters in one path."""


@dataclass(slots=True)
class Node:
    """A node of the tree of templates, reached by some segments.

    Attributes:
        literals: Child nodes by the literal segment that leads to them.
        one: The child node for any one segment.
        rest: Routes that take the whole rest of the path, "/" included.
        methods: Routes that end here.
    """

    literals: dict[str, "Node"] = field(default_factory=dict)
    one: "Node | None" = None
    rest: Methods = field(default_factory=dict)
    methods: Methods = field(default_factory=dict)

    def matches(self, segments: list[str], depth: int = 0) -> list[Match]:
        """Return the routes the segments lead to, the most literal first.

        A node has one depth, so none is visited twice.

        Args:
            segments: The segments of the path.
            depth: Number of segments that led here.
        """
        if depth == len(segments):
            return [(self.methods, ())]
        segment, found = segments[depth], []
        literal = self.literals.get(segment)
        if literal is not None:
            found = literal.matches(segments, depth + 1)
        if self.one is not None and segment:
            for methods, values in self.one.matches(segments, depth + 1):
                found.append((methods, (segment, *values)))
        if self.rest:
            found.append((self.rest, ("/".join(segments[depth:]),)))
        return found


class Routes:
    """The routes of one server.

    Attributes:
        limit_bodies: Whether a route has a ``max_body_size`` of its own.
    """

    __slots__ = ("_all", "_exact", "_longest", "_prefixes", "_templates", "limit_bodies")

    def __init__(self) -> None:
        """Start without any."""
        self._exact: dict[str, Methods] = {}
        self._templates = Node()
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
            if method in exact:
                return exact[method], None
            if other in exact:
                return exact[other], None
        for methods, values in self._templates.matches(path.split("/")):
            route = methods.get(method)
            if route is not None:
                return route, Required(zip(route.parameters, values, strict=True))
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
        matches = self._templates.matches(path.split("/"))
        for methods in (
            self._exact.get(path, {}),
            *(methods for methods, _ in matches),
            *self._prefixed(path),
        ):
            found.update(methods)
        found.discard(ANY)
        if "GET" in found:
            found.add("HEAD")
        return sorted({*found, "OPTIONS"}) if found else []

    def _place(self, path: str) -> tuple[tuple[str, ...], Methods]:
        """Return the names of the parameters in a path and the table for its routes."""
        if "{" not in path and "}" not in path:
            return (), self._exact.setdefault(path, {})
        node, names = self._templates, []
        segments = path.split("/")
        for place, segment in enumerate(segments, 1):
            match = parameter(segment)
            if match is None:
                if "{" in segment or "}" in segment:
                    raise ValueError(f"{segment!r} in a route is not {{name}} or {{name:path}}")
                node = node.literals.setdefault(segment, Node())
                continue
            names.append(match[1])
            if match[2] is None:
                node.one = node = node.one or Node()
            elif place < len(segments):
                raise ValueError(f"nothing can follow {segment!r} in a route")
            else:
                return unique(names), node.rest
        return unique(names), node.methods

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


def unique(names: list[str]) -> tuple[str, ...]:
    """Return names as a tuple.

    Raises:
        ValueError: A name occurs twice.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"a route has a parameter twice: {', '.join(names)}")
    return tuple(names)


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
