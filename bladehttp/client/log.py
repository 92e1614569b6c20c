"""Log: what the client says under ``bladehttp.client``, as hooks.

Everything is at level DEBUG. While that is off for a logger it costs one look-up for a request.
"""

import logging

from bladehttp._message.response import HttpResponse
from bladehttp.client.hooks import Hooks, Outgoing
from bladehttp.client.redact import redact

logger = logging.getLogger("bladehttp.client")


def _request(request: Outgoing) -> None:
    logger.debug("%s %s", request.method, redact(request.url))


def _response(request: Outgoing, response: HttpResponse) -> None:
    text = "%s %s: %d in %.1f ms"
    logger.debug(text, request.method, redact(request.url), response.status, response.time_taken)


def _redirect(request: Outgoing, response: HttpResponse) -> None:
    location = redact(response.headers.get("Location", ""))
    logger.debug("%s %s: %d to %r", request.method, redact(request.url), response.status, location)


def _retry(request: Outgoing, result: object, delay: float) -> None:
    what = result.status if isinstance(result, HttpResponse) else _told(result)
    text = "%s %s: %s, again in %.0f ms"
    logger.debug(text, request.method, redact(request.url), what, delay)


def _error(request: Outgoing, error: BaseException) -> None:
    logger.debug("%s %s: %s", request.method, redact(request.url), _told(error))


def _told(error: object) -> str:
    return f"{type(error).__name__}: {redact(str(error))}"


LOGGING = Hooks([_request], [_response], [_redirect], [_retry], [_error])


def in_force(hooks: Hooks) -> Hooks | None:
    """Return a client's hooks, the log's after them if it is on; None where there are none."""
    if logger.isEnabledFor(logging.DEBUG):
        return hooks.joined(LOGGING)
    return hooks or None
