"""Dispatcher: the callbacks and routes of a server, and error handling around them.

Every method that runs user code returns normally, whatever that code raises, with one exception:
each request is answered and the loop continues. KeyboardInterrupt and SystemExit are reported and
answered like other exceptions; raised on the thread of the server's loop, they also end the loop
once pending bytes are sent. The exception: on the main thread of a WSGI server, which has no loop
to end, these two are raised to the WSGI server.

The parts: `Notices` calls the callbacks that answer nothing, and reports errors; `Failures` makes
the responses to requests that fail; `own_responses` has those with nothing but a status;
`LoopThread` calls functions for other threads.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from socket import socket
from time import monotonic
from typing import Any

from bladehttp._message.aborts import Abort
from bladehttp._message.deferred import Channel, Deferred, Offloaded
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DEFAULT_HEAD, DefaultHead
from bladehttp._wire.limits import Limits
from bladehttp._wire.request_line import RequestLine
from bladehttp.exceptions import ProtocolError
from bladehttp.server._dispatch.callbacks import (
    CALLBACKS,
    check_callable,
    check_guard,
    check_not_deferred,
    check_value,
    is_coroutine_function,
)
from bladehttp.server._dispatch.chain import Chain
from bladehttp.server._dispatch.failures import Failures
from bladehttp.server._dispatch.loop_thread import LoopThread
from bladehttp.server._dispatch.notices import Notices, describe
from bladehttp.server._dispatch.own_responses import (
    answer_with_status,
    error_response,
    not_found,
)
from bladehttp.server._dispatch.request_log import RequestLog
from bladehttp.server._dispatch.routes import Handler, Route, RouteOptions, Routes
from bladehttp.server._dispatch.workers import Coroutines, Workers

log = logging.getLogger("bladehttp.server")

# By a name of its own: on CPython 3.11 looking a static method up by its class takes 150
# instructions more.
new_response = HttpResponse.for_server

RESPONSE_CALLBACKS = ("after", "reply", "answered")
"""The kinds of callbacks that receive responses; most servers have none."""


class Dispatcher:
    """Holds the callbacks and routes, and calls them.

    Attributes:
        blank: The default head of every response.
        callbacks: The functions of each kind.
        coroutines: Runs coroutine functions.
        failures: Makes the responses to requests that fail.
        guards: The before_request functions.
        has_coroutines: Whether any function is a coroutine function.
        handler_timeout: Longest time of a handler that does not run on the loop's thread, in
            milliseconds. 0: no limit.
        has_response_callbacks: Whether any after_request, on_reply or on_answered is registered.
        log: The record of requests; None: off.
        none_handler: Answers if there is neither an on_receive nor a route.
        notices: Calls the callbacks that answer nothing, and reports errors.
        receivers: The on_receive functions.
        routes: The routes, None as long as there are none.
        thread: The thread of the loop of the current run.
    """

    __slots__ = (
        "blank",
        "callbacks",
        "coroutines",
        "failures",
        "guards",
        "handler_timeout",
        "has_coroutines",
        "has_response_callbacks",
        "log",
        "none_handler",
        "notices",
        "receivers",
        "routes",
        "thread",
    )

    def __init__(self) -> None:
        """Start without callbacks; unknown paths are answered by `not_found`."""
        self.blank: DefaultHead = DEFAULT_HEAD
        self.callbacks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in CALLBACKS}
        self.guards: list[Callable[..., Any]] = self.callbacks["before"]
        self.coroutines: Coroutines = Coroutines()
        self.has_coroutines: bool = False
        self.handler_timeout: int = 0
        self.has_response_callbacks: bool = False
        self.log: RequestLog | None = None
        self.none_handler: Handler = not_found
        self.receivers: list[Callable[..., Any]] = self.callbacks["receive"]
        self.routes: Routes | None = None
        self.thread: LoopThread = LoopThread()
        self.notices: Notices = Notices(self.callbacks, self.thread)
        self.failures: Failures = Failures(self.callbacks, self.notices, self.thread)

    def configure(self, blank: DefaultHead, handler_timeout: int, max_offloaded: int) -> None:
        """Set the properties of the server that are read when it begins to run."""
        self.blank = self.failures.blank = blank
        self.handler_timeout = handler_timeout
        self.coroutines.most = max_offloaded

    def add(self, kind: str, function: Callable[..., Any]) -> None:
        """Add a callback of one kind.

        Raises:
            TypeError: The function does not take the arguments of its kind, or is a generator
                function, or a coroutine function of a kind that is not awaited.
        """
        name, arguments, is_awaited = CALLBACKS[kind]
        self._check(function, arguments, name, is_awaited)
        self.callbacks[kind].append(function)
        self.has_response_callbacks = any(self.callbacks[kind] for kind in RESPONSE_CALLBACKS)

    def _check(
        self, function: Callable[..., Any], arguments: int, name: str, is_awaited: bool = True
    ) -> None:
        check_callable(function, arguments, name, is_awaited)
        self.has_coroutines = self.has_coroutines or is_coroutine_function(function)

    def set_none_handler(self, handler: Handler) -> None:
        """Set the handler of requests that nothing else answers; see `HttpServer.none_handler`."""
        self._check(handler, 2, "none_handler")
        self.none_handler = handler

    def add_route(
        self,
        method: str,
        path: str,
        handler: Handler,
        offload: bool = False,
        options: RouteOptions | None = None,
    ) -> None:
        """Set the handler of a method and a path; see `Routes.add`."""
        self._check(handler, 2, "handle")
        self.routes = self.routes or Routes()
        self.routes.add(method, path, handler, offload, options)

    def limits_of(self, line: RequestLine, limits: Limits) -> Limits:
        """Return the limits of a request with a body: those of the server or of its route."""
        if self.routes is None or not self.routes.limit_bodies:
            return limits
        found = self.routes.find(line.method, line.decoded_path)
        if found is None or "max_body_size" not in found[0].options:
            return limits
        return replace(limits, body=found[0].options["max_body_size"])

    def mount(
        self,
        path: str,
        handler: Handler,
        method: str = "GET",
        offload: bool = False,
        options: RouteOptions | None = None,
    ) -> None:
        """Let a handler answer a path and every path below it; see `Routes.mount`."""
        self.routes = self.routes or Routes()
        self.routes.mount(method, path, handler, offload, options)

    def call_none_handler(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Call the current none_handler; return its coroutine if it is a coroutine function."""
        handler = self.none_handler
        if self.has_coroutines and is_coroutine_function(handler):
            return handler(request, response)
        return call_handler(handler, request, response)

    def respond(
        self, request: HttpRequest, client: socket | None, workers: Workers | None = None
    ) -> HttpResponse:
        """Answer a request: by before_request, else by every on_receive and the route.

        `Chain` calls the same functions in the same order where some are coroutine functions; it
        would cost every other request a generator.

        If one raises, on_error is called and the response is 500. `Abort` is a response.

        Args:
            request: The request.
            client: The client's socket, None under WSGI.
            workers: The thread pool for offloaded handlers; None: run them here.
        """
        if self.log is not None:
            self.log.add(request)
        response = new_response(self.blank)
        try:
            if self.has_coroutines:
                Chain(self, request, response, client, workers).start()
                return response
            if self.guards and self._is_answered_by_guard(request, response):
                return response
            for callback in self.receivers:
                value = callback(request, response)
                if value is not None and value is not response:
                    check_value(callback, value)
            if self.routes is not None or not self.receivers:
                self._route(request, response, client, workers)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is answered
            return self.failures.response_to_error(error, request, response, client)
        return response

    def _is_answered_by_guard(self, request: HttpRequest, response: HttpResponse) -> bool:
        for guard in self.guards:
            value = guard(request, response)
            if value is not None and value is not response:
                check_guard(guard, value)
            if response.is_answered:
                return True
        return False

    def _route(
        self,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        workers: Workers | None,
    ) -> None:
        """Call the route, or none_handler if there is no route and no callback has answered."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        if found is None:
            if not response.is_answered:
                self.answer_unrouted(request, response)
            return
        route, params = found
        if params:
            request.params = params
        if route.offload and workers is not None:
            self.offload(route, request, response, client, workers)
            return
        value = route.handler(request, response)
        if value is not None and value is not response:
            check_value(route.handler, value)

    def offload(
        self,
        route: Route,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        workers: Workers,
    ) -> None:
        """Run a handler on a worker thread, or answer 503 if the queue is full."""
        if response.deferred is not None:
            raise RuntimeError("response is deferred already: the handler cannot be offloaded")
        timeout = route.options.get("handler_timeout", self.handler_timeout)
        deferred = response.deferred = Offloaded(timeout)

        def work() -> None:
            try:
                call_handler(route.handler, request, response)
            except BaseException as error:  # noqa: BLE001 - reported on the server's thread
                if not deferred.fail(error):
                    self.report_late(error, deferred, request, response, client)
            else:
                deferred.send()

        if not workers.submit(work):
            response.deferred = None
            answer_with_status(response, 503)
            response.headers["Retry-After"] = "1"

    def report_late(
        self,
        error: BaseException,
        deferred: Deferred,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
    ) -> None:
        """Report an error of an offloaded handler whose response cannot be replaced any more.

        The client has left, or the head was sent at the first write to a channel: its body is cut,
        after the report, so that whoever sees the end can find the reason.
        """
        if not (deferred.given_up and isinstance(error, Abort)):
            self.thread.call_soon(partial(self.notices.report, error, client, request, ends=False))
        if isinstance(response.source, Channel):
            response.source.cut()

    def run_after_request(
        self, request: HttpRequest, response: HttpResponse, client: socket | None
    ) -> HttpResponse:
        """Run every after_request function on a response, the last registered first.

        Returns:
            The response, or its replacement if a function raised; the remaining functions run on
            the replacement.
        """
        for function in reversed(self.callbacks["after"]):
            deferred, begun = response.deferred, monotonic()
            try:
                call_handler(function, request, response)
                check_not_deferred(response, deferred)
            except BaseException as error:  # noqa: BLE001 - as in `respond`
                response = self.failures.response_to_error(error, request, response, client)
            self.notices.check_time(begun, "after", function, request)
        return response

    def changed(
        self,
        change: Callable[[HttpRequest, HttpResponse], None],
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
    ) -> HttpResponse:
        """Return a response after a change by the server itself, or 500 if that fails."""
        try:
            change(request, response)
        except Exception as error:  # noqa: BLE001 - as in `respond`
            return self.failures.response_to_error(error, request, response, client)
        return response

    def replace_unsendable(
        self,
        error: BaseException,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        write: Callable[[HttpResponse], object],
    ) -> HttpResponse:
        """Return the response that replaces one that cannot be sent.

        Args:
            error: The reason.
            request: The request.
            response: The response to discard.
            client: The client's socket, None under WSGI.
            write: Raises if a response cannot be sent; after_request may break the replacement,
                too.
        """
        response = self.run_after_request(
            request, self.failures.response_to_error(error, request, response, client), client
        )
        try:
            write(response)
        except Exception as another:  # noqa: BLE001 - as in `respond`
            response = self.failures.response_to_error(another, request, response, client)
        return response

    def answer_unrouted(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Answer a request that no on_receive and no route of its method takes.

        OPTIONS is answered with the methods of the path, other methods with 405 (RFC 9110 sections
        9.3.7 and 15.5.6). Paths without a route go to none_handler.

        Returns:
            None, or the coroutine of none_handler; see `call_none_handler`.
        """
        methods = self.routes.allowed(request.path) if self.routes else []
        if not methods:
            return self.call_none_handler(request, response)
        if request.method == "OPTIONS":
            response.status = 204
            response.headers.pop("Content-Type", None)
        else:
            answer_with_status(response, 405)
        response.headers["Allow"] = ", ".join(methods)
        return None

    def answer_early(self, request: HttpRequest) -> HttpResponse | None:
        """Return the final response to a request whose body no handler reads; None: read it."""
        if self.guards or self.receivers or self.none_handler is not not_found:
            return None
        if self.routes is not None and self.routes.find(request.method, request.path) is not None:
            return None
        response = new_response(self.blank)
        self.answer_unrouted(request, response)
        return response

    def settle_deferred(
        self,
        request: HttpRequest,
        response: HttpResponse,
        deferred: Deferred,
        client: socket | None,
        *,
        is_ending: bool = False,
    ) -> HttpResponse:
        """Return a deferred response, or its replacement if it failed or timed out.

        Args:
            request: The request.
            response: The response.
            deferred: Its deferral.
            client: The client's socket, None under WSGI.
            is_ending: Whether it has expired because the server ends.
        """
        if deferred.given_up:
            when = "before the server ended" if is_ending else f"within {deferred.timeout} ms"
            log.warning("deferred response not sent %s: %s", when, describe(request))
            self.failures.discard(response, client, request)
            return error_response(self.blank, 503)
        try:
            deferred.check()
        except BaseException as error:  # noqa: BLE001 - of another thread: it ends none here
            return self.failures.response_to_error(error, request, response, client, ends=False)
        return response

    def warn_slow_handler(self, request: HttpRequest, seconds: float) -> None:
        """Log a handler that has blocked the loop, by method and path of its route."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        name = found[0].name if found else f"on_receive of {request.method} {request.path}"
        self.notices.warn_slow(name, seconds)

    def refuse(
        self, error: ProtocolError, request: HttpRequest, client: socket | None
    ) -> HttpResponse:
        """Return the response to a malformed request, after after_request.

        Args:
            error: The reason.
            request: The part that was understood: method and path are "" if the request line was
                malformed, the headers are empty if one of them was.
            client: The client's socket, None under WSGI.
        """
        self.failures.notify_refused(error, request)
        return self.run_after_request(request, error_response(self.blank, error.status), client)


def call_handler(handler: Handler, request: HttpRequest, response: HttpResponse) -> None:
    """Call a handler.

    Raises:
        TypeError: It returned a value other than None or the response.
        BaseException: The handler raised it.
    """
    value = handler(request, response)
    if value is not None and value is not response:
        check_value(handler, value)
