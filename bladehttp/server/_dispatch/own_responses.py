"""The server's own responses."""

from bladehttp._message.aborts import Abort
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DefaultHead
from bladehttp.status import phrase


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


def error_response(blank: DefaultHead, status: int) -> HttpResponse:
    """Return a response with an error status, made of the default head."""
    response = HttpResponse.for_server(blank)
    answer_with_status(response, status)
    return response


def response_of_abort(blank: DefaultHead, abort: Abort) -> HttpResponse:
    """Return the response that an `Abort` carries, made of the default head."""
    response = HttpResponse.for_server(blank)
    response.status = abort.status
    for name in abort.headers:
        response.headers.pop(name, None)
    response.headers.extend(abort.headers)
    response.body = abort.body
    return response
