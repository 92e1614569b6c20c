"""Chain: the callbacks of one request, on a server that has coroutine functions among them.

A coroutine runs on an asyncio loop beside the server's (`event_loop`). Meanwhile the response is
deferred. When it has ended, the next callback runs: on the server's thread, unless it is a
coroutine function, too. So other callbacks need no locks, as ever. All of them share one context
(contextvars): a value that a guard sets is there in the handler.

A WSGI server has a thread for each request, which waits instead.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from inspect import iscoroutine
from queue import SimpleQueue
from socket import socket
from typing import Any, Protocol

from bladehttp._message.aborts import Abort
from bladehttp._message.deferred import Channel, Deferred, OfCoroutine
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.callbacks import check_guard, check_value, is_coroutine_function
from bladehttp.server._dispatch.loop_thread import EXITS, LoopThread
from bladehttp.server._dispatch.routes import Route, Routes
from bladehttp.server._dispatch.workers import Coroutines, Running, Workers

Waiting = tuple[Coroutine[Any, Any, Any], int]
"""A coroutine, and the milliseconds it may take; 0: any."""

Steps = Generator[Waiting, Any, None]


class DispatcherProtocol(Protocol):
    """The attributes of a dispatcher that are used here."""

    callbacks: dict[str, list[Callable[..., Any]]]
    handler_timeout: int
    none_handler: Callable[..., Any]
    routes: Routes | None
    thread: LoopThread

    def answer_unrouted(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Answer a request without a route."""

    def offload(
        self,
        route: Route,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        workers: Workers,
    ) -> None:
        """Run a handler on a worker thread."""

    coroutines: Coroutines

    def report_late(
        self,
        error: BaseException,
        deferred: Deferred,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
    ) -> None:
        """Report an error that is no response any more."""


