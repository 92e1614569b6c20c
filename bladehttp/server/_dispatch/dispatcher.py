"""Dispatcher: the callbacks and routes of a server, and error handling around them.

Every method that runs user code returns normally, whatever that code raises: each request is
answered and the loop continues. KeyboardInterrupt and SystemExit are reported and answered like
other exceptions; raised on the thread of the server's loop, they also end the loop once pending
bytes are sent. On the main thread of a WSGI server they propagate to it.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from socket import socket
from time import monotonic
from typing import Any

from bladehttp._data.multidict import MissingValueError
from bladehttp._data.self_request import is_shortage
from bladehttp._message.aborts import Abort
from bladehttp._message.content import ContentError
from bladehttp._message.deferred import Channel, Deferred, Offloaded
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DEFAULT_HEAD, DefaultHead
from bladehttp._wire.head import RequestLine
from bladehttp._wire.limits import Limits
from bladehttp.exceptions import ProtocolError
from bladehttp.server._dispatch.callbacks import (
    CALLBACKS,
    as_sent,
    check_callable,
    check_guard,
    check_not_deferred,
    check_notice,
    check_unchanged,
    check_value,
    is_coroutine_function,
    name_of,
)
from bladehttp.server._dispatch.chain import ENDING, Chain
from bladehttp.server._dispatch.own_responses import (
    answer_with_status,
    attach_request,
    describe,
    not_found,
    origin_of,
)
from bladehttp.server._dispatch.request_log import RequestLog
from bladehttp.server._dispatch.routes import Handler, Route, RouteOptions, Routes
from bladehttp.server._dispatch.workers import Coroutines, Workers
from bladehttp.server._net.loop import Loop
from bladehttp.status import phrase

log = logging.getLogger("bladehttp.server")

CLIENT_ERRORS = (ContentError, MissingValueError)
"""Errors of the client, raised when a handler reads missing or malformed content of a request."""

RESPONSE_CALLBACKS = ("after", "reply", "answered")
"""The kinds of callbacks that receive responses; most servers have none."""


class Dispatcher:
    """Holds the callbacks and routes, and calls them.

    Attributes:
        blank: The default head of every response.
        callbacks: The functions of each kind.
        coroutines: Runs coroutine functions.
        guards: The before_request functions.
        has_coroutines: Whether any function is a coroutine function.
        handler_timeout: Longest time of a handler that does not run on the loop's thread, in
            milliseconds. 0: no limit.
        has_response_callbacks: Whether any after_request, on_reply or on_answered is registered.
        log: The record of requests; None: off.
        loop: The loop of the current run, None if there is none.
        none_handler: Answers if there is neither an on_receive nor a route.
        routes: The routes, None as long as there are none.
        slow: Seconds after which a callback that blocks the loop is logged.
    """

    __slots__ = (
        "_late",
        "blank",
        "callbacks",
        "coroutines",
        "guards",
        "handler_timeout",
        "has_coroutines",
        "has_response_callbacks",
        "log",
        "loop",
        "none_handler",
        "routes",
        "slow",
    )

    def __init__(self) -> None:
        """Start without callbacks; unknown paths are answered by `not_found`."""
        self.blank: DefaultHead = DEFAULT_HEAD
        self.callbacks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in CALLBACKS}
        self.guards: list[Callable[..., Any]] = self.callbacks["before"]
        self._late: deque[Callable[[], None]] = deque()
        self.coroutines: Coroutines = Coroutines()
        self.has_coroutines: bool = False
        self.handler_timeout: int = 0
        self.has_response_callbacks: bool = False
        self.log: RequestLog | None = None
        self.loop: Loop | None = None
        self.none_handler: Handler = not_found
        self.routes: Routes | None = None
        self.slow: float = inf

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

        If one raises, on_error is called and the response is 500. `Abort` is a response.

        Args:
            request: The request.
            client: The client's socket, None under WSGI.
            workers: The thread pool for offloaded handlers; None: run them here.
        """
        if self.log is not None:
            self.log.add(request)
        response = HttpResponse.for_server(self.blank)
        try:
            if self.has_coroutines:
                Chain(self, request, response, client, workers).start()
                return response
            if self.guards and self._is_answered_by_guard(request, response):
                return response
            receive = self.callbacks["receive"]
            for callback in receive:
                value = callback(request, response)
                if value is not None and value is not response:
                    check_value(callback, value)
            if self.routes is not None or not receive:
                self._route(request, response, client, workers)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is answered
            return self.response_to_error(error, request, response, client)
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

        The client has left, or the head was sent at the first write to a channel: its body is cut.
        """
        if isinstance(response.source, Channel):
            response.source.cut()
        if not (deferred.given_up and isinstance(error, Abort)):
            self.call_on_loop(partial(self.report, error, client, request, ends=False))

    def call_on_loop(self, function: Callable[[], None]) -> None:
        """Call a function on the loop's thread, at the latest when the server has closed."""
        self._late.append(function)
        loop = self.loop
        if loop is None or loop.closed:
            self.call_late()
        else:
            loop.call_soon(self.call_late)

    def call_later(self, milliseconds: int, function: Callable[[], None]) -> Callable[[], None]:
        """Call a function on the loop's thread after some time, 0: never.

        Returns:
            A function that cancels it.
        """
        loop = self.loop
        if loop is None or not milliseconds:
            return _do_nothing
        return loop.call_later(milliseconds / 1000, function).cancel

    def call_late(self) -> None:
        """Call the functions of other threads that wait for the loop's thread."""
        while self._late:
            try:
                function = self._late.popleft()
            except IndexError:  # another thread was faster
                return
            function()

    def finish(
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
                response = self.response_to_error(error, request, response, client)
            self._check_time(begun, "after", function, request)
        return response

    def response_to_error(
        self,
        error: BaseException,
        request: HttpRequest | None,
        response: HttpResponse,
        client: socket | None,
        *,
        ends: bool = True,
    ) -> HttpResponse:
        """Return the response that replaces one whose handler raised.

        Args:
            error: The exception.
            request: The request.
            response: The response to discard.
            client: The client's socket, None under WSGI.
            ends: See `report`.
        """
        self.discard(response, client, request)
        if isinstance(error, Abort):
            return self.response_of_abort(error)
        if isinstance(error, CLIENT_ERRORS):
            return self._client_error(error, request)
        return self.server_error(error, client, request, ends=ends)

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
        response = self.finish(
            request, self.response_to_error(error, request, response, client), client
        )
        try:
            write(response)
        except Exception as another:  # noqa: BLE001 - as in `respond`
            response = self.response_to_error(another, request, response, client)
        return response

    def discard(
        self, response: HttpResponse, client: socket | None, request: HttpRequest | None = None
    ) -> None:
        """Close the source of a response; its close() is user code."""
        if response.deferred is not None:
            response.deferred.give_up()
        try:
            response.close()
        except BaseException as error:  # noqa: BLE001 - reported
            self.report(error, client, request)

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
        if self.guards or self.callbacks["receive"] or self.none_handler is not not_found:
            return None
        if self.routes is not None and self.routes.find(request.method, request.path) is not None:
            return None
        response = HttpResponse.for_server(self.blank)
        self.answer_unrouted(request, response)
        return response

    def finish_deferred(
        self,
        request: HttpRequest,
        response: HttpResponse,
        deferred: Deferred,
        client: socket | None,
    ) -> HttpResponse:
        """Return a deferred response, or its replacement if it failed or timed out."""
        if deferred.given_up:
            log.warning(
                "deferred response not sent within %d ms: %s", deferred.timeout, describe(request)
            )
            self.discard(response, client, request)
            return self.error_response(503)
        try:
            deferred.check()
        except BaseException as error:  # noqa: BLE001 - as in `respond`
            return self.response_to_error(error, request, response, client, ends=False)
        return response

    def call_guarded(self, kind: str, function: Callable[[], object]) -> None:
        """Call a function that was given to call_soon or call_later; exceptions are reported."""
        begun = monotonic()
        try:
            check_notice(function, function())
        except BaseException as error:  # noqa: BLE001 - as in `respond`
            self.report(error, None)
        self._check_time(begun, kind, function, None)

    def name(self, request: HttpRequest) -> str:
        """Return the name of the handler of a request, for logs: method and path of the route."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        return found[0].name if found else f"on_receive of {request.method} {request.path}"

    def _check_time(
        self, begun: float, kind: str, function: Callable[..., Any], request: HttpRequest | None
    ) -> None:
        """Log a callback that has blocked the loop too long.

        Args:
            begun: When it was called, in seconds.
            kind: Its kind of `CALLBACKS`, or the method that it was given to.
            function: The callback.
            request: The request it was called for, None if there is none.
        """
        took = monotonic() - begun
        if took > self.slow and self._on_loop():
            kind_name = CALLBACKS[kind].name if kind in CALLBACKS else kind
            self.warn_slow(f"{kind_name} {name_of(function)}", took, request)

    def warn_slow(self, name: str, seconds: float, request: HttpRequest | None = None) -> None:
        """Log user code that has blocked the loop, with the request it ran for."""
        what = f"{name} for {describe(request)}" if request is not None else name
        log.warning("%s blocked the server for %.0f ms", what, seconds * 1000)

    def _client_error(
        self, error: ContentError | MissingValueError, request: HttpRequest | None
    ) -> HttpResponse:
        """Return the response to a request whose content proved malformed in a handler."""
        if request is not None:
            self._notify_refused(error, request)
        response = self.error_response(error.status)
        if isinstance(error, MissingValueError):
            response.body = f"{error.status} - {phrase(error.status)}. {error} is missing."
        return response

    def _notify_refused(
        self, error: ProtocolError | MissingValueError, request: HttpRequest
    ) -> None:
        log.debug("refused %s with %d: %s", describe(request), error.status, error)
        for callback in self.callbacks["refused"]:
            callback(request, error)

    def server_error(
        self,
        error: BaseException,
        client: socket | None,
        request: HttpRequest | None = None,
        *,
        ends: bool = True,
    ) -> HttpResponse:
        """Report an exception of a handler and return the response to its request.

        500, or 503 with Retry-After if file descriptors have run out.
        """
        self.report(error, client, request, ends=ends)
        if is_shortage(error):
            response = self.error_response(503)
            response.headers["Retry-After"] = "1"
        else:
            response = self.error_response(500)
        if self.loop is not None and self.loop.stopped:
            response.headers["Connection"] = "close"
        return response

    def report(
        self,
        error: BaseException,
        client: socket | None,
        request: HttpRequest | None = None,
        *,
        ends: bool = True,
    ) -> None:
        """Log an error of the server or of a handler and call on_error.

        Args:
            error: The error; its attribute ``request`` is set to the request.
            client: The client's socket, None if there is none.
            request: The request being answered, None if there is none.
            ends: Whether KeyboardInterrupt and SystemExit end the thread; False if another thread
                raised them.

        Raises:
            KeyboardInterrupt: On the main thread of a WSGI server, which handles it; or SystemExit.
        """
        leaves = ends and isinstance(error, ENDING)
        if leaves and not self._on_loop() and threading.current_thread() is threading.main_thread():
            raise error
        attach_request(error, request)
        if is_shortage(error):  # no bug, and it comes in hundreds: no traceback
            log.error("%s: %s", origin_of(request, client), error)
        else:
            log.error("%s: %r", origin_of(request, client), error, exc_info=error)
        for callback in self.callbacks["error"]:
            begun = monotonic()
            try:
                callback(error, client)
            except BaseException as another:
                log.exception("on_error callback failed")
                self.end(another)
            self._check_time(begun, "error", callback, request)
        if leaves:
            self.end(error)

    def _on_loop(self) -> bool:
        return self.loop is not None and self.loop.is_own_thread()

    def end(self, error: BaseException) -> None:
        """End the loop if this is its thread and the error is one of `ENDING`."""
        if self.loop is not None and isinstance(error, ENDING) and self._on_loop():
            self.loop.end(error)

    def call(
        self,
        kind: str,
        argument: Any,
        client: socket | None,
        request: HttpRequest | None = None,
    ) -> None:
        """Call every callback of a kind that takes one argument."""
        for callback in self.callbacks[kind]:
            begun = monotonic()
            try:
                value = callback(argument)
                if value is not None:
                    check_notice(callback, value)
            except BaseException as error:  # noqa: BLE001 - reported, and the others still run
                self.report(error, client, request)
            self._check_time(begun, kind, callback, request)

    def call_on_reply(
        self, request: HttpRequest | None, response: HttpResponse, client: socket | None
    ) -> None:
        """Call every on_reply, and report functions that change the response, which was sent."""
        for callback in self.callbacks["reply"]:
            sent, begun = as_sent(response), monotonic()
            try:
                check_notice(callback, callback(response))
                check_unchanged(callback, response, sent)
            except BaseException as error:  # noqa: BLE001 - as in `call`
                self.report(error, client, request)
            self._check_time(begun, "reply", callback, request)

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
        self._notify_refused(error, request)
        return self.finish(request, self.error_response(error.status), client)

    def error_response(self, status: int) -> HttpResponse:
        """Return the server's own response with an error status."""
        response = HttpResponse.for_server(self.blank)
        answer_with_status(response, status)
        return response

    def response_of_abort(self, abort: Abort) -> HttpResponse:
        """Return the response that an `Abort` carries."""
        response = HttpResponse.for_server(self.blank)
        response.status = abort.status
        for name in abort.headers:
            response.headers.pop(name, None)
        response.headers.extend(abort.headers)
        response.body = abort.body
        return response


def _do_nothing() -> None:
    """Stand for the cancelling of a timer that there is not."""


def call_handler(handler: Handler, request: HttpRequest, response: HttpResponse) -> None:
    """Call a handler.

    Raises:
        TypeError: It returned a value other than None or the response.
        BaseException: The handler raised it.
    """
    value = handler(request, response)
    if value is not None and value is not response:
        check_value(handler, value)
