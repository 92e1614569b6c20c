"""AuthFlow: an ``auth`` that is a function, applied to the messages of one exchange.

A function sets fields of a request. A generator function also gets the response, and yields the
request again to have it sent once more; each such round is a turn. It starts from the beginning for
each message: for the first, for a retry and for a redirect within the origin. Another origin gets
none (redirects.py).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from inspect import isasyncgen, isawaitable, isgenerator
from typing import Any

from bladehttp._message.response import HttpResponse
from bladehttp.client._exchange.hooks import HookRequest, drop
from bladehttp.exceptions import HttpException

MOST_TURNS = 10
"""Most times that a request is sent again in one exchange because ``auth`` asks for it: a server
may refuse every token."""


class AuthFlow:
    """The state of ``auth`` in one exchange.

    Attributes:
        asks_again: Whether the request is to be sent once more.
        held: The response that an asynchronous ``auth`` is to decide on; None for none.
    """

    __slots__ = ("_auth", "_generator", "_may_await", "_request", "_turns", "asks_again", "held")

    _request: HookRequest

    def __init__(self, auth: Callable[[HookRequest], object], may_await: bool) -> None:
        self._auth = auth
        self._may_await = may_await
        self._generator: Generator[Any, Any, Any] | AsyncGenerator[Any, Any] | None = None
        self._turns = 0
        self.asks_again = False
        self.held: HttpResponse | None = None

    @property
    def is_open(self) -> bool:
        """Whether a generator waits for the response."""
        return self._generator is not None

    def begin(self, request: HookRequest) -> Awaitable[object] | None:
        """Apply ``auth`` to a message; called as the last hook of `on_request`.

        Raises:
            TypeError: ``auth`` returns another object than None or the request.
            BaseException: An exception of ``auth``.
        """
        self.close()
        self._request = request
        result: Any = self._auth(request)
        if isgenerator(result):
            self._generator = result
            self._take(result, None)
        elif isasyncgen(result):
            self._check_awaitable()
            self._generator = result
            return self._atake(result, None)
        elif isawaitable(result):
            self._check_awaitable(result)
            return result
        elif result is not None and result is not request:
            raise TypeError(f"auth returns None or is a generator, and returned {result!r}"[:200])
        return None

    def _check_awaitable(self, result: object = None) -> None:
        if not self._may_await:
            drop(result)
            reason = "the auth of an HttpClient is a plain function or generator function"
            raise TypeError(f"{reason}, not {self._auth!r}"[:200])

    def give(self, response: HttpResponse) -> Coroutine[Any, Any, None] | None:
        """Give the generator the response; then `asks_again` is set.

        Returns:
            None, or a coroutine that has to be awaited first.

        Raises:
            HttpException: It has asked MOST_TURNS times.
            TypeError: It yields another object than the request.
            BaseException: An exception of the generator.
        """
        generator = self._generator
        if isasyncgen(generator):
            return self._atake(generator, response)
        if generator is not None:
            self._take(generator, response)
        return None

    def _take(self, generator: Any, response: HttpResponse | None) -> None:
        try:
            found = generator.send(response)
        except StopIteration:
            self._end()
        except BaseException:
            self._end()
            raise
        else:
            self._note(found, response)

    async def _atake(self, generator: Any, response: HttpResponse | None) -> None:
        try:
            found = await generator.asend(response)
        except StopAsyncIteration:
            self._end()
        except BaseException:
            self._end()
            raise
        else:
            self._note(found, response)

    def _end(self) -> None:
        """Forget a generator that has ended."""
        self._generator = None
        self.asks_again = False

    def _note(self, found: object, response: HttpResponse | None) -> None:
        if found is not self._request:
            self.close()
            raise TypeError(f"auth yields the request that it was given, not {found!r}"[:200])
        self.asks_again = response is not None
        self._turns += self.asks_again
        if response is not None and self._turns > MOST_TURNS:
            self.close()
            text = f"auth asked for the request more than {MOST_TURNS} times"
            raise HttpException(f"{text}, the last response is {response.status}",
                                url=response.url, response=response)  # fmt: skip

    def give_opened(self, response: HttpResponse) -> Coroutine[Any, Any, None] | None:
        """Give the generator a response whose body is being received, as `give` does.

        Raises:
            RuntimeError: It asks for the request again, which is too late.
        """
        pending = self.give(response)
        if pending is not None:
            return self._await_opened(pending, response)
        self._check_opened(response)
        return None

    async def _await_opened(
        self, pending: Coroutine[Any, Any, None], response: HttpResponse
    ) -> None:
        await pending
        self._check_opened(response)

    def _check_opened(self, response: HttpResponse) -> None:
        if self.asks_again:
            self.close()
            raise RuntimeError(f"auth asks for a stream again that has opened: {response.status}")

    def close(self) -> None:
        """End the generator; an asynchronous one is ended by its event loop."""
        generator = self._generator
        self._end()
        self.held = None
        if isgenerator(generator):
            generator.close()
