"""What calls leave behind that only the next collection of garbage would release."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

ROUNDS = 3

Count = Callable[[], Counter[str]]
"""Counts objects of some types that are alive, by the name of the type."""


def left_by(once: Callable[[], object], count: Count) -> Counter[str]:
    """Return how many more objects there are after a few calls than after the first."""
    once()
    before = count()
    for _ in range(ROUNDS):
        once()
    return count() - before


async def left_on_loop(once: Callable[[], Awaitable[object]], count: Count) -> Counter[str]:
    """Return the same of calls that are awaited."""
    await once()
    before = await _settled(count)
    for _ in range(ROUNDS):
        await once()
    return await _settled(count) - before


async def _settled(count: Count) -> Counter[str]:
    """Count after the loop has called what was scheduled."""
    for _ in range(5):
        await asyncio.sleep(0)
    return count()
