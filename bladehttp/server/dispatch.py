"""Dispatcher: the callbacks and routes of a server, and what happens when one fails.

Every function here that runs somebody's code returns normally whatever that code raises;
only what is not an Exception (KeyboardInterrupt, SystemExit) goes through, to end the loop.
"""

import inspect
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from socket import socket
from typing import Any

from bladehttp.content import ContentError
from bladehttp.later import Deferred
from bladehttp.request import HttpRequest
from bladehttp.response import HttpResponse
from bladehttp.server.record import RequestLog
from bladehttp.server.routes import Handler, Params, Route, Routes
from bladehttp.server.workers import Workers
from bladehttp.status import phrase
from bladehttp.values import MissingValueError

log = logging.getLogger("bladehttp.server")

CLIENT_ERRORS = (ContentError, MissingValueError)
"""Raised by a request when a handler reads what is not there; nobody else raises them."""

CALLBACKS = {
    # kind: how many arguments its functions are called with
    "connect": 1,
    "disconnect": 1,
    "receive": 2,
    "reply": 1,
    "answered": 1,
    "error": 2,
}


class Dispatcher:
    """Holds the callbacks and routes, and calls them.

    Attributes:
        callbacks: The functions of each kind.
        log: Where requests are kept; None: nowhere.
        none_handler: What answers when there is neither on_receive nor route.
        routes: The routes, None as long as there are none.
    """

    __slots__ = ("callbacks", "log", "none_handler", "routes")

    def __init__(self) -> None:
        """Start without any; what is not found is answered by `not_found`."""
        self.callbacks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in CALLBACKS}
        self.log: RequestLog | None = None
        self.none_handler: Handler = not_found
        self.routes: Routes | None = None

    def add(self, kind: str, function: Callable[..., Any]) -> None:
        """Add a callback of one kind.

        Raises:
            TypeError: It cannot be called with the arguments of its kind.
        """
        check_callable(function, CALLBACKS[kind], f"on_{kind}")
        self.callbacks[kind].append(function)

    def add_route(self, method: str, path: str, handler: Handler, offload: bool = False) -> None:
        """Set the handler of a method and a path; see `Routes.add`."""
        check_callable(handler, 2, "handle")
        self.routes = self.routes or Routes()
        self.routes.add(method, path, handler, offload)

    def mount(self, path: str, handler: Handler) -> None:
        """Let a handler answer GET for a path and all below it; see `Routes.mount`."""
        self.routes = self.routes or Routes()
        self.routes.mount("GET", path, handler)

    def answer_none(self, request: HttpRequest, response: HttpResponse) -> None:
        """Call none_handler, whichever it is by then."""
        self.none_handler(request, response)

    def respond(
        self, request: HttpRequest, client: socket | None, workers: Workers | None = None
    ) -> HttpResponse:
        """Run every on_receive callback, then the route, on one response and return it.

        If one raises, on_error is called and the answer is 500.

        Args:
            request: What is asked.
            client: Who asks.
            workers: Where handlers run that are to be offloaded; None: here, too.
        """
        if self.log is not None:
            self.log.add(request)
        response = HttpResponse.for_server()
        receive = self.callbacks["receive"]
        try:
            for callback in receive:
                callback(request, response)
            if self.routes is not None:
                found = self.routes.find(request.method, request.path)
                if found is not None:
                    handle(*found, request, response, workers)
                elif not receive:
                    self.not_routed(request, response)
            elif not receive:
                self.none_handler(request, response)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is answered with 500
            self.discard(response, client)
            return self.failed(error, client)
        return response

    def discard(self, response: HttpResponse, client: socket | None) -> None:
        """Close what a response is streamed from; its close() is somebody's code, too."""
        if response.deferred is not None:
            response.deferred.give_up()
        try:
            response.close()
        except Exception as error:  # noqa: BLE001 - reported
            self.report(error, client)

    def not_routed(self, request: HttpRequest, response: HttpResponse) -> None:
        """Answer what neither an on_receive nor a route of this method takes.

        OPTIONS is told the methods of a path, others are told that theirs is not among them
        (RFC 9110 sections 9.3.7 and 15.5.6). What has no route is for none_handler.
        """
        methods = self.routes.allowed(request.path) if self.routes else []
        if not methods:
            self.none_handler(request, response)
            return
        if request.method == "OPTIONS":
            response.status = 204
            del response.headers["Content-Type"]
        else:
            answer_plainly(response, 405)
        response.headers["Allow"] = ", ".join(methods)

    def settled(
        self, response: HttpResponse, deferred: Deferred, client: socket | None
    ) -> HttpResponse:
        """Return the answer that was given later, or the one in its place if none was."""
        try:
            deferred.check()
        except CancelledError:
            log.warning("no answer within %d ms", deferred.timeout)
            response.close()
            return error_response(503)
        except Exception as error:  # noqa: BLE001 - as in `respond`
            response.close()
            return self.failed(error, client)
        return response

    def guarded(self, function: Callable[[], object]) -> None:
        """Call a function that is nobody's request; what it raises is reported."""
        try:
            function()
        except Exception as error:  # noqa: BLE001 - as in `respond`
            self.report(error, None)

    def name(self, request: HttpRequest) -> str:
        """Return what answers a request, for logs: method and path of a route as registered."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        return found[0].name if found else f"on_receive of {request.method} {request.path}"

    def failed(self, error: Exception, client: socket | None) -> HttpResponse:
        """Report what a handler raised and return the answer to its request.

        Not every exception is the handler's fault: see `refused`.
        """
        if isinstance(error, CLIENT_ERRORS):
            return self.refused(error)
        self.report(error, client)
        return error_response(500)

    def refused(self, error: ContentError | MissingValueError) -> HttpResponse:
        """Return the answer to a request whose content cannot be used, as a handler found out."""
        log.debug("refused with %d: %s", error.status, error)
        response = error_response(error.status)
        if isinstance(error, MissingValueError):
            response.body = f"{error.status} - {phrase(error.status)}. {error} is missing."
        return response

    def report(self, error: Exception, client: socket | None) -> None:
        """Log an error that is the server's or a handler's fault and call on_error."""
        log.error("error with a client: %r", error, exc_info=error)
        for callback in self.callbacks["error"]:
            try:
                callback(error, client)
            except Exception:
                log.exception("on_error callback failed")

    def call(self, kind: str, argument: Any, client: socket | None) -> None:
        """Call every callback of a kind that takes one argument."""
        for callback in self.callbacks[kind]:
            try:
                callback(argument)
            except Exception as error:  # noqa: BLE001 - reported, and the others still run
                self.report(error, client)


def handle(
    route: Route,
    params: Params | None,
    request: HttpRequest,
    response: HttpResponse,
    workers: Workers | None,
) -> None:
    """Have a route's handler answer."""
    if params:
        request.params = params
    if route.offload and workers is not None:
        offload(route.handler, request, response, workers)
    else:
        route.handler(request, response)


def not_found(request: HttpRequest, response: HttpResponse) -> None:
    """Answer 404 (Blade's none_handler)."""
    del request
    answer_plainly(response, 404)


def offload(
    handler: Handler, request: HttpRequest, response: HttpResponse, workers: Workers
) -> None:
    """Have a handler run by a worker, or answer 503 if there is no room for it."""
    deferred = Deferred(0)

    def work() -> None:
        try:
            handler(request, response)
        except Exception as error:  # noqa: BLE001 - reported on the server's thread
            deferred.fail(error)
        else:
            deferred.send()

    if workers.submit(work):
        response.deferred = deferred
    else:
        answer_plainly(response, 503)
        response.headers["Retry-After"] = "1"


def error_response(status: int) -> HttpResponse:
    """Return the server's own answer with an error status."""
    response = HttpResponse.for_server()
    answer_plainly(response, status)
    return response


def answer_plainly(response: HttpResponse, status: int) -> None:
    """Make a response say its status as plain text, such as "404 - Not Found.".

    Caches may keep some errors without being told to (RFC 9111 section 4.2.2): not these.
    """
    response.status = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.body = f"{status} - {phrase(status)}."


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
