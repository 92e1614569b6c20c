"""Dispatcher: the callbacks and routes of a server, and what happens when one fails.

Every function here that runs somebody's code returns normally whatever that code raises;
only what is not an Exception (KeyboardInterrupt, SystemExit) goes through, to end the loop.
"""

import inspect
import logging
from collections.abc import Callable
from socket import socket
from typing import Any

from bladehttp.headers import Headers
from bladehttp.request import HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.status import phrase

log = logging.getLogger("bladehttp.server")

Handler = Callable[[HttpRequest, HttpResponse], Any]


CALLBACKS = {
    # kind: how many arguments its functions are called with
    "connect": 1,
    "disconnect": 1,
    "receive": 2,
    "reply": 1,
    "error": 2,
}


class Dispatcher:
    """Holds the callbacks and routes, and calls them."""

    __slots__ = ("_exact", "_prefixes", "callbacks", "none_handler")

    def __init__(self) -> None:
        """Start without any; what is not found is answered by `not_found`."""
        self.callbacks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in CALLBACKS}
        self._exact: dict[tuple[str, str], Handler] = {}
        self._prefixes: dict[tuple[str, str], Handler] = {}
        self.none_handler: Handler = not_found

    def add(self, kind: str, function: Callable[..., Any]) -> None:
        """Add a callback of one kind.

        Raises:
            TypeError: It cannot be called with the arguments of its kind.
        """
        check_callable(function, CALLBACKS[kind], f"on_{kind}")
        self.callbacks[kind].append(function)

    def add_route(self, method: str, path: str, handler: Handler) -> None:
        """Set the handler of a method and a path; one that ends in "/" takes all below it, too."""
        check_callable(handler, 2, "handle")
        self._exact[method, path] = handler
        if path.endswith("/") and path != "/":
            self._prefixes[method, path] = handler

    def find(self, method: str, path: str) -> Handler | None:
        """Return the handler of an exact path, else of the longest prefix ending in "/"."""
        handler = self._exact.get((method, path))
        if handler is not None or not self._prefixes:
            return handler
        end = path.rfind("/")
        while end > 0:
            handler = self._prefixes.get((method, path[: end + 1]))
            if handler is not None:
                return handler
            end = path.rfind("/", 0, end)
        return None

    def respond(self, request: HttpRequest, client: socket) -> HttpResponse:
        """Run every on_receive callback, then the route, on one response and return it.

        If one raises, on_error is called and the answer is 500.
        """
        response = HttpResponse.for_server()
        try:
            for callback in self.callbacks["receive"]:
                callback(request, response)
            handler = self.find(request.method, request.path) if self._exact else None
            if handler is not None:
                handler(request, response)
            elif not self.callbacks["receive"]:
                self.none_handler(request, response)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is answered with 500
            response.close()
            return self.failed(error, client)
        return response

    def failed(self, error: Exception, client: socket) -> HttpResponse:
        """Report what a handler raised and return the answer to its request."""
        self.report(error, client)
        return error_response(500)

    def report(self, error: Exception, client: socket) -> None:
        """Log an error that is the server's or a handler's fault and call on_error."""
        log.error("error with a client: %r", error, exc_info=error)
        for callback in self.callbacks["error"]:
            try:
                callback(error, client)
            except Exception:
                log.exception("on_error callback failed")

    def call(self, kind: str, argument: Any, client: socket) -> None:
        """Call every callback of a kind that takes one argument."""
        for callback in self.callbacks[kind]:
            try:
                callback(argument)
            except Exception as error:  # noqa: BLE001 - reported, and the others still run
                self.report(error, client)


def not_found(request: HttpRequest, response: HttpResponse) -> None:
    """Answer 404 (Blade's none_handler)."""
    del request
    answer_plainly(response, 404)


def error_response(status: int) -> HttpResponse:
    """Return the server's own answer with an error status."""
    response = HttpResponse.for_server()
    answer_plainly(response, status)
    return response


def answer_plainly(response: HttpResponse, status: int) -> None:
    """Make a response say its status as plain text, such as "404 - Not Found."."""
    response.status = status
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.body = f"{status} - {phrase(status)}."


def checked_headers(response: HttpResponse) -> Headers:
    """Return a response's headers, checked if a handler put something else in their place.

    Raises:
        InvalidHeader: A field cannot be sent.
        TypeError: They are not fields at all.
    """
    headers = response.headers
    return headers if isinstance(headers, Headers) else Headers(headers)


def check_callable(function: Callable[..., Any], arguments: int, name: str) -> None:
    """Raise if a function cannot be called with a number of arguments.

    Raises:
        TypeError: It is not callable, or takes another number.
    """
    if not callable(function):
        raise TypeError(f"{name} takes a function, not {type(function).__name__}")
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # a builtin that does not say
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        raise TypeError(f"{name} takes a function of {arguments} arguments: {error}") from error
