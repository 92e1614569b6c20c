"""Hooks: functions of the caller's that are called at each step of an exchange.

The log of the client, under ``bladehttp.client``, is made of hooks too. Everything is logged at
DEBUG; while that is off for the logger it costs one look-up per request.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, ClassVar

from bladehttp._message.response import HttpResponse
from bladehttp.client._config.redaction import redact
from bladehttp.client._request.body import Body, BytesBody
from bladehttp.client._request.fields import RequestHeaders
from bladehttp.client._request.prepared import PreparedRequest


class HookRequest:
    """A request as hooks see it: one object per exchange, redirects and retries included.

    Attributes:
        method: The method; a redirect may change it.
        url: Where to, without userinfo; a redirect changes it.
        headers: The fields as the caller and the client's properties make them, credentials among
            them. `on_request` may change them, for this message only: a redirect and a retry begin
            with the fields of the caller again. libcurl's own (Host, User-Agent, Accept) are not
            among them unless they were set.
        redirects: How many were followed so far.
        retries: How many times it was tried again so far.
        given: With `send_many` the object given for this request, else None.
        context: For the hooks' own use: {} at first.
    """

    __slots__ = ("_body", "context", "given", "headers", "method", "redirects", "retries", "url")

    def __init__(self, given: Any = None) -> None:
        self.given: Any = given
        self.context: dict[str, Any] = {}
        self.method: str = ""
        self.url: str = ""
        self.headers: RequestHeaders = RequestHeaders()
        self.redirects: int = 0
        self.retries: int = 0
        self._body: Body | None = None

    def update(self, request: PreparedRequest, redirects: int, retries: int) -> None:
        """Describe the next request."""
        self.method, self.url = request.method, request.url.text
        self.headers = RequestHeaders.of(request.fields)
        self.redirects, self.retries = redirects, retries
        self._body = request.body

    @property
    def body(self) -> bytes | None:
        """The body, for signatures; b"" for none, None for one that is read while it is sent."""
        body = self._body
        return b"" if body is None else body.data if isinstance(body, BytesBody) else None

    def __repr__(self) -> str:
        return f"<HookRequest {self.method} {self.url}>"


Hook = Callable[..., object]


@dataclass(slots=True)
class Hooks:
    """The hooks of a client, called in order; see `Configured`.

    Attributes:
        may_await: Whether they may be coroutine functions.
    """

    may_await: ClassVar[bool] = False

    on_request: list[Hook] = field(default_factory=list)
    on_response: list[Hook] = field(default_factory=list)
    on_redirect: list[Hook] = field(default_factory=list)
    on_retry: list[Hook] = field(default_factory=list)
    on_error: list[Hook] = field(default_factory=list)

    def has_any(self) -> bool:
        """Whether there is any hook. No ``__bool__``, which takes three times as long."""
        return bool(
            self.on_request
            or self.on_response
            or self.on_redirect
            or self.on_retry
            or self.on_error
        )

    def joined(self, other: "Hooks") -> "Hooks":
        """Return these hooks and then the other ones."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in NAMES))


class AsyncHooks(Hooks):
    """The hooks of an `AsyncHttpClient`."""

    __slots__ = ()
    may_await: ClassVar[bool] = True


NAMES = tuple(row.name for row in fields(Hooks))


def call(hooks: list[Hook], *arguments: object, given: list[Any] | None = None) -> None:
    """Call each hook in order; the first exception ends the calls.

    Args:
        hooks: The hooks.
        arguments: The arguments of each.
        given: The list for the awaitables that they return, and for the calls that must wait for
            these; None where nothing can be awaited.

    Raises:
        TypeError: A hook returns an awaitable, and nothing can be awaited.
    """
    for hook in tuple(hooks):
        if given:
            given.append(_called(hook, arguments))
            continue
        result = hook(*arguments)
        if result is None or not isawaitable(result):
            continue
        if given is None:
            drop(result)
            raise TypeError(f"{ASYNCHRONOUS}, not {hook!r}"[:200])
        given.append(result)


