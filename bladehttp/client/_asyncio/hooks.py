"""Asynchronous hooks: awaiting the results of the hooks of an `AsyncHttpClient`.

Hooks are called where the exchange takes a step, in plain code. The exchange collects the
awaitables that they return, and defers the hooks after the first of them, so that the caller's
order is kept. They are awaited before the next request is sent (`EventLoopDriver`), before the
response is returned, and before the exception is raised.
"""

import asyncio
import logging
from contextvars import copy_context
from typing import Any

from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import drop

logger = logging.getLogger("bladehttp.client")


async def await_hooks(exchange: Exchange) -> None:
    """Await the awaitables of the hooks, in the context of the caller of the exchange.

    Raises:
        BaseException: An exception of a hook.
    """
    given, exchange.awaitables = exchange.awaitables, None
    if given:
        try:
            await _task(exchange, given)
        finally:
            for each in given:  # the rest will not be awaited
                drop(each)


async def await_response_hooks(exchange: Exchange) -> None:
    """Await the hooks of a response; if cancelled before they start, the exchange is aborted.

    Raises:
        BaseException: An exception of a hook.
    """
    try:
        await await_hooks(exchange)
    except asyncio.CancelledError as error:
        exchange.notify_abort(error)
        await await_abort_hooks(exchange, error)
        raise


async def await_abort_hooks(exchange: Exchange, reason: BaseException) -> None:
    """Await the hooks of a request that was aborted.

    They continue if the wait for them is cancelled, as a cancel scope of anyio does repeatedly.
    Their exceptions are logged, unless the reason is an Exception: then they replace it.
    """
    task = start_hooks_task(exchange)
    if task is None:
        return
    try:
        await asyncio.shield(task)
    except Exception:
        if isinstance(reason, Exception):
            raise
        logger.exception("on_error failed for a request that was aborted")
    finally:
        del task  # it refers to its exception, whose traceback refers to this frame


def start_hooks_task(exchange: Exchange) -> "asyncio.Task[None] | None":
    """Start a task that awaits the hooks, independent of the caller; return the task."""
    given, exchange.awaitables = exchange.awaitables, None
    if not given:
        return None
    task = _task(exchange, given)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    return task


_going_on: set["asyncio.Task[None]"] = set()
"""References to running tasks; a loop alone would not keep them."""


def _task(exchange: Exchange, given: list[Any]) -> "asyncio.Task[None]":
    context = exchange.context or copy_context()
    return asyncio.get_running_loop().create_task(_await_all(given), context=context)


async def _await_all(given: list[Any]) -> None:
    for each in given:
        if callable(each):  # a note of the exchange's
            each()
        else:
            await each