class Chain:
    """The callbacks of one request."""

    __slots__ = (
        "_client",
        "_context",
        "_deferred",
        "_dispatcher",
        "_is_lost",
        "_request",
        "_response",
        "_running",
        "_steps",
        "_workers",
    )

    def __init__(
        self,
        dispatcher: DispatcherProtocol,
        request: HttpRequest,
        response: HttpResponse,
        client: socket | None,
        workers: Workers | None,
    ) -> None:
        """Take the arguments of `Dispatcher.respond`."""
        self._dispatcher = dispatcher
        self._request = request
        self._response = response
        self._client = client
        self._workers = workers
        self._steps: Steps = self._callbacks()
        self._context = copy_context()
        self._deferred: OfCoroutine | None = None
        self._is_lost = False
        self._running: Running | None = None

    def start(self) -> None:
        """Call the callbacks up to the first coroutine; under WSGI all of them.

        Raises:
            BaseException: A callback raised it, or an `Abort` if too many coroutines run.
        """
        if self._workers is None:
            self._run_here()
            return
        waiting = self._step(None, None)
        if waiting is not None:
            if self._response.deferred is not None:
                waiting[0].close()
                raise RuntimeError("response is deferred already: a coroutine cannot follow")
            self._deferred = deferred = OfCoroutine(0)
            deferred.then(self._decided)
            self._wait_for(waiting)

    def _callbacks(self) -> Steps:
        """Call every callback, and yield coroutines, whose values are sent back.

        In the order of `Dispatcher.respond`, which calls them where none is a coroutine function.
        """
        response, callbacks = self._response, self._dispatcher.callbacks
        for guard in callbacks["before"]:
            yield from self._call(guard, check_guard)
            if response.is_answered:
                return
        for callback in callbacks["receive"]:
            yield from self._call(callback, check_value)
        if self._dispatcher.routes is not None or not callbacks["receive"]:
            yield from self._route()

    def _route(self) -> Steps:
        """Call the route, or none_handler if there is no route and no callback has answered."""
        request, routes = self._request, self._dispatcher.routes
        found = routes.find(request.method, request.path) if routes else None
        if found is None:
            if not self._response.is_answered:
                yield from self._call(self._dispatcher.answer_unrouted, check_value, passes_on=True)
            return
        route, params = found
        if params:
            request.params = params
        if route.offload and self._workers is not None:
            dispatcher = self._dispatcher
            dispatcher.offload(route, self._request, self._response, self._client, self._workers)
            return
        timeout = route.options.get("handler_timeout", self._dispatcher.handler_timeout)
        yield from self._call(route.handler, check_value, timeout, passes_on=True)

    def _call(
        self,
        function: Callable[..., Any],
        check: Callable[[Callable[..., Any], object], None],
        timeout: int | None = None,
        passes_on: bool = False,
    ) -> Steps:
        """Call a function, wait for it if it is a coroutine function, and check its value.

        Args:
            function: The function.
            check: Raises if the value is not allowed.
            timeout: Milliseconds. None: those of the server.
            passes_on: Whether it may return what none_handler has returned.
        """
        value = function(self._request, self._response)
        awaited = self._dispatcher.none_handler if passes_on else function
        if iscoroutine(value) and any(map(is_coroutine_function, (function, awaited))):
            value = yield value, self._dispatcher.handler_timeout if timeout is None else timeout
        if value is not None and value is not self._response:
            check(function, value)

    def _wait_for(self, waiting: Waiting) -> None:
        """Run a coroutine on the event loop; go on when it has ended.

        Raises:
            Abort: There are too many.
        """
        coroutine, timeout = waiting
        deferred = self._deferred
        assert deferred is not None
        self._response.deferred = deferred
        cancel_timer = self._dispatcher.thread.call_later(
            timeout, partial(deferred.expire, timeout)
        )

        def done(value: Any, error: BaseException | None) -> None:
            cancel_timer()
            self._dispatcher.thread.call_soon(partial(self._go_on, value, error))

        deferred.ends_with_client = True
        running = self._dispatcher.coroutines.start(coroutine, self._context, done)
        if running is None:
            cancel_timer()
            raise unavailable({"Retry-After": "1"})
        self._running = running
        if deferred.is_decided:  # meanwhile, on the other thread
            self._decided()

    def _go_on(self, value: Any, error: BaseException | None) -> None:
        """Continue with the value or the exception of a coroutine, on the server's thread."""
        deferred, self._running = self._deferred, None
        assert deferred is not None
        deferred.ends_with_client = False
        if deferred.given_up:
            self._steps.close()
            self._report(error)
            return
        if isinstance(self._response.deferred, OfCoroutine):
            self._response.deferred = None  # callbacks may defer it
        try:
            waiting = self._step(value, error)
            if waiting is None:
                self._finish()
            else:
                self._wait_for(waiting)
        except BaseException as another:  # noqa: BLE001 - it is the response
            self._fail(another)
            if isinstance(another, EXITS) and another is not error:
                self._dispatcher.thread.call_soon(partial(self._dispatcher.thread.end, another))
        finally:
            del error  # its traceback refers to this frame

    def _step(self, value: Any, error: BaseException | None) -> Waiting | None:
        """Call callbacks up to the next coroutine, in the context of the request; None: the end.

        Nothing else may be in that context: the coroutine starts when this has returned.
        """
        try:
            if error is None:
                return self._context.run(self._steps.send, value)
            return self._context.run(self._steps.throw, error)
        except StopIteration:
            return None
        finally:
            del error  # its traceback refers to this frame

    def _finish(self) -> None:
        """Send the response: now, or when the one who has deferred it does."""
        outer, inner = self._deferred, self._response.deferred
        assert outer is not None
        if inner is None:
            self._response.deferred = outer
            outer.send()
            return
        cancel_timer = self._dispatcher.thread.call_later(inner.timeout, inner.give_up)

        def settle() -> None:
            cancel_timer()
            if inner.given_up:
                outer.expire(inner.timeout)
            elif (failure := inner.take_failure()) is not None:
                outer.fail(failure)
            else:
                outer.send()

        outer.then(inner.give_up)
        inner.then(settle)

    def _fail(self, error: BaseException) -> None:
        deferred = self._deferred
        assert deferred is not None
        if not deferred.fail(error):
            self._report(error)

    def _report(self, error: BaseException | None) -> None:
        """Report an error after the response was decided; cancelling is none."""
        deferred = self._deferred
        assert deferred is not None
        is_unheard = deferred.given_up or self._is_lost
        if error is None or (is_unheard and type(error).__name__ == "CancelledError"):
            return
        self._dispatcher.report_late(error, deferred, self._request, self._response, self._client)

    def _decided(self) -> None:
        """Cancel the coroutine if nobody waits for its response any more."""
        deferred, running, source = self._deferred, self._running, self._response.source
        if deferred is None or running is None:
            return
        if deferred.given_up:
            running.cancel()
        elif isinstance(source, Channel):  # it has written, and goes on
            source.when_lost(self._lost)

    def _lost(self) -> None:
        """Cancel the coroutine: the client that it writes to has left."""
        self._is_lost = True
        if self._running is not None:
            self._running.cancel()

    def _run_here(self) -> None:
        """Call all callbacks on this thread, which waits for coroutines."""
        waiting = self._step(None, None)
        while waiting is not None:
            waiting = self._step(*self._wait_here(*waiting))

    def _wait_here(
        self, coroutine: Coroutine[Any, Any, Any], timeout: int
    ) -> tuple[Any, BaseException | None]:
        outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        ended = Deferred(timeout)

        def done(value: Any, error: BaseException | None) -> None:
            outcome.put((value, error))
            ended.send()

        running = self._dispatcher.coroutines.start(coroutine, self._context, done)
        if running is None:
            raise unavailable({"Retry-After": "1"})
        try:
            ended.wait()
        finally:  # also of KeyboardInterrupt on this thread
            if ended.given_up or outcome.empty():
                running.cancel()
        if ended.given_up:
            raise unavailable({})
        return outcome.get()


def unavailable(fields: dict[str, str]) -> Abort:
    """Return the response to a request that cannot be answered now."""
    own = {"Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
    return Abort(503, b"503 - Service Unavailable.", {**own, **fields})
