"""The server's own responses, and what its log says about requests."""

from socket import socket

from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server._dispatch.access_log import request_id
from bladehttp.status import phrase

LONGEST_TARGET = 200
"""Most characters of a request target in the log."""


def not_found(request: HttpRequest, response: HttpResponse) -> None:
    """Answer 404 (Blade's none_handler)."""
    del request
    answer_with_status(response, 404)


def answer_with_status(response: HttpResponse, status: int) -> None:
    """Set a response to its status as plain text, such as "404 - Not Found.".

    Cache-Control: no-store, since caches may store some errors by default (RFC 9111 section 4.2.2).
    """
    response.status = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.body = f"{status} - {phrase(status)}."


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


def attach_request(error: BaseException, request: HttpRequest | None) -> None:
    """Set the attribute ``request`` of an exception for on_error."""
    try:  # past what a frozen dataclass of an exception says to it
        BaseException.__setattr__(error, "request", request)
    except (AttributeError, TypeError):
        pass  # a property of its own: it has something else under that name
