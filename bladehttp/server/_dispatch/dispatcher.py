"""Dispatcher: the callbacks and routes of a server, and what happens when one fails.

Every function here that runs somebody's code returns normally whatever that code raises, so that
each request is answered and the loop goes on. KeyboardInterrupt and SystemExit are reported and
answered like the others; if they were raised on the thread of the server's loop, that ends as soon
as it has sent what it has. On the main thread of a WSGI server they go through to it.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import Any

from bladehttp._data.multidict import MissingValueError
from bladehttp._data.self_request import is_shortage
from bladehttp._message.aborts import Abort
from bladehttp._message.content import ContentError
from bladehttp._message.deferred import Deferred
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import DEFAULT_HEAD, HttpResponse
from bladehttp.exceptions import ProtocolError
from bladehttp.server._dispatch.access_log import request_id
from bladehttp.server._dispatch.callbacks import CALLBACKS, check_callable, check_value, name_of
from bladehttp.server._dispatch.request_log import RequestLog
from bladehttp.server._dispatch.routes import Handler, Route, Routes
from bladehttp.server._dispatch.workers import Workers
from bladehttp.server._net.loop import Loop
from bladehttp.status import phrase

log = logging.getLogger("bladehttp.server")

CLIENT_ERRORS = (ContentError, MissingValueError)
"""Raised by a request when a handler reads what is not there; nobody else raises them."""

ENDING = (KeyboardInterrupt, SystemExit)
"""What ends the thread it is raised on, other than any other exception."""

RESPONSE_CALLBACKS = ("after", "reply", "answered")
"""The kinds of callbacks that most answers of most servers need not be shown to."""

LONGEST_TARGET = 200
"""Most characters of a request's target in the log."""


