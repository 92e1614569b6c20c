"""Failures: the responses to requests that fail, in place of those of their handlers.

docs/server/guards.md has a table of every way a handler can end. Which exceptions end the server is
in `LoopThread.end`.
"""

import logging
from collections.abc import Callable
from socket import socket
from typing import Any

from bladehttp._data.multidict import MissingValueError
from bladehttp._data.self_request import is_shortage
from bladehttp._message.aborts import Abort
from bladehttp._message.content import ContentError
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DEFAULT_HEAD, DefaultHead
from bladehttp.exceptions import ProtocolError
from bladehttp.server._dispatch.loop_thread import LoopThread
from bladehttp.server._dispatch.notices import Notices, describe
from bladehttp.server._dispatch.own_responses import error_response, response_of_abort
from bladehttp.status import phrase

log = logging.getLogger("bladehttp.server")

CLIENT_ERRORS = (ContentError, MissingValueError)
"""Errors of the client, raised when a handler reads what is malformed or missing in a request."""


class Failures:
    """Makes the responses to requests that fail, and tells those who are to know.

    Attributes:
        blank: The default head of every response.
    """

    __slots__ = ("_callbacks", "_notices", "_thread", "blank")

    def __init__(
        self,
        callbacks: dict[str, list[Callable[..., Any]]],
        notices: Notices,
        thread: LoopThread,
    ) -> None:
        """Take the functions of each kind, which may become more, and who is told of errors."""
        self._callbacks = callbacks
        self._notices = notices
        self._thread = thread
        self.blank: DefaultHead = DEFAULT_HEAD

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
            ends: See `Notices.report`.
        """
        self.discard(response, client, request)
        if isinstance(error, Abort):
            return response_of_abort(self.blank, error)
        if isinstance(error, CLIENT_ERRORS):
            return self._client_error(error, request)
        return self.server_error(error, client, request, ends=ends)

    def _client_error(
        self, error: ContentError | MissingValueError, request: HttpRequest | None
    ) -> HttpResponse:
        """Return the response to a request that a handler found malformed or incomplete."""
        if request is not None:
            self.notify_refused(error, request)
        response = error_response(self.blank, error.status)
        if isinstance(error, MissingValueError):
            response.body = f"{error.status} - {phrase(error.status)}. {error} is missing."
        return response

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
        self._notices.report(error, client, request, ends=ends)
        if is_shortage(error):
            response = error_response(self.blank, 503)
            response.headers["Retry-After"] = "1"
        else:
            response = error_response(self.blank, 500)
        if self._thread.is_stopping:
            response.headers["Connection"] = "close"
        return response

    def notify_refused(
        self, error: ProtocolError | MissingValueError, request: HttpRequest
    ) -> None:
        """Log a refused request and tell those who count refusals."""
        log.debug("refused %s with %d: %s", describe(request), error.status, error)
        for callback in self._callbacks["refused"]:
            callback(request, error)

    def discard(
        self, response: HttpResponse, client: socket | None, request: HttpRequest | None = None
    ) -> None:
        """Close the source of a response; its close() is user code."""
        if response.deferred is not None:
            response.deferred.give_up()
        try:
            response.close()
        except BaseException as error:  # noqa: BLE001 - reported
            self._notices.report(error, client, request)
