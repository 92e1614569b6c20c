"""Asynchronous hooks: what the hooks of an `AsyncHttpClient` give to be awaited.

Hooks are called where the exchange takes a step, which is no coroutine. What one of them gives to
be awaited is kept by the exchange, and the hooks after it with it, so that their order is the
caller's. It is awaited before the next message is sent (`Driver`), before the response is given,
and before the exception is raised.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextvars import copy_context

from bladehttp.client.exchange import Exchange

logger = logging.getLogger("bladehttp.client")


async def settle(exchange: Exchange) -> None:
    """Await what hooks have given, in the context of whoever asked for the exchange.

    Raises:
        BaseException: What a hook raises.
    """
    given, exchange.awaitables = exchange.awaitables, None
    if given:
        context = exchange.context or copy_context()
        await asyncio.get_running_loop().create_task(_await_all(given), context=context)


async def settle_abort(exchange: Exchange, reason: BaseException) -> None:
    """Await what hooks have given for a request that was aborted.

    What they raise is logged, unless the reason is an Exception: it would take its place.
    """
    try:
        await settle(exchange)
    except Exception:
        if isinstance(reason, Exception):
            raise
        logger.exception("on_error failed for a request that was aborted")


async def _await_all(given: list[Awaitable[object]]) -> None:
    rest = iter(given)
    try:
        for each in rest:
            await each
    finally:
        for each in rest:
            if asyncio.iscoroutine(each):
                each.close()  # nobody will await it
