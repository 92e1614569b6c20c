"""Exchange: a message and all that its redirects make of it, under one clock."""

from math import inf
from time import monotonic

from bladehttp.client.engine import Engine, Outcome
from bladehttp.client.handle import Handle
from bladehttp.client.message import Message
from bladehttp.client.redirects import NEXT_METHOD, next_message
from bladehttp.client.transfer import Transfer, with_details
from bladehttp.exceptions import HttpException, TooManyRedirects
from bladehttp.response import Hop, HttpResponse


class Exchange:
    """A message and all that its redirects make of it.

    It runs nothing itself, so that a single engine, a batch and asyncio can drive it alike:
    `prepare` a handle, run it, `finish`; and again until `finish` returns a response.

    Attributes:
        message: What is sent next, or was sent last.
        silence: The longest time without a byte in either direction once connected, in seconds.
        deadline: When all of it must be over, in terms of `time.monotonic`.
    """

    __slots__ = ("_history", "_started", "_transfer", "deadline", "message", "silence")

    def __init__(self, message: Message) -> None:
        """Start the clock of the whole."""
        settings = message.settings
        self.message = message
        self.silence = settings.receive_timeout / 1000 or inf
        self._started = monotonic()
        total = settings.total_timeout
        self.deadline = self._started + total / 1000 if total else inf
        self._history: list[Hop] = []

    def prepare(self, handle: Handle) -> None:
        """Set a handle up for the message.

        Raises:
            HttpException: It cannot be sent.
            RuntimeError: The server asked is this thread's own.
        """
        self._transfer = Transfer(self.message)
        self._transfer.prepare(handle)

    def abandon(self, handle: Handle) -> None:
        """Take from the handle what `prepare` gave it: there is no outcome and will be none."""
        self._transfer.abandon(handle)

    def finish(self, handle: Handle, outcome: Outcome) -> HttpResponse | None:
        """Return the last response, or None if there is another message to be sent.

        Raises:
            HttpException: See bladehttp/exceptions.py; with the last response in ``response``.
            BaseException: Whatever the caller's own code raised while its data was read.
        """
        response = self._transfer.finish(handle, outcome)
        if response.status in NEXT_METHOD and self.message.settings.follow_redirect:
            location = _location(response)
            if location:
                self._history.append(Hop(response.status, self.message.url.text))
                self.message = _follow(self.message, response, location, len(self._history))
                return None
        response.time_taken = (monotonic() - self._started) * 1000
        if self._history:
            response.redirects = len(self._history)
            response.history = tuple(self._history)
        return response


def exchange(engine: Engine, message: Message) -> HttpResponse:
    """Send a message, follow its redirects and return the last response.

    Raises:
        HttpException: As `Exchange.finish`.
        BaseException: Likewise, and whatever a signal handler raises.
    """
    current = Exchange(message)
    response = None
    while response is None:
        current.prepare(engine)
        try:
            outcome = engine.run(current.silence, current.deadline)
        except BaseException:
            current.abandon(engine)
            raise
        response = current.finish(engine, outcome)
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
