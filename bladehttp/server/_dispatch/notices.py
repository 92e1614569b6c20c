"""Notices: the callbacks that are told of an event and answer nothing, and the log of errors.

These are on_connect, on_disconnect, on_reply, on_answered and on_error, and the functions given to
call_soon and call_later. An exception of theirs is reported, and the others still run.
"""

import logging
import threading
from collections.abc import Callable
from math import inf
from socket import socket
from time import monotonic
from typing import Any

from bladehttp._data.self_request import is_shortage
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.access_log import AccessLog, Answered, Parts, request_id
from bladehttp.server._dispatch.callbacks import (
    CALLBACKS,
    as_sent,
    check_notice,
    check_unchanged,
    name_of,
)
from bladehttp.server._dispatch.loop_thread import EXITS, LoopThread

log = logging.getLogger("bladehttp.server")

LONGEST_TARGET = 200
"""Most characters of a request target in the log."""


class Notices:
    """Calls the callbacks of events, and reports errors.

    Attributes:
        slow: Seconds after which a callback that blocks the loop is logged.
    """

    __slots__ = ("_callbacks", "_thread", "slow")

    def __init__(self, callbacks: dict[str, list[Callable[..., Any]]], thread: LoopThread) -> None:
        """Take the functions of each kind, which may become more, and the thread of the loop."""
        self._callbacks = callbacks
        self._thread = thread
        self.slow: float = inf

    def call(self, kind: str, argument: Any, client: socket | None) -> None:
        """Call every callback of a kind that takes one argument."""
        for callback in self._callbacks[kind]:
            begun = monotonic()
            try:
                value = callback(argument)
                if value is not None:
                    check_notice(callback, value)
            except BaseException as error:  # noqa: BLE001 - reported, and the others still run
                self.report(error, client)
            self.check_time(begun, kind, callback, None)

    def call_on_answered(self, parts: Parts, client: socket | None, now: float) -> float:
        """Call every on_answered.

        Args:
            parts: The values of the `Answered` that they receive.
            client: The client's socket, None under WSGI.
            now: The time on the monotonic clock.

        Returns:
            The time afterwards.
        """
        callbacks: list[Any] = self._callbacks["answered"]
        for callback in callbacks:
            try:
                if type(callback) is AccessLog:
                    callback.add(parts)
                else:
                    # The constructor of a named tuple takes three times the instructions.
                    value = callback(tuple.__new__(Answered, parts))
                    if value is not None:
                        check_notice(callback, value)
            except BaseException as error:  # noqa: BLE001 - as in `call`
                self.report(error, client, parts[1])
            ended = monotonic()
            if ended - now > self.slow:
                self._warn_slow_callback("answered", callback, ended - now, parts[1])
            now = ended
        return now

    def call_on_reply(
        self, request: HttpRequest | None, response: HttpResponse, client: socket | None
    ) -> None:
        """Call every on_reply, and report functions that change the response, which was sent."""
        for callback in self._callbacks["reply"]:
            sent, begun = as_sent(response), monotonic()
            try:
                check_notice(callback, callback(response))
                check_unchanged(callback, response, sent)
            except BaseException as error:  # noqa: BLE001 - as in `call`
                self.report(error, client, request)
            self.check_time(begun, "reply", callback, request)

    def call_scheduled(self, kind: str, function: Callable[[], object]) -> None:
        """Call a function that was given to call_soon or call_later; exceptions are reported."""
        begun = monotonic()
        try:
            check_notice(function, function())
        except BaseException as error:  # noqa: BLE001 - as in `call`
            self.report(error, None)
        self.check_time(begun, kind, function, None)

    def report(
        self,
        error: BaseException,
        client: socket | None,
        request: HttpRequest | None = None,
        *,
        ends: bool = True,
    ) -> None:
        """Log an error of the server or of a handler, call on_error, and end the loop for `EXITS`.

        Args:
            error: The error; its attribute ``request`` is set to the request.
            client: The client's socket, None if there is none.
            request: The request being answered, None if there is none.
            ends: Whether KeyboardInterrupt and SystemExit end the thread; False if another thread
                raised them.

        Raises:
            KeyboardInterrupt: On the main thread of a WSGI server, which handles it; or SystemExit.
        """
        thread, leaves = self._thread, ends and isinstance(error, EXITS)
        if leaves and not thread.is_current() and _is_main_thread():
            raise error
        attach_request(error, request)
        if is_shortage(error):  # no bug, and it comes in hundreds: no traceback
            log.error("%s: %s", origin_of(request, client), error)
        else:
            log.error("%s: %r", origin_of(request, client), error, exc_info=error)
        for callback in self._callbacks["error"]:
            begun = monotonic()
            try:
                callback(error, client)
            except BaseException as another:
                log.exception("on_error callback failed")
                thread.end(another)
            self.check_time(begun, "error", callback, request)
        if leaves:
            thread.end(error)

    def check_time(
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
        if took > self.slow:
            self._warn_slow_callback(kind, function, took, request)

    def _warn_slow_callback(
        self, kind: str, function: Callable[..., Any], took: float, request: HttpRequest | None
    ) -> None:
        if self._thread.is_current():
            kind_name = CALLBACKS[kind].name if kind in CALLBACKS else kind
            self.warn_slow(f"{kind_name} {name_of(function)}", took, request)

    def warn_slow(self, name: str, seconds: float, request: HttpRequest | None = None) -> None:
        """Log user code that has blocked the loop, with the request it ran for."""
        what = f"{name} for {describe(request)}" if request is not None else name
        log.warning("%s blocked the server for %.0f ms", what, seconds * 1000)


def describe(request: HttpRequest) -> str:
    """Return a request for logs: method, target and client."""
    target = request.request_uri[:LONGEST_TARGET]
    what = f"{request.method or 'a request'} {target}".rstrip()
    name = request_id(request)
    return f"{what} from {request.ip or 'a client'}{f' ({name})' if name else ''}"


def origin_of(request: HttpRequest | None, client: socket | None) -> str:
    """Return the origin of an error for logs: a request, a client or the server."""
    if request is not None:
        return describe(request)
    try:
        peer = client.getpeername() if client is not None else None
    except OSError:  # gone
        peer = None
    return f"client {peer[0]}" if isinstance(peer, tuple) else "server"


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def attach_request(error: BaseException, request: HttpRequest | None) -> None:
    """Set the attribute ``request`` of an exception for on_error."""
    try:  # past what a frozen dataclass of an exception says to it
        BaseException.__setattr__(error, "request", request)
    except (AttributeError, TypeError):
        pass  # a property of its own: it has something else under that name