class Dispatcher:
    """Holds the callbacks and routes, and calls them.

    Attributes:
        blank: The head every response starts with.
        callbacks: The functions of each kind.
        guards: Those of before_request.
        is_watched: Whether any function is called with responses, or of what becomes of them.
        log: Where requests are kept; None: nowhere.
        loop: The loop of the run that uses it, None while there is none.
        none_handler: What answers when there is neither on_receive nor route.
        routes: The routes, None as long as there are none.
    """

    __slots__ = (
        "blank",
        "callbacks",
        "guards",
        "has_response_callbacks",
        "log",
        "loop",
        "none_handler",
        "routes",
    )

    def __init__(self) -> None:
        """Start without any; what is not found is answered by `not_found`."""
        self.blank = DEFAULT_HEAD
        self.callbacks: dict[str, list[Callable[..., Any]]] = {kind: [] for kind in CALLBACKS}
        self.guards = self.callbacks["before"]
        self.has_response_callbacks = False
        self.log: RequestLog | None = None
        self.loop: Loop | None = None
        self.none_handler: Handler = not_found
        self.routes: Routes | None = None

    def add(self, kind: str, function: Callable[..., Any]) -> None:
        """Add a callback of one kind.

        Raises:
            TypeError: It cannot be called with the arguments of its kind, or would not run.
        """
        name, arguments = CALLBACKS[kind]
        check_callable(function, arguments, name)
        self.callbacks[kind].append(function)
        self.has_response_callbacks = any(self.callbacks[kind] for kind in RESPONSE_CALLBACKS)

    def add_route(self, method: str, path: str, handler: Handler, offload: bool = False) -> None:
        """Set the handler of a method and a path; see `Routes.add`."""
        check_callable(handler, 2, "handle")
        self.routes = self.routes or Routes()
        self.routes.add(method, path, handler, offload)

    def mount(self, path: str, handler: Handler) -> None:
        """Let a handler answer GET for a path and all below it; see `Routes.mount`."""
        self.routes = self.routes or Routes()
        self.routes.mount("GET", path, handler)

    def call_none_handler(self, request: HttpRequest, response: HttpResponse) -> None:
        """Call none_handler, whichever it is by then."""
        call_handler(self.none_handler, request, response)

    def respond(
        self, request: HttpRequest, client: socket | None, workers: Workers | None = None
    ) -> HttpResponse:
        """Have a request answered: by before_request, else by every on_receive and the route.

        If one raises, on_error is called and the answer is 500; `Abort` is an answer.

        Args:
            request: What is asked.
            client: Who asks.
            workers: Where handlers run that are to be offloaded; None: here, too.
        """
        if self.log is not None:
            self.log.add(request)
        response = HttpResponse.for_server(self.blank)
        try:
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
            call_handler(guard, request, response)
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
        """Call the route, or none_handler where there is no route and nothing has answered."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        if found is None:
            if not response.is_answered:
                self.answer_unrouted(request, response)
            return
        route, params = found
        if params:
            request.params = params
        if route.offload and workers is not None:
            self._offload(route, request, response, client, workers)
            return
        value = route.handler(request, response)
        if value is not None and value is not response:
            check_value(route.handler, value)

    def _offload(
        self,
        route: Route,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        workers: Workers,
    ) -> None:
        """Have a handler run by a worker, or answer 503 if there is no room for it."""
        if response.deferred is not None:
            raise RuntimeError("the answer is given later already, the handler cannot be offloaded")
        deferred = Deferred(0)

        def work() -> None:
            try:
                call_handler(route.handler, request, response)
            except BaseException as error:  # noqa: BLE001 - reported on the server's thread
                if not deferred.fail(error) and not isinstance(error, Abort):  # the client has gone
                    self._call_on_loop(partial(self.report, error, client, request, ends=False))
            else:
                deferred.send()

        if workers.submit(work):
            response.deferred = deferred
        else:
            answer_with_status(response, 503)
            response.headers["Retry-After"] = "1"

    def _call_on_loop(self, function: Callable[[], None]) -> None:
        """Call a function on the loop's thread, or here when there is no loop any more."""
        loop = self.loop
        if loop is None or loop.stopped:
            function()
        else:
            loop.call_soon(function)

    def finish(
        self, request: HttpRequest, response: HttpResponse, client: socket | None
    ) -> HttpResponse:
        """Run every after_request function on a response, the last registered first.

        Returns:
            The response, or what is sent in its place where one raised. Those that come after it
            are run on that.
        """
        for function in reversed(self.callbacks["after"]):
            deferred = response.deferred
            try:
                call_handler(function, request, response)
                check_not_deferred(response, deferred)
            except BaseException as error:  # noqa: BLE001 - as in `respond`
                response = self.response_to_error(error, request, response, client)
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
        """Return what is sent in place of a response whose handler has raised something.

        Args:
            error: What it raised.
            request: The request.
            response: The response, which is dropped.
            client: Who asks.
            ends: As of `report`.
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
        """Return what is sent in place of a response that cannot be.

        Args:
            error: What is wrong with it.
            request: The request.
            response: The response, which is dropped.
            client: Who asks.
            write: Raises if a response cannot be sent; after_request may make every one such.
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
        """Close what a response is streamed from; its close() is somebody's code, too."""
        if response.deferred is not None:
            response.deferred.give_up()
        try:
            response.close()
        except BaseException as error:  # noqa: BLE001 - reported
            self.report(error, client, request)

    def answer_unrouted(self, request: HttpRequest, response: HttpResponse) -> None:
        """Answer what neither an on_receive nor a route of this method takes.

        OPTIONS is told the methods of a path, others are told that theirs is not among them
        (RFC 9110 sections 9.3.7 and 15.5.6). What has no route is for none_handler.
        """
        methods = self.routes.allowed(request.path) if self.routes else []
        if not methods:
            self.call_none_handler(request, response)
            return
        if request.method == "OPTIONS":
            response.status = 204
            response.headers.pop("Content-Type", None)
        else:
            answer_with_status(response, 405)
        response.headers["Allow"] = ", ".join(methods)

    def answer_early(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a request whose body nobody would read; None: it is wanted."""
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
        """Return the answer that was given later, or the one in its place if none was."""
        if deferred.given_up:
            log.warning("no answer within %d ms to %s", deferred.timeout, describe(request))
            self.discard(response, client, request)
            return self.error_response(503)
        try:
            deferred.check()
        except BaseException as error:  # noqa: BLE001 - as in `respond`
            return self.response_to_error(error, request, response, client, ends=False)
        return response

    def call_guarded(self, function: Callable[[], object]) -> None:
        """Call a function that is nobody's request; what it raises is reported."""
        try:
            check_notice(function, function())
        except BaseException as error:  # noqa: BLE001 - as in `respond`
            self.report(error, None)

    def name(self, request: HttpRequest) -> str:
        """Return what answers a request, for logs: method and path of a route as registered."""
        found = self.routes.find(request.method, request.path) if self.routes else None
        return found[0].name if found else f"on_receive of {request.method} {request.path}"

    def _client_error(
        self, error: ContentError | MissingValueError, request: HttpRequest | None
    ) -> HttpResponse:
        """Return the answer to a request whose content cannot be used, as a handler found out."""
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
        """Report what a handler raised and return the answer to its request.

        It is 500, or 503 where descriptors have run out: later there may be some.
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
        """Log an error that is the server's or a handler's fault and call on_error.

        Args:
            error: The error; the request becomes its attribute ``request``.
            client: The client's socket, None where there is none.
            request: What was being answered, None where it was none.
            ends: Whether KeyboardInterrupt and SystemExit end the thread: not those that another
                thread has raised.

        Raises:
            KeyboardInterrupt: On the main thread of a WSGI server, whose it is; or SystemExit.
        """
        leaves = ends and isinstance(error, ENDING)
        if leaves and not self._on_loop() and threading.current_thread() is threading.main_thread():
            raise error
        _attach_request(error, request)
        if is_shortage(error):  # nobody's mistake, and it comes in hundreds
            log.error("%s: %s", _origin(request, client), error)
        else:
            log.error("%s: %r", _origin(request, client), error, exc_info=error)
        for callback in self.callbacks["error"]:
            try:
                callback(error, client)
            except BaseException as another:
                log.exception("on_error callback failed")
                self._end(another)
        if leaves:
            self._end(error)

    def _on_loop(self) -> bool:
        return self.loop is not None and self.loop.is_own_thread()

    def _end(self, error: BaseException) -> None:
        """End the loop if this is its thread and the error one that does."""
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
            try:
                check_notice(callback, callback(argument))
            except BaseException as error:  # noqa: BLE001 - reported, and the others still run
                self.report(error, client, request)

    def call_on_reply(
        self, request: HttpRequest | None, response: HttpResponse, client: socket | None
    ) -> None:
        """Call every on_reply, and report one that changes what is sent already."""
        for callback in self.callbacks["reply"]:
            sent = _as_sent(response)
            try:
                check_notice(callback, callback(response))
                check_unchanged(callback, response, sent)
            except BaseException as error:  # noqa: BLE001 - as in `call`
                self.report(error, client, request)

    def refuse(
        self, error: ProtocolError, request: HttpRequest, client: socket | None
    ) -> HttpResponse:
        """Return the answer to a request that is refused, as after_request leaves it.

        Args:
            error: What is wrong with it.
            request: As much of it as was understood: the method and the path are "" where the
                request line was not, the headers are empty where one of them was not.
            client: Who asks.
        """
        self._notify_refused(error, request)
        return self.finish(request, self.error_response(error.status), client)

    def error_response(self, status: int) -> HttpResponse:
        """Return the server's own answer with an error status."""
        response = HttpResponse.for_server(self.blank)
        answer_with_status(response, status)
        return response

    def response_of_abort(self, abort: Abort) -> HttpResponse:
        """Return the answer that an `Abort` is."""
        response = HttpResponse.for_server(self.blank)
        response.status = abort.status
        for name in abort.headers:
            response.headers.pop(name, None)
        response.headers.extend(abort.headers)
        response.body = abort.body
        return response


def call_handler(handler: Handler, request: HttpRequest, response: HttpResponse) -> None:
    """Call a handler.

    Raises:
        TypeError: It has returned something, other than the response.
        BaseException: What it raises.
    """
    value = handler(request, response)
    if value is not None and value is not response:
        check_value(handler, value)


def check_notice(function: Callable[..., object], value: object) -> None:
    """Ignore what a callback has returned that answers nothing, unless it has not run.

    Raises:
        TypeError: It has returned a coroutine.
    """
    if value is not None and hasattr(value, "__await__"):
        check_value(function, value)


def _as_sent(response: HttpResponse) -> object:
    """Return what of a response has been sent, to see whether it is changed."""
    try:
        return response.as_sent(), id(response.source)
    except (TypeError, ValueError):  # headers that cannot be sent have been put in their place
        return None


def check_unchanged(callback: Callable[..., object], response: HttpResponse, sent: object) -> None:
    """Raise if a callback has changed an answer that is sent.

    Raises:
        RuntimeError: It has.
    """
    if _as_sent(response) != sent:
        raise RuntimeError(
            f"{name_of(callback)} changed an answer whose head is sent: use after_request"
        )


def check_not_deferred(response: HttpResponse, deferred: Deferred | None) -> None:
    """Raise if a response has been deferred since.

    Raises:
        RuntimeError: It has.
    """
    if response.deferred is not deferred:
        raise RuntimeError("after_request is too late to give the answer later")


def not_found(request: HttpRequest, response: HttpResponse) -> None:
    """Answer 404 (Blade's none_handler)."""
    del request
    answer_with_status(response, 404)


def answer_with_status(response: HttpResponse, status: int) -> None:
    """Make a response say its status as plain text, such as "404 - Not Found.".

    Caches may keep some errors without being told to (RFC 9111 section 4.2.2): not these.
    """
    response.status = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.body = f"{status} - {phrase(status)}."


def describe(request: HttpRequest) -> str:
    """Return a request as logs tell it: method, target and who asks."""
    target = request.request_uri[:LONGEST_TARGET]
    what = f"{request.method or 'a request'} {target}".rstrip()
    name = request_id(request)
    return f"{what} from {request.ip or 'a client'}{f' ({name})' if name else ''}"


def _origin(request: HttpRequest | None, client: socket | None) -> str:
    """Return where an error has happened."""
    if request is not None:
        return describe(request)
    try:
        peer = client.getpeername() if client is not None else None
    except OSError:  # gone
        peer = None
    return f"client {peer[0]}" if isinstance(peer, tuple) else "server"


def _attach_request(error: BaseException, request: HttpRequest | None) -> None:
    try:  # past what a frozen dataclass of an exception says to it
        BaseException.__setattr__(error, "request", request)
    except (AttributeError, TypeError):
        pass  # a property of its own: it has something else under that name
