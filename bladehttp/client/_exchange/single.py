"""One exchange on one engine, in the thread of the caller."""

from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.engine import Engine
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import Hooks
from bladehttp.client._request.prepared import PreparedRequest


def exchange(engine: Engine, request: PreparedRequest, hooks: Hooks | None) -> HttpResponse:
    """Send a request, follow its redirects and return the final response.

    Raises:
        HttpException: See `Exchange.finish`.
        BaseException: See `Exchange.finish`, or an exception of a signal handler.
    """
    current = Exchange(request, hooks)
    response = None
    try:
        while response is None:
            if current.not_before:
                current.wait_for_retry()
            current.prepare(engine)
            try:
                outcome = engine.run(current.receive_timeout_s, current.deadline)
            except BaseException as error:
                current.abort(error)
                raise
            response = current.finish(outcome)
    except BaseException as error:
        current.notify_error(error)  # a Ctrl-C between two lines of the loop
        raise
    return response
