"""The kinds of callbacks, and checks of functions, of return values and of responses."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from bladehttp._message.deferred import Deferred
from bladehttp._message.response import HttpResponse


class Kind(NamedTuple):
    """One kind of callbacks.

    Attributes:
        name: The method that registers it.
        arguments: Number of arguments of its functions.
        is_awaited: Whether a function may be a coroutine function.
    """

    name: str
    arguments: int
    is_awaited: bool = False


CALLBACKS = {
    "connect": Kind("on_connect", 1),
    "disconnect": Kind("on_disconnect", 1),
    "before": Kind("before_request", 2, is_awaited=True),
    "receive": Kind("on_receive", 2, is_awaited=True),
    "after": Kind("after_request", 2),
    "reply": Kind("on_reply", 1),
    "answered": Kind("on_answered", 1),
    "error": Kind("on_error", 2),
    "refused": Kind("on_refused", 2),  # the test server's: request and reason
}

NEVER_RUN = (
    # kinds of functions whose call returns an object and runs no line
    (inspect.iscoroutinefunction, "a coroutine function"),
    (inspect.isasyncgenfunction, "an asynchronous generator function"),
    (inspect.isgeneratorfunction, "a generator function"),
)


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether a function, or its ``__call__``, is a coroutine function."""
    called = getattr(type(function), "__call__", None)  # noqa: B004 - of the class, as Python does
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def check_callable(
    function: Callable[..., Any], arguments: int, name: str, is_awaited: bool = False
) -> None:
    """Raise if a function cannot be called with a number of arguments, or would not run.

    Args:
        function: The function.
        arguments: The number.
        name: What it is registered as.
        is_awaited: Whether it may be a coroutine function.

    Raises:
        TypeError: It is not callable, takes another number of arguments, or is a coroutine or
            generator function, whose call runs nothing.
    """
    if not callable(function):
        raise TypeError(f"{name} takes a function, not {type(function).__name__}")
    if not (is_awaited and is_coroutine_function(function)):
        check_runs(function, name)
    check_arguments(function, arguments, name)


def check_arguments(
    function: Callable[..., Any], arguments: int, name: str, *, follow_wrapped: bool = True
) -> None:
    """Raise if a function cannot be called with a number of arguments.

    Args:
        function: The function.
        arguments: The number.
        name: What it is registered as.
        follow_wrapped: Whether one that wraps another (``functools.wraps``) takes the arguments of
            that.

    Raises:
        TypeError: It takes another number of arguments.
    """
    try:
        signature = inspect.signature(function, follow_wrapped=follow_wrapped)
    except ValueError:
        return  # a builtin that does not say
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        raise TypeError(f"{name} takes a function of {arguments} arguments: {error}") from error


def check_runs(function: Callable[..., Any], name: str) -> None:
    """Raise if calling a function would not run its body.

    Raises:
        TypeError: The function, or its ``__call__``, is a coroutine or generator function.
    """
    called = type(function).__call__ if hasattr(type(function), "__call__") else None  # noqa: B004
    for is_such, what in NEVER_RUN:
        if is_such(function) or is_such(called):
            hint = f"{name} takes a function that runs when it is called"
            raise TypeError(f"{hint}, and {name_of(function)} is {what}")


def check_value(function: Callable[..., Any], value: object) -> None:
    """Raise if a handler has returned a value.

    Args:
        function: The handler. A lambda always returns the value of its expression, so a bool is
            allowed, and a tuple of bools and None, as of ``lambda request, response:
            (response.write("x"), done.set())``.
        value: The return value. A coroutine is closed, since it will not be awaited.

    Raises:
        TypeError: The value may be meant as a response.
    """
    parts = value if isinstance(value, tuple) else (value,)
    says_nothing = all(part is None or isinstance(part, bool) for part in parts)
    if says_nothing and getattr(function, "__name__", "") == "<lambda>":
        return
    what = type(value).__name__
    if inspect.iscoroutine(value):
        value.close()
    raise TypeError(
        f"{name_of(function)} returned {what}: a handler fills in the response and returns None"
    )


def check_guard(function: Callable[..., Any], value: object) -> None:
    """Raise if a before_request function has returned a value; see `check_value`.

    A lambda's False is no exception here: it would be meant to refuse the request.
    """
    if isinstance(value, bool):
        raise TypeError(
            f"{name_of(function)} returned {value}: a before_request function refuses by abort(), "
            "or by filling in the response, and returns None"
        )
    check_value(function, value)


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function for messages: module and qualified name."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{name}"


def check_notice(function: Callable[..., object], value: object) -> None:
    """Ignore the return value of a callback that answers nothing, unless it is a coroutine.

    Raises:
        TypeError: It is a coroutine: the callback has not run.
    """
    if value is not None and hasattr(value, "__await__"):
        check_value(function, value)


def as_sent(response: HttpResponse) -> object:
    """Return the sent parts of a response, to detect changes."""
    try:
        return response.as_sent(), id(response.source)
    except (TypeError, ValueError):  # headers that cannot be sent have been put in their place
        return None


def check_unchanged(callback: Callable[..., object], response: HttpResponse, sent: object) -> None:
    """Raise if a callback has changed a response that was sent.

    Raises:
        RuntimeError: The callback has changed it.
    """
    if as_sent(response) != sent:
        raise RuntimeError(
            f"{name_of(callback)} changed a response whose head is sent: use after_request"
        )


def check_not_deferred(response: HttpResponse, deferred: Deferred | None) -> None:
    """Raise if after_request has deferred a response.

    Raises:
        RuntimeError: It has.
    """
    if response.deferred is not deferred:
        raise RuntimeError("after_request cannot defer a response")