def drop(awaitable: object) -> None:
    """Close a coroutine that will not be awaited."""
    if iscoroutine(awaitable):
        awaitable.close()


async def _called(hook: Hook, arguments: tuple[object, ...]) -> None:
    result = hook(*arguments)
    if isawaitable(result):
        await result


ASYNCHRONOUS = "the hooks of an HttpClient are plain functions"


def hook_list(name: str, value: Any, may_await: bool) -> list[Hook]:
    """Return a checked list of hooks.

    Raises:
        TypeError: The value is neither a function nor a list of functions, or one is a coroutine
            function where plain functions are required.
    """
    if not callable(value) and not isinstance(value, Iterable):
        raise TypeError(f"{name} is a function or a list of functions, not {value!r}"[:200])
    hooks = [value] if callable(value) else list(value)
    for hook in hooks:
        if not callable(hook):
            raise TypeError(f"{name} is a list of functions, not of {hook!r}"[:200])
        if not may_await and (
            iscoroutinefunction(hook) or iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004
        ):
            raise TypeError(f"{ASYNCHRONOUS}, not {hook!r}"[:200])
    return hooks


logger = logging.getLogger("bladehttp.client")


def _request(request: HookRequest) -> None:
    logger.debug("%s %s", request.method, redact(request.url))


def _response(request: HookRequest, response: HttpResponse) -> None:
    text = "%s %s: %d in %.1f ms"
    logger.debug(text, request.method, redact(request.url), response.status, response.time_taken)


def _redirect(request: HookRequest, response: HttpResponse) -> None:
    location = redact(response.headers.get("Location", ""))
    logger.debug("%s %s: %d to %r", request.method, redact(request.url), response.status, location)


def _retry(request: HookRequest, result: object, delay: float) -> None:
    what = result.status if isinstance(result, HttpResponse) else _told(result)
    text = "%s %s: %s, again in %.0f ms"
    logger.debug(text, request.method, redact(request.url), what, delay)


def _error(request: HookRequest, error: BaseException) -> None:
    logger.debug("%s %s: %s", request.method, redact(request.url), _told(error))


def _told(error: object) -> str:
    return f"{type(error).__name__}: {redact(str(error))}"


LOGGING = Hooks([_request], [_response], [_redirect], [_retry], [_error])


OF_A_REQUEST = ("on_request", "on_response")
"""The hooks that a single request may have."""


def own_hooks(kind: type[Hooks], arguments: dict[str, Any]) -> Hooks | None:
    """Remove the hooks of a request from its arguments and return them; None if there are none.

    Raises:
        TypeError: See `hook_list`.
    """
    given = {name: arguments.pop(name) for name in OF_A_REQUEST if name in arguments}
    if not given:
        return None
    return kind(**{name: hook_list(name, value or (), kind.may_await)
                   for name, value in given.items()})  # fmt: skip


def active_hooks(hooks: Hooks, request: PreparedRequest) -> Hooks | None:
    """Return the hooks of a request; None if there are none and its auth is no function.

    Those of the client are called first, then those of the request, then those of the log if it is
    on.
    """
    own, auth = request.hooks, request.settings.auth
    if own is not None:
        hooks = hooks.joined(own)
    if logger.isEnabledFor(logging.DEBUG):
        return hooks.joined(LOGGING)
    return hooks if hooks.has_any() or (auth is not None and callable(auth)) else None


def usual_hooks(hooks: Hooks) -> Hooks | None:
    """Return the hooks of the requests of a client that `are_usual`."""
    if logger.isEnabledFor(logging.DEBUG):
        return hooks.joined(LOGGING)
    return hooks if hooks.has_any() else None


def is_usual(request: PreparedRequest) -> bool:
    """Whether a request has no hooks of its own and its auth is no function."""
    return request.hooks is None and not callable(request.settings.auth)
