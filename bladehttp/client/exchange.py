"""Exchange: a message and all that its redirects make of it, under one clock."""

from math import inf
from time import monotonic

from bladehttp.client.engine import Engine
from bladehttp.client.message import Message
from bladehttp.client.redirects import NEXT_METHOD, next_message
from bladehttp.client.transfer import transfer, with_details
from bladehttp.exceptions import HttpException, TooManyRedirects
from bladehttp.response import Hop, HttpResponse


def exchange(engine: Engine, message: Message) -> HttpResponse:
    """Send a message, follow its redirects and return the last response.

    Raises:
        HttpException: See bladehttp/exceptions.py; with the last response in ``response``.
        BaseException: Whatever the caller's own code raised while its data was read.
    """
    settings = message.settings
    started = monotonic()
    deadline = started + settings.total_timeout / 1000 if settings.total_timeout else inf
    history: list[Hop] = []
    while True:
        response = transfer(engine, message, deadline)
        if response.status not in NEXT_METHOD or not settings.follow_redirect:
            break
        location = _location(response)
        if not location:
            break
        history.append(Hop(response.status, message.url.text))
        message = _follow(message, response, location, len(history))
    response.time_taken = (monotonic() - started) * 1000
    if history:
        response.redirects = len(history)
        response.history = tuple(history)
    return response


def _location(response: HttpResponse) -> str:
    """Return where a redirect leads, "" if it does not say."""
    # beyond ASCII is against the rules, but is sent, and then meant as UTF-8
    return response.headers.get("Location", "").encode("latin-1").decode("utf-8", "replace")


def _follow(message: Message, response: HttpResponse, location: str, count: int) -> Message:
    limit = message.settings.max_redirects
    if count > limit:
        many = TooManyRedirects(f"more than {limit} redirects, the last to {location[:200]!r}")
        raise with_details(many, message, response)
    try:
        return next_message(message, response.status, location)
    except HttpException as error:
        raise with_details(error, message, response) from error.__cause__
